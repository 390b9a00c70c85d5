"""What programs make of a config, by the rules, against what the real programs made of it.

The readings in tests/golden are those of the programs themselves: tools/loader_readings*.py made them.
"""

import importlib
import json
import math

import numpy as np
import pytest

from rope_lib.models import read_model
from rope_lib.models.config import read_config
from rope_lib.models.loaders import LOADERS, ModelFile, NotKnown, Refused, model_file
from rope_lib.models.loaders.record import loader_record
from rope_lib.theory.oscillators import frequencies

# Classes that fail with some ways in their own validation, or complete a config by a rule of their own.
SINES = {
    "linear by type, yarn by rope_type", "yarn, original length at the top", "yarn without original length",
    "llama3 in rope_parameters", "longrope", "longrope with factor", "longrope in rope_parameters",
}  # fmt: skip
OWN_RULES = {
    ("5", "codegen"): SINES,
    ("5", "cohere2_moe"): {"linear beside another base in rope_parameters"},
    ("5", "gptj"): SINES,
    ("5", "laguna"): {"bases by kind", "yarn and a plain base by kind"},
    ("5", "neomme"): {"base null"},
    ("5", "olmo_hybrid"): {"base null", "bases by kind", "yarn and a plain base by kind"},
    ("5", "ultrabert"): {"base"},
}


@pytest.fixture
def ways(monkeypatch, root):
    """tools/loader_spellings.py: the ways to write a rotation that the programs were measured on."""
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("loader_spellings")


@pytest.fixture
def kept(root):
    """The readings that one of the tools kept."""

    def read(name):
        text = (root / "tests" / "golden" / f"loader_readings_{name}.json").read_text(encoding="utf-8")
        return json.loads(text)

    return read


def run(loader, config, layers):
    """The spec that a program runs, "refused" or "not known"; `layers` is a config of the same layers."""
    try:
        return LOADERS[loader].read(ModelFile("config.json", config, read_config(layers)))
    except Refused:
        return "refused"
    except NotKnown:
        return "not known"


def is_close(ours, theirs):
    same = (math.isclose(a, b, rel_tol=3e-4, abs_tol=1e-5) for a, b in zip(ours[1:], theirs[1:], strict=True))
    return ours[0] == theirs[0] and all(same)


def agrees(ways, made, theirs):
    """Whether a run of the rules is what the program made: the same spectra, or a refusal."""
    if isinstance(made, str) or isinstance(theirs, str):
        return made == "not known" or (made == "refused" and isinstance(theirs, str))
    for rotary in made.rotaries:
        inv_freq, factor = rotary.spectrum(ways.DECLARED)
        ours = ways.fingerprint((inv_freq.tolist(), factor))
        if not any(is_close(ours, one) for one in theirs.values()):
            return False
    return True


@pytest.mark.parametrize("version", ["4", "5"])
def test_the_rules_of_transformers_give_what_its_modules_hold(version, ways, kept):
    """Every class with rotary modules, in every way to write a rotation."""
    loader, compared, unknown, unread, wrong = LOADERS[f"transformers-{version}"], 0, 0, 0, []
    readings = kept(version)
    assert readings["source"] == loader.program
    for model_type, found in readings["classes"].items():
        row = loader_row(version, model_type)
        if "text" in row:
            continue  # its text model is measured by itself
        plain = {"model_type": model_type, **ways.SMALL, **ways.NEEDED.get(model_type, {})}
        names = row["defaults"].keys() & {"hidden_size", "num_attention_heads"}
        sizes = {name: row["defaults"][name] for name in names}
        try:
            layers = read_config({**sizes, "rope_theta": 10_000.0, **plain})
        except ValueError:  # the reader asks for what no class assumes, such as a list of its layers
            unread += 1
            continue
        pairs = next(iter(found["nothing"].values()))[0]
        hidden = row["defaults"].get("hidden_size")
        for way, keys in ways.spellings(pairs, hidden).items():
            theirs = found.get(way, found["nothing"])
            try:
                made = loader.read(ModelFile("config.json", {**plain, **keys}, layers))
            except Refused:
                made = "refused"
            except NotKnown:
                made = "not known"
            unknown += made == "not known"
            compared += 1
            excused = way in OWN_RULES.get((version, model_type), ())
            if not excused and not agrees(ways, made, theirs):
                wrong.append((model_type, way, made if isinstance(made, str) else "another", theirs))
    assert wrong == []
    assert compared > 3_000
    assert unknown < compared / 30
    assert unread < len(readings["classes"]) / 8


