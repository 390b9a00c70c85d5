"""The same two vectors moved farther apart: a layer's queries and keys, turned to any distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rope_lib.theory.arguments import Complexes, Floats
from rope_lib.theory.oscillators import to_complex

from .intercept import LayerVectors
from .rotation import LayerRotation

Positions = NDArray[np.int64]

# Tokens from which a layer's frequencies are read.
_READ = 64


@dataclass(frozen=True)
class Turning:
    """A layer's queries and keys before the rotation, as oscillators `(query_heads, length, pairs)`.

    `still` holds the channels of queries and of keys that do not rotate, `freqs` `(pairs,)` the frequencies
    in radians per token, and `scale` what multiplies a dot product to make it a score.
    """

    query: Complexes
    key: Complexes
    still: tuple[Floats, Floats]
    freqs: Floats
    scale: float

    @classmethod
    def of(cls, vectors: LayerVectors, turn: LayerRotation, length: int) -> "Turning":
        """The first `length` tokens of a layer that rotates as `turn` says.

        Its frequencies are read off the keys: by how much each pair turns from one token to the next. Raises
        ValueError for a layer that does not rotate.
        """
        if turn.layout is None:
            raise ValueError(f"layer must rotate to be turned, got layer {turn.layer} without rotation")
        layout = turn.layout
        pre, post, query = (
            x[0, :, :length].double().cpu().numpy()
            for x in (vectors.key_pre, vectors.key_post, vectors.query_pre)
        )
        inside = slice(turn.channels.start, turn.channels.stop)
        turned = (
            to_complex(post[:, :_READ, inside], layout) * to_complex(pre[:, :_READ, inside], layout).conj()
        )
        steps = turned[:, 1:] * turned[:, :-1].conj()
        outside = np.ones(pre.shape[-1], dtype=bool)
        outside[inside] = False
        keys = np.repeat(pre, len(query) // len(pre), axis=0)
        return cls(
            to_complex(query[..., inside], layout),
            to_complex(keys[..., inside], layout),
            (query[..., outside], keys[..., outside]),
            np.angle(steps.sum(axis=(0, 1))),
            vectors.rule.scaling * turn.attention_factor**2,
        )

    def at(self, queries: Positions, keys: Positions, distances: Sequence[int]) -> tuple[Floats, Floats]:
        """Mean score and mean cosine over pairs, each `(distances, query_heads)`, at each of the distances.

        `queries` `(n,)` and `keys` `(query_heads, n)` are positions of the vectors; -1 is no pair.
        """
        heads = np.arange(len(self.query))[:, None]
        q, k = self.query[heads, queries], self.key[heads, keys]
        still = self.still[0][heads, queries], self.still[1][heads, keys]
        norms = [
            np.sqrt((np.abs(z) ** 2).sum(-1) + (s**2).sum(-1)) for z, s in zip((q, k), still, strict=True)
        ]
        turns = np.exp(1j * np.multiply.outer(np.asarray(distances, dtype=float), self.freqs))
        products = np.einsum("hnp,dp->dhn", q * k.conj(), turns).real + (still[0] * still[1]).sum(-1)
        good = keys >= 0
        scores = (self.scale * products * good).sum(-1) / good.sum(-1)
        cosines = (products / (norms[0] * norms[1]) * good).sum(-1) / good.sum(-1)
        return scores, cosines
