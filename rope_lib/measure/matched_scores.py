"""Matched and unmatched pairs of a running model: their angles, scores and margins over the sink.

A text is read at full length once, with random strings planted in it, and the queries at the end of each
shorter or longer length are then read again with only the shortest length of text before them: the same
tokens, of which nothing but the context differs. Layers with a window are left out, since most of their
queries do not see token 0. Queries and keys are reduced while a layer runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from rope_lib.runs.store import stored

from .attending import keys_repeated
from .intercept import LayerVectors, captured, rotations
from .load import LanguageModel
from .matched import (
    NEAREST,
    STRING,
    Mask,
    Positions,
    at_same_distances,
    grams,
    natural_queries,
    plan,
    planted,
    previous_match,
    probe,
    unmatched,
)
from .rotation import LayerRotation
from .store import identity
from .turning import Turning

# Random strings that tell match heads apart: how many, and their length.
PROBES, PROBE_HALF = 4, 48
# Draws of as many unmatched keys as the shortest context has.
DRAWS = 2

Rows = dict[str, Any]
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Kind:
    """Pairs of one kind: `rows` `(pairs,)` index the queries of a block, `keys` `(pairs,)` are positions."""

    name: str
    pair: str  # "matched" or "unmatched"
    rows: Positions
    keys: Positions


@dataclass(frozen=True)
class Block:
    """The queries at the end of one length, read with `context` tokens up to there, and their pairs.

    `queries` `(n,)` are positions of the whole text, of which the first `natural` are natural text. `allowed`
    `(natural, length)` says which keys are unmatched, `shared` which of these the shortest context has too,
    and `drawn` as many of all of them, `DRAWS` times.
    """

    length: int
    context: int
    queries: Positions
    natural: int
    kinds: tuple[Kind, ...]
    allowed: Mask
    shared: Mask
    drawn: tuple[Mask, ...]

    @property
    def start(self) -> int:
        """The first position of the whole text that is read."""
        return self.length - self.context


def matched_pairs(model: LanguageModel, tokens: torch.Tensor, lengths: Sequence[int], order: int) -> Tables:
    """Matched and unmatched pairs of a model at each of `lengths`, ascending: tables by name.

    `tokens` has shape `(length,)`, at least the last of `lengths`; `order` tokens are a match, see `matched`.
    Layers and heads count from 0, scores are scaled as the model scales them.

    `heads`  by layer, head: `induction` and `previous`, for how many of the queries of a repeated random
             string that partner has the largest score of all keys but token 0 and the most recent.
    `pairs`  by layer, head, length, context, kind, pair: `count` and means of `distance`, `cosine_pre` and
             `cosine_post` (before and after the rotation), `score`, `sink` (the score of the same queries
             with token 0) and `above`, the share of pairs whose score exceeds it. Kinds are induction and
             previous, in natural text; both with "near" or "far", in planted strings, where unmatched are the
             string's other tokens; and argmax, the key with the largest score in the shortest context.
    `keys`   by layer, head, length, context, over the queries of natural text: `sink_score`; of unmatched
             keys `count`, the mean `unmatched_score`, `positive`, the share of positive scores, `outbid`, the
             share above the sink's; `top`, the mean of each query's largest, `top_wins`, the share of queries
             in which it exceeds the sink's; `top_same` over the keys that the shortest context has too,
             `top_drawn` over as many of all; and `sink_attention`, `unmatched_attention`.
    `moved`  by layer, head, kind, pair, distance: `score` and `cosine` of the same vectors at that distance,
             for pairs of the shortest length; kind and pair "sink" are the queries with token 0.

    Raises ValueError for lengths that `matched.plan` refuses, and as `intercept.captured` does.
    """
    shortest, longest = lengths[0], lengths[-1]
    strings = plan(lengths)
    ids = planted(tokens[:longest].numpy(), strings)
    reader = _Reader(model, [2**power for power in range(4, (2 * longest).bit_length())], shortest)
    for length in lengths:
        block = _block(ids, length, shortest, lengths, order)
        if length > shortest:
            reader.run(ids, block.start, length, [block])
    reader.run(ids, 0, longest, [_block(ids, length, length, lengths, order) for length in lengths])
    return {"heads": _probe(model, ids), **reader.tables()}


def stored_pairs(model: LanguageModel, tokens: torch.Tensor, lengths: Sequence[int], order: int) -> Tables:
    """`matched_pairs`, or what it returned before for the same model, tokens, lengths and code."""
    inputs = identity([__name__], model, tokens[: lengths[-1]], lengths=list(lengths), order=order)
    return stored("matched", inputs, lambda: matched_pairs(model, tokens, lengths, order))


def _block(ids: Positions, length: int, context: int, lengths: Sequence[int], order: int) -> Block:
    """The queries at the end of `length`; all pairs but far copies lie within the shortest length."""
    gram = grams(ids[:length], order)
    queries = natural_queries(length)
    start, shortest = length - context, lengths[0]
    mask = unmatched(gram, queries)
    keys = np.arange(length)
    allowed = mask & (keys > start)
    shared = allowed & (keys > length - shortest)
    previous = previous_match(gram)[queries]
    kinds: list[Kind] = []
    for name, step in (("previous", 0), ("induction", 1)):
        found = np.flatnonzero(previous > length - shortest)
        partners = previous[found] + step
        which, others = at_same_distances(queries[found], partners, mask[found], length - shortest)
        kinds.append(Kind(name, "matched", found, partners))
        kinds.append(Kind(name, "unmatched", found[which], others))
    rows = list(queries)
    for string in (each for each in plan(lengths) if each.length == length and each.first > start):
        at = np.arange(len(string.queries)) + len(rows)
        body = string.queries - string.distance
        other = unmatched(gram, string.queries)[:, body]
        for name, step in (("previous", 0), ("induction", 1)):
            kinds.append(Kind(f"{name} {string.kind}", "matched", at, body + step))
            which, column = np.nonzero(other)
            kinds.append(Kind(f"{name} {string.kind}", "unmatched", at[which], body[column]))
        rows += list(string.queries)
    drawn = tuple(_drawn(allowed, shared.sum(axis=1), seed) for seed in range(DRAWS))
    return Block(length, context, np.array(rows), len(queries), tuple(kinds), allowed, shared, drawn)


def _drawn(allowed: Mask, counts: Positions, seed: int) -> Mask:
    """As many of the `allowed` `(n, length)` of each row as `counts` `(n,)` says, none twice."""
    random, mask = np.random.default_rng(seed), np.zeros_like(allowed)
    for row, count in enumerate(counts):
        mask[row, random.choice(np.flatnonzero(allowed[row]), count, replace=False)] = True
    return mask


@dataclass
class _Reader:
    """Reads blocks of queries while layers run, and keeps what each layer's heads give: rows of tables."""

    model: LanguageModel
    distances: Sequence[int]
    shortest: int
    rows: dict[str, list[Rows]] = field(default_factory=lambda: {"pairs": [], "keys": [], "moved": []})
    largest: dict[tuple[int, int], Positions] = field(default_factory=dict)  # by layer and length: argmax

    def run(self, ids: Positions, start: int, stop: int, blocks: Sequence[Block]) -> None:
        """One pass over `ids[start:stop]` that reads the blocks in every layer without a window."""
        turns = {each.layer: each for each in rotations(self.model.network)}

        def visit(vectors: LayerVectors) -> None:
            if vectors.rule.window is None:
                for block in blocks:
                    self._read(vectors, block, start, turns[vectors.layer])

        _forward(self.model, torch.as_tensor(ids[start:stop]), visit)

    def tables(self) -> Tables:
        """The tables so far, by name."""
        return {
            name: pd.concat(map(pd.DataFrame, parts), ignore_index=True) for name, parts in self.rows.items()
        }

    def _read(self, vectors: LayerVectors, block: Block, start: int, turn: LayerRotation) -> None:
        seen = _Seen(vectors, block.queries - start, block.length - start)
        where = {"layer": vectors.layer, "head": np.arange(seen.heads)}
        where |= {"length": block.length, "context": block.context}
        place = vectors.layer, block.length
        if block.context == self.shortest:
            far = seen.scores[:, : block.natural].masked_fill(
                ~_mask(np.arange(start, block.length), block.queries[: block.natural]), -torch.inf
            )
            self.largest[place] = far.argmax(-1).numpy() + start
        for kind in block.kinds:
            if len(kind.rows):
                keys = np.broadcast_to(kind.keys, (seen.heads, len(kind.keys)))
                self._add_pairs(where, kind.name, kind.pair, seen, kind.rows, keys - start, block)
        every = np.arange(block.natural)
        best = self.largest[place]
        self._add_pairs(where, "argmax", "matched", seen, every, best - start, block)
        others = np.stack([_others(block, keys) for keys in best])
        self._add_pairs(where, "argmax", "unmatched", seen, every, others - start, block)
        self.rows["keys"].append(where | _over_keys(seen, block, start))
        if block.context == block.length == self.shortest and turn.layout:
            self._move(vectors, block, turn, best, others)

    def _add_pairs(
        self,
        where: Rows,
        name: str,
        pair: str,
        seen: "_Seen",
        rows: Positions,
        keys: Positions,
        block: Block,
    ) -> None:
        """Means over pairs of a head: query `rows` `(pairs,)`, `keys` `(heads, pairs)`, -1 for none."""
        good = torch.as_tensor(keys > 0)
        count = good.sum(1)
        at = np.arange(seen.heads)[:, None], rows, np.where(keys > 0, keys, 0)
        score, sink = seen.scores[at], seen.scores[:, rows, 0]
        columns = {
            "distance": torch.as_tensor(seen.queries[rows] - keys),
            "cosine_pre": seen.cosines_pre[at],
            "cosine_post": seen.cosines[at],
            "score": score,
            "sink": sink,
            "above": score > sink,
        }
        means = {
            column: ((values.double() * good).sum(1) / count).float().numpy()
            for column, values in columns.items()
        }
        self.rows["pairs"].append(where | {"kind": name, "pair": pair, "count": count.numpy()} | means)

    def _move(
        self, vectors: LayerVectors, block: Block, turn: LayerRotation, best: Positions, others: Positions
    ) -> None:
        """Turn the vectors of pairs to other distances."""
        kinds: list[tuple[str, str, Positions, Positions]] = []
        heads = vectors.query_pre.shape[1]
        for kind in block.kinds:
            if kind.name in ("induction", "previous") and len(kind.rows):
                keys = np.broadcast_to(kind.keys, (heads, len(kind.keys)))
                kinds.append((kind.name, kind.pair, kind.rows, keys))
        every = np.arange(block.natural)
        kinds += [("argmax", "matched", every, best), ("argmax", "unmatched", every, others)]
        kinds.append(("sink", "sink", every, np.zeros_like(best)))
        turning = Turning.of(vectors, turn, block.length)
        for name, pair, rows, keys in kinds:
            scores, cosines = turning.at(block.queries[rows], keys, self.distances)
            for number, distance in enumerate(self.distances):
                where = {"layer": vectors.layer, "head": np.arange(heads), "kind": name, "pair": pair}
                values = {"score": scores[number].astype("f4"), "cosine": cosines[number].astype("f4")}
                self.rows["moved"].append(where | {"distance": distance} | values)


