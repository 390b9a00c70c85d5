"""The scaling of a GGUF model, as llama.cpp runs it: from the file's keys and its tensors of divisors.

What llama.cpp computes: each frequency is divided by its entry in a tensor, if there is one, and multiplied
by 1/factor, in YaRN along its ramp. Cosines and sines are multiplied by YaRN's temperature, 0.1 ln s + 1
(`llama_context` in src/llama-context.cpp and `rope_yarn` in ggml), and by rope.scaling.attn_factor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..theory.scaling import ORIGINAL_LENGTH
from . import checks
from .architectures import LLAMA_CPP, Scaled
from .checks import JsonObject, length_in_tokens, positive_number, shown
from .gguf_header import Header
from .gguf_keys import (
    ALPHA,
    AXES,
    BETA_FAST,
    BETA_SLOW,
    CONTEXT,
    FACTOR,
    LOG_MULTIPLIER,
    OLD_FACTOR,
    ORIGINAL,
    RAMPED,
    TEMPERATURE,
    TYPE,
)

_TYPES = ("none", "linear", "yarn", "longrope")


@dataclass(frozen=True)
class FileScaling:
    """What a file states of its scaling."""

    origin: tuple[str, str]  # provenance and source
    is_yarn: bool
    factor: float
    temperature: float  # what multiplies cosines and sines beside YaRN's own
    yarn: JsonObject = field(default_factory=dict)  # the parameters of theory.scaling, but the temperature
    yarn_temperature: float = 1.0
    divisors: Sequence[float] | None = None
    by_length: JsonObject = field(default_factory=dict)  # of LongRoPE
    axes: Sequence[int] = ()
    alpha: float | None = None

    @property
    def is_stated(self) -> bool:
        """Whether the file changes its frequencies at all."""
        return self.factor != 1 or self.divisors is not None or bool(self.by_length)


def read_scaling(header: Header, context: int | None) -> FileScaling:
    """What the file states of its scaling; records "original_context".

    Raises ValueError for what is missing, out of range or not known.
    """
    kind = header.value(TYPE)
    if kind is not None and kind not in _TYPES:
        raise ValueError(f"{header.key(TYPE)} must be one of {', '.join(_TYPES)}, got {shown(kind)}")
    factor = _factor(header)
    origin = ("derived", "no scaling is stated") if kind is None else ("explicit", header.key(TYPE))
    if kind == "none":
        windows = header.row.windows
        if factor != 1 and windows is not None and windows.scaled is Scaled.ALL:
            header.doubt(FACTOR)  # llama.cpp scales sliding layers all the same
        factor = 1.0
    if kind is None and factor != 1:
        origin = "class_default", f"{LLAMA_CPP}, for a factor without a type"
    temperature = header.checked(TEMPERATURE, positive_number) or 1.0
    is_yarn = kind == "yarn" and _is_ramped(header)
    original = header.checked(ORIGINAL, length_in_tokens)
    by_name = {name.split(".")[-2]: values.tolist() for name, values in sorted(header.tensors.items())}
    divisors = by_name.get("rope_freqs")
    by_length: JsonObject = {
        f"{which}_factor": by_name[f"rope_factors_{which}"]
        for which in ("long", "short")
        if f"rope_factors_{which}" in by_name
    }
    if by_length and (divisors is None or kind == "longrope"):
        divisors = None
        by_length[ORIGINAL_LENGTH] = _original(header, original, context)
        origin = "explicit", "rope_factors_long.weight"
    elif divisors is not None:
        by_length = {}
        origin = "explicit", "rope_freqs.weight"
    if is_yarn and (divisors or by_length):
        tensor = "rope_freqs.weight" if divisors else "rope_factors_long.weight"
        raise ValueError(f"{header.key(TYPE)} must not be yarn beside {tensor}")
    yarn: JsonObject = {}
    if is_yarn and factor != 1:
        yarn = {"factor": factor, ORIGINAL_LENGTH: _original(header, original, context)}
        yarn |= _ramp(header)
    return FileScaling(
        origin, is_yarn, factor, temperature, yarn, _yarn_temperature(header, factor), divisors, by_length,
        _axes(header), _alpha(header),
    )  # fmt: skip


def _factor(header: Header) -> float:
    """The factor under its name, else under that of the first files; 0 stands for 1."""
    for name in (FACTOR, OLD_FACTOR):
        value = header.value(name)
        if value is not None:
            return 1.0 if value == 0 else positive_number(header.key(name), value)
    return 1.0


def _original(header: Header, stated: int | None, context: int | None) -> int:
    """The context before scaling: stated, else the declared one."""
    if stated is not None:
        header.record("original_context", "explicit", header.key(ORIGINAL))
        return stated
    if context is None:
        raise ValueError(f"{header.key(ORIGINAL)} is missing, and so is {header.key(CONTEXT)} in place of it")
    header.record(
        "original_context", "derived", f"{header.key(CONTEXT)}, as {header.key(ORIGINAL)} is missing"
    )
    return context


def _is_ramped(header: Header) -> bool:
    """Whether YaRN has its ramp, which one architecture may switch off by a share of 0."""
    share = header.value(RAMPED) if header.row.reads_ramp_share else None
    if share not in (None, 0, 1) and not (isinstance(share, int | float) and share < 0):
        header.doubt(RAMPED)
    return share != 0 or share is None


def _ramp(header: Header) -> JsonObject:
    """The ends of YaRN's ramp in turns, as far as they are not 32 and 1."""
    fast: float = header.row.beta_fast
    slow: float = 1.0
    if header.row.reads_ramp:
        fast = header.checked(BETA_FAST, positive_number) or fast
        slow = header.checked(BETA_SLOW, positive_number) or slow
    return {"beta_fast": fast, "beta_slow": slow} if (fast, slow) != (32.0, 1.0) else {}


