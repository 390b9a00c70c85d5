"""The case studies are valid data, and the verdicts follow design's rules at their borders."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from rope_lib.models.case_studies import RULER_THRESHOLD, case_studies, parse_row
from rope_lib.models.verdicts import VERDICTS, classify
from rope_lib.theory.bounds import aliasing_bound, precision_wall, stability_bound


def below(value):
    return np.nextafter(value, 0)


# The rules, one by one. 8,192 tokens and 32 layers leave every interval between two bounds open.


@pytest.mark.parametrize(
    ("bound", "under", "at"),
    [
        (aliasing_bound(8_192), "aliased", "unstable"),
        (stability_bound(8_192), "unstable", "unstable_at_depth"),
        (stability_bound(8_192, layers=32), "unstable_at_depth", "stable"),
        (precision_wall(), "stable", "beyond_precision"),
    ],
)
def test_verdict_changes_exactly_at_each_bound(bound, under, at):
    assert classify(below(bound), 8_192, 32) == under
    assert classify(bound, 8_192, 32) == at


def test_infeasible_from_the_context_where_the_depth_bound_meets_the_wall():
    wall = precision_wall("float16")
    edge = wall / stability_bound(1, layers=32)
    assert classify(wall / 2, edge * (1 - 1e-12), 32, dtype="float16") != "infeasible"
    assert classify(wall / 2, edge * (1 + 1e-12), 32, dtype="float16") == "infeasible"


def test_precedence():
    # A zone that is empty outweighs a base that is also aliased, or beyond the wall.
    assert classify(10, 1_000_000, 32) == "infeasible"
    assert classify(1e9, 1_000_000, 32) == "infeasible"
    # One layer leaves the zone of the same context open; then the wall comes before every lower bound.
    assert classify(1e9, 1_000_000, 1) == "beyond_precision"
    # A base that misses all three lower bounds is aliased; one that misses the last two is unstable.
    assert classify(100, 8_192, 32) == "aliased"
    assert classify(10_000, 8_192, 32) == "unstable"


def test_one_layer_is_never_unstable_at_depth():
    bases = np.geomspace(2, 1e12, 500)
    assert "unstable_at_depth" not in classify(bases, 8_192, 1)


def test_table_1_as_reconstructed():
    table = {(case.model, case.context_length): case for case in case_studies() if case.origin == "table 1"}
    expected = {
        ("LLaMA-1 7B", 2_048): "unstable_at_depth",
        ("LLaMA-2 7B", 4_096): "unstable",
        ("LLaMA-2 70B", 4_096): "unstable",
        ("CodeLlama 7B", 16_384): "stable",
        ("LLaMA-3 8B", 8_192): "stable",
        ("LLaMA-3.1 8B", 131_072): "unstable_at_depth",
        ("LLaMA-3.1 405B", 131_072): "unstable_at_depth",
        ("Mistral-7B v0.1", 8_192): "unstable",
        ("Mistral-7B v0.2", 32_768): "stable",
        ("Mixtral 8x7B", 32_768): "stable",
        ("DeepSeek-V3", 131_072): "aliased",
    }
    hypothetical = table.pop(("hypothetical 1M", 1_000_000))
    assert hypothetical.base is None
    assert classify(below(precision_wall()), 1_000_000, hypothetical.num_layers) == "infeasible"
    verdicts = {key: classify(case.base, key[1], case.num_layers) for key, case in table.items()}
    assert verdicts == expected


def test_retrofits():
    assert classify(8 * 500_000, 131_072, 32) == "stable"
    assert classify(8 * 500_000, 131_072, 126) == "unstable_at_depth"
    assert classify(40 * 10_000, 131_072, 61) == "unstable"


def test_broadcasting_and_types():
    verdicts = classify([[10_000], [500_000]], [2_048, 8_192], 32, dtype=["float32", "bfloat16"])
    assert verdicts.shape == (2, 2)
    assert verdicts.tolist() == [["unstable_at_depth", "infeasible"], ["stable", "infeasible"]]
    assert type(classify(10_000, 2_048, 32)) is str
    assert set(classify(np.geomspace(2, 1e10, 1_000), 8_192, 32)) < set(VERDICTS)


@pytest.mark.parametrize(
    ("arguments", "options", "name"),
    [
        ((1, 2_048, 32), {}, "effective_base"),
        ((float("nan"), 2_048, 32), {}, "effective_base"),
        ((None, 2_048, 32), {}, "effective_base"),
        ((10_000, 0, 32), {}, "context_length"),
        ((10_000, float("inf"), 32), {}, "context_length"),
        ((10_000, 2_048, 0), {}, "num_layers"),
        ((10_000, 2_048, 1.5), {}, "num_layers"),
        ((10_000, 2_048, 32), {"epsilon": 1}, "epsilon"),
        ((10_000, 2_048, 32), {"dtype": "float8"}, "dtype"),
    ],
)
def test_bad_input_is_named(arguments, options, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        classify(*arguments, **options)


# The data


def test_rows_are_frozen_and_distinct():
    cases = case_studies()
    assert len({(case.model, case.context_length, case.retrofit) for case in cases}) == len(cases)
    with pytest.raises(FrozenInstanceError):
        cases[0].base = 1


@pytest.mark.parametrize("case", case_studies(), ids=lambda case: f"{case.model}-{case.context_length}")
def test_row_is_consistent(case):
    assert case.model
    assert case.source
    assert case.note.endswith(".")
    assert case.context_length > 0
    assert case.num_layers > 0
    assert case.head_dim % 2 == 0
    # A retrofit stretches the base by the factor that it names; without one the base stands.
    if case.base is None:
        assert case.effective_base is None
    elif case.retrofit == "none":
        assert case.effective_base == case.base
    else:
        assert case.effective_base == case.base * float(case.retrofit.rpartition("x")[2])
    # A row that nobody observed is a reconstruction, and the other way around.
    assert (case.observed == "unknown") == (case.confidence == "reconstructed")
    # The weakest source decides.
    assert ("memory" not in case.source) or case.confidence == "memory"
    assert (case.ruler is None) == (case.ruler_4k is None)
    if case.ruler is not None:
        assert "RULER" in case.source
        passes, collapsed = case.ruler >= RULER_THRESHOLD, case.ruler < case.ruler_4k / 2
        assert case.observed == ("works" if passes else "fails" if collapsed else "degrades")
    assert (case.pretrain_length is None) == (case.pretrain_base is None) or case.base is None
    if case.observed != "unknown":
        assert case.train_length


def test_a_benchmarked_model_gets_worse_with_length():
    for case in case_studies():
        for other in case_studies():
            same = (case.model, case.retrofit) == (other.model, other.retrofit)
            if same and case.ruler is not None and other.ruler is not None:
                assert (case.context_length - other.context_length) * (case.ruler - other.ruler) <= 0


def row(**changes):
    values = vars(replace(case_studies()[0])) | changes
    return {name: "" if value is None else str(value) for name, value in values.items()}


def test_parse_row_reads_what_it_is_given():
    assert parse_row(row()) == case_studies()[0]
    assert parse_row(row(base=None, effective_base=None)).base is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observed": "fine"}, "LLaMA-1 7B: observed must be one of works, degrades"),
        ({"confidence": "sure"}, "confidence must be one of read"),
        ({"origin": "table 2"}, "origin must be one of"),
        ({"num_layers": ""}, "num_layers must be a number"),
        ({"context_length": "2k"}, "context_length must be a number"),
        ({"base": "-1"}, "base must be a number"),
        ({"base": "nan"}, "base must be a number"),
    ],
)
def test_parse_row_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        parse_row(row(**changes))