@dataclass(frozen=True)
class _Seen:
    """The queries of a layer at `queries` `(n,)` against its first `length` keys."""

    vectors: LayerVectors
    queries: Positions
    length: int

    @property
    def heads(self) -> int:
        return int(self.vectors.query_post.shape[1])

    @cached_property
    def scores(self) -> torch.Tensor:
        """Scores `(heads, n, length)`, scaled and capped, of all keys, seen or not."""
        rule = self.vectors.rule
        scores = (
            _products(self._query(self.vectors.query_post), self._key(self.vectors.key_post)) * rule.scaling
        )
        return scores if rule.softcap is None else (scores / rule.softcap).tanh_() * rule.softcap

    @cached_property
    def cosines(self) -> torch.Tensor:
        """Cosines after the rotation."""
        return self._cosines(self.vectors.query_post, self.vectors.key_post)

    @cached_property
    def cosines_pre(self) -> torch.Tensor:
        """Cosines before the rotation."""
        return self._cosines(self.vectors.query_pre, self.vectors.key_pre)

    def _query(self, x: torch.Tensor) -> torch.Tensor:
        return x[0, :, torch.as_tensor(self.queries)].float()

    def _key(self, x: torch.Tensor) -> torch.Tensor:
        return x[0, :, : self.length].float()

    def _cosines(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize
        return _products(unit(self._query(query), dim=-1), unit(self._key(key), dim=-1))


def _products(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Dot products `(query_heads, n, length)` of `(query_heads, n, dim)` with `(key_heads, length, dim)`."""
    grouped = query.reshape(len(key), -1, query.shape[-1])
    return (grouped @ key.mT).view(*query.shape[:2], key.shape[1])


def _mask(keys: Positions, queries: Positions) -> torch.Tensor:
    """Which `keys` are candidates of each of `queries`: all but the first and the most recent."""
    return torch.as_tensor((keys > keys[0]) & (keys <= queries[:, None] - NEAREST))


def _others(block: Block, keys: Positions) -> Positions:
    """For each natural query of a block an unmatched key at the distance of another's, or -1."""
    queries = block.queries[: block.natural]
    found = np.full(len(queries), -1)
    for roll in range(1, 9):
        which, others = at_same_distances(
            queries, np.roll(keys - queries, -roll) + queries, block.shared, 0, 1
        )
        fresh = found[which] < 0
        found[which[fresh]] = others[fresh]
    return found


def _over_keys(seen: _Seen, block: Block, start: int) -> Rows:
    """Columns of the table `keys` of one block, `(heads,)` each."""
    scores = seen.scores[:, : block.natural]
    sink = scores[..., 0]
    allowed, shared, *drawn = (
        torch.as_tensor(mask[:, start:]) for mask in (block.allowed, block.shared, *block.drawn)
    )
    top = _largest(scores, allowed)
    count = allowed.sum(-1)
    visible = torch.arange(block.length - start) <= torch.as_tensor(seen.queries[: block.natural])[:, None]
    attention = scores.masked_fill(~visible, -torch.inf).softmax(-1)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return ((values * allowed).sum(-1) / count).mean(-1)

    columns = {
        "sink_score": sink.mean(-1),
        "unmatched_score": mean(scores),
        "positive": mean(scores > 0),
        "outbid": mean(scores > sink[..., None]),
        "top": top.mean(-1),
        "top_wins": (top > sink).float().mean(-1),
        "top_same": _largest(scores, shared).mean(-1),
        "top_drawn": torch.stack([_largest(scores, mask).mean(-1) for mask in drawn]).mean(0),
        "sink_attention": attention[..., 0].mean(-1),
        "unmatched_attention": (attention * allowed).sum(-1).mean(-1),
    }
    rows: Rows = {name: values.float().numpy() for name, values in columns.items()}
    return rows | {"count": float(count.double().mean())}


def _largest(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The largest score `(heads, n)` of `(heads, n, keys)` over a mask `(n, keys)`."""
    return scores.masked_fill(~mask, -torch.inf).amax(-1)


def _probe(model: LanguageModel, ids: Positions) -> pd.DataFrame:
    """The table `heads`: how often a partner in a repeated random string has the largest score."""
    found: list[Rows] = []

    def visit(vectors: LayerVectors) -> None:
        if vectors.rule.window is None:
            seen = _Seen(vectors, queries, length)
            far = seen.scores.masked_fill(~_mask(np.arange(length), queries), -torch.inf).argmax(-1)
            shares = {
                name: (far == torch.as_tensor(queries - PROBE_HALF + step)).float().mean(-1).numpy()
                for name, step in (("induction", 1), ("previous", 0))
            }
            found.append({"layer": vectors.layer, "head": np.arange(seen.heads)} | shares)

    for seed in range(PROBES):
        tokens = probe(ids, PROBE_HALF, seed)
        length = len(tokens)
        queries = np.arange(1 + PROBE_HALF + STRING // 2, length - 1)
        _forward(model, torch.as_tensor(tokens), visit)
    table = pd.concat(map(pd.DataFrame, found))
    return table.groupby(["layer", "head"], as_index=False)[["induction", "previous"]].mean()


def _forward(model: LanguageModel, tokens: torch.Tensor, visit: Any) -> None:
    with torch.inference_mode(), keys_repeated(model.network), captured(model.network, visit):
        model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
