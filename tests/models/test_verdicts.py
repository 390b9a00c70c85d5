"""`judge`: paper A's bounds on a model, with its windows, its several spectra and its retrofits."""

import json

import numpy as np
import pytest

from rope_lib.models import atlas, judge, judge_all, read_model
from rope_lib.models.record import holds, reasons, record
from rope_lib.models.verdicts import VERDICTS, WORST_FIRST, classify
from rope_lib.theory.bounds import SIGNIFICAND_BITS, aliasing_bound, precision_wall, stability_bound

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "head_dim": 128,
    "max_position_embeddings": 131_072,
    "rope_theta": 500_000.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
GEMMA = {  # six layers, the last of which sees all
    "model_type": "gemma3_text",
    "num_hidden_layers": 12,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "sliding_window": 1024,
    "sliding_window_pattern": 6,
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0},
}


def judged(config, **options):
    return judge(read_model(config), **options)


def test_the_verdict_is_on_the_effective_base():
    plain, scaled = judged(LLAMA), judged({**LLAMA, "rope_scaling": LLAMA3})
    assert (plain.verdict, scaled.verdict) == ("unstable_at_depth", "stable")
    (rotary,) = scaled.rotaries
    assert rotary.effective_base == pytest.approx(4_000_000, rel=1e-12)
    assert rotary.verdict_without_scaling == "unstable_at_depth"


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "linear", "factor": 8},
        {"rope_type": "ntk", "factor": 8},
        {"rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 8192},
        {"rope_type": "deepseek_yarn", "factor": 8, "original_max_position_embeddings": 8192},
        LLAMA3,
    ],
    ids=lambda scaling: scaling["rope_type"],
)
def test_a_factor_of_eight_makes_the_effective_base_eight_times_the_base(scaling):
    (rotary,) = judged({**LLAMA, "rope_scaling": scaling}).rotaries
    assert rotary.effective_base == pytest.approx(8 * 500_000, rel=1e-12)


def test_bounds_take_the_window_and_the_layers_that_a_spectrum_drives():
    full, sliding = judged(GEMMA).rotaries
    assert (full.rotary.kind, sliding.rotary.kind) == ("full", "sliding")
    assert full.rotary.layers == (5, 11)
    assert full.context_length == 131_072
    assert full.bounds["depth"] == stability_bound(131_072, layers=2)
    assert full.effective_base == pytest.approx(8e6)
    assert sliding.context_length == 1024
    assert sliding.bounds["aliasing"] == aliasing_bound(1024)
    assert sliding.bounds["stability"] == stability_bound(1024)
    assert sliding.bounds["depth"] == stability_bound(1024, layers=10)
    assert sliding.bounds["precision"] == precision_wall()
    assert sliding.effective_base == 10_000


def test_a_context_shorter_than_the_window_is_what_counts():
    _, sliding = judged(GEMMA, context=512).rotaries
    assert sliding.context_length == 512


def test_a_model_is_as_good_as_its_worst_spectrum():
    verdict = judged(GEMMA, context=8192)
    assert [rotary.verdict for rotary in verdict.rotaries] == ["stable", "unstable_at_depth"]
    assert verdict.verdict == "unstable_at_depth"


def test_the_order_of_the_worst_is_the_order_stated():
    assert sorted(VERDICTS) == sorted(WORST_FIRST)
    ranks = [WORST_FIRST.index(name) for name in ("infeasible", "aliased", "unstable", "beyond_precision")]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("base", "context", "layers", "expected"),
    [
        (1e9, 1_000_000, 32, "infeasible"),
        (2.0**23, 8192, 32, "beyond_precision"),
        (2.0**23 - 1, 8192, 32, "stable"),
        (1000, 8192, 1, "aliased"),
        (10_000, 8192, 1, "unstable"),
        (100_000, 8192, 32, "unstable_at_depth"),
        (100, 1_000_000, 32, "infeasible"),  # before everything else
        (1e9, 8192, 1, "beyond_precision"),
    ],
)
def test_classify_tries_the_bounds_in_their_order(base, context, layers, expected):
    assert classify(base, context, layers) == expected


def test_judge_broadcasts_and_agrees_with_one_at_a_time():
    contexts, epsilons = np.array([[4096], [131_072], [1_000_000]]), [0.9, 0.95]
    dtypes = np.array(["float32", "float64"])
    for config in (GEMMA, {**LLAMA, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}):
        together = judged(config, context=contexts, epsilon=epsilons, dtype=dtypes).verdict
        assert together.shape == (3, 2)
        for row, context in enumerate(contexts[:, 0]):
            for column in range(2):
                alone = judged(config, context=context, epsilon=epsilons[column], dtype=dtypes[column])
                assert together[row, column] == alone.verdict


def test_scaling_by_input_length_counts_from_the_declared_context_on():
    config = {**LLAMA, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}
    (rotary,) = judged(config, context=[8192, 131_072, 262_144]).rotaries
    assert rotary.effective_base[:2] == pytest.approx([500_000, 500_000])
    assert rotary.effective_base[2] == pytest.approx(5 * 500_000)  # 4 · 2 - 3


def test_longrope_takes_its_short_factors_up_to_the_original_context():
    config = {
        "model_type": "phi3",
        "num_hidden_layers": 2,
        "head_dim": 4,
        "max_position_embeddings": 131_072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": {"type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [1.0, 64.0]},
    }
    (rotary,) = judged(config, context=[4096, 4097]).rotaries
    assert rotary.effective_base == pytest.approx([20_000, 640_000])


