"""Geometry of clouds of queries and keys.

X holds one vector per token, shape `(length, dim)`. How many directions it fills follows from its second
moment XᵀX, shape `(..., dim, dim)`, taken about the origin as paper B does; how tight it is, and how far from
another cloud, from the directions of its vectors, x/‖x‖. Leading dimensions are heads.
"""

import torch

from rope_lib.theory import dispersal


def second_moment(x: torch.Tensor) -> torch.Tensor:
    """XᵀX of vectors `(..., length, dim)`, as float64 of shape `(..., dim, dim)` on the CPU.

    >>> second_moment(torch.tensor([[1.0, 2.0]])).tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    x = x.float()  # the sum over many tokens needs more digits than bfloat16 has
    return (x.mT @ x).cpu().double()


def frobenius_norm(moment: torch.Tensor) -> torch.Tensor:
    """‖X‖_F, shape `(...)`: the root of the trace. Rotations keep it (paper B, Lemma 2, claim B5)."""
    return moment.diagonal(dim1=-2, dim2=-1).sum(-1).sqrt()


def first_singular_value(moment: torch.Tensor) -> torch.Tensor:
    """‖X‖₂, the largest singular value of X, shape `(...)`.

    >>> x = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    >>> round(first_singular_value(second_moment(x)).item(), 6)
    3.0
    """
    return singular_values(moment)[..., -1]


def singular_values(moment: torch.Tensor) -> torch.Tensor:
    """The singular values of X, shape `(..., dim)`, in ascending order."""
    return torch.linalg.eigvalsh(moment).clamp(min=0).sqrt()


def stable_rank(moment: torch.Tensor) -> torch.Tensor:
    """`theory.dispersal.stable_rank` of X, shape `(...)`: 1 for one direction, dim for all directions alike.

    Its inverse is the share of the variance about the origin that the first principal component explains.

    >>> round(stable_rank(torch.eye(4).double()).item(), 6)
    4.0
    """
    return torch.as_tensor(dispersal.stable_rank(singular_values(moment).numpy()))


def principal_axes(moment: torch.Tensor, count: int = 2) -> torch.Tensor:
    """The `count` leading eigenvectors of the second moment, shape `(..., dim, count)`, strongest first.

    Each is signed so that its largest entry is positive, which makes projections reproducible.
    """
    axes = torch.linalg.eigh(moment).eigenvectors.flip(-1)[..., :count]
    largest = axes.abs().argmax(dim=-2, keepdim=True)
    return axes * axes.gather(-2, largest).sign()


def mean_cosine_within(direction_sum: torch.Tensor, count: int) -> torch.Tensor:
    """Mean cosine between two different vectors of a cloud, from the sum `(..., dim)` of their directions.

    The squared sum contains every pair twice and every vector with itself once, so no pair is visited.

    >>> directions = torch.eye(2)
    >>> round(mean_cosine_within(directions.sum(0), 2).item(), 6)
    0.0
    """
    return ((direction_sum**2).sum(-1) - count) / (count * (count - 1))


def silhouette(keys: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Mean silhouette coefficient of two clouds `(..., tokens, dim)` by cosine distance, shape `(...)`.

    For each vector (b − a)/max(a, b), with a its mean distance to the others of its own cloud and b that to
    the other cloud: 1 for tight clouds far apart, 0 where they overlap, negative where vectors lie nearer to
    the other cloud. Each cloud needs at least two vectors. Source: Rousseeuw 1987.

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


def davies_bouldin(keys: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Davies–Bouldin index of the directions of two clouds `(..., tokens, dim)`, shape `(...)`.

    The sum of the clouds' mean distances from their centers, divided by the distance between the centers,
    with every vector scaled to unit length: 0 for two points, large for clouds that overlap.

    >>> keys, queries = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[-1.0, 0.0], [-2.0, 0.0]]])
    >>> davies_bouldin(keys, queries).item()
    0.0
    """
    keys, queries = (torch.nn.functional.normalize(x.double(), dim=-1) for x in (keys, queries))
    centers = [x.mean(-2, keepdim=True) for x in (keys, queries)]
    spread = [(x - center).norm(dim=-1).mean(-1) for x, center in zip((keys, queries), centers, strict=True)]
    return (spread[0] + spread[1]) / (centers[0] - centers[1]).norm(dim=-1).squeeze(-1)
