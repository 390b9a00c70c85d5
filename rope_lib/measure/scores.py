"""Scores and attention of some queries against all keys, reduced while a layer runs.

The queries come in chunks, so that no more than `CHUNK_BYTES` of scores exist at once whatever the length.
"""

import math
from itertools import pairwise

import numpy as np
import torch

# The last queries of an input, whose attention is averaged.
LAST_QUERIES = 64
# Queries spread evenly over an input, apart from the last ones.
SPREAD_QUERIES = 32
# The most recent tokens, the query's own included, whose share of its attention is told apart.
RECENT_TOKENS = 16
CHUNK_BYTES = 4 * 2**20  # larger chunks cost memory that is not given back, and no less time


def doubling_bins(count):
    """Bins that cover 0 to count - 1: 0, 1, 2–3, 4–7 and so on, the last one cut off; shape `(bins, 2)`.

    >>> doubling_bins(6).tolist()
    [[0, 0], [1, 1], [2, 3], [4, 5]]
    """
    edges = [0, *(2**power for power in range(count.bit_length()) if 2**power < count), count]
    return np.array([(first, following - 1) for first, following in pairwise(edges)])


def sampled_positions(lengths):
    """Positions of the queries that are looked at: the last ones of each length, and some spread evenly."""
    last = [np.arange(max(0, length - LAST_QUERIES), length) for length in lengths]
    spread = np.linspace(0, max(lengths) - 1, SPREAD_QUERIES).astype(int)
    return np.unique(np.concatenate([*last, spread]))


def scaled_scores(products, rule, positions):
    """A layer's scores `(query_heads, n, length)` from dot products: scaled, capped, masked; in place.

    `positions` `(n,)` are those of the queries; what a query may not see gets minus infinity.
    """
    scores = products.float().mul_(rule.scaling)
    if rule.softcap is not None:
        scores.div_(rule.softcap).tanh_().mul_(rule.softcap)
    distance = positions[:, None] - torch.arange(scores.shape[-1], device=scores.device)
    hidden = distance < 0 if rule.window is None else (distance < 0) | (distance >= rule.window)
    return scores.masked_fill_(hidden, -torch.inf)


def log_normalizer(scores, rule):
    """Logarithm of each softmax's denominator, `(query_heads, n, 1)`, learned sinks included."""
    total = scores.logsumexp(-1, keepdim=True)
    if rule.sinks is None:
        return total
    return torch.logaddexp(total, rule.sinks.float()[:, None, None].expand_as(total))


def attention_columns(vectors, intervention, positions):
    """What each query at `positions` attends to: columns of shape `(query_heads, positions)`.

    sink_attention and recent_attention, the probabilities of token 0 and of the last `RECENT_TOKENS`;
    sink_score and largest_score, the scaled scores of token 0 and the largest of the others, NaN where it
    sees none; largest_distance, how many tokens back the latter lies, -1 where there is none.
    """
    query, key = vectors.query_post[0], vectors.key_post[0]
    chunks = []
    for chunk in _chunks(positions, len(query)):
        rows = torch.as_tensor(chunk, device=query.device)
        visible = int(chunk.max()) + 1  # keys that none of these queries sees are left out
        products = intervention.scores(vectors.layer, query[:, rows], key[:, :visible], rows)
        scores = scaled_scores(products, vectors.rule, rows)
        total = log_normalizer(scores, vectors.rule)
        recent = (rows[:, None] - torch.arange(RECENT_TOKENS, device=rows.device)).expand(len(scores), -1, -1)
        near = scores.gather(-1, recent.clamp(min=0)).masked_fill_(recent < 0, -torch.inf)
        sink = scores[..., 0].clone()
        scores[..., 0] = -torch.inf
        largest, where = scores.max(dim=-1)
        found = largest.isfinite()
        chunks.append(
            {
                "sink_attention": (sink - total[..., 0]).exp(),
                "recent_attention": (near - total).exp().sum(-1),
                "sink_score": sink.masked_fill(~sink.isfinite(), torch.nan),
                "largest_score": largest.masked_fill(~found, torch.nan),
                "largest_distance": torch.where(found, rows - where, -1),
            }
        )
    return {name: torch.cat([chunk[name] for chunk in chunks], dim=1).cpu().numpy() for name in chunks[0]}


def distance_profile(vectors, intervention, length):
    """What the last queries of an input of `length` tokens give to keys, by distance, apart from token 0.

    Returns bins of distances `(bins, 2)`, first and last, and columns of shape `(query_heads, bins)`: score
    (mean scaled score), cosine (mean cosine of query and key) and attention (probability of the bin). The
    first bin, (-1, -1), is token 0. Means are over the queries and the distances that all of them have, NaN
    where a window hides a distance.
    """
    query, key = vectors.query_post[0], vectors.key_post[0, :, :length]
    last = min(LAST_QUERIES, length - 1)
    key_norm = key.float().norm(dim=-1).repeat_interleave(len(query) // len(key), dim=0)
    sums, sinks, queries = 0, 0, 0
    for chunk in _chunks(np.arange(length - last, length), len(query)):
        rows = torch.as_tensor(chunk, device=query.device)
        turned = query[:, rows]
        products = intervention.scores(vectors.layer, turned, key, rows)
        norms = turned.float().norm(dim=-1)[..., None] * key_norm[:, None]
        # A key or a query of zero has no direction: its product is zero as well.
        cosine = products / norms.clamp_(min=torch.finfo(norms.dtype).tiny)
        scores = scaled_scores(products, vectors.rule, rows)
        attention = (scores - log_normalizer(scores, vectors.rule)).exp_()
        parts = [scores, cosine, attention]
        sinks = sinks + torch.stack([part[..., 0].sum(1) for part in parts])
        sums = sums + torch.stack([_by_distance(part, int(chunk[0]), length - last) for part in parts])
        queries += len(rows)
    sums, sinks = (sums / queries).double().cpu(), (sinks / queries).double().cpu()
    bins = doubling_bins(sums.shape[-1])
    by_bin = torch.stack([sums[..., first : end + 1].sum(-1) for first, end in bins], dim=-1)
    sizes = torch.tensor([end - first + 1 for first, end in bins])
    by_bin[:2] /= sizes
    values = torch.cat([sinks[..., None], by_bin], dim=-1)
    score, cosine = values[:2].masked_fill(~values[0].isfinite(), torch.nan).numpy()
    columns = {"score": score, "cosine": cosine, "attention": values[2].numpy()}
    return np.concatenate([[[-1, -1]], bins]), columns


def _by_distance(rows, first, count):
    """Sums over queries of `(heads, n, length)` by distance, 0 to count - 1, shape `(heads, count)`.

    The queries are consecutive, the first at position `first`. A view reads each row relative to its own
    diagonal, so that nothing is copied.
    """
    heads, n, length = rows.shape
    start = rows.storage_offset() + first - count + 1
    return rows.as_strided((heads, n, count), (n * length, length + 1, 1), start).sum(1).flip(-1)


def _chunks(positions, heads):
    """`positions` in pieces whose scores against all keys up to the largest fit `CHUNK_BYTES`."""
    size = max(1, CHUNK_BYTES // (4 * heads * (int(max(positions)) + 1)))
    return np.array_split(positions, math.ceil(len(positions) / size))
