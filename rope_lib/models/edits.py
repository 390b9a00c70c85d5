"""Mistakes in one spectrum: what a reader, a converter or a loader may make of a `Rotary` in silence.

`EDITS` holds each with its words, to follow "B is A …". An edit takes a spectrum and its model, and returns
the spectrum that the mistake makes of it: the same one where the mistake does not apply. To teach `compare`
another explanation of this kind, enter its function there.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ..theory.oscillators import frequencies
from ..theory.scaling import ORIGINAL_LENGTH, SCALINGS, is_length_dependent
from .compare import spectrum_at
from .spec import FrozenDict, ModelSpec, Rotary

Edit: TypeAlias = Callable[[Rotary, ModelSpec], Rotary]

# The base of LlamaConfig in transformers, of llama.cpp, and of most loaders, for a file that states none.
DEFAULT_BASE = 10_000.0
UNSCALED = FrozenDict(type="default")


def _with_base(rotary: Rotary, spec: ModelSpec, base: float) -> Rotary:
    return replace(rotary, base=base)


def scaled(rotary: Rotary, **values: Any) -> Rotary:
    """A spectrum with other numbers in its scaling."""
    return replace(rotary, scaling=FrozenDict({**rotary.scaling, **values}))


def _unscaled(rotary: Rotary, spec: ModelSpec) -> Rotary:
    return replace(rotary, scaling=UNSCALED) if SCALINGS[rotary.scaling["type"]].is_retrofit else rotary


def _ramp_in_float32(rotary: Rotary, spec: ModelSpec) -> Rotary:
    """Llama 3's divisors as a converter computes them: in float32, which the ramp's difference amplifies."""
    if rotary.scaling["type"] != "llama3":
        return rotary
    names = ("factor", "low_freq_factor", "high_freq_factor", ORIGINAL_LENGTH)
    factor, low, high, original = (np.float32(rotary.scaling[name]) for name in names)
    exponents = np.arange(0, rotary.rotary_dim, 2, dtype=np.float32) / np.float32(rotary.rotary_dim)
    turns = original / (np.float32(2 * np.pi) / (1 / np.float32(rotary.base) ** exponents))
    kept = np.clip((turns - low) / (high - low), 0, 1) if high > low else (turns >= low).astype(np.float32)
    divisors = (1 / ((1 - kept) / factor + kept)).astype(float).tolist()
    return replace(rotary, scaling=FrozenDict(type="freq_factors", freq_factors=divisors))


def _factor_squared(rotary: Rotary, spec: ModelSpec) -> Rotary:
    factor = rotary.scaling.get("factor")
    return rotary if factor is None else scaled(rotary, factor=factor**2)


def _stretched_twice(rotary: Rotary, spec: ModelSpec) -> Rotary:
    """Each frequency divided once more by what the scaling divides it by."""
    name = rotary.scaling["type"]
    if not SCALINGS[name].is_retrofit or is_length_dependent(name):
        return rotary
    inv_freq, factor = spectrum_at(rotary, 1)
    if not inv_freq.all():
        return rotary
    divisors = ((frequencies(rotary.base, rotary.rotary_dim) / inv_freq) ** 2).tolist()
    if factor == 1:
        return replace(rotary, scaling=FrozenDict(type="freq_factors", freq_factors=divisors))
    both = dict.fromkeys(("short_factor", "long_factor"), divisors)  # LongRoPE holds any spectrum and factor
    scaling = {"type": "longrope", ORIGINAL_LENGTH: 2, "attention_factor": factor**2, **both}
    return replace(rotary, scaling=FrozenDict(scaling))


def _from_declared(rotary: Rotary, spec: ModelSpec) -> Rotary:
    if spec.declared_context is None or ORIGINAL_LENGTH not in rotary.scaling:
        return rotary
    return scaled(rotary, **{ORIGINAL_LENGTH: spec.declared_context})


def _factor_of_lengths(rotary: Rotary, spec: ModelSpec) -> Rotary:
    if spec.declared_context is None or not {ORIGINAL_LENGTH, "factor"} <= rotary.scaling.keys():
        return rotary
    return scaled(rotary, factor=max(spec.declared_context / rotary.scaling[ORIGINAL_LENGTH], 1.0))


def _used_as(rotary: Rotary, spec: ModelSpec, name: str) -> Rotary:
    """The factor of a scaling in one of another type, with what both read."""
    factor = rotary.scaling.get("factor")
    original = rotary.scaling.get(ORIGINAL_LENGTH) or spec.declared_context
    needs_length = ORIGINAL_LENGTH in SCALINGS[name].reads
    if factor is None or factor < 1 or (needs_length and original is None):
        return rotary
    kept = {key: rotary.scaling[key] for key in SCALINGS[name].reads if key in rotary.scaling}
    length = {ORIGINAL_LENGTH: original} if needs_length else {}
    return replace(rotary, scaling=FrozenDict({"type": name, **kept, **length}))


def _truncated(rotary: Rotary, spec: ModelSpec, truncate: bool) -> Rotary:
    ramps = rotary.scaling["type"] in ("yarn", "deepseek_yarn")
    return scaled(rotary, truncate=truncate) if ramps else rotary


def _one_list(rotary: Rotary, spec: ModelSpec, used: str, dropped: str) -> Rotary:
    factors = rotary.scaling.get(used)
    return rotary if factors is None else scaled(rotary, **{dropped: factors})


def _with_attention_factor(rotary: Rotary, spec: ModelSpec, power: float) -> Rotary:
    """The attention factor to a power: 0 leaves it out, 2 applies it twice."""
    name = rotary.scaling["type"]
    if name not in ("yarn", "deepseek_yarn", "longrope"):
        return rotary
    factor = spectrum_at(rotary, spec.declared_context or 1)[1] ** power
    left_out = ("short_mscale", "long_mscale")
    kept = {key: value for key, value in rotary.scaling.items() if key not in left_out}
    kind = "longrope" if name == "longrope" else "yarn"
    return replace(rotary, scaling=FrozenDict({**kept, "type": kind, "attention_factor": factor}))


def _own_attention_factor(rotary: Rotary, spec: ModelSpec) -> Rotary:
    if rotary.scaling["type"] not in ("yarn", "deepseek_yarn"):
        return rotary
    left_out = ("attention_factor", "mscale", "mscale_all_dim")
    kept = {key: value for key, value in rotary.scaling.items() if key not in left_out}
    return replace(rotary, scaling=FrozenDict({**kept, "type": "yarn"}))


def _share_rotated(rotary: Rotary, spec: ModelSpec, share: float) -> Rotary:
    rotated = int(rotary.head_dim * share)
    if rotary.scaling["type"] == "proportional" or rotated % 2 or rotated < 2:
        return rotary
    return _fitted(replace(rotary, rotary_dim=rotated))


def _half_heads(rotary: Rotary, spec: ModelSpec) -> Rotary:
    half = rotary.rotary_dim // 2
    if rotary.head_dim % 2 or half % 2 or half < 2:
        return rotary
    return _fitted(replace(rotary, head_dim=rotary.head_dim // 2, rotary_dim=half))


def _fitted(rotary: Rotary) -> Rotary:
    """A spectrum of another size; one whose scaling lists a number for each pair has no other size."""
    lists = any(isinstance(value, tuple) for value in rotary.scaling.values())
    return replace(rotary, scaling=UNSCALED) if lists else rotary


def _over_whole_head(rotary: Rotary, spec: ModelSpec) -> Rotary:
    """A partial rotation with the exponents of a whole one, as Gemma 4's full layers have."""
    if rotary.scaling["type"] != "default" or rotary.rotary_dim == rotary.head_dim:
        return rotary
    share = rotary.rotary_dim / rotary.head_dim
    scaling = FrozenDict(type="proportional", partial_rotary_factor=share)
    return replace(rotary, rotary_dim=rotary.head_dim, scaling=scaling)


