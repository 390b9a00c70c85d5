"""Paper B's figures over all models, and the parts by which its claims are judged, on small random tables."""

import numpy as np
import pandas as pd
import pytest
from small_tables import small_geometry

from rope_lib.findings import by_text, every_model
from rope_lib.findings.clusters import pairs, sinks
from rope_lib.findings.wording import with_interval

MODELS = ("SmolLM2-135M", "byte RoPE", "byte RoPE-ID")  # which declare 8,192, 256 and 256 tokens


@pytest.fixture(scope="module")
def tables():
    return small_geometry(np.random.default_rng(0), MODELS)


@pytest.fixture(scope="module")
def heads(tables):
    return every_model.every_head(tables)


def seen_of(tables, model="byte RoPE", text="one"):
    return dict(by_text.observations(tables))[model, text]


def test_lengths_are_split_at_the_declared_one(tables):
    assert seen_of(tables).inside == (128, 256)
    assert seen_of(tables).beyond == (512, 1024)
    assert seen_of(tables, "SmolLM2-135M").beyond == ()
    assert seen_of(tables, "SmolLM2-135M").declared == 1024


def test_layers_with_a_window_are_told_apart(tables):
    seen = seen_of(tables)
    assert set(by_text.without_windows(seen).sweep.queries.layer) == {0}
    assert set(by_text.with_windows(seen).sweep.profiles.layer) == {1}
    assert len(seen.sweep.losses) == 0


def test_parts_of_clusters_are_shares_of_the_pairs(tables):
    found = by_text.cluster_parts(tables).loc[("byte RoPE", "two")]
    seen = seen_of(tables, text="two")
    before, after = (pairs(seen.sweep, 256, stage) for stage in ("pre", "post"))
    assert found.tight == ((before.within_key > 0.5) & (before.within_query > 0.5)).mean()
    assert found.opposed_after == (after.cosine < 0).mean()
    assert found.explained == pytest.approx((before.explained_key.mean() + before.explained_query.mean()) / 2)


def test_parts_of_the_sink_leave_out_layers_with_a_window(tables):
    found = by_text.sink_parts(tables).loc[("byte RoPE", "one")]
    table = sinks(seen_of(tables).sweep, 256)
    full = table[table.layer == 0]
    assert found.sink_heads == (full.first_wins > 0.5).mean()
    assert found.first_or_recent == pytest.approx((full.first_wins + full.recent_wins).mean())


@pytest.mark.parametrize("of", [by_text.dispersal_parts, by_text.trend_parts, by_text.attention_parts])
def test_what_needs_longer_inputs_is_left_open_without_them(tables, of):
    found = of(tables)
    assert found.loc["SmolLM2-135M"].isna().all(axis=None)
    assert found.loc["byte RoPE"].notna().all(axis=None)
    assert "byte RoPE-ID" not in found.index
    assert by_text.part_numbers(found)["models"]["SmolLM2-135M"] == {}


def of_key(sweep, column, stage, length):
    rows = sweep.heads[(sweep.heads.role == "key") & (sweep.heads.stage == stage)]
    return rows[(rows.length == length) & (rows.layer == 0)][column].iloc[0]


def test_trends_are_those_of_the_ratio_and_the_rank(tables):
    sweep, found = seen_of(tables).sweep, by_text.trend_parts(tables).loc[("byte RoPE", "one")]
    lengths = (128, 256, 512, 1024)
    ratio = [
        of_key(sweep, "first_singular_value", "post", n) / of_key(sweep, "first_singular_value", "pre", n)
        for n in lengths
    ]
    rank = [of_key(sweep, "stable_rank", "post", n) for n in lengths]
    assert found.falls == pytest.approx(min(-np.diff(ratio)))
    assert found.rises == pytest.approx(min(np.diff(rank)))
    assert found.by_doubling == pytest.approx((ratio[1] - ratio[3]) / 2 - (ratio[0] - ratio[1]))
    assert found.by_token == pytest.approx((ratio[1] - ratio[3]) / 0.768 - (ratio[0] - ratio[1]) / 0.128)


def test_attention_is_compared_within_and_beyond_the_declared_length(tables):
    queries = seen_of(tables).sweep.queries
    mean = {
        n: queries[(queries.layer == 0) & queries.position.between(n - 64, n - 1)].sink_attention.mean()
        for n in (128, 256, 512, 1024)
    }
    found = by_text.attention_parts(tables).loc[("byte RoPE", "one")]
    assert found.steady == pytest.approx(min(mean[128], mean[256]) / max(mean[128], mean[256]))
    assert found.lost == pytest.approx(1 - mean[1024] / mean[256])
    assert found.falls == pytest.approx(min(mean[256] - mean[512], mean[512] - mean[1024]))


def test_dispersal_is_what_exceeds_the_change_before_the_rotation(tables):
    heads = seen_of(tables).sweep.heads.query("layer == 0 and role == 'key'")
    cosine = heads.set_index(["stage", "length"]).mean_cosine
    found = by_text.dispersal_parts(tables).loc[("byte RoPE", "one")]
    assert found["keys"] == float(cosine["post", 1024] < cosine["post", 256])
    change = {stage: cosine[stage, 1024] - cosine[stage, 256] for stage in ("pre", "post")}
    assert found.by_rotation <= -change["post"] - 2 * abs(change["pre"]) + 1e-12


