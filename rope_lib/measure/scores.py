"""Scores and attention of some queries against all keys, reduced while a layer runs.

The queries come in chunks, so that at most `CHUNK_BYTES` of scores exist at once at any length, and each
chunk's scores are computed once for all statistics.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from .attending import Intervention
from .clouds import Cloud
from .intercept import LayerVectors, ScoreRule
from .tables import LAST_QUERIES, RECENT_TOKENS

Positions = NDArray[np.int64]
Columns = dict[str, NDArray[np.float64]]

# Queries spread evenly over an input, apart from the last ones.
SPREAD_QUERIES = 32
# Neighboring keys among which a largest score is located.
BLOCK = 64
CHUNK_BYTES = 4 * 2**20  # larger chunks cost memory that is not given back, and no less time


def doubling_bins(count: int) -> NDArray[np.int64]:
    """Bins that cover 0 to count - 1: 0, 1, 2–3, 4–7 and so on, the last one cut off; shape `(bins, 2)`.

    >>> doubling_bins(6).tolist()
    [[0, 0], [1, 1], [2, 3], [4, 5]]
    """
    edges = [0, *(2**power for power in range(count.bit_length()) if 2**power < count), count]
    return np.array([(first, following - 1) for first, following in pairwise(edges)])


def attention_tables(
    vectors: LayerVectors, intervention: Intervention, lengths: Sequence[int]
) -> tuple[tuple[Positions, Columns], dict[int, tuple[NDArray[np.int64], Columns]]]:
    """What sampled queries of a layer attend to, one by one and by distance: a pair (queries, profiles).

    `queries` is a pair of positions `(n,)`, the last ones of each of `lengths` and some spread evenly, and of
    columns `(query_heads, n)`. sink_attention and recent_attention are the probabilities of token 0 and of
    the last `RECENT_TOKENS`; sink_score and largest_score the scaled scores of token 0 and the largest of the
    others, NaN where it sees none; largest_distance is how many tokens back the latter lies, -1 where
    there is none.

    `profiles` maps each length to what its last queries give to keys, by distance, token 0 excepted: bins
    of distances `(bins, 2)`, first and last, and columns `(query_heads, bins)`. score is the mean scaled
    score, cosine the mean cosine of query and key, attention the probability of the bin. The first bin,
    (-1, -1), is token 0. Means are over the queries and the distances that all of them have, NaN where a
    window hides a distance.
    """
    parts, columns, profiles = [], [], {}
    by_key = _inverse_norms(vectors.key_post[0])
    for length in lengths:
        last = np.arange(max(1, length - LAST_QUERIES), length)  # token 0 has no other key
        distances, sums = length - len(last), torch.zeros(())
        for seen in _seen(vectors, by_key, intervention, last):
            parts.append(seen.positions)
            columns.append(_attention_columns(seen))
            sums = sums + _sums_by_distance(seen, distances)
        profiles[length] = _profile(sums / len(last))
    spread = np.linspace(0, max(lengths) - 1, SPREAD_QUERIES).astype(int)  # 0 is always one of them
    for seen in _seen(vectors, by_key, intervention, np.setdiff1d(spread, np.concatenate(parts))):
        parts.append(seen.positions)
        columns.append(_attention_columns(seen))
    positions, order = np.unique(np.concatenate(parts), return_index=True)
    joined = {name: torch.cat([each[name] for each in columns], dim=1).cpu().numpy() for name in columns[0]}
    return (positions, {name: column[:, order] for name, column in joined.items()}), profiles


@dataclass(frozen=True)
class _Seen:
    """Some queries of a layer, at `positions` `(n,)`, against all keys: `(query_heads, n, keys)` each.

    `cosines` with the keys; `scores`, minus infinity where a query may not look; and `attention`.
    """

    positions: Positions
    cosines: torch.Tensor
    scores: torch.Tensor
    attention: torch.Tensor


def _inverse_norms(x: torch.Tensor) -> torch.Tensor:
    """One over the norm of each of the vectors `(heads, n, dim)`, `(heads, n)`.

    A vector of zero has no direction: its products are zero as well.
    """
    return 1 / Cloud(x).norms.clamp(min=1e-30)


def _seen(
    vectors: LayerVectors, by_key: torch.Tensor, intervention: Intervention, positions: Positions
) -> Iterator[_Seen]:
    """The queries at `positions`, ascending, in chunks whose scores fit `CHUNK_BYTES`.

    `by_key` `(key_heads, length)` is one over the norm of each key.
    """
    query, key = vectors.query_post[0], vectors.key_post[0]
    by_key = by_key.repeat_interleave(len(query) // len(key), dim=0)[:, None]
    for chunk in _chunks(positions, len(query)):
        rows = torch.as_tensor(chunk, device=key.device)
        visible = max(2, int(chunk[-1]) + 1)  # keys that none of these queries sees are left out
        asked = query[:, rows]
        products = intervention.scores(vectors.layer, asked, key[:, :visible], rows).float()
        scores = _scores(products, vectors.rule, chunk)
        by_query = _inverse_norms(asked)[..., None]
        cosines = products.mul_(by_key[..., :visible]).mul_(by_query)  # in place: fresh memory costs more
        yield _Seen(chunk, cosines, scores, _attention(scores, vectors.rule))


def _scores(products: torch.Tensor, rule: ScoreRule, positions: Positions) -> torch.Tensor:
    """A layer's scores `(query_heads, n, keys)` of queries at `positions` `(n,)`: scaled, capped, masked."""
    scores = products * rule.scaling
    if rule.softcap is not None:
        scores = (scores / rule.softcap).tanh_() * rule.softcap
    # Without a window all keys before the first query are seen by all.
    start = int(positions[0]) if rule.window is None else 0
    keys = np.arange(start, scores.shape[-1])
    distance = positions[:, None] - keys
    hidden = (distance < 0) | (distance >= (rule.window or np.inf))
    scores[..., start:].masked_fill_(torch.as_tensor(hidden, device=scores.device), -torch.inf)
    return scores


