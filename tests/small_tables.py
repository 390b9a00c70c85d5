"""Small tables for tests of summaries, and their rows for the plain loops that check them."""

import numpy as np
import pandas as pd


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
