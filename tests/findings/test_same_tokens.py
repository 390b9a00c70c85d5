"""Text against length: copies that are planted, and losses that are known."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import same_tokens
from rope_lib.findings.kept import kept


def test_a_planted_copy_is_found_where_it_stands():
    tokens = np.random.default_rng(0).integers(0, 10_000, 600)
    tokens[400:450] = tokens[100:150]
    back = same_tokens.copied_from(tokens, run=8)
    assert np.flatnonzero(back).tolist() == list(range(408, 450))
    assert set(back[408:450]) == {300}


def test_copies_are_counted_by_full_bins():
    tokens = [*range(32), *range(32), 1]
    table = same_tokens.copies(tokens, 16)
    assert table["first"].tolist() == [0, 16, 32, 48]
    assert table.share.tolist() == [0, 0, 0.5, 1]
    assert table.back.tolist()[2:] == [32, 32]
    assert table.back.isna().tolist() == [True, True, False, False]


@pytest.fixture
def bins():
    first = np.arange(0, 2_048, 128)
    return pd.DataFrame({"first": first, "nll": np.where(first < 1_536, 2.0, 5.0)})


def test_an_excess_needs_whole_bins_on_both_sides(bins):
    control = bins[["first"]].iloc[9:].assign(context=1_024, nll=2.0)  # from 1,152 on, half a bin
    table = same_tokens.excess(bins, control)
    assert table["first"].tolist() == [1_280, 1_536, 1_792]
    assert table.excess.tolist() == [0, 3, 3]
    assert (table.context == 1_024).all()


def test_what_rises_for_good_is_told_from_what_comes_and_goes():
    values = pd.Series([0.5, 0.0, 0.4, 0.3], index=[0, 256, 512, 768])
    assert same_tokens.first_above(values, 0.1) == 512
    assert same_tokens.first_above(values + 1, 0.1) == 0
    with pytest.raises(ValueError, match=r"values must end above 1, got 0.3"):
        same_tokens.first_above(values, 1)


# The kept control


@pytest.fixture(scope="module")
def tables():
    tables, _ = kept("same_tokens")
    losses = kept("interventions")[0]["losses"].query("intervention == 'unchanged'")
    return tables, losses[["first", "nll"]]


def test_the_text_repeats_itself_around_the_declared_length(tables):
    copied = tables[0]["copies"]
    stretch = copied[copied.share >= same_tokens.COPIED]
    assert stretch["first"].min() < 8_192 <= stretch["first"].max()
    assert set(stretch.back) == {5_972}
    rest = copied[~copied["first"].isin(stretch["first"])]
    assert rest.share.max() < same_tokens.COPIED


def test_the_dip_is_the_text_and_the_rise_is_the_length(tables):
    (kept_tables, full), declared = tables, 8_192
    table = same_tokens.excess(full, kept_tables["losses"])
    facts = same_tokens.facts(table, kept_tables["copies"], full, kept_tables["losses"], declared=declared)
    beyond = table[table.context == declared].set_index("first").excess
    assert beyond[beyond.index < 9_600].abs().max() < 0.1
    assert beyond.iloc[-1] > 1
    low, high = (float(text) for text in facts["break-copy-full"].split(" to "))
    least = float(facts["break-copy-short"].split(" to ")[0])
    assert low < high < 1 < least
