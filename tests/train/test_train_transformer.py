"""The small transformer against transformers' Llama, finite differences and the theory's rotation."""

import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.oscillators import rotate as rotate_by_theory
from rope_lib.theory.precision import Arithmetic, direct_product
from rope_lib.theory.scaling import scaled_frequencies
from rope_lib.train.config import Shape
from rope_lib.train.spectrum import Rotation, Spectrum, band
from rope_lib.train.transformer import Transformer, rotate

SMALL = Shape(layers=2, width=32, heads=4, head_dim=8, key_value_heads=2, hidden=48)
EXACT = Arithmetic("float64", "float64", "float64")
ROPE = Rotation(tuple(frequencies(10_000, 8)), arithmetic=EXACT)


def build(shape=SMALL, seed=0, vocabulary=50):
    return Transformer(shape, vocabulary, torch.Generator().manual_seed(seed))


def draw(*size, vocabulary=50, seed=1):
    return torch.randint(vocabulary, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def tokens():
    return draw(3, 40)


LLAMA = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.query.weight": "self_attn.q_proj.weight",
    "attention.key.weight": "self_attn.k_proj.weight",
    "attention.value.weight": "self_attn.v_proj.weight",
    "attention.out.weight": "self_attn.o_proj.weight",
    "network_norm.weight": "post_attention_layernorm.weight",
    "network.gate.weight": "mlp.gate_proj.weight",
    "network.up.weight": "mlp.up_proj.weight",
    "network.out.weight": "mlp.down_proj.weight",
}


def as_llama(model, base, **rope):
    """transformers' Llama with the weights of `model`."""
    shape = model.shape
    config = LlamaConfig(
        vocab_size=model.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        rms_norm_eps=shape.norm_epsilon,
        max_position_embeddings=64,
        tie_word_embeddings=shape.tied,
        rope_parameters={"rope_type": "default", "rope_theta": base, **rope},
    )
    names = {"embedding.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
    names |= {"head.weight": "lm_head.weight"}
    for layer in range(shape.layers):
        names |= {f"blocks.{layer}.{own}": f"model.layers.{layer}.{theirs}" for own, theirs in LLAMA.items()}
    weights = {names[name]: value.clone() for name, value in model.state_dict().items()}
    if shape.tied:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    llama = LlamaForCausalLM(config).eval()
    llama.load_state_dict(weights)
    return llama


@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_and_loss_are_those_of_transformers_llama(tokens, key_value_heads, tied):
    shape = Shape(
        layers=3, width=32, heads=4, head_dim=8, key_value_heads=key_value_heads, hidden=48, tied=tied
    )
    model = build(shape)
    for norm in (part for name, part in model.named_parameters() if "norm" in name):
        norm.data.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(2))  # all ones would hide a swap
    llama = as_llama(model, base=500.0)
    with torch.inference_mode():
        logits = model(tokens, Spectrum(base=500.0).at(40, 40, 8))
        theirs = llama(tokens, labels=tokens, use_cache=False)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert torch.allclose(logits, theirs.logits, atol=1e-5)
    assert loss.item() == pytest.approx(theirs.loss.item(), abs=1e-5)
    assert logits.std() > 0.05


def test_yarn_is_that_of_transformers_and_moves_the_logits(tokens):
    model = build()
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
    with torch.inference_mode():
        theirs = as_llama(model, base=10_000.0, **yarn)(tokens, use_cache=False).logits
        logits = model(tokens, Spectrum("yarn", parameters={"factor": 4}).at(40, 16, 8))
        plain = model(tokens, Spectrum().at(40, 16, 8))
    assert torch.allclose(logits, theirs, atol=1e-5)
    assert (plain - theirs).abs().max() > 1e-3


