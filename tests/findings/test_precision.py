"""The numbers of chapter 5: errors and merged neighbors of tables, and what a model loses."""

import mpmath
import numpy as np
import pandas as pd
import pytest

from rope_lib.findings.precision import (
    errors_near,
    facts,
    facts_of_cases,
    facts_of_traps,
    merging_near,
    rise_by_octave,
    span,
)
from rope_lib.models.case_studies import case_studies
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import SCHEMES, direct_product, phase_error, recurrence

BASES = [1e4, 1e9]


def test_worst_is_that_of_all_pairs_and_typical_that_of_the_middle_one():
    row = errors_near([4_096], [1e4], 8, {"float32 product": direct_product}, window=64).iloc[0]
    near = np.arange(4_096 - 64, 4_096)
    by_pair = np.abs(phase_error(*direct_product(near, 1e4, 8), near, 1e4, 8)).max(axis=0)
    assert (row.worst, row.typical) == (by_pair.max(), np.median(by_pair))


def test_a_window_does_not_reach_below_position_zero():
    assert len(errors_near([8], [1e4], 8, {"float32 product": direct_product})) == 1


def test_errors_of_a_rounded_table_do_not_grow_and_those_of_a_rounded_angle_do():
    table = errors_near([8_192, 2**20], BASES, 128).set_index(["scheme", "position", "base"])
    typical = table.typical["bfloat16 tables"]
    assert 2.0**-9 < typical[8_192, 1e4] < 1.2 * 2.0**-8.5
    assert typical[2**20, 1e4] < 1.3 * typical[8_192, 1e4]
    for scheme in ("float32 product", "float32 recurrence", "float32 power of the ratio"):
        worst = table.worst[scheme]
        assert all(100 < worst[2**20, base] / worst[8_192, base] < 160 for base in BASES)


def test_span_is_over_the_bases_in_the_order_of_the_schemes():
    errors = pd.DataFrame(
        {
            "scheme": ["b", "b", "a"],
            "base": [1, 2, 1],
            "position": 8,
            "worst": [1.0, 3.0, 2.0],
            "typical": 0.0,
        }
    )
    found = span(errors)
    assert found.scheme.tolist() == ["b", "a"]
    assert found[["least", "most"]].to_numpy().tolist() == [[1.0, 3.0], [2.0, 2.0]]


def test_tables_keep_apart_the_pairs_whose_increment_they_can_show():
    table = merging_near([8_192], [64.0, 1e4, 1e9], 128).set_index(["scheme", "base"])
    apart = table.apart["bfloat16 tables"]
    assert apart[64.0] == 64
    for base in BASES:
        sure, lost = (int(np.sum(frequencies(base, 128) >= limit)) for limit in (2.0**-7, 2.0**-10))
        assert sure <= apart[base] <= lost
    assert (table.apart["bfloat16 angles"] == 0).all()
    assert (table.apart["float32 product"] == 64).all()
    assert table.slowest["bfloat16 tables", 64.0] == 0 < 0.9 < table.slowest["bfloat16 tables", 1e4]


def losses():
    """A model as shipped and three others, of eight tokens each."""
    position = np.arange(1, 8)
    schemes = {
        "as shipped": 0.0,
        "bfloat16 tables": 0.001,
        "bfloat16 angles": 1.0,
        "bfloat16 angles, slow pairs": 0.25,
        "bfloat16 angles, fast pairs": 0.5,
        "bfloat16 model": -0.002,
    }
    parts = [
        pd.DataFrame({"scheme": name, "shift": 0, "position": position, "nll": 2.0 + rise})
        for name, rise in schemes.items()
    ]
    return pd.concat([*parts, parts[0].assign(shift=10**6, nll=2.00011)], ignore_index=True)


def test_rises_are_by_octave_against_the_model_as_shipped():
    found = rise_by_octave(losses(), [2, 4, 8]).set_index(["scheme", "shift", "end"]).sort_index().rise
    assert found["bfloat16 angles", 0].tolist() == pytest.approx([1.0] * 3)
    assert found["as shipped", 10**6].tolist() == pytest.approx([0.00011] * 3)
    assert ("as shipped", 0) not in found.droplevel("end").index
    assert found["bfloat16 tables", 0].index.tolist() == [2, 4, 8]


def test_the_facts_are_texts_of_the_tables():
    errors = errors_near([8_192, 2**20], BASES, 128)
    merging = merging_near([8_192], BASES, 128)
    shifts = [0, 10**6, 10**7, 10**8]
    shifted = pd.concat(
        [
            pd.DataFrame({"scheme": name, "shift": shifts, "rise": rises})
            for name, rises in {
                "as shipped": [1e-6, 0.0005, 0.0124, 1.46],
                "float32 recurrence": [1e-6, 0.003, 0.1, 2.0],
                "float64 angles": [0.0, 1e-7, -2e-6, 0.0],
            }.items()
        ]
    )
    found = facts(errors, merging, losses(), shifted, head_dim=128)
    assert found["precision-rise-tables"] == "+0.0010"
    assert found["precision-rise-model"] == "0.01"
    assert found["precision-rise-slow"] == "+0.250"
    assert found["precision-long-million"] == "0.0002"
    assert found["precision-shift-million"] == "0.0005"
    assert found["precision-shift-float64"] == "0.00001"
    assert found["precision-wall-bfloat16"] == "128"
    assert int(found["precision-merge-low"]) < int(found["precision-merge-high"]) < 64
    assert found["precision-product"] == "0.05 to 0.06"
    assert set(SCHEMES) == set(errors.scheme)


def test_the_facts_of_cases_count_models_beyond_the_wall():
    cases = [case for case in case_studies() if case.model.startswith(("Gradient", "LLaMA-2"))]
    found = facts_of_cases(cases)
    assert (found["precision-beyond"], found["precision-beyond-works"]) == ("3", "1")
    assert found["precision-past-million"] == "1"
    assert found["precision-longest-works"] == "16,384"
    assert (found["precision-zone-depth"], found["precision-zone-32"]) == ("8", "474,837")


@pytest.mark.parametrize("scheme", [direct_product, recurrence])
def test_at_a_power_of_two_the_worst_error_is_that_of_a_rounded_frequency(scheme):
    found = errors_near([2**20 + 1], [1e7], 128, {"scheme": scheme}, window=1).worst[0]
    with mpmath.workdps(40):
        exact = [mpmath.power(10**7, mpmath.mpf(-2 * i) / 128) for i in range(64)]
        expected = max(abs(2**20 * (mpmath.mpf(float(np.float32(float(x)))) - x)) for x in exact)
    assert found == pytest.approx(float(expected), rel=2e-3)


def test_the_traps_compare_a_window_with_its_end_and_two_ways_to_a_frequency():
    def table(worst):
        return pd.DataFrame(
            {
                "base": [10.0, 20.0] * 3,
                "scheme": np.repeat(["rounded once", "float32 powers", "recurrence"], 2),
            }
        ).assign(worst=worst)

    found = facts_of_traps(
        table([0.1, 0.2, 0.1, 0.5, 0.3, 0.4]), table([0.01, 0.02, 0.01, 0.05, 0.03, 0.04]), 20
    )
    assert found["precision-trap-powers"] == "2.5"
    assert found["precision-trap-powers-base"] == "20"
    assert (found["precision-trap-at-product"], found["precision-trap-near-product"]) == ("0.02", "0.2")
