"""B8-mechanism: clusters overlap, unmatched pairs outbid the sink, and without the sink the loss rises.

Paper B's account is a chain, and each intervention of `measure.logits` cuts it at one place. The rule below
was written before any of them was measured.

Two losses frame all others. *Healthy* is the loss of the last tokens of an input read with no more context
than the declared length; *broken* is that of the same tokens in an input that is too long, either a longer
text (`long`) or the same tokens with a gap in the positions before the last of them (`gap`: as many keys as
inside, at distances that the model never saw). Their difference is the *damage*. An intervention beyond the
declared length *restores* a share of it, (broken - loss)/damage; one inside *does* a share of it,
(loss - healthy)/damage. Each share is a mean over texts with Student's 95 % interval between them.

What every outcome would mean, as *right* for the chain and as *wrong*:

``dispersed``      all distances clipped in the k most dispersed heads, less the same in k at random.
                   Right: above 0. Wrong: below 0, the damage is not made where the clusters disperse.
``unmatched``      far unmatched keys above their level inside are brought down to it.
                   Right: restores half or more. Wrong: less than a quarter, they do not make the damage.
``matched``        the same is done to the far matched keys.
                   Right: restores less than that. Wrong: as much, matching has nothing to do with it.
``sink_back``      attention to token 0, of what was lost, that returns when unmatched keys are lowered.
                   Right: half or more. Wrong: less than a quarter, it is not they that outbid the sink.
``sink_returned``  a bias on the logit of token 0 gives it the attention that it has inside, head by head.
                   Right: restores half or more. Wrong: less than a quarter, it does no harm by itself.
``sink_lowered``   inside, the same bias gives it what it has beyond.
                   Right: does half or more of the damage. Wrong: less than a quarter, as before.
``cooled``         scores are sharpened until attention has its entropy inside, head by head.
                   Right: restores less than half. Wrong: half or more, dilution would do for an explanation.

A head's level is the mean over queries inside of their largest score among the older half of the keys. A far
key, at a distance that the declared length does not hold, is matched to a query if it follows an earlier
copy of the query's context (an induction target) or is among the eight far keys that score highest with all
distances clipped. Token 0 is no part of any of these sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding, Numbers, Row

if TYPE_CHECKING:
    from rope_lib.findings.stats import Interval

HALF, QUARTER = 0.5, 0.25


def measure_mechanism() -> Numbers:
    """The shares of the damage, of every model that fails, from `results/mechanism`."""
    from rope_lib.findings.kept import kept
    from rope_lib.findings.mechanism import links

    return {"models": links(kept("mechanism")[0])}


def links_of(shares: Mapping[str, Interval]) -> dict[str, bool | None]:
    """For each link of the chain whether the shares of one model and kind of input bear it out.

    True if the whole interval does, False if the whole interval goes against it, None in between. `shares`
    are those of the module's table, by name.
    """
    unmatched, matched = shares["unmatched"], shares["matched"]
    found = {
        name: _above(shares[name])
        for name in ("unmatched", "sink_back", "sink_returned", "sink_lowered")
        if name in shares
    }
    if found["unmatched"] and not matched[2] < unmatched[1]:
        found["unmatched"] = False if matched[1] > unmatched[2] else None
    if "dispersed" in shares:
        _, low, high = shares["dispersed"]
        found["dispersed"] = True if low > 0 else False if high < 0 else None
    return found


def judge_mechanism(numbers: Numbers) -> Finding:
    """Judged on every model that loses 0.5 nats or more beyond its declared length and has a sink (0.1 of the
    attention inside), on each kind of input. The chain holds if every link of it holds on all of them and
    cooling restores less than half; it does not if on all of them either the unmatched keys do not matter, or
    the sink returned and the sink lowered both do not. In every other case it holds with a caveat.
    """
    from rope_lib.findings.mechanism import LEAST_DAMAGE, LEAST_SINK

    tested = {
        name: each
        for name, each in numbers["models"].items()
        if each["damage"] >= LEAST_DAMAGE and each["sink"] >= LEAST_SINK
    }
    if not tested:
        return Finding(NOT_TESTABLE, "No model at hand has a sink and fails beyond its declared length.")
    found = {name: links_of(each["shares"]) for name, each in tested.items()}
    diluted = any(
        each["shares"]["cooled"][0] >= HALF for each in tested.values() if "cooled" in each["shares"]
    )
    all_hold = all(link is True for links in found.values() for link in links.values()) and not diluted
    broken = all(
        links["unmatched"] is False or (links["sink_returned"] is False and links["sink_lowered"] is False)
        for links in found.values()
    )
    evidence = " ".join(_sentence(name, each["shares"], each["damage"]) for name, each in tested.items())
    evidence += _left_out({name: each for name, each in numbers["models"].items() if name not in tested})
    return Finding(REFUTED if broken else HOLDS if all_hold else CAVEAT, evidence)


def _above(share: Interval) -> bool | None:
    """Whether a share is half or more (True), less than a quarter (False), by its whole interval."""
    _, low, high = share
    return True if low >= HALF else False if high < QUARTER else None


def _sentence(name: str, shares: Mapping[str, Interval], damage: float) -> str:
    """One sentence on one model and kind of input, with its shares in percent."""
    from rope_lib.findings.wording import minus

    percent = {
        key: minus(f"{round(100 * low)} to {round(100 * high)} %") for key, (_, low, high) in shares.items()
    }
    return (
        "{name} loses {damage:.2f} nats. Lowering far unmatched keys restores {unmatched}, matched ones "
        "{matched}; the sink's attention returned restores {sink_returned}, and lowered inside does "
        "{sink_lowered}."
    ).format(name=name, damage=damage, **percent)


def _left_out(models: Mapping[str, Mapping[str, float]]) -> str:
    """A sentence on the models that cannot test the chain, or nothing."""
    named = [
        f"{name} ({each['damage']:.2f} nats, {100 * each['sink']:.0f} % on token 0)"
        for name, each in models.items()
    ]
    return f" Not judged, for want of damage or of a sink: {'; '.join(named)}." if named else ""


_NOTHING = {  # shares of a model in which no intervention on the sink does anything
    "unmatched": (0.6, 0.52, 0.68),
    "matched": (0.1, 0.05, 0.15),
    "sink_back": (0.6, 0.55, 0.65),
    "sink_returned": (0.02, -0.01, 0.05),
    "sink_lowered": (0.01, -0.01, 0.03),
    "dispersed": (0.2, 0.1, 0.3),
    "cooled": (0.05, 0.0, 0.1),
}

CLAIMS = (
    Claim(
        id="B8-mechanism",
        statement=(
            "Beyond training the clusters of keys and queries overlap, the products of unmatched pairs turn "
            "positive and outbid the sink, and heads that lost it mix what they should not."
        ),
        place="Section 3.2.2, as notes report it",
        standing="second-hand",
        chapter="14_cause_or_symptom",
        in_short=(
            "a lost sink does little of the harm; lowering all far scores undoes half of it, "
            "those of unmatched pairs little"
        ),
        consequence=Row(
            measure=measure_mechanism,
            judge=judge_mechanism,
            refuted_by={"models": {"a model": {"damage": 2.0, "sink": 0.3, "shares": _NOTHING}}},
            needs=("results",),
        ),
    ),
)
