"""Which pairs of a query and a key match, by the tokens alone: what chapter 14 calls matched and unmatched.

Two places of a text *match* if the same `order` tokens end there: 1 token where a token is a word or a part
of one, 4 where it is a byte. The query at position i has two matched keys for each earlier such place j:

``previous``   the key at j, the same token as the query's own;
``induction``  the key at j + 1, which followed that token the last time (an *induction target*).

Every other key is *unmatched*. Token 0 is never a partner, since it is the sink, nor are the most recent
tokens, which heads score high for being near. Nothing here looks at a vector, so that a pair is matched or
not whatever the model makes of it. Positions count from 0; `i` is always the query's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Keys nearer than this are partners of no pair.
NEAREST = 16
# Queries of natural text at the end of each length, and the tokens of each planted string.
QUERIES, STRING = 64, 16
# How far back the copy of a planted string lies: this many tokens, or this share of the length.
NEAR, FAR = 128, 0.75


def grams(tokens: ArrayLike, order: int = 1) -> Positions:
    """A number for each position of `tokens` `(length,)`: equal where the same `order` tokens end.

    The first `order` - 1 positions match none. Raises ValueError for an `order` below 1.

    >>> grams([5, 7, 5, 7, 9]).tolist()
    [0, 1, 0, 1, 4]
    >>> grams([5, 7, 5, 7, 9], order=2).tolist()
    [0, 1, 2, 1, 4]
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}")
    ids = np.asarray(tokens, dtype=np.int64)
    found = np.arange(len(ids))
    if len(ids) >= order:
        windows = np.lib.stride_tricks.sliding_window_view(ids, order)
        _, first, which = np.unique(windows, axis=0, return_index=True, return_inverse=True)
        found[order - 1 :] = first[which.ravel()] + order - 1
    return found


def previous_match(gram: ArrayLike, nearest: int = NEAREST) -> Positions:
    """For each position the latest earlier one that matches it, at least `nearest` tokens back, else -1.

    `gram` `(length,)` is what `grams` returns. The key there is the query's *previous* partner, the key after
    it the *induction* partner.

    >>> previous_match(grams([5, 7, 5, 7, 5]), nearest=1).tolist()
    [-1, -1, 0, 1, 2]
    >>> previous_match(grams([5, 7, 5, 7, 5]), nearest=3).tolist()
    [-1, -1, -1, -1, 0]
    """
    gram = np.asarray(gram, dtype=np.int64)
    found, latest = np.full(len(gram), -1), {}
    for i in range(nearest, len(gram)):
        latest[int(gram[i - nearest])] = i - nearest
        found[i] = latest.get(int(gram[i]), -1)
    return found


def unmatched(gram: ArrayLike, queries: ArrayLike, nearest: int = NEAREST) -> Mask:
    """Which keys are unmatched for each of the `queries` `(n,)`: booleans `(n, length)`.

    All keys from position 1 on that lie at least `nearest` tokens back, without those that match the query
    and those that follow a match.

    >>> unmatched(grams([1, 5, 7, 8, 5, 9]), [4], nearest=1)[0].nonzero()[0].tolist()
    [3]
    """
    gram, rows = np.asarray(gram, dtype=np.int64), np.asarray(queries, dtype=np.int64)
    keys = np.arange(len(gram))
    matches = gram[rows][:, None] == gram
    follows = np.zeros_like(matches)
    follows[:, 1:] = matches[:, :-1]
    return (keys >= 1) & (keys <= rows[:, None] - nearest) & ~matches & ~follows


