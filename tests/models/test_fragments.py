"""A retrofit as each program reads it: written into a config, or as arguments."""

import json
import math

import numpy as np
import pytest
from gguf_bytes import STRING, V3
from model_configs import BARE, GEMMA3, LLAMA

from rope_lib.models import read_model
from rope_lib.models.atlas import atlas, atlas_config
from rope_lib.models.config_parts import text_of
from rope_lib.models.extend import METHODS
from rope_lib.models.extendable import extendable
from rope_lib.models.fragments import applied, same_rotation, written
from rope_lib.models.llama_cpp_flags import gguf_keys
from rope_lib.models.programs import PROGRAMS

CONFIGS = {model.name: atlas_config(model.name) for model in atlas()}
WRITTEN = ("transformers-5", "transformers-4")


def write(config, context=131_072, method=None, program="transformers-5", **options):
    return written(read_model(config), config, context, method, program, **options)


def refusal(*arguments, **options):
    with pytest.raises(ValueError, match=r".") as caught:
        write(*arguments, **options)
    line = str(caught.value)
    assert line.isprintable()
    return line


@pytest.mark.parametrize("program", WRITTEN)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_is_read_as_what_was_meant(method, program):
    fragments, lost = 0, []
    for name, config in CONFIGS.items():
        declared = config.get("text_config", config).get("max_position_embeddings") or 4096
        before = json.dumps(config)
        try:
            extension, fragment = write(config, 4 * declared, method, program)
        except ValueError as error:
            lost += [name] * ("without loss" in str(error))
            continue
        read = read_model(applied(config, fragment))
        lengths = (extension.original, extension.context, extension.context // 2)
        assert same_rotation(read, extension.after, lengths), name
        assert read.declared_context == extension.after.declared_context, name
        assert json.dumps(config) == before
        fragments += 1
    assert fragments > 100
    assert not lost or program == "transformers-4", lost


@pytest.mark.parametrize("program", WRITTEN)
@pytest.mark.parametrize("method", [method for method in METHODS if method != "ntk"])
def test_a_written_config_is_extended_from_its_original(method, program):
    for name in ("Qwen3 8B", "Llama 3.1 8B", "Qwen3-Next 80B-A3B", "DeepSeek-V3", "Gemma 3 1B"):
        config = CONFIGS[name]
        if method not in extendable(program).methods.get(text_of(config)[2], ()):
            continue
        extension, fragment = write(config, 400_000, method, program)
        again, rewritten = write(applied(config, fragment), 1_000_000, method, program)
        _, at_once = write(config, 1_000_000, method, program)
        assert again.original == extension.original
        assert again.after.rotaries == write(config, 1_000_000, method, program)[0].after.rotaries
        first, second = applied(applied(config, fragment), rewritten), applied(config, at_once)
        assert same_rotation(read_model(first), read_model(second), (1_000_000, 5000))


def test_a_flat_config_of_either_spelling():
    plain = {**BARE, "model_type": "qwen3"}
    _, fragment = write(plain)
    assert fragment.keys == {
        "max_position_embeddings": 131_072,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10_000,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
        },
    }
    _, fragment = write(applied(plain, fragment), program="transformers-4")
    assert fragment.values["rope_parameters"] is None
    assert fragment.values["rope_theta"] == 10_000
    assert fragment.values["rope_scaling"]["factor"] == 32.0
    _, fragment = write(applied(plain, fragment))
    assert fragment.values["rope_scaling"] is None


def test_kinds_of_layers_are_written_whole_and_sliding_ones_stay():
    _, fragment = write(GEMMA3)
    rope = fragment.values["rope_parameters"]
    assert rope["sliding_attention"] == {"rope_type": "default", "rope_theta": 10_000}
    assert (rope["full_attention"]["rope_type"], rope["full_attention"]["rope_theta"]) == ("yarn", 1_000_000)


def test_the_object_of_the_text_model_is_entered():
    outer = {"model_type": "gemma3", "text_config": GEMMA3}
    _, fragment = write(outer)
    assert fragment.path == "text_config"
    assert list(fragment.keys) == ["text_config"]
    assert applied(outer, fragment)["text_config"]["max_position_embeddings"] == 131_072
    _, fragment = write(outer, program="vllm")
    overrides = json.loads(fragment.arguments[1])
    assert list(overrides) == ["text_config"]  # at the top vLLM would change nothing


def test_other_keys_of_the_object_are_kept():
    vision = {"type": "mrope", "mrope_section": [16, 24, 24]}
    config = {**BARE, "model_type": "qwen2_vl_text", "rope_scaling": vision}
    _, fragment = write(config)
    assert fragment.values["rope_parameters"]["mrope_section"] == [16, 24, 24]
    _, fragment = write({**BARE, "model_type": "glm4_moe", "rope_theta": 5e6, "head_dim": 128})
    assert fragment.values["rope_parameters"]["partial_rotary_factor"] == 0.5


