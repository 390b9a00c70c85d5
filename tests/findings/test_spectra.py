"""Summaries of the controlled experiments, against small tables whose answers are known by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib import findings
from rope_lib.findings.kept import kept
from rope_lib.train.spectrum import Spectrum

LENGTHS, SEEDS = (64, 128, 256), (0, 1)
ASKED = {
    "default": ["trained", "query_temperature", "yarn", "a_variant_of_no_name"],
    "rope_id": ["trained", "query_temperature"],
    "high_freq": ["trained", "query_temperature"],
    "band": ["trained"],
}


@pytest.fixture
def summary():
    random = np.random.default_rng(0)
    rows = [
        (scaling, 8.0, seed, variant, length)
        for scaling, variants in ASKED.items()
        for seed, variant, length in itertools.product(SEEDS, variants, LENGTHS)
    ]
    table = pd.DataFrame(rows, columns=["scaling", "shortest_period", "seed", "variant", "length"])
    return table.assign(accuracy=random.uniform(size=len(rows)), nll=random.uniform(size=len(rows)))


def test_systems_are_named_by_what_was_trained_and_how_it_was_asked(summary):
    named = findings.spectra.systems(summary)
    assert set(named.system) == {"RoPE", "YaRN", "RoPE-ID", "HighFreq"}
    assert set(named[named.system == "YaRN"].temperature) == {"none"}
    warm = named[named.temperature == "by position"]
    assert set(warm.system) == {"RoPE", "RoPE-ID", "HighFreq"}
    assert set(warm.variant) == {"query_temperature"}


def test_accuracies_are_those_of_the_rows(summary):
    found = findings.spectra.accuracies(summary)
    assert list(found.columns) == list(LENGTHS)
    row = summary[(summary.scaling == "default") & (summary.variant == "yarn") & (summary.seed == 1)]
    assert found.loc["YaRN", 1].tolist() == row.accuracy.tolist()
    warm = findings.spectra.accuracies(summary, "by position")
    row = summary[(summary.scaling == "rope_id") & (summary.variant == "query_temperature")]
    assert warm.loc["RoPE-ID", 0].tolist() == row[row.seed == 0].accuracy.tolist()


@pytest.fixture
def distances(summary):
    rows = summary.assign(octave=[[16, 32, 64]] * len(summary)).explode("octave", ignore_index=True)
    questions = np.random.default_rng(2).integers(1, 9, len(rows))
    return rows.assign(octave=rows.octave.astype(int), questions=questions, accuracy=1 / questions)


def test_accuracy_beyond_a_distance_counts_each_question_once(distances):
    found = findings.spectra.beyond(distances, 256, 32)
    for scaling, name in (("default", "RoPE"), ("rope_id", "RoPE-ID")):
        rows = distances[(distances.scaling == scaling) & (distances.variant == "trained")]
        rows = rows[(rows.seed == 1) & (rows.length == 256) & (rows.octave >= 32)]
        assert found[name, 1] == pytest.approx(2 / rows.questions.sum())  # one right answer in each octave


def test_accuracy_by_distance_is_that_of_the_rows(distances):
    found = findings.spectra.by_distance(distances, 128, "by position")
    rows = distances[(distances.scaling == "rope_id") & (distances.variant == "query_temperature")]
    rows = rows[(rows.seed == 0) & (rows.length == 128)]
    assert found.loc["RoPE-ID", 0].tolist() == rows.accuracy.tolist()


def test_what_was_not_asked_is_refused(distances):
    with pytest.raises(ValueError, match=r"length must be one of \[64, 128, 256\], got 512"):
        findings.spectra.by_distance(distances, 512)
    with pytest.raises(ValueError, match="least must be a distance that was tested at 64 tokens, got 128"):
        findings.spectra.beyond(distances, 64, 128)


def test_what_is_retained_is_one_at_the_trained_length(summary):
    accuracy = findings.spectra.accuracies(summary)
    found = findings.spectra.retained(accuracy, 64)
    assert (found[64] == 1).all()
    assert found.loc["YaRN", 1][256] == accuracy.loc["YaRN", 1][256] / accuracy.loc["YaRN", 1][64]


def test_differences_are_between_models_of_one_seed(summary):
    accuracy = findings.spectra.accuracies(summary)
    found = findings.spectra.differences(accuracy, "RoPE")
    assert "RoPE" not in found.index.get_level_values("system")
    for seed in SEEDS:
        expected = accuracy.loc["YaRN", seed] - accuracy.loc["RoPE", seed]
        assert np.allclose(found.loc["YaRN", seed], expected)


@pytest.mark.parametrize(
    ("scaling", "parameters", "resting", "turns"),
    [
        ("default", {}, 0.0, 4096 * 1e4 ** (-126 / 128) / (2 * np.pi)),
        ("half_rope", {}, 0.5, 4096 * 1e4 ** (-62 / 64) / (2 * np.pi)),
        ("high_freq", {}, 0.0, 2.0),
        ("rope_id", {"shortest_period": 8}, 0.5, 2.0),
        ("p_rope", {"p": 0.75}, 0.25, 4096 * 1e4 ** (-94 / 128) / (2 * np.pi)),
    ],
)
def test_criteria_are_counted_on_the_spectrum(scaling, parameters, resting, turns):
    found = findings.spectra.criteria(scaling, trained=4096, head_dim=128, **parameters)
    assert found == pytest.approx((resting, turns))


def test_where_nothing_rotates_nothing_turns():
    resting, turns = findings.spectra.criteria("nope", trained=4096, head_dim=128)
    assert resting == 1
    assert np.isnan(turns)


def test_the_band_with_its_standard_numbers_is_rope_id_and_high_freq():
    for scaling, share in (("rope_id", 0.5), ("high_freq", 1.0)):
        band = Spectrum("band", parameters={"share": share, "shortest_period": 8, "turns": 2})
        other = Spectrum(scaling, parameters={"shortest_period": 8})
        assert band.at(512, 128, 32).inv_freq == pytest.approx(other.at(512, 128, 32).inv_freq)


@pytest.fixture
def bands():
    settings = [(0.25, 8, 2.0), (0.5, 4, 2.0), (0.5, 8, 1.0)]
    table = pd.DataFrame(settings, columns=["share", "shortest_period", "turns"])
    return table.assign(seed=0, length=64, variant="trained", accuracy=[0.1, 0.2, 0.3], nll=1.0)


def test_an_ablation_has_rope_id_and_high_freq_among_its_settings(summary, bands):
    found = findings.spectra.ablation(summary, bands)
    shares = findings.spectra.along(found, "share")
    assert set(shares.share) == {0.25, 0.5, 1.0}
    assert shares.share.is_monotonic_increasing
    assert set(findings.spectra.along(found, "shortest_period").shortest_period) == {4, 8}
    assert set(findings.spectra.along(found, "turns").turns) == {1, 2}
    own = shares[(shares.share == 0.5) & (shares.temperature == "none") & (shares.seed == 0)]
    rows = summary[(summary.scaling == "rope_id") & (summary.variant == "trained") & (summary.seed == 0)]
    assert own.accuracy.tolist() == rows.accuracy.tolist()


def test_a_number_that_the_band_lacks_is_refused(summary, bands):
    with pytest.raises(ValueError, match="name must be one of share, shortest_period, turns, got 'base'"):
        findings.spectra.along(findings.spectra.ablation(summary, bands), "base")


def test_geometry_is_averaged_over_heads_and_set_against_the_trained_length(summary):
    heads = summary.loc[summary.index.repeat(2)].reset_index(drop=True)
    heads = heads.assign(
        stable_rank=np.arange(len(heads)) + 1.0, first_singular_ratio=0.5, sink_attention=0.1
    )
    found = findings.spectra.geometries(heads.drop(columns=["accuracy", "nll"]), summary, 64)
    one = found[(found.system == "RoPE-ID") & (found.seed == 1)].set_index("length")
    rows = heads[(heads.scaling == "rope_id") & (heads.seed == 1) & (heads.variant == "trained")]
    ranks = rows.groupby("length").stable_rank.mean()
    assert one.stable_rank.tolist() == ranks.tolist()
    assert one.rank_growth.tolist() == (ranks / ranks[64]).tolist()
    assert (one.ratio_fall == 1).all()
    assert one.retained.tolist() == (one.accuracy / one.accuracy[64]).tolist()
    assert one.accuracy.tolist() == findings.spectra.accuracies(summary).loc["RoPE-ID", 1].tolist()


def collected():
    """Tables of a sweep with one cell, of six answers."""
    cell = {
        "spectrum.base": [4],
        "seed": [0],
        "evaluation.variants.warm.temperature": ["rope_id"],
        "p": [None],
    }
    answers = pd.DataFrame(
        {
            "variant": "trained",
            "length": 64,
            "example": 0,
            "position": range(6),
            "distance": [1, 2, 3, 4, 7, 8],
            "nll": 1.0,
            "correct": [True, True, False, True, True, False],
        }
    )
    one = pd.DataFrame(cell)
    tables = {name: one.assign(value=1.0) for name in ("cells", "summary", "geometry", "training", "losses")}
    return tables | {"answers": one.merge(answers, how="cross")}


def test_what_is_kept_has_plain_names_and_answers_by_octave():
    kept = findings.spectra.condensed(collected())
    assert sorted(kept) == ["cells", "distances", "geometry", "summary", "training"]
    assert list(kept["summary"].columns) == ["base", "seed", "value"]
    found = kept["distances"].set_index("octave")
    assert found.accuracy.to_dict() == {1: 1.0, 2: 0.5, 4: 1.0, 8: 0.0}
    assert found.questions.to_dict() == {1: 1, 2: 2, 4: 2, 8: 1}


def test_columns_of_one_name_are_refused():
    tables = collected()
    tables["summary"] = tables["summary"].assign(**{"other.base": 1})
    with pytest.raises(ValueError, match=r"must differ in the last part of their names, got spectrum\.base"):
        findings.spectra.condensed(tables)


def test_a_column_that_a_table_has_of_its_own_is_not_taken_by_a_cell():
    tables = {name: table.assign(**{"training.length": 64}) for name, table in collected().items()}
    tables["summary"] = tables["summary"].assign(length=128, **{"evaluation.lengths": [[64, 128]]})
    kept = findings.spectra.condensed(tables)
    assert list(kept["summary"].columns) == ["base", "seed", "value", "trained", "length"]
    assert set(kept["cells"].trained) == set(kept["distances"].trained) == {64}


def test_a_question_at_no_one_distance_is_in_no_octave():
    tables = collected()
    tables["answers"] = tables["answers"].assign(distance=[-1, -1, 2, 3, -1, -1])
    assert findings.spectra.condensed(tables)["distances"].questions.tolist() == [2]
    tables["answers"] = tables["answers"].assign(distance=-1)
    assert "distances" not in findings.spectra.condensed(tables)


def test_losses_alone_have_no_answers_and_are_kept():
    tables = collected()
    del tables["answers"]
    assert sorted(findings.spectra.condensed(tables)) == ["cells", "geometry", "summary", "training"]


def test_next_byte_losses_join_the_bytes_of_several_results():
    def rows(scaling, name, nll, variant="trained"):
        return {"scaling": scaling, "variant": variant, "seed": 1, "length": 64, "nll": nll, "name": name}

    many = pd.DataFrame(
        [
            rows("default", "bytes", 2.0),
            rows("default", "bytes", 1.5, "yarn"),
            rows("default", "bytes", 1.8, "query_temperature"),
            rows("default", "recall", 9.0),
            rows("band", "bytes", 9.0),
        ]
    )
    one = pd.DataFrame([rows("nope", None, 3.0)]).drop(columns="name")
    found = findings.spectra.next_byte_losses(many, one)
    assert found[64].to_dict() == {("NoPE", 1): 3.0, ("RoPE", 1): 2.0, ("YaRN", 1): 1.5}
    assert findings.spectra.next_byte_losses(many, one, temperature="by position")[64].to_dict() == {
        ("RoPE", 1): 1.8
    }


# What chapter 17 says of the kept tables

TRAINED_WITH = {  # the spectra of experiments/spectra.toml
    "default": {},
    "rope_id": {"shortest_period": 8},
    "high_freq": {"shortest_period": 8},
    "half_rope": {},
    "p_rope": {"p": 0.75},
    "hope": {},
    "nope": {},
}


@pytest.fixture(scope="module")
def recall():
    """The kept tables, and accuracy without a temperature and with each form of it."""
    tables = kept("spectra")[0]
    return tables, {
        name: findings.spectra.accuracies(tables["summary"], name)
        for name in ("none", "by position", "by input")
    }


@pytest.fixture(scope="module")
def meets():
    return findings.spectra.classes(TRAINED_WITH, trained=128, head_dim=32).meets


def test_the_systems_learn_and_fall_as_the_chapter_says(recall):
    plain = recall[1]["none"]
    learned, means = plain[128].unstack("seed"), plain.groupby(level="system").mean()
    assert learned.loc["HighFreq"].max() < 0.6 < 0.9 < means[128].drop("HighFreq").min()
    assert means.loc["YaRN", 2048] > 0.95
    assert means.loc["RoPE", 2048] < 0.75


def test_far_answers_are_lost_to_rope_and_not_to_rope_id(recall):
    back = findings.spectra.beyond(recall[0]["distances"], 2048, 256).unstack("seed")
    assert back.loc["RoPE"].mean() < 0.25 < 0.6 < back.loc["RoPE-ID"].mean()
    assert (back.loc["RoPE-ID"] > back.loc["RoPE"]).all()


def test_a_temperature_helps_all_and_parts_those_that_meet_both_criteria(recall, meets):
    plain, warm, by_input = (each[2048] for each in recall[1].values())
    assert ((warm - plain).dropna().groupby(level="system").mean() > 0).all()
    assert (warm - by_input).abs().groupby(level="system").mean().max() < 0.05
    kept_plain, kept_warm = (
        findings.spectra.retained(recall[1][name], 128)[2048].unstack("seed")
        for name in ("none", "by position")
    )
    both = meets.index[meets == "C1 and C2"]
    assert set(both) == {"RoPE-ID", "HoPE", "NoPE"}
    assert kept_warm.loc[both].to_numpy().min() > 0.95
    assert kept_warm.drop(index=both).mean(axis=1).max() < 0.96
    assert kept_warm.loc["HoPE"].min() > 0.99
    # The seed of RoPE-ID that learned least is the one that falls most.
    assert kept_plain.loc["RoPE-ID"].idxmin() == recall[1]["none"][128].loc["RoPE-ID"].idxmin()


def test_half_rope_is_ahead_at_four_times_the_length_and_hope_at_sixteen(recall):
    means = {name: each.groupby(level="system").mean() for name, each in recall[1].items()}
    assert means["none"].loc["HalfRoPE", 512] > means["by position"].loc["RoPE-ID", 512] + 0.02
    assert means["none"].loc["RoPE-ID", 2048] < means["none"].loc["HoPE", 2048]


def test_dispersal_goes_with_what_is_lost_once_there_is_a_temperature(recall):
    rows = findings.spectra.dispersed(recall[0], "by position")
    assert len(rows) == 7 * 3

    def interval(column):
        columns = [rows[column], rows.retained]
        return findings.stats.clustered_interval(findings.stats.spearman, columns, rows.system, draws=300)

    assert interval("rank_growth")[2] < 0 < interval("ratio_fall")[1]
    heads = recall[0]["geometry"]
    assert heads[heads.length > 128].sink_attention.max() < 0.2


def test_the_ablations_show_what_the_chapter_says(recall):
    table = findings.spectra.ablation(recall[0]["summary"], kept("ablations")[0]["summary"])
    table = table[(table.temperature == "by position") & table.length.isin([128, 2048])]
    share = findings.spectra.along(table, "share").groupby(["length", "share"]).accuracy.agg(["mean", "min"])
    assert share["mean"][128].is_monotonic_decreasing
    assert share["mean"][2048].is_monotonic_decreasing
    assert share["min"][2048].iloc[0] > 0.98

    def of(name, value):
        rows = findings.spectra.along(table, name)
        pivoted = rows[rows[name] == value].pivot(index="seed", columns="length", values="accuracy")
        return pivoted[128], pivoted[2048] / pivoted[128]

    (own, own_kept), (quarter, quarter_kept) = of("turns", 2), of("turns", 0.25)
    (fast, fast_kept), (slow, slow_kept) = of("shortest_period", 2), of("shortest_period", 32)
    assert quarter.min() > 0.95
    assert (quarter_kept < own_kept).all()
    assert fast.mean() < own.mean() - 0.1
    assert fast_kept.mean() < own_kept.mean() - 0.05
    assert slow.mean() < own.mean()
    assert slow_kept.min() > 0.85
    learned = [each.mean() for each in (quarter, of("turns", 8)[0], fast, slow)]
    assert [own.min() - 1e-9 <= each <= own.max() for each in learned] == [True, True, False, True]


def test_text_sorts_by_c2_and_not_by_c1(meets):
    summaries = [kept(name)[0]["summary"] for name in ("better", "next_byte")]
    loss, warm = (
        findings.spectra.next_byte_losses(*summaries, temperature=name).groupby(level="system").mean()
        for name in ("none", "by position")
    )
    start, end = loss.columns[0], loss.columns[-1]
    rise = (loss[end] - loss[start])[meets.index]
    turned = meets.str.contains("C2")
    assert set(meets.index[turned]) == {"HighFreq", "RoPE-ID", "HoPE", "NoPE"}
    assert rise[turned].max() < rise[~turned].min()
    assert (loss[end].idxmin(), loss[end].idxmax()) == ("HighFreq", "HalfRoPE")
    assert loss.loc["NoPE", start] > loss[start].drop("NoPE").max() + 0.3
    ruler = findings.spectra.against_ruler(-loss[loss.columns[2]])
    assert ruler.correlation.min() >= 0.5
    assert ruler.chance.max() > 0.05
    helped = (loss[end] - warm[end]).dropna()
    assert helped["NoPE"] < 0 < helped.drop("NoPE").min()


def test_the_facts_of_the_chapter_are_those_of_the_tables(recall):
    found = findings.spectra.facts(recall[0], head_dim=32)
    plain = recall[1]["none"]
    assert found["trained-rope"] == f"{plain.loc['RoPE', 128].mean():.2f}"
    assert found["trained-poor"] == f"{plain.loc['RoPE-ID', 128].min():.2f}"
    assert found["trained-longest"] == "2,048"
    found = findings.spectra.facts_of_ablations(recall[0]["summary"], kept("ablations")[0]["summary"])
    assert found["trained-share"] == "25%"
    table = kept("ablations")[0]["summary"]
    own = table[(table.turns == 8) & (table.length == 128) & (table.variant == "query_temperature")]
    assert found["trained-many"] == f"{own.accuracy.mean():.2f}"
