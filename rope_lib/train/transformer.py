"""A decoder small enough to read: Llama in miniature, with any rotation.

Each block adds causal attention and a SwiGLU network to the residual stream, both after an RMSNorm. Channels
of a head pair up in the half-split layout: pair i is channels i and i + head_dim/2. Shapes: `batch` inputs of
`length` tokens, `width` channels of the stream, `heads` of `head_dim` channels.
"""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from rope_lib.theory.arguments import one, whole

from .config import Shape
from .spectrum import Turning

# What is shown a layer's keys before the rotation and its queries and keys after it.
Observer = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn each pair of channels of `x` `(batch, heads, length, head_dim)`; tables `(length, head_dim/2)`."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Attention(nn.Module):
    """Causal attention: every query attends to the keys up to its own position."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        queries, keys = shape.heads * shape.head_dim, shape.key_value_heads * shape.head_dim
        self.query = nn.Linear(shape.width, queries, bias=False)
        self.key = nn.Linear(shape.width, keys, bias=False)
        self.value = nn.Linear(shape.width, keys, bias=False)
        self.out = nn.Linear(queries, shape.width, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        scale: torch.Tensor,
        observe: Observer | None = None,
    ) -> torch.Tensor:
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

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.out = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` and the result are `(batch, length, width)`."""
        return self.out(functional.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.attention = Attention(shape)
        self.network_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.network = SwiGLU(shape)

    def forward(
        self, x: torch.Tensor, *rotation: torch.Tensor, observe: Observer | None = None
    ) -> torch.Tensor:
        """`x` and the result are `(batch, length, width)`; `rotation` is as in `Attention.forward`."""
        x = x + self.attention(self.attention_norm(x), *rotation, observe=observe)
        return x + self.network(self.network_norm(x))


class Transformer(nn.Module):
    """A decoder over `vocabulary` tokens of a given `Shape`.

    It has no rotation of its own: each call is given one, so that a trained model can be tried under another
    spectrum, arithmetic or temperature. Weights are drawn from `generator` alone.
    """

    def __init__(self, shape: Shape, vocabulary: int, generator: torch.Generator) -> None:
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

    def _draw_weights(self, generator: torch.Generator) -> None:
        """Draw matrices that keep the scale of what passes through them; norms start at 1.

        The two that write into the stream are smaller, so that the stream does not grow with depth.
        """
        for name, weights in self.named_parameters():
            if weights.ndim == 1:
                nn.init.ones_(weights)
            elif name == "embedding.weight":
                # The embedding of a tied model is also its head, which reads a stream of unit channels:
                # with small weights, logits start near 0.
                nn.init.normal_(weights, std=0.02, generator=generator)
            else:
                depth = 2 * self.shape.layers if name.endswith("out.weight") else 1
                deviation = 1 / math.sqrt(weights.shape[1] * depth)
                nn.init.normal_(weights, std=deviation, generator=generator)

    def stream(
        self, tokens: torch.Tensor, rotation: Turning, *, shift: int = 0, observe: Callable | None = None
    ) -> torch.Tensor:
        """The stream after the last block, normed, `(batch, length, width)`, for `tokens` `(batch, length)`.

        `rotation` is usually a `spectrum.Rotation`; positions count from `shift`. Each layer calls
        `observe(layer, key, turned_query, turned_key)` with its keys before the rotation and its queries and
        keys after it, `(batch, heads, length, head_dim)`. Raises ValueError for a rotation with another
        number of pairs.
        """
        length = tokens.shape[1]
        if 2 * len(rotation.inv_freq) != self.shape.head_dim:
            raise ValueError(
                f"inv_freq must hold one number for each of {self.shape.head_dim // 2} pairs, "
                f"got {len(rotation.inv_freq)}"
            )
        x = self.embedding(tokens)
        given = (*rotation.tables(length, shift), rotation.query_scale(length)[:, None])
        # In the type of the weights, also under autocast: only `arithmetic` may choose coarser rounding.
        tables = [torch.from_numpy(table).to(x.device, x.dtype) for table in given]
        for layer, block in enumerate(self.blocks):
            seen = None if observe is None else _with_layer(observe, layer)
            x = block(x, *tables, observe=seen)
        return self.norm(x)

    def read_out(self, stream: torch.Tensor) -> torch.Tensor:
        """Logits `(..., vocabulary)` of a stream `(..., width)`."""
        return functional.linear(stream, self.embedding.weight) if self.head is None else self.head(stream)

    def forward(self, tokens: torch.Tensor, rotation: Turning, *, shift: int = 0) -> torch.Tensor:
        """Logits of the next token at every position, `(batch, length, vocabulary)`."""
        return self.read_out(self.stream(tokens, rotation, shift=shift))


def _with_layer(observe: Callable, layer: int) -> Observer:
    """An observer of one layer, which passes the layer on to `observe`."""
    return lambda *vectors: observe(layer, *vectors)