def test_extrapolation_compares_the_two_models_on_the_same_tokens(tables):
    losses = pd.DataFrame(
        [
            {"model": model, "text": text, "context": context, "nll": 1.2 + rise * (context == 1024)}
            for model, rise in (("byte RoPE", 2.0), ("byte RoPE-ID", 0.5))
            for text in ("one", "two")
            for context in (256, 1024)
        ]
    )
    found = by_text.extrapolation_parts(tables, losses).loc[("byte RoPE-ID", "one")]
    assert found.meeting_kept == pytest.approx(-0.4)
    assert found.other_lost == pytest.approx(1.9)
    assert found.spared == pytest.approx(0.75)


def test_texts_without_a_number_do_not_count():
    index = pd.MultiIndex.from_product([["one", "two"], ["a", "b", "c"]], names=["model", "text"])
    table = pd.DataFrame({"part": [1.0, 2.0, np.nan, 1.0, np.nan, np.nan]}, index)
    found = by_text.between_texts(table)
    assert found.index.tolist() == [("one", "part")]
    assert found.loc[("one", "part"), "mean"] == 1.5


def test_a_head_looks_like_the_figure_where_every_test_passes(heads):
    shares = every_model.looks(heads)
    own = heads[heads.model == "byte RoPE"]
    whole = (
        (own.within_key > 0.5) & (own.within_query > 0.5) & (own.norm_ratio < 0.5) & (own.cosine_after < 0)
    )
    by_text_ = whole.groupby(own.text).mean()
    assert shares.loc[("byte RoPE", every_model.WHOLE), "mean"] == pytest.approx(by_text_.mean())


def test_angles_are_those_of_mean_cosines(heads):
    found = every_model.angles(heads)
    own = heads[(heads.model == "byte RoPE") & (heads.layer == 1)]
    expected = np.degrees(np.arccos(own.cosine_after)).mean()
    assert found.loc[("byte RoPE", "window", 1, "post", "between"), "mean"] == pytest.approx(expected)


def test_scores_are_taken_over_the_score_of_token_0(tables):
    found = every_model.scores_over_sink(tables)
    own = found[(found.model == "byte RoPE") & (found["head"] == 1) & (found["first"] == 0)]
    assert set(own.layer) == {0}
    texts = [
        seen_of(tables, text=text).sweep.profiles.query("length == 256 and layer == 0 and head == 1")
        for text in ("one", "two")
    ]
    gaps = [rows.set_index("first").score[0] - rows.set_index("first").score[-1] for rows in texts]
    assert own.excess.iloc[0] == pytest.approx(np.mean(gaps))


def test_the_sink_of_full_layers_is_compared_with_the_other_keys(tables):
    found = every_model.sink_of_full_layers(tables).loc["byte RoPE"]["mean"]
    means = []
    for text in ("one", "two"):
        rows = seen_of(tables, text=text).sweep.profiles.query("length == 256 and layer == 0 and first >= 0")
        means.append(np.average(rows.cosine, weights=rows["last"] - rows["first"] + 1))
    assert found.cosine_others == pytest.approx(np.mean(means))


def test_attention_by_length_has_a_row_for_each_kind_of_layer(tables):
    found = every_model.attention_by_length(tables)
    assert set(found.index.unique("kind")) == {"full", "window"}
    assert ("byte RoPE", "full", 1024, "sink_attention") in found.index


def test_geometry_by_length_is_that_of_the_heads_of_one_kind_of_layer(tables):
    found = every_model.geometry_by_length(tables).loc[("byte RoPE", "full", 512)]["mean"]
    rows = tables["heads"].query(
        "model == 'byte RoPE' and layer == 0 and length == 512 and stage == 'post' and role == 'query'"
    )
    assert found["queries"] == pytest.approx(np.degrees(np.arccos(rows.mean_cosine)).mean())
    sweeps = [seen_of(tables, text=text).sweep for text in ("one", "two")]
    assert found.stable_rank == pytest.approx(
        np.mean([of_key(sweep, "stable_rank", "post", 512) for sweep in sweeps])
    )


def test_the_median_head_has_the_middle_rank(tables):
    sweep = seen_of(tables).sweep
    ranks = sorted(sweep.heads.query("role == 'key' and stage == 'post' and length == 512").stable_rank)
    where = every_model.median_head(sweep, 512)
    row = sweep.heads.query("role == 'key' and stage == 'post' and length == 512 and layer == @where[0]")
    assert (row.stable_rank.item(), where[1]) == (ranks[1], 0)


def test_variance_and_norms_have_a_row_for_each_head(heads):
    found = every_model.explained(heads)
    assert found.groupby(["model", "role"]).size().unstack().loc["byte RoPE"].to_dict() == {
        "key": 2,
        "query": 4,
    }
    assert len(every_model.norm_ratios(heads)) == 2 * len(MODELS)


def test_facts_name_every_model_with_its_interval(tables):
    found = every_model.facts(tables)
    assert (found["clusters-texts"], found["clusters-models"]) == ("2", "3")
    assert found["clusters-rope-heads"] == "4"
    shown = every_model.sink_of_full_layers(tables).loc[("byte RoPE", "cosine")]
    assert found["clusters-rope-cosine"] == with_interval(shown, ".2f")
    assert "%" in found["clusters-rope-id-whole"]
