"""Which layers of a GGUF model rotate and what their attention sees, as llama.cpp decides it."""

from dataclasses import dataclass, replace

from . import checks
from .architectures import LLAMA_CPP, Architecture, Rotating, Windows
from .checks import length_in_tokens, shown
from .gguf_header import Header
from .gguf_keys import (
    BLOCKS,
    DENSE,
    FINETUNED,
    INTERVAL,
    KV_HEADS,
    PATTERN,
    RATIOS,
    RECURRENT,
    ROTATING,
    WINDOW,
)
from .layers import CHUNKED, COMPRESSED_SPARSE, FULL, HEAVILY_COMPRESSED, LINEAR, SLIDING

# The kinds of layers that DeepSeek-V4's ratios of compression stand for.
_COMPRESSED = {0: SLIDING, 4: COMPRESSED_SPARSE, 128: HEAVILY_COMPRESSED}


@dataclass(frozen=True)
class Layers:
    """The kind of each layer as in transformers' `layer_types`, whether it rotates, and the window."""

    kinds: tuple[str, ...]
    rotate: tuple[bool, ...]
    window: int | None  # in tokens, of the layers that slide or see chunks
    window_from: tuple[str, str] = ("", "")  # provenance and source of the window

    def repeated(self, times: int) -> "Layers":
        """The same layers, `times` times one after another."""
        return replace(self, kinds=self.kinds * times, rotate=self.rotate * times)

    @property
    def slide(self) -> bool:
        """Whether any layer has a window of its own rules."""
        return any(kind in (SLIDING, CHUNKED) for kind in self.kinds)


def read_layers(header: Header, num_layers: int) -> Layers:
    """The `Layers` of a model; records "layers", "unrotated_layers" and "window".

    Raises ValueError for a list of the wrong length, and where a window or a list that llama.cpp needs is
    missing.
    """
    row = header.row
    switched_off = _switched_off(header, num_layers)
    if switched_off:
        header.record("unrotated_layers", *switched_off)
        header.record("layers", "derived", "no layer rotates")
        return Layers((FULL,) * num_layers, (False,) * num_layers, None)
    if row.place:
        same = row.rotating is Rotating.ALL and row.windows is None and row.full_attention_interval is None
        header.record("layers", "class_default", LLAMA_CPP if same else header.code)
    else:
        header.record("layers", "assumed", f"the architecture {header.architecture} is not known")
    window, window_from, slides = _sliding(header, num_layers)
    windowed = CHUNKED if row.windows is not None and row.windows.is_chunk else SLIDING
    kinds = [windowed if one else FULL for one in slides]
    if row.has_compressed_layers:
        kinds = _compressed(header, num_layers)
    attends = _attending(header, num_layers)
    rotates = _rotating(header, slides, has_window=window is not None or any(slides))
    if not all(attends):
        kinds = [kind if one else LINEAR for kind, one in zip(kinds, attends, strict=True)]
        rotates = [a and b for a, b in zip(attends, rotates, strict=True)]
    if not all(rotates) and "unrotated_layers" not in header.provenance:
        header.record("unrotated_layers", header.provenance["layers"], header.sources["layers"])
    return Layers(tuple(kinds), tuple(rotates), window, window_from)


def _switched_off(header: Header, num_layers: int) -> tuple[str, str] | None:
    """`(provenance, source)` where no layer rotates, else None."""
    row = header.row
    if row.rotating is Rotating.NONE:
        return "class_default", f"{header.code}: llama.cpp runs {header.architecture} without RoPE"
    if row.alibi_of == num_layers:
        return "class_default", f"{header.code}: {header.architecture} of {num_layers} layers has ALiBi"
    if row.rotates_of not in (None, num_layers):
        header.doubt(BLOCKS)
        return (
            "class_default",
            f"{header.code}: only {header.architecture} of {row.rotates_of} layers rotates",
        )
    if row.finetuned_switches and header.checked(FINETUNED, checks.true_or_false) is False:
        key = header.key(FINETUNED)
        return "explicit", f"{key}, which switches RoPE in {header.code}"
    return None


