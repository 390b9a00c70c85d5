"""What the chapter on cause and symptom says of interventions far out, on the kept result."""

import numpy as np
import pytest

from rope_lib.findings import far_interventions, interventions, long_inputs, sink_heads
from rope_lib.findings.kept import kept

TRAINED, LONGEST = 8_192, 65_536
STRETCHED = ["linear", "ntk", "yarn", "llama3"]


@pytest.fixture(scope="module")
def near():
    return kept("interventions")[0]


@pytest.fixture(scope="module")
def tables():
    return long_inputs.of_dtype(kept("long_input")[0], "float32")


@pytest.fixture(scope="module")
def far(tables, near):
    with_sink = sink_heads.with_sink(near["pairs"], TRAINED, 0.1)
    return far_interventions.far(tables, near, TRAINED, {}, with_sink)


def test_the_octaves_end_at_the_longest_input_of_the_interventions(far):
    assert far.octaves == [8_192, 16_384, 32_768, 65_536]


def test_clipped_distances_keep_the_loss_level_and_the_sink_alone_restores_nothing(far):
    end = far.losses[LONGEST]
    assert np.ptp(far.losses.loc["clipped"]) < 0.1
    assert end["unchanged"] > 9
    assert abs(end["sink"] - end["unchanged"]) < 0.02
    assert abs(end["temperature"] - end["unchanged"]) < 0.2
    assert far.summaries.sink_attention[["unchanged", "sink", "temperature"]].max() < 0.001


def test_most_of_the_damage_passes_through_the_centers(far):
    shares = far.shares
    assert shares.loc["clipped", LONGEST] == 1
    assert shares.loc["unchanged", LONGEST] == 0
    assert 0.85 < shares.loc["all_but_sink", LONGEST] < 0.97
    assert shares.loc["all_but_sink", far.octaves[1:]].min() > 0.85
    assert shares.loc["cluster", LONGEST] > 0.75
    assert shares.loc["all_but_cluster", LONGEST] < 0.4
    assert shares.loc["all_but_cluster", far.octaves[1]] < 0


def test_loss_and_sink_come_apart_both_ways(far):
    assert far.sink.loc["all_but_cluster", True] > far.then[True] > 2 * far.sink.loc["all_but_sink", True]
    assert far.sink.loc["cluster", True] < 0.1 * far.then[True]


def test_clusters_apart_are_needed_and_not_enough(far, near):
    silhouette = far.summaries.silhouette
    healthy = interventions.summaries(near, TRAINED, {}).silhouette["unchanged"]
    assert silhouette[["clipped", "all_but_sink", "cluster"]].min() > 0.35
    assert silhouette[["hope", "linear"]].min() > healthy
    assert far.losses.loc[["hope", "linear"], LONGEST].min() > 5
    repaired = far.shares[LONGEST] > 0.5
    assert silhouette[repaired].min() > 0.3 > silhouette["unchanged"] + 0.2


def test_yarn_lasts_and_ntk_does_not(far):
    assert np.ptp(far.losses.loc["yarn"]) < 0.1
    assert far.losses.loc["ntk", LONGEST] > far.losses.loc["ntk", 32_768] + 1


def test_the_two_machines_agree_where_nothing_is_stretched(tables, near):
    assert far_interventions.largest_change(tables, near, STRETCHED) < 1e-3
    assert far_interventions.largest_change(tables, near, []) > 0.1


def test_the_sinks_own_score_falls_only_at_the_very_end(near):
    tables, made = kept("long_input")
    means = long_inputs.means_by_length(long_inputs.trial(tables, "float32")).sink_score
    assert means[LONGEST] > means[TRAINED] > means.iloc[-1]
    found = far_interventions.facts_of_the_kept(tables, made, near, trained=TRAINED, stretched=STRETCHED)
    assert found["cause-far-very-longest"] == "131,072"
    assert found["cause-far-own-score"].startswith("−")
    assert found["cause-far-other-score"].startswith("+")
    shared = set(near["losses"].intervention) - set(STRETCHED)
    assert found["cause-far-shared"] == str(len(shared))


def test_facts_are_texts_of_the_tables(far, tables):
    found = far_interventions.facts(tables, far, healthy_silhouette=0.625)
    assert (found["cause-far-longest"], found["cause-far-stretch"]) == ("65,536", "8")
    assert found["cause-far-silhouette-reference"] == "0.62"
    losses = tables["losses"].query("intervention == 'hope' and 32768 <= first < 65536").nll
    assert found["cause-far-hope-loss"] == f"{losses.mean():.2f}"
    assert found["cause-far-cluster-share"] == f"{100 * far.shares.loc['cluster', LONGEST]:.0f} %"
    last = tables["losses"].query("intervention == 'clipped' and 61440 <= first < 65536").nll
    assert found["cause-far-last-clipped"] == f"{last.mean():.2f}"
