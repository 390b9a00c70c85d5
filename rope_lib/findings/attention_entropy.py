"""Attention in models below and above the DC-stability bound: does it collapse? (paper A, claim A3)

The tables are those of `results/attention_entropy`, made by `rope_lib.train.collapse`. "Collapse" may mean
two things, and both are looked for. A head's attention is collapsed

`uniform`     if its entropy is at least `COLLAPSED` of the logarithm of the keys that it sees;
`one token`   if one key gets at least `COLLAPSED` of the attention of all questions of an input together.

Sharp attention alone is no collapse: a head that finds another answer for each question must be sharp.
"""

from typing import TypeAlias

import numpy as np
import pandas as pd

from rope_lib.theory.bounds import aliasing_bound, stability_bound

from .kept import Tables
from .stats import Interval, student_interval
from .wording import signed

COLLAPSED = 0.8
SENSES = {"uniform": "entropy", "one token": "top"}
MODEL = ["task", "base", "seed"]  # the columns that identify a trained model

Contrast: TypeAlias = dict[str, float]


def by_model(attention: pd.DataFrame, length: int, queries: str = "asked") -> pd.DataFrame:
    """A row for each trained model at one length: how its heads attend.

    Columns: task, base, seed, converged; the means over heads of entropy, top and first; and for each of
    `SENSES` the share of heads that are collapsed.

    >>> heads = pd.DataFrame({"task": "order", "base": 4.0, "seed": 0, "converged": True, "length": 64,
    ...     "queries": "asked", "entropy": [0.9, 0.2], "top": [0.1, 0.3], "first": 0.0})
    >>> by_model(heads, 64)[["entropy", "uniform", "one token"]].to_dict("records")
    [{'entropy': 0.55, 'uniform': 0.5, 'one token': 0.0}]
    """
    heads = attention[(attention.length == length) & (attention.queries == queries)]
    shares = {sense: heads[column] >= COLLAPSED for sense, column in SENSES.items()}
    found = heads.assign(**shares).groupby([*MODEL, "converged"], as_index=False)
    return found[["entropy", "top", "first", *SENSES]].mean()


def contrast(models: pd.DataFrame, column: str, bound: float) -> Contrast:
    """A column of `by_model` below and above a bound on the base: below, above, difference, low, high.

    The difference is that of the means over bases, seed by seed, with Student's 95 % interval over seeds;
    `worst` is the base below the bound at which the column is largest, and worst_difference, worst_low and
    worst_high compare that base alone with all above the bound.
    """
    below, above = models[models.base < bound], models[models.base >= bound]
    high = above.groupby("seed")[column].mean()
    worst = float(below.groupby("base")[column].mean().idxmax())
    whole = student_interval(below.groupby("seed")[column].mean() - high)
    alone = student_interval(below[below.base == worst].set_index("seed")[column] - high)
    return {
        "below": float(below[column].mean()),
        "above": float(above[column].mean()),
        **_interval("", whole),
        "worst": worst,
        **_interval("worst_", alone),
    }


def _interval(prefix: str, found: Interval) -> Contrast:
    names = ("difference", "low", "high")
    return {f"{prefix}{name}": value for name, value in zip(names, found, strict=True)}


def contrasts(tables: Tables, epsilon: float) -> dict[str, dict[str, dict[str, Contrast]]]:
    """`contrast` of every sense, by length, task and sense; lengths as text, such as "64".

    The bound is that of the length: at a longer input more bases lie below it.
    """
    found: dict[str, dict[str, dict[str, Contrast]]] = {}
    for length in sorted(tables["attention"].length.unique()):
        models = by_model(tables["attention"], int(length))
        bound = float(stability_bound(length, epsilon))
        found[str(length)] = {
            str(task): {sense: contrast(part, sense, bound) for sense in SENSES}
            for task, part in models.groupby("task")
        }
    return found


