"""Scores and attention of some queries against all keys, reduced while a layer runs.

The queries come in chunks, so that no more than `CHUNK_BYTES` of scores exist at once whatever the length,
and each chunk's scores are computed once for all that is asked of them.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from .clouds import Cloud

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


def attention_tables(vectors, intervention, lengths):
    """What sampled queries of a layer attend to, one by one and by distance: a pair (queries, profiles).

    `queries` is a pair of positions `(n,)`, the last ones of each of `lengths` and some spread evenly, and of
    columns `(query_heads, n)`. sink_attention and recent_attention are the probabilities of token 0 and of
    the last `RECENT_TOKENS`; sink_score and largest_score the scaled scores of token 0 and the largest of the
    others, NaN where it sees none; largest_distance tells how many tokens back the latter lies, -1 where
    there is none.

    `profiles` maps each length to what its last queries give to keys, by distance, apart from token 0: bins
    of distances `(bins, 2)`, first and last, and columns `(query_heads, bins)`. score is the mean scaled
    score, cosine the mean cosine of query and key, attention the probability of the bin. The first bin,
    (-1, -1), is token 0. Means are over the queries and the distances that all of them have, NaN where a
    window hides a distance.
    """
    positions, columns, profiles = [], [], {}
    key_norms = Cloud(vectors.key_post[0]).norms
    for length in lengths:
        last = np.arange(max(1, length - LAST_QUERIES), length)  # token 0 has no other key
        distances, sums = length - len(last), 0
        for seen in _seen(vectors, intervention, last):
            positions.append(seen.positions)
            columns.append(_attention_columns(seen))
            sums = sums + _sums_by_distance(seen, key_norms, distances)
        profiles[length] = _profile(sums / len(last))
    spread = np.linspace(0, max(lengths) - 1, SPREAD_QUERIES).astype(int)  # 0 is always one of them
    for seen in _seen(vectors, intervention, np.setdiff1d(spread, np.concatenate(positions))):
        positions.append(seen.positions)
        columns.append(_attention_columns(seen))
    positions, order = np.unique(np.concatenate(positions), return_index=True)
    joined = {name: torch.cat([each[name] for each in columns], dim=1).cpu().numpy() for name in columns[0]}
    return (positions, {name: column[:, order] for name, column in joined.items()}), profiles


@dataclass(frozen=True)
class _Seen:
    """Queries `(query_heads, n, dim)` of a layer at some positions, and what they make of the keys they see.

    Their `products` with the keys, the `scores` that these become, minus infinity where a query may not look,
    and the `attention` all have the shape `(query_heads, n, keys)`.
    """

    positions: np.ndarray
    query: torch.Tensor
    products: torch.Tensor
    scores: torch.Tensor
    attention: torch.Tensor


def _seen(vectors, intervention, positions):
    """The queries at `positions`, ascending, in chunks whose scores fit `CHUNK_BYTES`."""
    query, key = vectors.query_post[0], vectors.key_post[0]
    for chunk in _chunks(positions, len(query)):
        rows = torch.as_tensor(chunk, device=key.device)
        visible = max(2, int(chunk[-1]) + 1)  # keys that none of these queries sees are left out
        asked = query[:, rows]
        products = intervention.scores(vectors.layer, asked, key[:, :visible], rows)
        scores = _scores(products, vectors.rule, chunk)
        yield _Seen(chunk, asked, products, scores, _attention(scores, vectors.rule))


def _scores(products, rule, positions):
    """A layer's scores `(query_heads, n, keys)` of queries at `positions` `(n,)`: scaled, capped, masked."""
    scores = products.float() * rule.scaling
    if rule.softcap is not None:
        scores = (scores / rule.softcap).tanh_() * rule.softcap
    # Without a window all keys before the first query are seen by all.
    start = int(positions[0]) if rule.window is None else 0
    keys = np.arange(start, scores.shape[-1])
    distance = positions[:, None] - keys
    hidden = (distance < 0) | (distance >= (rule.window or np.inf))
    scores[..., start:].masked_fill_(torch.as_tensor(hidden, device=scores.device), -torch.inf)
    return scores


