"""What a reader, a converter or a loader may make of a model by mistake: single changes of a `ModelSpec`.

`mistakes` are ways in which a rotation is known to become another in silence; `replacements` give a quantity
of one model the value that it has in another. Each change says in words what it did, to follow "B is A …",
and holds the model that it makes: whether that explains anything, only a comparison can say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from .compare import UNROTATED, aligned_layers, spectrum_of_layers
from .edits import EDITS, scaled
from .spec import ModelSpec, Rotary

MOST_KINDS = 8  # spectra of a model, up to which mistakes in one of them alone are tried
LONGEST_PERIOD = 16  # layers after which a pattern of kinds is taken to repeat

Made: TypeAlias = Iterator[tuple[str, ModelSpec]]  # what was done, and the model that it makes


@dataclass(frozen=True)
class Change:
    """A model made from another: `text` says how, and follows "B is A "."""

    text: str
    made: ModelSpec


def mistakes(spec: ModelSpec) -> Iterator[Change]:
    """What a model becomes by each known mistake that changes anything in it.

    >>> from rope_lib.models.config import read_config
    >>> spec = read_config({"num_hidden_layers": 2, "head_dim": 64, "rope_theta": 500_000})
    >>> print(next(mistakes(spec)).text)
    with the base 10,000, which loaders take where they find none
    """
    for source in (_mistaken_spectra, _mistaken_depth, _mistaken_kinds, _mistaken_layers):
        for text, made in source(spec):
            if made != spec:
                yield Change(text, made)


def _mistaken_spectra(spec: ModelSpec) -> Made:
    """Each mistake in all spectra, and in each of several alone."""
    for text, edit in EDITS:
        edited = [edit(rotary, spec) for rotary in spec.rotaries]
        changed = [index for index, rotary in enumerate(spec.rotaries) if edited[index] != rotary]
        if changed:
            yield text, replace(spec, rotaries=tuple(edited))
        for index in changed if 1 < len(changed) <= MOST_KINDS else ():
            rotaries = list(spec.rotaries)
            rotaries[index] = edited[index]
            where = f", in its layers of {spec.rotaries[index].kind} attention alone"
            yield text + where, replace(spec, rotaries=tuple(rotaries))


def _mistaken_depth(spec: ModelSpec) -> Made:
    if spec.num_layers % 2 == 0:
        yield "with half its layers", _first_layers(spec, spec.num_layers // 2)
    if spec.num_layers > 1:
        yield "without its last layer", _first_layers(spec, spec.num_layers - 1)


def _first_layers(spec: ModelSpec, number: int) -> ModelSpec:
    return _with_layers(replace(spec, num_layers=number), spectrum_of_layers(spec)[:number])


def _with_layers(spec: ModelSpec, which: Sequence[int]) -> ModelSpec:
    """The model whose layers have these spectra, by their place in `spec.rotaries`, or `UNROTATED`."""
    layers: list[list[int]] = [[] for _ in spec.rotaries]
    for layer, index in enumerate(which):
        if index >= 0:
            layers[index].append(layer)
    rotaries = (replace(rotary, layers=tuple(own)) for rotary, own in zip(spec.rotaries, layers, strict=True))
    return replace(
        spec,
        rotaries=tuple(rotary for rotary in rotaries if rotary.layers),
        unrotated_layers=tuple(layer for layer, index in enumerate(which) if index < 0),
    )


def _mistaken_kinds(spec: ModelSpec) -> Made:
    """Several spectra, mixed up: exchanged, or one of them in every layer."""
    if len(spec.rotaries) == 2:
        first, second = spec.rotaries
        kinds = f"{first.kind} and {second.kind} attention"
        exchanged = (replace(first, base=second.base), replace(second, base=first.base))
        yield f"with the bases of {kinds} exchanged", replace(spec, rotaries=exchanged)
        exchanged = (replace(first, layers=second.layers), replace(second, layers=first.layers))
        yield f"with the layers of {kinds} exchanged", replace(spec, rotaries=exchanged)
    for given in spec.rotaries if 1 < len(spec.rotaries) <= MOST_KINDS else ():
        for name in ("base", "scaling"):
            given_to_all = tuple(replace(rotary, **{name: getattr(given, name)}) for rotary in spec.rotaries)
            yield (
                f"with the {name} of {given.kind} attention in every layer",
                replace(spec, rotaries=given_to_all),
            )
        everywhere = replace(
            given, layers=tuple(sorted(layer for each in spec.rotaries for layer in each.layers))
        )
        yield (
            f"with all its layers like those of {given.kind} attention",
            replace(spec, rotaries=(everywhere,)),
        )


def _mistaken_layers(spec: ModelSpec) -> Made:
    """Which layers rotate, or are of which kind, by another rule."""
    which = spectrum_of_layers(spec)
    kinds = [rotary.kind for rotary in spec.rotaries]
    if spec.unrotated_layers and 0 < len(spec.rotaries) <= MOST_KINDS:
        text = f"with rotary in the layers without too, {len(spec.unrotated_layers):,} of them"
        for index in range(len(spec.rotaries)):
            filled = [index if own == UNROTATED else own for own in which]
            yield text, _with_layers(spec, filled)
        full = replace(spec.rotaries[0], kind="full", window=None, layers=spec.unrotated_layers)
        all_rotate = replace(spec, rotaries=(full, *spec.rotaries), unrotated_layers=())
        yield text, all_rotate
    for index, kind in enumerate(kinds) if 1 < len(kinds) <= MOST_KINDS else ():
        only = [own if own == index else UNROTATED for own in which]
        yield f"with rotary in its layers of {kind} attention alone", _with_layers(spec, only)
    period = _period(which)
    for shift in range(1, period):
        moved = [which[(layer + shift) % period] for layer in range(spec.num_layers)]
        yield f"with its pattern of {period} layers moved by {shift}", _with_layers(spec, moved)


def _period(which: Sequence[int]) -> int:
    """After how many layers the spectra repeat, at most `LONGEST_PERIOD`; 1 where all are alike, or never."""
    for period in range(1, min(LONGEST_PERIOD, len(which) - 1) + 1):
        if all(own == before for own, before in zip(which[period:], which, strict=False)):
            return period
    return 1


def replacements(spec: ModelSpec, other: ModelSpec) -> Iterator[Change]:
    """What a model becomes with one quantity of another, which the words call B.

    >>> from rope_lib.models.config import read_config
    >>> trained, loaded = (read_config({"num_hidden_layers": 2, "head_dim": 64, "rope_theta": base})
    ...                    for base in (500_000, 10_000))
    >>> [change.text for change in replacements(trained, loaded)]
    ["with B's base"]
    """
    counterparts = _counterparts(spec, other)
    for text, edit in _replacing(counterparts):
        rotaries = tuple(edit(*pair) for pair in zip(spec.rotaries, counterparts, strict=True))
        if rotaries != spec.rotaries:
            yield Change(text, replace(spec, rotaries=rotaries))
    if other.num_layers < spec.num_layers:
        yield Change(
            f"without its last {spec.num_layers - other.num_layers:,} layers",
            _first_layers(spec, other.num_layers),
        )
    if spec.rotaries:
        moved = _with_layers(spec, _layers_of(spec, other, counterparts))
        if moved != spec:
            yield Change("with B's choice of layers", moved)


def _counterparts(spec: ModelSpec, other: ModelSpec) -> list[Rotary | None]:
    """For each spectrum, the spectrum of the other model that drives most of its layers."""
    shared: list[dict[int, int]] = [{} for _ in spec.rotaries]
    for (own, theirs), layers in aligned_layers(spec, other).items():
        if own >= 0 and theirs >= 0:
            shared[own][theirs] = len(layers)
    return [
        other.rotaries[max(counts, key=lambda index: counts[index])] if counts else None for counts in shared
    ]


Replacing: TypeAlias = Callable[[Rotary, Rotary | None], Rotary]


def _replacing(counterparts: Sequence[Rotary | None]) -> Iterator[tuple[str, Replacing]]:
    yield "with B's base", partial(_with_fields, names=("base",))
    yield "with B's scaling", partial(_with_fields, names=("scaling",))
    yield "with B's head size and rotated channels", partial(_with_fields, names=("head_dim", "rotary_dim"))
    yield "with B's windows", partial(_with_fields, names=("kind", "window"))
    keys = {key for rotary in counterparts if rotary is not None for key in rotary.scaling}
    for key in sorted(keys - {"type"}):
        yield f"with B's {key}", partial(_with_parameter, key=key)


def _with_fields(rotary: Rotary, counterpart: Rotary | None, names: Sequence[str]) -> Rotary:
    if counterpart is None:
        return rotary
    return replace(rotary, **{name: getattr(counterpart, name) for name in names})


def _with_parameter(rotary: Rotary, counterpart: Rotary | None, key: str) -> Rotary:
    """One number of the counterpart's scaling, where both are of one type."""
    if counterpart is None or counterpart.scaling["type"] != rotary.scaling["type"]:
        return rotary
    return scaled(rotary, **{key: counterpart.scaling[key]}) if key in counterpart.scaling else rotary


def _layers_of(spec: ModelSpec, other: ModelSpec, counterparts: Sequence[Rotary | None]) -> list[int]:
    """The model's own spectra in the layers in which the other model has their counterparts."""
    own_of = {id(rotary): index for index, rotary in reversed(list(enumerate(counterparts)))}
    theirs = spectrum_of_layers(other, max(spec.num_layers, other.num_layers))[: spec.num_layers]
    which = spectrum_of_layers(spec)
    for layer, index in enumerate(theirs[: other.num_layers]):
        if index == UNROTATED:
            which[layer] = UNROTATED
        elif id(other.rotaries[index]) in own_of:
            which[layer] = own_of[id(other.rotaries[index])]
        elif which[layer] == UNROTATED:
            which[layer] = 0
    return which
