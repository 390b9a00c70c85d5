"""What trained models keep when their angles, their tables or all of them are rounded, at large positions.

The models are those of the kept result `precision`: three tasks, four bases, each trained until it can do its
task. They are judged by the rules of `experiments/precision.toml`, which were written down before any cell of
the grid was run. What a model *keeps* is its accuracy above chance over that with float64 angles and no
shift; a seed is *whole* in a task if its models of all bases have learned. Positions and shifts are in
tokens, angles in radians, losses in nats.
"""

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from rope_lib.runs.grid import make_grid
from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.precision import Arithmetic, direct_product, phase_error, round_to
from rope_lib.train.config import TRAINED

from . import rivals
from .breaks import breaks
from .kept import Provenance, Tables
from .long_inputs import octave_losses
from .stats import above_chance, student_interval
from .wording import and_list, rounded_up, seeds_by_task

EXACT = "float64 angles"
PRODUCT, RECURRENCE = "float32 product", "float32 recurrence"
# The arithmetics of angles that have a wall between the bases, by number type.
WALLS: Mapping[str, str] = {
    "bfloat16": "bfloat16 angles",
    "float16": "float16 angles",
    "float32": PRODUCT,
}
# What else is rounded, with float32 angles.
FORMS = (
    "bfloat16 tables",
    "float16 tables",
    "bfloat16 frequencies",
    "bfloat16 model",
    "float16 model",
)
FAR = 1_000_000  # tokens: the shift at which the forms are asked once more

HARMED = 0.9  # a base that keeps less is harmed
MATTERS = 0.1  # a difference in what is kept that A5's wall would make at the least
FREE = 0.98  # what is kept of a form of rounding that costs nothing
APART = 10.0  # the places at which three arithmetics begin to fail may differ by this factor, in units of 1/ε


@dataclass(frozen=True)
class Plan(rivals.Plan):
    """The plan of the grid, with its `bases` and, for each variant, what is rounded and the shift."""

    bases: tuple[float, ...] = ()
    variants: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def planned(provenance: Provenance) -> Plan:
    """The plan of the grid from which kept tables come.

    >>> from rope_lib.findings.kept import kept
    >>> plan = planned(kept("precision")[1])
    >>> plan.tasks, plan.variants["bfloat16_model_at_1000000"]
    (('recall', 'look_back', 'copy'), ('bfloat16 model', 1000000))
    """
    plan = rivals.planned(provenance)
    values = [cell.values for cell in make_grid(tomllib.loads(provenance["inputs"]["grid"])).cells]
    asked = values[0]["evaluation"]["variants"]
    own = {each.name: getattr(plan, each.name) for each in fields(plan)}
    return Plan(
        **own,
        bases=tuple(dict.fromkeys(float(each["spectrum"]["base"]) for each in values)),
        variants={name: (_rounded(each), each.get("shift", 0)) for name, each in asked.items()},
    )


def _rounded(variant: Mapping[str, str]) -> str:
    """What a variant rounds: a whole model, or what its scheme does."""
    return f"{variant['dtype']} model" if "dtype" in variant else variant["scheme"]


def trained_models(tables: Tables) -> pd.DataFrame:
    """One row for each trained model: task, base, seed, learned and steps to the criterion, NaN if none."""
    ended = tables["ended"]
    columns = {"task": ended.name, "base": ended.base.astype(float), "seed": ended.seed}
    return pd.DataFrame(columns | {"learned": ended.met.notna(), "steps": ended.met})


def whole(models: pd.DataFrame, plan: Plan) -> dict[str, tuple[int, ...]]:
    """The seeds of each task whose models of all bases are trained and have learned."""
    learned = models[models.learned].groupby(["task", "seed"]).base.nunique()
    return {
        task: tuple(seed for seed in plan.seeds if learned.get((task, seed), 0) == len(plan.bases))
        for task in plan.tasks
    }


