"""What would explain a difference: every known mistake is found again, and no other is claimed."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from model_configs import BARE, GEMMA3, LLAMA

from rope_lib.models import read_model
from rope_lib.models.changes import mistakes, replacements
from rope_lib.models.compare import compare, is_same_rotation
from rope_lib.models.edits import EDITS
from rope_lib.models.explanations import MOST_NUMBERS, explain
from rope_lib.models.spec import FrozenDict

CONFIGS = json.loads((Path(__file__).parents[1] / "golden" / "configs.json").read_text(encoding="utf-8"))
CONFIGS.pop("source")
PHI = {
    **BARE,
    "rope_scaling": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 1024,
        "short_factor": [1.0] * 64,
        "long_factor": [8.0] * 64,
    },
}
DEEPSEEK = {
    **BARE,
    "rope_scaling": {
        "rope_type": "deepseek_yarn",
        "factor": 40.0,
        "original_max_position_embeddings": 1024,
        "mscale": 0.707,
    },
}
COHERE = {
    "model_type": "cohere2", "num_hidden_layers": 8, "hidden_size": 1024, "num_attention_heads": 8,
    "max_position_embeddings": 8192, "rope_theta": 50_000, "sliding_window": 4096,
    "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 2,
}  # fmt: skip
DEFAULT_BASE = "B is A with the base 10,000, which loaders take where they find none"
PARTIAL = {**BARE, "partial_rotary_factor": 0.25}
MODELS = {
    **CONFIGS, "phi": PHI, "deepseek": DEEPSEEK, "cohere": COHERE, "partial": PARTIAL, "gemma3": GEMMA3,
    "llama": LLAMA,
}  # fmt: skip


def explained(a, b, context=None):
    found = explain(compare(a, b, context))
    return [explanation.text for explanation in found.found]


def of(config):
    return read_model(config)


@pytest.mark.parametrize("name", MODELS)
def test_each_known_mistake_is_found_again(name):
    spec = of(MODELS[name])
    for change in mistakes(spec):
        if not compare(spec, change.made).is_same:
            found = explain(compare(spec, change.made)).found
            said = [each.changes[0] for each in found if each.text.startswith("B is A ")]
            assert any(change.text.startswith(text) for text in said)


def test_every_edit_applies_to_some_model_here():
    """None is left untried by the test above."""
    texts = {change.text for config in MODELS.values() for change in mistakes(of(config))}
    assert {text for text, _ in EDITS} <= texts


@pytest.mark.parametrize("name", MODELS)
def test_an_explanation_is_the_model_that_it_says(name):
    """Make each single explanation once more, by its words, and compare."""
    spec = of(MODELS[name])
    for change in mistakes(spec):
        comparison = compare(spec, change.made)
        for explanation in explain(comparison).found:
            sides = (spec, change.made) if explanation.text.startswith("B is A ") else (change.made, spec)
            (text,) = explanation.changes
            made = [each.made for each in mistakes(sides[0]) if each.text == text]
            assert any(is_same_rotation(each, sides[1], comparison.context) for each in made)


def test_two_mistakes_at_once_are_found():
    generator = random.Random(0)
    for config in MODELS.values():
        spec = of(config)
        for _ in range(3):
            first = generator.choice(list(mistakes(spec)))
            second = generator.choice(list(mistakes(first.made)) or [first])
            try:
                comparison = compare(spec, second.made)
            except ValueError:  # the two together make no spectrum
                continue
            if not comparison.is_same:
                assert explain(comparison).found, (first.text, second.text)


def change(spec, **values):
    return replace(spec, rotaries=tuple(replace(rotary, **values) for rotary in spec.rotaries))


@pytest.mark.parametrize(
    ("config", "other", "text"),
    [
        (LLAMA, {"rope_scaling": None}, "B is A without its scaling"),
        (LLAMA, {"rope_theta": 10_000}, DEFAULT_BASE),
        (LLAMA, {"num_hidden_layers": 2}, "B is A with half its layers"),
        (LLAMA, {"num_hidden_layers": 8}, "A is B with half its layers"),
        (LLAMA, {"head_dim": 64}, "B is A with heads of half the size"),
        (LLAMA, {"partial_rotary_factor": 0.5}, "A is B with the whole head rotated"),
        (GEMMA3, {"rope_theta": 10_000, "rope_local_base_freq": 1e6},
         "B is A with the bases of full and sliding attention exchanged"),
        (GEMMA3, {"rope_local_base_freq": 1e6}, "B is A with the base of full attention in every layer"),
        (GEMMA3, {"sliding_window": 256}, "B is A with half its window"),
        (COHERE, {"model_type": "mistral"}, "B is A with rotary in the layers without too, 2 of them"),
    ],
)  # fmt: skip
def test_what_files_get_wrong(config, other, text):
    assert text in explained(of(config), of({**config, **other}))


def test_the_declared_context_in_place_of_the_original():
    scaling = {**LLAMA["rope_scaling"], "original_max_position_embeddings": 8192}
    right = {**LLAMA, "max_position_embeddings": 131_072, "rope_scaling": scaling}
    wrong = {**right, "rope_scaling": {**scaling, "original_max_position_embeddings": 131_072}}
    assert explained(of(right), of(wrong)) == [
        "B is A with the declared context in place of the original length"
    ]


def test_a_factor_applied_twice():
    scaling = {"rope_type": "linear", "factor": 4.0}
    right = {**BARE, "rope_scaling": scaling}
    wrong = {**BARE, "rope_scaling": {**scaling, "factor": 16.0}}
    assert "B is A with its scaling applied twice" in explained(of(right), of(wrong))


def test_a_ramp_computed_in_float32_where_that_shows():
    scaling = {**LLAMA["rope_scaling"], "factor": 32.0, "high_freq_factor": 2.0}
    spec = of({**LLAMA, "rope_theta": 150_000.0, "head_dim": 80, "rope_scaling": scaling})
    (made,) = [each.made for each in mistakes(spec) if each.text == "with its ramp computed in float32"]
    comparison = compare(spec, made)
    assert comparison.groups[0].phase.largest_relative < 1e-5
    assert [each.text for each in explain(comparison).found] == ["B is A with its ramp computed in float32"]


def test_a_difference_that_no_mistake_explains_is_put_down_to_its_quantities():
    assert explained(of(LLAMA), of({**LLAMA, "rope_theta": 123_456})) == ["B is A with B's base"]
    both = {**LLAMA, "rope_theta": 123_456, "rope_scaling": None}
    assert "B is A without its scaling and with B's base" in explained(of(LLAMA), of(both))


def test_what_differs_in_more_than_two_ways_is_not_explained():
    other = {**BARE, "rope_theta": 123_456, "num_hidden_layers": 3, "sliding_window": 100, "head_dim": 72}
    found = explain(compare(of(BARE), of(other)))
    assert found.found == ()
    assert found.tried > 100


def test_the_same_models_need_no_explanation():
    spec = of(LLAMA)
    assert explain(compare(spec, spec)) == explain(compare(spec, of(dict(LLAMA))))
    assert explain(compare(spec, spec)).tried == 0


def test_a_scaling_by_the_length_that_agrees_at_the_context_alone_explains_nothing():
    linear = {**BARE, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}
    assert explained(of(linear), of(BARE)) == ["B is A without its scaling"]


def test_a_large_model_is_not_tried_with_two_changes():
    deep = {**BARE, "num_hidden_layers": MOST_NUMBERS, "rope_theta": 123_456}
    spec, other = of({**BARE, "num_hidden_layers": MOST_NUMBERS}), of({**deep, "sliding_window": 100})
    found = explain(compare(spec, other))
    assert (found.found, found.tried < 200) == ((), True)


def test_models_without_rotary_differ_in_their_depth_alone():
    bare = {**BARE, "use_rope": False}
    assert explained(of(bare), of({**bare, "num_hidden_layers": 4})) == ["B is A with half its layers"]


def test_replacements_leave_each_quantity_as_it_is_in_the_other():
    for first, second in itertools.permutations([BARE, LLAMA, PHI, PARTIAL, GEMMA3], 2):
        spec, other = of(first), of(second)
        made = {change.text: change.made for change in replacements(spec, other)}
        if "with B's base" in made:
            assert {rotary.base for rotary in made["with B's base"].rotaries} <= {
                rotary.base for rotary in (*other.rotaries, *spec.rotaries)
            }
        assert all(change.num_layers <= spec.num_layers for change in made.values())


def test_a_scaling_that_reached_the_wrong_layers():
    yarn = FrozenDict(type="yarn", factor=8.0, original_max_position_embeddings=8192)
    spec = of(GEMMA3)
    full, sliding = spec.rotaries
    right = replace(spec, rotaries=(replace(full, scaling=yarn), sliding))
    wrong = change(right, scaling=yarn)
    assert "B is A with the scaling of full attention in every layer" in explained(right, wrong)
    assert "A is B without its scaling, in its layers of sliding attention alone" in explained(right, wrong)
