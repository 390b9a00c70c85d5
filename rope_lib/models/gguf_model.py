"""Read a `.gguf` file as a `ModelSpec`: its metadata, and the tensors in which llama.cpp keeps divisors.

What llama.cpp knows of an architecture and writes into no file is in `architectures.ARCHITECTURES`.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass

from ..theory.arguments import above_one
from . import checks
from .architectures import ARCHITECTURES, LLAMA_CPP, WITHOUT_ROW, Architecture, Scaled
from .checks import length_in_tokens, rope_base, shown, whole_number_to
from .gguf import read_gguf
from .gguf_header import Header, size_at
from .gguf_keys import (
    AHEAD,
    BASE,
    BASE_SLIDING,
    BLOCKS,
    COMPRESSED_BASE,
    CONTEXT,
    HEAD,
    HEAD_MLA,
    HEAD_MLA_SLIDING,
    HEAD_SLIDING,
    HEADS,
    OF_YARN,
    ROTARY,
    ROTARY_SLIDING,
    WIDTH,
    account_of,
    says_nothing,
    unread,
)
from .gguf_layers import Layers, read_layers
from .gguf_scaling import FileScaling, read_scaling, scaling_of
from .layers import CHUNKED, COMPRESSED_SPARSE, HEAVILY_COMPRESSED, SLIDING, seen
from .limits import LIMITS, LONGEST
from .scaling_object import length_before
from .spec import FrozenDict, ModelSpec, Rotary, next_scope

DEFAULT_BASE = 10_000.0  # where a file has no rope.freq_base

# What general.type calls files that hold no model of text.
NO_MODELS = ("adapter", "imatrix", "mmproj", "vocab")

# An architecture without a row: nothing is known but what its file states.
UNKNOWN = Architecture("")


def read_gguf_model(path: str | os.PathLike[str], name: str) -> ModelSpec:
    """The `ModelSpec` of a GGUF file, named `name`.

    Raises ValueError, one line with the key of the file, for a file that is damaged or is no model of text,
    and for what is missing, of a wrong type, out of range or contradictory.
    """
    metadata, tensors = read_gguf(path)
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not re.fullmatch(r"[\w.-]{1,60}", architecture):
        raise ValueError("general.architecture must name the model: is this a later part of a file?")
    if metadata.get("general.type", "model") in NO_MODELS:
        kinds = f"must be 'model', got {shown(metadata['general.type'])}"
        raise ValueError(f"general.type {kinds}: its file holds no layers of a model of text")
    if architecture == "clip":
        raise ValueError(f"general.architecture must name a model of text, got 'clip': {WITHOUT_ROW['clip']}")
    row = ARCHITECTURES.get(architecture, UNKNOWN)
    header = Header(metadata, tensors, architecture, row)
    if row is UNKNOWN:
        header.ledger.doubted.add("general.architecture")
        why = WITHOUT_ROW.get(architecture, "it is not known")
        header.notes.append(f"The architecture {shown(architecture)}: {why}. Only its file was read.")
    if row.is_draft:
        header.notes.append(f"{architecture} drafts tokens for a larger model, and is judged by itself.")
    once, times = _num_layers(header)
    num_layers = once * times
    context = header.checked(CONTEXT, length_in_tokens)
    if context is not None:
        header.record("context", "explicit", header.key(CONTEXT))
    layers = read_layers(header, once).repeated(times)
    scaling = None
    rotaries: tuple[Rotary, ...] = ()
    if any(layers.rotate):
        scaling = read_scaling(header, context)
        rotaries = _rotaries(header, layers, scaling, context)
    lengths = (length_before(rotary.scaling) for rotary in rotaries)
    rotated = {layer for rotary in rotaries for layer in rotary.layers}
    inert = _inert(header, layers, scaling)
    return ModelSpec(
        name=name,
        architecture=architecture,
        num_layers=num_layers,
        declared_context=context,
        original_context=next((length for length in lengths if length is not None), None),
        rotaries=rotaries,
        unrotated_layers=tuple(layer for layer in range(num_layers) if layer not in rotated),
        provenance=FrozenDict(header.provenance),
        sources=FrozenDict(header.sources),
        notes=tuple(header.notes),
        keys=account_of(metadata, architecture, header.ledger, inert, num_layers),
    )


def _num_layers(header: Header) -> tuple[int, int]:
    """The number of layers, without those that predict tokens ahead, and how often all of them run."""
    limited = whole_number_to(LIMITS["num_layers"])
    layers = header.needed(BLOCKS, limited)
    header.record("num_layers", "explicit", header.key(BLOCKS))
    ahead = header.checked(AHEAD, checks.whole_number_from_zero) or 0
    if 0 < ahead < layers:
        layers -= ahead
        header.record("num_layers", "derived", f"{header.key(BLOCKS)} − {AHEAD}")
    loops = header.row.loops
    times = None if loops is None else header.checked(loops, limited)
    if times is not None and times > 1:
        limited(f"{header.key(BLOCKS)} × {loops}", layers * times)
        header.record("num_layers", "derived", f"{header.key(BLOCKS)} × {loops}")
    return layers, times or 1


@dataclass(frozen=True)
class _Sizes:
    """Channels of a head, and those that rotate."""

    head_dim: int
    rotary_dim: int


def _rotaries(
    header: Header, layers: Layers, scaling: FileScaling, context: int | None
) -> tuple[Rotary, ...]:
    """The spectra of a model, each with the layers that it drives; that of full attention comes first."""
    groups: dict[str, list[int]] = {}
    for layer, (kind, rotates) in enumerate(zip(layers.kinds, layers.rotate, strict=True)):
        if rotates:
            groups.setdefault(kind, []).append(layer)
    rotaries: list[Rotary] = []
    earlier: Counter[str] = Counter()
    for kind in sorted(groups, key=lambda kind: (seen(kind) != "full", groups[kind][0])):
        header.scope = next_scope(seen(kind), earlier)
        rotaries.append(_rotary(header, kind, groups[kind], layers, scaling, context))
        earlier[seen(kind)] += 1
    header.scope = ""
    return tuple(rotaries)


def _rotary(
    header: Header,
    kind: str,
    of_kind: list[int],
    layers: Layers,
    scaling: FileScaling,
    context: int | None,
) -> Rotary:
    """The `Rotary` of the layers of one kind."""
    row = header.row
    slides = kind in (SLIDING, CHUNKED) and not row.has_compressed_layers
    rules = "sliding" if slides else "full"
    if row.has_compressed_layers and kind == SLIDING:
        rules = "unscaled"
    base = _base(header, kind, slides)
    sizes = _sizes(header, slides)
    parameters = scaling_of(header, scaling, rules, sizes.rotary_dim // 2)
    unscaled = rules == "unscaled" or (
        slides and row.windows is not None and row.windows.scaled is not Scaled.ALL
    )
    if scaling.is_stated and (unscaled or row.fixed_base is not None):
        header.record("scaling", "class_default", f"{header.code}, which scales other layers alone")
    else:
        header.record("scaling", *scaling.origin)
    window = layers.window if kind in (SLIDING, CHUNKED) else None
    if window is not None:
        header.record("window", *layers.window_from)
    rotary = Rotary(
        tuple(of_kind), seen(kind), base, sizes.head_dim, sizes.rotary_dim, window, FrozenDict(parameters)
    )
    try:
        above_one("the effective base", rotary.effective_base(context or LONGEST))
    except ValueError as error:
        raise ValueError(f"{header.key('rope.scaling')}: {error}") from None
    return rotary


def _sizes(header: Header, slides: bool) -> _Sizes:
    """The sizes of a head, in layers with or without the rules of sliding ones."""
    head_dim, rotary_dim = _full_sizes(header)
    windows, share = header.row.windows, header.row.full_share
    if slides and windows is not None:
        names = (HEAD_SLIDING, HEAD_MLA_SLIDING) if windows.reads_sizes else (HEAD_MLA_SLIDING,)
        for name in names:
            size = size_at(header, name, LIMITS["head_dim"])
            if size is not None:
                head_dim = size
                header.record("head_dim", "explicit", header.key(name))
        size = size_at(header, ROTARY_SLIDING, LIMITS["head_dim"]) if windows.reads_sizes else None
        if size is not None:
            rotary_dim = size
            header.record("rotary_dim", "explicit", header.key(ROTARY_SLIDING))
    elif share != 1:
        rotary_dim = int(rotary_dim * share)
        header.record("rotary_dim", "class_default", f"{share:g} of {header.key(ROTARY)}, in {header.code}")
    if rotary_dim > head_dim or rotary_dim % 2 or rotary_dim < 2:
        allowed = f"an even number from 2 to the head size {head_dim}"
        raise ValueError(f"the rotary dimension must be {allowed}, got {rotary_dim}")
    return _Sizes(head_dim, rotary_dim)


def _full_sizes(header: Header) -> tuple[int, int]:
    """Channels of a head and of its rotation, before what differs by kind; records both."""
    limit = LIMITS["head_dim"]
    width, heads = size_at(header, WIDTH, LIMITS["hidden_size"]), size_at(header, HEADS, LIMITS["num_heads"])
    head_dim = size_at(header, HEAD, limit)
    latent = size_at(header, HEAD_MLA, limit)
    if latent is not None:
        head_dim = latent
        header.record("head_dim", "explicit", header.key(HEAD_MLA))
    elif head_dim is not None:
        header.record("head_dim", "explicit", header.key(HEAD))
    else:
        if width is None or heads is None:
            missing = header.key(WIDTH if width is None else HEADS)
            raise ValueError(f"{missing} is missing, and so is {header.key(HEAD)}")
        if width % heads:
            raise ValueError(
                f"{header.key(HEAD)} is missing, and {WIDTH} {width} is no multiple of {heads} heads"
            )
        head_dim = width // heads
        header.record("head_dim", "derived", f"{header.key(WIDTH)} / {header.key(HEADS)}")
    rotary_dim = size_at(header, ROTARY, limit)
    if rotary_dim is not None:
        header.record("rotary_dim", "explicit", header.key(ROTARY))
        return head_dim, rotary_dim
    header.record("rotary_dim", "derived", "head_dim: all of it, as no key states less")
    return head_dim, head_dim


def _base(header: Header, kind: str, slides: bool) -> float:
    """The base of the layers of one kind; records "base"."""
    row, windows = header.row, header.row.windows
    if row.fixed_base is not None:
        header.record("base", "class_default", header.code)
        return row.fixed_base
    if kind in (COMPRESSED_SPARSE, HEAVILY_COMPRESSED):
        base = header.needed(COMPRESSED_BASE, rope_base)
        header.record("base", "explicit", header.key(COMPRESSED_BASE))
        return base
    plain = header.checked(BASE, rope_base)
    if slides and windows is not None:
        own = header.checked(BASE_SLIDING, rope_base) if windows.reads_base else None
        if own is not None:
            header.record("base", "explicit", header.key(BASE_SLIDING))
            return own
        if windows.base is not None:
            header.record("base", "class_default", header.code)
            return windows.base
    if plain is not None:
        header.record("base", "explicit", header.key(BASE))
        return plain
    header.record("base", "class_default", LLAMA_CPP)
    return DEFAULT_BASE


def _inert(header: Header, layers: Layers, scaling: FileScaling | None) -> dict[str, str]:
    """The keys of rotation that llama.cpp does not read here and that change nothing, with the reason.

    One that would change something is noted: the file says what llama.cpp does not do.
    """
    if header.row is UNKNOWN:
        return {}
    is_yarn = scaling is not None and scaling.is_yarn
    rotates = any(layers.rotate)
    unused = unread(header.row, header.architecture, rotates, layers.slide, is_yarn)
    inert: dict[str, str] = {}
    for name, reason in unused.items():
        key = header.key(name)
        value = header.metadata.get(key)
        if key not in header.metadata or key in header.ledger.read:
            continue
        is_known = not rotates or name in header.row.unused or (name in OF_YARN and not is_yarn)
        if is_known or says_nothing(name, value, header.metadata, header.architecture):
            inert[name] = reason
        else:
            header.notes.append(f"{key} is {shown(value)}: {reason}.")
    return inert
