"""The atlas as its chapter shows it: every model with paper A's verdict, two rivals, and its slowest pair."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from rope_lib.models.atlas import AtlasModel, atlas
from rope_lib.models.case_studies import NAMES_IN_ATLAS, CaseStudy, case_studies
from rope_lib.models.spec import Rotary
from rope_lib.models.summary import record_sentence
from rope_lib.models.track_record import track_record
from rope_lib.models.verdicts import VERDICTS, WORST_FIRST, RotaryVerdict, Verdict, classify, judge
from rope_lib.theory.arguments import Floats
from rope_lib.theory.rivals import first_negative, liu_extrapolation_limit
from rope_lib.theory.scaling import SCALINGS

# A value of the lookup table: a text, a number, a text with the number that it sorts by, or None.
Cell: TypeAlias = str | int | float | tuple[str, float] | None

# A number of tokens: a Python number or a zero-dimensional array.
Tokens: TypeAlias = float | Floats


@dataclass(frozen=True)
class Entry:
    """One model of the atlas at its declared context, and what the bounds say of it."""

    model: AtlasModel
    verdict: Verdict
    worst: RotaryVerdict | None  # of the spectrum that decides the verdict; None where no layer rotates
    without_retrofit: str  # the verdict on the stated bases
    verdict_of_slowest: str  # the verdict where each spectrum's slowest pair takes the place of 1/base
    depth_accepts: bool | None  # every spectrum's effective base reaches its depth bound, whatever the wall
    men_accepts: bool | None
    liu_accepts: bool | None  # None also where the length of training is not known

    @property
    def retrofitted(self) -> RotaryVerdict | None:
        """The spectrum that a retrofit stretches, the deciding one if there are several, else None.

        >>> model = next(entry for entry in entries() if entry.model.name == "Llama 3.1 8B")
        >>> model.retrofitted.rotary.scaling["type"]
        'llama3'
        """
        first = [self.worst] if self.worst else []
        stretched = (
            judged
            for judged in (*first, *self.verdict.rotaries)
            if SCALINGS[judged.rotary.scaling["type"]].is_retrofit
        )
        return next(stretched, None)


@lru_cache(maxsize=2)
def entries(epsilon: float = 0.95, dtype: str = "float32") -> tuple[Entry, ...]:
    """An `Entry` for each model of the atlas, in its order. Raises ValueError as `judge`.

    >>> model = next(entry for entry in entries() if entry.model.name == "Llama 3.1 8B")
    >>> model.verdict.verdict, model.without_retrofit, model.men_accepts
    ('stable', 'unstable_at_depth', False)
    """
    return tuple(_entry(model, judge(model, epsilon=epsilon, dtype=dtype)) for model in atlas())


def _entry(model: AtlasModel, verdict: Verdict) -> Entry:
    rotaries = verdict.rotaries
    if not rotaries:
        named = str(verdict.verdict)
        return Entry(model, verdict, None, named, named, None, None, None)
    return Entry(
        model,
        verdict,
        worst=next(judged for judged in rotaries if judged.verdict == verdict.verdict),
        without_retrofit=_worst(str(judged.verdict_without_scaling) for judged in rotaries),
        verdict_of_slowest=_worst(_verdict_of_slowest(judged, verdict) for judged in rotaries),
        depth_accepts=all(bool(judged.effective_base >= judged.bounds["depth"]) for judged in rotaries),
        men_accepts=all(first_negative_seen(judged, verdict.context) is None for judged in rotaries),
        liu_accepts=_liu_accepts(model, rotaries),
    )


def _verdict_of_slowest(judged: RotaryVerdict, verdict: Verdict) -> str:
    """The verdict with the true slowest frequency in place of 1/base, the paper's approximation of it."""
    base, layers = 1 / slowest_frequency(judged, verdict.context), len(judged.rotary.layers)
    found = classify(base, judged.context_length, layers, epsilon=verdict.epsilon, dtype=verdict.dtype)
    return str(found)


def _worst(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=WORST_FIRST.index)


def slowest_frequency(judged: RotaryVerdict, context: Tokens) -> float:
    """Frequency of the slowest rotating pair, in radians per token; the paper approximates it by 1/base."""
    inv_freq, _ = judged.rotary.spectrum(float(context))
    return float(inv_freq[inv_freq > 0].min())


