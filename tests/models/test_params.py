"""The `params.json` of Meta and of Mistral."""

import pytest
from model_configs import LLAMA, refused

from rope_lib.models import judge, read_model

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


LLAMA4 = {
    "dim": 5120,
    "n_layers": 48,
    "n_heads": 40,
    "n_kv_heads": 8,
    "vocab_size": 202_048,
    "multiple_of": 2048,
    "ffn_exp": 4.0,
    "norm_eps": 1e-05,
    "rope_theta": 500_000.0,
    "use_scaled_rope": True,
    "rope_scaling_factor": 16.0,
    "rope_high_freq_factor": 1.0,
    "nope_layer_interval": 4,
    "attention_chunk_size": 8192,
    "use_qk_norm": True,
    "moe_args": {"num_experts": 16},
}


def test_llama_4_params_are_known_by_their_keys(file):
    spec = read_model(file(LLAMA4, "llama4-scout.json"))  # whatever the file is called
    (rotary,) = spec.rotaries
    assert (rotary.kind, rotary.window, len(rotary.layers)) == ("chunked", 8192, 36)
    assert spec.unrotated_layers == tuple(range(3, 48, 4))
    scaling = {"factor": 16.0, "high_freq_factor": 1.0, "low_freq_factor": 1.0}
    assert scaling.items() <= dict(rotary.scaling).items()
    assert (spec.architecture, spec.keys.not_understood) == ("Llama (Meta)", {})
    assert read_model(LLAMA4).rotaries == spec.rotaries


def test_a_new_key_of_params_is_reported(file):
    spec = read_model(file({**META, "rope_wavelength": 8.0}, "params.json"))
    assert spec.keys.not_understood == {"rope_wavelength": 8.0}
    spec = read_model(file({**META, "rope_scaling_factor": 16.0}, "params.json"))
    assert (spec.rotaries[0].scaling, spec.keys.not_understood) == ({"type": "default"}, {})  # switched off


@pytest.mark.parametrize("key", ["sliding_window", "_sliding_window"])
def test_mistral_params_with_a_list_of_windows(file, key):
    windows = [None, 32_768, 32_768, 32_768]
    spec = read_model(file({**MISTRAL, key: windows, "rope_theta": 1e8}, "params.json"))
    kinds = {rotary.kind: rotary for rotary in spec.rotaries}
    assert (kinds["full"].layers, kinds["sliding"].window) == (tuple(range(0, 32, 4)), 32_768)
    assert not spec.keys.not_understood
    assert "must repeat one window" in refused(file({**MISTRAL, key: [1, 2]}, "params.json"))


@pytest.mark.parametrize("windows", [[[1], None], [{}, None], [None, None], [4096, 1024], []])
def test_a_list_of_windows_that_is_no_pattern_is_refused(file, windows):
    with pytest.raises(ValueError, match="sliding_window must") as caught:
        read_model(file({**MISTRAL, "sliding_window": windows}, "params.json"))
    assert "\n" not in str(caught.value)
