"""Gemma 3 270M, joined from its packages and read through transformers, against Gemma's formulas in numpy."""

from functools import cache

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from rope_lib.measure.every_model import windows
from rope_lib.measure.load import token_ids
from rope_lib.measure.subjects import SUBJECTS, load_subject
from rope_lib.measure.texts import text

pytestmark = [pytest.mark.model, pytest.mark.slow]

HEADS, DIM, LAYERS, WINDOW = 4, 256, 18, 512
EPSILON = 1e-6


@cache
def tensors():
    """The weights of the file by name, as llama.cpp would dequantize them, and the model they belong to."""
    try:
        file = SUBJECTS["Gemma 3 270M"].file()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = {}
    for tensor in GGUFReader(file).tensors:
        numbers = dequantize(tensor.data, tensor.tensor_type)
        found[tensor.name.removesuffix(".weight")] = numbers.reshape(tensor.shape.tolist()[::-1])
    return found, load_subject("Gemma 3 270M")


def norm(x, weight):
    """RMSNorm. The file holds weights to multiply by: llama.cpp's converter added Gemma's 1 to them."""
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * weight


def turned(x, base):
    """Each pair (i, i + DIM/2) of vectors `(tokens, heads, DIM)` turned by position × base^(-2i/DIM)."""
    angles = np.arange(len(x))[:, None, None] * base ** (-np.arange(0, DIM, 2) / DIM)
    first, second = np.split(x, 2, axis=-1)
    cos, sin = np.cos(angles), np.sin(angles)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def layer_by_hand(x, number, w):
    """One of Gemma's layers on the stream `(tokens, width)`."""
    full = (number + 1) % 6 == 0
    base = 1e6 if full else 1e4
    h = norm(x, w["attn_norm"])
    query = norm((h @ w["attn_q"].T).reshape(len(x), HEADS, DIM), w["attn_q_norm"])
    key = norm((h @ w["attn_k"].T).reshape(len(x), 1, DIM), w["attn_k_norm"])
    value = h @ w["attn_v"].T
    scores = np.einsum("qhd,kd->hqk", turned(query, base), turned(key, base)[:, 0]) / np.sqrt(DIM)
    distance = np.arange(len(x))[:, None] - np.arange(len(x))
    scores[:, (distance < 0) | ((distance >= WINDOW) & (not full))] = -np.inf
    attention = np.exp(scores - scores.max(-1, keepdims=True))
    attention /= attention.sum(-1, keepdims=True)
    mixed = np.einsum("hqk,kd->qhd", attention, value).reshape(len(x), -1)
    x = x + norm(mixed @ w["attn_output"].T, w["post_attention_norm"])
    h = norm(x, w["ffn_norm"])
    gate = h @ w["ffn_gate"].T
    gelu = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return x + norm((gelu * (h @ w["ffn_up"].T)) @ w["ffn_down"].T, w["post_ffw_norm"])


def test_every_logit_is_that_of_the_formulas():
    """Beyond a window, so that both kinds of layers show."""
    found, model = tensors()
    tokens = token_ids(model, text("language reference"))[: WINDOW + 64]
    x = found["token_embd"][tokens.numpy()].astype(np.float64) * np.sqrt(640)
    for number in range(LAYERS):
        prefix = f"blk.{number}."
        weights = {name.removeprefix(prefix): w for name, w in found.items() if name.startswith(prefix)}
        x = layer_by_hand(x, number, weights)
    expected = norm(x, found["output_norm"])[-8:] @ found["token_embd"].T
    with torch.inference_mode():
        logits = model.network(tokens[None], use_cache=False).logits[0, -8:].double().numpy()
    assert np.abs(logits - expected).max() < 2e-3 * np.abs(expected).max()


def test_it_reads_english_well():
    _, model = tensors()
    tokens = token_ids(model, text("licenses"))[None, :512]
    with torch.inference_mode():
        assert model.network(tokens, labels=tokens, use_cache=False).loss < 3


def test_five_layers_with_a_window_then_a_full_one():
    _, model = tensors()
    assert windows(model.network) == {layer: None if layer % 6 == 5 else WINDOW for layer in range(LAYERS)}
