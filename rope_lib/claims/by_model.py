"""How a claim about every model is judged: model by model, by intervals between texts, then over the models.

What is measured of a model is some *parts*, numbers of which each speaks the more for the claim the larger it
is. A part has one value for each text, and so a mean and an interval between texts. `Numbers` of such a row:

``models``  by the model's name and the part's, `mean`, `low` and `high`: the mean over texts and the ends of
            its 95 % interval. A model without parts could not be tested.
``texts``   the number of texts.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from rope_lib.findings.wording import with_interval

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, VERDICTS, Earlier, Finding, Numbers, Verdict

# From the parts of one model, by name, to a verdict. None that falls when a part rises.
ModelRule = Callable[[Mapping[str, float]], Verdict]

REFERENCE = "SmolLM2-135M"  # the one model that the rules before judged


def by_model(rule: ModelRule, numbers: Numbers) -> dict[str, Verdict]:
    """The verdict on each model of `numbers`, by its name.

    A claim holds in a model if the rule says so of the lower ends of all intervals, and does not hold if the
    rule says so of the upper ends. In all other cases it holds with a caveat.

    >>> part = {"mean": 0.8, "low": 0.7, "high": 0.9}
    >>> by_model(lambda parts: HOLDS if parts["a"] > 0.6 else REFUTED, {"models": {"one": {"a": part}}})
    {'one': 'holds'}
    """
    return {model: _of_model(rule, parts) for model, parts in numbers["models"].items()}


def _of_model(rule: ModelRule, parts: Mapping[str, Mapping[str, float]]) -> Verdict:
    if not parts:
        return NOT_TESTABLE
    if rule({name: part["low"] for name, part in parts.items()}) == HOLDS:
        return HOLDS
    return REFUTED if rule({name: part["high"] for name, part in parts.items()}) == REFUTED else CAVEAT


def over_models(verdicts: Mapping[str, Verdict]) -> Verdict:
    """One verdict from those on the models, by name.

    A claim holds if it holds in every model that could be tested. It does not hold as stated if it does not
    in more than half of them. In all other cases it holds with a caveat.

    >>> over_models({"one": HOLDS, "two": REFUTED, "three": NOT_TESTABLE})
    'holds with a caveat'
    """
    tested = [verdict for verdict in verdicts.values() if verdict != NOT_TESTABLE]
    if not tested:
        return NOT_TESTABLE
    if set(tested) == {HOLDS}:
        return HOLDS
    return REFUTED if tested.count(REFUTED) > len(tested) / 2 else CAVEAT


def judge_models(rule: ModelRule, numbers: Numbers, said: Mapping[str, str]) -> Finding:
    """What is found over all models. `said` maps each part to its words and, after a bar, its format."""
    verdicts = by_model(rule, numbers)
    counts = Counter(verdicts.values())
    counted = ", ".join(f"{each} in {counts[each]}" for each in VERDICTS if counts[each])
    models = "; ".join(
        f"{model} ({verdicts[model]})" + (": " if parts else "") + _parts(parts, said)
        for model, parts in numbers["models"].items()
    )
    head = f"Of {len(verdicts)} models it {counted}; means over up to {numbers['texts']} texts"
    return Finding(over_models(verdicts), f"{head} and 95 % intervals between them. {models}.")


def _parts(parts: Mapping[str, Mapping[str, float]], said: Mapping[str, str]) -> str:
    """The parts in the order of `said`, each with its words and its interval."""
    split = {name: text.partition("|") for name, text in said.items() if name in parts}
    return ", ".join(
        f"{words} {with_interval(parts[name], form)}" for name, (words, _, form) in split.items()
    )


def of_reference(rule: ModelRule) -> Callable[[Numbers], Verdict]:
    """A rule of one model, applied to the means over texts of `REFERENCE`: how a rule before judges today."""

    def judge(numbers: Numbers) -> Verdict:
        return rule({name: part["mean"] for name, part in numbers["models"][REFERENCE].items()})

    return judge


def on_one_model(rule: ModelRule, why: str) -> Earlier:
    """The same `rule` as it was until models and texts were several, and `why` it was not kept so."""
    return Earlier(
        until="2026-11-27",
        rule=(
            f"The present rule for one model, {REFERENCE}, on one text. It judges here the mean over "
            "the texts."
        ),
        why=why,
        row="consequence",
        judge=of_reference(rule),
    )
