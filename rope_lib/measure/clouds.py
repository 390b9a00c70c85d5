"""The clouds of queries and keys of one layer, each reduced to a few numbers for every head."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from .geometry import (
    davies_bouldin,
    frobenius_norm,
    mean_cosine_within,
    principal_axes,
    second_moment,
    silhouette,
    stable_rank,
)

# Tokens of each length, evenly spaced, whose vectors are plotted and compared pair by pair.
SAMPLE = 128


@dataclass(frozen=True)
class Cloud:
    """One vector for each token and head, `x` of shape `(heads, length, dim)`: a layer's queries or keys."""

    x: torch.Tensor

    @property
    def heads(self) -> int:
        """Number of heads."""
        return len(self.x)

    @property
    def length(self) -> int:
        """Number of tokens."""
        return self.x.shape[1]

    @cached_property
    def norms(self) -> torch.Tensor:
        """Norm of each vector, `(heads, length)`."""
        by_token = self.x.transpose(0, 1)  # in the order of memory, which takes a third of the time
        return by_token.float().norm(dim=-1).T

    @cached_property
    def sums(self) -> torch.Tensor:
        """Sum of the vectors and sum of their directions, float64 `(heads, 2, dim)`."""
        weights = torch.stack([torch.ones_like(self.norms), 1 / self.norms.clamp(min=1e-30)], dim=1)
        return (weights @ self.x.float()).cpu().double()

    @cached_property
    def moment(self) -> torch.Tensor:
        """Second moment, float64 `(heads, dim, dim)`."""
        return second_moment(self.x)

    @property
    def sampled(self) -> NDArray[np.int64]:
        """Positions of the sample, `(sample,)`."""
        return np.unique(np.linspace(0, self.length - 1, min(SAMPLE, self.length)).astype(int))

    @cached_property
    def sample(self) -> torch.Tensor:
        """The vectors of the sample, float64 `(heads, sample, dim)`."""
        return self.x[:, torch.from_numpy(self.sampled)].cpu().double()


def cloud_columns(cloud: Cloud) -> dict[str, torch.Tensor]:
    """For each head: stable rank, first singular value, norms of token 0 and of the others, mean cosine."""
    ranks = stable_rank(cloud.moment)
    return {
        "stable_rank": ranks,
        "first_singular_value": frobenius_norm(cloud.moment) / ranks.sqrt(),  # no second eigenproblem
        "first_norm": cloud.norms[:, 0],
        "mean_norm": cloud.norms[:, 1:].mean(dim=-1),
        "mean_cosine": mean_cosine_within(cloud.sums[:, 1], cloud.length),
    }


def pair_columns(keys: Cloud, queries: Cloud) -> dict[str, torch.Tensor]:
    """For each query head and its keys: mean cosine and dot product over all pairs, measures of overlap."""
    group = queries.heads // keys.heads
    sums = keys.sums.repeat_interleave(group, dim=0)
    dot, cosine = ((sums * queries.sums).sum(-1) / (keys.length * queries.length)).T
    sample = keys.sample.repeat_interleave(group, dim=0)
    return {
        "key_head": torch.arange(queries.heads) // group,
        "cosine": cosine,
        "dot_product": dot,
        "silhouette": silhouette(sample, queries.sample),
        "davies_bouldin": davies_bouldin(sample, queries.sample),
    }


def shared_axes(keys: Cloud, queries: Cloud) -> torch.Tensor:
    """Principal axes of each key head's keys and its first query head's queries, `(key_heads, dim, 2)`."""
    return principal_axes(keys.moment + queries.moment[:: queries.heads // keys.heads])


def coordinates(cloud: Cloud, axes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Coordinates (x, y) of the sample on `axes` `(key_heads, dim, 2)`, each `(key_heads, sample)`.

    For queries, those of the first query head of each key head.
    """
    group = cloud.heads // len(axes)
    return (cloud.sample[::group] @ axes).unbind(-1)


def norm_profile(cloud: Cloud, bins: Iterable[tuple[int, int]]) -> torch.Tensor:
    """Mean norm in bins of positions, (first, last), shape `(heads, bins)`."""
    return torch.stack([cloud.norms[:, first : last + 1].mean(-1) for first, last in bins], dim=-1)
