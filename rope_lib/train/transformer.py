"""A decoder small enough to read: Llama in miniature, with any rotation.

Each block adds causal attention and a SwiGLU network to the residual stream, both after an RMSNorm. Channels
of a head pair up in the half-split layout: pair i is channels i and i + head_dim/2. Shapes: `batch` inputs of
`length` tokens, `width` channels of the stream, `heads` of `head_dim` channels.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from rope_lib.theory.arguments import even, one, positive, whole


@dataclass(frozen=True)
class Shape:
    """The sizes of a transformer. `key_value_heads` and `hidden` may be left to follow from the others.

    `key_value_heads` (heads): fewer than `heads` is grouped-query attention. `hidden` (8/3 of the width, to a
    multiple of 8): the channels inside SwiGLU. `tied`: the embedding also reads the stream out.

    >>> Shape(layers=2, width=64, heads=2).hidden
    168
    """

    layers: int = 2
    width: int = 128
    heads: int = 4
    head_dim: int = 32
    key_value_heads: int | None = None
    hidden: int | None = None
    tied: bool = True
    norm_epsilon: float = 1e-5

    def __post_init__(self):
        if self.key_value_heads is None:
            object.__setattr__(self, "key_value_heads", self.heads)
        if self.hidden is None:
            object.__setattr__(self, "hidden", 8 * round(self.width / 3))
        for name in ("layers", "width", "heads", "key_value_heads", "hidden"):
            one(whole, name, getattr(self, name), 1)
        one(even, "head_dim", self.head_dim, 2)
        one(positive, "norm_epsilon", self.norm_epsilon)
        if self.heads % self.key_value_heads:
            raise ValueError(f"key_value_heads must divide heads ({self.heads}), got {self.key_value_heads}")


def rotate(x, cos, sin):
    """Turn each pair of channels of `x` `(batch, heads, length, head_dim)`; tables `(length, head_dim/2)`."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Attention(nn.Module):
    """Causal attention: every query attends to the keys up to its own position."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        queries, keys = shape.heads * shape.head_dim, shape.key_value_heads * shape.head_dim
        self.query = nn.Linear(shape.width, queries, bias=False)
        self.key = nn.Linear(shape.width, keys, bias=False)
        self.value = nn.Linear(shape.width, keys, bias=False)
        self.out = nn.Linear(queries, shape.width, bias=False)

    def forward(self, x, cos, sin, scale, observe=None):
        """`x` and the result are `(batch, length, width)`; `scale` `(length, 1)` multiplies the queries."""
        batch, length, _ = x.shape
        query, key, value = (
            project(x).view(batch, length, -1, self.shape.head_dim).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        turned_query, turned_key = rotate(query, cos, sin) * scale, rotate(key, cos, sin)
        if observe is not None:
            observe(key, turned_query, turned_key)
        grouped = self.shape.key_value_heads != self.shape.heads
        mixed = functional.scaled_dot_product_attention(
            turned_query, turned_key, value, is_causal=True, enable_gqa=grouped
        )
        return self.out(mixed.transpose(1, 2).reshape(batch, length, -1))


class SwiGLU(nn.Module):
    """Two layers, the first gated: out(silu(gate·x) * up·x)."""

    def __init__(self, shape):
        super().__init__()
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.out = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x):
        return self.out(functional.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each added to the stream."""

    def __init__(self, shape):
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.attention = Attention(shape)
        self.network_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.network = SwiGLU(shape)

    def forward(self, x, *rotation, observe=None):
        x = x + self.attention(self.attention_norm(x), *rotation, observe=observe)
        return x + self.network(self.network_norm(x))


class Transformer(nn.Module):
    """A decoder over `vocabulary` tokens of a given `Shape`.

    It owns no rotation: each call is given one, so that a trained model can be asked what it does under
    another spectrum, arithmetic or temperature. Weights are drawn from `generator`, and only from it.
    """

    def __init__(self, shape, vocabulary, generator):
        super().__init__()
        self.shape = shape
        self.vocabulary = int(one(whole, "vocabulary", vocabulary, 2))
        with torch.device("meta"):  # no memory and no draws from the global generator
            self.embedding = nn.Embedding(self.vocabulary, shape.width)
            self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
            self.norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
            self.head = None if shape.tied else nn.Linear(shape.width, self.vocabulary, bias=False)
        self.to_empty(device="cpu")
        self._draw_weights(generator)

    def _draw_weights(self, generator):
        """Matrices keep the scale of what passes through them; the two that write into the stream do so
        less, that the stream should not grow with depth. Norms start at 1."""
        for name, weights in self.named_parameters():
            if weights.ndim == 1:
                nn.init.ones_(weights)
            elif name == "embedding.weight":
                # As the head of a tied model it reads a stream of unit channels: logits start near 0.
                nn.init.normal_(weights, std=0.02, generator=generator)
            else:
                depth = 2 * self.shape.layers if name.endswith("out.weight") else 1
                deviation = 1 / math.sqrt(weights.shape[1] * depth)
                nn.init.normal_(weights, std=deviation, generator=generator)

    def stream(self, tokens, rotation, *, shift=0, observe=None):
        """What the last block leaves, normed, `(batch, length, width)`, for `tokens` `(batch, length)`.

        `rotation` is a `Rotation`; positions count from `shift`. `observe(layer, key, turned_query,
        turned_key)` is shown each layer's keys before the rotation and its queries and keys after it,
        `(batch, heads, length, head_dim)`. Raises ValueError for a rotation of another number of pairs.
        """
        length = tokens.shape[1]
        if 2 * len(rotation.inv_freq) != self.shape.head_dim:
            raise ValueError(
                f"inv_freq must hold one number for each of {self.shape.head_dim // 2} pairs, "
                f"got {len(rotation.inv_freq)}"
            )
        x = self.embedding(tokens)
        tables = (*rotation.tables(length, shift), rotation.query_scale(length)[:, None])
        # In the type of the weights, also under autocast: coarser rounding is `arithmetic`'s to choose.
        tables = [table.to(x.device, x.dtype) for table in tables]
        for layer, block in enumerate(self.blocks):
            seen = None if observe is None else _with_layer(observe, layer)
            x = block(x, *tables, observe=seen)
        return self.norm(x)

    def read_out(self, stream):
        """Logits `(..., vocabulary)` of a stream `(..., width)`."""
        return functional.linear(stream, self.embedding.weight) if self.head is None else self.head(stream)

    def forward(self, tokens, rotation, *, shift=0):
        """Logits of the next token at every position, `(batch, length, vocabulary)`."""
        return self.read_out(self.stream(tokens, rotation, shift=shift))


def _with_layer(observe, layer):
    return lambda *vectors: observe(layer, *vectors)
