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


def test_what_was_not_asked_is_refused(distances):
    with pytest.raises(ValueError, match="least must be a distance that was tested at 64 tokens, got 128"):
        findings.spectra.beyond(distances, 64, 128)


def test_what_is_retained_is_one_at_the_trained_length(summary):
    accuracy = findings.spectra.accuracies(summary)
    found = findings.spectra.retained(accuracy, 64)
    assert (found[64] == 1).all()
    assert found.loc["YaRN", 1][256] == accuracy.loc["YaRN", 1][256] / accuracy.loc["YaRN", 1][64]


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


def test_the_facts_of_the_ablation_are_those_of_the_tables():
    first, table = (kept(name)[0]["summary"] for name in ("spectra", "ablations"))
    found = findings.spectra.facts_of_ablations(first, table)
    assert found["trained-share"] == "25%"
    where = "share == 0.25 and length == 2048 and variant == 'query_temperature'"
    assert found["trained-share-least"] == f"{table.query(where).accuracy.min():.2f}"
    own = first.query("scaling == 'rope_id' and length == 2048 and variant == 'query_temperature'")
    assert found["trained-share-half"] == f"{own.accuracy.mean():.2f}"
