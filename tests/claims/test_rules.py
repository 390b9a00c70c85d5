"""Every rule can come out in every way that it names, on numbers that a measurement might give.

Each case names a claim and one of its rows, and changes some of the numbers that would refute the claim by
that row, which the row itself carries.
"""

import math

import pytest

from rope_lib.claims import claims
from rope_lib.claims.claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, VERDICTS, joined
from rope_lib.claims.practice import REFUTING, judge_practice

ROWS = {f"{claim.id} {name}": row for claim in claims() for name, row in claim.rows.items()}


def walls(below=0.95, beyond=0.3, **outcomes):
    """Numbers of A5-trained: the test of each task, and what is kept on either side of every wall."""
    side = {"shift": 1, "below": below, "beyond": beyond, "beyond_at_start": 1.0, "start_low": 1.0}
    test = {"seeds": 5, "chance": 0.5, "sides": {"bfloat16": side}}
    tasks = {
        "above": {"mean": 0.5, "low": 0.3, "high": 0.7},
        "below": {"mean": -0.5, "low": -0.7, "high": -0.3},
        "not told apart": {"mean": 0.0, "low": -0.2, "high": 0.2},
        "too few seeds": {"mean": 0.5, "low": 0.3, "high": 0.7, "seeds": 3},
    }
    return {"tasks": {task: test | {"outcome": each} | tasks[each] for task, each in outcomes.items()}}


def walls_before(**kept):
    """Numbers that A5-trained's earlier rule judges: what is kept (below, beyond) the wall of each type."""
    sides = {name: {"below": below, "beyond": beyond} for name, (below, beyond) in kept.items()}
    return {"before": {"sides": sides}}


ABOVE_A5, BELOW_A5, OPEN_A5 = "above", "below", "not told apart"
NO_LOSS = {task: own | {"high": 0.05} for task, own in walls(recall=OPEN_A5, copy=OPEN_A5)["tasks"].items()}


def chain(**shares):
    """Numbers of B8-mechanism for which every link holds, but for some shares: an interval by name."""
    held = dict.fromkeys(("unmatched", "sink_back", "sink_returned", "sink_lowered"), (0.7, 0.6, 0.8))
    held |= {"matched": (0.1, 0.0, 0.2), "cooled": (0.1, 0.0, 0.2), "dispersed": (0.2, 0.1, 0.3)}
    return {"models": {"a model": {"damage": 2.0, "sink": 0.3, "shares": held | shares}}}


NONE, SOME = (0.0, -0.1, 0.1), (0.4, 0.2, 0.6)  # shares that no rule counts, or that are in between


def criteria(**changed):
    """Numbers of B9 that agree with the paper, but for what is changed: by spectrum, some numbers."""
    agreeing = ROWS["B9 formula"].refuted_by | {
        "RoPE-ID": ROWS["B9 formula"].refuted_by["RoPE-ID"] | {"done": 1.0}
    }
    names = {"half_rope": "HalfRoPE", "high_freq": "HighFreq", "rope_id": "RoPE-ID"}
    return agreeing | {names[key]: agreeing[names[key]] | numbers for key, numbers in changed.items()}


RIGHT = {"known_accepted": 0, "known_rejected": 1, "decided_accepted": 0, "decided_rejected": 1}


def merging(**changed):
    """Numbers of A5's formula: neighbors merged (below, beyond) the wall; the base decides if not changed."""
    names = [f"{dtype}_{step}" for dtype in ("bfloat16", "float32") for step in ("angles", "tables")]
    shares = dict.fromkeys(names, (0.0, 0.9)) | changed
    return {
        "cases": {
            name.replace("_", " "): {"below": below, "beyond": beyond}
            for name, (below, beyond) in shares.items()
        }
    }


TASKS = ("order", "recall")


