"""A retrofit to a longer context: which scaling each spectrum takes, and what that does to its pairs.

An extension starts from the length of the original training, never from that of an earlier retrofit: the new
scaling replaces an old one. Layers that see no farther than the original length stay as they are, since
nothing that they see is new to them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..theory.arguments import Floats
from ..theory.scaling import ORIGINAL_LENGTH, SCALINGS, scaled_frequencies
from .checks import Json, length_in_tokens, shown
from .spec import FrozenDict, ModelSpec, Rotary, scopes

# The retrofits that can be written, and the one that is taken where neither the user nor the model names one:
# of those measured here (`retrofit_costs`), the one of the least loss beyond the trained length.
METHODS = ("yarn", "ntk", "linear", "dynamic", "llama3")
DEFAULT_METHOD = "yarn"

# Numbers of an old scaling that one of the same type keeps: they say how it stretches, not how far.
_KEPT = {
    "yarn": ("beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim"),
    "llama3": ("low_freq_factor", "high_freq_factor"),
}
_NEW = {"llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0}}  # those of Llama 3.1

# Spectra that no retrofit extends, and why.
_FIXED = {
    "longrope": "its factors, one for each pair, were searched for one length",
    "freq_factors": "its divisors, one for each pair, are a tensor of the file",
}
_PLAIN = ("default", "mrope")  # spectra that every method extends
_AS_LINEAR = "proportional"  # a spectrum whose own `factor` extends it, as linear does
_SAME = {"deepseek_yarn": "yarn", _AS_LINEAR: "linear"}  # spectra that a method extends under their own names


@dataclass(frozen=True)
class Extension:
    """A model before and after a retrofit."""

    before: ModelSpec
    after: ModelSpec
    method: str  # one of METHODS
    context: int  # tokens to reach
    original: int  # tokens of the original training, from which the extension starts
    original_from: str  # how that is known, in words
    changes: tuple["Change", ...]  # one for each spectrum of the model
    notes: tuple[str, ...]

    @property
    def factor(self) -> float:
        """How many times the original length the context is."""
        return self.context / self.original


@dataclass(frozen=True)
class Change:
    """What a retrofit does to one spectrum. Arrays are `(pairs,)`; a pair that does not rotate has 0."""

    before: Rotary
    after: Rotary
    seen: int  # tokens that these layers see of the context to reach
    turns_trained: Floats  # full turns in the original training
    turns_before: Floats  # full turns in `seen` tokens as the model is
    turns_after: Floats  # full turns in `seen` tokens with the retrofit
    factor_before: float  # the attention factor, which multiplies cosines and sines, as the model is
    factor_after: float  # the same with the retrofit
    reach: float | None  # see `reach`; None too where the layers see no more than training showed them

    @property
    def is_changed(self) -> bool:
        """Whether the retrofit changes this spectrum."""
        return self.before != self.after

    @property
    def changes_numbers(self) -> bool:
        """Whether any frequency or the attention factor is another at the context to reach."""
        return self.factor_before != self.factor_after or not np.allclose(
            self.turns_before, self.turns_after, rtol=1e-9, atol=0
        )


def extend(
    spec: ModelSpec,
    context: int,
    method: str | None = None,
    *,
    original: int | None = None,
    all_layers: bool = False,
    parameters: Mapping[str, Json] | None = None,
) -> Extension:
    """The retrofit that takes a model to `context` tokens, by `method` or by `method_for` it.

    `original` states the length of the original training in tokens, in place of `original_length`. With
    `all_layers` the layers that see a short window are scaled too, as by programs that know one spectrum for
    all. `parameters` adds numbers to those of the scaling.

    Raises ValueError, one line with the reason, where an extension makes no sense: for a model without rotary
    embedding, a context that is not above the original length, layers that all see less, divisors that were
    made for one length, and an original length that nothing states.

    >>> from rope_lib.models.config import read_config
    >>> config = {"num_hidden_layers": 32, "head_dim": 128, "rope_theta": 1e6}
    >>> extension = extend(read_config({**config, "max_position_embeddings": 32_768}), 131_072)
    >>> extension.after.rotaries[0].scaling.plain()
    {'type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 32768}
    """
    context = length_in_tokens("context", context)
    if not spec.rotaries:
        why = spec.sources.get("unrotated_layers", "its config")
        raise ValueError(f"{spec.name} has no rotary embedding to extend ({why})")
    trained, source = original_length(spec, original)
    if context <= trained:
        raise ValueError(f"context must be above the original length {trained:,} ({source}), got {context:,}")
    chosen = method_for(spec) if method is None else method
    if chosen not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {shown(chosen)}")
    sees_more = [rotary.window is None or rotary.window > trained for rotary in spec.rotaries]
    if not any(sees_more):
        widest = max(rotary.window or 0 for rotary in spec.rotaries)
        raise ValueError(
            f"{spec.name}: every layer that rotates sees at most {widest:,} tokens, no more than the "
            f"original length {trained:,}: no pair turns farther at {context:,}, so no retrofit is needed"
        )
    after = tuple(
        extended_rotary(rotary, chosen, context, trained, parameters) if all_layers or is_reached else rotary
        for rotary, is_reached in zip(spec.rotaries, sees_more, strict=True)
    )
    states_length = any(ORIGINAL_LENGTH in rotary.scaling for rotary in after)
    keeps_declared = chosen == "dynamic"  # its stretch starts where the declared context ends
    extended = replace(
        spec,
        rotaries=after,
        declared_context=trained if keeps_declared else context,
        original_context=trained if states_length or not keeps_declared else spec.original_context,
    )
    changes = tuple(_change(*both, context, trained) for both in zip(spec.rotaries, after, strict=True))
    notes = tuple(_notes(spec, chosen, context, trained, changes))
    return Extension(spec, extended, chosen, context, trained, source, changes, notes)


def method_for(spec: ModelSpec) -> str:
    """The method by which a model is extended if none is named: its own, which its weights know, else YaRN.

    >>> from rope_lib.models.atlas import atlas_model
    >>> method_for(atlas_model("Llama 3.1 8B")), method_for(atlas_model("Llama 2 7B"))
    ('llama3', 'yarn')
    """
    for rotary in spec.rotaries:
        own = _own_method(rotary)
        if own is not None:
            return own
    return DEFAULT_METHOD


def _own_method(rotary: Rotary) -> str | None:
    """The method that a spectrum already carries, or None."""
    name = rotary.scaling["type"]
    if name in _SAME:
        return _SAME[name]
    is_fixed = name == "dynamic" and "alpha" in rotary.scaling  # one stretch at every length
    return name if name in METHODS and not is_fixed else None


def original_length(spec: ModelSpec, stated: int | None = None) -> tuple[int, str]:
    """The tokens of the training before any retrofit, and how they are known, in words.

    `stated` takes the place of what the files say. Raises ValueError where these leave it open: a retrofit
    without the length that it starts from, two lengths without a retrofit, or no length at all.

    >>> from rope_lib.models.atlas import atlas_model
    >>> original_length(atlas_model("Llama 3.1 8B"))
    (8192, 'rope_scaling.original_max_position_embeddings')
    """
    if stated is not None:
        return length_in_tokens("original", stated), "as given"
    declared, known = spec.declared_context, spec.original_context
    ask = "give the original length (--original)"
    if spec.provenance.get("original_context") == "class_default":
        known = None  # a number of the class says nothing of this model's training
    retrofits = [(scope, one) for scope, one in _scalings(spec) if _is_scaled(one)]
    for scope, scaling in retrofits:
        length = scaling.get(ORIGINAL_LENGTH)
        if length is not None:
            return int(length), spec.sources.get(f"{scope}original_context", _declared_source(spec))
    if known is not None and (retrofits or known == declared):
        return known, spec.sources.get("original_context", "original_max_position_embeddings")
    if retrofits:
        raise ValueError(
            f"{spec.name} carries {_described(retrofits[0][1])}, and no key states the length before it"
            f"{_candidates(retrofits[0][1], declared)}: {ask}"
        )
    if known is not None and declared is not None:
        raise ValueError(
            f"{spec.name} states an original length of {known:,} and a context of {declared:,} without a "
            f"scaling, as after a changed base: {ask}"
        )
    if declared is None:
        raise ValueError(f"{spec.name} declares no context: {ask}")
    return declared, _declared_source(spec)


def _scalings(spec: ModelSpec) -> Iterator[tuple[str, FrozenDict]]:
    """Each spectrum's scope in `ModelSpec.sources`, and its scaling."""
    kinds = [rotary.kind for rotary in spec.rotaries]
    return zip(scopes(kinds), (rotary.scaling for rotary in spec.rotaries), strict=True)


def _candidates(scaling: FrozenDict, declared: int | None) -> str:
    """The lengths that a model may have been trained at before a scaling that states none."""
    factor = scaling.get("factor")
    if declared is None or not isinstance(factor, int | float):
        return ""
    return f", which may be the declared {declared:,} or {declared / factor:,.0f}"


def _declared_source(spec: ModelSpec) -> str:
    key = spec.sources.get("context", "the declared context")
    return f"{key}, declared" if spec.provenance.get("context") != "class_default" else f"{key}, by default"


def _is_scaled(scaling: FrozenDict) -> bool:
    """Whether a spectrum was changed after training."""
    return SCALINGS[scaling["type"]].is_retrofit or (
        scaling["type"] == _AS_LINEAR and scaling.get("factor", 1) != 1
    )


def _described(scaling: FrozenDict) -> str:
    factor = scaling.get("factor", scaling.get("alpha"))
    return f"{scaling['type']} × {factor:g}" if isinstance(factor, int | float) else str(scaling["type"])


def extended_rotary(
    rotary: Rotary,
    method: str,
    context: int,
    original: int,
    parameters: Mapping[str, Json] | None = None,
) -> Rotary:
    """One spectrum with the scaling that takes it from `original` to `context` tokens.

    Raises ValueError for a spectrum that the method does not extend.

    >>> plain = Rotary((0,), "full", 10_000.0, 4, 4, None, FrozenDict(type="default"))
    >>> extended_rotary(plain, "ntk", 8192, 2048).base
    160000.0
    """
    old, factor = rotary.scaling, context / original
    if old["type"] in _FIXED:
        raise ValueError(f"{old['type']} cannot be extended: {_FIXED[old['type']]}")
    if not (old["type"] in _PLAIN or SCALINGS[old["type"]].is_retrofit or old["type"] == _AS_LINEAR):
        raise ValueError(f"{old['type']} cannot be extended: its band was made for its training length")
    if old["type"] == _AS_LINEAR:
        if method != "linear":
            raise ValueError(f"{_AS_LINEAR} is extended by its own factor alone: use linear, got {method}")
        return replace(rotary, scaling=FrozenDict({**old, "factor": factor}))
    plain = FrozenDict(old if old["type"] == "mrope" else {"type": "default"})
    if method == "ntk":
        pairs = rotary.rotary_dim // 2
        if pairs < 2:
            raise ValueError(f"ntk needs at least two pairs, got {pairs}")
        stretched = replace(rotary, base=_ntk_base(rotary, factor), scaling=plain)
    else:
        numbers: dict[str, Json] = {"factor": factor}
        if method != "linear":
            numbers[ORIGINAL_LENGTH] = original
        same = _own_method(rotary) == method
        kept = {key: old[key] for key in _KEPT.get(method, ()) if same and key in old}
        temperature = _carried_temperature(old, factor) if same and method == "yarn" else {}
        numbers |= {**_NEW.get(method, {}), **kept, **temperature, **(parameters or {})}
        name = old["type"] if same else method
        stretched = replace(rotary, scaling=FrozenDict(type=name, **numbers))
    stretched.spectrum(context)  # raises for numbers that the theory refuses
    return stretched


def _ntk_base(rotary: Rotary, factor: float) -> float:
    """The base whose slowest pair is `factor` times as slow: that of `theory.scaling.ntk`."""
    dim = rotary.rotary_dim
    slowest = scaled_frequencies("ntk", rotary.base, dim, {"factor": factor}, None)[0][-1]
    return float(slowest ** (-dim / (dim - 2)))


def _carried_temperature(old: FrozenDict, factor: float) -> dict[str, float]:
    """A stated attention factor of YaRN for another stretch: the same multiple of its logarithm above 1.

    Nothing where it is the one that YaRN computes itself.
    """
    stated, stretch = old.get("attention_factor"), old.get("factor", 1.0)
    if stated is None or math.isclose(stated, 0.1 * math.log(stretch) + 1, rel_tol=1e-6):
        return {}
    if stretch == 1:
        return {"attention_factor": float(stated)}
    return {"attention_factor": 1 + (stated - 1) / math.log(stretch) * math.log(factor)}


def trained_spectrum(rotary: Rotary) -> Floats:
    """The frequencies `(pairs,)` of a spectrum before any retrofit, in radians per token."""
    scaling = rotary.scaling
    if SCALINGS[scaling["type"]].is_retrofit:
        return scaled_frequencies("default", rotary.base, rotary.rotary_dim, {}, None)[0]
    numbers = {**scaling, "factor": 1.0} if scaling["type"] == _AS_LINEAR else scaling
    return scaled_frequencies(scaling["type"], rotary.base, rotary.rotary_dim, numbers, None)[0]


def _change(before: Rotary, after: Rotary, context: int, original: int) -> Change:
    seen = context if after.window is None else min(context, after.window)
    in_training = original if before.window is None else min(original, before.window)
    trained = trained_spectrum(before)
    (now, factor_before), (extended, factor_after) = before.spectrum(context), after.spectrum(context)
    turn = 2 * np.pi
    return Change(
        before=before,
        after=after,
        seen=seen,
        turns_trained=trained * in_training / turn,
        turns_before=now * seen / turn,
        turns_after=extended * seen / turn,
        factor_before=float(factor_before),
        factor_after=float(factor_after),
        reach=reach(trained, extended, in_training) if seen > in_training else None,
    )


def reach(trained: Floats, extended: Floats, original: int) -> float | None:
    """Tokens up to which the new spectrum turns no pair farther than the original training did.

    Counted are the pairs that completed no full turn in the `original` length: the others have seen every
    angle. None where there is no such pair. `trained` and `extended` are frequencies `(pairs,)`.

    >>> reach(np.array([1.0, 1e-4]), np.array([1.0, 5e-5]), 8192)
    16384.0
    """
    partial = (trained > 0) & (trained * original < 2 * np.pi)
    if not partial.any():
        return None
    return float(original * np.min(trained[partial] / extended[partial]))


def _notes(
    spec: ModelSpec, method: str, context: int, original: int, changes: tuple[Change, ...]
) -> Iterator[str]:
    """What a reader should know of an extension."""
    declared = spec.declared_context
    if not any(change.is_changed for change in changes):
        yield "Nothing changes: the model carries this scaling already."
    elif declared is not None and original < context <= declared:
        yield (
            f"The model already declares {declared:,} tokens: this replaces the scaling that it was tuned "
            f"with by one for {context:,}."
        )
    for change in changes:
        if change.is_changed and not change.changes_numbers:
            enough = f"each turns often enough in {original:,} tokens"
            yield f"{change.before.kind}: {method} changes no pair, since {enough}."
        old = change.before.scaling
        if change.is_changed and _is_scaled(old):
            now = "ntk" if method == "ntk" else _described(change.after.scaling)
            yield (
                f"{change.before.kind}: {_described(old)} is replaced by {now}, "
                f"counted from the original {original:,} tokens."
            )
        rotary = change.after
        if change.factor_after != 1 and rotary.rotary_dim < rotary.head_dim:
            yield (
                f"{rotary.kind}: the attention factor reaches the {rotary.rotary_dim} channels that rotate, "
                f"not the other {rotary.head_dim - rotary.rotary_dim}."
            )
        if change.is_changed and rotary.window is not None and rotary.window <= original:
            yield (
                f"{rotary.kind}: these layers see {rotary.window:,} tokens and would need no scaling, but "
                "share one spectrum with the others."
            )
    if method == "ntk":
        yield (
            "The file will not show that its base was stretched: keep the old one, and extend that one again."
        )
    if method == "dynamic":
        stretch = 1 + context / original * (context / original - 1)
        yield (
            f"Inputs up to {original:,} tokens stay as they were; one of {context:,} is stretched "
            f"{stretch:g}-fold, and keys cached at one length do not match queries of another."
        )
