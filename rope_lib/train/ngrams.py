"""What a table of counts knows about the next byte: the floor that a model of text has to clear.

An n-gram model predicts a byte from the few bytes before it by how often each byte followed them in a text it
has read. Needs no torch.
"""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

MOST_CONTEXT = 7  # bytes: with the byte that follows them, as many as a 64-bit number holds


def witten_bell(read: Bytes, text: Bytes, context: int) -> Floats:
    """Loss of each byte of `text` in nats, from counts in `read`, with 0, 1, … `context` bytes before it.

    `read` and `text` are `(bytes,)`; the result is `(context + 1, len(text))`. After a context c that occurs
    n times before t different bytes, the byte w that follows it m times has probability (m + t·p)/(n + t),
    with p its probability after c without its first byte, and after nothing 1/256: each order is
    interpolated with all lower ones. After a context that never occurs, or reaches beyond the beginning of
    the text, it is p. Raises ValueError for a context below 0 or above `MOST_CONTEXT`, or no more bytes to
    read than a context has. Source: Witten and Bell 1991, method C.

    >>> read, text = (np.frombuffer(each, np.uint8) for each in (b"abab", b"ab"))
    >>> np.exp(-witten_bell(read, text, 1)).round(4).tolist()
    [[0.3346, 0.3346], [0.3346, 0.7782]]
    """
    if not 0 <= context <= min(MOST_CONTEXT, len(read) - 1):
        raise ValueError(
            f"context must be from 0 to {min(MOST_CONTEXT, len(read) - 1)} for {len(read)} bytes to read, "
            f"got {context}"
        )
    probability = np.full(len(text), 1 / 256)
    losses = []
    for before in range(context + 1):
        grams, counts = np.unique(runs(read, before + 1), return_counts=True)
        contexts, starts = np.unique(grams >> np.uint64(8), return_index=True)
        totals, kinds = np.add.reduceat(counts, starts), np.diff(starts, append=len(grams))
        asked = runs(text, before + 1)
        followed = _found(grams, counts, asked)
        total, kind = (_found(contexts, each, asked >> np.uint64(8)) for each in (totals, kinds))
        lower = probability[before:]
        seen = total > 0
        lower[seen] = ((followed + kind * lower) / np.maximum(total + kind, 1))[seen]
        losses.append(-np.log(probability))
    return np.stack(losses)


def runs(text: Bytes, length: int) -> NDArray[np.uint64]:
    """All runs of `length` bytes of a text, `(bytes - length + 1,)`: numbers whose lowest byte is the last.

    >>> [hex(run) for run in runs(np.array([1, 2, 3], np.uint8), 2)]
    ['0x102', '0x203']
    """
    count = max(0, len(text) - length + 1)
    found = np.zeros(count, np.uint64)
    for place in range(length):
        found = (found << np.uint64(8)) | text[place : place + count]
    return found


def _found(
    keys: NDArray[np.uint64], values: NDArray[np.int64], asked: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """The value of each key asked for, 0 of one that is not there; `keys` ascend."""
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)