def _over_rotated_part(rotary: Rotary, spec: ModelSpec) -> Rotary:
    """The opposite: the exponents of a bank that is as small as the rotated part."""
    if rotary.scaling["type"] != "proportional":
        return rotary
    rotated = int(rotary.scaling.get("partial_rotary_factor", 1) * rotary.head_dim // 2) * 2
    return rotary if rotated < 2 else replace(rotary, rotary_dim=rotated, scaling=UNSCALED)


def _seeing_all(rotary: Rotary, spec: ModelSpec) -> Rotary:
    return replace(rotary, window=None, kind="full") if rotary.window is not None else rotary


def _other_window(rotary: Rotary, spec: ModelSpec, divided_by: int, plus: int) -> Rotary:
    if rotary.window is None:
        return rotary
    return replace(rotary, window=max(rotary.window // divided_by + plus, 1))


EDITS: tuple[tuple[str, Edit], ...] = (
    (
        f"with the base {DEFAULT_BASE:,.0f}, which loaders take where they find none",
        partial(_with_base, base=DEFAULT_BASE),
    ),
    ("without its scaling", _unscaled),
    ("with its ramp computed in float32", _ramp_in_float32),
    ("with its scaling applied twice", _stretched_twice),
    ("with its factor squared", _factor_squared),
    ("with the declared context in place of the original length", _from_declared),
    ("with the declared over the original length for its factor", _factor_of_lengths),
    *(
        (f"with its factor in a scaling of type {name}", partial(_used_as, name=name))
        for name in ("linear", "ntk", "dynamic", "yarn", "deepseek_yarn")
    ),
    ("with YaRN's ramp not widened to whole pairs (truncate: false)", partial(_truncated, truncate=False)),
    ("with YaRN's ramp widened to whole pairs (truncate: true)", partial(_truncated, truncate=True)),
    (
        "with LongRoPE's short factors at every length",
        partial(_one_list, used="short_factor", dropped="long_factor"),
    ),
    (
        "with LongRoPE's long factors at every length",
        partial(_one_list, used="long_factor", dropped="short_factor"),
    ),
    ("without its attention factor", partial(_with_attention_factor, power=0)),
    ("with its attention factor applied twice", partial(_with_attention_factor, power=2)),
    ("with the attention factor that YaRN gives its factor, 0.1·ln s + 1", _own_attention_factor),
    ("with the whole head rotated", partial(_share_rotated, share=1.0)),
    ("with half of each head rotated", partial(_share_rotated, share=0.5)),
    ("with a quarter of each head rotated", partial(_share_rotated, share=0.25)),
    ("with heads of half the size", _half_heads),
    ("with frequencies spaced over the whole head", _over_whole_head),
    ("with frequencies spaced over the rotated part of a head", _over_rotated_part),
    ("without its window", _seeing_all),
    ("with half its window", partial(_other_window, divided_by=2, plus=0)),
    ("with half its window and one more", partial(_other_window, divided_by=2, plus=1)),
    ("with a window of one token less", partial(_other_window, divided_by=1, plus=-1)),
)  # fmt: skip
