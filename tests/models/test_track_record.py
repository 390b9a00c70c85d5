"""The record of the verdicts, counted from the case studies, and the cases to set beside a model."""

from dataclasses import replace

import pytest

from rope_lib.models import judge, read_model
from rope_lib.models.atlas import atlas, atlas_model
from rope_lib.models.case_studies import case_studies
from rope_lib.models.record import record, warnings
from rope_lib.models.track_record import comparable, decided_cases, has_seen_angles, is_of, track_record
from rope_lib.models.verdicts import classify
from rope_lib.theory.bounds import SIGNIFICAND_BITS


@pytest.mark.parametrize("dtype", SIGNIFICAND_BITS)
@pytest.mark.parametrize("epsilon", [0.1, 0.95, 0.99])
def test_the_record_is_counted_case_by_case(epsilon, dtype):
    found = track_record(epsilon, dtype)
    wrong = by_length = 0
    for case in decided_cases():
        verdict = classify(
            case.effective_base, case.context_length, case.num_layers, epsilon=epsilon, dtype=dtype
        )
        wrong += (verdict == "stable") != (case.observed == "works")
        by_length += (case.context_length <= case.train_length) != (case.observed == "works")
    assert (found.bounds_misjudge, found.training_length_misjudges) == (wrong, by_length)
    assert (found.epsilon, found.dtype) == (epsilon, dtype)


def test_the_record_counts_what_clearly_works_or_fails():
    cases = [case for case in case_studies() if case.observed in ("works", "fails")]
    assert track_record().cases == len(cases)  # of each of these the longest training is known
    assert track_record().models == len({case.model for case in cases})


def test_the_record_follows_the_case_studies(monkeypatch):
    """Another case that works where the bounds forbid it is one more that they misjudge."""
    before = track_record()
    extra = next(case for case in case_studies() if case.model == "LLaMA-2 7B")
    monkeypatch.setattr(
        "rope_lib.models.track_record.case_studies",
        lambda: (*case_studies(), replace(extra, model="Another")),
    )
    track_record.cache_clear()
    after = track_record()
    track_record.cache_clear()
    assert (after.cases, after.models) == (before.cases + 1, before.models + 1)
    assert after.bounds_misjudge == before.bounds_misjudge + 1
    assert after.training_length_misjudges == before.training_length_misjudges


def test_seen_angles_can_be_told_of_every_case_of_known_original_training():
    told = [has_seen_angles(case) for case in case_studies() if case.pretrain_length and case.base]
    assert set(told) == {True, False}
    unknown = next(case for case in case_studies() if case.pretrain_length is None)
    with pytest.raises(ValueError, match=r"known original training, got Mistral-7B v0\.2"):
        has_seen_angles(unknown)
    stretched = next(case for case in case_studies() if case.retrofit == "YaRN x40")
    with pytest.raises(ValueError, match="retrofit in the atlas, got YaRN x40 of Another"):
        has_seen_angles(replace(stretched, model="Another"))


def test_cases_are_of_a_rotation_by_every_number_of_it():
    (rotary,) = atlas_model("DeepSeek-V3").rotaries
    case = next(case for case in case_studies() if case.model == "DeepSeek-V3" and case.observed == "works")
    assert is_of(case, rotary)
    for other in ({"base": 9_999.0}, {"head_dim": 128}, {"num_layers": 60}, {"effective_base": 10_000.0}):
        assert not is_of(replace(case, **other), rotary)


def test_the_own_cases_of_a_model_come_before_those_of_its_rotation():
    model = atlas_model("Llama 2 7B")
    assert {case.model for case in comparable(model, 4096, 4096).own} == {"LLaMA-2 7B"}
    stranger = replace(model, name="a stranger")
    assert {case.model for case in comparable(stranger, 4096, 4096).own} > {"LLaMA-1 7B", "LLaMA-2 7B"}


@pytest.mark.parametrize("context", [1_000, 8_192, 8_193, 131_072])
def test_the_nearest_cases_are_of_the_same_side_of_training(context):
    found = comparable(read_model({"model_type": "llama"}), context, 8_192)
    assert found.side == ("within" if context <= 8_192 else "beyond")
    for case in found.nearest:
        assert (case.context_length <= case.train_length) == (found.side == "within")
    assert found.nearest[0].observed == "works"
    assert found.nearest[1].observed in ("degrades", "fails")
    known = [case for case in case_studies() if case.observed != "unknown" and case.train_length]
    both = [comparable(read_model({"model_type": "llama"}), length, 8_192) for length in (1, 10**6)]
    assert sum(each.works + each.degrades + each.fails for each in both) == len(known)


def test_without_any_length_of_training_nothing_is_compared_by_it():
    found = comparable(read_model({"model_type": "llama"}), 4096, None)
    assert (found.ratio, found.side, found.nearest) == (None, None, ())


# What the record puts into words


def summary(model, **options):
    return record(judge(model, **options))["summary"]


def test_every_verdict_has_its_record_and_says_what_its_numbers_rest_on():
    for model in atlas():
        found = record(judge(model, context=model.declared_context or 4096))
        parts = found["summary"]
        if not found["rotaries"]:
            continue
        assert parts["opinion"][-1].startswith(f"Record: of {found['record']['cases']} published runs"), (
            model.name
        )
        shown = found["training"]["shown"]
        said = " ".join(parts["known"])
        if shown is not None:
            assert f"({shown['provenance']}: {shown['source']})" in said, model.name
            assert ("the seen angles rest on it" in " ".join(parts["unknown"])) == (
                shown["provenance"] != "known"
            ), model.name
        assert all(
            sentence.endswith(".") and "None" not in sentence for part in parts.values() for sentence in part
        )


def test_beyond_its_training_a_summary_says_how_many_pairs_turn_farther_and_what_compares():
    parts = summary(atlas_model("Qwen2.5 7B"), context=131_072)
    assert "longer than their training" in parts["known"][0]
    assert "24 of 64 pairs do" in parts["known"][1]
    assert parts["unknown"][0].startswith("How it behaves at 131,072 tokens")
    assert any(
        "no case study does beyond" in line
        for line in summary(atlas_model("Qwen2.5 7B"), context=10**6)["unknown"]
    )


def test_a_model_of_known_runs_beyond_all_of_them_is_compared_with_others_too():
    own, others, *_ = summary(atlas_model("Llama 2 7B"), context=16_384)["known"]
    assert own == "LLaMA-2 7B works at 4,096 tokens."
    assert "4 × trained: " in others
    assert "(4 × trained) fails" in others


def test_a_run_at_the_very_length_leaves_nothing_unknown_of_it():
    assert not summary(atlas_model("Llama 3.1 8B"))["unknown"]
    assert "degrades at 131,072" in summary(atlas_model("Llama 3.1 8B"))["known"][0]


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"model_type": "llama"}, 1),
        ({"model_type": "llama", "num_hidden_layers": 32}, 0),
        ({"model_type": "llama", "rope_theta": 10_000.0}, 0),
        ({"model_type": "gemma3_text"}, 1),
        ({"model_type": "gemma3_text", "rope_local_base_freq": 10_000.0}, 0),
        ({"model_type": "bert"}, 0),
    ],
    ids=str,
)
def test_depth_and_base_by_class_default_are_one_warning(config, count):
    assert len(warnings(read_model(config))) == count
