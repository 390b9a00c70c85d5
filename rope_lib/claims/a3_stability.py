"""A3: DC stability, the slowest oscillator keeps its similarity over the context."""

import numpy as np

from rope_lib.models.case_studies import known_to_work
from rope_lib.theory.bounds import stability_bound
from rope_lib.theory.oscillators import frequencies

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import practice
from .settings import EPSILON, HEAD_DIM

MORE = 0.1  # by how much the share of collapsed heads must be larger below the bound than above it
HALF = 0.5  # of the heads below the bound must be collapsed for the statement to hold; of models, to learn
NEAR = 0.05  # by how much, in relative terms, the stated base may miss the true one and still be right


def measure_stability() -> Numbers:
    """The drift at the bound, for the stated frequency and for the slowest of the bank."""
    context = 4096
    base = float(stability_bound(context, EPSILON))
    works = known_to_work()
    return {
        "epsilon": EPSILON,
        "similarity_at_bound": float(np.cos(context / base)),
        "true_similarity": float(np.cos(context * frequencies(base, HEAD_DIM)[-1])),
        "stated_base": base,
        "true_base": float(stability_bound(context, EPSILON, head_dim=HEAD_DIM)),
        "works_in_violation": sum(
            base < float(stability_bound(case.longest_distance, EPSILON)) for case, base in works
        ),
    }


def judge_stability(numbers: Numbers) -> Finding:
    """The derivation is right if a base at the bound leaves exactly the similarity ε, and the base is that of
    the bank's slowest oscillator to within 5 %; right with a caveat if only the first; else wrong.
    """
    derived = abs(numbers["similarity_at_bound"] - numbers["epsilon"]) < 1e-12
    near = abs(numbers["true_base"] / numbers["stated_base"] - 1) <= NEAR
    return Finding(
        HOLDS if derived and near else CAVEAT if derived else REFUTED,
        (
            "At the bound an oscillator of frequency 1/base keeps a similarity of {similarity_at_bound:.2f}; "
            "the slowest of a bank of 64, which is faster, keeps {true_similarity:.2f}. For 4,096 tokens the "
            "stated base is {stated_base:,.0f}, that of the bank {true_base:,.0f}."
        ).format(**numbers),
    )