def first_negative_seen(judged: RotaryVerdict, context: Tokens, resting: int = 0) -> int | None:
    """`rivals.first_negative` of the spectrum at a context, among the distances that these layers see.

    The sum is over the pairs that rotate, at their frequencies after any retrofit, and over `resting` further
    pairs that do not rotate, whose cosine is 1.
    """
    inv_freq, _ = judged.rotary.spectrum(float(context))
    freqs = np.concatenate([inv_freq[inv_freq > 0], np.zeros(resting)])
    return first_negative(freqs, limit=int(judged.context_length))


def resting_pairs(rotary: Rotary) -> int:
    """Pairs of a head that do not rotate: outside the spectrum, or with frequency 0 in it."""
    inv_freq, _ = rotary.spectrum(1)
    return (rotary.head_dim - rotary.rotary_dim) // 2 + int(np.sum(inv_freq == 0))


def _liu_accepts(model: AtlasModel, rotaries: Sequence[RotaryVerdict]) -> bool | None:
    """Whether the reach of Liu et al. (2310.05209) covers what every spectrum's layers see.

    The length of pretraining is the original context of a retrofit, else the longest sequences trained on.
    """
    trained = model.original_context or model.trained_context
    if trained is None:
        return None
    return all(
        liu_extrapolation_limit(
            trained, judged.rotary.rotary_dim, judged.rotary.base, float(judged.effective_base)
        )
        >= judged.context_length
        for judged in rotaries
    )


def lookup_rows(rows: Iterable[Entry]) -> list[dict[str, Cell]]:
    """The entries as the rows of the book's lookup table: one dict each, from headings to values.

    A number is an int where every digit counts, else a float; None marks a missing value. A tuple is a text
    and the number that it sorts by.

    >>> row = next(row for row in lookup_rows(entries()) if row["model"] == "Llama 3.1 8B")
    >>> row["context"], row["base"], row["retrofit"], row["layers"]
    (131072, 500000.0, 'llama3 ×8', ('32', 32))
    """
    return [_lookup_row(entry) for entry in rows]


def _lookup_row(entry: Entry) -> dict[str, Cell]:
    model, worst = entry.model, entry.worst
    from_memory, source = model.confidence == "memory", model.source
    if from_memory and not source.startswith("memory"):
        source = f"memory; {source}"
    return {
        "model": model.name + "*" * from_memory,
        "verdict": words(str(entry.verdict.verdict)),
        "context": int(entry.verdict.context),
        "base": worst.rotary.base if worst else None,
        "retrofit": _retrofit(entry),
        "effective base": float(worst.effective_base) if worst else None,
        "without retrofit": words(entry.without_retrofit) if entry.retrofitted else "–",
        "Men et al.": {True: "accept", False: "reject", None: "–"}[entry.men_accepts],
        "layers": (_layers(entry), len(worst.rotary.layers) if worst else 0),
        "released": model.release,
        "values from": source,
    }


def _layers(entry: Entry) -> str:
    """How many of the model's layers the deciding spectrum drives, and their window if they have one."""
    total = entry.model.num_layers
    if entry.worst is None:
        return f"0 of {total}"
    rotary, seen = entry.worst.rotary, entry.worst.context_length
    count = f"{total}" if len(rotary.layers) == total else f"{len(rotary.layers)} of {total}"
    return f"{count}, window {seen:,.0f}" if seen < entry.verdict.context else count


def _retrofit(entry: Entry) -> str:
    """The retrofit's name and stretch of the slowest pair, and its layers where others decide the verdict."""
    judged = entry.retrofitted
    if judged is None:
        return "–"
    stretch = float(judged.effective_base) / judged.rotary.base
    text = f"{judged.rotary.scaling['type']} ×{stretch:.3g}"
    return text if judged is entry.worst else f"{text}, {judged.rotary.kind} layers"


def words(verdict: str) -> str:
    """A verdict as words: "unstable at depth".

    >>> words("unstable_at_depth")
    'unstable at depth'
    """
    return verdict.replace("_", " ")


def known_cases(*, epsilon: float = 0.95, dtype: str = "float32") -> tuple[tuple[CaseStudy, Verdict], ...]:
    """The case studies of known behavior whose model is in the atlas: (case, verdict at the case's context).

    >>> [str(verdict.verdict) for case, verdict in known_cases() if case.model == "LLaMA-2 7B"]
    ['unstable']
    """
    models = {model.name: model for model in atlas()}
    pairs = []
    for case in case_studies():
        model = models.get(NAMES_IN_ATLAS.get(case.model, case.model))
        if case.observed != "unknown" and model is not None:
            verdict = judge(model, epsilon=epsilon, dtype=dtype, context=case.context_length)
            pairs.append((case, verdict))
    return tuple(pairs)


