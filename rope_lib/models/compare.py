"""Whether two models' files are the same rotation: layer by layer, where they part and by how much.

Files are compared by what they do, not by what they say: a base stretched by NTK is the same as the larger
base, and the divisors in a GGUF file are the same as the scaling that made them. The first model is called A
and the second B, here and in all output.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from ..theory.arguments import Floats, one, whole
from ..theory.comparison import PhaseDifference, phase_difference
from ..theory.oscillators import frequencies
from ..theory.scaling import ORIGINAL_LENGTH, SpectrumAndFactor, is_length_dependent
from .atlas import AtlasModel
from .limits import MOST_PAIRS
from .params import ARCHITECTURES as PARAMS_ARCHITECTURES
from .spec import ModelSpec, Rotary, scopes

# Numbers are the same that differ by no more than this share: eight units in the last place of float32. Files
# hold bases, factors and divisors rounded to float32, each within half a unit, and converters compute the
# divisors of Llama 3 in float32, within two units for every published model.
TOLERANCE = 2.0**-20

UNROTATED, ABSENT = -1, -2  # what a layer is that no spectrum drives; that only the other model has


@dataclass(frozen=True)
class Parting:
    """A quantity in which two groups of layers part, with where either value comes from."""

    quantity: str
    a: Any  # a number, a string or None, or a dict that JSON can hold
    b: Any
    origin_a: str  # "explicit: rope_theta"; empty where nothing more is to be said
    origin_b: str
    bears: bool  # whether it makes the rotation another; else the same is described in another way


@dataclass(frozen=True)
class LayerGroup:
    """Layers that one spectrum of A drives, or none, and one of B, or none."""

    layers: tuple[int, ...]  # counted from 0
    a: int | None  # the place of the spectrum in A's `rotaries`; None where A does not rotate or has no layer
    b: int | None
    only_in: str | None  # "A" or "B" for layers beyond the end of the other
    partings: tuple[Parting, ...]
    phase: PhaseDifference | None  # None where one is absent, or their pairs are of different channels

    @property
    def is_same(self) -> bool:
        """Whether these layers rotate alike in both."""
        return not any(parting.bears for parting in self.partings)


@dataclass(frozen=True)
class Elsewhere:
    """The comparison at another context, for scalings that depend on the length."""

    context: int
    is_same: bool
    worst: float | None  # radians; None where no pairs can be compared


@dataclass(frozen=True)
class Comparison:
    """Two models at one context in tokens, which is None where no layer of either rotates."""

    a: ModelSpec
    b: ModelSpec
    context: int | None
    context_from: str  # why it is this context, in words
    groups: tuple[LayerGroup, ...]
    elsewhere: tuple[Elsewhere, ...]
    remarks: tuple[str, ...]  # what else to know of this comparison, in sentences

    @property
    def is_same(self) -> bool:
        """Whether every layer turns alike in every input up to the context."""
        here = all(group.is_same for group in self.groups)
        return here and all(other.is_same for other in self.elsewhere if other.context <= (self.context or 0))


def compare(a: ModelSpec, b: ModelSpec, context: int | None = None) -> Comparison:
    """Two models side by side at a context in tokens, by default the larger that either declares.

    The layers of both are aligned by their number, and those with the same pair of spectra form a group.
    Frequencies and attention factors are the same within `TOLERANCE`; a window of at least the context is as
    good as none. Raises ValueError for a context that is not a whole number of at least 1, where a layer
    rotates and neither model declares a context, and for a spectrum that does not exist at the context.

    >>> from rope_lib.models.config import read_config
    >>> config = {"num_hidden_layers": 2, "head_dim": 64, "max_position_embeddings": 4096}
    >>> trained, loaded = (read_config({**config, "rope_theta": base}) for base in (500_000, 10_000))
    >>> found = compare(trained, loaded)
    >>> found.is_same, found.groups[0].phase.first_beyond_pi
    (False, 25)
    """
    chosen, why = _context(a, b, context)
    for side, spec in ("A", a), ("B", b):
        fault = _fault(spec, chosen or 1)
        if fault:
            raise ValueError(f"{side}: {spec.name}: {fault}")
    others = _other_lengths(a, b, chosen) if chosen is not None else []
    return Comparison(
        a=a,
        b=b,
        context=chosen,
        context_from=why,
        groups=tuple(_groups(a, b, chosen or 1)),
        elsewhere=tuple(filter(None, (_elsewhere(a, b, length) for length in others))),
        remarks=tuple(_remarks(a, b)),
    )


def is_same_rotation(a: ModelSpec, b: ModelSpec, context: int) -> bool:
    """Whether two models turn alike in every layer and every input up to a context: `Comparison.is_same`."""
    if a.num_layers != b.num_layers:
        return False
    shorter = [length for length in _other_lengths(a, b, context) if length < context]
    for length in (context, *shorter):
        faults = (
            [] if length == context else [fault for fault in (_fault(a, length), _fault(b, length)) if fault]
        )
        if len(faults) == 1 or (not faults and not _alike_at(a, b, length, context)):
            return False
    return True


def _alike_at(a: ModelSpec, b: ModelSpec, length: int, context: int) -> bool:
    """Whether every layer turns alike at a length, and sees the same at the context."""
    return all(
        (first == UNROTATED and second == UNROTATED)
        or (
            first >= 0 and second >= 0 and _turn_alike(a.rotaries[first], b.rotaries[second], length, context)
        )
        for first, second in aligned_layers(a, b)
    )


def aligned_layers(a: ModelSpec, b: ModelSpec) -> dict[tuple[int, int], list[int]]:
    """`(spectrum of A, spectrum of B)` → the layers that they drive; `UNROTATED` and `ABSENT` for none.

    >>> from rope_lib.models.config import read_config
    >>> short, deep = (read_config({"num_hidden_layers": number, "head_dim": 64, "rope_theta": 10_000})
    ...                for number in (2, 3))
    >>> aligned_layers(short, deep)
    {(0, 0): [0, 1], (-2, 0): [2]}
    """
    depth = max(a.num_layers, b.num_layers)
    groups: dict[tuple[int, int], list[int]] = {}
    for layer, pair in enumerate(
        zip(spectrum_of_layers(a, depth), spectrum_of_layers(b, depth), strict=True)
    ):
        groups.setdefault(pair, []).append(layer)
    return groups


def spectrum_of_layers(spec: ModelSpec, depth: int | None = None) -> list[int]:
    """For each layer, the place of its spectrum in `spec.rotaries`, `UNROTATED`, or `ABSENT` past the end."""
    which = [UNROTATED] * spec.num_layers + [ABSENT] * ((depth or 0) - spec.num_layers)
    for index, rotary in enumerate(spec.rotaries):
        for layer in rotary.layers:
            which[layer] = index
    return which


def _context(a: ModelSpec, b: ModelSpec, given: int | None) -> tuple[int | None, str]:
    """The context to compare at, and why it is that one."""
    if given is not None:
        return int(one(whole, "context", given, 1)), "as asked for"
    if not a.rotaries and not b.rotaries:
        return None, "no layer of either rotates"
    first, second = a.declared_context, b.declared_context
    if first is None and second is None:
        raise ValueError("neither A nor B declares a context: give one (--context)")
    if first is None or second is None:
        return first or second, f"what {'A' if second is None else 'B'} declares; the other states none"
    if first == second:
        return first, "what both declare"
    return max(first, second), f"the larger of what they declare, {first:,} and {second:,}"


def _fault(spec: ModelSpec, context: int) -> str:
    """Why a model has no spectrum at a context; empty where it has."""
    try:
        for rotary in spec.rotaries:
            spectrum_at(rotary, context)
    except ValueError as error:
        return str(error)
    return ""


def _other_lengths(a: ModelSpec, b: ModelSpec, context: int) -> list[int]:
    """Contexts at which scalings that depend on the length may differ from how they are at `context`.

    None where no scaling of either depends on it. LongRoPE changes its factors and NTK by the input's length
    begins just beyond the original length.
    """
    scalings = [rotary.scaling for rotary in (*a.rotaries, *b.rotaries)]
    scalings = [scaling for scaling in scalings if is_length_dependent(scaling["type"])]
    if not scalings:
        return []
    lengths = {length for length in (a.declared_context, b.declared_context) if length is not None}
    for scaling in scalings:
        original = int(scaling.get(ORIGINAL_LENGTH) or 0)
        lengths |= {original, original + 1, 2 * original} if original else set()
    return sorted(lengths - {context})


def _elsewhere(a: ModelSpec, b: ModelSpec, length: int) -> Elsewhere | None:
    """The comparison at another context; None where neither has a spectrum there."""
    faults = [fault for fault in (_fault(a, length), _fault(b, length)) if fault]
    if faults:
        return Elsewhere(length, False, None) if len(faults) == 1 else None
    groups = list(_groups(a, b, length))
    phases = [group.phase.worst for group in groups if group.phase is not None]
    return Elsewhere(length, all(group.is_same for group in groups), max(phases, default=None))


# How to say that values do not come from the file; and quantities that some kinds of files never state, since
# the program that reads them knows.
_WEAK = {"class_default": "by the default of the class", "assumed": "assumed"}
_BY_CODE = ("layers", "unrotated_layers")


def _not_stated(spec: ModelSpec) -> Iterator[str]:
    """Which values of a model its files do not state, a sentence for each origin."""
    by_origin: dict[tuple[str, str], list[str]] = {}
    for quantity, provenance in spec.provenance.items():
        if provenance == "assumed" or (provenance == "class_default" and quantity not in _BY_CODE):
            by_origin.setdefault((provenance, spec.sources[quantity]), []).append(quantity)
    for (provenance, source), names in by_origin.items():
        yield f"not in the file: {', '.join(names)}, {_WEAK[provenance]} ({source})."


def _remarks(a: ModelSpec, b: ModelSpec) -> Iterator[str]:
    """What a comparison rests on, and what it cannot see."""
    for side, spec in ("A", a), ("B", b):
        yield from (f"{side}: {sentence}" for sentence in _not_stated(spec))
        if isinstance(spec, AtlasModel) and spec.confidence == "memory":
            yield f"{side}: the values of this row of the atlas are from memory."
    by_axes = [any(rotary.scaling["type"] == "mrope" for rotary in spec.rotaries) for spec in (a, b)]
    if by_axes[0] != by_axes[1]:
        side = "A" if by_axes[0] else "B"
        yield f"{side} shares its pairs out to the axes of images (mrope): all that is said here is for text."
    if _kind_of_file(a) != _kind_of_file(b) and a.rotaries and b.rotaries:
        yield (
            "These files do not say which channels form a pair, neighbors or the two halves of a head: "
            "whether a conversion permuted the weights of queries and keys as it must cannot be seen here."
        )


def _kind_of_file(spec: ModelSpec) -> str:
    """Which program's file a model was read from, by the key of its depth."""
    depth = str(spec.sources.get("num_layers", ""))
    if depth.endswith(".block_count"):
        return "gguf"
    return "params" if spec.architecture in PARAMS_ARCHITECTURES else "config"