def collapsing(*, everywhere):
    """Numbers of A3's consequence: attention is uniform below the bound, in every task or in one."""
    contrasts = ROWS["A3 consequence"].refuted_by["contrasts"]["32"]
    uniform = contrasts["order"]["uniform"] | {"below": 0.8, "difference": 0.7, "low": 0.5, "high": 0.9}
    changed = {
        task: senses | ({"uniform": uniform} if everywhere or task == "order" else {})
        for task, senses in contrasts.items()
    }
    return {"contrasts": {"32": changed}}


def returning(**changed):
    """Numbers of A2's consequence: the banks of the second kind of layers come back."""
    kinds = ROWS["A2 consequence"].refuted_by["kinds"]
    return {"kinds": kinds | {"another": kinds["another"] | changed}}


def forecasts(**changed):
    """Numbers of B6-forecast: those that refute it, changed."""
    cases = ROWS["B6-forecast consequence"].refuted_by["cases"]
    return {"cases": {case: row | changed for case, row in cases.items()}}


def parts(name, **changed):
    """Numbers of a claim that is judged by model, its one model's parts changed: each without an interval."""
    numbers = ROWS[f"{name} consequence"].refuted_by
    return {
        "models": {
            model: own | {part: exactly(value) for part, value in changed.items()}
            for model, own in numbers["models"].items()
        }
    }


def exactly(value):
    """A part that is the same on every text."""
    return {"mean": value, "low": value, "high": value}


def one_model(claim, **changed):
    """Numbers of a claim about pairs: those that refute it in one model, with some of them changed."""
    models = ROWS[f"{claim} consequence"].refuted_by["models"]
    return {"models": {name: found | changed for name, found in models.items()}}


ABOVE = {"margin": 1.0, "margin_low": 0.5, "above": 0.8}  # matched pairs that exceed the sink

EARLIER = [(claim, each) for claim in claims() for each in claim.history]

BOUND = ROWS["A2-trained practice"].refuted_by
OBEYED = BOUND["budgets"]["400"]  # a budget of steps in which trained models obey a bound
BROKEN = BOUND["budgets"]["1,200"]  # and one with a base below it at which every seed works
RISELESS = ROWS["A4-trained practice"].refuted_by["budgets"]["400"]
RISING = RISELESS | {"factor": 1.5, "factor_low": 1.2, "factor_high": 1.9}  # the smallest base that works


SMALL_BASES = BOUND["converged"]["32"]  # a trained length at which every base learns


def learning(*lengths):
    """Numbers of a trained bound: its lengths, each changed from one at which every base learns."""
    names = ("32", "64")
    return {"converged": {name: SMALL_BASES | each for name, each in zip(names, lengths, strict=False)}}


NEVER = {"all_fail": True, "suffices": False}  # below the bound
PARTLY = {"all_fail": False, "suffices": False}


def budgets(*numbers):
    """Numbers by the steps of training, first the usual ones."""
    return {"budgets": dict(zip(("400", "1,200"), numbers, strict=False))}


LENGTHS = ROWS["A7-lengths practice"].refuted_by


def telling(*where):
    """Numbers of A7-lengths in which A3 tells where models break, in the races that are named."""
    ahead = LENGTHS["RULER"]["bounds"] | {"A3": LENGTHS["RULER"]["bounds"]["A3"] | {"gain": 0.5, "low": 0.1}}
    return {name: found | {"bounds": ahead} if name in where else found for name, found in LENGTHS.items()}


def carrying(*outcomes):
    """Numbers of B10 with an outcome in each task: whether RoPE-ID keeps more than RoPE there."""
    far = ROWS["B10 practice"].refuted_by["far"]
    few = {"seeds": 1, "low": math.nan, "high": math.nan}
    changed = zip(far.items(), outcomes, strict=True)
    return {
        "far": {
            task: own | {"outcome": outcome} | (few if outcome == "too few seeds" else {})
            for (task, own), outcome in changed
        }
    }


BEATS = {"race": {"NTK": {"cases": 14, "wrong": 4, "paper": 3}}}  # every heuristic errs more than the paper

