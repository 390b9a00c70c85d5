"""A model as its files describe it: what rotates, by which spectrum, and where each value came from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..theory.arguments import Floats
from ..theory.oscillators import frequencies
from ..theory.scaling import SpectrumAndFactor, scaled_frequencies

# Where a value came from, the surest first: under its standard name; under another name; the default of the
# model's class; computed from other values of the file; supplied by the reader because nothing states it.
PROVENANCE = ("explicit", "alias", "class_default", "derived", "assumed")


class FrozenDict(Mapping[str, Any]):
    """A mapping that does not change, hashed by its values, so that equal descriptions hash alike.

    Lists inside become tuples, and mappings become `FrozenDict`s; comparison takes a list for the tuple of
    its items. Raises ValueError for NaN, which does not equal itself.

    >>> FrozenDict(type="linear", factor=2) == FrozenDict(factor=2.0, type="linear")
    True
    >>> FrozenDict(sections=[1, 2])
    {'sections': (1, 2)}
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self._values = {key: _frozen(value) for key, value in {**(values or {}), **more}.items()}
        for key, value in self._values.items():
            if _holds_nan(value):
                raise ValueError(f"{key} must not be NaN")

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._values == {key: _frozen(value) for key, value in other.items()}

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)

    def plain(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold: with lists for tuples, and dicts inside.

        >>> FrozenDict(sections=(1, 2)).plain()
        {'sections': [1, 2]}
        """
        return {key: _plain(value) for key, value in self._values.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return FrozenDict(value) if isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(map(_plain, value))
    return value.plain() if isinstance(value, FrozenDict) else value


def _holds_nan(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_holds_nan, value))
    return isinstance(value, float) and value != value


@dataclass(frozen=True)
class Rotary:
    """One spectrum, and the layers that it drives."""

    layers: tuple[int, ...]  # counted from 0
    kind: str  # what the attention of these layers sees: "full", "sliding", "chunked", …
    base: float
    head_dim: int  # channels of a query or key
    rotary_dim: int  # of those, the channels that the spectrum covers: inv_freq has half as many entries
    window: int | None  # tokens that these layers see; None where they see all
    scaling: FrozenDict  # {"type": a name in theory.scaling.SCALINGS, and the numbers that this type reads}

    def spectrum(self, context_length: float) -> SpectrumAndFactor:
        """`(inv_freq, attention_factor)` at a context in tokens: see `rope_lib.theory.scaling`.

        >>> halved = Rotary((0,), "full", 10_000.0, 4, 4, None, FrozenDict(type="linear", factor=2))
        >>> halved.spectrum(4096)
        (array([0.5  , 0.005]), 1.0)
        """
        return scaled_frequencies(
            self.scaling["type"], self.base, self.rotary_dim, self.scaling.plain(), context_length
        )

    def effective_base(self, context_length: float) -> float:
        """The base × the factor by which the scaling slows the slowest pair that rotates.

        >>> halved = Rotary((0,), "full", 10_000.0, 4, 4, None, FrozenDict(type="linear", factor=2))
        >>> halved.effective_base(4096)
        20000.0
        """
        return effective_base(self.spectrum(context_length)[0], self.base)


def effective_base(inv_freq: Floats, base: float) -> float:
    """The base × the factor by which a spectrum `inv_freq` `(pairs,)` slows its slowest rotating pair.

    Paper A's verdict on a retrofit goes by this number: by the slowest oscillator alone (papers A and YaRN).

    >>> effective_base(frequencies(10_000, 64) / 2, 10_000.0)
    20000.0
    """
    rotating = inv_freq > 0
    if not rotating.any():
        return float(base)
    slowest = frequencies(base, 2 * len(inv_freq))[rotating].min()
    return float(base * (slowest / inv_freq[rotating].min()))


@dataclass(frozen=True)
class Account:
    """What became of each key of a model's files. Names are full: `text_config.rope_theta`."""

    read: tuple[str, ...] = ()
    inert: FrozenDict = field(default_factory=FrozenDict)  # name → why it does not bear on rotation here
    not_understood: FrozenDict = field(default_factory=FrozenDict)  # name → value: it may bear on rotation

    def plain(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold.

        >>> Account(read=("rope_theta",)).plain()
        {'read': ['rope_theta'], 'inert': {}, 'not_understood': {}}
        """
        return {
            "read": list(self.read),
            "inert": self.inert.plain(),
            "not_understood": self.not_understood.plain(),
        }


@dataclass(frozen=True)
class ModelSpec:
    """What a model's files say of its rotary embedding. Lengths are in tokens, layers count from 0."""

    name: str
    architecture: str
    num_layers: int
    declared_context: int | None  # None where the files state none
    original_context: int | None  # the length before a retrofit, where one is stated
    rotaries: tuple[Rotary, ...]
    unrotated_layers: tuple[int, ...]
    provenance: FrozenDict  # quantity → one of PROVENANCE; `scopes` prefixes those of further spectra
    sources: FrozenDict  # quantity → the key, or the reason, in words
    notes: tuple[str, ...]  # what a reader should know: what was assumed, what was not used
    # What the reading met; two specs that say the same are equal whatever else their files hold.
    keys: Account = field(compare=False)


def scopes(kinds: Sequence[str]) -> list[str]:
    """The prefix of each spectrum's quantities in `ModelSpec.provenance`, from the kinds of all spectra.

    The first spectrum has none.

    >>> scopes(["full", "sliding", "full", "full"])
    ['', 'sliding.', 'full2.', 'full3.']
    """
    earlier: Counter[str] = Counter()
    names: list[str] = []
    for kind in kinds:
        names.append(next_scope(kind, earlier))
        earlier[kind] += 1
    return names


def next_scope(kind: str, earlier: Counter[str]) -> str:
    """The prefix of a spectrum of this kind after `earlier` ones, how many of each kind: see `scopes`."""
    if not earlier:
        return ""
    return f"{kind}{earlier[kind] + 1 if earlier[kind] else ''}."
