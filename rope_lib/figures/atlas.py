"""Figures of the atlas: all models in the plane of context and base, and their places over the years."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from . import style

Model: TypeAlias = tuple[float, float, float, str]  # context, stated base, effective base, verdict
# context, base, text, and (context, base) of the text
Name: TypeAlias = tuple[float, float, str, tuple[float, float]]

# A verdict has a shape and a color; the last number moves points of different verdicts at one place apart.
MARKERS = {
    "stable": ("o", style.GREEN, -2),
    "unstable_at_depth": ("^", style.ORANGE, -1),
    "unstable": ("v", style.RED, 0),
    "beyond_precision": ("s", style.BLUE, 1),
    "infeasible": ("D", style.PURPLE, 2),
    "aliased": ("X", style.INK, 2),
}
PLACES = {
    "below": ("below the zone", style.RED),
    "inside": ("inside", style.GREEN),
    "above": ("above, or no zone", style.BLUE),
}


def plane(
    context: NDArray[np.float64],
    bounds: Mapping[str, NDArray[np.float64]],
    wall: float,
    models: Sequence[Model],
    *,
    names: Iterable[Name] = (),
) -> Figure:
    """All models in the plane of context and base, each where its effective base lies.

    `context` holds lengths in tokens, `bounds` maps the name of a bound to the smallest base at each length,
    and `wall` is a base. `models` are (context, stated base, effective base, verdict): where the two bases
    differ, a thin line leads down to a dash at the stated one. Models at one place with one verdict share a
    marker, whose area grows with their number; those of other verdicts lie up to 10 % to its left or right.
    `names` are (context, base, text, (context, base) of the text): a line joins the text with the place.
    """
    figure, axes = style.axes(height=4.2)
    axes.set(xscale="log", yscale="log", xlim=(context[0], context[-1]), ylim=(300, 2e10))
    for color, (name, base) in zip((style.GRAY, style.SKY, style.BLUE), bounds.items(), strict=False):
        axes.plot(context, base, color=color, linewidth=1.2, zorder=1)
        _beside(axes, base[-1], name, color)
    axes.axhline(wall, color=style.INK, linewidth=1.2, zorder=1)
    _beside(axes, wall, f"wall, {style.count(wall)}", style.INK)
    for x, stated, effective, verdict in dict.fromkeys(models):
        if stated != effective:
            x *= _shift(verdict)
            axes.plot([x, x], [stated, effective], color=style.FAINT, linewidth=1, zorder=1)
            axes.plot(x, stated, "_", color=style.GRAY, markersize=4, zorder=1)
    for verdict, (marker, color, _) in MARKERS.items():
        counts = Counter((x, effective) for x, _, effective, other in models if other == verdict)
        if counts:
            x, y = np.array(list(counts)).T
            size = 20 * np.array(list(counts.values())) ** 0.6  # points²; less than in proportion, to fit
            axes.scatter(
                x * _shift(verdict), y, size, marker=marker, color=color, zorder=3, edgecolor="white",
                linewidth=0.6, label=verdict.replace("_", " "),
            )  # fmt: skip
    for x, y, text, place in names:
        axes.annotate(
            text, (x, y), place, ha="center", va="center", fontsize=9, zorder=4,
            arrowprops={"arrowstyle": "-", "color": style.INK, "linewidth": 0.7, "shrinkB": 4, "shrinkA": 0},
        )  # fmt: skip
    style.count_axis(axes.xaxis, "context that the deciding layers see (tokens)")
    style.count_axis(axes.yaxis, "effective base")
    axes.minorticks_off()
    style.title(axes, "Most models lie outside their own zone", pad=42)
    legend = axes.legend(
        ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 0.985), frameon=False, handletextpad=0.1
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40])
    return figure


def _beside(axes: Axes, y: float, text: str, color: str) -> None:
    """Name a line where it leaves the axes, to the right of them."""
    across = axes.get_yaxis_transform()
    axes.text(1.015, y, text, color=color, ha="left", va="center", fontsize=9, transform=across)


def places(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Which shares of the models of each period lie below, inside and above the zone: a bar for each period.

    `counts` maps a period to {"below": n, "inside": n, "above": n}; "above" also holds models whose zone is
    empty. The counts are written in the bars.
    """
    figure, axes = style.axes(height=0.55 * len(counts) + 1.5)
    axes.set(xlim=(0, 1), ylim=(len(counts) - 0.4, -0.6))
    for row, numbers in enumerate(counts.values()):
        total, left = sum(numbers.values()), 0.0
        for place, (_, color) in PLACES.items():
            share = numbers[place] / total
            axes.barh(row, share, left=left, height=0.66, color=color, edgecolor="white")
            if share > 0.04:
                axes.text(left + share / 2, row, str(numbers[place]), ha="center", va="center", color="white",
                          fontweight="bold")  # fmt: skip
            left += share
    corners = ((0, "left"), (0.5, "center"), (1, "right"))
    for (x, align), (text, color) in zip(corners, PLACES.values(), strict=True):
        axes.text(x, -0.42, text, color=color, ha=align, va="bottom", fontweight="bold")
    axes.set_yticks(range(len(counts)), [f"{period} ({sum(n.values())})" for period, n in counts.items()])
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.set_xlabel("share of the models released")
    style.title(axes, "Fewer models lie below the zone, more above it", pad=16)
    return figure


def _shift(verdict: str) -> float:
    return 1.05 ** MARKERS[verdict][2]