CASES = [
    ("A1 formula", {"score_change": 1e-12}, HOLDS),
    ("A2 formula", {"mode": 1.0, "period": 62_000}, HOLDS),
    ("A2 formula", {"mode": 1.0}, CAVEAT),
    ("A2 formula", {"mode": 1.0, "period": 30_000}, REFUTED),
    ("A2 consequence", returning(collide=0.6, half=0.7), HOLDS),
    ("A2 consequence", returning(half=0.1), CAVEAT),
    (
        "A2 practice",
        {"known_accepted": 0, "known_rejected": 1, "decided_accepted": 0, "decided_rejected": 1},
        HOLDS,
    ),
    ("A3 formula", {"similarity_at_bound": 0.95, "true_base": 13_000.0}, HOLDS),
    ("A3 formula", {"similarity_at_bound": 0.95}, CAVEAT),
    ("A3 consequence", collapsing(everywhere=True), HOLDS),
    ("A3 consequence", collapsing(everywhere=False), CAVEAT),
    ("A3 consequence", {"learned": {task: {"below": 15, "above": 2} for task in TASKS}}, NOT_TESTABLE),
    ("A3 practice", RIGHT, HOLDS),
    ("A4 formula", {"joint": 0.011, "half_joint": 0.0058}, HOLDS),
    ("A4 formula", {"joint": 0.009, "half_joint": 0.0058}, CAVEAT),
    ("A4 consequence", {"cosine": 0.9}, HOLDS),
    ("A4 consequence", {"cosine": 0.97}, CAVEAT),
    ("A4 practice", RIGHT, HOLDS),
    ("A2-trained practice", learning(NEVER, NEVER), HOLDS),
    ("A2-trained practice", learning(NEVER), CAVEAT),  # at one length only
    ("A2-trained practice", learning(NEVER, PARTLY), CAVEAT),
    ("A2-trained practice", learning(NEVER, {}), REFUTED),
    ("A2-trained practice", learning(), NOT_TESTABLE),
    ("A3-trained practice", learning(NEVER, NEVER), HOLDS),
    ("A4-trained practice", budgets(RISING, RISING), HOLDS),
    ("A4-trained practice", budgets(RISING, RISING | {"inside_below_work": 30}), CAVEAT),
    ("A4-trained practice", budgets(RISING | {"factor_low": 1.1, "factor_high": 1.3}), CAVEAT),
    ("A4-trained practice", budgets(RISING, RISING) | {"difference_longer": -0.02}, CAVEAT),
    ("A4-trained practice", budgets(RISING, RISELESS), REFUTED),
    ("A4-trained practice", budgets(RISING, RISELESS | {"factor": float("nan"), "pairs": 0}), HOLDS),
    ("A4-trained practice", budgets(RISELESS | {"factor_high": 2.2}), NOT_TESTABLE),
    ("A4-trained practice", budgets(RISING | {"inside_below": 0, "inside_below_work": 0}), NOT_TESTABLE),
    ("A5 formula", merging(), HOLDS),
    ("A5 formula", merging(bfloat16_angles=(0.99, 0.99)), CAVEAT),
    ("A5 formula", merging(float32_tables=(0.0, 0.0)), CAVEAT),
    ("A5 consequence", {"tables": 0.3, "slow": 0.5}, HOLDS),
    ("A5 consequence", {"slow": 0.5}, CAVEAT),
    ("A5 consequence", {"tables": 0.3}, CAVEAT),
    ("A5 practice", RIGHT, HOLDS),
    ("A5-trained consequence", walls(recall=ABOVE_A5, copy=ABOVE_A5), HOLDS),
    ("A5-trained consequence", walls(below=0.8, recall=ABOVE_A5, copy=ABOVE_A5), CAVEAT),
    ("A5-trained consequence", walls(beyond=0.9, recall=ABOVE_A5, copy=ABOVE_A5), CAVEAT),
    ("A5-trained consequence", walls(recall=ABOVE_A5, copy=OPEN_A5), CAVEAT),
    ("A5-trained consequence", walls(recall=BELOW_A5, copy=OPEN_A5), REFUTED),
    ("A5-trained consequence", {"tasks": NO_LOSS}, REFUTED),
    ("A5-trained consequence", walls(recall=ABOVE_A5, copy=BELOW_A5), NOT_TESTABLE),
    ("A5-trained consequence", walls(recall=OPEN_A5, copy=OPEN_A5), NOT_TESTABLE),
    ("A5-trained consequence", walls(recall=BELOW_A5, copy="too few seeds"), NOT_TESTABLE),
    ("A5-trained consequence", {"harmed": 0}, NOT_TESTABLE),
    ("A6 formula", {"mismatch": 3e-16}, HOLDS),
    ("A6 formula", {"mismatch": 3e-16, "hypothetical_is_empty": False}, CAVEAT),
    ("A6 practice", RIGHT, HOLDS),
    ("A6 practice", {"known_accepted": 4, "decided_accepted": 1}, CAVEAT),
    ("A6 practice", RIGHT | {"decided": 9}, NOT_TESTABLE),
    ("A7 practice", {"known_wrong": 0, "scored_wrong": 0, "decided_wrong": 0}, HOLDS),
    ("A7 practice", BEATS, CAVEAT),
    ("A7 practice", BEATS | {"scored_wrong": 5}, REFUTED),
    ("A7 practice", {"scored_wrong": 1}, REFUTED),
    ("A7-lengths practice", telling("measured here", "RULER"), HOLDS),
    ("A7-lengths practice", telling("RULER"), CAVEAT),
    ("A7-lengths practice", telling("measured here"), CAVEAT),
    ("A7-lengths practice", telling(), REFUTED),
    ("A8 consequence", {"change_at_million": 1.2, "change_at_billion_float64": 1.2}, HOLDS),
    ("A8 consequence", {"change_at_million": 1.2}, CAVEAT),
    ("A8 consequence", {"long_change_at_million": 1.2}, CAVEAT),
    ("A8 formula", {"least_depth": 1}, HOLDS),
    ("A8 formula", {"least_depth": 8}, CAVEAT),
    ("A8 formula", {"least_depth": None}, REFUTED),
    ("A8 practice", {"works": 0}, HOLDS),
    ("A8 practice", {"works": 1}, CAVEAT),
    ("A8 practice", {"models": 2, "works": 0}, NOT_TESTABLE),
    ("B1 consequence", parts("B1", opposed_before=0.95), HOLDS),
    ("B1 consequence", parts("B1", opposed_after=0.86), CAVEAT),
    ("B1 consequence", parts("B1", tight=0.5, opposed_before=0.95), REFUTED),
    ("B1 consequence", parts("B1", explained=0.4, opposed_before=0.95), REFUTED),
    ("B2 consequence", parts("B2", short=0.7), HOLDS),
    ("B2 consequence", parts("B2", short=0.7, first_or_recent=0.8, sink_heads=0.5), CAVEAT),
    ("B2 consequence", parts("B2", short=0.7, sink_heads=0.1), REFUTED),
    ("B3 consequence", parts("B3", silhouette=1.0), HOLDS),
    ("B3 consequence", parts("B3", silhouette=1.0, faster=-0.1), CAVEAT),
    ("B3 consequence", parts("B3", silhouette=1.0, by_rotation=-0.1), REFUTED),
    ("B4 formula", {"smallest": 2**0.5}, HOLDS),
    ("B4 formula", {"smallest": 2**0.5, "distance": 0.5}, CAVEAT),
    ("B4 formula", {"smallest": 2**0.5, "undercut": 0.1}, CAVEAT),
    ("B4 formula", {"smallest": 2**0.5, "largest": 12.0}, REFUTED),
    ("B5 formula", {"change": 1e-15}, HOLDS),
    ("B6 formula", {"smallest": 2.0}, HOLDS),
    ("B6 formula", {"smallest": 3.0, "largest": 40.0}, CAVEAT),
    ("B6 formula", {"smallest": 2.0, "largest": 130.0}, REFUTED),
    ("B6-forecast consequence", forecasts(low=0.01, high=0.03), HOLDS),
    ("B6-forecast consequence", forecasts(low=0.01, high=0.16), CAVEAT),
    ("B6-forecast consequence", forecasts(low=0.01, high=0.03, **{"trend, high": 0.01}), CAVEAT),
    ("B7 consequence", parts("B7", rises=0.2), HOLDS),
    ("B7 consequence", parts("B7", rises=0.2, by_token=-0.01), CAVEAT),
    ("B7 consequence", parts("B7", rises=0.2, by_doubling=-0.01), CAVEAT),
    ("B8 consequence", parts("B8", score_within=1.25, score_beyond=2.4), HOLDS),
    ("B8 consequence", parts("B8", score_beyond=3.0), CAVEAT),
    ("B8 consequence", parts("B8", lost=0.2, score_within=1.25, score_beyond=2.4), REFUTED),
    ("B8 consequence", parts("B8", steady=0.4, score_within=1.25, score_beyond=2.4), REFUTED),
    ("B8-mechanism consequence", chain(), HOLDS),
    ("B8-mechanism consequence", chain(cooled=(0.5, 0.4, 0.6)), CAVEAT),
    ("B8-mechanism consequence", chain(dispersed=NONE), CAVEAT),
    ("B8-mechanism consequence", chain(sink_returned=SOME), CAVEAT),
    ("B8-mechanism consequence", chain(sink_returned=NONE), CAVEAT),
    ("B8-mechanism consequence", chain(sink_lowered=NONE, sink_returned=NONE), REFUTED),
    ("B8-mechanism consequence", chain(unmatched=NONE), REFUTED),
    ("B8-mechanism consequence", chain(matched=(0.9, 0.85, 0.95)), REFUTED),
    ("B8-mechanism consequence", chain(matched=(0.7, 0.6, 0.8)), CAVEAT),
    ("B8-mechanism consequence", {"models": {}}, NOT_TESTABLE),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE), HOLDS),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE, orthogonal=0.2), CAVEAT),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE, opposed=0.3), CAVEAT),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE | {"margin_low": -0.1}), REFUTED),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE, unmatched_high=0.1), REFUTED),
    ("B2-matched consequence", one_model("B2-matched", **ABOVE | {"margin_low": math.nan}), REFUTED),
    ("B2-matched consequence", {"models": {}}, NOT_TESTABLE),
    ("B8-unmatched consequence", {"models": {}}, NOT_TESTABLE),
    ("B8-unmatched consequence", one_model("B8-unmatched", outbid=0.8), HOLDS),
    ("B8-unmatched consequence", one_model("B8-unmatched", outbid=0.8, turned=0.1), CAVEAT),
    ("B8-unmatched consequence", one_model("B8-unmatched", outbid=0.8, rise_drawn=1.0), CAVEAT),
    ("B8-unmatched consequence", one_model("B8-unmatched", outbid=0.8, rise_low=-0.1), REFUTED),
    ("B9 formula", criteria(), HOLDS),
    ("B9 formula", criteria(high_freq={"above_limit": 0.2}), CAVEAT),
    ("B9 formula", criteria(half_rope={"turns": 2.0}), REFUTED),
    ("B9 formula", criteria(high_freq={"wide_limit": 0.09}), REFUTED),
    ("B9 consequence", parts("B9", meeting_kept=0.05), HOLDS),
    ("B9 consequence", parts("B9", spared=0.7), CAVEAT),
    ("B9 consequence", parts("B9", meeting_kept=0.05, settled=-0.1), REFUTED),
    ("B10 practice", carrying("above", "above", "above", "above"), HOLDS),
    ("B10 practice", carrying("above", "above", "not told apart", "not told apart"), CAVEAT),
    ("B10 practice", carrying("above", "above", "above", "below"), REFUTED),
    ("B10 practice", carrying("above", "not told apart", "not told apart", "not told apart"), REFUTED),
    ("B10 practice", carrying("above", "above", "above", "too few seeds"), NOT_TESTABLE),
]


