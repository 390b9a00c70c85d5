"""Which base does a trained model need? Models that learn until they can do their task.

A model has *learned* if it met the criterion of its training within the limit. The rules that count models
and judge bounds stand in `experiments/least_base.toml`, where they were written before any model was
trained.
"""

import numpy as np
import pandas as pd

from rope_lib.theory.bounds import aliasing_bound, stability_bound
from rope_lib.train.tasks import TASKS, make_task

from . import stats
from .kept import Tables
from .stats import holm, student_interval, student_p
from .which_bound import EPSILON
from .wording import and_list

FEWEST = 4  # seeds from which on a base is said to suffice or to fail, or a difference is judged
BOUNDS = {"A2": aliasing_bound, "A3": lambda length: stability_bound(length, EPSILON)}
LARGE = 100_000  # the base with which a base of the trained length is compared
FAR = 4  # times the trained length
LENGTHS = 2  # of training, at which a finding must be the same

# Where a place, and not a content, must be found.
BY_PLACE = ("copy", "look_back")
NAMES = {"recall": "recall", "look_back": "look back", "copy": "copy"}


def models(tables: Tables) -> pd.DataFrame:
    """One row for each trained model: task, trained, base, seed, steps, met, learned, ended.

    `met` is the number of steps after which the criterion was first met, NaN where it never was; `trained`
    the trained length in tokens.
    """
    rows = tables["ended"].rename(columns={"name": "task"})
    rows = rows.assign(learned=rows.met.notna(), base=rows.base.astype(float))
    return rows[["task", "trained", "base", "seed", "steps", "met", "learned", "ended"]]


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `models` of those seeds that are there at every base of their task and length."""
    bases = rows.base.nunique()
    return rows.groupby(["task", "trained", "seed"]).filter(lambda each: each.base.nunique() == bases)


def counts(rows: pd.DataFrame) -> pd.DataFrame:
    """By task, trained length and base: seeds, learned, suffices, fails, and `met`, the geometric mean of it.

    A base suffices if all seeds but at most one have learned, and fails if at most one has. With fewer than
    four seeds it does neither.

    >>> seeds = pd.DataFrame({"task": "copy", "trained": 32, "base": 4.0, "met": [100, 400, 100, np.nan]})
    >>> counts(seeds.assign(learned=seeds.met.notna())).round(1).iloc[0].to_dict()
    {'seeds': 4, 'learned': 3, 'met': 158.7, 'suffices': True, 'fails': False}
    """
    groups = rows.groupby(["task", "trained", "base"])
    found = groups.learned.agg(seeds="size", learned="sum")
    found["met"] = np.exp(groups.met.apply(lambda steps: np.log(steps).mean()))
    enough = found.seeds >= FEWEST
    found["suffices"] = enough & (found.learned >= found.seeds - 1)
    found["fails"] = enough & (found.learned <= 1)
    return found


def judged_lengths(found: pd.DataFrame) -> list[int]:
    """The trained lengths at which every task has enough seeds at every base."""
    places = found[found.seeds >= FEWEST].groupby("trained").size()
    needed = len(NAMES) * found.index.unique("base").size
    return [int(length) for length in places.index[places == needed]]


def judged(found: pd.DataFrame, bound: str) -> dict[int, dict[str, bool]]:
    """By each length that is judged: do all bases below a bound fail, and do those near it suffice?

    `all_fail` maps to whether every base below the bound fails in copy or look back; `suffices` to whether
    every base of at least half the bound suffices in all tasks.
    """
    result = {}
    for length in judged_lengths(found):
        here = found.xs(length, level="trained")
        base = here.index.get_level_values("base")
        demanded = float(BOUNDS[bound](length))
        below = here[base < demanded].fails.unstack("task")
        result[length] = {
            "all_fail": bool(below[list(BY_PLACE)].any(axis=1).all()),
            "suffices": bool(here[base >= demanded / 2].suffices.all()),
        }
    return result


def constants(found: pd.DataFrame) -> pd.DataFrame:
    """The least base from which on every larger one suffices, over the trained length: columns low and high.

    The least such base lies in (low·L, high·L]: at `high` it was tried, and the next smaller base of the grid
    does not suffice. `low` is 0 where the smallest base of the grid does. By task and trained length.
    """
    rows = []
    for (task, length), here in found.groupby(["task", "trained"]):
        if (here.seeds < FEWEST).any():
            continue
        bases = here.index.get_level_values("base").to_numpy()
        from_here = here.suffices.to_numpy()[::-1].cumprod()[::-1].astype(bool)
        least = bases[from_here].min() if from_here.any() else np.inf
        smaller = bases[bases < least]
        rows.append((task, length, smaller.max() / length if smaller.size else 0.0, least / length))
    return pd.DataFrame(rows, columns=["task", "trained", "low", "high"])


def above_chance(tables: Tables) -> pd.DataFrame:
    """The accuracy above chance of each model by stretch: task, trained, base, seed, stretch, above.

    0 is guessing, 1 is every answer right; `stretch` is the length over the trained one.
    """
    rows = tables["summary"].rename(columns={"name": "task"})
    rows = rows.assign(base=rows.base.astype(float), stretch=rows.length // rows.trained)
    chance = rows.task.map({name: make_task(name).chance for name in TASKS})
    rows["above"] = stats.above_chance(rows.accuracy, chance)
    return rows[["task", "trained", "base", "seed", "stretch", "above"]]


def base_of_the_length(rows: pd.DataFrame, stretch: int = FAR) -> pd.DataFrame:
    """At so many times the trained length, the accuracy above chance at base L less that at 100,000.

    By task and trained length: n seeds, mean, low and high of Student's 95 % interval over the seeds, and p,
    of a t-test, by Holm over all the rows. Rows with fewer than four seeds are left out.
    """
    here = rows[rows.stretch == stretch]
    found = []
    for (task, length), each in here.groupby(["task", "trained"]):
        by_base = each.pivot(index="seed", columns="base", values="above")
        if not {float(length), float(LARGE)} <= set(by_base):
            continue
        pairs = (by_base[float(length)] - by_base[float(LARGE)]).dropna()
        if len(pairs) >= FEWEST:
            mean, low, high = student_interval(pairs)
            found.append((task, length, len(pairs), mean, low, high, student_p(pairs)))
    table = pd.DataFrame(found, columns=["task", "trained", "seeds", "mean", "low", "high", "p"])
    return table.assign(p=holm(table.p))


def verdict_on_base_of_the_length(table: pd.DataFrame) -> str:
    """What the rule says: "better" or "worse" in two of three tasks at every length, else "undecided"."""
    if table.trained.nunique() < LENGTHS:
        return "undecided"
    sure = table.assign(sign=np.sign(table["mean"]).where(table.p < 0.05, 0.0))
    for name, sign in (("better", 1.0), ("worse", -1.0)):
        if ((sure.sign == sign).groupby(sure.trained).sum() >= 2).all():
            return name
    return "undecided"


def facts(tables: Tables) -> dict[str, str]:
    """The numbers of the chapter's prose, by name."""
    rows = models(tables)
    found = counts(rows)
    lengths = sorted(rows.trained.unique())
    least, most = float(rows.base.min()), float(rows.base.max())
    result = {
        "learned-models": f"{len(rows)}",
        "learned-sentence": sentence(rows),
        "learned-bases": f"{rows.base.nunique()}",
        "learned-far": f"{FAR}",
        "learned-own-verdict": verdict_on_base_of_the_length(base_of_the_length(above_chance(tables))),
        "learned-least": f"{least:g}",
        "learned-most": f"{most:,.0f}",
        "learned-limit": f"{int(rows.steps.max()):,}",
    }
    for length in lengths:
        seeds = rows[rows.trained == length].groupby(["task", "base"]).seed.nunique()
        result[f"learned-seeds-{length}"] = _from_to(seeds.min(), seeds.max())
    for (task, length, base), row in found.iterrows():
        if base in (least, most):
            result[f"learned-met-{task}-{length}-{'least' if base == least else 'most'}"] = f"{row.met:,.0f}"
    return result


