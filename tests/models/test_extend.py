"""A retrofit as data: where it starts, which layers it reaches, what it keeps, and what it refuses."""

import math

import numpy as np
import pytest
from model_configs import BARE, GEMMA3, LLAMA

from rope_lib.models import read_model
from rope_lib.models.atlas import atlas
from rope_lib.models.extend import METHODS, extend, original_length, reach
from rope_lib.models.fragments import same_rotation
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies

YARN = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 4096}


def config(**keys):
    return {**BARE, **keys}


def scaled(**scaling):
    return config(rope_scaling={**YARN, **scaling}, max_position_embeddings=8192)


def refusal(given, context=65_536, *arguments, **options):
    with pytest.raises(ValueError, match=r".") as caught:
        extend(read_model(given), context, *arguments, **options)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 300
    return line


# ---- the numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_frequencies_are_those_of_the_theory_from_the_original_length(method):
    numbers = {"factor": 4.0, "original_max_position_embeddings": 4096}
    numbers |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    expected, factor = scaled_frequencies(method, 10_000.0, 128, numbers, 16_384)
    for given in (BARE, scaled()):  # a model that carries a scaling already is extended no farther
        extension = extend(read_model(given), 16_384, method)
        inv_freq, attention_factor = extension.after.rotaries[0].spectrum(16_384)
        np.testing.assert_allclose(inv_freq, expected, rtol=1e-12)
        assert attention_factor == pytest.approx(factor)
        assert extension.original == 4096


@pytest.mark.parametrize("method", [method for method in METHODS if method != "ntk"])
def test_extending_twice_is_extending_once(method):
    for model in atlas():
        declared = max(model.declared_context or 0, model.original_context or 0) or 4096
        try:
            once = extend(model, 8 * declared, method)
            twice = extend(extend(model, 2 * declared, method).after, 8 * declared, method)
        except ValueError:
            continue
        assert same_rotation(twice.after, once.after, (8 * declared, declared)), model.name
        assert twice.after.declared_context == once.after.declared_context


def test_a_stretched_base_is_never_stretched_again():
    after = extend(read_model(BARE), 16_384, "ntk").after
    with pytest.raises(ValueError, match="without a scaling, as after a changed base"):
        extend(after, 65_536)
    again = extend(read_model(BARE), 65_536, "ntk")
    assert again.after.rotaries[0].base == pytest.approx(10_000 * 16 ** (128 / 126))


def test_turns_are_those_of_training_and_of_the_context():
    (change,) = extend(read_model(scaled()), 32_768, "linear").changes
    bank = frequencies(10_000, 128)
    now, _ = scaled_frequencies("yarn", 10_000, 128, YARN, 8192)
    np.testing.assert_allclose(change.turns_trained, 4096 * bank / math.tau)
    np.testing.assert_allclose(change.turns_before, 32_768 * now / math.tau)
    np.testing.assert_allclose(change.turns_after, 32_768 * bank / 8 / math.tau)
    assert change.reach == pytest.approx(32_768)


def test_reach_is_the_first_length_at_which_an_unfinished_pair_turns_farther():
    trained = np.array([1.0, 1e-3, 1e-4, 0.0])
    extended = trained / np.array([1, 2, 3, 1])
    assert reach(trained, extended, 4096) == pytest.approx(2 * 4096)
    assert reach(trained[:1], extended[:1], 4096) is None


# ---- which layers, which method, what is kept ---------------------------------------------------------


def test_layers_that_see_a_short_window_stay():
    extension = extend(read_model(GEMMA3), 131_072)
    full, sliding = extension.changes
    assert (full.is_changed, sliding.is_changed) == (True, False)
    assert sliding.reach is None
    assert full.after.scaling["original_max_position_embeddings"] == 32_768
    both = extend(read_model(GEMMA3), 131_072, all_layers=True)
    assert all(change.is_changed for change in both.changes)
    assert any("share one spectrum" in note for note in both.notes)


def test_a_window_longer_than_the_training_is_extended():
    given = config(sliding_window=8192, layer_types=["sliding_attention"] * 8)
    assert extend(read_model(given), 65_536).changes[0].is_changed
    assert "at most 2,048 tokens" in refusal({**given, "sliding_window": 2048})
    assert "at most 2,048 tokens" in refusal({**given, "sliding_window": 2048}, all_layers=True)


def test_a_model_keeps_its_own_method_and_how_that_stretches():
    assert extend(read_model(LLAMA), 262_144).method == "llama3"
    own = {"beta_fast": 16, "beta_slow": 2, "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.7}
    after = extend(read_model(scaled(**own)), 65_536).after.rotaries[0].scaling
    assert {key: after[key] for key in own} == own
    other = extend(read_model(scaled(**own)), 65_536, "llama3").after.rotaries[0].scaling
    assert not own.keys() & other.keys()
    assert extend(read_model(BARE), 65_536).method == "yarn"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(None, 0.1 * math.log(16) + 1), (0.1 * math.log(2) + 1, 0.1 * math.log(16) + 1), (1.0, 1.0)],
)
def test_the_attention_factor_follows_the_stretch(stated, expected):
    extension = extend(read_model(scaled(attention_factor=stated)), 65_536)
    assert extension.changes[0].factor_after == pytest.approx(expected)


