"""Geometry of clouds of queries and keys.

X holds one vector per token, shape `(length, dim)`. How many directions it fills follows from its second
moment XᵀX, shape `(..., dim, dim)`, taken about the origin as paper B does; how tight it is, and how far from
another cloud, from the directions of its vectors, x/‖x‖. Leading dimensions are heads.
"""

import torch


def second_moment(x):
    """XᵀX of vectors `(..., length, dim)`, as float64 of shape `(..., dim, dim)` on the CPU."""
    x = x.float()  # the sum over many tokens needs more digits than bfloat16 has
    return (x.mT @ x).cpu().double()


def frobenius_norm(moment):
    """‖X‖_F: the square root of the trace. Rotations preserve it (paper B, Lemma 2, claim B5)."""
    return moment.diagonal(dim1=-2, dim2=-1).sum(-1).sqrt()


def first_singular_value(moment):
    """‖X‖₂, the largest singular value of X, shape `(...)`.

    >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    >>> round(first_singular_value(second_moment(x)).item(), 6)
    3.0
    """
    return torch.linalg.eigvalsh(moment)[..., -1].clamp(min=0).sqrt()


def stable_rank(moment):
    """‖X‖_F²/‖X‖₂², from 1 (one direction) to dim (all directions alike); paper B, Theorem 1 (claim B6).

    Its inverse is the share of the variance about the origin that the first principal component explains.

    >>> round(stable_rank(torch.eye(4).double()).item(), 6)
    4.0
    """
    return (frobenius_norm(moment) / first_singular_value(moment)) ** 2


def principal_axes(moment, count=2):
    """The `count` leading eigenvectors of the second moment, shape `(..., dim, count)`, strongest first.

    Each is signed so that its largest entry is positive, which makes projections reproducible.
    """
    axes = torch.linalg.eigh(moment).eigenvectors.flip(-1)[..., :count]
    largest = axes.abs().argmax(dim=-2, keepdim=True)
    return axes * axes.gather(-2, largest).sign()


def mean_cosine_within(direction_sum, count):
    """Mean cosine between two different vectors of a cloud, from the sum `(..., dim)` of their directions.

    The square of the sum holds every pair twice and every vector with itself once: no pair is visited.

    >>> directions = torch.eye(2)
    >>> round(mean_cosine_within(directions.sum(0), 2).item(), 6)
    0.0
    """
    return ((direction_sum**2).sum(-1) - count) / (count * (count - 1))


def silhouette(keys, queries):
    """Mean silhouette coefficient of two clouds `(..., tokens, dim)` by cosine distance, shape `(...)`.

    For each vector (b − a)/max(a, b), with a its mean distance to the others of its own cloud and b that to
    the other cloud: 1 for tight clouds far apart, 0 where they overlap, below where vectors lie nearer to
    the other cloud. Needs two vectors or more in each cloud.

    >>> keys, queries = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[-1.0, 0.0], [-2.0, 0.0]]])
    >>> silhouette(keys, queries).item()
    1.0
    """
    keys, queries = (torch.nn.functional.normalize(x.double(), dim=-1) for x in (keys, queries))
    values = []
    for own, other in ((keys, queries), (queries, keys)):
        count = own.shape[-2]
        total = own.sum(-2, keepdim=True)
        within = 1 - ((own * (total - own)).sum(-1) / (count - 1))
        between = 1 - (own * other.mean(-2, keepdim=True)).sum(-1)
        largest = torch.maximum(within, between)
        values.append(torch.where(largest > 0, (between - within) / largest, 0.0))
    return torch.cat(values, dim=-1).mean(-1)


def davies_bouldin(keys, queries):
    """Davies–Bouldin index of the directions of two clouds `(..., tokens, dim)`, shape `(...)`.

    The clouds' mean distances from their centers, added, over the distance of the centers, all between
    vectors scaled to length one: 0 for two points, large for clouds that overlap.

    >>> keys, queries = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[-1.0, 0.0], [-2.0, 0.0]]])
    >>> davies_bouldin(keys, queries).item()
    0.0
    """
    keys, queries = (torch.nn.functional.normalize(x.double(), dim=-1) for x in (keys, queries))
    centers = [x.mean(-2, keepdim=True) for x in (keys, queries)]
    spread = [(x - center).norm(dim=-1).mean(-1) for x, center in zip((keys, queries), centers, strict=True)]
    return (spread[0] + spread[1]) / (centers[0] - centers[1]).norm(dim=-1).squeeze(-1)