def sentence(rows: pd.DataFrame) -> str:
    """One sentence on which models learned.

    >>> rows = pd.DataFrame({"task": "copy", "trained": 32, "base": [2.0, 4.0], "learned": [False, True]})
    >>> sentence(rows)
    'Of 2 models 1 learned; the others are copy at base 2 and 32 tokens (1).'
    >>> sentence(rows[rows.learned])
    'All 1 models learned, at every base.'
    """
    never = rows[~rows.learned].groupby(["task", "base", "trained"]).size()
    if never.empty:
        return f"All {len(rows)} models learned, at every base."
    which = [
        f"{NAMES[task]} at base {base:g} and {length} tokens ({count})"
        for (task, base, length), count in never.items()
    ]
    return f"Of {len(rows)} models {int(rows.learned.sum())} learned; the others are {and_list(which)}."


def _from_to(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def interval_words(low: float, high: float) -> str:
    """An interval of the constant c in words.

    >>> interval_words(0.0, 0.04), interval_words(0.25, 0.5), interval_words(3125.0, np.inf)
    ('at most 0.04', 'above 0.25, at most 0.5', 'above 3,125')
    """
    above = f"above {low:,.2g}" if low and low < 100 else f"above {low:,.0f}" if low else ""
    at_most = f"at most {high:.2g}" if np.isfinite(high) else ""
    return ", ".join(part for part in (above, at_most) if part)