def test_transformers_5_differs_from_no_config_that_states_nothing(ways, kept):
    """The reader's defaults are those of its classes, so that a difference would be a false alarm."""
    outcomes = {}
    for model_type in kept("5")["classes"]:
        plain = {"model_type": model_type, **ways.SMALL, **ways.NEEDED.get(model_type, {})}
        try:
            spec = read_config(plain)
        except ValueError:  # the reader asks for more
            continue
        found = loader_record(ModelFile("config.json", plain, spec), LOADERS["transformers-5"])
        outcomes.setdefault(found["outcome"], []).append(model_type)
    # MiniMax-M3 declares rotary_dim 64, which its class's code does not read.
    assert set(outcomes.pop("different")) == {"minimax_m3_vl", "minimax_m3_vl_text"}
    assert outcomes.keys() == {"same", "not_known"}, outcomes
    assert len(outcomes["same"]) > 10 * len(outcomes["not_known"])


def loader_row(version, model_type):
    module = importlib.import_module("rope_lib.models.loaders.by_class")
    return module.table_of(f"transformers_{version}.json")["classes"][model_type]


def test_the_rules_of_mlx_lm_give_what_its_modules_hold(ways, kept):
    readings = kept("mlx")
    for model, found in readings["classes"].items():
        plain = {**ways.mlx_config(model, {}), "layer_types": ["full_attention"] * 2}
        for way, keys in ways.spellings(32, ways.MLX["hidden_size"]).items():
            made = run("mlx-lm", ways.mlx_config(model, keys), plain)
            theirs = found.get(way, found["nothing"])
            assert made != "not known"
            assert agrees(ways, made, theirs), (model, way, made, theirs)


def of_gguf(written, base=10_000.0):
    """The spectrum of the keys that llama.cpp's converter wrote; of a YaRN the factor and the length too."""
    keys = written["keys"]
    quotient = keys["embedding_length"] // keys["attention.head_count"]
    dim = keys.get("rope.dimension_count", keys.get("attention.key_length", quotient))
    inv_freq = frequencies(keys.get("rope.freq_base", base), dim)
    kind = keys.get("rope.scaling.type")
    if kind == "linear":
        return inv_freq / keys["rope.scaling.factor"]
    if kind == "yarn":
        return keys["rope.scaling.factor"], keys["rope.scaling.original_context_length"], inv_freq
    return inv_freq / (1 if written["divisors"] is None else np.array(written["divisors"]))


def test_the_rules_of_llama_cpp_give_what_its_converter_writes(ways, kept):
    for architecture, found in kept("llama_cpp")["classes"].items():
        for way, keys in ways.spellings(32, ways.MLX["hidden_size"]).items():
            config = ways.converted_config(architecture, keys)
            made = run("llama.cpp", config, {**ways.converted_config(architecture, {}), "rope_theta": 1e4})
            written = found.get(way, found["nothing"])
            if isinstance(made, str):  # its class in transformers 5 fails, or no rule reaches so far
                assert made == "not known"
                continue
            assert not isinstance(written, str), (architecture, way)
            (rotary,) = made.rotaries
            expected = of_gguf(written)
            if rotary.scaling["type"] == "yarn":
                factor, length, expected = expected
                assert (factor, length) == (
                    rotary.scaling["factor"],
                    rotary.scaling["original_max_position_embeddings"],
                )
                assert set(rotary.scaling) == {"type", "factor", "original_max_position_embeddings"}
                ours = frequencies(rotary.base, rotary.rotary_dim)
            else:
                ours = rotary.spectrum(ways.DECLARED)[0]
            np.testing.assert_allclose(ours, expected, rtol=1e-5, err_msg=f"{architecture}: {way}")


