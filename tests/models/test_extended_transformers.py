"""A fragment, loaded by the real transformers, gives the frequencies that the theory says, and others than
before; for every text class with rotary, and for every published config at hand."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from rope_lib.models import read_model
from rope_lib.models.atlas import atlas, atlas_config
from rope_lib.models.config_parts import text_of
from rope_lib.models.extend import METHODS
from rope_lib.models.extendable import extendable
from rope_lib.models.fragments import applied, written
from rope_lib.models.reading import class_defaults

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from installed_transformers import assert_table_of_this_version  # noqa: E402
from test_transformers_spectra import CONFIGS  # noqa: E402

ROTATING = sorted(name for name, row in class_defaults()["models"].items() if row.get("rope"))
TOOL = Path(__file__).parents[2] / "tools" / "extendable.py"


@pytest.fixture(scope="module")
def tool():
    """tools/extendable.py, which builds the rotary modules of the installed transformers."""
    assert_table_of_this_version()
    spec = importlib.util.spec_from_file_location("extendable_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_of_the_installed_version():
    assert extendable("transformers-5").version == f"transformers {transformers.__version__}"
    assert extendable("transformers-4").version.startswith("transformers 4.57")
    assert set(extendable("transformers-5").methods) == set(ROTATING)


@pytest.mark.parametrize("model_type", ROTATING)
def test_a_class_runs_the_methods_that_the_table_says(tool, model_type):
    wrong, needs_head_dim = tool.examined(model_type)
    table = extendable("transformers-5")
    assert tuple(method for method in METHODS if wrong[method] is None) == table.methods[model_type], wrong
    assert needs_head_dim == (model_type in table.needs_head_dim)


def test_the_table_holds_nearly_every_class():
    complete = [name for name, methods in extendable("transformers-5").methods.items() if len(methods) == 5]
    assert len(complete) > 0.85 * len(ROTATING)


def written_right(tool, config, method):
    """Whether there was something to write, which the loaded class then ran; a fragment run wrong fails."""
    wrong = tool.as_written(config, method)
    assert wrong is None or wrong.startswith("refused: "), wrong
    return wrong is None


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_published_configs_rotate_as_written(tool, method):
    configs = [atlas_config(model.name) for model in atlas()]
    known = [config for config in configs if text_of(config)[2] in class_defaults()["models"]]
    assert sum(written_right(tool, config, method) for config in known) > 60


@pytest.mark.parametrize("method", METHODS)
def test_configs_of_every_spelling_rotate_as_written(tool, method):
    found = []
    for model_type, keys in CONFIGS.values():
        depth = tool.config_class(model_type)(**json.loads(json.dumps(keys))).num_hidden_layers
        file = {"model_type": model_type, "num_hidden_layers": depth, **keys}
        found.append(written_right(tool, file, method))
    assert sum(found) > 12


@pytest.mark.parametrize("model_type", sorted(set(ROTATING) - {"dots3_note_text"}))
def test_a_bare_config_of_a_class_rotates_as_written(tool, model_type):
    config = tool.config_class(model_type)(**tool.EXTRA.get(model_type, {}))
    bare = {"model_type": model_type, "num_hidden_layers": config.num_hidden_layers}
    written_right(tool, bare | tool.EXTRA.get(model_type, {}), "yarn")
    written_right(tool, bare | tool.EXTRA.get(model_type, {}), "ntk")


def llama(**keys):
    sizes = {"hidden_size": 256, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    return transformers.LlamaConfig(**sizes, vocab_size=8, max_position_embeddings=4096, **keys)


def test_a_scaling_that_is_set_after_loading_does_nothing():
    model = transformers.LlamaForCausalLM(llama())
    before = model.model.rotary_emb.inv_freq.clone()
    with pytest.warns(FutureWarning, match="rope_scaling` is deprecated"):
        model.config.rope_scaling = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
    model(torch.zeros(1, 4, dtype=torch.long))
    assert torch.equal(model.model.rotary_emb.inv_freq, before)
    with pytest.warns(FutureWarning):
        model.config.rope_scaling = {"rope_type": "linear", "factor": 4.0}
    assert model.config.rope_parameters["rope_theta"] is None  # a fragment has to be whole


def test_a_whole_model_with_a_fragment_rotates_by_it():
    file = json.loads(json.dumps(llama().to_dict()))
    extension, fragment = written(read_model(file), file, 16_384, "yarn", "transformers-5")
    config = transformers.LlamaConfig.from_dict(applied(file, fragment))
    rotary = transformers.LlamaForCausalLM(config).model.rotary_emb
    inv_freq, attention_factor = extension.after.rotaries[0].spectrum(16_384)
    np.testing.assert_allclose(rotary.inv_freq, inv_freq, rtol=1e-6)
    assert rotary.attention_scaling == pytest.approx(attention_factor)