@pytest.mark.parametrize(("name", "changed", "verdict"), CASES)
def test_a_rule_comes_out_as_its_docstring_says(name, changed, verdict):
    finding = ROWS[name].judge(ROWS[name].refuted_by | changed)
    assert finding.verdict == verdict
    assert "{" not in finding.evidence


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_numbers_that_a_row_names_refute_it(row):
    finding = row.judge(row.refuted_by)
    assert finding.verdict == REFUTED
    assert "{" not in finding.evidence


@pytest.mark.parametrize("name", ROWS)
def test_a_rule_can_say_that_the_claim_holds(name):
    assert any(verdict == HOLDS for other, _, verdict in CASES if other == name)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (RIGHT, HOLDS),
        ({"known_accepted": 4, "decided_accepted": 1}, CAVEAT),
        ({"known_accepted": 4}, REFUTED),
        ({"decided_accepted": 1}, REFUTED),
        ({"decided": 9, "known_accepted": 0, "decided_accepted": 0}, NOT_TESTABLE),
    ],
)
def test_the_practice_of_a_bound_is_judged_by_its_errors(changed, verdict):
    assert judge_practice(REFUTING | changed).verdict == verdict


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [
        ({"bfloat16": (0.95, 0.3), "float32": (1.0, 0.8)}, HOLDS),
        ({"bfloat16": (0.8, 0.3), "float32": (1.0, 0.8)}, CAVEAT),
        ({"bfloat16": (0.5, 0.9), "float32": (0.9, 0.8)}, CAVEAT),
        ({"bfloat16": (0.7, 0.7), "float32": (0.9, 1.0)}, REFUTED),
        ({"bfloat16": (0.95, 0.91), "float32": (1, 1)}, NOT_TESTABLE),
    ],
)
def test_the_wall_by_the_rule_before(kept, verdict):
    assert earlier_verdicts("A5-trained", walls_before(**kept)) == [verdict]