def test_an_attention_factor_of_its_own_keeps_its_multiple_of_the_logarithm():
    extension = extend(read_model(scaled(attention_factor=1 + 0.07 * math.log(2))), 65_536)
    assert extension.changes[0].factor_after == pytest.approx(1 + 0.07 * math.log(16))


def test_proportional_is_extended_by_its_own_factor():
    given = config(
        rope_parameters={"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e4}
    )
    extension = extend(read_model(given), 16_384)
    before, after = (spec.rotaries[0].spectrum(1)[0] for spec in (extension.before, extension.after))
    np.testing.assert_allclose(after, before / 4)
    assert "use linear" in refusal(given, 16_384, "yarn")


def test_notes_say_what_is_replaced_and_what_the_temperature_reaches():
    notes = " ".join(extend(read_model(LLAMA | {"partial_rotary_factor": 0.5}), 65_536, "yarn").notes)
    assert "llama3 × 8 is replaced by yarn × 8, counted from the original 8,192 tokens" in notes
    assert "reaches the 64 channels that rotate, not the other 64" in notes
    same = extend(read_model(scaled()), 8192)
    assert same.notes[0].startswith("Nothing changes")
    assert not any(change.changes_numbers for change in same.changes)


# ---- the original length ------------------------------------------------------------------------------


def test_the_original_length_comes_from_the_files_and_says_from_where():
    assert original_length(read_model(BARE)) == (4096, "max_position_embeddings, declared")
    assert original_length(read_model(LLAMA)) == (8192, "rope_scaling.original_max_position_embeddings")
    assert original_length(read_model(BARE), 2048) == (2048, "as given")
    bare = {key: value for key, value in BARE.items() if key != "max_position_embeddings"}
    by_class = read_model({**bare, "model_type": "llama"})
    assert original_length(by_class) == (2048, "llama in transformers 5.23.0, by default")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 4}}, "may be the declared 4,096 or 1,024"),
        ({"original_max_position_embeddings": 2048}, "without a scaling, as after a changed base"),
        ({"rope_scaling": {"type": "dynamic", "alpha": 1000.0}}, "no key states the length before it"),
        ({"max_position_embeddings": None}, "declares no context"),
    ],
)
def test_a_length_that_nothing_states_is_asked_for(keys, words):
    line = refusal(config(**keys))
    assert words in line
    assert "--original" in line
    assert extend(read_model(config(**keys)), 65_536, "yarn", original=1024).factor == 64


def test_a_default_of_the_class_is_no_original_length():
    keys = {"model_type": "phi3", "max_position_embeddings": 16_384, "sliding_window": None}
    assert extend(read_model({**BARE, **keys}), 65_536, "ntk").original == 16_384


# ---- what makes no sense ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "context", "words"),
    [
        (config(alibi=True), 65_536, "has no rotary embedding to extend (alibi)"),
        (
            BARE,
            4096,
            "must be above the original length 4,096 (max_position_embeddings, declared), got 4,096",
        ),
        (scaled(), 4096, "must be above the original length 4,096"),
        (BARE, 0, "context must be a whole number from 1"),
        (BARE, -1, "context must be a whole number from 1"),
        (BARE, 10**13, "context must be a whole number from 1"),
        (
            config(rope_scaling={"type": "longrope", "short_factor": [1.0] * 64, "long_factor": [2.0] * 64}),
            65_536,
            "longrope cannot be extended: its factors",
        ),
        (
            config(rope_scaling={"type": "rope_id", "original_max_position_embeddings": 4096}),
            65_536,
            "rope_id cannot be extended: its band",
        ),
    ],
)
def test_refusals_name_the_reason(given, context, words):
    assert words in refusal(given, context)


def test_unknown_methods_and_other_lengths():
    assert "method must be one of yarn, ntk" in refusal(BARE, 65_536, "spiral")
    assert "original must be a whole number" in refusal(BARE, 65_536, original=0)
    assert "above the original length 65,536 (as given)" in refusal(BARE, 65_536, original=65_536)


def test_a_length_below_the_declared_one_is_written_with_a_note():
    extension = extend(read_model(LLAMA | {"max_position_embeddings": 131_072}), 32_768)
    assert extension.notes[0].startswith("The model already declares 131,072 tokens")


@pytest.mark.parametrize("method", METHODS)
def test_an_absurd_length_ends_in_numbers_or_one_line(method):
    (change,) = extend(read_model(BARE), 10**12, method).changes
    assert np.isfinite(change.turns_after).all()
    assert np.isfinite(change.factor_after)
