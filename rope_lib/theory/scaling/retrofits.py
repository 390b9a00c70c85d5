"""Retrofits: changes to the spectrum of a trained model. The package describes their arguments."""

import math

import numpy as np

from ..arguments import Floats, above_one, at_least_one, held, not_negative, one, positive
from ..oscillators import frequencies
from .parameters import (
    ORIGINAL_LENGTH,
    Parameters,
    SpectrumAndFactor,
    factor_of,
    number,
    number_of_pairs,
    optional,
    original_length,
    unscaled,
    within_float64,
)
from .registry import registered

_RAMP = ("factor", ORIGINAL_LENGTH, "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim")


@registered(("factor",), is_retrofit=True)
def linear(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """Position interpolation: every frequency divided by `factor`. Source: Chen et al. 2306.15595.

    >>> linear(10_000, 4, {"factor": 4}, 8192)[0]
    array([0.25  , 0.0025])
    """
    return unscaled(base, dim) / factor_of(parameters), 1.0


@registered(("factor",), is_retrofit=True)
def ntk(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """NTK by base, base·s^(dim/(dim-2)) with s = `factor`.

    It divides the slowest frequency by s and keeps the fastest. Source: NTK-aware interpolation, as
    YaRN 2309.00071 states it.

    >>> ntk(10_000, 4, {"factor": 4}, 8192)[0]
    array([1.    , 0.0025])
    """
    return _stretched(base, dim, factor_of(parameters)), 1.0


@registered(
    ("factor", ORIGINAL_LENGTH, "alpha"),
    is_retrofit=True,
    depends_on_length=True,
    aliases=("xdrope",),  # HunYuan-VL, whose axes are all alike for text
)
def dynamic(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """NTK by base whose stretch grows with the input: s = factor·L/L₀ - (factor - 1), 1 up to L₀.

    L is the context. If `alpha` is given, it is the stretch at every length. Source: YaRN 2309.00071;
    `alpha` as HunYuan's models use it.

    >>> dynamic(10_000, 4, {"factor": 2, "original_max_position_embeddings": 4096}, 8192)[0].round(6)
    array([1.      , 0.003333])
    """
    if parameters.get("alpha") is not None:
        return _stretched(base, dim, number(parameters, "alpha", at_least_one)), 1.0
    factor, trained = factor_of(parameters), original_length(parameters)
    context = number({"context_length": context_length}, "context_length", positive)
    return _stretched(base, dim, 1 + factor * (max(context, trained) / trained - 1)), 1.0


@registered((ORIGINAL_LENGTH,), is_retrofit=True, depends_on_length=True)
def qwen_dynamic(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """NTK by base in Qwen's first code: the stretch is 2^⌈log₂(L/L₀) + 1⌉ - 1 beyond L₀, and 1 up to it.

    L is the context, so that the stretch jumps with each doubling. Source: `get_ntk_alpha` in Qwen-7B's
    modeling_qwen.py.

    >>> trained = {"original_max_position_embeddings": 8192}
    >>> [int(1 / qwen_dynamic(10_000, 4, trained, length)[0][1]) for length in (8192, 8193, 16_385)]
    [100, 300, 700]
    """
    trained = original_length(parameters)
    context = number({"context_length": context_length}, "context_length", positive)
    doublings = math.ceil(math.log2(max(context, trained) / trained) + 1)
    return _stretched(base, dim, max(float(2 ** min(doublings, 1023)) - 1, 1.0)), 1.0


@registered((*_RAMP, "attention_factor"), is_retrofit=True)
def yarn(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
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
    factor = factor_of(parameters)
    mscale, all_dim = (optional(parameters, key, not_negative, 0.0) for key in ("mscale", "mscale_all_dim"))
    if not (mscale and all_dim):  # transformers ignores one without the other
        mscale, all_dim = 1.0, 0.0
    ratio = _temperature(factor, mscale) / _temperature(factor, all_dim)
    return _ramped(base, dim, parameters, factor), optional(parameters, "attention_factor", positive, ratio)


@registered(_RAMP, is_retrofit=True)
def deepseek_yarn(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """YaRN in DeepSeek's own code: the ratio of `mscale` (1) to `mscale_all_dim` (0) always counts.

    >>> deepseek = {"factor": 40, "original_max_position_embeddings": 4096, "mscale": 0.707}
    >>> round(deepseek_yarn(10_000, 64, deepseek, 163_840)[1], 4)
    1.2608
    """
    factor = factor_of(parameters)
    mscale = optional(parameters, "mscale", not_negative, 1.0)
    all_dim = optional(parameters, "mscale_all_dim", not_negative, 0.0)
    attention_factor = _temperature(factor, mscale) / _temperature(factor, all_dim)
    return _ramped(base, dim, parameters, factor), attention_factor


@registered(
    (
        "factor",
        ORIGINAL_LENGTH,
        "short_factor",
        "long_factor",
        "attention_factor",
        "short_mscale",
        "long_mscale",
    ),
    is_retrofit=True,
    depends_on_length=True,
    aliases=("su",),  # its name in Phi-3's first configs
)
def longrope(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """LongRoPE: each pair has its own divisor, in `short_factor` up to L₀ tokens and in `long_factor` beyond.

    The attention factor is `long_mscale` or `short_mscale` if given; else `attention_factor`;
    else √(1 + ln s/ln L₀) with s = `factor`, the declared context over L₀. Source: 2402.13753; the two
    mscales as Phi-3.5-MoE uses them.

    >>> parameters = {"factor": 32, "original_max_position_embeddings": 4096, "long_factor": [1, 40]}
    >>> inv_freq, attention_factor = longrope(10_000, 4, parameters, 131_072)
    >>> inv_freq / frequencies(10_000, 4), round(attention_factor, 4)
    (array([1.   , 0.025]), 1.1902)
    """
    trained = original_length(parameters)
    which = "long" if one(positive, "context_length", context_length) > trained else "short"
    attention_factor = optional(parameters, f"{which}_mscale", positive, None)
    if attention_factor is None:
        attention_factor = optional(parameters, "attention_factor", positive, None)
    if attention_factor is None:
        attention_factor = math.sqrt(1 + math.log(factor_of(parameters)) / math.log(trained))
    return _divided(base, dim, parameters, f"{which}_factor"), attention_factor


@registered(("factor", ORIGINAL_LENGTH, "low_freq_factor", "high_freq_factor"), is_retrofit=True)
def llama3(base: float, dim: int, parameters: Parameters, context_length: float | None) -> SpectrumAndFactor:
    """Llama 3.1: pairs of fewer than `low_freq_factor` turns in L₀ tokens are divided by `factor`.

    Pairs of more than `high_freq_factor` turns stay; in between, a share that grows with the turns stays.
    Source: Meta's llama-models, `apply_scaling`.

    >>> parameters = {"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
    >>> parameters["original_max_position_embeddings"] = 8192
    >>> (llama3(500_000, 8, parameters, 131_072)[0] / frequencies(500_000, 8)).round(4)
    array([1.    , 1.    , 0.3711, 0.125 ])
    """
    factor, trained = factor_of(parameters), original_length(parameters)
    low = number(parameters, "low_freq_factor", positive)
    high = number(parameters, "high_freq_factor", positive)
    if high < low:
        raise ValueError(f"high_freq_factor must be at least low_freq_factor, got {high:g} and {low:g}")
    inv_freq = unscaled(base, dim)
    turns = trained * inv_freq / (2 * np.pi)
    # Llama 4 Scout gives both the same value: its ramp is a step.
    kept = np.clip((turns - low) / (high - low), 0, 1) if high > low else (turns >= low).astype(float)
    return inv_freq * (kept + (1 - kept) / factor), 1.0


@registered(("freq_factors",), is_retrofit=True)
def freq_factors(
    base: float, dim: int, parameters: Parameters, context_length: float | None
) -> SpectrumAndFactor:
    """A divisor for each pair, `freq_factors`: the tensor `rope_freqs.weight` of GGUF files.

    A divisor of 1e15 or more, whose pair no context could see turn, stops the pair: llama.cpp writes 1e30.

    >>> freq_factors(10_000, 4, {"freq_factors": [1, 8]}, 131_072)[0]
    array([1.     , 0.00125])
    """
    inv_freq = _divided(base, dim, parameters, "freq_factors")
    return np.where(np.asarray(parameters["freq_factors"]) < 1e15, inv_freq, 0.0), 1.0


def _stretched(base: float, dim: int, stretch: float) -> Floats:
    """The bank whose slowest frequency is the unscaled one over `stretch` and whose fastest stays 1."""
    base, dim = one(above_one, "base", base), 2 * number_of_pairs(dim, 4)
    with np.errstate(over="ignore"):
        stretched = held("base", base, base * np.float64(stretch) ** (dim / (dim - 2)))
    return frequencies(stretched, dim)


def _ramped(base: float, dim: int, parameters: Parameters, factor: float) -> Floats:
    """YaRN's spectrum, without its attention factor."""
    inv_freq = unscaled(base, dim)
    base, dim, trained = float(base), int(dim), original_length(parameters)

    def pair_turning(turns: float) -> float:
        """The pair, as a real number, that makes `turns` turns in the trained length."""
        return dim * math.log(trained / (turns * 2 * math.pi)) / (2 * math.log(base))

    fast = optional(parameters, "beta_fast", positive, 32.0)
    slow = optional(parameters, "beta_slow", positive, 1.0)
    if fast < slow:
        raise ValueError(f"beta_fast must be at least beta_slow, got {fast:g} and {slow:g}")
    first, last = pair_turning(fast), pair_turning(slow)
    truncate = parameters.get("truncate", True)
    if not isinstance(truncate, bool):
        raise ValueError(f"truncate must be true or false, got {truncate!r}")
    if truncate:
        first, last = math.floor(first), math.ceil(last)
    # The authors' code sets these limits, and this width for a ramp without any.
    first, last = max(first, 0), min(last, dim - 1)
    last = last + 0.001 if first == last else last
    divided: Floats = np.clip((np.arange(dim // 2) - first) / (last - first), 0, 1)
    return inv_freq * (1 - divided) + inv_freq / factor * divided


def _divided(base: float, dim: int, parameters: Parameters, key: str) -> Floats:
    """The unscaled bank, each frequency divided by its own number under `key`."""
    inv_freq = unscaled(base, dim)
    divisors = within_float64(key, positive(key, parameters.get(key)))
    if divisors.shape != inv_freq.shape:
        raise ValueError(
            f"{key} must hold one number for each of {inv_freq.size} pairs, got shape {divisors.shape}"
        )
    return inv_freq / divisors


def _temperature(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1.0
