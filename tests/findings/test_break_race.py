"""The units of the race of rules from kept tables and public ones, and what the chapter says of it."""

import numpy as np
import pytest

from rope_lib.findings import break_race, measured_breaks
from rope_lib.findings.break_rules import DECLARED, ORIGINAL, RULES
from rope_lib.findings.published_breaks import known, published, relative
from rope_lib.models.effective_lengths import effective_lengths


@pytest.fixture(scope="module")
def asked():
    return break_race.questions(epsilon=0.95)


def test_units_are_weights_under_spectra_that_work(asked):
    named, units = asked[break_race.OURS]
    assert units.high["SmolLM2-135M"] - units.low["SmolLM2-135M"] == 256
    assert units.longest["SmolLM2-135M"] == 131_072  # of all that it read
    assert (units.high["byte RoPE"], units.seeds["byte RoPE"]) == (288, 6)
    assert not units.index.str.startswith("SmolLM2-135M, linear").any()  # which the weights cannot read
    assert "SmolLM2-135M, linear ×2" in asked[break_race.ANY_SPECTRUM][1].index
    assert not units.index.str.contains("nope").any()
    assert (units.low < units.high).all()
    assert (units.earliest <= units.high).all()
    assert named.columns.tolist() == [*RULES, DECLARED, ORIGINAL]
    assert (named[DECLARED]["SmolLM2-135M, yarn ×2"], named[ORIGINAL]["SmolLM2-135M, yarn ×2"]) == (
        16_384,
        8_192,
    )


def test_a_score_that_comes_back_is_no_break():
    assert measured_breaks.interval({64: 1.0, 128: 0.2, 256: 0.9}, 64) == (256, np.inf)
    assert measured_breaks.interval({64: 1.0, 128: 0.86, 256: 0.84}, 64) == (128, 256)
    with pytest.raises(KeyError):
        measured_breaks.interval({64: 1.0}, 128)


def test_every_published_model_is_judged_as_its_table_has_it():
    _, units = published("RULER", epsilon=0.95)
    assert len(units) == sum(row.table == "RULER" for row in effective_lengths())
    assert units.loc["LWM-Text-1M", ["low", "high"]].tolist() == [0, 4_096]
    assert relative("RULER", epsilon=0.95)[1].low["LWM-Text-1M"] == 16_384
    assert len(known()) == len({row.model for row in effective_lengths()})


def test_the_facts_are_those_of_the_race(asked):
    found = break_race.facts(asked, measured_breaks.read_on_texts(), epsilon=0.95)
    assert found["meets-ours-units"] == f"{len(asked[break_race.OURS][1])}"
    assert found["meets-ruler-baseline-error"] == "1.10"
    assert found["meets-telling"] == "none"
    assert found["meets-nolima-units"] == "4"
    assert (found["meets-byte-rope-broken"], found["meets-byte-rope-median"]) == ("6 of 6", "288")
    assert all(name.startswith("meets-") for name in found)
