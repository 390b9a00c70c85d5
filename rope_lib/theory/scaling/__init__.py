"""The spectrum of each type of RoPE scaling: one pure function per type, each entered once in `SCALINGS`.

``designs``    spectra that a model is trained with from the start, the plain one among them.
``retrofits``  changes to the spectrum of a model that is already trained.

Every function takes the same four arguments and returns `(inv_freq, attention_factor)`:

base            the RoPE base before any scaling
dim             the channels of a head that the spectrum covers
parameters      a mapping with the numbers of the scaling, under the names that config.json files use
context_length  tokens that the model runs at; types that do not depend on the length ignore it

`inv_freq` has shape `(dim/2,)`, in radians per token, float64; a pair that does not rotate has 0.
`attention_factor` multiplies cos and sin. A parameter that is missing or out of range raises ValueError
with its name; a function ignores parameters that its type does not read. L₀ stands for the length before
scaling, `original_max_position_embeddings`.

To add a type, decorate its function with `registered` in one of the two modules. The readers of `models`, the
experiments of `train` and the page of the atlas then know it.
"""

from .designs import (
    cope,
    default,
    half_rope,
    high_freq,
    hope,
    mrope,
    p_rope,
    proportional,
    resonance,
    rope_id,
    rope_id_temperature,
)
from .parameters import ORIGINAL_LENGTH, Parameters, SpectrumAndFactor
from .registry import (
    SCALINGS,
    Scaling,
    find_scaling,
    is_length_dependent,
    registered,
    scaling_names,
)
from .retrofits import deepseek_yarn, dynamic, freq_factors, linear, llama3, longrope, ntk, qwen_dynamic, yarn

__all__ = [
    "ORIGINAL_LENGTH", "SCALINGS", "Parameters", "Scaling", "SpectrumAndFactor", "cope", "deepseek_yarn",
    "default", "dynamic", "find_scaling", "freq_factors", "half_rope", "high_freq", "hope",
    "is_length_dependent", "linear", "llama3", "longrope", "mrope", "ntk", "p_rope", "proportional",
    "qwen_dynamic", "registered", "resonance", "rope_id", "rope_id_temperature", "scaled_frequencies",
    "scaling_names", "yarn",
]  # fmt: skip


def scaled_frequencies(
    scaling: str, base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """`(inv_freq, attention_factor)` of the scaling of that name or alias.

    Raises ValueError for a name that is not registered, with those that are, and as the function itself does.

    >>> scaled_frequencies("linear", 10_000, 4, {"factor": 4}, 8192)[0]
    array([0.25  , 0.0025])
    """
    found = find_scaling(scaling)
    if found is None:
        raise ValueError(f"scaling must be one of {', '.join(scaling_names())}, got {scaling!r}")
    return found.function(base, dim, parameters, context_length)
