"""A config and the GGUF header that llama.cpp's converter makes of it rotate alike.

tools/llama_cpp_headers.py makes converted_headers.json, from the default config of each class that generates
text in transformers.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf_headers import header_file

from rope_lib.models import read_model

transformers = pytest.importorskip("transformers")
ROWS = json.loads(Path(__file__).with_name("converted_headers.json").read_text(encoding="utf-8"))["models"]

# Where both readings are right and differ: what the converter or llama.cpp makes of a config.
DIFFER = {
    "exaone4": "llama.cpp gives windows to the model of 64 layers alone, and the class has 32",
    "gpt_oss": "llama.cpp widens the ramp of YaRN to whole pairs, whatever the config says of truncate",
    "laguna": "the header does not say that no layer slides, so llama.cpp takes its own pattern",
    "solar_open": "the converter rotates half of a head where the config states no share",
}
# A header that states what llama.cpp does not read: a base for sliding layers, of which this class has none.
REPORTED = {"mellum": {"mellum.rope.freq_base_swa": 10_000.0}}
# Default configs whose sizes contradict each other: no model has them.
NO_MODEL = {"glm4_moe"}


def by_layer(spec):
    return {layer: rotary for rotary in spec.rotaries for layer in rotary.layers}


def same(config, header):
    """Whether two specs rotate alike, by layers, frequencies and factors."""
    ours, theirs = by_layer(config), by_layer(header)
    if config.num_layers != header.num_layers or ours.keys() != theirs.keys():
        return False
    for layer, rotary in ours.items():
        for context in (2000, config.declared_context or 4096):
            (inv_freq, factor), (other, other_factor) = (
                one.spectrum(context) for one in (rotary, theirs[layer])
            )
            if inv_freq.shape != other.shape or not np.allclose(inv_freq, other, rtol=1e-4, atol=1e-14):
                return False
            if not np.isclose(factor, other_factor, rtol=1e-4):
                return False
    return True


@pytest.mark.parametrize("model_type", sorted(ROWS.keys() - NO_MODEL))
def test_a_config_and_its_header(model_type, tmp_path):
    row = ROWS[model_type]
    config = read_model(transformers.CONFIG_MAPPING[model_type]().to_dict())
    path = header_file(tmp_path / "model.gguf", row["architecture"], row["keys"], divisors=row["divisors"])
    header = read_model(path)
    assert same(config, header) == (model_type not in DIFFER)
    if model_type not in DIFFER:
        assert header.keys.not_understood == REPORTED.get(model_type, {})