def _groups(a: ModelSpec, b: ModelSpec, context: int) -> Iterator[LayerGroup]:
    prefixes_a, prefixes_b = (scopes([rotary.kind for rotary in spec.rotaries]) for spec in (a, b))
    aligned = aligned_layers(a, b)
    if len(aligned) > MOST_PAIRS:
        raise ValueError(f"A and B must share at most {MOST_PAIRS:,} pairs of spectra, got {len(aligned):,}")
    for (first, second), layers in aligned.items():
        rotary_a = a.rotaries[first] if first >= 0 else None
        rotary_b = b.rotaries[second] if second >= 0 else None
        only_in = "B" if first == ABSENT else "A" if second == ABSENT else None
        if rotary_a is not None and rotary_b is not None:
            origins = _origins(a, prefixes_a[first]), _origins(b, prefixes_b[second])
            partings = tuple(_partings(rotary_a, rotary_b, context, *origins))
        elif first != second:
            partings = (_one_sided(a, first, b, second),)
        else:
            partings = ()
        phase = None if only_in else _phase(rotary_a, rotary_b, context)
        a_or_none, b_or_none = (which if which >= 0 else None for which in (first, second))
        yield LayerGroup(tuple(layers), a_or_none, b_or_none, only_in, partings, phase)


def _one_sided(a: ModelSpec, first: int, b: ModelSpec, second: int) -> Parting:
    """The parting of layers that only one model rotates, or only one has."""
    words = {UNROTATED: "do not rotate", ABSENT: "none"}
    why = "num_layers" if ABSENT in (first, second) else "unrotated_layers"
    return Parting(
        "layers" if ABSENT in (first, second) else "rotation",
        words.get(first, "rotate"),
        words.get(second, "rotate"),
        _origins(a, "")(why),
        _origins(b, "")(why),
        bears=True,
    )


