"""A real model, measured: load it, intercept its queries and keys, reduce them while the layers run.

``text``      the text that the book measures on.
``load``      the packaged SmolLM2-135M, or any causal model on any device.
``intercept`` every layer's queries and keys, before and after the rotation, of a running model.
``rotation``  how a model rotates: probed, so that what cannot be captured is refused.
``geometry``  stable rank, first singular value, principal components: functions of second moments.
``sweep``     `measure`: loss and geometry at several lengths, one forward pass each.
``positions`` experiments on the positions themselves: shifts, number types, misalignment.
"""

import warnings

# transformers asks for notebook progress bars, which need a package that nothing here uses.
warnings.filterwarnings("ignore", message="IProgress not found")
