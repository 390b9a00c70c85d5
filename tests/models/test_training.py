"""Which training is known or declared of a model, and which angles it showed."""

from dataclasses import replace
from math import inf, pi

import numpy as np
import pytest

from rope_lib.models import read_model
from rope_lib.models.atlas import atlas, atlas_model, published
from rope_lib.models.case_studies import NAMES_IN_ATLAS, case_studies
from rope_lib.models.training import (
    ASSUMED,
    DECLARED,
    KNOWN,
    LONGEST,
    ORIGINAL,
    SOME,
    Stage,
    angles_seen,
    is_retrofit,
    longest_training,
    seen_angles,
    shown_training,
)

LLAMA = {
    "model_type": "llama", "num_hidden_layers": 12, "head_dim": 64, "rope_theta": 10_000.0,
    "max_position_embeddings": 32_768,
}  # fmt: skip
ORIGINAL_KEY = "original_max_position_embeddings"


def stage(**more):
    return shown_training(read_model({**LLAMA, **more}))


# Which training


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (SOME, 32_768, DECLARED)),
        (
            {"rope_scaling": {"rope_type": "yarn", "factor": 8.0, ORIGINAL_KEY: 4096}},
            (ORIGINAL, 4096, DECLARED),
        ),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, (ORIGINAL, 32_768, DECLARED)),
        ({"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, None),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 8.0}}, None),
        ({"rope_scaling": {"rope_type": "dynamic", "alpha": 1000.0}}, None),
    ],
    ids=["plain", "yarn", "dynamic", "linear", "yarn of no stated length", "dynamic from any length"],
)  # fmt: skip
def test_a_file_declares_a_training_or_none(more, expected):
    found = stage(**more)
    assert expected == (found and (found.name, found.length, found.provenance))


def test_what_the_class_supplies_is_assumed_and_what_nobody_states_is_none():
    spec = read_model({"model_type": "llama", "num_hidden_layers": 12, "head_dim": 64})
    assert spec.provenance["context"] == "class_default"
    assert shown_training(spec).provenance == ASSUMED
    unstated = {
        key: value for key, value in LLAMA.items() if key not in ("model_type", "max_position_embeddings")
    }
    assert shown_training(read_model(unstated)) is None


def test_a_known_training_comes_from_the_case_studies_and_names_its_source():
    for case in case_studies():
        name = NAMES_IN_ATLAS.get(case.model, case.model)
        if case.pretrain_length is None or name not in {model.name for model in atlas()}:
            continue
        found = shown_training(atlas_model(name))
        assert (found.length, found.base, found.provenance) == (
            case.pretrain_length,
            case.pretrain_base,
            KNOWN,
        )
        assert case.model in found.source


def test_the_longest_training_is_known_of_published_models_alone():
    model = atlas_model("Qwen2.5 7B")
    assert longest_training(model).length == model.trained_context
    assert "memory" in longest_training(model).source
    assert shown_training(model).name == LONGEST
    assert longest_training(read_model(LLAMA)) is None


def test_every_stage_says_where_it_is_from():
    for model in atlas():
        for found in filter(None, (shown_training(model), longest_training(model))):
            assert found.provenance in (KNOWN, DECLARED, ASSUMED), model.name
            assert found.source, model.name


# A published model


def test_a_published_model_is_known_by_name_and_rotation_together():
    model = atlas_model("Llama 3.1 8B")
    for name in (
        "Llama-3.1-8B",
        "llama-3.1-8b-instruct",
        "Meta-Llama-3.1-8B-Instruct-Q4_K_M",
        "Llama 3.1 8B",
    ):
        assert published(replace(model, name=name)).name == model.name
    for name in ("my-model", "", "3.1-8B", "a-Llama-3.1-8B"):
        assert published(replace(model, name=name)) is None
    (rotary,) = model.rotaries
    for other in (replace(rotary, base=10_000.0), replace(rotary, layers=rotary.layers[:-1])):
        assert published(replace(model, rotaries=(other,))) is None
    assert published(replace(model, num_layers=31)) is None


