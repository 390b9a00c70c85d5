"""What a benchmark found: the times of its contestants, and how much slower than ours the others are."""

import numpy as np
import pandas as pd

from .kept import Provenance


def times(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each task and contestant, in the order of the runs.

    `runs` has the columns task, contestant, round, cpu, wall and scale, as `benchmarks/harness` writes them;
    times are in seconds, and `scale` is what the whole task takes over the part that was timed. `cpu` and
    `wall` are medians over the rounds. `slower` is the median ratio of a contestant's CPU time to that of the
    task's first contestant in the same round; `least` and `most` are the extremes of that ratio.

    >>> rows = [("t", "ours", 1, 1.0, 2.0, 1.0), ("t", "theirs", 1, 3.0, 9.0, 10.0),
    ...         ("t", "ours", 2, 2.0, 2.0, 1.0), ("t", "theirs", 2, 8.0, 9.0, 10.0)]
    >>> runs = pd.DataFrame(rows, columns=["task", "contestant", "round", "cpu", "wall", "scale"])
    >>> times(runs)[["contestant", "cpu", "slower", "least", "most"]].values.tolist()
    [['ours', 1.5, 1.0, 1.0, 1.0], ['theirs', 55.0, 35.0, 30.0, 40.0]]
    """
    scaled = runs.assign(cpu=runs.cpu * runs.scale, wall=runs.wall * runs.scale)
    first = scaled.groupby("task", sort=False).contestant.transform("first")
    ours = scaled[scaled.contestant == first].set_index(["task", "round"]).cpu
    places = pd.MultiIndex.from_frame(scaled[["task", "round"]])
    scaled["ratio"] = scaled.cpu.to_numpy() / ours.loc[places].to_numpy()
    groups = scaled.groupby(["task", "contestant"], sort=False)
    found = groups.agg(
        cpu=("cpu", "median"),
        wall=("wall", "median"),
        slower=("ratio", "median"),
        least=("ratio", "min"),
        most=("ratio", "max"),
        rounds=("round", "nunique"),
    )
    return found.reset_index()


def machine(provenance: Provenance) -> str:
    """One sentence on where a benchmark ran, on what day, with which versions, and how busy the machine was.

    >>> machine({"processor": "A CPU", "cores": 2, "utc": "2026-11-27T10:00:00+00:00", "python": "3.11.7",
    ...          "versions": {"numpy": "2.4"}, "load_before": [1.5, 1, 1], "load_after": [3.0, 1, 1]})
    'A CPU, 2 cores, one thread used; 2026-11-27; Python 3.11.7, numpy 2.4; load 1.5 before and 3.0 after.'
    """
    versions = "".join(f", {name} {number}" for name, number in provenance["versions"].items())
    before, after = provenance["load_before"][0], provenance["load_after"][0]
    return (
        f"{provenance['processor']}, {provenance['cores']} cores, one thread used; {provenance['utc'][:10]}; "
        f"Python {provenance['python']}{versions}; load {before:.1f} before and {after:.1f} after."
    )


def learned_per_hour(runs: pd.DataFrame) -> pd.DataFrame:
    """Models that learned for each core-hour of training, by contestant.

    `runs` has the columns of `times`, steps and learned; so have the rows trained, learned, steps (their
    median), per_hour and less, which is how many times
    fewer models a contestant makes in an hour than the first one, over all tasks together.

    >>> rows = [("t", "ours", 0, 36.0, 100, True), ("t", "theirs", 0, 72.0, 400, True),
    ...         ("t", "ours", 1, 36.0, 100, True), ("t", "theirs", 1, 72.0, 400, False)]
    >>> runs = pd.DataFrame(rows, columns=["task", "contestant", "round", "cpu", "steps", "learned"])
    >>> learned_per_hour(runs)[["contestant", "per_hour", "less"]].values.tolist()
    [['ours', 100.0, 1.0], ['theirs', 25.0, 4.0]]
    """
    groups = runs.groupby("contestant", sort=False)
    found = groups.agg(trained=("learned", "size"), learned=("learned", "sum"), steps=("steps", "median"))
    found["per_hour"] = found.learned / groups.cpu.sum() * 3_600
    found["less"] = found.per_hour.iloc[0] / found.per_hour
    return found.reset_index()


def overhead(layers: pd.DataFrame) -> pd.DataFrame:
    """What measuring adds to a bare pass: one row for each length, with the columns below.

    `layers` has the columns length, turn, part and seconds. A part is one "bare layer" or "measured layer" of
    a pass, "once", what measuring does once a pass, or "rest", what a bare pass does outside its layers.
    Medians over the turns give `bare`, the seconds of a bare pass; `extra`, the seconds that measuring adds;
    `once`, the part of them that does not belong to a layer; and `ratio`, 1 + extra/bare.

    >>> rows = [(8, 0, "bare layer", 1.0), (8, 0, "measured layer", 1.5), (8, 0, "once", 0.2),
    ...         (8, 0, "rest", 1.0)]
    >>> overhead(pd.DataFrame(rows, columns=["length", "turn", "part", "seconds"])).round(3).values.tolist()
    [[8.0, 3.0, 1.2, 0.2, 1.4]]
    """
    seconds = layers.pivot_table(index="length", columns="part", values="seconds", aggfunc="median")
    in_layers = layers[layers.part.str.endswith("layer")].groupby("length")
    count = in_layers.size() / in_layers.turn.nunique()
    bare = count * seconds["bare layer"] + seconds["rest"]
    extra = count * (seconds["measured layer"] - seconds["bare layer"]) + seconds["once"]
    found = pd.DataFrame({"bare": bare, "extra": extra, "once": seconds["once"], "ratio": 1 + extra / bare})
    return found.reset_index()


def exponents(found: pd.DataFrame) -> tuple[float, float]:
    """The powers of the length by which `bare` and `extra` of `overhead` grow, fitted to logarithms.

    >>> lengths = np.array([1.0, 2.0, 4.0])
    >>> found = pd.DataFrame({"length": lengths, "bare": 3 * lengths**2, "extra": lengths**0.5})
    >>> [round(power, 6) for power in exponents(found)]
    [2.0, 0.5]
    """
    logs = np.log(found[["length", "bare", "extra"]].to_numpy())
    bare, extra = np.polyfit(logs[:, 0], logs[:, 1:], 1)[0]
    return float(bare), float(extra)
