"""Shares of the damage, from tables in which they are known."""

import pytest
from small_mechanism import CHOSEN, DAMAGE, DONE, HEALTHY, MODELS, RESTORED, TEXTS, tables

from rope_lib.findings import mechanism

CASE = (MODELS[0], "gap")


@pytest.fixture(scope="module")
def found():
    return tables()


def test_damage_is_what_is_lost_beyond(found):
    damages = mechanism.damages(found).loc[CASE]
    assert damages.healthy.tolist() == pytest.approx([HEALTHY] * 3)
    assert damages.damage.mean() == pytest.approx(1.1 * DAMAGE)


def test_shares_are_those_that_were_restored_or_done(found):
    shares = mechanism.shares(found)
    assert len(shares) == len(MODELS) * len(TEXTS)
    for name, share in (RESTORED | DONE).items():
        assert shares[name, -1, 0].to_numpy() == pytest.approx([share] * len(shares)), name
    assert "unchanged" not in shares.columns.get_level_values(0)


def test_attention_that_comes_back_is_a_share_of_what_was_lost(found):
    back = mechanism.sink_back(found)
    assert back.unmatched.to_numpy() == pytest.approx([0.75] * len(back))
    assert back.matched.to_numpy() == pytest.approx([0] * len(back))


def test_doses_are_means_over_draws_and_compared_with_random_ones(found):
    doses = mechanism.at_doses(found).set_index(["model", "text", "intervention", "dose"]).share
    assert doses[MODELS[0], "one", "random", 2] == pytest.approx(CHOSEN["random"][1])
    above = mechanism.above_random(found)
    assert above.to_numpy() == pytest.approx([(0.1 - 0.1) / 2] * len(above))
    assert mechanism.above_random(found, "outbidding").to_numpy() == pytest.approx([0.45] * len(above))
    assert mechanism.above_random(found, "overlapping").empty


def test_a_response_ends_with_all_heads(found):
    response = mechanism.responses(found, CASE)
    assert response.index.tolist() == [0.25, 0.5, 1.0]
    assert response.loc[1.0].tolist() == pytest.approx([RESTORED["clipped"]] * 3)
    assert response["at random"].tolist()[:2] == pytest.approx(CHOSEN["random"])


def test_links_have_an_interval_for_each_share(found):
    links = mechanism.links(found)
    assert set(links) == {f"{model}, gap" for model in MODELS}
    own = links[", ".join(CASE)]
    assert own["damage"] == pytest.approx(1.1 * DAMAGE)
    assert own["sink"] == pytest.approx(0.3)
    assert own["shares"]["unmatched"] == pytest.approx((0.7, 0.7, 0.7))
    assert own["shares"]["sink_back"] == pytest.approx((0.75, 0.75, 0.75))
    assert {"dispersed", "cooled"} <= set(own["shares"])


def test_links_are_of_models_read_on_two_texts_or_more(found):
    single = {name: table[table.text == "one"] for name, table in found.items()}
    assert mechanism.links(single) == {}
    assert mechanism.intervals(single) == {}


def test_a_summary_has_a_row_for_each_intervention(found):
    table = mechanism.summary(found, CASE)
    assert table.index[:2].tolist() == ["inside", "unchanged"]
    assert set(table.index[2:]) == set(RESTORED) | set(DONE)
    assert table.share["unmatched"] == pytest.approx(0.7)
    assert table.sink_attention["inside"] == pytest.approx(0.3)
    assert table.sink_attention["unchanged"] == pytest.approx(0.1)
    assert mechanism.intervals(found)[MODELS[0]].loc["sink_gone", "low"] == pytest.approx(0.4)


def test_facts_are_texts(found):
    facts = mechanism.facts(found)
    assert facts["mechanism-smollm2-gap-unmatched"] == "70 % (70 to 70)"
    assert facts["mechanism-rope-gap-cooled"] == "−10 % (−10 to −10)"
    assert facts["mechanism-smollm2-gap-texts"] == "3"
    assert facts["mechanism-smollm2-gap-largest-rise-of-scores-25"] == "60 %"
    assert facts["mechanism-smollm2-gap-outbidding-over-random"] == "45 % (45 to 45)"
    assert "mechanism-smollm2-gap-overlapping-over-random" not in facts