def test_every_model_of_the_atlas_is_itself():
    assert all(published(model) is model or published(model) == model for model in atlas())


# Seen angles


def unseen_by_hand(rotary, training, context):
    """The pairs that meet an angle at some distance which training did not show: one by one."""
    now = rotary.spectrum(context)[0]
    base = rotary.base if training.base is None else training.base
    before = base ** (-2 * np.arange(len(now)) / rotary.rotary_dim)
    if not is_retrofit(rotary) and base == rotary.base:
        before = now
    farthest = min(context, rotary.window or inf)
    count = 0
    for freq, then in zip(now, before, strict=True):
        shown = min(then * training.length, 2 * pi)
        count += shown < 2 * pi and freq * farthest > shown * (1 + 1e-12)
    return count


@pytest.mark.parametrize("stretch", [0.5, 1.0, 1.001, 2.0, 16.0])
def test_pairs_that_turn_farther_in_every_model_of_the_atlas(stretch):
    for model in atlas():
        training = shown_training(model)
        if training is None or model.declared_context is None:
            continue
        context = stretch * model.declared_context
        for rotary in model.rotaries:
            seen = seen_angles(rotary, training, context)
            assert seen.pairs_beyond == unseen_by_hand(rotary, training, context), model.name
            assert seen.is_met == (context <= seen.after * (1 + 1e-9)), model.name


def test_without_a_retrofit_the_reach_is_the_training_itself():
    (rotary,) = read_model(LLAMA).rotaries
    training = Stage(SOME, 32_768, None, DECLARED, "a test")
    seen = seen_angles(rotary, training, 32_768)
    assert (seen.before, seen.after, seen.pairs_beyond) == (32_768, 32_768, 0)
    assert seen_angles(rotary, training, 32_769).pairs_beyond > 0


@pytest.mark.parametrize("factor", [3.0, 7.0, 8.0, 40.0])
def test_interpolation_reaches_its_factor_times_the_training(factor):
    config = {**LLAMA, "rope_scaling": {"rope_type": "linear", "factor": factor}}
    (rotary,) = read_model(config).rotaries
    seen = seen_angles(rotary, Stage(ORIGINAL, 4096, None, KNOWN, "a test"), factor * 4096)
    assert (seen.before, seen.after, seen.pairs_beyond) == (4096, factor * 4096, 0)


def test_a_base_raised_after_the_original_training_counts_as_a_retrofit():
    (rotary,) = read_model({**LLAMA, "rope_theta": 1_000_000.0}).rotaries
    seen = seen_angles(rotary, Stage(ORIGINAL, 4096, 10_000.0, KNOWN, "a test"), 16_384)
    assert seen.before == 4096
    assert seen.after > 16_384
    same = seen_angles(rotary, Stage(ORIGINAL, 4096, None, KNOWN, "a test"), 16_384)
    assert same.after == 4096


def test_a_window_ends_before_unseen_angles_begin():
    config = {**LLAMA, "model_type": "mistral", "sliding_window": 1024}
    (rotary,) = read_model(config).rotaries
    assert rotary.window == 1024
    training = Stage(ORIGINAL, 4096, None, KNOWN, "a test")
    assert seen_angles(rotary, training, 1_000_000).after == inf
    shorter = seen_angles(rotary, Stage(ORIGINAL, 512, None, KNOWN, "a test"), 1_000_000)
    assert shorter.after == 512
    assert shorter.pairs_beyond > 0


def test_pairs_at_rest_and_pairs_that_turned_fully_see_nothing_new():
    found = angles_seen(np.array([1.0, 0.0]), np.array([1.0, 1e-6]), 100, context=10**9)
    assert (found.after, found.pairs, found.pairs_beyond) == (inf, 1, 0)
