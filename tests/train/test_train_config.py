"""The config of a run: read strictly, written back whole, named by a digest that depends on values alone."""

import tomllib
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from rope_lib.train.config import Config, Variant
from rope_lib.train.spectrum import Spectrum

FULL = """
seed = 3
[model]
layers = 4
width = 64
heads = 4
head_dim = 16
key_value_heads = 2
hidden = 96
tied = false
[spectrum]
scaling = "rope_id"
temperature = "rope_id"
parameters = { shortest_period = 8 }
[task]
name = "variables"
parameters = { hops = 2 }
[training]
steps = 10
batch = 4
length = 64
learning_rate = 1
dtype = "bfloat16"
[evaluation]
lengths = [64, 100]
examples = 5
[evaluation.variants.oracle]
scaling = "yarn"
base = 500_000
[evaluation.variants.far]
arithmetic = "bfloat16"
shift = 1000
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "full.toml").write_text(FULL, encoding="utf-8")
    return tmp_path / "full.toml"


def test_a_file_says_all_there_is_to_say(path):
    config = Config.from_toml(path)
    assert (config.seed, config.model.hidden, config.model.tied) == (3, 96, False)
    assert config.spectrum == Spectrum("rope_id", 10_000.0, {"shortest_period": 8}, "rope_id")
    assert config.task.make().hops == 2
    assert config.training.learning_rate == 1.0
    assert config.evaluation.lengths == (64, 100)
    assert config.evaluation.variants["oracle"] == Variant(scaling="yarn", base=500_000.0)


def test_a_dict_brings_back_an_equal_config(path):
    for config in (Config(), Config.from_toml(path)):
        again = Config.from_dict(config.to_dict())
        assert again == config
        assert again.digest == config.digest
    assert Config.from_dict({}) == Config.from_dict(Config().to_dict())
    assert Config.from_dict(tomllib.loads(FULL)) == Config.from_toml(path)


def test_the_digest_depends_on_every_value_and_on_nothing_else(path):
    config = Config.from_toml(path)
    shuffled = dict(reversed(config.to_dict().items()))
    assert Config.from_dict(shuffled).digest == config.digest
    whole = Config.from_dict(config.to_dict() | {"spectrum": {"scaling": "default", "base": 10_000}})
    assert whole.digest == replace(config, spectrum=Spectrum(base=10_000.0)).digest
    others = [
        replace(config, seed=4),
        replace(config, spectrum=Spectrum("hope")),
        replace(config, training=replace(config.training, steps=11)),
        replace(config, evaluation=replace(config.evaluation, variants={})),
    ]
    assert len({config.digest, *(other.digest for other in others)}) == 5
    # Pinned: a change would orphan every checkpoint and every finished cell of a sweep, unnoticed.
    assert Config().digest == PINNED


PINNED = "dc8532f51397d34f"


def test_a_variant_replaces_what_it_names_and_no_more(path):
    config = Config.from_toml(path)
    oracle, far = (config.evaluation.variants[name].of(config.spectrum) for name in ("oracle", "far"))
    assert oracle == Spectrum("yarn", 500_000.0, {}, "rope_id")
    assert far == replace(config.spectrum, arithmetic="bfloat16")
    assert Variant().of(config.spectrum) == config.spectrum
    assert np.isclose(oracle.at(128, 64, 16).inv_freq[-1], 500_000 ** (-14 / 16) / 2)


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Config().seed = 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"sed": 1},
            "config must have keys among seed, model, spectrum, task, training, convergence, evaluation, "
            "got 'sed'",
        ),
        ({"model": 3}, "model must be a table, got 3"),
        ({"model": {"layers": 2.0}}, "model.layers must be a whole number, got 2.0"),
        ({"model": {"layers": True}}, "model.layers must be a whole number, got True"),
        ({"model": {"tied": 1}}, "model.tied must be true or false, got 1"),
        ({"model": {"layers": 0}}, "layers must be a whole number from 1 to 2^53, got 0"),
        ({"training": {"length": "128"}}, "training.length must be a whole number, got '128'"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate must be a number, got nan"),
        ({"training": {"dtype": "float16"}}, "dtype must be one of float32, bfloat16, got 'float16'"),
        ({"evaluation": {"lengths": 128}}, "evaluation.lengths must be a list, got 128"),
        (
            {"evaluation": {"lengths": [256, 128]}},
            "lengths must be whole numbers of at least 2 that rise, got [256, 128]",
        ),
        (
            {"evaluation": {"variants": {"far": {"shfit": 1}}}},
            "evaluation.variants.far must have keys among scaling, base, parameters, temperature, "
            "arithmetic, scheme, dtype, shift, got 'shfit'",
        ),
        (
            {"evaluation": {"variants": {"far": {"arithmetic": "float16", "shift": 70_000}}}},
            "positions must be within the range of float16, got 70127.0",
        ),
        (
            {"evaluation": {"variants": {"far": {"scheme": "float16 angles", "shift": 70_000}}}},
            "positions must be within the range of float16, got 70127.0",
        ),
        (
            {"evaluation": {"variants": {"far": {"scheme": "float8 angles"}}}},
            "scheme must be one of float64 angles, float32 product, float32 recurrence, float32 power of the "
            "ratio, bfloat16 angles, bfloat16 tables, float16 angles, float16 tables, bfloat16 frequencies, "
            "got 'float8 angles'",
        ),
        (
            {"evaluation": {"variants": {"far": {"scheme": "bfloat16 tables", "scaling": "yarn"}}}},
            "scheme must be left out for a spectrum that is not plain RoPE with float64 angles, "
            "got 'bfloat16 tables' for 'yarn'",
        ),
        (
            {"evaluation": {"variants": {"far": {"dtype": "float32"}}}},
            "dtype must be one of bfloat16, float16, got 'float32'",
        ),
        ({"spectrum": {"parameters": {"p": 1}}}, None),
        (
            {"task": {"name": "copy"}, "training": {"length": 64}, "evaluation": {"lengths": [64], "bin": 0}},
            "bin must be a whole number from 1 to 2^53, got 0",
        ),
        (
            {"task": {"name": "common_words"}, "evaluation": {"lengths": [16, 128]}},
            "length must be at least 18 for CommonWords(words=16, lead=2), got 16",
        ),
        (
            {"spectrum": {"scaling": "rope_id"}, "training": {"length": 64}},
            "original_max_position_embeddings must be more than twice the shortest period 32, got 64",
        ),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(refuses, values, message):
    message = message or ("parameters of default must be among original_max_position_embeddings, got 'p'")
    refuses(lambda: Config.from_dict(values), message)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("seed = \n")
    with pytest.raises(ValueError, match=r"bad\.toml: Invalid value"):
        Config.from_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bad\.toml: 'utf-8' codec"):
        Config.from_toml(path)
    path.write_text("[training]\nstep = 3\n")
    with pytest.raises(ValueError, match=r"bad\.toml: training must have keys among steps"):
        Config.from_toml(path)