# What the rules are for

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "max_position_embeddings": 32_768,
}
WRITTEN_BY_5 = {**LLAMA, "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0}}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}


def made_of(config, loader, context=None):
    return loader_record(ModelFile("config.json", config, read_model(config)), LOADERS[loader], context)


def test_a_checkpoint_of_transformers_5_runs_at_the_default_base_of_transformers_4():
    """The fault of 2026: the block that only transformers 5 knows is all that states the base."""
    found = made_of(WRITTEN_BY_5, "transformers-4")
    assert found["outcome"] == "different"
    (group,) = found["groups"]
    assert (group["a"]["base"], group["b"]["base"]) == (1_000_000.0, 10_000.0)
    gap = np.abs(frequencies(1e6, 128) - frequencies(1e4, 128)).max()
    assert found["worst"] == pytest.approx(32_767 * gap)
    assert group["phase"]["first_beyond_pi"] == math.floor(math.pi / gap) + 1
    assert group["slowest"] == [pytest.approx(1e6 ** (-126 / 128)), pytest.approx(1e4 ** (-126 / 128))]
    assert any("rope_parameters is not read" in note for note in found["notes"])
    assert made_of(WRITTEN_BY_5, "transformers-5")["outcome"] == "same"


def test_the_same_base_at_the_top_as_well_saves_it():
    assert made_of({**WRITTEN_BY_5, "rope_theta": 1_000_000.0}, "transformers-4")["outcome"] == "same"


def as_transformers_5_saves(config):
    """The config with all of its rotation in one block, as transformers 5 writes it."""
    text = dict(config)
    block = dict(text.pop("rope_scaling", None) or {})
    block["rope_type"] = block.get("rope_type", block.pop("type", "default"))
    if "rope_theta" in text:
        block["rope_theta"] = text.pop("rope_theta")
    return {**text, "rope_parameters": block}


# Published configs: what is lost when transformers 5 saves them and transformers 4 loads them again.
LOST = {
    "Qwen/Qwen3-8B": (1e6, 1e4),
    "deepseek-ai/DeepSeek-V3": (1e4, 1e4),  # the base is that of its class; the scaling is gone
    "meta-llama/Meta-Llama-3.1-8B": (5e5, 1e4),
    "mistralai/Mixtral-8x7B-v0.1": None,  # its class assumes what it states
}


@pytest.mark.parametrize("name", LOST)
def test_a_published_model_saved_again(name, root):
    published = json.loads((root / "tests" / "golden" / "configs.json").read_text(encoding="utf-8"))[name]
    assert made_of(published, "transformers-4")["outcome"] == "same"
    saved = as_transformers_5_saves(published)
    assert made_of(saved, "transformers-5")["outcome"] == "same"
    found = made_of(saved, "transformers-4")
    if LOST[name] is None:
        assert found["outcome"] == "same"
    else:
        (group,) = found["groups"]
        assert found["outcome"] == "different"
        assert (group["a"]["base"], group["b"]["base"]) == LOST[name]
        assert group["b"]["scaling"] == {"type": "default"}


def test_mlx_lm_passes_over_the_block_for_llama_and_reads_it_for_qwen3():
    assert made_of(WRITTEN_BY_5, "mlx-lm")["outcome"] == "different"
    qwen3 = {**WRITTEN_BY_5, "model_type": "qwen3", "head_dim": 128}
    assert made_of(qwen3, "mlx-lm")["outcome"] == "same"


def test_a_yarn_is_lost_where_the_module_is_not_scaled():
    config = {**LLAMA, "model_type": "qwen3_moe", "head_dim": 128, "rope_theta": 1e6, "rope_scaling": YARN}
    found = made_of(config, "mlx-lm")
    assert found["outcome"] == "different"
    assert found["groups"][0]["b"]["scaling"] == {"type": "default"}


def test_phi3_takes_the_original_length_of_its_class_before_the_one_inside():
    factors = {"short_factor": [1.0] * 48, "long_factor": [4.0] * 48}
    config = {
        "model_type": "phi3",
        "num_hidden_layers": 2,
        "max_position_embeddings": 131_072,
        "rope_scaling": {"rope_type": "longrope", **factors, "original_max_position_embeddings": 8192},
    }
    found = made_of(config, "transformers-5")
    assert found["groups"][0]["b"]["scaling"]["original_max_position_embeddings"] == 4096
    assert (
        found["outcome"] == "different"
    )  # by the factor on cos and sin, and by where the long factors begin
    assert [other["same"] for other in found["elsewhere"] if other["context"] == 8192] == [False]


def test_vllm_runs_the_long_factors_for_short_inputs_too():
    factors = {"short_factor": [1.0] * 48, "long_factor": [4.0] * 48}
    config = {
        "model_type": "phi3",
        "num_hidden_layers": 2,
        "max_position_embeddings": 131_072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": {"rope_type": "longrope", **factors},
    }
    found = made_of(config, "vllm")
    assert found["outcome"] == "different"
    assert found["groups"][0]["same"]  # at the declared context
    assert {other["context"]: other["same"] for other in found["elsewhere"]}[4096] is False


def test_vllm_rotates_the_share_of_a_head_that_transformers_passes_over():
    config = {**LLAMA, "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    assert made_of(config, "vllm")["groups"][0]["b"]["rotary_dim"] == 64
    assert made_of(config, "transformers-5")["groups"][0]["b"]["rotary_dim"] == 128


@pytest.mark.parametrize(
    "keys",
    [
        {"model_type": "qwen2", "dual_chunk_attention_config": {"chunk_size": 4096}},
        {"rope_scaling": {"type": "ntk", "factor": 2.0}},
        {"model_type": "granite"},
    ],
)
def test_what_vllm_does_with_a_config_is_not_guessed(keys):
    assert made_of({**LLAMA, "rope_theta": 1e4, **keys}, "vllm")["outcome"] == "not_known"


def test_llama_cpp_loses_the_temperature_of_a_yarn():
    config = {**LLAMA, "rope_theta": 1e6, "rope_scaling": {**YARN, "attention_factor": 1.0}}
    found = made_of(config, "llama.cpp")
    assert found["outcome"] == "different"
    assert found["groups"][0]["b"]["attention_factor"] == pytest.approx(1 + 0.1 * math.log(4))
    assert found["notes"] == ["attention_factor of a YaRN does not reach its runtime."]


@pytest.mark.parametrize(
    ("config", "outcome"),
    [
        ({**LLAMA, "model_type": "of_next_month", "rope_theta": 1e4}, "refused"),
        ({**LLAMA, "model_type": "of_next_month", "rope_theta": 1e4, "auto_map": {}}, "not_known"),
        ({**LLAMA, "rope_theta": 1e4, "rope_scaling": {"type": "ntk", "factor": 2.0}}, "refused"),
        ({"model_type": "bert"}, "same"),
    ],
)
def test_what_is_refused_and_what_is_not_known(config, outcome):
    found = made_of(config, "transformers-4", 4096)
    assert found["outcome"] == outcome
    assert (found["why"] is None) == (outcome == "same")


def test_the_text_model_of_a_model_of_several_parts():
    inner = {key: value for key, value in WRITTEN_BY_5.items() if key != "architectures"}
    config = {"model_type": "llava", "text_config": inner}
    assert made_of(config, "transformers-4")["groups"][0]["b"]["base"] == 10_000.0
    assert made_of(config, "transformers-5")["outcome"] == "same"


# GGUF files


def gguf_file(path, architecture, **more):
    """A GGUF file without weights."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, architecture)
    sizes = {"block_count": 2, "context_length": 32_768, "embedding_length": 512, "attention.head_count": 4}
    for key, value in {**sizes, **more}.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
        add(f"{architecture}.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


SCALED = {
    "rope.freq_base": 1e6,
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 8192,
}


@pytest.mark.parametrize("loader", ["transformers-4", "transformers-5"])
def test_transformers_drops_the_scaling_of_a_gguf_file(loader, tmp_path):
    path = gguf_file(tmp_path / "model.gguf", "llama", **SCALED, **{"rope.dimension_count": 128})
    found = loader_record(model_file(path), LOADERS[loader])
    assert found["outcome"] == "different"
    assert found["groups"][0]["b"]["scaling"] == {"type": "default"}
    assert found["groups"][0]["b"]["base"] == 1e6
    assert loader_record(model_file(path), LOADERS["llama.cpp"])["outcome"] == "same"


def test_transformers_drops_the_base_of_some_architectures(tmp_path):
    path = gguf_file(tmp_path / "model.gguf", "starcoder2", **{"rope.freq_base": 1e6})
    found = loader_record(model_file(path), LOADERS["transformers-5"])
    assert found["groups"][0]["b"]["base"] == 10_000.0
    assert loader_record(model_file(path), LOADERS["vllm"])["outcome"] == "not_known"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama", "qwen3", "qwen3moe", "starcoder2", "gemma3"])
def test_the_keys_of_a_gguf_file_are_those_that_transformers_translates(architecture, tmp_path):
    loading = pytest.importorskip("transformers.modeling_gguf_pytorch_utils")
    by_class = importlib.import_module("rope_lib.models.loaders.by_class")
    keys = {"attention.key_length": 128, "rope.dimension_count": 128, **SCALED}
    path = gguf_file(tmp_path / "model.gguf", architecture, **keys)
    version = importlib.import_module("rope_lib.models.loaders.transformers_5").VERSION
    ours = by_class.config_of_gguf(version, model_file(path).keys)
    theirs = loading.load_gguf_checkpoint(str(path))["config"]
    assert ours == {key: value for key, value in theirs.items() if key in ours}
    assert not {"rope_scaling", "rope_parameters"} & theirs.keys()


@pytest.mark.slow
def test_the_installed_transformers_holds_what_was_kept(ways, kept, root):
    """A few classes, built again: the others wait for tools/loader_readings.py --check."""
    transformers = pytest.importorskip("transformers")
    tool = importlib.import_module("loader_readings")
    readings = kept(transformers.__version__.partition(".")[0])
    assert readings["source"] == f"transformers {transformers.__version__}"
    made = tool.measured({"llama", "gpt_neox"})
    assert {name: ways.without_repetition(one) for name, one in made.items()} == {
        name: readings["classes"][name] for name in ("llama", "gpt_neox")
    }