def accuracy(tables: Tables, length: int, epsilon: float) -> pd.DataFrame:
    """Share of questions answered at one length, by task: far_below and far_above, below and above.

    Far questions are those whose answer lies a quarter of the input back or more; below and above are the
    sides of the bound at that length.
    """
    answers = tables["answers"]
    answers = answers[answers.length == length]
    side = np.where(answers.base < stability_bound(length, epsilon), "below", "above")
    answers = answers.assign(side=side)
    every = answers.pivot_table(index="task", columns="side", values="correct", aggfunc="mean")
    far = answers[answers.distance >= length / 4]
    far_table = far.pivot_table(index="task", columns="side", values="correct", aggfunc="mean")
    return every.join(far_table.add_prefix("far_"))


def learned(tables: Tables, epsilon: float) -> pd.DataFrame:
    """How many models met the criterion, and after how many steps: by task and base.

    Columns: task, base, below (the bound at the trained length), models, converged, steps (the median).
    """
    models = tables["training"].groupby(MODEL, as_index=False).last()
    length = int(tables["attention"].length.min())
    table = models.groupby(["task", "base"], as_index=False).agg(
        models=("seed", "size"), converged=("converged", "sum"), steps=("trained_steps", "median")
    )
    table.insert(2, "below", table.base < stability_bound(length, epsilon))
    return table


def facts(tables: Tables, epsilon: float) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names."""
    lengths = sorted(int(length) for length in tables["attention"].length.unique())
    trained = lengths[0]
    models = by_model(tables["attention"], trained)
    counts = learned(tables, epsilon)
    bound = float(stability_bound(trained, epsilon))
    found = {
        "collapse-models": f"{len(models)}",
        "collapse-seeds": f"{models.seed.nunique()}",
        "collapse-length": f"{trained}",
        "collapse-longer": f"{lengths[-1]}",
        "collapse-bound": f"{bound:,.0f}",
        "collapse-least": f"{models.base.min():g}",
        "collapse-most": f"{models.base.max():,.0f}",
        "collapse-least-share": f"{models.base.min() / bound:.2f}",
        "collapse-threshold": f"{COLLAPSED:.0%}".replace("%", " %"),
        "collapse-criterion": f"{counts.converged.sum()}",
    }
    for task, part in models.groupby("task"):
        for sense in (*SENSES, "entropy", "top"):
            made = contrast(part, sense, bound)
            key = f"collapse-{task}-{sense.replace(' ', '-')}"
            found |= {
                f"{key}-below": f"{made['below']:.2f}",
                f"{key}-above": f"{made['above']:.2f}",
                f"{key}-difference": signed(made["difference"]),
                f"{key}-interval": f"{signed(made['low'])} to {signed(made['high'])}",
            }
    found["collapse-aliasing"] = f"{float(aliasing_bound(trained)):.1f}"
    for length in lengths:
        found |= _where_it_is_worst(tables["attention"], length, epsilon)
    for length in lengths:
        for task, row in accuracy(tables, length, epsilon).iterrows():
            for side in ("below", "above"):
                found[f"collapse-{task}-far-{side}-{length}"] = f"{100 * row[f'far_{side}']:.0f} %"
    return found


def _where_it_is_worst(attention: pd.DataFrame, length: int, epsilon: float) -> dict[str, str]:
    """Of each task and sense: the worst base, its share and interval, and the share between the bounds.

    That is the share of heads at the bases that break the DC-stability bound of this length and keep the
    aliasing bound.
    """
    found: dict[str, str] = {}
    bound = float(stability_bound(length, epsilon))
    for task, part in by_model(attention, length).groupby("task"):
        between = part[(part.base >= aliasing_bound(length)) & (part.base < bound)]
        for sense in SENSES:
            made = contrast(part, sense, bound)
            key = f"collapse-{task}-{sense.replace(' ', '-')}-{length}"
            found |= {
                f"{key}-worst": f"{made['worst']:g}",
                f"{key}-worst-share": f"{made['above'] + made['worst_difference']:.2f}",
                f"{key}-worst-interval": f"{signed(made['worst_low'])} to {signed(made['worst_high'])}",
                f"{key}-below": f"{made['below']:.2f}",
                f"{key}-above": f"{made['above']:.2f}",
                f"{key}-interval": f"{signed(made['low'])} to {signed(made['high'])}",
                f"{key}-between": f"{between[sense].mean():.2f}",
            }
    return found
