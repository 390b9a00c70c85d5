"""What a verdict of paper A's bounds is worth, by the case studies: published models of known behavior.

Beside it stand two rules that know nothing of the bounds: a context no longer than the longest training
sequence works; and a context works in which no pair turns farther than in the original training. Counted are
the cases that clearly work or fail. That a model *works* at the length of its training is often no more than
that its authors trained it there, which favors both rules: see `case_studies.CaseStudy`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..theory.oscillators import frequencies
from .atlas import model_named, published
from .case_studies import NAMES_IN_ATLAS, CaseStudy, case_studies
from .spec import ModelSpec, Rotary
from .training import angles_seen, cases_of
from .verdicts import disagreements


@dataclass(frozen=True)
class TrackRecord:
    """How many case studies the bounds misjudge at one epsilon and dtype, and how many the two rules do."""

    epsilon: float
    dtype: str
    cases: int  # that clearly work or fail
    models: int  # that these cases are of
    bounds_misjudge: int
    training_length_misjudges: int
    original_known: int  # of these cases, those of known original training
    seen_angles_misjudge: int  # of the latter
    bounds_misjudge_of_original_known: int


def decided_cases() -> tuple[CaseStudy, ...]:
    """The case studies that clearly work or fail, and whose longest training is known."""
    return tuple(case for case in case_studies() if case.observed in ("works", "fails") and case.train_length)


@lru_cache(maxsize=64)
def track_record(epsilon: float = 0.95, dtype: str = "float32") -> TrackRecord:
    """The record of the verdicts at one epsilon and dtype, from the case studies.

    A case is misjudged where a rule allows it and it does not work, or the reverse; the bounds allow what
    they call `stable`. Raises ValueError as `verdicts.classify`.

    >>> track_record().cases
    22
    """
    decided = decided_cases()
    bounds, length = disagreements(decided, epsilon=epsilon, dtype=dtype)
    original = [case for case in decided if case.pretrain_length is not None]
    return TrackRecord(
        epsilon=epsilon,
        dtype=dtype,
        cases=len(decided),
        models=len({case.model for case in decided}),
        bounds_misjudge=bounds,
        training_length_misjudges=length,
        original_known=len(original),
        seen_angles_misjudge=sum(has_seen_angles(case) != (case.observed == "works") for case in original),
        bounds_misjudge_of_original_known=disagreements(original, epsilon=epsilon, dtype=dtype)[0],
    )


@lru_cache(maxsize=64)
def has_seen_angles(case: CaseStudy) -> bool:
    """Whether no pair turns farther in a case than in the original training of its model.

    Its spectrum is that of its base, or under a retrofit that of its row in the atlas. Raises ValueError for
    a case of unknown original training, or of a retrofit that is not in the atlas.

    >>> [(case.observed, has_seen_angles(case)) for case in case_studies() if case.model == "LLaMA-1 7B"]
    [('works', True), ('fails', False)]
    """
    if case.pretrain_length is None or case.pretrain_base is None or case.base is None:
        raise ValueError(f"case must be of known original training, got {case.model}")
    now = frequencies(case.base, case.head_dim)
    if case.retrofit != "none":
        rotary = next((one for one in _rotaries(case) if is_of(case, one)), None)
        if rotary is None:
            raise ValueError(f"case must be of a retrofit in the atlas, got {case.retrofit} of {case.model}")
        now = rotary.spectrum(case.context_length)[0]
    trained = frequencies(case.pretrain_base, case.head_dim)
    return angles_seen(now, trained, case.pretrain_length, case.context_length).is_met


def _rotaries(case: CaseStudy) -> tuple[Rotary, ...]:
    model = model_named(NAMES_IN_ATLAS.get(case.model, case.model))
    return model.rotaries if model else ()


def is_of(case: CaseStudy, rotary: Rotary) -> bool:
    """Whether a case is of this rotation: base, stretch, rotating channels and depth.

    >>> from rope_lib.models.atlas import atlas_model
    >>> rotary = atlas_model("DeepSeek-R1").rotaries[0]
    >>> {case.model for case in case_studies() if is_of(case, rotary)}
    {'DeepSeek-V3'}
    """
    sizes = (case.base, case.head_dim, case.num_layers)
    if sizes != (rotary.base, rotary.rotary_dim, len(rotary.layers)) or case.effective_base is None:
        return False
    return bool(np.isclose(rotary.effective_base(case.context_length), case.effective_base, rtol=1e-6))


@dataclass(frozen=True)
class Comparable:
    """The case studies nearest to a model at a context.

    `own` are those of this model or, where there are none, of its rotation in other models. `side` says
    whether the context is "within" the longest training sequence or "beyond" it; `works`, `degrades` and
    `fails` count how the case studies of that side behave. `nearest` holds of these the closest one that
    works and the closest one that does not, by the ratio of context to longest training.
    """

    own: tuple[CaseStudy, ...]
    ratio: float | None  # context / longest training; None where no length is known or declared
    side: str | None
    works: int
    degrades: int
    fails: int
    nearest: tuple[CaseStudy, ...]
    longest_working: int  # tokens of the longest case study that works


def comparable(spec: ModelSpec, context: float, trained: int | None) -> Comparable:
    """The case studies to set beside a model at a context, whose longest training was on `trained` tokens.

    >>> from rope_lib.models.atlas import atlas_model
    >>> found = comparable(atlas_model("Llama 3.1 8B"), 131_072, 131_072)
    >>> [(case.context_length, case.observed) for case in found.own], found.side
    ([(131072, 'degrades'), (32768, 'works')], 'within')
    """
    known = [case for case in case_studies() if case.observed != "unknown" and case.train_length is not None]
    own = tuple(_own(spec, known))
    working = max(case.context_length for case in known if case.observed == "works")
    if trained is None:
        return Comparable(own, None, None, 0, 0, 0, (), working)
    ratio = context / trained
    there = [case for case in known if (_ratio(case) > 1) == (ratio > 1)]
    nearest = []
    for group in ([case for case in there if case.observed == "works"],
                  [case for case in there if case.observed != "works"]):  # fmt: skip
        nearest += sorted(group, key=lambda case: _distance(case, ratio, context))[:1]
    count = {name: sum(case.observed == name for case in there) for name in ("works", "degrades", "fails")}
    return Comparable(
        own,
        ratio,
        "beyond" if ratio > 1 else "within",
        **count,
        nearest=tuple(nearest),
        longest_working=working,
    )


def _own(spec: ModelSpec, known: Iterable[CaseStudy]) -> list[CaseStudy]:
    if len(spec.rotaries) != 1:
        return []
    alike = [case for case in known if is_of(case, spec.rotaries[0])]
    of_model = cases_of(published(spec))
    return [case for case in alike if case in of_model] or alike


def _ratio(case: CaseStudy) -> float:
    return case.context_length / (case.train_length or np.nan)


def _distance(case: CaseStudy, ratio: float, context: float) -> tuple[float, float]:
    return abs(float(np.log(_ratio(case) / ratio))), abs(float(np.log(case.context_length / context)))
