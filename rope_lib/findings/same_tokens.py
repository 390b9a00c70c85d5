"""What a rise or a fall of the loss owes to the text, and what to the length of the input.

The control reads the same tokens with fewer before them: a shorter context that ends at the same place. Where
that changes nothing, the length is not the reason.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rope_lib.theory.arguments import positive

RUN = 8  # tokens that must repeat before the next counts as a copy
COPIED = 0.5  # a bin is a copy if at least this share of its tokens is


def copied_from(tokens: ArrayLike, run: int = RUN) -> NDArray[np.int64]:
    """How far back each token stands in an earlier copy of the text that leads to it; 0 where it is new.

    A token is a copy if the `run` tokens before it stood somewhere earlier, the last time before the same
    token. `tokens` has shape `(length,)`.

    >>> copied_from([5, 6, 7, 1, 5, 6, 7, 2], run=2).tolist()
    [0, 0, 0, 0, 0, 0, 4, 0]
    """
    ids = np.asarray(tokens).tolist()
    last: dict[tuple[int, ...], int] = {}
    back = np.zeros(len(ids), dtype=np.int64)
    for here in range(run, len(ids)):
        before = tuple(ids[here - run : here])
        earlier = last.get(before)
        if earlier is not None and ids[earlier] == ids[here]:
            back[here] = here - earlier
        last[before] = here
    return back


def copies(tokens: ArrayLike, size: int) -> pd.DataFrame:
    """Copies by bins of `size` tokens: first, share (of the tokens that are copies) and back (their median).

    `back` is NaN in a bin without a copy; a last bin that is not full is left out. See `copied_from`.

    >>> copies([5, 6, 7, 1, 5, 6, 7, 2] * 4, 16).share.round(2).tolist()
    [0.0, 1.0]
    """
    back = copied_from(tokens)
    bins = len(back) // size
    rows = back[: bins * size].reshape(bins, size)
    middle = [float(np.median(row[row > 0])) if np.any(row) else np.nan for row in rows]
    return pd.DataFrame({"first": np.arange(bins) * size, "share": (rows > 0).mean(axis=1), "back": middle})


def excess(full: pd.DataFrame, control: pd.DataFrame, size: int = 256) -> pd.DataFrame:
    """The loss of one long input beside that of the same tokens in a shorter context, by bins of `size`.

    `full` has columns first and nll, `control` context, first and nll; both hold means over equal bins.
    Columns: context, first, full, control and excess, nats. Only bins that both cover whole are there.

    >>> bins = pd.DataFrame({"first": [0, 128, 256, 384], "nll": [2.0, 2.0, 3.0, 5.0]})
    >>> excess(bins, bins[2:].assign(context=256, nll=2.0)).values.tolist()
    [[256.0, 256.0, 4.0, 2.0, 2.0]]
    """
    width = _width(full)
    both = control.merge(full, on="first", suffixes=("_control", "_full"))
    groups = both.assign(bin=both["first"] // size * size).groupby(["context", "bin"])
    means = groups[["nll_full", "nll_control"]].mean()[groups.size() == size // width]
    found = means.reset_index().set_axis(["context", "first", "full", "control"], axis=1)
    return found.assign(excess=found.full - found.control)


def facts(
    table: pd.DataFrame, copied: pd.DataFrame, full: pd.DataFrame, control: pd.DataFrame, *, declared: int
) -> dict[str, str]:
    """The numbers of the chapter on the break, by their glue names.

    `table` is `excess`, `copied` is `copies`; `full` and `control` are the bins from which `table` was made.
    """
    positive("declared", declared)
    bins = copied[copied.share >= COPIED]
    stretch = bins["first"].tolist()
    size = int(copied["first"].iloc[1])
    short = control[(control.context < declared) & control["first"].isin(stretch)].nll
    here = full[full["first"].isin(stretch)].nll
    inside = table[(table.context < declared) & (table["first"] + 2 * _width(table) <= min(stretch))]
    beyond = table[table.context == declared].set_index("first").excess
    rising = first_above(beyond, 0.1)
    return {
        "break-copy-from": f"{min(stretch):,}",
        "break-copy-to": f"{max(stretch) + size:,}",
        "break-copy-back": f"{bins.back.median():,.0f}",
        "break-copy-full": f"{here.min():.2f} to {here.max():.2f}",
        "break-copy-short": f"{short.min():.2f} to {short.max():.2f}",
        "break-short-context": f"{control.context.min():,}",
        "break-short-cost": f"{-inside.excess.mean():.2f}",
        "break-short-most": f"{-inside.excess.min():.2f}",
        "break-excess-calm": f"{beyond[beyond.index < rising].abs().max():.2f}",
        "break-excess-from": f"{rising:,}",
        "break-excess-first": f"{beyond[rising]:.2f}",
        "break-excess-last-bin": f"{beyond.index.max():,}",
        "break-excess-last": f"{beyond.iloc[-1]:.1f}",
    }


def first_above(values: pd.Series, least: float) -> int:
    """The first index from which on every value is above `least`. Raises ValueError if the last is not.

    >>> first_above(pd.Series([0.0, 0.5, 0.0, 0.2, 0.9], index=[0, 256, 512, 768, 1_024]), 0.1)
    768
    """
    low = values.index[values <= least]
    later = values.index if low.empty else values.index[values.index > low.max()]
    if later.empty:
        raise ValueError(f"values must end above {least:g}, got {values.iloc[-1]:g}")
    return int(later[0])


def _width(table: pd.DataFrame) -> int:
    """The size of the bins of a table: the least distance between two of them."""
    return int(np.diff(np.unique(table["first"])).min())