# What the chapter counts. A *spectrum* is one rotary embedding of a model, with the verdict on it.

Numbers = dict[str, int | str]

# Where each verdict places a model: in its zone, above it (or without one), and else below.
_SIDES = {"stable": "inside", "beyond_precision": "above", "infeasible": "above"}


def spectra(models: Iterable[Entry]) -> list[tuple[Entry, RotaryVerdict]]:
    """Every spectrum of every model, sorted by `slow_ratio`, the smallest first."""
    pairs = [(entry, judged) for entry in models for judged in entry.verdict.rotaries]
    return sorted(pairs, key=lambda pair: slow_ratio(*pair))


def slow_ratio(entry: Entry, judged: RotaryVerdict) -> float:
    """1/θ of the slowest pair that rotates, over the effective base: 1 where the paper's formula is exact.

    >>> model = next(entry for entry in entries() if entry.model.name == "Llama 2 7B")
    >>> round(slow_ratio(model, model.worst), 3)  # 10,000^(-2/128)
    0.866
    """
    return 1 / slowest_frequency(judged, entry.verdict.context) / float(judged.effective_base)


def places(models: Iterable[Entry]) -> dict[str, Counter[str]]:
    """By period of release, how many models lie below, inside and above their zone.

    >>> list(places(entries()))
    ['to 2023', '2024', 'from 2025']
    """
    periods: dict[str, Counter[str]] = {"to 2023": Counter(), "2024": Counter(), "from 2025": Counter()}
    for entry in models:
        if entry.worst is not None:
            year = int(entry.model.release[:4])
            period = "to 2023" if year <= 2023 else "2024" if year == 2024 else "from 2025"
            periods[period][_side(entry.verdict)] += 1
    return periods


def moves(models: Iterable[Entry]) -> dict[str, Counter[tuple[str, str]]]:
    """By type of retrofit, how many models go from one verdict, without it, to another, with it."""
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for entry in models:
        if (stretched := entry.retrofitted) is not None:
            kind = stretched.rotary.scaling["type"]
            counts.setdefault(kind, Counter())[entry.without_retrofit, str(entry.verdict.verdict)] += 1
    return dict(sorted(counts.items()))


def described(counts: Mapping[tuple[str, str], int]) -> str:
    """Where the models of one type of retrofit go, the most frequent first.

    >>> described({("aliased", "unstable"): 1, ("stable", "stable"): 2})
    'stable (2); aliased → unstable (1)'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = (words(a) if a == b else f"{words(a)} → {words(b)}" for (a, b), _ in ordered)
    return "; ".join(f"{text} ({number})" for text, (_, number) in zip(texts, ordered, strict=True))


def astray(cases: Iterable[tuple[CaseStudy, Verdict]]) -> list[tuple[CaseStudy, Verdict]]:
    """The cases whose verdict contradicts their behavior, in the order of `VERDICTS`."""
    parted = [pair for pair in cases if (pair[1].verdict == "stable") != (pair[0].observed == "works")]
    return sorted(parted, key=lambda pair: VERDICTS.index(pair[1].verdict))


def facts(models: Sequence[Entry], cases: Sequence[tuple[CaseStudy, Verdict]]) -> dict[str, str]:
    """The numbers of the chapter's text by their glue names, from `entries` and `known_cases`."""
    judged = [entry for entry in models if entry.worst is not None]  # at least one layer rotates
    numbers = (
        _of_models(models, judged)
        | _of_years(judged)
        | _of_retrofits(models)
        | _of_rivals(judged)
        | _of_cases(cases)
        | _of_slowest_pairs(judged)
        | _of_resting_pairs(judged)
        | _of_record(models[0].verdict)
    )
    return {f"atlas-{name}": str(number) for name, number in numbers.items()}


def _of_models(models: Sequence[Entry], judged: Sequence[Entry]) -> Numbers:
    deciding = [(entry, entry.worst) for entry in judged if entry.worst]
    return {
        "models": len(models),
        "judged": len(judged),
        "no-rope": len(models) - len(judged),
        "memory": _count(entry.model.confidence == "memory" for entry in models),
        "stable": _count(entry.verdict.verdict == "stable" for entry in models),
        "aliased-before": _count(entry.without_retrofit == "aliased" for entry in models),
        "typical": int(np.median([len(worst.rotary.layers) for _, worst in deciding])),
        "windowed": _count(worst.context_length < entry.verdict.context for entry, worst in deciding),
        "some-unrotated": _count(bool(entry.model.unrotated_layers) for entry in judged),
    }