def trials(tables: Tables, plan: Plan) -> pd.DataFrame:
    """One row for each task, base, seed, what is rounded and shift, of the whole seeds.

    Columns: task, base, seed, rounded, shift, accuracy, kept, extra (nats more than with float64 angles).
    Raises ValueError if what is kept with float64 angles changes with the shift by a thousandth or more: then
    there is nothing to compare with.
    """
    seeds = whole(trained_models(tables), plan)
    rows = tables["summary"]
    inside = np.array([seed in seeds[task] for task, seed in zip(rows.name, rows.seed, strict=True)])
    rows = rows[inside & (rows.variant != TRAINED)]
    asked = rows.variant.map(plan.variants)
    table = pd.DataFrame(
        {
            "task": rows.name,
            "base": rows.base.astype(float),
            "seed": rows.seed,
            "rounded": asked.str[0],
            "shift": asked.str[1],
            "accuracy": rows.accuracy,
            "above": above_chance(rows.accuracy, rows.name.map(plan.chances).astype(float)),
            "nll": rows.nll,
        }
    )
    cell = ["task", "base", "seed"]
    exact = table[(table.rounded == EXACT) & (table["shift"] == 0)].set_index(cell)
    own = exact.reindex(pd.MultiIndex.from_frame(table[cell]))
    table = table.assign(kept=table.above / own.above.to_numpy(), extra=table.nll - own.nll.to_numpy())
    change = (table[table.rounded == EXACT].kept - 1).abs().max()
    if change >= 1e-3:
        raise ValueError(f"float64 angles must keep everything at every shift, got a change of {change:.4f}")
    return table.drop(columns=["above", "nll"]).reset_index(drop=True)


def means(rows: pd.DataFrame, column: str = "kept") -> pd.DataFrame:
    """Mean over seeds of a column of `trials`: (task, rounded, shift) × base."""
    return rows.pivot_table(index=["task", "rounded", "shift"], columns="base", values=column, aggfunc="mean")


