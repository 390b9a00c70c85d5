"""The choice of a spectrum and the test of it, against small tables whose answers are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.findings.kept import RESULTS, kept
from rope_lib.runs.grid import read_grid

SEEDS = (0, 1)


def earlier(accuracies):
    """Tables of two experiments: accuracy at 64 and at 256 tokens by spectrum, the same in both seeds."""
    rows = []
    for (scaling, share), (near, far) in accuracies.items():
        for seed, variant in itertools.product(SEEDS, ("trained", "query_temperature")):
            for length, accuracy in ((64, near), (128, 0.0), (256, far)):
                rows.append((scaling, share, seed, variant, length, accuracy))
    table = pd.DataFrame(rows, columns=["scaling", "share", "seed", "variant", "length", "accuracy"])
    table = table.assign(nll=1.0, shortest_period=8.0, turns=2.0)
    bands = (table.scaling == "band") & (table.length != 128)  # the ablations skipped a length
    return table[table.scaling != "band"].drop(columns=["share", "turns"]), table[bands]


EARLIER = {
    ("default", None): (1.0, 0.95),
    ("rope_id", None): (0.9, 0.8),
    ("nope", None): (0.9, 0.1),
    ("band", 0.25): (0.7, 0.9),
    ("band", 0.75): (1.0, 0.2),
}


def evidence(accuracies):
    return findings.better.evidence(*earlier(accuracies), trained=64, head_dim=32)


def test_the_evidence_has_every_spectrum_with_its_criteria_the_best_beyond_first():
    found = evidence(EARLIER).set_index("name")
    assert list(found.index) == ["RoPE", "band: 0.25, 8, 2", "RoPE-ID", "band: 0.75, 8, 2", "NoPE"]
    assert found.beyond.tolist() == pytest.approx([0.95, 0.9, 0.8, 0.2, 0.1])  # 128 tokens are left out
    assert found.inside["RoPE-ID"] == pytest.approx(0.9)
    assert found.c1.to_dict() == {name: name != "RoPE" for name in found.index}
    assert found.c2.to_dict() == {name: name != "RoPE" for name in found.index}
    assert found.share["RoPE-ID"] == 0.5
    assert np.isnan(found.share["NoPE"])


def test_the_rule_passes_over_what_misses_a_criterion():
    assert findings.better.proposal(evidence(EARLIER))["name"] == "band: 0.25, 8, 2"


def test_the_rule_can_choose_rope_id_itself():
    assert findings.better.proposal(evidence(EARLIER | {("rope_id", None): (0.5, 0.99)}))["name"] == "RoPE-ID"


def test_among_equals_the_best_worst_seed_is_chosen():
    rows = pd.DataFrame({"name": ["a", "b"], "c1": True, "c2": True, "beyond": 0.9, "worst": [0.7, 0.8]})
    assert findings.better.proposal(rows)["name"] == "b"


def test_of_nothing_that_meets_the_criteria_nothing_is_chosen():
    rows = pd.DataFrame({"name": ["a"], "c1": False, "c2": True, "beyond": 0.9, "worst": 0.7})
    with pytest.raises(ValueError, match="table must hold a spectrum that meets C1 and C2, got a"):
        findings.better.proposal(rows)


@pytest.mark.parametrize("temperature", ["by position", "none"])
def test_what_was_tested_is_what_the_rule_chooses(root, temperature):
    spectra, ablations = (kept(name)[0]["summary"] for name in ("spectra", "ablations"))
    found = findings.better.evidence(spectra, ablations, trained=128, head_dim=32, temperature=temperature)
    chosen = findings.better.proposal(found)
    cells = [cell.values["spectrum"] for cell in read_grid(root / "experiments" / "better.toml").cells]
    parameters = next(each["parameters"] for each in cells if each["scaling"] == "band")
    assert parameters == chosen[["share", "shortest_period", "turns"]].to_dict()


def test_no_seed_of_the_test_was_seen_by_the_choice(root):
    seeds = {cell.values["seed"] for cell in read_grid(root / "experiments" / "better.toml", "full").cells}
    assert seeds.isdisjoint(kept("spectra")[0]["summary"].seed)
    assert seeds.isdisjoint(kept("ablations")[0]["summary"].seed)


@pytest.fixture
def summary():
    rows = [
        (task, scaling, seed, variant, 64 * stretch)
        for task, scaling, seed, variant, stretch in itertools.product(
            ("order", "bytes"),
            ("default", "rope_id", "band"),
            SEEDS,
            ("trained", "query_temperature", "yarn", "of_no_name"),
            (1, 4, 16),
        )
        if variant != "yarn" or scaling == "default"
    ]
    table = pd.DataFrame(rows, columns=["name", "scaling", "seed", "variant", "length"])
    random = np.random.default_rng(0)
    return table.assign(
        trained=64, accuracy=random.uniform(size=len(rows)), nll=random.uniform(1, 3, len(rows))
    )


def test_scores_are_accuracies_and_of_bytes_losses(summary):
    found = findings.better.scores(summary)
    assert set(found.system) == {"RoPE", "RoPE-ID", findings.better.PROPOSAL, "YaRN"}
    assert set(found.stretch) == {1, 4, 16}
    for task, column in (("order", "accuracy"), ("bytes", "nll")):
        rows = summary[(summary.name == task) & (summary.scaling == "band")]
        rows = rows[(rows.variant == "query_temperature") & (rows.seed == 1)]
        own = found[(found.task == task) & (found.system == findings.better.PROPOSAL) & (found.seed == 1)]
        assert own[own.temperature == "by position"].score.tolist() == rows[column].tolist()


def test_oracles_are_used_as_they_are_and_others_with_the_temperature(summary):
    found = findings.better.as_used(findings.better.scores(summary))
    assert set(found[found.system == "YaRN"].temperature) == {"none"}
    assert set(found[found.system != "YaRN"].temperature) == {"by position"}
    assert not found.duplicated(["task", "system", "seed", "length"]).any()


def test_gains_are_paired_by_seed_and_less_loss_is_a_gain(summary):
    table = findings.better.as_used(findings.better.scores(summary))
    far = findings.better.beyond(table)
    gained = findings.better.gains(far)
    assert findings.better.REFERENCE not in gained.index.get_level_values("system")
    for task, sign in (("order", 1), ("bytes", -1)):
        for seed in SEEDS:
            rows = table[(table.task == task) & (table.seed == seed) & (table.stretch > 1)]
            means = rows.groupby("system").score.mean()
            expected = sign * (means[findings.better.PROPOSAL] - means["RoPE-ID"])
            assert gained.loc[[(task, findings.better.PROPOSAL, seed)]].item() == pytest.approx(expected)
    near = findings.better.inside(table)
    rows = table[(table.task == "order") & (table.system == "YaRN") & (table.stretch == 1)]
    own = near.xs(("order", "YaRN"), level=("task", "system"))
    assert own.to_dict() == dict(zip(rows.seed, rows.score, strict=True))


def gained(**tasks):
    rows = {
        (task, findings.better.PROPOSAL, seed): v for task, vs in tasks.items() for seed, v in enumerate(vs)
    }
    found = pd.Series(rows)
    return found.rename_axis(["task", "system", "seed"])


def test_each_task_is_judged_by_itself_and_all_of_them_together():
    found = findings.better.verdicts(
        gained(recall=[0.2, 0.1], order=[0.1, 0.3], copy=[-0.3, 0.2], bytes=[0.0, 0.01])
    )
    assert found == {"recall": "better", "order": "better", "copy": "undecided", "bytes": "alike"}
    assert findings.better.is_better(found)


@pytest.mark.parametrize(
    "changed",
    [{"order": [0.0, 0.01]}, {"copy": [-0.1, -0.2]}],
    ids=["no better anywhere but where it was chosen", "worse at one"],
)
def test_it_is_not_better(changed):
    start = {"recall": [0.5, 0.5], "order": [0.1, 0.3], "copy": [-0.01, 0.02]}
    assert findings.better.is_better(findings.better.verdicts(gained(**start)))
    assert not findings.better.is_better(findings.better.verdicts(gained(**start | changed)))


@pytest.mark.skipif(not (RESULTS / "better").exists(), reason="not kept")
def test_the_kept_test_has_every_task_and_pairs_of_all_seeds():
    table = findings.better.as_used(findings.better.scores(kept("better")[0]["summary"]))
    assert not table.duplicated(["task", "system", "seed", "length"]).any()
    own = findings.better.gains(findings.better.beyond(table)).xs(findings.better.PROPOSAL, level="system")
    expected = dict.fromkeys(["order", "copy", "common_words", "recall", "bytes"], 3)
    assert own.groupby(level="task").size().to_dict() == expected


# What chapter 20 says of the kept tables


@pytest.fixture(scope="module")
def choice():
    """The evidence with the temperature and without."""
    spectra, ablations = (kept(name)[0]["summary"] for name in ("spectra", "ablations"))
    return {
        name: findings.better.evidence(spectra, ablations, trained=128, head_dim=32, temperature=name)
        for name in (findings.better.WARM, "none")
    }


@pytest.fixture(scope="module")
def tested():
    return findings.better.scores(kept("better")[0]["summary"])


def test_the_rule_chooses_the_same_without_the_temperature_and_hope_is_second(choice):
    assert {findings.better.proposal(each)["name"] for each in choice.values()} == {"band: 0.25, 8, 2"}
    warm = choice[findings.better.WARM]
    assert warm[warm.c1 & warm.c2].name.tolist()[1] == "HoPE"


def test_the_quarter_band_and_hope_are_better_at_recall_alone(tested):
    gained = findings.better.gains(findings.better.beyond(findings.better.as_used(tested)))
    band, hope = (findings.better.verdicts(gained, name) for name in (findings.better.PROPOSAL, "HoPE"))
    assert band["recall"] == hope["recall"] == "better"
    assert (band["order"], band["copy"], band["common_words"]) == ("undecided", "alike", "worse")
    assert not findings.better.is_better(band)
    assert not findings.better.is_better(hope)
    assert "better" not in [word for task, word in [*band.items(), *hope.items()] if task != "recall"]
    assert findings.better.means_by_system(gained)["bytes", findings.better.PROPOSAL] < -findings.better.ALIKE
    for _, values in gained.xs(findings.better.PROPOSAL, level="system").groupby(level="task"):
        _, low, high = findings.stats.student_interval(values)
        assert low < 0 < high


def test_without_the_temperature_order_is_worse_and_common_words_alike(tested):
    cold = findings.better.beyond(tested[tested.temperature == "none"])
    words = findings.better.verdicts(findings.better.gains(cold))
    assert (words["common_words"], words["order"], words["recall"]) == ("alike", "worse", "better")
    warm = findings.better.beyond(findings.better.as_used(tested))
    warming = findings.better.means_by_system((warm - cold).dropna())["recall"].drop(["YaRN", "NTK"])
    assert warming.min() > 0
    assert warming.idxmax() == findings.better.PROPOSAL


def test_the_tasks_part_the_systems_as_the_chapter_says(tested):
    band = findings.better.PROPOSAL
    used = findings.better.as_used(tested)
    inside = findings.better.inside(used)
    near, far = (findings.better.means_by_system(each) for each in (inside, findings.better.beyond(used)))
    at = used.groupby(["task", "system", "stretch"]).score.mean()
    assert far["recall", band] > far["recall", "RoPE-ID"] + 0.2
    assert (inside.xs(("recall", "RoPE-ID"), level=("task", "system")) < 0.7).sum() == 2
    assert near["order", band] > near["order", "RoPE-ID"] + 0.05
    assert near["order", "NoPE"] < near["order", "RoPE-ID"] < near["order", "RoPE"]
    for task in ("recall", "order"):
        assert near[task][["RoPE", "RoPE-ID", "HoPE", band]].idxmin() == "RoPE-ID"
    assert at["order", band, 4] > at["order", "RoPE-ID", 4]
    assert at["order", band, 16] < 0.52 < at["order", "RoPE-ID", 16] < 0.65 < at["order", "YaRN", 16]
    copied = inside.xs("copy", level="task")
    assert copied.xs("NoPE", level="system").max() < 0.2 < copied.drop(index="NoPE", level="system").min()
    beyond = used[used.stretch > 1].groupby("task").score
    assert beyond.max()["copy"] < 0.11
    assert beyond.min()["common_words"] > 0.85


def test_on_text_all_learn_alike_and_yarn_is_ahead_from_four_times_on(tested):
    used = findings.better.as_used(tested)
    loss = used[used.task == "bytes"].pivot_table(index="system", columns="stretch", values="score")
    assert np.ptp(loss[1]) < 0.05
    end = loss[16]
    assert (end.idxmin(), end.idxmax()) == ("YaRN", "RoPE")
    assert end.drop(["YaRN", "NTK"]).idxmin() == "RoPE-ID"
    ahead = loss.loc["YaRN"] < loss.loc["RoPE-ID"]
    assert not ahead[2]
    assert ahead[[4, 8, 16]].all()


def test_the_facts_of_the_chapter_are_those_of_the_tables(choice, tested):
    found = findings.better.facts(choice[findings.better.WARM], tested)
    assert (found["better-share"], found["better-period"], found["better-turns"]) == ("25%", "8", "2")
    assert found["better-favored"] == f"{choice[findings.better.WARM].beyond.max():.3f}"
    assert (found["better-word-order"], found["better-hope-recall"]) == ("undecided", "better")
    band = (tested.system == findings.better.PROPOSAL) & (tested.temperature == findings.better.WARM)
    own = tested[band & (tested.task == "recall")].score
    assert found["better-recall-near"] == f"{own[tested.stretch == 1].mean():.2f}"
    assert found["better-gain-bytes"].startswith("−")
