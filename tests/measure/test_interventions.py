"""Interventions on small random models: each against dense attention in float64, built from the vectors
before the rotation by the theory's own `rotate`, one query at a time; retrofits against transformers' own."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as t
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from rope_lib.measure import held as held_module
from rope_lib.measure.attending import keys_repeated
from rope_lib.measure.held import Held, all_but, cluster, everything, key_centers, layer_turns, sink
from rope_lib.measure.intercept import captured, rotary_module
from rope_lib.measure.interventions import (
    UNCHANGED,
    Spectrum,
    Temperature,
    interventions,
    logarithmic_temperature,
)
from rope_lib.measure.load import LanguageModel
from rope_lib.theory.oscillators import frequencies, rotate

pytestmark = pytest.mark.slow  # hundreds of tiny models, ten seconds together

# The block of queries in torch's kernel divides 32, as it divides the training lengths of real models.
LENGTH, TRAINED, BASE = 52, 32, 10_000.0
SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": TRAINED,
    "attn_implementation": "sdpa",
    "initializer_range": 0.3,  # large weights: attention must favor some positions for rotation to matter
    "pad_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": BASE},
}
PARTIAL = {"rope_type": "default", "rope_theta": BASE, "partial_rotary_factor": 0.5}
SHARED_KEY = {  # multi-head latent attention: the rotating channels of the key are the same in every head
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 4,
    "first_k_dense_replace": 3,
}
# name → (config, its values, layout, rotating channels)
MODELS = {
    "llama": (t.LlamaConfig, {}, "half_split", range(8)),
    "qwen3": (t.Qwen3Config, {}, "half_split", range(8)),
    "gpt_neox": (t.GPTNeoXConfig, {"rope_parameters": PARTIAL}, "half_split", range(4)),
    "cohere": (t.CohereConfig, {}, "interleaved", range(8)),
    "deepseek_v3": (t.DeepseekV3Config, SHARED_KEY, "half_split", range(8, 16)),
    "smollm3": (t.SmolLM3Config, {"no_rope_layers": [1, 0, 1]}, "half_split", range(8)),
}
NAMES = (
    "unchanged", "linear", "ntk", "yarn", "llama3", "hope", "temperature", "clipped", "sink", "all_but_sink",
    "cluster", "all_but_cluster",
)  # fmt: skip
HELD = ("clipped", "sink", "all_but_sink", "cluster", "all_but_cluster")


def build(config, **values):
    """A random model; norms differ from one so that a layer that forgets one of them shows."""
    torch.manual_seed(0)
    values = SIZES | values
    if config in (t.DeepseekV3Config, t.FalconConfig):  # which compute it
        values.pop("head_dim")
    network = t.AutoModelForCausalLM.from_config(config(**values)).eval()
    for name, parameter in network.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return LanguageModel("tiny", network, None, "0" * 64)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(1, 64, (LENGTH,), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=MODELS)
def case(request, tokens):
    """(name, model, its centers, its interventions by name)."""
    config, values, *_ = MODELS[request.param]
    model = build(config, **values)
    centers = key_centers(model, tokens[:TRAINED])
    return request.param, model, centers, {each.name: each for each in interventions(model, centers)}


@pytest.fixture(scope="module")
def llama(tokens):
    model = build(t.LlamaConfig)
    return model, key_centers(model, tokens[:TRAINED])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(held_module, "CHUNK", 7)  # so that a chunk ends within, at and beyond the reach


def run(model, tokens, intervention=UNCHANGED):
    with torch.inference_mode(), intervention.applied(model.network):
        return model.network(torch.atleast_2d(tokens), use_cache=False).logits


@contextmanager
def spying():
    """Within the context, a dict from layer to (query, key, value, scaling, output) of its attention."""
    seen, inner = {}, ALL_ATTENTION_FUNCTIONS["sdpa"]

    def spy(layer, query, key, value, mask, **options):
        output = inner(layer, query, key, value, mask, **options)
        seen[layer.layer_idx] = (query[0], key[0], value[0], options["scaling"], output[0][0])
        return output

    ALL_ATTENTION_FUNCTIONS["sdpa"] = spy
    try:
        yield seen
    finally:
        ALL_ATTENTION_FUNCTIONS["sdpa"] = inner


def attended(model, tokens, intervention):
    """What each layer's attention took and gave under an intervention, and its vectors before rotation."""
    before = {}

    def visit(vectors):
        before[vectors.layer] = vectors.query_pre[0].double().numpy(), vectors.key_pre[0].double().numpy()

    network = model.network
    with torch.inference_mode(), intervention.applied(network), captured(network, visit), spying() as seen:
        network(tokens[None], use_cache=False)
    return before, seen


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def dense(scores_at, query, key, value, scaling):
    """Attention `(length, query_heads, dim)`; `scores_at(t, head, q, k)` scores query t and keys 0 … t."""
    group = len(query) // len(key)
    output = np.zeros((query.shape[1], len(query), value.shape[-1]))
    for head in range(len(query)):
        k, v = key[head // group], value[head // group].double().numpy()
        for at in range(query.shape[1]):
            scores = scores_at(at, head // group, query[head, at], k[: at + 1])
            output[at, head] = softmax(scaling * scores) @ v[: at + 1]
    return output


def reference(name, intervention, layout, channels, center):
    """The score of one query with the keys before it, from the definition of each intervention."""
    freqs, factor = frequencies(BASE, len(channels)), 1.0
    if isinstance(intervention, Spectrum):
        freqs, factor = intervention.inv_freq, intervention.attention_factor

    def turn(x, distance):
        x = x.copy()
        x[:, channels.start : channels.stop] = factor * rotate(
            x[:, channels.start : channels.stop], -distance, freqs, layout
        )
        return x

    def scores_at(at, key_head, q, k):
        distance = at - np.arange(at + 1)
        clipped = np.minimum(distance, TRAINED - 1)
        if name in ("sink", "all_but_sink"):
            distance[0 if name == "sink" else slice(1, None)] = clipped[
                0 if name == "sink" else slice(1, None)
            ]
            seen = turn(k, distance)
        elif name == "clipped":
            seen = turn(k, clipped)
        elif name in ("cluster", "all_but_cluster"):
            c = np.tile(center[key_head], (at + 1, 1))
            content, shared = (distance, clipped) if name == "cluster" else (clipped, distance)
            seen = turn(k - c, content) + turn(c, shared)
        else:
            seen = turn(k, distance)
        q = q.copy()
        q[channels.start : channels.stop] *= factor
        if name == "temperature":
            q *= (1 + 0.1 * np.log(max(at, TRAINED) / TRAINED)) ** 2
        return seen @ q

    return scores_at


@pytest.mark.parametrize("name", NAMES)
def test_attention_is_the_dense_one_of_the_definition(case, name, tokens):
    architecture, model, centers, by_name = case
    layout, channels = MODELS[architecture][2:]
    before, seen = attended(model, tokens, by_name[name])
    assert sorted(before) == [0, 1, 2]
    for layer, (query, key) in before.items():
        _, _, value, scaling, output = seen[layer]
        if layer in centers:
            center = centers[layer].double().numpy()
            scores_at = reference(name, by_name[name], layout, channels, center)
        else:  # does not rotate; temperature alone acts there
            scores_at = partial(unrotated_scores, name)
        expected = dense(scores_at, query, key, value, scaling)
        assert np.allclose(output.numpy(), expected, rtol=0, atol=3e-4 * np.abs(expected).max())


def unrotated_scores(name, at, key_head, q, k):
    factor = (1 + 0.1 * np.log(max(at, TRAINED) / TRAINED)) ** 2 if name == "temperature" else 1.0
    return factor * (k @ q)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_attention(case, name, tokens):
    _, model, _, by_name = case
    intervention = by_name[name]
    _, seen = attended(model, tokens, intervention)
    positions = torch.tensor([3, TRAINED - 1, TRAINED, TRAINED + 9, LENGTH - 1])
    for layer, (query, key, value, scaling, output) in seen.items():
        scores = intervention.scores(layer, query[:, positions], key, positions)
        assert scores.shape == (4, 5, LENGTH)
        future = torch.arange(LENGTH) > positions[:, None]
        shares = (scores * scaling).masked_fill(future, -torch.inf).softmax(dim=-1)
        expected = shares @ value.repeat_interleave(len(query) // len(value), dim=0)
        assert torch.allclose(expected.transpose(0, 1), output[positions], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [TRAINED, TRAINED + 1, LENGTH])
def test_the_last_token_scores_the_keys_that_it_sees(case, name, length, tokens):
    _, model, _, by_name = case
    intervention = by_name[name]
    _, seen = attended(model, tokens, intervention)
    for layer, (query, key, *_) in seen.items():
        last = torch.tensor([length - 1])
        scores = intervention.scores(layer, query[:, last], key[:, :length], last)
        if name != "temperature":  # which acts on queries
            keys = intervention.seen_keys(layer, key[:, :length])
            expected = UNCHANGED.scores(layer, query[:, last], keys, last)
            assert torch.allclose(scores, expected, atol=1e-5 * expected.abs().max(), rtol=0)
        else:
            assert intervention.seen_keys(layer, key) is key


@pytest.mark.parametrize("name", ["temperature", *HELD])
def test_tokens_within_the_reach_are_what_they_were_to_the_bit(case, name, tokens):
    _, model, _, by_name = case
    unchanged, changed = run(model, tokens), run(model, tokens, by_name[name])
    assert torch.equal(unchanged[:, :TRAINED], changed[:, :TRAINED])
    # Those beyond change: by `sink` only where token 0 has attention, by all others wherever they act.
    assert not torch.allclose(unchanged[:, TRAINED:], changed[:, TRAINED:])
    within = tokens[:TRAINED]
    assert torch.equal(run(model, within), run(model, within, by_name[name]))


def test_a_reach_beyond_the_input_changes_no_bit(llama, tokens):
    model, centers = llama
    held = Held("far", "far", LENGTH, everything, layer_turns(model.network), centers)
    assert torch.equal(run(model, tokens), run(model, tokens, held))
    assert torch.equal(run(model, tokens), run(model, tokens, Temperature("late", "late", LENGTH)))


def test_nothing_held_is_unchanged_and_parts_complement_each_other(llama, tokens):
    model, centers = llama
    turns = layer_turns(model.network)
    nothing = {layer: torch.zeros_like(center) for layer, center in centers.items()}

    def logits(part):
        return run(model, tokens, Held("held", "held", TRAINED, part, turns, nothing))

    assert torch.allclose(logits(cluster), run(model, tokens), atol=1e-3)
    assert torch.allclose(logits(partial(all_but, cluster)), logits(everything), atol=1e-3)
    assert torch.allclose(logits(partial(all_but, everything)), run(model, tokens), atol=1e-3)
    assert not torch.allclose(logits(everything), run(model, tokens), atol=1e-1)


@pytest.mark.parametrize("chunk", [1, 13, TRAINED, 128])
@pytest.mark.parametrize("part", [everything, sink, cluster])
def test_chunks_do_not_matter(llama, tokens, part, chunk, monkeypatch):
    model, centers = llama
    held = Held("held", "held", TRAINED, part, layer_turns(model.network), centers)
    expected = run(model, tokens, held)
    monkeypatch.setattr(held_module, "CHUNK", chunk)
    assert torch.allclose(run(model, tokens, held), expected, atol=1e-3)


@pytest.mark.parametrize("reach", [1, 2, LENGTH - 1])
def test_any_reach(llama, tokens, reach):
    """Down to 1, where no two tokens are anything but far apart."""
    model, centers = llama
    held = Held("held", "held", reach, everything, layer_turns(model.network), centers)
    before, seen = attended(model, tokens, held)
    for layer, (query, key) in before.items():
        _, _, value, scaling, output = seen[layer]

        def scores_at(at, key_head, q, k):
            distance = np.minimum(at - np.arange(at + 1), reach - 1)
            return rotate(k, -distance, frequencies(BASE, 8), "half_split") @ q

        expected = dense(scores_at, query, key, value, scaling)
        assert np.allclose(output.numpy(), expected, rtol=0, atol=3e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["linear", "temperature", *HELD])
def test_samples_of_a_batch_are_independent(llama, tokens, name):
    model, centers = llama
    intervention = {each.name: each for each in interventions(model, centers)}[name]
    both = torch.stack([tokens, tokens.flip(0)])
    alone = torch.cat([run(model, sample, intervention) for sample in both])
    assert torch.allclose(run(model, both, intervention), alone, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_capture_under_an_intervention_changes_nothing_and_sees_the_rotation(case, name, tokens):
    architecture, model, centers, by_name = case
    layout, channels = MODELS[architecture][2:]
    intervention, network = by_name[name], model.network
    expected = run(model, tokens, intervention)
    if isinstance(intervention, Spectrum):
        freqs, factor = intervention.inv_freq, intervention.attention_factor
    else:
        freqs, factor = frequencies(BASE, len(channels)), 1.0
    layers = []

    def visit(vectors):
        layers.append(vectors.layer)
        if vectors.layer in centers:
            pre, post = (
                x[0, ..., channels.start : channels.stop] for x in (vectors.key_pre, vectors.key_post)
            )
            turned = factor * rotate(pre.double().numpy(), np.arange(LENGTH), freqs, layout)
            assert np.allclose(turned, post.numpy(), atol=2e-4 * np.abs(turned).max())

    with torch.inference_mode(), intervention.applied(network), captured(network, visit):
        assert torch.equal(network(tokens[None], use_cache=False).logits, expected)
    assert layers == [0, 1, 2]


RETROFITS = {
    "linear": {"rope_type": "linear", "factor": 2.0},
    "ntk": {"rope_type": "default", "rope_theta": BASE * 2 ** (8 / 6)},
    "yarn": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": TRAINED},
    "llama3": {
        "rope_type": "llama3",
        "factor": 2.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": TRAINED,
    },
}


@pytest.mark.parametrize("name", RETROFITS)
def test_retrofits_are_those_of_transformers(llama, tokens, name):
    model, centers = llama
    intervention = {each.name: each for each in interventions(model, centers)}[name]
    parameters = {"rope_theta": BASE} | RETROFITS[name]
    config = t.LlamaConfig(**SIZES | {"rope_parameters": parameters, "max_position_embeddings": 2 * TRAINED})
    other = t.LlamaForCausalLM(config).eval()
    other.load_state_dict(model.network.state_dict())
    with torch.inference_mode():
        expected = other(tokens[None]).logits
    assert torch.allclose(run(model, tokens, intervention), expected, atol=2e-3)
    assert not torch.allclose(run(model, tokens), expected, atol=1e-1)


def test_the_model_s_own_spectrum_is_no_intervention(case, tokens):
    architecture, model, *_ = case
    own = Spectrum("own", "own", frequencies(BASE, len(MODELS[architecture][3])))
    assert torch.allclose(run(model, tokens, own), run(model, tokens), atol=2e-3)


def test_slow_pairs_do_not_turn(llama):
    hope = {each.name: each for each in interventions(*llama)}["hope"]
    assert hope.inv_freq.tolist() == [1.0, 0.0, 0.0, 0.0]  # 32 tokens: five turns, half a turn, …


def test_temperatures(tokens, llama):
    factors = logarithmic_temperature(np.arange(LENGTH), TRAINED)
    assert np.array_equal(factors[: TRAINED + 1], np.ones(TRAINED + 1))
    assert np.allclose(factors[TRAINED:], np.log(np.arange(TRAINED, LENGTH)) / np.log(TRAINED))
    model, _ = llama
    logits = run(model, tokens, Temperature("log", "log", TRAINED, logarithmic_temperature))
    assert not torch.allclose(logits, run(model, tokens, Temperature("id", "id", TRAINED)))


def test_centers_are_the_mean_keys_before_rotation(case, tokens):
    _, model, centers, _ = case
    means = {}
    with (
        torch.inference_mode(),
        captured(model.network, lambda v: means.update({v.layer: v.key_pre[0].double().mean(dim=1)})),
    ):
        model.network(tokens[None, :TRAINED], use_cache=False)
    for layer, center in centers.items():
        assert torch.allclose(center.double(), means[layer], atol=1e-5)
    assert set(centers) == set(layer_turns(model.network)) <= set(means)


def test_interventions_have_stable_names_and_labels(case):
    by_name = case[3]
    assert tuple(by_name) == NAMES
    assert len({each.label for each in by_name.values()}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_restored_even_after_an_error(llama, tokens, name):
    model, centers = llama
    intervention = {each.name: each for each in interventions(model, centers)}[name]
    attention, expected = ALL_ATTENTION_FUNCTIONS["sdpa"], run(model, tokens)
    with pytest.raises(RuntimeError, match="stop"), intervention.applied(model.network):
        raise RuntimeError("stop")
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attention
    assert "forward" not in vars(rotary_module(model.network))
    assert torch.equal(run(model, tokens), expected)


def test_on_cuda_every_query_head_attends_with_a_copy_of_its_keys(llama, tokens):
    model, seen = llama[0], []
    expected, torch_attention = run(model, tokens), torch.nn.functional.scaled_dot_product_attention

    def spy(query, key, *args, **options):
        seen.append((query.shape[1], key.shape[1], options.get("enable_gqa", False)))
        return torch_attention(query, key, *args, **options)

    torch.nn.functional.scaled_dot_product_attention = spy
    try:
        for device, heads in (("cuda", 4), ("cpu", 2), ("cuda", 4)):
            with keys_repeated(SimpleNamespace(device=torch.device(device))):
                found = run(model, tokens)
            assert seen == [(4, heads, heads == 2)] * 3
            torch.testing.assert_close(found, expected)
            seen.clear()
        run(model, tokens)
        assert seen == [(4, 2, True)] * 3
    finally:
        torch.nn.functional.scaled_dot_product_attention = torch_attention


def test_interventions_nest(llama, tokens):
    model, centers = llama
    held = Held("held", "held", TRAINED, everything, layer_turns(model.network), centers)
    with Temperature("id", "id", TRAINED).applied(model.network):
        within = ALL_ATTENTION_FUNCTIONS["sdpa"]
        run(model, tokens, held)
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is within


def test_what_cannot_be_intervened_on_is_refused(llama, tokens, refuses):
    model, centers = llama
    network, turns = model.network, layer_turns(model.network)

    def clipped(reach, turns=turns, centers=centers):
        return Held("clipped", "clipped", reach, everything, turns, centers)

    refuses(lambda: clipped(0), "reach must be a whole number from 1 to 2^53, got 0")
    refuses(
        lambda: clipped(8, centers={0: centers[0], 2: centers[2]}),
        "centers must cover every layer that rotates, got none of layer 1",
    )
    refuses(lambda: Temperature("id", "id", 1).factor, "trained must be a whole number from 2 to 2^53, got 1")
    refuses(
        lambda: run(model, tokens, Spectrum("short", "short", np.ones(3))),
        "inv_freq must hold one number for each of 4 pairs, got 3",
    )
    refuses(
        lambda: Spectrum("bad", "bad", np.array([1, np.nan])),
        "inv_freq must be a finite number, got nan at index [1]",
    )
    refuses(lambda: key_centers(model, tokens), "tokens must be from 2 to 32 (the trained length), got 52")
    other = build(t.LlamaConfig, rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    refuses(
        lambda: run(other, tokens, clipped(8)),
        "turns must be those of the model, got those of another than LlamaForCausalLM",
    )
    whole = "model must read whole inputs, without padding, windows or a cache"
    mask = torch.ones(1, LENGTH, dtype=torch.long)
    mask[0, :3] = 0
    with clipped(8).applied(network), torch.inference_mode():
        refuses(lambda: network(tokens[None], attention_mask=mask), whole)
        cache = network(tokens[None, :8], use_cache=True).past_key_values
        refuses(lambda: network(tokens[None, 8:9], past_key_values=cache), whole)


REFUSED = {
    "window": (
        t.MistralConfig,
        {"sliding_window": 8},
        "model must attend to all earlier tokens by a plain softmax, but layer 0 of MistralForCausalLM has a "
        "window, saturating scores or learned sinks",
    ),
    "eager": (
        t.LlamaConfig,
        {"attn_implementation": "eager"},
        "model must attend through transformers' 'sdpa', got LlamaForCausalLM with 'eager'",
    ),
    "falcon": (
        t.FalconConfig,
        {},
        "model must attend through transformers' 'sdpa', got FalconForCausalLM with 'sdpa'",
    ),
    "scaled": (
        t.LlamaConfig,
        {"rope_parameters": {"rope_type": "linear", "rope_theta": BASE, "factor": 2.0}},
        "model must use unscaled RoPE, got rope_type 'linear'",
    ),
    "dynamic": (
        t.LlamaConfig,
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": BASE, "factor": 2.0}},
        "model must rotate alike at every length, got rope_type 'dynamic'",
    ),
    "two spectra": (
        t.Gemma3TextConfig,
        {"rope_parameters": None},
        "model must rotate all layers by one spectrum, got Gemma3ForCausalLM",
    ),
    "no rotation": (
        t.GPT2Config,
        {},
        "model must compute its rotation in one rotary_emb module, got GPT2LMHeadModel",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_plain_rotating_attention_is_refused(reason, refuses):
    config, values, message = REFUSED[reason]
    model = build(config, **values)
    refuses(lambda: interventions(model, dict.fromkeys(range(3), torch.zeros(2, 8))), message)
