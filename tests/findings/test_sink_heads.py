"""Head by head: changes against a plain loop, correlations of the kept result."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from rope_lib.findings import interventions, sink_heads
from rope_lib.findings.kept import kept

STRONG = 0.1


@pytest.fixture(scope="module")
def tables():
    return kept("interventions")[0]


@pytest.fixture(scope="module")
def lengths(tables):
    return sorted(tables["keys"].length.unique().tolist())


@pytest.fixture(scope="module")
def changed(tables, lengths):
    return sink_heads.changes(tables, lengths, {}, STRONG)


def test_changes_are_from_the_trained_length(tables, lengths, changed):
    longest, trained = lengths[-1], lengths[0]
    rows = interventions.heads(tables, "unchanged", {}).set_index(["length", "layer", "head"])
    strong = sink_heads.with_sink(tables["pairs"], trained, STRONG)
    assert len(changed) == strong.sum() * (len(lengths) - 1)
    layer, head = strong.index[strong][3]
    then, now, found = rows.loc[trained, layer, head], rows.loc[longest, layer, head], changed.loc[longest]
    assert found.loc[layer, head].kept == pytest.approx(now.sink_attention / then.sink_attention)
    for measure in sink_heads.CHANGES:
        assert found.loc[layer, head][measure] == pytest.approx(now[measure] - then[measure])


@pytest.mark.slow
def test_the_scores_of_others_say_most_and_overlap_says_something_far_out_only(lengths, changed):
    found = sink_heads.correlations(changed)
    own = changed.loc[lengths[-1]]
    expected = spearmanr(own.silhouette, own.kept).statistic
    assert found.value["silhouette", lengths[-1]] == pytest.approx(expected)
    for length in lengths[1:]:
        strength = found.value.abs().xs(length, level=1)
        assert strength.idxmax() == "largest_score"
        assert found.high["largest_score", length] < 0
    for measure in ("silhouette", "davies_bouldin"):
        assert abs(found.value[measure, lengths[1]]) < 0.3
        assert abs(found.value[measure, lengths[-1]]) > 0.6
    assert np.isfinite(found.to_numpy()).all()
