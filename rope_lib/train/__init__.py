"""Controlled experiments: a transformer small enough to read, trained on generated tasks or on real text.

``spectrum``     the frequencies of a rotation, their arithmetic and temperature; needs no torch.
``schemes``      plain RoPE with its cosines and sines as programs compute them; needs no torch.
``tasks``        tasks whose answers stand at a known distance, by their sizes; needs no torch.
``config``       one run as a frozen dataclass, read strictly from TOML; needs no torch.
``transformer``  the model: a Llama in miniature.
``corpus``       bytes of real text.
``questions``    a batch of inputs with its questions.
``draws``        inputs of every task, drawn from a generator.
``loop``         training that a kill at any moment does not change.
``evaluate``     loss by position, accuracy by distance, the geometry of the keys.
``ngrams``       what a table of counts knows about the next byte; needs no torch.
``validated``    losses of byte models, and of counts, on text that neither has read.
``export``       a byte model as a Llama folder.
``run``          one config in, plain tables out.
``conversion``   a pretrained model under another rotation, and brief tuning to it.
``converted``    the packaged model tuned in each of these ways, and what it reads.
``rounding``     trained models with a gap in their positions, and nothing rounded.
"""
