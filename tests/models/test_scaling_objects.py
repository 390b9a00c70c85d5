"""The scaling that a config states, under each of its names and with each of its keys."""

import numpy as np
import pytest
from model_configs import BARE, only, without

from rope_lib.models import read_model
from rope_lib.theory.oscillators import frequencies


def test_phi_3_keeps_its_original_length_at_the_top():
    config = {
        **BARE,
        "model_type": "phi3",
        "hidden_size": 3072,
        "num_attention_heads": 32,
        "max_position_embeddings": 131_072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": {"type": "su", "short_factor": [1.1] * 48, "long_factor": [32.0] * 48},
    }
    spec, rotary = only(config)
    assert (spec.declared_context, spec.original_context) == (131_072, 4096)
    assert spec.provenance["original_context"] == "explicit"
    assert spec.sources["original_context"] == "original_max_position_embeddings"
    assert rotary.scaling["factor"] == 32.0
    inv_freq, attention_factor = rotary.spectrum(131_072)
    np.testing.assert_allclose(inv_freq, frequencies(10_000, 96) / 32)
    assert attention_factor == pytest.approx(1.190238)  # √(1 + ln 32 / ln 4096)
    np.testing.assert_allclose(rotary.spectrum(4096)[0], frequencies(10_000, 96) / 1.1)


@pytest.mark.parametrize("section", ["mrope_section", "xdrope_section"])
@pytest.mark.parametrize("name", ["type", "rope_type"])
@pytest.mark.parametrize("scaling", ["mrope", "default"])
def test_mrope_leaves_text_alone(section, name, scaling):
    _, rotary = only({**BARE, "rope_scaling": {name: scaling, section: [16, 24, 24]}})
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 128))


def test_mrope_under_two_names():
    scaling = {"mrope_section": [16, 24, 24], "type": "mrope", "rope_type": "default"}  # as Qwen2-VL is saved
    _, rotary = only({**BARE, "rope_scaling": scaling})
    assert rotary.scaling == {"type": "mrope", "mrope_section": [16, 24, 24]}


@pytest.mark.parametrize("name", ["dynamic", "xdrope"])
def test_hunyuan_stretches_by_alpha_at_every_length(name):
    _, rotary = only({**BARE, "rope_scaling": {"type": name, "alpha": 1000.0, "factor": 1.0, "mscale": 1.0}})
    expected = frequencies(10_000 * 1000 ** (128 / 126), 128)
    for length in 100, 100_000:
        np.testing.assert_allclose(rotary.spectrum(length)[0], expected)
    assert rotary.effective_base(4096) == pytest.approx(1e7)


def test_dynamic_stretches_beyond_the_declared_context():
    spec, rotary = only({**BARE, "rope_scaling": {"type": "dynamic", "factor": 2.0}})
    np.testing.assert_array_equal(rotary.spectrum(4096)[0], frequencies(10_000, 128))
    assert rotary.effective_base(8192) == pytest.approx(30_000)  # 2·8192/4096 - 1 = 3
    assert spec.original_context is None


@pytest.mark.parametrize("name", ["linear", "ntk"])
def test_eight_times_slower(name):
    _, rotary = only({**BARE, "rope_scaling": {"type": name, "factor": 8.0}})
    assert rotary.effective_base(4096) == pytest.approx(80_000)


def test_deepseek_yarn():
    scaling = {"type": "deepseek_yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707}
    _, rotary = only({**BARE, "rope_scaling": {**scaling, "original_max_position_embeddings": 4096}})
    assert rotary.spectrum(163_840)[1] == 1.0


def test_yarn_without_original_length_starts_from_the_declared_one():
    spec, rotary = only({**BARE, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}})
    assert rotary.scaling["original_max_position_embeddings"] == 4096
    assert (spec.original_context, spec.provenance["original_context"]) == (4096, "derived")
    assert "stretches to 16,384 tokens; 4,096 are declared" in spec.notes[-1]


def test_transformers_5_says_default_where_nothing_is_scaled():
    config = {**without(BARE, "rope_theta"), "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    spec, rotary = only(config)
    assert (rotary.base, rotary.scaling) == (5e5, {"type": "default"})
    assert spec.provenance["scaling"] == "explicit"


@pytest.mark.parametrize("empty", [None, {}])
@pytest.mark.parametrize("name", ["rope_scaling", "rope_parameters"])
def test_nothing_is_scaled(name, empty):
    spec, rotary = only({**BARE, name: empty})
    assert rotary.scaling == {"type": "default"}
    assert spec.provenance["scaling"] == "derived"


def test_keys_that_a_scaling_does_not_read_are_reported():
    spec = read_model({**BARE, "rope_scaling": {"type": "linear", "factor": 2.0, "beta_fast": 32}})
    assert spec.notes[-1] == "rope_scaling: linear does not read beta_fast."