Origins: TypeAlias = Callable[[str], str]  # a quantity → where its value comes from, in words


def _origins(spec: ModelSpec, prefix: str) -> Origins:
    """Where the values of a model, or those of one of its spectra, come from."""

    def origin(quantity: str) -> str:
        provenance = spec.provenance.get(f"{prefix}{quantity}")
        return f"{provenance}: {spec.sources[f'{prefix}{quantity}']}" if provenance else ""

    return origin


def _partings(a: Rotary, b: Rotary, context: int, from_a: Origins, from_b: Origins) -> Iterator[Parting]:
    """The quantities in which two spectra part."""

    def parting(quantity: str, value_a: Any, value_b: Any, bears: bool, name: str) -> Parting:
        return Parting(quantity, value_a, value_b, from_a(name), from_b(name), bears)

    (freqs_a, factor_a), (freqs_b, factor_b) = spectrum_at(a, context), spectrum_at(b, context)
    same_pairs = a.rotary_dim == b.rotary_dim
    same_freqs = same_pairs and _close(freqs_a, freqs_b)
    same_stretch = same_freqs
    if same_pairs and not same_freqs:
        pair = _most_different(freqs_a, freqs_b)
        values = float(freqs_a[pair]), float(freqs_b[pair])
        yield Parting(f"frequency of pair {pair}", *values, "", "", bears=True)
        plain_a, plain_b = _plain(a.base, a.rotary_dim), _plain(b.base, b.rotary_dim)
        same_stretch = _close(freqs_a / plain_a, freqs_b / plain_b)
    if not _close(factor_a, factor_b):
        yield parting("attention factor", factor_a, factor_b, True, "scaling")
    if a.head_dim != b.head_dim:
        yield parting("head size", a.head_dim, b.head_dim, True, "head_dim")
    if not same_pairs:
        yield parting("rotated channels", a.rotary_dim, b.rotary_dim, True, "rotary_dim")
    (kind_a, seen_a), (kind_b, seen_b) = sight(a, context), sight(b, context)
    if kind_a != kind_b:
        yield parting("attention", kind_a, kind_b, True, "layers")
    if a.window != b.window:
        yield parting("window", a.window, b.window, seen_a != seen_b, "window")
    if a.base != b.base:
        yield parting("base", a.base, b.base, not same_freqs and not _close(a.base, b.base), "base")
    if a.scaling != b.scaling:
        bears = not same_stretch or not _close(factor_a, factor_b)
        yield parting("scaling", a.scaling.plain(), b.scaling.plain(), bears, "scaling")