@pytest.mark.parametrize(("claim", "earlier"), EARLIER)
def test_an_earlier_rule_judges_the_same_numbers(claim, earlier):
    numbers = claim.rows[earlier.row].refuted_by
    assert earlier.judge(numbers) in VERDICTS


def earlier_verdicts(name, numbers):
    """What each of the earlier rules of a claim says of some numbers, the oldest first."""
    claim = next(claim for claim in claims() if claim.id == name)
    return [each.judge(numbers) for each in claim.history]


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({}, [HOLDS, REFUTED, REFUTED]),
        ({"pooled": OBEYED}, [HOLDS, HOLDS, REFUTED]),
        (budgets(OBEYED | {"inside_above_fail": 20}), [CAVEAT, REFUTED, HOLDS]),
        (
            budgets(OBEYED | {"inside_below_work": 25}) | {"pooled": OBEYED | {"ratio": 3}},
            [REFUTED, CAVEAT, CAVEAT],
        ),
        (budgets(OBEYED | {"inside_above_fail": 80}), [NOT_TESTABLE, REFUTED, HOLDS]),
    ],
)
def test_a_trained_bound_by_the_rules_before(changed, verdicts):
    assert earlier_verdicts("A2-trained", BOUND | changed) == verdicts


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (budgets(OBEYED, OBEYED), HOLDS),
        (budgets(OBEYED), HOLDS),
        (budgets(OBEYED | {"ratio": 2.5}), CAVEAT),
        (budgets(OBEYED | {"lax_below_work": 20}), CAVEAT),
        (budgets(OBEYED | {"inside_below_work": 15}, OBEYED), CAVEAT),
        (budgets(OBEYED, OBEYED | {"inside_below_work": 15}), CAVEAT),
        (budgets(BROKEN, OBEYED), REFUTED),
        (budgets(OBEYED | {"inside_below": 0, "inside_below_work": 0}, OBEYED), HOLDS),
        (budgets(OBEYED | {"inside_below": 0, "inside_below_work": 0}), NOT_TESTABLE),
        (budgets(OBEYED | {"ratio": float("nan")}), NOT_TESTABLE),
    ],
)
def test_a_trained_bound_by_the_rule_of_fixed_steps(changed, verdict):
    assert earlier_verdicts("A2-trained", BOUND | changed)[-1] == verdict


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [({}, HOLDS), ({"pooled_below_work": 20}, CAVEAT), ({"difference_longer": 0.0}, CAVEAT)],
)
def test_depth_on_trained_models_by_the_rule_before(changed, verdict):
    numbers = ROWS["A4-trained practice"].refuted_by | budgets(RISING, RISELESS) | changed
    assert earlier_verdicts("A4-trained", numbers) == [verdict]


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({"kept_far_least": 0.95, "kept_longest_least": 0.92}, [HOLDS, HOLDS, REFUTED]),
        ({"kept_far_least": 0.95}, [CAVEAT, CAVEAT, REFUTED]),
        ({"kept_far_least": 0.95, "above_rope": 2}, [CAVEAT, REFUTED, REFUTED]),
        ({"kept_far": 0.97}, [REFUTED, REFUTED, HOLDS]),
        ({"kept_far": 0.97, "rivals_at_longest": {"RoPE": 0.97}}, [REFUTED, REFUTED, CAVEAT]),
        ({"kept_far": 0.97, "kept_longest": 0.6}, [REFUTED, REFUTED, CAVEAT]),
        ({"kept_far": 0.97, "kept_longest": 0.6, "above_rope": 2}, [REFUTED, REFUTED, REFUTED]),
    ],
)
def test_generalization_by_the_rules_before(changed, verdicts):
    numbers = ROWS["B10 practice"].refuted_by
    assert earlier_verdicts("B10", numbers | {"before": numbers["before"] | changed}) == verdicts