def test_a_model_without_rotary_layers_is_no_rope():
    config = {**LLAMA, "use_rope": False}
    assert judged(config).verdict == "no_rope"
    assert judged(config, context=[1024, 2048]).verdict.tolist() == ["no_rope", "no_rope"]
    assert record(judged(config))["unrotated_layers"] == list(range(32))


def test_a_model_without_a_declared_context_needs_one():
    absent = ("max_position_embeddings", "model_type")
    config = {key: value for key, value in LLAMA.items() if key not in absent}
    with pytest.raises(ValueError, match="declares no context"):
        judged(config)
    assert judged(config, context=8192).verdict == "stable"


@pytest.mark.parametrize("model_type", ["bloom", "mamba", "t5", "whisper", "bert"])
def test_a_model_without_rotary_needs_no_context(model_type):
    found = record(judged({"model_type": model_type}))
    assert found["verdict"] == "no_rope"
    assert found["context"] == found["declared_context"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert record(judged({"model_type": model_type}, context=512))["context"] == 512


@pytest.mark.parametrize(
    "options",
    [{"context": 0}, {"context": np.nan}, {"context": "8192"}, {"epsilon": 1.0}, {"epsilon": [0.5, 0]},
     {"dtype": "int8"}, {"dtype": None}],
    ids=repr,
)  # fmt: skip
def test_bad_options_raise(options):
    with pytest.raises(ValueError, match="must be"):
        judged(LLAMA, **options)


def test_the_record_is_plain_json():
    found = record(judged({**GEMMA, "num_hidden_layers": 7}))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [len(rotary["inv_freq"]) for rotary in found["rotaries"]] == [128, 128]
    assert found["context"] == found["declared_context"] == 131_072


def test_the_record_of_several_contexts_is_refused():
    with pytest.raises(ValueError, match="one context"):
        record(judged(LLAMA, context=[1024, 2048]))


def test_the_spectrum_in_the_record_is_that_of_the_scaling():
    (rotary,) = record(judged({**LLAMA, "rope_scaling": {"rope_type": "linear", "factor": 4}}))["rotaries"]
    assert np.array(rotary["inv_freq"]) == pytest.approx(500_000.0 ** (-np.arange(64) / 64) / 4, rel=1e-13)


def test_reasons_name_the_deciding_bound_and_what_was_not_in_the_file():
    config = {key: value for key, value in LLAMA.items() if key != "rope_theta"}
    lines = reasons(judged({**config, "model_type": "mixtral"}))
    assert "1,000,000" in lines[0]
    assert "depth bound 2,315,558" in lines[0]
    assert any("base is not in the file" in line and "mixtral in transformers" in line for line in lines)
    assert any("beyond the declared context" in line for line in reasons(judged(LLAMA, context=200_000)))


# Many models at once

CONTEXTS = np.geomspace(512, 2**24, 13).round()[:, None, None]
EPSILONS = np.array([0.5, 0.8, 0.9, 0.95, 0.99])[:, None]


@pytest.fixture(scope="module")
def everything():
    return judge_all(atlas(), context=CONTEXTS, epsilon=EPSILONS, dtype=list(SIGNIFICAND_BITS))


def test_judging_all_at_once_is_judging_one_by_one(everything):
    assert everything.shape == (len(atlas()), 13, 5, 4)
    assert set(everything.flat) == {*VERDICTS, "no_rope"}
    for model, verdicts in zip(atlas(), everything, strict=True):
        alone = judge(model, context=CONTEXTS, epsilon=EPSILONS, dtype=list(SIGNIFICAND_BITS))
        np.testing.assert_array_equal(verdicts, alone.verdict, err_msg=model.name)


def test_judging_all_at_once_is_judging_at_each_number_alone(everything):
    places = zip(*np.unravel_index(np.arange(0, everything.size, 97), everything.shape), strict=True)
    for model, context, epsilon, dtype in places:
        options = {"context": CONTEXTS.flat[context], "epsilon": EPSILONS.flat[epsilon]}
        alone = judge(atlas()[model], **options, dtype=list(SIGNIFICAND_BITS)[dtype])
        assert everything[model, context, epsilon, dtype] == alone.verdict


def test_judging_all_without_a_context_takes_the_declared_ones():
    models = [model for model in atlas() if model.declared_context or not model.rotaries]
    assert judge_all(models).tolist() == [judge(model).verdict for model in models]
    with pytest.raises(ValueError, match="declares no context"):
        judge_all([*models, read_model({**LLAMA, "max_position_embeddings": None})])
    assert judge_all([]).shape == (0,)


# Men et al.


def test_men_et_al_is_put_to_the_spectrum_and_not_to_the_base():
    config = {**LLAMA, "head_dim": 64, "max_position_embeddings": 65_536, "rope_theta": 5e6}
    (rotary,) = record(judged(config))["rotaries"]
    assert rotary["bounds"]["men"] < rotary["base"] < 1.03 * rotary["bounds"]["men"]  # above the least base
    assert 1 < rotary["first_negative"] <= 65_536  # and not on an island of those that pass
    assert not holds(rotary, "men")
    (rotary,) = record(judged({**config, "rope_theta": rotary["bounds"]["men"]}))["rotaries"]
    assert rotary["first_negative"] is None
    assert holds(rotary, "men")