def _most_different(freqs_a: Floats, freqs_b: Floats) -> int:
    """The pair whose frequencies differ by the largest share."""
    return int(np.argmax(np.abs(freqs_a - freqs_b) / np.maximum(np.maximum(freqs_a, freqs_b), 1e-300)))


def sight(rotary: Rotary, context: int) -> tuple[str, int | None]:
    """`(kind, window)` of the attention of these layers at a context, which a longer window does not limit.

    >>> from rope_lib.models.spec import FrozenDict
    >>> rotary = Rotary((0,), "sliding", 10_000.0, 4, 4, 4096, FrozenDict(type="default"))
    >>> sight(rotary, 8192), sight(rotary, 4096)
    (('sliding', 4096), ('full', None))
    """
    if rotary.window is not None and rotary.window >= context:
        return "full", None
    return rotary.kind, rotary.window


def _turn_alike(a: Rotary, b: Rotary, length: int, context: int) -> bool:
    """Whether two spectra are the same at a length, and what their layers see at the context."""
    if (a.head_dim, a.rotary_dim) != (b.head_dim, b.rotary_dim) or sight(a, context) != sight(b, context):
        return False
    (freqs_a, factor_a), (freqs_b, factor_b) = spectrum_at(a, length), spectrum_at(b, length)
    return _close(factor_a, factor_b) and _close(freqs_a, freqs_b)


def _close(a: Any, b: Any) -> bool:
    """Whether numbers are the same within the tolerance; 0 is close to 0 alone."""
    return bool(np.all(np.abs(np.subtract(a, b)) <= TOLERANCE * np.abs(a)))


_plain = lru_cache(maxsize=512)(frequencies)


@lru_cache(maxsize=512)
def spectrum_at(rotary: Rotary, context: int) -> SpectrumAndFactor:
    """`rotary.spectrum(context)`, remembered."""
    return rotary.spectrum(context)


def _phase(a: Rotary | None, b: Rotary | None, context: int) -> PhaseDifference | None:
    """How far two spectra are apart, where one that does not rotate turns every pair by 0."""
    present = [rotary for rotary in (a, b) if rotary is not None]
    if not present or len({rotary.rotary_dim for rotary in present}) > 1:
        return None
    nothing = np.zeros(present[0].rotary_dim // 2)
    first, second = (nothing if rotary is None else spectrum_at(rotary, context)[0] for rotary in (a, b))
    return phase_difference(first, second, context)