def _of_angles(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `trials` with rounded angles, and the number type of these in a column `arithmetic`."""
    names = {scheme: arithmetic for arithmetic, scheme in WALLS.items()}
    own = rows[rows.rounded.isin(names)]
    return own.assign(arithmetic=own.rounded.map(names))


def worst(rows: pd.DataFrame) -> pd.DataFrame:
    """What models keep at the worst shift of each task and arithmetic: the rows of `trials` at that shift.

    The worst is where the bases keep least, in the mean over seeds and bases; of equals, the first. A column
    `arithmetic` names the number type of the angles.
    """
    own = _of_angles(rows)
    least = own.groupby(["task", "arithmetic", "shift"]).kept.mean()
    where = {key[:2]: key[2] for key in least.groupby(level=["task", "arithmetic"]).idxmin()}
    return own[[where[task, name] == shift for task, name, shift in
                zip(own.task, own.arithmetic, own["shift"], strict=True)]]  # fmt: skip


def sides(rows: pd.DataFrame) -> pd.DataFrame:
    """What is kept on either side of A5's wall at the worst shift, by task and arithmetic.

    Columns: shift; below and beyond, the means over bases and seeds; beyond_at_start, that beyond the wall at
    no shift; and start_low, the lower end of its 95 % interval over seeds.
    """
    found = {}
    groups = dict(list(worst(rows).groupby(["task", "arithmetic"])))
    for task, arithmetic in itertools.product(rows.task.unique(), WALLS):
        own = groups[task, arithmetic]
        inside = own.base < float(precision_wall(arithmetic))
        start = rows[(rows.task == task) & (rows.rounded == WALLS[arithmetic]) & (rows["shift"] == 0)]
        beyond = start[start.base >= float(precision_wall(arithmetic))].groupby("seed").kept.mean()
        found[task, arithmetic] = {
            "shift": int(own["shift"].iloc[0]),
            "below": float(own[inside].kept.mean()),
            "beyond": float(own[~inside].kept.mean()),
            "beyond_at_start": float(beyond.mean()),
            "start_low": student_interval(beyond)[1] if len(beyond) > 1 else np.nan,
        }
    table = pd.DataFrame.from_dict(found, orient="index")
    return table.rename_axis(["task", "arithmetic"])


def wall(rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What those below A5's wall keep less what those beyond it keep: `rivals.paired_tests` in each task.

    One number for each seed: the mean over the arithmetics, each at its worst shift. A5 predicts "above".
    """
    own = worst(rows)
    inside = own.base < own.arithmetic.map(lambda name: float(precision_wall(name)))
    keys = ["task", "seed", "arithmetic"]
    below, beyond = (own[mask].groupby(keys).kept.mean() for mask in (inside, ~inside))
    return rivals.tested_by_task((below - beyond).groupby(["task", "seed"]).mean(), plan)


def lowest_base(rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What the lowest base keeps less the mean of the others, at the worst shifts: `rivals.paired_tests`.

    The experiment before this one predicts "below".
    """
    own = worst(rows).pivot_table(index=["task", "seed", "arithmetic"], columns="base", values="kept")
    low = min(plan.bases)
    difference = own[low] - own.drop(columns=low).mean(axis=1)
    return rivals.tested_by_task(difference.groupby(["task", "seed"]).mean(), plan)


def harmless_at_start(found: pd.DataFrame) -> pd.Series:
    """Whether models beyond the wall keep nearly all at no shift in every arithmetic, by task.

    `found` is a table of `sides`. True contradicts A5 in that task.
    """
    return (found.start_low >= FREE).groupby(level="task").all()


def begins(rows: pd.DataFrame) -> pd.DataFrame:
    """The first shift at which the bases keep less than 0.9 in the mean, times ε: task × arithmetic, or NaN.

    Chapter 5 puts the limit at a position of the order of 1/ε, so at about 1 in these units.
    """
    found = {}
    for arithmetic, scheme in WALLS.items():
        kept = rows[rows.rounded == scheme].groupby(["task", "shift"]).kept.mean()
        first = kept[kept < HARMED].reset_index().groupby("task")["shift"].min()
        found[arithmetic] = first / float(precision_wall(arithmetic))
    return pd.DataFrame(found).reindex(rows.task.unique())


def one_place(found: pd.DataFrame) -> pd.Series:
    """By task of `begins`: do the arithmetics begin to fail at one place, up to a factor? Else None."""
    spread = found.max(axis=1) / found.min(axis=1)
    return (spread <= APART).astype(object).where(found.notna().sum(axis=1) >= 2, None)


def two_ways(rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """What is kept with the float32 recurrence less with the product, in the mean: `rivals.paired_tests`."""
    table = rows.pivot_table(index=["task", "seed", "shift", "base"], columns="rounded", values="kept")
    common = table[[PRODUCT, RECURRENCE]].dropna()
    return rivals.tested_by_task(
        (common[RECURRENCE] - common[PRODUCT]).groupby(["task", "seed"]).mean(), plan
    )


FREE_OF_COST, COSTS, OPEN = "free", "costs", "open"


def forms(rows: pd.DataFrame) -> pd.DataFrame:
    """What is kept with rounded tables, frequencies or whole models: a row for each task, form and shift.

    Columns: mean, low and high of the 95 % interval over seeds of the mean over bases.
    """
    own = rows[rows.rounded.isin(FORMS)].groupby(["task", "rounded", "shift", "seed"]).kept.mean()
    return rivals.intervals(own, ["task", "rounded", "shift"])


def cost_of_forms(found: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `forms`: whether each form is free, costs, or leaves it open: task × form."""
    ends = found.groupby(level=["task", "rounded"])
    outcome = pd.Series(OPEN, index=ends.low.min().index)
    outcome[ends.low.min() >= FREE] = FREE_OF_COST
    outcome[ends.high.min() < FREE] = COSTS
    return outcome.unstack("rounded")[[form for form in FORMS if form in outcome.index.unique("rounded")]]


def settings(rows: pd.DataFrame, length: int) -> pd.DataFrame:
    """What is kept in each setting of the arithmetics in `WALLS`, beside what rounding does: a row for each.

    Columns: task, base, arithmetic, shift; kept, its least and most over seeds; and
    place       the last position of an input of `length` tokens, times ε: in units of 1/ε
    farthest    distance between the rounded positions of the first and the last token, over the exact one
    """
    own = _of_angles(rows)
    groups = own.groupby(["task", "base", "arithmetic", "shift"])
    found = groups.kept.agg(kept="mean", least="min", most="max").reset_index()
    last = found["shift"] + length - 1
    ends = [
        np.ptp(round_to([shift, shift + length - 1], arithmetic))
        for arithmetic, shift in zip(found.arithmetic, found["shift"], strict=True)
    ]
    epsilon = 1 / found.arithmetic.map({name: float(precision_wall(name)) for name in WALLS})
    return found.assign(place=last * epsilon, farthest=np.array(ends) / (length - 1))


def torn(points: pd.DataFrame) -> pd.Series:
    """Where rounding puts the ends of an input farther apart than they are, by half or more: a Boolean mask.

    `points` is a table of `settings`.

    >>> torn(pd.DataFrame({"farthest": [0.0, 1.0, 2.0]})).tolist()
    [False, False, True]
    """
    return points.farthest > 1.5


# What chapter 19 states


def harmed(rows: pd.DataFrame) -> pd.DataFrame:
    """The settings of the arithmetics in `WALLS` in which some base keeps less than 0.9: rows of `means`."""
    table = means(rows[rows.rounded.isin(WALLS.values())])
    return table[table.min(axis=1) < HARMED]


def facts(tables: Tables, plan: Plan) -> dict[str, str]:
    """The numbers and the clauses of the chapter about trained models, as it prints them, by name.

    What is kept is a mean over the whole seeds. Each clause is chosen by the data.
    """
    models, rows = trained_models(tables), trials(tables, plan)
    own, lost, told = sides(rows), models[~models.learned], one_place(begins(rows))
    found = {
        "seeds": seeds_so_far(models, plan),
        "models": f"{len(models)}",
        "questions": f"{int(tables['summary'].questions.min()):,} to {tables['summary'].questions.max():,}",
        "unlearned": _unlearned(lost),
        "steps": f"{models.steps.min():,.0f} to {models.steps.max():,.0f}",
        "wall": rivals.told(wall(rows, plan)),
        "lowest": rivals.told(lowest_base(rows, plan)),
        "start-least": f"{own.start_low.min():.3f}",
        "start": _tasks_where(harmless_at_start(own)),
        "harmed": f"{len(harmed(rows))}",
        **_facts_of_ways(rows, plan),
        **_facts_of_places(rows),
        **_facts_of_forms(rows),
        **_facts_of_points(settings(rows, plan.trained), told.index[told.notna()]),
    }
    return {f"rounding-{name}": text for name, text in found.items()}


def _unlearned(lost: pd.DataFrame) -> str:
    """How many models have not learned, and of which tasks."""
    tasks = and_list(rivals.TASK_NAMES[task] for task in lost.task.unique())
    return "none" if lost.empty else f"{len(lost)} (of {tasks})"


def seeds_so_far(models: pd.DataFrame, plan: Plan) -> str:
    """How many of the planned seeds are whole, by task where that differs."""
    own = {rivals.TASK_NAMES[task]: seeds for task, seeds in whole(models, plan).items()}
    return seeds_by_task(own, len(plan.seeds), "in")


def _tasks_where(holds: pd.Series) -> str:
    """The tasks in which something holds, as a clause."""
    names = [rivals.TASK_NAMES[str(task)] for task in holds.index[holds.astype(bool)]]
    return "every task" if len(names) == len(holds) else and_list(names) if names else "no task"


def _facts_of_places(rows: pd.DataFrame) -> dict[str, str]:
    """Where each arithmetic begins to fail, in units of 1/ε, and whether that is one place in a task."""
    found = begins(rows)
    same = one_place(found)
    places = found[same.notna()].stack()
    return {
        "begins": f"{places.min():.1f} to {places.max():.1f}",
        "one-place": _tasks_where(same[same.notna()]),
        "no-place": _tasks_where(same.isna()),
    }


def _facts_of_ways(rows: pd.DataFrame, plan: Plan) -> dict[str, str]:
    """The recurrence against the product; *most* is where it keeps least beside it, in the mean of seeds."""
    both = means(rows).stack().unstack("rounded")[[PRODUCT, RECURRENCE]].dropna()
    task, shift, base = (both[RECURRENCE] - both[PRODUCT]).idxmin()
    product, recurrence = both.loc[(task, shift, base), [PRODUCT, RECURRENCE]]
    return {
        "ways": rivals.told(two_ways(rows, plan)),
        "ways-most": (
            f"{recurrence:.2f} against {product:.2f}, on {rivals.TASK_NAMES[task]} at base {base:,.0f} and a "
            f"shift of {shift:,}"
        ),
    }


def _facts_of_forms(rows: pd.DataFrame) -> dict[str, str]:
    """What rounded tables, frequencies and whole models cost: the least that is kept, and who is free."""
    found = forms(rows)
    outcomes = cost_of_forms(found)
    return {
        "forms-least": f"{found['mean'].min():.3f}",
        "forms-free": f"{int((outcomes == FREE_OF_COST).sum().sum())} of {outcomes.size}",
        "forms-cost": f"{int((outcomes == COSTS).sum().sum())}",
    }


def _facts_of_points(points: pd.DataFrame, told: pd.Index) -> dict[str, str]:
    """By place, in units of 1/ε, and how far the bases differ, in tasks that tell where it begins, or not.

    `early` is the farthest place up to which every base keeps 0.9, `late` the nearest from which none does.
    """
    inside = points[points.task.isin(told)]
    bases = points.groupby(["task", "arithmetic", "shift"]).kept.agg(["min", "max"])
    spread = (bases["max"] - bases["min"]).groupby(level="task").max()
    others = spread[~spread.index.isin(told)]
    return {
        "early": f"{inside[inside.place < inside[inside.kept < HARMED].place.min()].place.max():.1f}",
        "late": f"{inside[inside.place > inside[inside.kept >= HARMED].place.max()].place.min():.0f}",
        "late-kept": f"{inside[inside.place > inside[inside.kept >= HARMED].place.max()].kept.max():.2f}",
        "spread": f"{spread.reindex(told).max():.2f}",
        "spread-others": f"{others.max():.2f}",
    }


def facts_of_pretrained(
    losses: pd.DataFrame, lengths: Sequence[int], *, trained: int, base: float, rotary_dim: int
) -> dict[str, str]:
    """The numbers of the chapter about a pretrained model in float32 and in bfloat16, as it prints them.

    `losses` are those of the kept table `long_input` by `dtype`, without an intervention; `lengths` are the
    ends of its octaves in tokens; the model learned from `trained` tokens. Losses are in nats. *error* is the
    largest error of its float32 angles in the last tokens, in radians.
    """
    longest = lengths[-1]
    octaves = octave_losses(losses, lengths, by="dtype")
    change = (octaves.loc["bfloat16"] - octaves.loc["float32"]).abs()
    positions = np.arange(longest - 512, longest)
    cos, sin = direct_product(positions, base, rotary_dim, Arithmetic())
    error = np.abs(phase_error(cos, sin, positions, base, rotary_dim)).max()
    first = float(breaks(losses[losses.dtype == "float32"], trained).own.item())
    found = {
        "base": f"{base:,.0f}",
        "longest": f"{longest:,}",
        "stretch": f"{longest // trained}",
        "most": rounded_up(change.max(), 3),
        "inside": rounded_up(change[change.index <= trained].max(), 3),
        "rise": f"{octaves.loc['float32', longest] - octaves.loc['float32', trained]:.1f}",
        "break": f"{first:,.0f}",
        "wall-bfloat16": f"{float(precision_wall('bfloat16')):,.0f}",
        "error": f"{error:.3f}",
    }
    return {f"rounding-real-{name}": text for name, text in found.items()}
