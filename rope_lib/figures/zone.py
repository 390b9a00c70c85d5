"""Figures of the Goldilocks zone and of the case studies."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from . import style

Case: TypeAlias = tuple[float, float, str]  # context, effective base, observed behavior
Name: TypeAlias = tuple[float, float, str, tuple[float, float]]  # context, base, text, its (x, y)

# Shape and color show how a case behaves; the last number moves coinciding points apart.
MARKERS = {
    "works": ("o", style.GREEN, -1),
    "degrades": ("^", style.ORANGE, 0),
    "fails": ("X", style.RED, 1),
}


def zone_map(
    context: NDArray[np.float64],
    depth_bounds: Mapping[int, NDArray[np.float64]],
    wall: float,
    cases: Sequence[Case],
    *,
    shaded: int,
    names: Iterable[Name] = (),
) -> Figure:
    """The plane of context and base: depth bounds, precision wall, the zone between them, and models in it.

    `context` holds lengths in tokens, `depth_bounds` maps numbers of layers, at most three, to the smallest
    base at each length, and `wall` is a base. The zone of `shaded` layers is filled. `cases` are (context,
    effective base, observed behavior); cases that work are drawn 5 % to the left of their place and those
    that fail 5 % to the right, so that none hides another. `names` are (context, base, text, place): a line
    leads from the case at (context, base) to its name, which starts at `place`, itself a context and a base.
    """
    figure, axes = style.axes(height=4.7)
    low, high = 3e3, 2e10
    axes.set(xscale="log", yscale="log", xlim=(context[0], context[-1]), ylim=(low, high))
    lower = depth_bounds[shaded]
    axes.fill_between(context, lower, wall, where=lower <= wall, color=style.SKY, alpha=0.22, linewidth=0)
    axes.axhline(wall, color=style.INK)
    axes.text(context[0] * 1.1, wall * 1.25, f"precision wall {style.count(wall)}", clip_on=True)
    counts = sorted(depth_bounds)
    ends = np.log([depth_bounds[layers][-1] for layers in counts])
    beside = np.exp(style.apart(ends, 0.045 * np.log(high / low)))  # lines of text, outside on the right
    for color, layers, place in zip((style.GRAY, style.BLUE, style.PURPLE), counts, beside, strict=False):
        axes.plot(context, depth_bounds[layers], color=color)
        style.label_line(axes, context[-1], place, style.layers(layers), color, xytext=(4, 0), va="center")
    for behavior, (marker, color, shift) in MARKERS.items():
        points = [(x * 1.05**shift, y) for x, y, observed in cases if observed == behavior]
        _scatter(axes, points, marker, color, behavior)
    leader = {"arrowstyle": "-", "color": style.GRAY, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4}
    for x, y, text, place in names:
        axes.annotate(text, (x, y), place, ha="left", va="center", fontsize=9.5, arrowprops=leader)
    style.count_axis(axes.xaxis, "context length (tokens)")
    style.count_axis(axes.yaxis, "effective base")
    _title_over_legend(axes, "Models work inside the zone, below it and above it")
    return figure


def largest_context(
    layers: NDArray[np.int64], largest: NDArray[np.float64], wanted: float, marked: Iterable[int]
) -> Figure:
    """The largest context whose zone is not empty, against the number of layers.

    `layers` and `largest` are arrays of one shape; `wanted` is a context to compare with; `marked` are
    numbers of layers among `layers` to label. Contexts in tokens.
    """
    figure, axes = style.axes(height=3.7)
    top, bottom = 1.5 * max(largest[0], wanted), 0.8 * min(largest[-1], wanted)
    axes.set(xscale="log", yscale="log", xlim=(layers[0] * 0.9, layers[-1] * 1.1), ylim=(bottom, top))
    axes.plot(layers, largest, color=style.BLUE)
    axes.axhline(wanted, color=style.RED)
    axes.text(layers[-1], wanted * 1.05, f"{style.count(wanted)} tokens", color=style.RED, ha="right")
    for count in marked:
        context = largest[list(layers).index(count)]
        axes.plot(count, context, "o", color=style.BLUE)
        text = f"{style.layers(count)}: {context:,.0f}"
        if count <= layers[-1] / 5:  # room on the right
            style.label_line(axes, count, context, text, style.BLUE, xytext=(7, 3), va="bottom")
        else:
            style.label_line(axes, count, context, text, style.BLUE, xytext=(-7, -5), ha="right", va="top")
    style.count_axis(axes.xaxis, "number of layers")
    style.count_axis(axes.yaxis, "largest feasible context (tokens)")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    style.title(axes, "The depth bound, not the wall alone, empties the zone")
    return figure


def ratios(bounds: Mapping[str, Sequence[tuple[float, str]]]) -> Figure:
    """Each bound's supported context over the context asked for, one point for each case.

    `bounds` maps the name of a bound to a list of (ratio, observed behavior). Left of 1 the bound says that
    the context is too long. Cases of one behavior share a lane in the row of the bound; where several would
    lie on one another there is one marker with their number beside it.
    """
    figure, axes = style.axes(height=0.95 * len(bounds) + 1.3)
    shown = [ratio for points in bounds.values() for ratio, _ in points]
    axes.set(xscale="log", xlim=(min(shown) / 1.6, max(shown) * 1.9), ylim=(len(bounds) - 0.5, -0.5))
    axes.axvspan(axes.get_xlim()[0], 1, color=style.FAINT, alpha=0.5, linewidth=0)
    axes.axvline(1, color=style.INK, linewidth=1.2)
    for behavior, (marker, color, shift) in MARKERS.items():
        points = []
        for row, cases in enumerate(bounds.values()):
            own = [ratio for ratio, observed in cases if observed == behavior]
            for ratio, number in together(own, axes.get_xlim()):
                points.append((ratio, row + 0.27 * shift))
                if number > 1:
                    _count_above(axes, points[-1], number)
        _scatter(axes, points, marker, color, behavior)
    for row in range(1, len(bounds)):
        axes.axhline(row - 0.5, color=style.FAINT, linewidth=0.8)
    axes.set_yticks(range(len(bounds)), list(bounds))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    style.count_axis(axes.xaxis, "context that the rule supports / context asked for")
    axes.xaxis.set_major_locator(LogLocator(base=100))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.text(0.9, -0.46, "too long", color=style.GRAY, ha="right", va="top", fontsize=9.5)
    axes.text(1.1, -0.46, "fine", color=style.GRAY, va="top", fontsize=9.5)
    _title_over_legend(axes, "No bound on the base sorts works from fails")
    return figure


def together(values: Sequence[float], limits: tuple[float, float]) -> list[tuple[float, int]]:
    """Values that would lie on one another on a logarithmic axis, as (geometric mean, how many).

    Two do if they are nearer than a thirtieth of the axis, which is about the width of a marker, and on the
    same side of 1.

    >>> together([1.0, 100.0, 1.05, 0.99], (0.1, 1_000.0))
    [(0.99, 1), (1.02, 2), (100.0, 1)]
    """
    width = np.log(limits[1] / limits[0]) / 30
    groups: list[list[float]] = []
    for value in sorted(values):
        same_side = bool(groups) and (value < 1) == (groups[-1][0] < 1)
        if same_side and np.log(value / groups[-1][0]) < width:
            groups[-1].append(value)
        else:
            groups.append([value])
    return [(round(float(np.exp(np.mean(np.log(group)))), 2), len(group)) for group in groups]


def race(scores: Mapping[str, tuple[int, int, int]]) -> Figure:
    """Errors of each rule (a dot) beside those of paper A's verdict on the same cases (a bar's end).

    `scores` maps the name of a rule to (errors, errors of the paper, cases).
    """
    figure, axes = style.axes(height=0.5 * len(scores) + 1.2)
    rows = range(len(scores))
    for row, (own, paper, _) in zip(rows, scores.values(), strict=True):
        axes.plot([own, paper], [row, row], color=style.FAINT, linewidth=4, zorder=1)
    errors, papers, _ = zip(*scores.values(), strict=True)
    axes.scatter(papers, rows, color=style.RED, s=60, zorder=2, label="paper A's verdict")
    axes.scatter(errors, rows, color=style.BLUE, s=60, zorder=3, marker="D", label="the rule on the left")
    axes.set_yticks(rows, [f"{name},\n{cases} cases" for name, (_, _, cases) in scores.items()])
    axes.set(xlim=(0, 1.1 * max(max(errors), max(papers))), ylim=(len(scores) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_xlabel("cases judged wrongly")
    _title_over_legend(axes, "Every heuristic errs less than the verdict")
    return figure


def tolerance_scan(
    tolerances: Sequence[float],
    wrong: Mapping[str, Sequence[int]],
    rival: Mapping[str, int],
    reported: float,
) -> Figure:
    """Errors of the verdict against the tolerance, beside those of the training length: a panel per reading.

    `wrong` maps a reading of the cases to the errors at each tolerance, `rival` to those of the rule that
    compares the context with the length of training; `reported` is the paper's tolerance.
    """
    figure, panels = style.panels(1, len(wrong), height=3.4, sharey=True)
    top = 1.2 * max(max(errors) for errors in wrong.values())
    for axes, (reading, errors) in zip(panels[0], wrong.items(), strict=True):
        axes.step(tolerances, errors, where="mid", color=style.RED)
        axes.axhline(rival[reading], color=style.BLUE, linestyle="--")
        style.vertical(axes, reported)
        style.label_line(axes, 0.3, max(errors), "verdict", style.RED, ha="center", xytext=(0, 5))
        style.label_line(
            axes, 0.3, rival[reading], "training length", style.BLUE, ha="center", xytext=(0, -12)
        )
        style.label_line(
            axes, reported, top, f"{reported:g}", style.GRAY, ha="right", va="top", xytext=(-3, -2)
        )
        axes.set(xlim=(0, 1), ylim=(-0.6, top), xlabel="tolerance ε")
        axes.set_title(reading, fontsize=10)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0, 0].set_ylabel("cases judged wrongly")
    heading = "No tolerance beats the training length"
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _count_above(axes: Axes, point: tuple[float, float], number: int) -> None:
    """Write how many cases a marker stands for, just above it and to its right."""
    place = (2, 4)
    axes.annotate(
        f"{number}", point, place, textcoords="offset points", va="bottom", fontsize=8, color=style.INK
    )


def _scatter(axes: Axes, points: Sequence[tuple[float, float]], marker: str, color: str, label: str) -> None:
    if points:
        x, y = zip(*points, strict=True)
        axes.scatter(
            x, y, marker=marker, color=color, s=46, zorder=3, edgecolor="white", linewidth=0.8, label=label
        )


def _title_over_legend(axes: Axes, text: str) -> None:
    style.title(axes, text, pad=26)
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 0.985), frameon=False, handletextpad=0.1)
