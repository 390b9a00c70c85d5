"""What lengths a model was trained at, as far as known or declared, and which angles that training showed.

A pair has seen all angles up to the length of training times its frequency, and every angle once it has
completed a turn: see `theory.rivals.longest_with_seen_angles`. That rule means the *original* training,
the one before any change of the spectrum; where nothing tells of it, what is known instead is named.
"""

from dataclasses import dataclass

import numpy as np

from ..theory.arguments import Floats
from ..theory.oscillators import frequencies
from ..theory.rivals import longest_with_seen_angles, seen_by_each_pair
from ..theory.scaling import find_scaling
from .atlas import AtlasModel, published
from .case_studies import NAMES_IN_ATLAS, CaseStudy, case_studies
from .spec import ModelSpec, Rotary

# Where a length of training comes from: a published model's row in the case studies or in the atlas; a key of
# the model's files; the default of its class, where no file states it.
KNOWN, DECLARED, ASSUMED = "known", "declared", "assumed"

# The training before any change of the rotation; that on the longest sequences; some training, as declared.
ORIGINAL, LONGEST, SOME = "original", "longest", ""

_ROUNDING = 1e-9  # relative: a length reached exactly is not passed


@dataclass(frozen=True)
class Stage:
    """One stage of a model's training: its length, and where that is from."""

    name: str  # ORIGINAL, LONGEST or SOME
    length: int  # tokens of its sequences
    base: float | None  # the base of the rotation then; None where it is taken to be the stated one
    provenance: str  # KNOWN, DECLARED or ASSUMED
    source: str  # the key, or the table, in words


@dataclass(frozen=True)
class SeenAngles:
    """Up to which length no pair of a spectrum turns farther than in training."""

    before: float  # tokens, by the spectrum of that training; infinite where every pair completed a turn
    after: float  # tokens, by the spectrum as shipped; infinite where no pair can pass what it has seen
    pairs: int  # that rotate
    pairs_beyond: int  # of those, how many turn farther than in that training within the context

    @property
    def is_met(self) -> bool:
        """Whether no pair meets an angle that it has not seen."""
        return not self.pairs_beyond


def is_retrofit(rotary: Rotary) -> bool:
    """Whether a spectrum is another than that of the original training, by its type of scaling."""
    found = find_scaling(rotary.scaling["type"])
    return found is not None and found.is_retrofit


def shown_training(spec: ModelSpec) -> Stage | None:
    """The training whose angles count as seen, or None where nothing tells its length.

    The original one where the case studies know it, or where a retrofit states the length that it starts
    from; without a retrofit the longest that is known, else the declared context. A base that was changed in
    between leaves no trace in a config: that a model was first trained shorter may then go unseen.

    >>> from rope_lib.models.atlas import atlas_model
    >>> stage = shown_training(atlas_model("DeepSeek-V2 236B"))
    >>> stage.name, stage.length, stage.provenance, stage.source
    ('original', 4096, 'declared', 'rope_scaling.original_max_position_embeddings')
    """
    for case in cases_of(published(spec)):
        if case.pretrain_length is not None:
            source = f"case study of {case.model}"
            return Stage(ORIGINAL, case.pretrain_length, case.pretrain_base, KNOWN, source)
    stretched = [rotary.scaling for rotary in spec.rotaries if is_retrofit(rotary)]
    if any(scaling["type"] != "dynamic" or "alpha" in scaling for scaling in stretched):
        return _stated(spec, ORIGINAL, spec.original_context, "original_context")
    if stretched:  # dynamic scaling starts from the declared context
        return _stated(spec, ORIGINAL, spec.declared_context, "context")
    return longest_training(spec) or _stated(spec, SOME, spec.declared_context, "context")


def cases_of(model: AtlasModel | None) -> tuple[CaseStudy, ...]:
    """The case studies of a model of the atlas.

    >>> from rope_lib.models.atlas import atlas_model
    >>> [case.context_length for case in cases_of(atlas_model("Mixtral 8x7B v0.1"))]
    [32768, 131072]
    """
    if model is None:
        return ()
    return tuple(c for c in case_studies() if NAMES_IN_ATLAS.get(c.model, c.model) == model.name)


def longest_training(spec: ModelSpec) -> Stage | None:
    """The training on the longest sequences that are known of a model, at any stage, or None.

    >>> from rope_lib.models.atlas import atlas_model
    >>> longest_training(atlas_model("Llama 3.1 8B")).length
    131072
    """
    model = published(spec)
    for case in cases_of(model):
        if case.train_length is not None:
            return Stage(LONGEST, case.train_length, None, KNOWN, f"case study of {case.model}")
    if model is None or model.trained_context is None:
        return None
    return Stage(LONGEST, model.trained_context, None, KNOWN, f"atlas row of {model.name}, from memory")


def _stated(spec: ModelSpec, stage: str, length: int | None, quantity: str) -> Stage | None:
    """The stage whose length a model's files state under a quantity, for one of its spectra or for all."""
    scoped = (name for name in spec.provenance if name.endswith(f".{quantity}"))
    name = quantity if quantity in spec.provenance else next(scoped, quantity)
    found = spec.provenance.get(name)
    if length is None or found == "derived":
        return None
    provenance = ASSUMED if found in ("class_default", "assumed") else DECLARED
    return Stage(stage, length, None, provenance, spec.sources.get(name, "its files"))


def seen_angles(rotary: Rotary, training: Stage, context: float) -> SeenAngles:
    """Which angles within a context in tokens a training did not show to a spectrum.

    Layers with a window meet no distance beyond it.

    >>> from rope_lib.models.atlas import atlas_model
    >>> model = atlas_model("Llama 3.1 8B")
    >>> seen = seen_angles(model.rotaries[0], shown_training(model), 131_072)
    >>> seen.before, seen.after, seen.pairs_beyond, seen.pairs
    (8192.0, 65536.0, 29, 64)
    """
    now = rotary.spectrum(context)[0]
    base = rotary.base if training.base is None else training.base
    is_other = is_retrofit(rotary) or base != rotary.base
    trained = frequencies(base, rotary.rotary_dim) if is_other else now
    window = np.inf if rotary.window is None else rotary.window
    return angles_seen(now, trained, training.length, context, window)


def angles_seen(
    now: Floats, trained: Floats, length: float, context: float, window: float = np.inf
) -> SeenAngles:
    """`SeenAngles` of the frequencies `now` `(pairs,)` after training at those of `trained`, at a length.

    >>> angles_seen(np.array([1.0, 5e-4]), np.array([1.0, 1e-3]), 1_000, context=4_000)
    SeenAngles(before=1000.0, after=2000.0, pairs=2, pairs_beyond=1)
    """
    reaches = seen_by_each_pair(now, trained, length)
    beyond = int(np.sum(reaches * (1 + _ROUNDING) < min(context, window)))
    before = longest_with_seen_angles(trained, trained, length)
    after = float(np.min(reaches, initial=np.inf))
    return SeenAngles(_within(before, window), _within(after, window), int(np.sum(now > 0)), beyond)


def _within(length: float, window: float) -> float:
    """A reach in tokens, rid of rounding, and infinite where a window ends before it."""
    if window <= length * (1 + _ROUNDING):
        return np.inf
    return float(round(length)) if abs(length - round(length)) <= _ROUNDING * length else length