@pytest.mark.parametrize(
    ("formula", "consequence", "practice", "verdict"),
    [
        (HOLDS, HOLDS, HOLDS, HOLDS),
        (HOLDS, HOLDS, NOT_TESTABLE, HOLDS),
        (HOLDS, NOT_TESTABLE, NOT_TESTABLE, HOLDS),
        (CAVEAT, HOLDS, HOLDS, CAVEAT),
        (CAVEAT, None, None, CAVEAT),
        (HOLDS, REFUTED, HOLDS, CAVEAT),
        (HOLDS, REFUTED, CAVEAT, CAVEAT),
        (HOLDS, REFUTED, REFUTED, REFUTED),
        (HOLDS, REFUTED, None, REFUTED),
        (None, REFUTED, HOLDS, CAVEAT),
        (None, None, REFUTED, REFUTED),
        (REFUTED, HOLDS, HOLDS, REFUTED),
        (NOT_TESTABLE, NOT_TESTABLE, None, NOT_TESTABLE),
    ],
)
def test_rows_join_by_one_rule(formula, consequence, practice, verdict):
    rows = {"formula": formula, "consequence": consequence, "practice": practice}
    assert joined({name: each for name, each in rows.items() if each is not None}) == verdict


def test_models_that_cannot_test_the_chain_are_named():
    numbers = chain(unmatched=NONE)
    numbers["models"] |= {"no-sink": numbers["models"]["a model"] | {"sink": 0.01}}
    evidence = ROWS["B8-mechanism consequence"].judge(numbers).evidence
    assert "a model loses 2.00 nats" in evidence
    assert "−10 to 10 %" in evidence
    assert evidence.endswith(
        "Not judged, for want of damage or of a sink: no-sink (2.00 nats, 1 % on token 0)."
    )
