"""RoPE-ID and its rivals, each trained until it can do its task.

They are judged by the rules of `experiments/rivals.toml`, which were written down before any cell of the grid
was run. A model has *learned* its task if it met the criterion. What it has *kept* at a longer input is its
accuracy above chance there over that at the trained length; a model that has not learned keeps nothing.
Systems are compared by seed, and a seed counts in a task once it is *whole* there: once every spectrum of the
grid is trained.
"""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rope_lib.runs.grid import make_grid
from rope_lib.train.config import TRAINED
from rope_lib.train.tasks import make_task

from . import learned, spectra
from .kept import Provenance, Tables
from .stats import above_chance, holm, least_told, spearman, student_interval, student_p
from .wording import and_list, seeds_by_task, signed

SYSTEMS = {**spectra.SYSTEMS, ("resonance", TRAINED): "Resonance", ("cope", TRAINED): "CoPE"}
TASK_NAMES = {**learned.NAMES, "order": "order"}

RIVAL, REFERENCE = "RoPE-ID", "RoPE"  # the system that is tested, and the one that it should exceed
OWN_BAND = "HighFreq"  # RoPE-ID's band on all pairs, without a silent half
AS_PUBLISHED = {RIVAL: "by position"}  # the temperature that belongs to a system; others have none
FAR, FARTHEST = spectra.RULER_STRETCH, 16  # lengths over that of training
LEVEL = 0.05  # what a result may owe to chance
MUCH = 0.9  # of what was learned: a system that keeps it carries a task
AGREES = 0.9  # a rank correlation with the paper's order

ABOVE, BELOW, OPEN, FEW = "above", "below", "not told apart", "too few seeds"


@dataclass(frozen=True)
class Plan:
    """What a grid was to run: `chances` of guessing right by task, `scalings`, `seeds`, lengths and steps.

    `trained` is the length of training in tokens, `limit` the most steps that a run may take.
    """

    chances: Mapping[str, float]
    scalings: tuple[str, ...]
    seeds: tuple[int, ...]
    trained: int
    limit: int

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks, in the grid's order."""
        return tuple(self.chances)


def planned(provenance: Provenance) -> Plan:
    """The plan of the grid from which kept tables come.

    >>> from rope_lib.findings.kept import kept
    >>> planned(kept("rivals")[1]).chances["look_back"]
    0.0625
    """
    values = [cell.values for cell in make_grid(tomllib.loads(provenance["inputs"]["grid"])).cells]
    tasks = {each["task"]["name"]: each["task"].get("parameters") for each in values}
    training = values[0]["training"]
    return Plan(
        {name: float(make_task(name, own).chance or 0.0) for name, own in tasks.items()},
        tuple(dict.fromkeys(each["spectrum"]["scaling"] for each in values)),
        tuple(dict.fromkeys(each["seed"] for each in values)),
        training["length"],
        training["steps"],
    )


def whole(ended: pd.DataFrame, plan: Plan) -> dict[str, tuple[int, ...]]:
    """The seeds of each task in which every spectrum of the plan is trained, from the kept table `ended`."""
    found: dict[str, tuple[int, ...]] = {}
    for task in plan.tasks:
        own = ended[ended.name == task].groupby("seed").scaling.agg(set)
        found[task] = tuple(seed for seed in plan.seeds if set(plan.scalings) <= own.get(seed, set()))
    return found


def trained_models(tables: Tables, plan: Plan) -> pd.DataFrame:
    """One row for each trained model of the whole seeds: task, system, seed, learned, steps, taken, ended.

    `steps` are those until the criterion was first met; of a model that never did, the plan's limit. `taken`
    are those of the whole training, and `ended` says why it ended: criterion, level or limit.
    """
    ended = _whole_rows(tables["ended"], tables["ended"], plan)
    return pd.DataFrame(
        {
            "task": ended.name,
            "system": [SYSTEMS[scaling, TRAINED] for scaling in ended.scaling],
            "seed": ended.seed,
            "learned": ended.met.notna(),
            "steps": ended.met.fillna(plan.limit),
            "taken": ended.steps,
            "ended": ended.ended,
        }
    ).reset_index(drop=True)