def test_a_changed_base_is_written_under_every_name_that_states_it():
    config = {**BARE, "model_type": "gpt_neox", "rotary_emb_base": 10_000}
    extension, fragment = write(config, method="ntk")
    base = extension.after.rotaries[0].base
    assert base == pytest.approx(10_000 * 32 ** (32 / 30))
    assert fragment.values["rotary_emb_base"] == fragment.values["rope_theta"] == base


def test_dynamic_keeps_the_declared_context_from_which_it_starts():
    extension, fragment = write({**BARE, "model_type": "llama"}, method="dynamic")
    assert fragment.values["max_position_embeddings"] == 4096
    inv_freq, _ = extension.after.rotaries[0].spectrum(4096)
    np.testing.assert_array_equal(inv_freq, extension.before.rotaries[0].spectrum(4096)[0])


def test_mla_gets_the_temperature_on_its_scores_where_the_code_reads_it():
    mla = {"qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "num_hidden_layers": 4, "rope_theta": 1e6}
    mla |= {"max_position_embeddings": 8192}
    extension, fragment = write({**mla, "model_type": "glm_moe_dsa"})
    assert fragment.values["rope_parameters"]["mscale_all_dim"] == 1.0
    assert extension.changes[0].factor_after == 1
    _, fragment = write({**mla, "model_type": "new"}, program="vllm")
    assert "mscale_all_dim" not in fragment.arguments[1]


def test_vllm_multiplies_the_declared_context_by_a_linear_factor_itself():
    for method, expected in (("linear", 4096), ("yarn", 131_072), ("ntk", 131_072), ("llama3", 131_072)):
        _, fragment = write({**BARE, "model_type": "llama"}, method=method, program="vllm")
        assert fragment.arguments[2:] == ("--max-model-len", "131072")
        assert json.loads(fragment.arguments[1])["max_position_embeddings"] == expected


@pytest.mark.parametrize(
    ("config", "method", "program", "words"),
    [
        ({**BARE, "model_type": "llama"}, "dynamic", "vllm", "stretches every input alike"),
        ({**BARE, "model_type": "llama"}, "dynamic", "llama.cpp", "grows with the input"),
        ({**BARE, "model_type": "llama"}, "llama3", "llama.cpp", "in a tensor"),
        (LLAMA, "yarn", "llama.cpp", "rope_freqs.weight"),
        ({**BARE, "model_type": "phi3", "sliding_window": None}, "yarn", "transformers-5", "it runs ntk"),
        ({**BARE, "model_type": "qwen3_5_text"}, "yarn", "transformers-4", "no rotary class"),
        (
            {**BARE, "auto_map": {"AutoConfig": "x.Y"}, "model_type": "new"},
            "yarn",
            "transformers-5",
            "own code",
        ),
        ({**BARE, "model_type": "chatglm"}, "yarn", "transformers-5", "own code"),
        ({**BARE, "model_type": "llama"}, "yarn", "word", "program must be one of transformers-5"),
    ],
)
def test_what_a_program_cannot_run_is_refused(config, method, program, words):
    assert words in refusal(config, 131_072, method, program)


def test_classes_that_fail_without_a_head_size_are_given_one():
    mixtral = {"model_type": "mixtral", **BARE}
    assert write(mixtral)[1].values["head_dim"] == 128
    assert "head_dim" not in write({**mixtral, "head_dim": 128})[1].values
    assert "mixtral" in extendable("transformers-4").needs_head_dim


def test_every_program_says_which_code_it_follows():
    assert all(program.place for program in PROGRAMS.values())


# ---- llama.cpp ----------------------------------------------------------------------------------------


def options(arguments):
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


def as_llama_cpp_rotates(arguments, base, dim):
    """`(inv_freq, attention factor)` by the formulas of ggml_rope_yarn and llama_context, in float64."""
    given = options(arguments)
    base = float(given.get("--rope-freq-base", base))
    theta = base ** (-np.arange(0, dim, 2) / dim)
    scale = 1 / float(given.get("--rope-scale", 1)) if given["--rope-scaling"] != "none" else 1.0
    if given["--rope-scaling"] != "yarn":
        return theta * scale, 1.0

    def corrected(turns):
        return dim * math.log(int(given["--yarn-orig-ctx"]) / (turns * 2 * math.pi)) / (2 * math.log(base))

    fast, slow = (float(given.get(f"--yarn-beta-{one}", two)) for one, two in (("fast", 32), ("slow", 1)))
    low, high = max(0, math.floor(corrected(fast))), min(dim - 1, math.ceil(corrected(slow)))
    ramp = 1 - np.clip((np.arange(dim // 2) - low) / max(0.001, high - low), 0, 1)
    factor = 1 / scale
    cancelled = (0.1 * math.log(factor) + 1) / (1 + 0.1 * math.log(factor))  # llama_context
    return scale * theta * (1 - ramp) + theta * ramp, cancelled * (1 + 0.1 * math.log(factor))


@pytest.mark.parametrize("method", ["yarn", "linear", "ntk"])
def test_the_arguments_rotate_as_meant_by_the_formulas_of_its_code(method):
    for scaling in (None, {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 2048,
                           "beta_fast": 16, "beta_slow": 2}):  # fmt: skip
        config = {**BARE, "model_type": "qwen3", "rope_scaling": scaling}
        extension, fragment = write(config, 100_000, method, "llama.cpp")
        inv_freq, factor = as_llama_cpp_rotates(fragment.arguments, 10_000.0, 128)
        meant, meant_factor = extension.after.rotaries[0].spectrum(100_000)
        np.testing.assert_allclose(inv_freq, meant, rtol=1e-8)
        assert factor == pytest.approx(meant_factor)
        assert options(fragment.arguments)["--ctx-size"] == "100000"


def gguf_file(path, architecture, keys):
    kinds = {int: (4, "I"), float: (6, "f")}
    entries = [V3.key(b"general.architecture", STRING, V3.text(architecture.encode()))]
    for name, value in keys.items():
        full = f"{architecture}.{name}".encode()
        if isinstance(value, str):
            entries.append(V3.key(full, STRING, V3.text(value.encode())))
        else:
            kind, code = kinds[type(value)]
            entries.append(V3.key(full, kind, V3.pack(code, value)))
    path.write_bytes(V3.file(entries))
    return path


PLAIN = {
    "block_count": 4,
    "context_length": 4096,
    "embedding_length": 1024,
    "attention.head_count": 8,
    "rope.freq_base": 10_000.0,
}


@pytest.mark.parametrize("method", ["yarn", "linear", "ntk"])
def test_the_same_as_keys_of_a_gguf_file_is_read_back(tmp_path, method):
    spec = read_model(gguf_file(tmp_path / "a.gguf", "qwen3", PLAIN))
    extension, fragment = written(spec, None, 32_768, method, "llama.cpp")
    assert fragment.arguments[-1] == "qwen3.context_length=int:32768"
    read = read_model(gguf_file(tmp_path / "b.gguf", "qwen3", {**PLAIN, **gguf_keys(extension)}))
    meant, factor = extension.after.rotaries[0].spectrum(32_768)
    inv_freq, attention_factor = read.rotaries[0].spectrum(32_768)
    np.testing.assert_allclose(inv_freq, meant, rtol=1e-6)  # the file holds float32
    assert attention_factor == pytest.approx(factor)
    assert read.declared_context == 32_768


def test_a_gguf_file_can_be_written_for_transformers_where_nothing_is_left_open(tmp_path):
    spec = read_model(gguf_file(tmp_path / "a.gguf", "qwen3", PLAIN))
    _, fragment = written(spec, None, 32_768, "yarn", "transformers-5")
    assert fragment.values["rope_parameters"]["factor"] == 8.0
    partial = read_model(gguf_file(tmp_path / "b.gguf", "qwen3", {**PLAIN, "rope.dimension_count": 64}))
    with pytest.raises(ValueError, match="rotates part of each head: give its config"):
        written(partial, None, 32_768, "yarn", "transformers-5")


def test_layers_that_stay_are_known_of_few_architectures():
    _, fragment = write(GEMMA3, program="llama.cpp")
    assert options(fragment.arguments)["--yarn-orig-ctx"] == "32768"
    sliding = {**BARE, "model_type": "new", "sliding_window": 512, "sliding_window_pattern": 2}
    assert "gemma2, gemma3, gpt-oss, olmo2 alone" in refusal(sliding, program="llama.cpp")
    olmo = {**BARE, "model_type": "olmo3", "sliding_window": 512}
    assert "--rope-freq-base would change its sliding layers too" in refusal(
        olmo, 131_072, "ntk", "llama.cpp"
    )


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"truncate": False}, "truncate is false"),
        ({"attention_factor": 1.0}, "computes YaRN's attention factor itself, and this one is 1"),
        ({"mscale": 0.7, "mscale_all_dim": 1.0}, "takes mscale for mscale_all_dim"),
    ],
)
def test_numbers_that_no_argument_states_are_refused(numbers, words):
    scaling = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 2048, **numbers}
    assert words in refusal({**BARE, "rope_scaling": scaling}, program="llama.cpp")