def _yarn_temperature(header: Header, factor: float) -> float:
    """What YaRN multiplies cosines and sines by: 0.1 ln s + 1, over the same with a log multiplier."""
    divisor = header.row.log_multiplier
    multiplier = None if divisor is None else header.value(LOG_MULTIPLIER)
    if multiplier is None or divisor is None:
        return _mscale(factor, 1.0)
    if multiplier == 0:
        return _mscale(factor, 1.0)
    all_dim = positive_number(header.key(LOG_MULTIPLIER), multiplier) / divisor
    return 1.0 if header.row.log_multiplier_cancels else _mscale(factor, 1.0) / _mscale(factor, all_dim)


def _mscale(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1 if factor > 1 else 1.0


def _axes(header: Header) -> list[int]:
    """How many pairs each axis of a rotation for images has, without the empty last ones."""
    value: Any = header.value(AXES) if header.row.has_axes else None
    if value is None:
        return []
    axes = checks.pairs_of_axes(header.key(AXES), list(value) if isinstance(value, tuple) else value)
    while axes and not axes[-1]:
        axes = axes[:-1]
    return axes


def _alpha(header: Header) -> float | None:
    value = header.value(ALPHA) if header.row.has_alpha else None
    return None if not value else positive_number(header.key(ALPHA), value)


def scaling_of(header: Header, stated: FileScaling, kind: str, pairs: int) -> JsonObject:
    """The scaling of the layers of a kind: `{"type": …}` and the parameters of that type in theory.scaling.

    `pairs` is how many pairs of channels rotate. `kind` is "sliding" for layers with the rules of sliding
    ones, "unscaled" for those that no scaling reaches, and "full" for the rest.
    """
    row = header.row
    windows = row.windows if kind == "sliding" else None
    if row.fixed_base is not None or (windows is not None and windows.scaled is Scaled.NOT):
        return {"type": "default"}
    if kind == "unscaled":
        return {"type": "default"}
    reaches = windows is None or windows.scaled is Scaled.ALL
    temperature = stated.temperature if row.has_temperature else 1.0
    divisors = stated.divisors if windows is None or windows.reads_divisors else None
    factor = stated.factor if reaches else 1.0
    if stated.by_length:
        long_and_short = {
            name: [one * factor for one in value] if isinstance(value, list) else value
            for name, value in stated.by_length.items()
        }
        return {"type": "longrope", **long_and_short, "attention_factor": temperature}
    if stated.is_yarn and stated.yarn:
        own = stated.yarn_temperature if row.has_temperature else 1.0
        if reaches:
            net = own * temperature
            given = {} if math.isclose(net, _mscale(factor, 1.0), rel_tol=1e-9) else {"attention_factor": net}
            return {"type": "yarn", **stated.yarn, **given}
        temperature *= own / _mscale(stated.factor, 1.0)
    if temperature != 1:
        header.doubt(TEMPERATURE)  # no type of scaling has a temperature alone
    if divisors is not None:
        return {"type": "freq_factors", "freq_factors": [one * factor for one in divisors]}
    if stated.alpha is not None and factor == 1:
        return {"type": "dynamic", "alpha": stated.alpha}
    if factor != 1:
        return {"type": "linear", "factor": factor}
    if len(stated.axes) > 1 and sum(stated.axes) == pairs:
        return {"type": "mrope", "mrope_section": list(stated.axes)}
    return {"type": "default"}