def shares(tables: Tables, plan: Plan) -> pd.DataFrame:
    """What each system keeps, in the whole seeds: a row for each task, system, temperature, seed and stretch.

    `stretch` is the length over that of training. `above` is accuracy above chance, from 0 for guessing to 1;
    `kept` is that over its value at the trained length, and 0 where the model has not learned.
    """
    rows = spectra.systems(_whole_rows(tables["summary"], tables["ended"], plan), SYSTEMS)
    cell = ["name", "scaling", "seed"]
    rows = rows.merge(
        tables["ended"].assign(learned=lambda each: each.met.notna())[[*cell, "learned"]], on=cell
    )
    chance = rows.name.map(plan.chances).astype(float)
    rows = rows.assign(above=above_chance(rows.accuracy, chance), stretch=rows.length // plan.trained)
    keys = ["name", "system", "temperature", "seed"]
    start = rows[rows.stretch == 1].set_index(keys).above
    inside = start.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
    rows["kept"] = (rows.above / inside).where(rows.learned, 0.0)
    columns = ["task", *keys[1:], "stretch", "learned", "above", "kept"]
    return rows.rename(columns={"name": "task"})[columns].reset_index(drop=True)


def published(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `shares` in which every system has the temperature that belongs to it, if any."""
    return rows[rows.temperature == rows.system.map(AS_PUBLISHED).fillna("none")]


def kept_by_seed(rows: pd.DataFrame, stretch: int) -> pd.DataFrame:
    """What each system keeps at one stretch: (task, seed) × system, from rows of `published`."""
    return rows[rows.stretch == stretch].pivot(index=["task", "seed"], columns="system", values="kept")


def mean_kept(rows: pd.DataFrame, stretch: int) -> pd.DataFrame:
    """What each system keeps at one stretch, as published, in the mean over seeds: task × system."""
    means = kept_by_seed(published(rows), stretch).groupby("task").mean()
    return means.reindex([task for task in TASK_NAMES if task in means.index])


def less_rivals(rows: pd.DataFrame, stretch: int = FAR) -> pd.DataFrame:
    """What RoPE-ID keeps less what each rival keeps, as published: a DataFrame of (task, seed) × rival."""
    kept = kept_by_seed(published(rows), stretch)
    return kept.drop(columns=RIVAL).rsub(kept[RIVAL], axis=0)


def intervals(values: pd.Series, by: Sequence[str]) -> pd.DataFrame:
    """Mean and 95 % interval over seeds of the values of each group of index levels: mean, low, high.

    The ends are NaN where there are fewer than 2 values.

    >>> index = pd.MultiIndex.from_tuples([("copy", 1), ("copy", 2)], names=["task", "seed"])
    >>> intervals(pd.Series([0.5, 0.5], index), ["task"]).loc["copy"].tolist()
    [0.5, 0.5, 0.5]
    """
    found = {
        key if len(by) > 1 else key[0]: (
            student_interval(own) if len(own) > 1 else (float(own.mean()), np.nan, np.nan)
        )
        for key, own in values.groupby(level=list(by))
    }
    table = pd.DataFrame.from_dict(found, orient="index", columns=["mean", "low", "high"])
    if len(by) > 1:
        table.index = pd.MultiIndex.from_tuples(table.index, names=list(by))
    return table


def paired_tests(differences: Mapping[str, pd.Series], plan: Plan) -> pd.DataFrame:
    """Student's test of paired differences in each task, with Holm's adjustment for the number of tasks.

    `differences` has a Series by seed for each task that has any. Columns, by task of the plan: seeds, mean,
    low and high (the 95 % interval, NaN where there are fewer than 2 seeds), chance (adjusted) and outcome:
    "above" or "below" 0, "not told apart", or "too few seeds". A task with too few seeds counts in Holm's
    adjustment as one that shows nothing.
    """
    found = {}
    for task in plan.tasks:
        values = differences.get(task, pd.Series(dtype=float)).dropna()
        few = len(values) < 2
        mean, low, high = (values.mean(), np.nan, np.nan) if few else student_interval(values)
        found[task] = (len(values), mean, low, high, 1.0 if few else student_p(values))
    table = pd.DataFrame.from_dict(found, orient="index", columns=["seeds", "mean", "low", "high", "chance"])
    table["chance"] = holm(table.chance)
    return table.assign(outcome=[_outcome(row.seeds, row.mean, row.chance) for row in table.itertuples()])


def tested_by_task(differences: pd.Series, plan: Plan) -> pd.DataFrame:
    """`paired_tests` of one difference for each (task, seed)."""
    return paired_tests(_by_task(differences), plan)


def _outcome(seeds: int, mean: float, chance: float) -> str:
    if seeds < learned.FEWEST:
        return FEW
    return OPEN if chance >= LEVEL else ABOVE if mean > 0 else BELOW


def contrast(rows: pd.DataFrame, plan: Plan, one: str, other: str, stretch: int = FAR) -> pd.DataFrame:
    """What system `one` keeps less what `other` keeps, each as published: `paired_tests` in each task."""
    kept = kept_by_seed(published(rows), stretch)
    return tested_by_task(kept[one] - kept[other], plan)


def temperature(rows: pd.DataFrame, plan: Plan, system: str = RIVAL, stretch: int = FAR) -> pd.DataFrame:
    """What a system keeps with RoPE-ID's temperature less what it keeps without: `paired_tests`."""
    own = rows[(rows.system == system) & (rows.stretch == stretch)]
    kept = own.pivot(index=["task", "seed"], columns="temperature", values="kept")
    return tested_by_task(kept["by position"] - kept["none"], plan)


def price(models: pd.DataFrame, plan: Plan, one: str = RIVAL, other: str = REFERENCE) -> pd.DataFrame:
    """Steps of `one` to the criterion over those of `other`, in each task: geometric mean over seeds.

    `models` is the table of `trained_models`: models that have not learned count with the limit. Columns, by
    task: seeds, ratio, low, high (95 %) and outcome: "above" 1, a price; "below"; "not told apart".
    """
    steps = np.log(models.pivot(index=["task", "seed"], columns="system", values="steps"))
    logs = _by_task(steps[one] - steps[other])
    found = {}
    for task in plan.tasks:
        values = logs.get(task, pd.Series(dtype=float)).dropna()
        few = len(values) < 2
        mean, low, high = (values.mean(), np.nan, np.nan) if few else student_interval(values)
        outcome = FEW if few else ABOVE if low > 0 else BELOW if high < 0 else OPEN
        found[task] = (len(values), *np.exp([mean, low, high]), outcome)
    return pd.DataFrame.from_dict(found, orient="index", columns=["seeds", "ratio", "low", "high", "outcome"])


def order(rows: pd.DataFrame, stretch: int = FAR) -> pd.DataFrame:
    """Rank correlations of what is kept with paper B's table: tasks and "mean order" × sizes of its models.

    The last row ranks the systems by the mean of their ranks over the tasks.
    """
    means = mean_kept(rows, stretch)[list(spectra.RULER.index)]
    scores = means.T.assign(**{"mean order": means.rank(axis=1).mean()})
    return pd.DataFrame(
        {
            size: {name: spearman(own, theirs) for name, own in scores.items()}
            for size, theirs in spectra.RULER.items()
        }
    )


def local_position(models: pd.DataFrame, plan: Plan, task: str = "look_back") -> dict[str, bool]:
    """Whether a spectrum of fast pairs blurs local position: by system, RoPE-ID and its own band.

    It does if fewer seeds learn to look back than with RoPE, or at a price in steps.
    """
    learned = models[models.task == task].groupby("system").learned.sum()
    return {
        name: bool(learned.get(name, 0) < learned.get(REFERENCE, 0))
        or price(models, plan, name).outcome[task] == ABOVE
        for name in (RIVAL, OWN_BAND)
    }


def as_much(rows: pd.DataFrame, rival: str, stretch: int = FAR) -> tuple[str, ...]:
    """The tasks in which a rival keeps at least as much as RoPE-ID, in the mean over seeds."""
    means = mean_kept(rows, stretch)
    return tuple(means.index[means[rival] >= means[RIVAL]])


def carried(rows: pd.DataFrame, stretch: int = FARTHEST) -> dict[str, tuple[str, ...]]:
    """The systems, as published, that keep nine tenths at a stretch in the mean over seeds, by task."""
    means = mean_kept(rows, stretch)
    return {str(task): tuple(own.index[own >= MUCH]) for task, own in means.iterrows()}


def _whole_rows(table: pd.DataFrame, ended: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    count = {(task, seed) for task, seeds in whole(ended, plan).items() for seed in seeds}
    return table[[key in count for key in zip(table.name, table.seed, strict=True)]]


def _by_task(differences: pd.Series) -> dict[str, pd.Series]:
    return {str(task): own for task, own in differences.groupby(level="task")}


# What chapter 17 states


def seeds_so_far(tables: Tables, plan: Plan) -> str:
    """How many of the planned seeds are whole, by task where that differs.

    >>> plan = Plan({"recall": 0.1, "copy": 0.1}, ("nope",), (1, 2, 3), 64, 100)
    >>> ended = pd.DataFrame({"name": ["recall", "copy", "copy"], "seed": [1, 1, 2], "scaling": "nope"})
    >>> seeds_so_far({"ended": ended}, plan)
    '1 of 3 on recall and 2 of 3 on copy'
    """
    own = {TASK_NAMES[task]: seeds for task, seeds in whole(tables["ended"], plan).items()}
    return seeds_by_task(own, len(plan.seeds), "on")


def told(table: pd.DataFrame) -> str:
    """The outcomes of a table of `paired_tests` or `price` as a clause: on which tasks above, below, ….

    >>> told(pd.DataFrame({"outcome": ["above", "not told apart"]}, ["recall", "look_back"]))
    'above on recall; not told apart on look back'
    """
    parts = {
        outcome: [TASK_NAMES[str(task)] for task in table.index[table.outcome == outcome]]
        for outcome in (ABOVE, BELOW, OPEN, FEW)
    }
    return "; ".join(f"{outcome} on {and_list(tasks)}" for outcome, tasks in parts.items() if tasks)


def facts(tables: Tables, plan: Plan) -> dict[str, str]:
    """The numbers and the clauses of the chapter, as it prints them, by name; each is chosen by the data."""
    models, rows = trained_models(tables, plan), shares(tables, plan)
    found = {
        "seeds": seeds_so_far(tables, plan),
        "models": f"{len(models)}",
        "limit": f"{plan.limit:,}",
        "against-rope": told(contrast(rows, plan, RIVAL, REFERENCE)),
        "against-rope-farthest": told(contrast(rows, plan, RIVAL, REFERENCE, FARTHEST)),
        "temperature": told(temperature(rows, plan)),
        "price": told(price(models, plan)),
        **_facts_of_learning(models),
        **_facts_of_keeping(rows),
        **_facts_of_rules(models, rows, plan),
        **_facts_before(models, rows),
    }
    return {f"rivals-{name}": text for name, text in found.items()}


def _facts_of_learning(models: pd.DataFrame) -> dict[str, str]:
    by = models.groupby(["task", "system"], sort=False).learned.agg(["sum", "size"])
    never, some = by[by["sum"] == 0], by[(by["sum"] > 0) & (by["sum"] < by["size"])]
    every = (by["sum"] == by["size"]).groupby("system", sort=False).all()
    return {
        "every": and_list(every.index[every]),
        "never": _by_task_named(never),
        "some": _by_task_named(some),
        "slow": "; ".join(_slowest(own) for _, own in models.groupby("task", sort=False)),
    }


def _by_task_named(rows: pd.DataFrame) -> str:
    """Systems by task in a clause: "look back: NoPE; copy: NoPE and RoPE"."""
    groups = rows.reset_index().groupby("task", sort=False).system
    return "; ".join(f"{TASK_NAMES[str(task)]}: {and_list(own)}" for task, own in groups) or "none"


def _slowest(models: pd.DataFrame) -> str:
    """The system that takes the most steps to learn one task, of those that learn it in every seed."""
    learned = models.groupby("system").learned.all()
    own = models[models.system.isin(learned.index[learned])]
    task = TASK_NAMES[models.task.iloc[0]]
    if own.empty:
        return f"{task}, which none learns in every seed"
    steps = np.exp(np.log(own.steps).groupby(own.system).mean())
    most, least = (f"{count:,.0f} steps" for count in (steps.max(), steps.min()))
    if most == least:
        return f"{task}, {most} for all"
    return f"{task}, {steps.idxmax()}, {most} where the fastest takes {least}"


def _facts_of_keeping(rows: pd.DataFrame) -> dict[str, str]:
    far = mean_kept(rows, FAR)
    lost = far[far.max(axis=1) < 0.5]
    able = published(rows).groupby(["task", "system"]).learned.all().unstack("system")
    others = far.drop(index=lost.index).where(able)
    apart = (others.max() - others.min()).idxmax()
    best, worst = str(others[apart].idxmax()), str(others[apart].idxmin())
    return {
        "carried": "; ".join(
            f"{TASK_NAMES[task]}: {and_list(names)}" for task, names in carried(rows).items()
        ),
        "lost": and_list(
            f"{TASK_NAMES[str(task)]} (the most is {own.max():.0%}, by {own.idxmax()})"
            for task, own in lost.iterrows()
        ),
        "apart": str(apart),
        "apart-most": f"{far.loc[best, apart]:.0%} of {TASK_NAMES[best]}",
        "apart-least": f"{far.loc[worst, apart]:.0%} of {TASK_NAMES[worst]}",
    }


def _facts_of_rules(models: pd.DataFrame, rows: pd.DataFrame, plan: Plan) -> dict[str, str]:
    correlations = order(rows).loc["mean order"]
    agrees = (correlations >= AGREES).all()
    blurred = [name for name, found in local_position(models, plan).items() if found]
    equal = {name: as_much(rows, name) for name in (REFERENCE, OWN_BAND)}
    doubted = [name for name, tasks in equal.items() if len(tasks) >= 2]
    return {
        "order": and_list(signed(value, 2) for value in correlations),
        "order-outcome": "agrees with" if agrees else "does not agree with",
        "order-told": f"{least_told(len(spectra.RULER)):g}",
        "order-told-one-side": f"{least_told(len(spectra.RULER), sides=1):g}",
        "local": f"blur it: {and_list(blurred)}" if blurred else "do not blur it",
        "rope-as-much": and_list(TASK_NAMES[task] for task in equal[REFERENCE]),
        "band-as-much": and_list(TASK_NAMES[task] for task in equal[OWN_BAND]),
        "doubted": f"{and_list(doubted)} {'give' if len(doubted) > 1 else 'gives'} cause"
        if doubted
        else "Neither gives cause",
    }


def _facts_before(models: pd.DataFrame, rows: pd.DataFrame) -> dict[str, str]:
    """What the present models say of recall, the one task of the earlier ones."""
    own = models[models.task == "recall"]
    learned = own.groupby("system").learned.agg(["sum", "size"])
    steps = np.exp(np.log(own.steps).groupby(own.system).mean())
    recall = rows[rows.task == "recall"].groupby(["system", "temperature", "stretch"]).kept.mean()
    means = mean_kept(rows, FAR)
    ahead = means.index[means["HalfRoPE"] > means[RIVAL]]
    return {
        "band-learned": _of(learned.loc[OWN_BAND]),
        "band-times": f"{steps[OWN_BAND] / steps[REFERENCE]:.1f}",
        "id-learned": _of(learned.loc[RIVAL]),
        "id-recall": f"{recall[RIVAL, 'by position', FARTHEST]:.0%}",
        "id-recall-cold": f"{recall[RIVAL, 'none', FARTHEST]:.0%}",
        "nope-recall": f"{recall['NoPE', 'by position', FARTHEST]:.0%}",
        "nope-recall-cold": f"{recall['NoPE', 'none', FARTHEST]:.0%}",
        "id-recall-far": f"{recall[RIVAL, 'by position', FAR]:.0%}",
        "half-recall-far": f"{recall['HalfRoPE', 'none', FAR]:.0%}",
        "half-ahead": and_list(TASK_NAMES[str(task)] for task in ahead),
        "hope-as-much": and_list(TASK_NAMES[task] for task in as_much(rows, "HoPE")),
    }


def _of(counts: pd.Series) -> str:
    return f"{counts['sum']} of {counts['size']}"


# Titles of the chapter's figures, which state what the data show


def learning_title(models: pd.DataFrame) -> str:
    """How many of the trained spectra learn every task in every seed.

    >>> models = pd.DataFrame({"system": ["NoPE", "RoPE"], "learned": [False, True]})
    >>> learning_title(models)
    '1 of 2 spectra learns every task in every seed'
    """
    every = models.groupby("system").learned.all()
    count = int(every.sum())
    learn = "learn" if count > 1 else "learns"
    return f"{count or 'None'} of {len(every)} spectra {learn} every task in every seed"


def keeping_titles(rows: pd.DataFrame, systems: Collection[str]) -> dict[str, str]:
    """By task, how many of some systems keep nine tenths at sixteen times the trained length."""
    counts = {task: len(set(names) & set(systems)) for task, names in carried(rows).items()}
    carry = {task: "carries" if count == 1 else "carry" for task, count in counts.items()}
    return {
        task: f"{TASK_NAMES[task]}: {count or 'none'} of {len(systems)} {carry[task]}"
        for task, count in counts.items()
    }


def contrast_title(table: pd.DataFrame) -> str:
    """In how many tasks RoPE-ID is told to keep more than RoPE, from a table of `contrast`.

    >>> contrast_title(pd.DataFrame({"outcome": ["above", "not told apart", "above"]}))
    'RoPE-ID tests above RoPE in 2 of 3 tasks'
    """
    if (table.outcome == FEW).all():
        return f"{RIVAL} less each rival: too few seeds to test"
    return f"{RIVAL} tests above {REFERENCE} in {(table.outcome == ABOVE).sum()} of {len(table)} tasks"