def _of_years(judged: Sequence[Entry]) -> Numbers:
    periods = list(places(judged).values())
    return {
        f"{name}-{place}": f"{100 * counts[place] / counts.total():.0f}"
        for name, counts in (("first", periods[0]), ("last", periods[-1]))
        for place in ("below", "inside", "above")
    }


def _of_retrofits(models: Sequence[Entry]) -> Numbers:
    retrofitted = [entry for entry in models if entry.retrofitted]
    changed = [entry for entry in retrofitted if entry.without_retrofit != entry.verdict.verdict]
    lifted = [entry for entry in retrofitted if entry.without_retrofit == "aliased"]
    return {
        "retrofitted": len(retrofitted),
        "changed": len(changed),
        "made-stable": _count(entry.verdict.verdict == "stable" for entry in changed),
        "made-beyond": _count(entry.verdict.verdict == "beyond_precision" for entry in changed),
        "lifted": len(lifted),
        "lifted-stable": _count(entry.verdict.verdict == "stable" for entry in lifted),
    }


def _of_rivals(judged: Sequence[Entry]) -> Numbers:
    men = Counter((entry.depth_accepts, entry.men_accepts) for entry in judged)
    liu = Counter((entry.depth_accepts, entry.liu_accepts) for entry in judged)
    trained = [entry for entry in judged if (entry.model.trained_context or 0) >= entry.verdict.context]
    return {
        "depth-accepts": men[True, True] + men[True, False],
        "men-accepts": men[True, True] + men[False, True],
        "men-agree": men[True, True] + men[False, False],
        "men-stricter": men[True, False],
        "depth-stricter": men[False, True],
        "liu-known": sum(number for (_, answer), number in liu.items() if answer is not None),
        "liu-only": liu[False, True],
        "liu-against": liu[True, False],
        "in-training": len(trained),
        "in-training-outside": _count(entry.verdict.verdict != "stable" for entry in trained),
        "in-training-men": _count(entry.men_accepts is False for entry in trained),
    }


def _of_cases(cases: Sequence[tuple[CaseStudy, Verdict]]) -> Numbers:
    parted = Counter((_side(verdict), case.observed) for case, verdict in astray(cases))
    return {
        "cases": len(cases),
        "astray": parted.total(),
        "above-works": parted["above", "works"],
        "below-works": parted["below", "works"],
        "stable-degrades": parted["inside", "degrades"] + parted["inside", "fails"],
    }


def _of_slowest_pairs(judged: Sequence[Entry]) -> Numbers:
    by_ratio = spectra(judged)
    extreme, spectrum = by_ratio[0]
    moved = [entry for entry in judged if entry.verdict_of_slowest != entry.verdict.verdict]
    rank = WORST_FIRST.index
    better = _count(rank(entry.verdict_of_slowest) > rank(entry.verdict.verdict) for entry in moved)
    return {
        "ratio-median": f"{np.median([slow_ratio(*pair) for pair in by_ratio]):.2f}",
        "slowest-moved": len(moved),
        "slowest-better": better,
        "slowest-worse": len(moved) - better,
        "extreme": extreme.model.name,
        "extreme-period": f"{2 * np.pi / slowest_frequency(spectrum, extreme.verdict.context):,.0f}",
    }


def _of_resting_pairs(judged: Sequence[Entry]) -> Numbers:
    partial = [(each, entry.verdict.context) for entry, each in spectra(judged) if resting_pairs(each.rotary)]
    whole = (first_negative_seen(each, seen, resting=resting_pairs(each.rotary)) for each, seen in partial)
    return {
        "partial": len(partial),
        "partial-alone": _count(first_negative_seen(each, seen) is None for each, seen in partial),
        "partial-whole": _count(distance is None for distance in whole),
    }


def _of_record(verdict: Verdict) -> Numbers:
    """What verdicts at this epsilon and dtype are worth, as the command says it."""
    record = track_record(float(np.asarray(verdict.epsilon)), str(verdict.dtype))
    return {"record": record_sentence(asdict(record))}


def _side(verdict: Verdict) -> str:
    return _SIDES.get(str(verdict.verdict), "below")


def _count(answers: Iterable[object]) -> int:
    return sum(map(bool, answers))
