"""A model as its files describe it: what rotates, by which spectrum, and where each value came from."""

from dataclasses import dataclass

from ..theory.oscillators import frequencies
from ..theory.scaling import scaled_frequencies

# Where a value came from, the surest first: under its standard name; under another name; the default of the
# model's class; computed from other values of the file; supplied by the reader because nothing says it.
PROVENANCE = ("explicit", "alias", "class_default", "derived", "assumed")


class FrozenDict(dict):
    """A dict that refuses to change, so that a frozen dataclass is frozen all the way down.

    >>> FrozenDict(type="default")["type"] = "linear"
    Traceback (most recent call last):
    TypeError: a model's description does not change: make another with dataclasses.replace
    """

    def _refuse(self, *args, **kwargs):
        raise TypeError("a model's description does not change: make another with dataclasses.replace")

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __hash__(self):
        return hash(tuple(sorted((key, str(value)) for key, value in self.items())))

    def __reduce__(self):
        return FrozenDict, (dict(self),)


@dataclass(frozen=True)
class Rotary:
    """One spectrum, and the layers that it drives."""

    layers: tuple[int, ...]  # counted from 0
    kind: str  # "full", "sliding", "chunked", … : what the attention of these layers sees
    base: float
    head_dim: int  # channels of a query or key
    rotary_dim: int  # of those, the channels that the spectrum covers: inv_freq has half as many entries
    window: int | None  # tokens that these layers see; None where they see all
    scaling: FrozenDict  # {"type": a name of theory.scaling.SCALINGS, and its numbers}

    def spectrum(self, context_length):
        """`(inv_freq, attention_factor)` at a context: see `rope_lib.theory.scaling`.

        >>> halved = Rotary((0,), "full", 10_000.0, 4, 4, None, FrozenDict(type="linear", factor=2))
        >>> halved.spectrum(4096)
        (array([0.5  , 0.005]), 1.0)
        """
        return scaled_frequencies(
            self.scaling["type"], self.base, self.rotary_dim, self.scaling, context_length
        )

    def effective_base(self, context_length):
        """The base × the factor by which the scaling slows the slowest pair that rotates.

        >>> halved = Rotary((0,), "full", 10_000.0, 4, 4, None, FrozenDict(type="linear", factor=2))
        >>> halved.effective_base(4096)
        20000.0
        """
        return effective_base(self.spectrum(context_length)[0], self.base)


def effective_base(inv_freq, base):
    """The base × the factor by which a spectrum `inv_freq` slows the slowest pair that rotates in it.

    It is how paper A's verdict on a retrofit is read: by the slowest oscillator alone (papers A and YaRN).

    >>> effective_base(frequencies(10_000, 64) / 2, 10_000.0)
    20000.0
    """
    rotating = inv_freq > 0
    if not rotating.any():
        return float(base)
    slowest = frequencies(base, 2 * len(inv_freq))[rotating].min()
    return float(base * (slowest / inv_freq[rotating].min()))


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
    provenance: FrozenDict  # quantity → one of PROVENANCE; of a second spectrum under its name in `scopes`
    sources: FrozenDict  # quantity → the key, or the reason, in words
    notes: tuple[str, ...]  # what a reader should know: what was assumed, what was not used


def scopes(kinds):
    """What stands before the names of each spectrum's quantities, from the kinds of all spectra.

    >>> scopes(["full", "sliding", "full", "full"])
    ['', 'sliding.', 'full2.', 'full3.']
    """
    counts = [kinds[: index + 1].count(kind) for index, kind in enumerate(kinds)]
    names = [f"{kind}{count if count > 1 else ''}." for kind, count in zip(kinds, counts, strict=True)]
    return ["", *names[1:]]