def _sliding(header: Header, num_layers: int) -> tuple[int | None, tuple[str, str], list[bool]]:
    """`(window in tokens, where it comes from, whether each layer slides)`."""
    windows, nowhere = header.row.windows, (None, ("", ""), [False] * num_layers)
    if windows is None or windows.only_of not in (None, num_layers):
        return nowhere
    stated, key = header.checked(WINDOW, checks.whole_number_from_zero), header.key(WINDOW)
    if (stated == 0 and windows.none_at_zero) or (not stated and windows.is_optional):
        return nowhere
    of_code = windows.is_fixed or stated is None
    window = windows.tokens if of_code else stated
    if window is None:
        raise ValueError(f"{key} is missing, without which llama.cpp refuses {header.architecture}")
    origin = ("class_default", header.code) if of_code else ("explicit", key)
    if windows.beyond_half is not None:
        window = window // 2 + windows.beyond_half
        more = f" + {windows.beyond_half}" if windows.beyond_half else ""
        origin = "derived", f"{key} / 2{more}: it counts both directions"
    slides = [True] * num_layers if windows.everywhere else _pattern(header, windows, num_layers)
    return window or None, origin, slides


def _pattern(header: Header, windows: Windows, num_layers: int) -> list[bool]:
    """Whether each layer slides, by the file's list or period, else by the period of the code."""
    listed = header.per_layer(PATTERN, num_layers)
    if listed is not None:
        header.record("layers", "explicit", header.key(PATTERN))
        return [bool(one) for one in listed]
    if windows.full_every is None:
        raise ValueError(
            f"{header.key(PATTERN)} must list which layers slide, got {shown(header.value(PATTERN))}"
        )
    period = header.checked(PATTERN, checks.whole_number_from_zero)
    if period is not None:
        header.record("layers", "derived", header.key(PATTERN))
    else:
        period = windows.full_every
    if period == 0:
        return [True] * num_layers
    full = 0 if windows.full_first else period - 1
    return [layer % period != full for layer in range(num_layers)]


def _compressed(header: Header, num_layers: int) -> list[str]:
    """The kind of each layer by its ratio of compression."""
    ratios = header.per_layer(RATIOS, num_layers)
    if ratios is None:
        raise ValueError(
            f"{header.key(RATIOS)} is missing, without which llama.cpp refuses {header.architecture}"
        )
    unknown = set(ratios) - set(_COMPRESSED)
    if unknown:
        known = ", ".join(map(str, _COMPRESSED))
        raise ValueError(f"{header.key(RATIOS)} must list {known}, got {shown(min(unknown))}")
    header.record("layers", "alias", header.key(RATIOS))
    return [_COMPRESSED[ratio] for ratio in ratios]


def _attending(header: Header, num_layers: int) -> list[bool]:
    """Whether each layer has queries and keys: those with a state in place of attention have none."""
    heads = header.per_layer(KV_HEADS, num_layers)
    attends = [True] * num_layers if heads is None else [bool(count) for count in heads]
    if not all(attends):
        header.record("layers", "explicit", header.key(KV_HEADS))
    every = header.row.full_attention_interval
    if every is None:
        return attends
    listed, stated = header.per_layer(RECURRENT, num_layers), header.checked(INTERVAL, length_in_tokens)
    if listed is not None:  # it goes before the interval, which the converter writes too
        header.record("layers", "explicit", header.key(RECURRENT))
        return [not one for one in listed]
    if stated is not None:
        every = stated
        header.record("layers", "derived", header.key(INTERVAL))
    return [(layer + 1) % every == 0 for layer in range(num_layers)]


def _rotating(header: Header, slides: list[bool], has_window: bool) -> list[bool]:
    """Whether each layer that attends rotates its queries and keys."""
    row, layers = header.row, range(len(slides))
    rotates = [True] * len(slides)
    match row.rotating:
        case Rotating.SLIDING:
            rotates = slides
        case Rotating.SLIDING_IF_ANY:
            rotates = slides if any(slides) else rotates
        case Rotating.SLIDING_AND_DENSE:
            dense = header.checked(DENSE, checks.whole_number_from_zero) or 0
            rotates = [slides[layer] or layer < dense for layer in layers]
        case Rotating.NOT_LAST_OF_FOUR:
            step = 4
            if _is_mobile(row, has_window):
                step = len(slides)
                header.notes.append(f"{header.key(WINDOW)} is 0: llama.cpp rotates all layers but the last.")
            rotates = [(layer + 1) % step != 0 for layer in layers]
        case Rotating.NOT_FIRST_OF_FOUR:
            rotates = [layer % 4 != 0 or not has_window for layer in layers]
        case Rotating.LISTED:
            listed = header.per_layer(ROTATING, len(slides))
            if listed is not None:
                header.record("unrotated_layers", "explicit", header.key(ROTATING))
                return [bool(one) for one in listed]
    if not all(rotates):
        header.record("unrotated_layers", "class_default", header.code)
    return rotates


def _is_mobile(row: Architecture, has_window: bool) -> bool:
    """Whether a Llama 4 states a window of 0: llama.cpp then leaves only its last layer unrotated."""
    return row.windows is not None and row.windows.none_at_zero and not has_window