def judge_working_cases(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27: derived, and no case that works violates it."""
    derived = abs(numbers["similarity_at_bound"] - numbers["epsilon"]) < 1e-12
    return REFUTED if not derived else CAVEAT if numbers["works_in_violation"] else HOLDS


def measure_collapse() -> Numbers:
    """Collapsed attention below and above the bound, in models trained for it: the kept result.

    `contrasts` are those of `findings.attention_entropy.contrasts`; `learned` maps a task to the models that
    met the criterion below and above the bound, `models` to how many there are. `entropies` are the means
    over heads below and above the bound, by task.
    """
    from rope_lib.findings.attention_entropy import COLLAPSED, by_model, contrast, contrasts, learned
    from rope_lib.findings.kept import kept

    tables, _ = kept("attention_entropy")
    counts = learned(tables, EPSILON).groupby(["task", "below"])[["converged", "models"]].sum()
    trained = int(tables["attention"].length.min())
    models = by_model(tables["attention"], trained)
    bound = float(stability_bound(trained, EPSILON))
    tasks = sorted(models.task.unique())
    sides = {"below": True, "above": False}
    return {
        "threshold": COLLAPSED,
        "trained": str(trained),
        "bound": bound,
        "seeds": models.seed.nunique(),
        "models": {task: {side: int(counts.models[task, is_below]) for side, is_below in sides.items()}
                   for task in tasks},
        "learned": {task: {side: int(counts.converged[task, is_below]) for side, is_below in sides.items()}
                    for task in tasks},
        "contrasts": contrasts(tables, EPSILON),
        "entropies": {
            task: contrast(models[models.task == task], "entropy", bound) for task in tasks
        },
    }  # fmt: skip


def judge_collapse(numbers: Numbers) -> Finding:
    """Models below the bound show attention collapse if, at the trained length and in one of its two senses
    (uniform attention; one token for all questions), at least half of their heads are collapsed in every
    task, at least a tenth more of them than above the bound, with an interval over seeds that excludes 0. A
    caveat if a tenth more with such an interval is found somewhere: in one task, in one sense, at four times
    the trained length, or at one base alone, that at which it is worst. Else it does not occur. Not testable
    if in no task half of the models above the bound learned it.

    Written before the models were trained. The caveat has many ways to occur, in the paper's favor.
    """
    at_length = numbers["contrasts"][numbers["trained"]]
    senses = list(next(iter(at_length.values())))
    everywhere = any(
        all(_more(task[sense], "") and task[sense]["below"] >= HALF for task in at_length.values())
        for sense in senses
    )
    places = [
        f"{sense} in {task} at {length} tokens" + (f", base {found['worst']:g}" if prefix else "")
        for length, tasks in numbers["contrasts"].items()
        for task, by_sense in tasks.items()
        for sense, found in by_sense.items()
        for prefix in ("", "worst_")
        if _more(found, prefix)
    ]
    usable = any(
        numbers["learned"][task]["above"] >= HALF * numbers["models"][task]["above"] for task in at_length
    )
    verdict = HOLDS if everywhere else CAVEAT if places else REFUTED
    return Finding(verdict if usable else NOT_TESTABLE, _collapse_evidence(numbers, places))


def _more(found: Numbers, prefix: str) -> bool:
    """Whether more heads are collapsed below the bound, or at its worst base, than above it."""
    return bool(found[f"{prefix}difference"] >= MORE and found[f"{prefix}low"] > 0)


def _collapse_evidence(numbers: Numbers, places: list[str]) -> str:
    at_length = numbers["contrasts"][numbers["trained"]]
    parts = []
    for task, senses in at_length.items():
        shares = "; ".join(
            f"{sense}, {found['below']:.0%} of the heads below the bound and {found['above']:.0%} above it"
            for sense, found in senses.items()
        )
        learned, models = numbers["learned"][task], numbers["models"][task]
        entropy = numbers["entropies"][task]
        parts.append(
            f"{task}: {learned['below']} of {models['below']} models below it and {learned['above']} of "
            f"{models['above']} above it learn the task; collapsed are ({shares}); relative entropy "
            f"{entropy['below']:.2f} and {entropy['above']:.2f}"
        )
    more = "More collapse below the bound: " + "; ".join(places) if places else "Nowhere more below the bound"
    return (
        f"Small models trained on {numbers['trained']} tokens, {numbers['seeds']} seeds, at bases below and "
        f"above {numbers['bound']:,.0f}. {'. '.join(parts)}. {more}."
    )


def _uncollapsed() -> Numbers:
    """A contrast for each task and sense in which below and above the bound are alike."""
    alike = {
        "below": 0.1, "above": 0.1, "difference": 0.0, "low": -0.05, "high": 0.05,
        "worst": 4.0, "worst_difference": 0.02, "worst_low": -0.1, "worst_high": 0.14,
    }  # fmt: skip
    return {task: {"uniform": alike, "one token": alike} for task in ("order", "recall")}


_NO_COLLAPSE = {
    "threshold": 0.8,
    "trained": "32",
    "bound": 100.8,
    "seeds": 5,
    "models": {task: {"below": 15, "above": 10} for task in ("order", "recall")},
    "learned": {task: {"below": 14, "above": 10} for task in ("order", "recall")},
    "contrasts": {"32": _uncollapsed(), "128": _uncollapsed()},
    "entropies": {task: {"below": 0.4, "above": 0.4} for task in ("order", "recall")},
}

CLAIMS = (
    Claim(
        id="A3",
        statement=(
            "DC stability: the lowest mode keeps cosine similarity ε over the context, base ≥ L/arccos(ε)."
        ),
        place="Method",
        standing="stated",
        chapter="03_dc_stability",
        in_short="exact for one oscillator; attention spreads only far below it; it misjudges working models",
        formula=Row(
            measure=measure_stability,
            judge=judge_stability,
            refuted_by={
                "epsilon": 0.95,
                "similarity_at_bound": 0.8,
                "true_similarity": 0.75,
                "stated_base": 12_898.0,
                "true_base": 14_989.0,
                "works_in_violation": 0,
            },
        ),
        consequence=Row(
            measure=measure_collapse,
            judge=judge_collapse,
            refuted_by=_NO_COLLAPSE,
            needs=("results",),
        ),
        practice=practice("A3"),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the inequality is as derived and no published case that works violates it; a "
                    "caveat if some do."
                ),
                why=(
                    "It took formula and practice in one, and could refute on arithmetic only. Now the bound "
                    "is also asked to do better than the training length."
                ),
                row="formula",
                judge=judge_working_cases,
            ),
        ),
    ),
)