def _attention(scores: torch.Tensor, rule: ScoreRule) -> torch.Tensor:
    """Softmax of scores `(query_heads, n, keys)`; learned sinks take part in it and get no column."""
    if rule.sinks is None:
        return scores.softmax(-1)
    sinks = rule.sinks.float()[:, None, None].expand(*scores.shape[:-1], 1)
    return torch.cat([scores, sinks], dim=-1).softmax(-1)[..., :-1]


def _attention_columns(seen: _Seen) -> dict[str, torch.Tensor]:
    """The columns of `attention_tables`, `(query_heads, n)`, for the queries `seen`."""
    rows = torch.as_tensor(seen.positions, device=seen.scores.device)[:, None]
    recent = rows - torch.arange(RECENT_TOKENS, device=rows.device)
    near = seen.attention.gather(-1, recent.clamp(min=0).expand(len(seen.scores), -1, -1))
    sink, others = seen.scores[..., 0], seen.scores[..., 1:]
    largest, where = _largest(others)
    found = largest.isfinite()
    return {
        "sink_attention": seen.attention[..., 0],
        "recent_attention": near.masked_fill_(recent < 0, 0).sum(-1),
        "sink_score": sink.masked_fill(~sink.isfinite(), torch.nan),
        "largest_score": largest.masked_fill(~found, torch.nan),
        "largest_distance": torch.where(found, rows[:, 0] - where - 1, -1),
    }


def _largest(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest score of each row `(..., keys)` and its index, both `(...)`.

    The block that has it comes first, by a reduction that is many times as fast as one that also locates.
    """
    keys = scores.shape[-1]
    size = min(BLOCK, keys)
    starts = torch.tensor([*range(0, keys - size, size), keys - size], device=scores.device)
    tops = [scores.unfold(-1, size, size).amax(-1), scores[..., -size:].amax(-1, keepdim=True)]
    largest, block = torch.cat(tops, dim=-1)[..., : len(starts)].max(-1)
    within = starts[block][..., None] + torch.arange(size, device=scores.device)
    return largest, within.gather(-1, scores.gather(-1, within).argmax(-1, keepdim=True)).squeeze(-1)


def _sums_by_distance(seen: _Seen, distances: int) -> torch.Tensor:
    """Sums over consecutive queries of score, cosine and attention: `(3, query_heads, 1 + distances)`.

    The first column is token 0, the others are keys 0, 1, … tokens back.
    """
    parts, first = (seen.scores, seen.cosines, seen.attention), int(seen.positions[0])
    return torch.stack(
        [torch.cat([x[..., :1].sum(1), _by_distance(x, first, distances)], dim=-1) for x in parts]
    )


def _by_distance(rows: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """Sums over queries of `(heads, n, keys)` by distance, 0 to count - 1, shape `(heads, count)`.

    The queries are consecutive, the first at position `first`. A view reads each row relative to its own
    diagonal, so that nothing is copied.
    """
    heads, n, _ = rows.shape
    of_head, of_query, of_key = rows.stride()
    start = rows.storage_offset() + (first - count + 1) * of_key
    return rows.as_strided((heads, n, count), (of_head, of_query + of_key, of_key), start).sum(1).flip(-1)


def _profile(means: torch.Tensor) -> tuple[NDArray[np.int64], Columns]:
    """A profile of `attention_tables`, bins and columns, from means `(3, query_heads, 1 + distances)`."""
    sinks, means = means.cpu().double().split([1, means.shape[-1] - 1], dim=-1)
    bins = doubling_bins(means.shape[-1])
    by_bin = torch.stack([means[..., first : last + 1].sum(-1) for first, last in bins], dim=-1)
    by_bin[:2] /= torch.as_tensor(bins[:, 1] - bins[:, 0] + 1)
    values = torch.cat([sinks, by_bin], dim=-1)
    score, cosine = values[:2].masked_fill(~values[0].isfinite(), torch.nan).numpy()
    columns = {"score": score, "cosine": cosine, "attention": values[2].numpy()}
    return np.concatenate([[[-1, -1]], bins]), columns


def _chunks(positions: Positions, heads: int) -> list[Positions]:
    """`positions` in parts whose scores against all keys up to the largest fit `CHUNK_BYTES`."""
    size = max(1, CHUNK_BYTES // (4 * heads * (int(max(positions)) + 1)))
    return np.array_split(positions, math.ceil(len(positions) / size))
