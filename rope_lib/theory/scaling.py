"""Retrofits that change the spectrum: one pure function for each type of RoPE scaling (`SCALINGS`).

Every function takes the same four arguments and returns `(inv_freq, attention_factor)`:

base            the RoPE base before any scaling
dim             the channels of a head that the spectrum covers
parameters      a mapping with the numbers of the scaling, under the names that config.json files use
context_length  tokens that the model runs at; only `dynamic` and `longrope` change with it

`inv_freq` has shape `(dim/2,)`, in radians per token, float64; a pair that does not rotate has 0.
`attention_factor` multiplies cos and sin. A parameter that is missing or out of its range raises ValueError
with its name; parameters that a type does not use are not read. L₀ stands for the length before scaling,
`original_max_position_embeddings`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import (
    above_one,
    at_least_one,
    even,
    finite,
    held,
    not_negative,
    one,
    one_of,
    positive,
    share,
    whole,
)
from .oscillators import frequencies


def default(base, dim, parameters, context_length):
    """RoPE as it was trained: θ_i = base^(-2i/dim). Source: RoFormer 2104.09864.

    >>> default(10_000, 8, {}, 4096)
    (array([1.   , 0.1  , 0.01 , 0.001]), 1.0)
    """
    return frequencies(one(above_one, "base", base), dim), 1.0


def linear(base, dim, parameters, context_length):
    """Position interpolation: every frequency divided by `factor`. Source: Chen et al. 2306.15595.

    >>> linear(10_000, 4, {"factor": 4}, 8192)[0]
    array([0.25  , 0.0025])
    """
    return default(base, dim, parameters, context_length)[0] / _factor(parameters), 1.0


def ntk(base, dim, parameters, context_length):
    """NTK by base, base·s^(dim/(dim-2)) with s = `factor`: the slowest frequency falls by s, the fastest not.

    Source: NTK-aware interpolation, as YaRN 2309.00071 states it.

    >>> ntk(10_000, 4, {"factor": 4}, 8192)[0]
    array([1.    , 0.0025])
    """
    return _stretched(base, dim, _factor(parameters)), 1.0


def dynamic(base, dim, parameters, context_length):
    """NTK by base whose stretch grows with the input: s = factor·L/L₀ - (factor - 1), 1 up to L₀.

    L is the context. Where `alpha` is given, the stretch is alpha at every length. Source: YaRN 2309.00071;
    `alpha` as HunYuan's models use it.

    >>> dynamic(10_000, 4, {"factor": 2, "original_max_position_embeddings": 4096}, 8192)[0].round(6)
    array([1.      , 0.003333])
    """
    if parameters.get("alpha") is not None:
        return _stretched(base, dim, _number(parameters, "alpha", at_least_one)), 1.0
    factor, trained = _factor(parameters), _original_length(parameters)
    length = max(_moderate("context_length", one(positive, "context_length", context_length)), trained)
    return _stretched(base, dim, 1 + factor * (length / trained - 1)), 1.0


def yarn(base, dim, parameters, context_length):
    """YaRN: pairs that turned often in training keep their frequency, slow ones are divided by `factor`.

    The ramp between them runs from the pair that turns `beta_fast` (32) times in L₀ tokens to the one that
    turns `beta_slow` (1) times, widened to whole pairs unless `truncate` is false. The attention factor
    is `attention_factor`; else, where `mscale` and `mscale_all_dim` are both there and not zero, the ratio
    of 0.1·mscale·ln s + 1 to the same of `mscale_all_dim`; else 0.1·ln s + 1. Source: 2309.00071.

    >>> parameters = {"factor": 4, "original_max_position_embeddings": 4096}
    >>> inv_freq, attention_factor = yarn(10_000, 8, parameters, 16_384)
    >>> inv_freq / frequencies(10_000, 8), round(attention_factor, 4)
    (array([1.   , 1.   , 0.625, 0.25 ]), 1.1386)
    """
    factor = _factor(parameters)
    mscale, all_dim = (_number(parameters, key, not_negative, 0.0) for key in ("mscale", "mscale_all_dim"))
    if not (mscale and all_dim):  # one of them alone counts for nothing, as in transformers
        mscale, all_dim = 1.0, 0.0
    ratio = _temperature(factor, mscale) / _temperature(factor, all_dim)
    return _ramped(base, dim, parameters, factor), _number(parameters, "attention_factor", positive, ratio)


def deepseek_yarn(base, dim, parameters, context_length):
    """YaRN as DeepSeek's own code has it: the ratio of `mscale` (1) to `mscale_all_dim` (0) always counts.

    >>> deepseek = {"factor": 40, "original_max_position_embeddings": 4096, "mscale": 0.707}
    >>> round(deepseek_yarn(10_000, 64, deepseek, 163_840)[1], 4)
    1.2608
    """
    factor = _factor(parameters)
    mscale = _number(parameters, "mscale", not_negative, 1.0)
    all_dim = _number(parameters, "mscale_all_dim", not_negative, 0.0)
    attention_factor = _temperature(factor, mscale) / _temperature(factor, all_dim)
    return _ramped(base, dim, parameters, factor), attention_factor


def longrope(base, dim, parameters, context_length):
    """LongRoPE: each pair has its own divisor, in `short_factor` up to L₀ tokens and in `long_factor` beyond.

    The attention factor is `long_mscale` or `short_mscale` where they are given; else `attention_factor`;
    else √(1 + ln s/ln L₀) with s = `factor`, the declared context over L₀. Source: 2402.13753; the two
    mscales as Phi-3.5-MoE uses them.

    >>> parameters = {"factor": 32, "original_max_position_embeddings": 4096, "long_factor": [1, 40]}
    >>> inv_freq, attention_factor = longrope(10_000, 4, parameters, 131_072)
    >>> inv_freq / frequencies(10_000, 4), round(attention_factor, 4)
    (array([1.   , 0.025]), 1.1902)
    """
    trained = _original_length(parameters)
    which = "long" if one(positive, "context_length", context_length) > trained else "short"
    attention_factor = _number(parameters, f"{which}_mscale", positive, None)
    if attention_factor is None:
        attention_factor = _number(parameters, "attention_factor", positive, None)
    if attention_factor is None:
        attention_factor = math.sqrt(1 + math.log(_factor(parameters)) / math.log(trained))
    return _divided(base, dim, parameters, f"{which}_factor"), attention_factor


def freq_factors(base, dim, parameters, context_length):
    """A divisor for each pair, `freq_factors`, as GGUF files carry them in the tensor `rope_freqs.weight`.

    A divisor of 1e15 or more, which no context could notice, stops its pair: llama.cpp writes 1e30 for that.

    >>> freq_factors(10_000, 4, {"freq_factors": [1, 8]}, 131_072)[0]
    array([1.     , 0.00125])
    """
    inv_freq = _divided(base, dim, parameters, "freq_factors")
    return np.where(np.asarray(parameters["freq_factors"]) < 1e15, inv_freq, 0.0), 1.0


def llama3(base, dim, parameters, context_length):
    """Llama 3.1: pairs of fewer than `low_freq_factor` turns in L₀ tokens are divided by `factor`.

    Those of more than `high_freq_factor` turns are kept; between the two the share kept grows with the turns.
    Source: Meta's llama-models, `apply_scaling`.

    >>> parameters = {"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
    >>> parameters["original_max_position_embeddings"] = 8192
    >>> (llama3(500_000, 8, parameters, 131_072)[0] / frequencies(500_000, 8)).round(4)
    array([1.    , 1.    , 0.3711, 0.125 ])
    """
    factor, trained = _factor(parameters), _original_length(parameters)
    low = _number(parameters, "low_freq_factor", positive)
    high = _number(parameters, "high_freq_factor", positive)
    if high < low:
        raise ValueError(f"high_freq_factor must be at least low_freq_factor, got {high:g} and {low:g}")
    inv_freq = default(base, dim, parameters, context_length)[0]
    turns = trained * inv_freq / (2 * np.pi)
    # Llama 4 Scout gives both the same value: its ramp is a step.
    kept = np.clip((turns - low) / (high - low), 0, 1) if high > low else (turns >= low).astype(float)
    return inv_freq * (kept + (1 - kept) / factor), 1.0


def proportional(base, dim, parameters, context_length):
    """Only the fastest ⌊share·dim/2⌋ pairs rotate, at the frequencies they have when all do; the rest have 0.

    The share is `partial_rotary_factor` (1), and a `factor` (1) divides all. Source: Gemma 4 in transformers.

    >>> proportional(10_000, 8, {"partial_rotary_factor": 0.5}, 4096)[0]
    array([1. , 0.1, 0. , 0. ])
    """
    inv_freq = default(base, dim, parameters, context_length)[0]
    rotating = int(_number(parameters, "partial_rotary_factor", share, 1.0) * even("dim", dim, 2) // 2)
    return _without_tail(inv_freq, rotating) / _number(parameters, "factor", at_least_one, 1.0), 1.0


def mrope(base, dim, parameters, context_length):
    """Multimodal RoPE: the spectrum of `default`, its pairs shared out to three axes by `mrope_section`.

    Text has the same position on every axis, so that for text nothing changes. Source: Qwen2-VL 2409.12191.

    >>> mrope(1_000_000, 8, {"mrope_section": [2, 1, 1]}, 32_768)[0].shape
    (4,)
    """
    inv_freq, attention_factor = default(base, dim, parameters, context_length)
    if parameters.get("mrope_section") is not None:
        sections = whole("mrope_section", parameters["mrope_section"], 0)
        if sections.sum() != inv_freq.size:
            given = parameters["mrope_section"]
            raise ValueError(f"mrope_section must share out {inv_freq.size} pairs, got {given}")
    return inv_freq, attention_factor


def rope_id(base, dim, parameters, context_length):
    """RoPE-ID: half the pairs, from one turn in `shortest_period` (32) tokens to two in L₀; the rest rest.

    The frequencies are log-uniform, end points included, and owe nothing to the base. The temperature that
    belongs to RoPE-ID acts on queries by their position and is not part of the spectrum. Source: paper B
    (claim B9), with the constants of its first author's code.

    >>> inv_freq, _ = rope_id(10_000, 128, {"original_max_position_embeddings": 4096}, 4096)
    >>> inv_freq[[0, 31, 32]].round(7)
    array([0.1963495, 0.003068 , 0.       ])
    """
    pairs = int(one(even, "dim", dim, 4)) // 2
    inv_freq = np.zeros(pairs)
    inv_freq[: pairs // 2] = _band(parameters, pairs // 2)
    return inv_freq, 1.0


def high_freq(base, dim, parameters, context_length):
    """HighFreq: the band of RoPE-ID over all pairs (paper B, claim B9).

    >>> high_freq(10_000, 128, {"original_max_position_embeddings": 4096}, 4096)[0][[0, 63]].round(7)
    array([0.1963495, 0.003068 ])
    """
    return _band(parameters, int(one(even, "dim", dim, 2)) // 2), 1.0


def half_rope(base, dim, parameters, context_length):
    """HalfRoPE: the bank of a head half the size on dim/4 pairs; the rest do not rotate (paper B, claim B9).

    >>> half_rope(10_000, 8, {}, 4096)[0]
    array([1.  , 0.01, 0.  , 0.  ])
    """
    pairs = int(one(even, "dim", dim, 4)) // 2
    inv_freq = np.zeros(pairs)
    inv_freq[: pairs // 2] = frequencies(one(above_one, "base", base), 2 * (pairs // 2))
    return inv_freq, 1.0


def p_rope(base, dim, parameters, context_length):
    """p-RoPE: the fastest ⌊p·dim/2⌋ pairs rotate, `p` between 0 and 1. Source: Barbero et al. 2410.06205.

    >>> p_rope(10_000, 8, {"p": 0.75}, 4096)[0]
    array([1.  , 0.1 , 0.01, 0.  ])
    """
    inv_freq = default(base, dim, parameters, context_length)[0]
    return _without_tail(inv_freq, int(_number(parameters, "p", share) * inv_freq.size)), 1.0


def hope(base, dim, parameters, context_length):
    """HoPE's clip: pairs that complete no turn in L₀ tokens, θ < 2π/L₀, do not rotate. Source: 2410.21216.

    >>> hope(10_000, 8, {"original_max_position_embeddings": 4096}, 4096)[0]
    array([1.  , 0.1 , 0.01, 0.  ])
    """
    inv_freq = default(base, dim, parameters, context_length)[0]
    return np.where(inv_freq * _original_length(parameters) >= 2 * np.pi, inv_freq, 0.0), 1.0


SCALINGS = {
    "default": default,
    "linear": linear,
    "ntk": ntk,
    "dynamic": dynamic,
    "yarn": yarn,
    "deepseek_yarn": deepseek_yarn,
    "longrope": longrope,
    "su": longrope,  # the name it had in Phi-3's first configurations
    "llama3": llama3,
    "freq_factors": freq_factors,
    "proportional": proportional,
    "mrope": mrope,
    "rope_id": rope_id,
    "high_freq": high_freq,
    "half_rope": half_rope,
    "p_rope": p_rope,
    "hope": hope,
}


def scaled_frequencies(scaling, base, dim, parameters, context_length):
    """`(inv_freq, attention_factor)` of the scaling of that name; an unknown name raises and lists the known.

    >>> scaled_frequencies("linear", 10_000, 4, {"factor": 4}, 8192)[0]
    array([0.25  , 0.0025])
    """
    return SCALINGS[one_of("scaling", scaling, SCALINGS)](base, dim, parameters, context_length)


def _stretched(base, dim, stretch):
    """The bank whose slowest frequency is the unscaled one over `stretch` and whose fastest stays 1."""
    base, dim = one(above_one, "base", base), int(one(even, "dim", dim, 4))
    with np.errstate(over="ignore"):
        stretched = held("base", base, base * np.float64(stretch) ** (dim / (dim - 2)))
    return frequencies(stretched, dim)


def _ramped(base, dim, parameters, factor):
    """YaRN's spectrum, without its attention factor."""
    inv_freq = default(base, dim, parameters, None)[0]
    base, dim, trained = float(base), int(dim), _original_length(parameters)

    def pair_turning(turns):
        """The pair, as a real number, that makes `turns` turns in the trained length."""
        return dim * math.log(trained / (turns * 2 * math.pi)) / (2 * math.log(base))

    fast = _number(parameters, "beta_fast", positive, 32.0)
    slow = _number(parameters, "beta_slow", positive, 1.0)
    if fast < slow:
        raise ValueError(f"beta_fast must be at least beta_slow, got {fast:g} and {slow:g}")
    first, last = pair_turning(fast), pair_turning(slow)
    truncate = parameters.get("truncate", True)
    if not isinstance(truncate, bool):
        raise ValueError(f"truncate must be true or false, got {truncate!r}")
    if truncate:
        first, last = np.floor(first), np.ceil(last)
    # These limits, and the width given to a ramp that has none, are those of the authors' code.
    first, last = max(first, 0), min(last, dim - 1)
    last = last + 0.001 if first == last else last
    divided = np.clip((np.arange(dim // 2) - first) / (last - first), 0, 1)
    return inv_freq * (1 - divided) + inv_freq / factor * divided


def _divided(base, dim, parameters, key):
    """The unscaled bank, each frequency divided by its own number under `key`."""
    inv_freq = default(base, dim, parameters, None)[0]
    divisors = _moderate(key, positive(key, parameters.get(key)))
    if divisors.shape != inv_freq.shape:
        raise ValueError(
            f"{key} must hold one number for each of {inv_freq.size} pairs, got shape {divisors.shape}"
        )
    return inv_freq / divisors


def _temperature(factor, mscale):
    return 0.1 * mscale * math.log(factor) + 1.0


def _band(parameters, pairs):
    """`pairs` log-uniform frequencies from 2π/`shortest_period` down to 4π/L₀, both included."""
    shortest = _number(parameters, "shortest_period", positive, 32.0)
    trained = _original_length(parameters)
    if trained <= 2 * shortest:
        allowed = f"more than twice the shortest period {shortest:g}"
        raise ValueError(f"original_max_position_embeddings must be {allowed}, got {trained:g}")
    return np.geomspace(2 * np.pi / shortest, 4 * np.pi / trained, pairs)


def _without_tail(inv_freq, rotating):
    return np.where(np.arange(inv_freq.size) < rotating, inv_freq, 0.0)


def _number(parameters, key, check, *fallback):
    """The single number under `key`, checked; null is the same as absent, which only a fallback allows."""
    value = parameters.get(key)
    return fallback[0] if value is None and fallback else _moderate(key, one(check, key, value))


def _moderate(name, value):
    """`value`, refused where powers and ratios of several like it might leave float64."""
    extreme = np.extract((value > 1e36) | ((value > 0) & (value < 1e-36)), value)
    if extreme.size:
        raise ValueError(f"{name} must be between 1e-36 and 1e36, got {extreme[0]:g}")
    return value


def _factor(parameters):
    return _number(parameters, "factor", at_least_one)


def _original_length(parameters):
    return _number(parameters, "original_max_position_embeddings", above_one)


def rope_id_temperature(position: ArrayLike, trained_length: float) -> NDArray[np.float64]:
    """(1 + 0.1·ln(max(t, L)/L))²: RoPE-ID's factor on the query at position t = 0, 1, 2, …

    L is the trained length. The factor is 1 up to position L, and YaRN's temperature with the stretch t/L
    beyond. Source: paper B (claim B9), with the constants of its first author's code.

    >>> rope_id_temperature([0, 4096, 8192], 4096).round(4)
    array([1.    , 1.    , 1.1434])
    """
    trained = one(positive, "trained_length", trained_length)
    return (1 + 0.1 * np.log(np.maximum(finite("position", position), trained) / trained)) ** 2