def test_rotation_is_that_of_the_theory():
    x = torch.randn(2, 3, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = rotate(x, *map(torch.from_numpy, ROPE.tables(20, shift=7)))
    expected = rotate_by_theory(x.numpy(), np.arange(7, 27), np.array(ROPE.inv_freq), "half_split")
    assert np.allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_tables_are_rounded_as_the_theory_rounds_them(dtype):
    arithmetic = Arithmetic(dtype, dtype, "float32")
    cos, sin = Rotation(tuple(frequencies(10_000, 8)), arithmetic=arithmetic).tables(100, shift=900)
    expected = direct_product(np.arange(900, 1000), 10_000, 8, arithmetic)
    assert np.array_equal(cos, expected[0])
    assert np.array_equal(sin, expected[1])
    exact = np.cos(np.arange(900, 1000)[:, None] * frequencies(10_000, 8))
    error = np.abs(cos - exact).max()
    assert error < 1e-7 if dtype == "float64" else error > 2e-6


@pytest.mark.parametrize("temperature", ["none", "rope_id", "log_length"])
def test_a_shift_of_all_positions_changes_nothing(tokens, temperature):
    rotation = Rotation(ROPE.inv_freq, 1.2, EXACT, temperature, trained=16)
    model = build().double()
    with torch.inference_mode():
        here, there = model(tokens, rotation), model(tokens, rotation, shift=10_000)
        stretched = model(tokens, Rotation(tuple(2 * f for f in ROPE.inv_freq), 1.2, EXACT, temperature, 16))
    assert torch.allclose(here, there, atol=1e-10)
    assert (here - stretched).abs().max() > 1e-3


def test_bfloat16_angles_do_not_survive_a_shift(tokens):
    model, coarse = build(), Arithmetic("bfloat16", "bfloat16", "float32")
    rotation = Rotation(ROPE.inv_freq, arithmetic=coarse)
    with torch.inference_mode():
        assert (model(tokens, rotation) - model(tokens, rotation, shift=10_000)).abs().max() > 1e-2


def test_the_future_is_never_seen(tokens):
    model = build()
    changed = tokens.clone()
    changed[:, 25:] = (changed[:, 25:] + 1) % 50
    with torch.inference_mode():
        before, after = model(tokens, ROPE), model(changed, ROPE)
    assert torch.equal(before[:, :25], after[:, :25])
    assert ((before[:, 25:] - after[:, 25:]).abs().amax(-1) > 1e-4).all()


def test_without_rotation_earlier_tokens_are_a_set(tokens):
    """NoPE: one layer's last query cannot see an order; with RoPE it can."""
    model = build(Shape(layers=1, width=32, heads=2, head_dim=8))
    swapped = tokens.clone()
    swapped[:, [3, 20]] = swapped[:, [20, 3]]
    nope = Spectrum("nope").at(40, 40, 8)
    with torch.inference_mode():
        assert torch.allclose(model(tokens, nope)[:, -1], model(swapped, nope)[:, -1], atol=1e-5)
        assert (model(tokens, ROPE)[:, -1] - model(swapped, ROPE)[:, -1]).abs().max() > 1e-3


def test_gradients_agree_with_finite_differences():
    shape = Shape(layers=2, width=8, heads=2, head_dim=4, key_value_heads=1, hidden=8)
    model = build(shape, vocabulary=7).double()
    inputs, targets = draw(2, 9, vocabulary=7), draw(2, 9, vocabulary=7, seed=3)
    rotation = Spectrum("yarn", temperature="rope_id").at(9, 4, 4)
    names, weights = zip(*model.named_parameters(), strict=True)

    def loss(*values):
        named = dict(zip(names, values, strict=True))
        logits = torch.func.functional_call(model, named, (inputs, rotation))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    assert torch.autograd.gradcheck(loss, weights, fast_mode=True)
    # And one of them by hand, in case gradcheck and autograd share a fault.
    loss(*weights).backward()
    weight = model.blocks[0].attention.key.weight
    found, step = weight.grad[1, 2].item(), 1e-6
    with torch.no_grad():
        weight[1, 2] += step
        above = loss(*weights).item()
        weight[1, 2] -= 2 * step
        below = loss(*weights).item()
    assert found == pytest.approx((above - below) / (2 * step), rel=1e-5)
    assert abs(found) > 1e-6


def test_an_evaluation_leaves_nothing_behind_that_training_cannot_use():
    model, rotation = build().double(), Rotation((0.7, 0.6, 0.5, 0.4))
    with torch.inference_mode():
        model(draw(1, 11), rotation)
    model(draw(1, 11), rotation).sum().backward()
    assert model.blocks[0].attention.key.weight.grad.abs().sum() > 0


def test_weights_depend_on_the_generator_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = build(seed=1), build(seed=1), build(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.embedding.weight, other.embedding.weight)


def test_an_observer_sees_keys_before_and_after_the_rotation(tokens):
    model, seen = build(), []
    with torch.inference_mode():
        model.stream(tokens, ROPE, observe=lambda *vectors: seen.append(vectors))
    assert [layer for layer, *_ in seen] == [0, 1]
    cos, sin = (torch.from_numpy(table).float() for table in ROPE.tables(40))
    for _, key, query, turned in seen:
        assert (key.shape, query.shape) == ((3, 2, 40, 8), (3, 4, 40, 8))
        assert torch.allclose(rotate(key, cos, sin), turned, atol=1e-5)


def test_temperature_multiplies_the_queries_beyond_the_training_length():
    seen = {}
    for temperature in ("none", "rope_id", "log_length"):
        rotation = Rotation(ROPE.inv_freq, temperature=temperature, trained=16)
        build().stream(
            draw(1, 64), rotation, observe=lambda n, k, q, _, t=temperature: seen.setdefault((t, n), q)
        )
    ratio = (seen["rope_id", 0] / seen["none", 0]).mean(dim=(0, 1, 3))
    assert torch.allclose(ratio[:17], torch.ones(17), atol=1e-5)
    assert ratio[32].item() == pytest.approx((1 + 0.1 * math.log(2)) ** 2, rel=1e-4)
    whole = seen["log_length", 0] / seen["none", 0]
    assert torch.allclose(whole, torch.tensor(6 / 4), rtol=1e-4)


def test_the_temperature_of_the_papers_code_is_log2_of_the_length_over_12():
    rotation = Rotation((1.0,), temperature="log_length", trained=4096)
    assert rotation.query_scale(16_384)[0].item() == pytest.approx(14 / 12)
    assert rotation.query_scale(2048)[0].item() == 1


def test_a_band_of_half_the_pairs_is_rope_id_and_of_all_is_high_freq():
    for scaling, share in (("rope_id", 0.5), ("high_freq", 1.0)):
        named = Spectrum(scaling, parameters={"shortest_period": 8}).at(256, 256, 32)
        free = Spectrum("band", parameters={"shortest_period": 8, "share": share}).at(256, 256, 32)
        assert np.allclose(named.inv_freq, free.inv_freq, rtol=1e-12)
    assert np.count_nonzero(band(16, trained=256, share=0.375)) == 6


@pytest.mark.parametrize("pairs", [2, 3, 4, 5, 7, 16, 33])
def test_a_band_is_rope_id_for_any_number_of_pairs(pairs):
    numbers = {"original_max_position_embeddings": 256}
    for scaling, share in (("rope_id", 0.5), ("high_freq", 1.0)):
        named, _ = scaled_frequencies(scaling, 10_000.0, 2 * pairs, numbers, 256)
        assert np.allclose(band(pairs, trained=256, share=share), named, rtol=1e-12, atol=0)


def test_an_oracle_knows_the_length_of_each_input():
    for scaling, slowest in (("linear", 0.25), ("ntk", 0.25), ("dynamic", 0.25), ("yarn", 0.25)):
        spectrum = Spectrum(scaling)
        assert spectrum.at(64, 64, 8) == Spectrum().at(64, 64, 8) == spectrum.at(32, 64, 8)
        assert spectrum.at(256, 64, 8).inv_freq[-1] == pytest.approx(0.001 * slowest)
    fixed = Spectrum("linear", parameters={"factor": 2})
    assert fixed.at(256, 64, 8) == fixed.at(64, 64, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Spectrum("yarn", parameters={"fator": 2}),
            "parameters of yarn must be among factor, beta_fast, beta_slow, truncate, mscale, "
            "mscale_all_dim, attention_factor, original_max_position_embeddings, got 'fator'",
        ),
        (
            lambda: Spectrum("explicit", parameters={"inv_freq": [1.0, 0.1]}).at(64, 64, 8),
            "inv_freq must hold one number for each of 4 pairs, got (2,)",
        ),
        (
            lambda: band(4, trained=64, shortest_period=64),
            "turns must be at most trained/shortest_period = 1, got 2",
        ),
        (
            lambda: build()(draw(1, 4), Rotation((1.0, 0.1))),
            "inv_freq must hold one number for each of 4 pairs, got 2",
        ),
        (lambda: Shape(heads=4, key_value_heads=3), "key_value_heads must divide heads (4), got 3"),
        (
            lambda: Rotation((1.0,), arithmetic=Arithmetic("float16", "float16")).tables(10, shift=70_000),
            "positions must be within the range of float16, got 70000.0",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(refuses, call, message):
    refuses(call, message)