def _attention(scores, rule):
    """Softmax of scores `(query_heads, n, keys)`; learned sinks take part in it and get no column."""
    if rule.sinks is None:
        return scores.softmax(-1)
    sinks = rule.sinks.float()[:, None, None].expand(*scores.shape[:-1], 1)
    return torch.cat([scores, sinks], dim=-1).softmax(-1)[..., :-1]


def _attention_columns(seen):
    """The columns of `attention_tables`, `(query_heads, n)`, of the queries `seen`."""
    rows = torch.as_tensor(seen.positions, device=seen.scores.device)[:, None]
    recent = rows - torch.arange(RECENT_TOKENS, device=rows.device)
    near = seen.attention.gather(-1, recent.clamp(min=0).expand(len(seen.scores), -1, -1))
    sink, others = seen.scores[..., 0], seen.scores[..., 1:]
    largest, where = others.max(-1)
    found = largest.isfinite()
    return {
        "sink_attention": seen.attention[..., 0],
        "recent_attention": near.masked_fill_(recent < 0, 0).sum(-1),
        "sink_score": sink.masked_fill(~sink.isfinite(), torch.nan),
        "largest_score": largest.masked_fill(~found, torch.nan),
        "largest_distance": torch.where(found, rows[:, 0] - where - 1, -1),
    }


def _sums_by_distance(seen, key_norms, distances):
    """Sums over consecutive queries of score, cosine and attention: `(3, query_heads, 1 + distances)`.

    First those of token 0, then those of keys 0, 1, … tokens back. `key_norms` is `(key_heads, length)`.
    """
    heads, _, keys = seen.products.shape
    by_key = key_norms[:, :keys].repeat_interleave(heads // len(key_norms), dim=0)[:, None]
    by_query = seen.query.float().norm(dim=-1, keepdim=True)
    # A key or a query of zero has no direction: its product is zero as well.
    by_key, by_query = (1 / norms.clamp(min=1e-30) for norms in (by_key, by_query))
    cosine = (seen.products * by_key).mul_(by_query)
    parts, first = (seen.scores, cosine, seen.attention), int(seen.positions[0])
    return torch.stack(
        [torch.cat([x[..., :1].sum(1), _by_distance(x, first, distances)], dim=-1) for x in parts]
    )


def _by_distance(rows, first, count):
    """Sums over queries of `(heads, n, keys)` by distance, 0 to count - 1, shape `(heads, count)`.

    The queries are consecutive, the first at position `first`. A view reads each row relative to its own
    diagonal, so that nothing is copied.
    """
    heads, n, _ = rows.shape
    of_head, of_query, of_key = rows.stride()
    start = rows.storage_offset() + (first - count + 1) * of_key
    return rows.as_strided((heads, n, count), (of_head, of_query + of_key, of_key), start).sum(1).flip(-1)


def _profile(means):
    """A profile of `attention_tables`, bins and columns, from means `(3, query_heads, 1 + distances)`."""
    sinks, means = means.cpu().double().split([1, means.shape[-1] - 1], dim=-1)
    bins = doubling_bins(means.shape[-1])
    by_bin = torch.stack([means[..., first : last + 1].sum(-1) for first, last in bins], dim=-1)
    by_bin[:2] /= torch.as_tensor(bins[:, 1] - bins[:, 0] + 1)
    values = torch.cat([sinks, by_bin], dim=-1)
    score, cosine = values[:2].masked_fill(~values[0].isfinite(), torch.nan).numpy()
    columns = {"score": score, "cosine": cosine, "attention": values[2].numpy()}
    return np.concatenate([[[-1, -1]], bins]), columns


def _chunks(positions, heads):
    """`positions` in pieces whose scores against all keys up to the largest fit `CHUNK_BYTES`."""
    size = max(1, CHUNK_BYTES // (4 * heads * (int(max(positions)) + 1)))
    return np.array_split(positions, math.ceil(len(positions) / size))
