"""The forecast of dispersal on small random models, against what the same models show on longer inputs."""

import numpy as np
import pytest
import torch
import transformers as t
from small_configs import ALTERNATING, SIZES, neox_rope

from rope_lib.measure.forecast import forecast, half_split_order, measured_frequencies
from rope_lib.measure.forecasts import forecast_tables
from rope_lib.measure.intercept import captured, rotations
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.sweep import measure
from rope_lib.models import read_model
from rope_lib.theory.forecast import forecast_cloud

SHORT, LONG = 512, 2_048
MODELS = {
    "llama": (t.LlamaConfig, {}),
    "gemma3": (t.Gemma3TextConfig, ALTERNATING),
    "gpt_neox": (t.GPTNeoXConfig, {"rope_parameters": neox_rope(0.25)}),
    "glm": (t.GlmConfig, {}),
}


def small(kind, **values):
    """A random model whose keys differ enough from one another that they form a cloud."""
    torch.manual_seed(0)
    config_class, own = MODELS[kind]
    sizes = SIZES | {"max_position_embeddings": LONG, "initializer_range": 0.3} | own | values
    network = t.AutoModelForCausalLM.from_config(config_class(**sizes), attn_implementation="sdpa").eval()
    return LanguageModel(kind, network, None, "0" * 64)


def random_tokens(count=LONG):
    return torch.randint(1, SIZES["vocab_size"], (count,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", MODELS)
def test_longer_inputs_look_as_forecast(kind):
    model, tokens = small(kind), random_tokens()
    found = forecast(model, tokens[:SHORT], [SHORT, LONG])
    sweep = measure(model, tokens, [SHORT, LONG])
    seen = sweep.heads.query("role == 'key' and stage == 'post'").merge(
        found.keys, on=["length", "layer", "head"]
    )
    assert (
        len(seen)
        == len(found.keys)
        == 2 * sweep.heads.query("role == 'key'").groupby(["layer", "head"]).ngroups
    )
    errors = (seen.stable_rank_y / seen.stable_rank_x - 1).abs()
    assert errors.median() < 0.1
    assert errors.max() < 0.3
    assert seen.mean_cosine_y.to_numpy() == pytest.approx(seen.mean_cosine_x.to_numpy(), abs=0.05)
    short = seen[seen.length == SHORT]
    assert short.stable_rank_now.to_numpy() == pytest.approx(short.stable_rank_x.to_numpy())
    pairs = sweep.pairs.query("stage == 'post'").merge(found.pairs, on=["length", "layer", "head"])
    assert pairs.cosine_y.to_numpy() == pytest.approx(pairs.cosine_x.to_numpy(), abs=0.05)
    assert pairs.silhouette_y.to_numpy() == pytest.approx(pairs.silhouette_x.to_numpy(), abs=0.1)
    assert (pairs.key_head_x == pairs.key_head_y).all()


@pytest.mark.parametrize("kind", MODELS)
def test_frequencies_are_those_of_the_config(kind):
    model, found = small(kind), {}
    turning = {each.layer: each for each in rotations(model.network)}

    def visit(vectors):
        found[vectors.layer] = measured_frequencies(vectors, turning[vectors.layer])

    with torch.inference_mode(), captured(model.network, visit):
        model.network(random_tokens(SHORT)[None], use_cache=False)
    for rotary in read_model(model.network.config.to_dict()).rotaries:
        for layer in rotary.layers:
            expected = np.zeros(len(found[layer]))
            inv_freq, _ = rotary.spectrum(SHORT)
            expected[: len(inv_freq)] = inv_freq
            assert found[layer] == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_layers_with_a_window_are_told_apart():
    windows = forecast(small("gemma3"), random_tokens(SHORT), [LONG]).keys.groupby("layer").window.first()
    assert windows.isna().any()
    assert windows.notna().any()


def test_the_moment_that_is_forecast_from_is_that_of_the_keys():
    model, moments = small("llama"), {}

    def visit(vectors):
        key = vectors.key_pre[0, 1].double().numpy()
        moments[vectors.layer] = key.T @ key, (key / np.linalg.norm(key, axis=1, keepdims=True)).mean(axis=0)

    tokens = random_tokens(SHORT)
    with torch.inference_mode(), captured(model.network, visit):
        model.network(tokens[None], use_cache=False)
    inv_freq = read_model(model.network.config.to_dict()).rotaries[0].spectrum(SHORT)[0]
    expected = [forecast_cloud(*moments[layer], inv_freq, LONG) for layer in sorted(moments)]
    keys = forecast(model, tokens, [LONG]).keys.query("head == 1")
    assert keys.stable_rank.tolist() == pytest.approx(
        [float(each.stable_rank) for each in expected], rel=1e-3
    )
    assert keys.fsv_ratio.tolist() == pytest.approx([float(each.fsv_ratio) for each in expected], rel=1e-3)


def test_channels_are_put_in_half_split_order():
    layer = rotations(small("gpt_neox").network)[0]
    assert (layer.layout, layer.channels) == ("half_split", range(4))
    assert half_split_order(8, layer) == [0, 1, 4, 5, 2, 3, 6, 7]


def test_what_cannot_be_forecast_is_refused(refuses):
    model, tokens = small("llama"), random_tokens(SHORT)
    refuses(lambda: forecast(model, tokens, []), "lengths must be whole numbers of at least 2 tokens, got []")
    refuses(
        lambda: forecast(model, tokens[:10], [LONG]), "tokens must be at least 64 to forecast from, got 10"
    )
    dynamic = small("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    refuses(
        lambda: forecast(dynamic, tokens, [LONG]),
        "model must rotate alike at every length to forecast from a short one, and llama does not",
    )


def test_the_tables_hold_where_a_trend_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path)
    model, tokens = small("llama"), random_tokens(128)
    found = forecast_tables(model, tokens, [256, 128])
    assert set(found["keys"].read) == {128}
    assert sorted(found["keys"].length.unique()) == [128, 256]
    half = forecast(model, tokens[:64], [128]).keys
    assert found["keys"].query("length == 256").stable_rank_half.tolist() == half.stable_rank_now.tolist()
    assert found["pairs"].read.eq(128).all()
    again = forecast_tables(model, tokens, [128, 256])
    assert again["keys"].equals(found["keys"])
