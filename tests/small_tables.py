"""Small tables for tests of summaries, and their rows for the plain loops that check them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

LENGTHS = (128, 256)  # of `small_sweep`


@dataclass(frozen=True)
class SmallSweep:
    """The tables of a `measure.sweep.Sweep` that summaries of clusters use."""

    heads: pd.DataFrame
    pairs: pd.DataFrame
    queries: pd.DataFrame
    profiles: pd.DataFrame
    norms: pd.DataFrame


def random_table(random, columns, **index):
    """A row for each combination of the values of `index`, random numbers in `columns`."""
    rows = pd.MultiIndex.from_product(index.values(), names=index).to_frame(index=False)
    return rows.assign(**{column: random.uniform(0.1, 1, len(rows)) for column in columns})


def losses_of(means, size):
    """A table of losses whose bins of `size` positions have these means; token 0 has none."""
    nll = np.repeat(means, size)[1:]
    return pd.DataFrame({"position": np.arange(1, len(nll) + 1), "nll": nll})


def records(table, **where):
    """The rows, each a dict, that hold these values."""
    rows = table.to_dict("records")
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def small_sweep(random, lengths=LENGTHS):
    """Random tables of a sweep of one pass: two layers of one key head and two query heads each."""
    tokens = max(lengths)
    stages, layers = ("pre", "post"), (0, 1)
    where = {"length": lengths, "layer": layers, "stage": stages}
    measured = ["stable_rank", "first_singular_value", "first_norm", "mean_norm", "mean_cosine"]
    heads = [
        random_table(random, measured, role=("key",), head=(0,), **where),
        random_table(random, measured, role=("query",), head=(0, 1), **where),
    ]
    between = ["cosine", "dot_product", "silhouette", "davies_bouldin"]
    pairs = random_table(random, between, head=(0, 1), **where).assign(key_head=0)
    one_pass = {"pass": (tokens,), "layer": layers}
    seen = ["sink_attention", "recent_attention", "sink_score", "largest_score"]
    queries = random_table(random, seen, **one_pass, head=(0, 1), position=range(tokens))
    queries["largest_distance"] = queries.position.where(queries.position % 2 == 0, 3)
    norms = random_table(random, ["norm"], **one_pass, role=("key",), head=(0,), first=(0, 1, 2))
    norms["last"] = norms["first"].map({0: 0, 1: 1, 2: tokens - 1})
    columns = ["score", "cosine", "attention"]
    profiles = random_table(random, columns, length=lengths, layer=layers, head=(0, 1), first=(-1, 0, 1))
    return SmallSweep(pd.concat(heads, ignore_index=True), pairs, queries, profiles, norms)


def small_geometry(random, models, texts=("one", "two")):
    """Tables as the result `geometry` keeps: `small_sweep` of up to 1,024 tokens for each model and text.

    Layer 1 of each model has a window; profiles have bins of distances 0 and 1 to `length` - 1.
    """
    parts = {}
    for model in models:
        for text in texts:
            sweep = small_sweep(random, (128, 256, 512, 1024))
            heads = sweep.heads.assign(window=np.where(sweep.heads.layer == 1, 64.0, np.nan))
            last = sweep.profiles["first"].where(sweep.profiles["first"] < 1, sweep.profiles.length - 65)
            tables = {
                "heads": heads,
                "pairs": sweep.pairs,
                "queries": sweep.queries,
                "profiles": sweep.profiles.assign(last=last),
            }
            for name, table in tables.items():
                table.insert(0, "text", text)
                table.insert(0, "model", model)
                parts.setdefault(name, []).append(table)
    return {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}