def at_same_distances(
    queries: ArrayLike, keys: ArrayLike, allowed: ArrayLike, first: int, rolls: int = 8
) -> tuple[Positions, Positions]:
    """Unmatched pairs at the distances of matched ones: (which query, key), both `(pairs,)`.

    Query a of `queries` `(n,)` takes the distances at which other queries of the list find their partners in
    `keys` `(n,)`, those of the next `rolls` queries in turn. Only pairs count whose key lies after position
    `first` and is `allowed` `(n, length)`; the first array indexes `queries`.

    >>> allowed = np.ones((2, 50), dtype=bool)
    >>> which, key = at_same_distances([40, 41], [10, 21], allowed, first=0)
    >>> which.tolist(), key.tolist()
    ([0, 1], [20, 11])
    """
    rows, partners = np.asarray(queries, dtype=np.int64), np.asarray(keys, dtype=np.int64)
    mask = np.asarray(allowed, dtype=bool)
    which, found = [], []
    for roll in range(1, min(rolls, len(rows) - 1) + 1):
        moved = rows - np.roll(rows - partners, -roll)
        good = moved > first
        good[good] = mask[np.flatnonzero(good), moved[good]]
        which.append(np.flatnonzero(good))
        found.append(moved[good])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *which]), np.concatenate([none, *found])


@dataclass(frozen=True)
class Planted:
    """A random string that stands twice in an input, `STRING` tokens from `first` and from `second` on.

    `length` is the length of input at whose end the second copy stands; `kind` is "near" or "far".
    """

    kind: str
    length: int
    first: int
    second: int

    @property
    def distance(self) -> int:
        """Tokens from a token of the first copy to the same token of the second."""
        return self.second - self.first

    @property
    def queries(self) -> Positions:
        """Positions in the second copy whose string so far is long enough to tell what comes next."""
        return np.arange(self.second + STRING // 2, self.second + STRING - 1)


def natural_queries(length: int) -> Positions:
    """The `QUERIES` positions of natural text before the planted strings at the end of a length.

    >>> natural_queries(256)[[0, -1]].tolist()
    [160, 223]
    """
    end = length - 2 * STRING
    return np.arange(end - QUERIES, end)


def plan(lengths: Sequence[int]) -> tuple[Planted, ...]:
    """Where to plant strings, two for each length: its last tokens repeat one `NEAR` tokens back and one far.

    The far copy lies `FAR` of the length back, or a little farther where another string or the queries of a
    length stand. Raises ValueError for a length that has no room.

    >>> [(each.kind, each.first, each.second) for each in plan([256])]
    [('far', 32, 224), ('near', 112, 240)]
    """
    taken = {place for length in lengths for place in range(natural_queries(length)[0], length)} | {0}
    found = []
    for length in lengths:
        for kind, second, distance in (
            ("far", length - 2 * STRING, int(FAR * length)),
            ("near", length - STRING, NEAR),
        ):
            first = second - distance
            while first > 0 and taken.intersection(range(first, first + STRING)):
                first -= 1
            if first <= 0:
                raise ValueError(f"lengths must leave room for planted strings, got {list(lengths)}")
            taken.update(range(first, first + STRING))
            found.append(Planted(kind, length, first, second))
    return tuple(found)


def planted(tokens: ArrayLike, strings: Sequence[Planted], seed: int = 0) -> Positions:
    """`tokens` `(length,)` with each of the strings in both of its places, drawn from the tokens themselves.

    The tokens of a string differ from one another.

    >>> text = planted(np.arange(300) % 90, plan([256]))
    >>> bool((text[32:48] == text[224:240]).all()), bool((text[160:224] == np.arange(160, 224) % 90).all())
    (True, True)
    """
    ids = np.array(tokens, dtype=np.int64)
    random, known = np.random.default_rng(seed), np.unique(ids)
    for each in strings:
        string = random.choice(known, STRING, replace=False)
        for start in (each.first, each.second):
            ids[start : start + STRING] = string
    return ids


def probe(tokens: ArrayLike, half: int, seed: int = 0) -> Positions:
    """A random string of `half` different tokens, twice, after the first of `tokens`.

    What a head gives to the string's first copy tells whether it is a match head.

    Raises ValueError where `tokens` hold fewer different ones.

    >>> probe([3, 1, 2, 1], half=2, seed=0).tolist()
    [3, 2, 3, 2, 3]
    """
    ids = np.asarray(tokens, dtype=np.int64)
    known = np.unique(ids)
    if len(known) < half:
        raise ValueError(f"tokens must hold at least {half} different ones, got {len(known)}")
    string = np.random.default_rng(seed).choice(known, half, replace=False)
    return np.concatenate([ids[:1], string, string])
