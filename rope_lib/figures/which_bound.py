"""Figures of experiment 1: accuracy against the base, against each bound, and what depth does.

Each function takes what it draws (see `bound_trials`) and measures nothing. Every seed is a dot.
"""

import numpy as np
from matplotlib.ticker import NullLocator

from . import style
from .style import BLUE, FAINT, GRAY, GREEN, INK, ORANGE, PURPLE, RED, SKY

# One color and one mark for each bound on the base, in every figure.
BOUND_COLORS = {
    "aliasing (A2)": GREEN,
    "stability (A3)": ORANGE,
    "depth (A4)": PURPLE,
    "Men et al.": SKY,
}
_CHANCE = {"color": GRAY, "linewidth": 1, "linestyle": ":"}
_DEPTHS = (BLUE, RED)


def by_base(rows, panels, demands, chance, measure, label):
    """Accuracy against the base, a panel for each of `panels`, a grid of (trained, length): a row each.

    `rows` are trials; solid lines are means over seeds, a color for each number of layers. `demands` maps a
    length to the base that each bound of `BOUND_COLORS` demands there: colored marks at the foot.
    """
    figure, every = style.axes(
        len(panels), len(panels[0]), height=1.7 * len(panels) + 0.9, sharex=True, sharey=True, squeeze=False
    )
    depths = sorted(rows.layers.unique())
    for places, line in zip(panels, every, strict=True):
        for (trained, length), axes in zip(places, line, strict=True):
            part = rows[(rows.trained == trained) & (rows.length == length)]
            for layers, color in zip(depths, _DEPTHS, strict=True):
                own = part[part.layers == layers]
                means = own.groupby("base")[measure].mean()
                axes.plot(means.index, means, color=color, label=_layers(layers))
                axes.plot(own.base, own[measure], "o", color=color, markersize=2.4, markeredgewidth=0)
            for name, base in demands[length].items():
                axes.plot(base, 0.0, "^", color=BOUND_COLORS[name], markersize=7, clip_on=False, label=name)
                axes.axvline(base, color=BOUND_COLORS[name], linewidth=0.9)
            axes.axhline(chance, **_CHANCE)
            axes.set(xscale="log", ylim=(0, 1.04))
            axes.xaxis.set_minor_locator(NullLocator())
            where = "inside" if length <= trained else f"{length // trained}×"
            axes.set_title(f"trained on {trained}, asked at {length:,} ({where})", loc="left", fontsize=8.5)
    figure.supxlabel("base", fontsize=10)
    figure.supylabel(label, fontsize=10)
    handles, labels = every[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def by_distance(distances, panels, half_turns, chance):
    """Accuracy by the distance of the answer, a panel for each of `panels`: (trained, layers, length).

    `distances` is the kept table. A color stands for a base of `half_turns`, which maps it to the distance at
    which the slowest pair has made half a turn: a mark at the foot. Lines are means over seeds, dots seeds,
    and the dashed line is the trained length.
    """
    figure, every = style.axes(len(panels), height=1.95 * len(panels) + 0.5, squeeze=False)
    for (trained, layers, length), axes in zip(panels, every[:, 0], strict=True):
        part = distances[
            (distances.trained == trained) & (distances.layers == layers) & (distances.length == length)
        ]
        for (base, half_turn), color in zip(half_turns.items(), style.colors(half_turns), strict=True):
            own = part[part.base == base]
            means = own.groupby("octave").accuracy.mean()
            axes.plot(
                means.index,
                means,
                color=color,
                label=f"base {style.power(base) if base >= 1e6 else style.count(base)}",
            )
            axes.plot(own.octave, own.accuracy, "o", color=color, markersize=2.2, markeredgewidth=0)
            if half_turn < length:
                axes.plot(half_turn, 0.0, "^", color=color, markersize=7, clip_on=False)
        axes.axvline(trained, color=GRAY, linewidth=1, linestyle="--")
        axes.axhline(chance, **_CHANCE)
        octaves = np.sort(part.octave.unique())
        axes.set(xscale="log", ylim=(0, 1.04), ylabel="accuracy")
        axes.set_xticks(octaves, [f"{each}" for each in octaves])
        axes.minorticks_off()
        axes.set_title(
            f"trained on {trained}, {_layers(layers)}, asked at {length:,}", loc="left", fontsize=9.5
        )
    every[-1, 0].set_xlabel("distance to the answer (tokens)")
    handles, labels = every[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def against_margins(rows, margins, names, threshold, measure, label):
    """Accuracy against the margin of each bound, a panel for each of `names`.

    A bound that is right makes a step at 1. Dots are trials: blue inside the trained length, red beyond. In
    the shaded quarters the bound is wrong: it says fail and the model works (upper left), or works and the
    model fails (lower right).
    """
    figure, every = style.axes(len(names), height=1.35 * len(names) + 0.8, sharey=True, squeeze=False)
    for name, axes in zip(names, every[:, 0], strict=True):
        margin = margins[name]
        for inside, color, text in ((False, RED, "beyond training"), (True, BLUE, "inside training")):
            chosen = rows.inside == inside
            axes.plot(margin[chosen], rows[chosen][measure], "o", color=color, markersize=2.6,
                      markeredgewidth=0, label=text)  # fmt: skip
        axes.set(xscale="log", ylim=(0, 1.04))
        low, high = axes.get_xlim()
        axes.axvspan(low, 1, ymin=threshold / 1.04, color=FAINT, alpha=0.55, linewidth=0)
        axes.axvspan(1, high, ymax=threshold / 1.04, color=FAINT, alpha=0.55, linewidth=0)
        axes.set_xlim(low, high)
        axes.axvline(1, color=INK, linewidth=1)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name, loc="left", fontsize=9.5)
    every[-1, 0].set_xlabel("base over the one demanded (Liu et al.: their limit over the length)")
    figure.supylabel(label, fontsize=10)
    handles, labels = every[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def least_bases(least, demands, layers, bases):
    """The smallest base that works against the length, a panel for each trained length, beside the bounds.

    `least` is a table of `bound_trials.least_bases`; `demands` maps a bound to the bases that it demands at
    the sorted lengths of the table, for the larger of `layers`. Open triangles at the edges: of the `bases`
    of the grid the smallest works already (pointing down), or none does (pointing up).
    """
    every_trained = sorted(least.trained.unique())
    figure, panels = style.axes(1, len(every_trained), height=3.9, sharey=True, squeeze=False)
    lengths = np.sort(least.length.unique())
    lowest, highest = min(bases), max(bases)
    for trained, axes in zip(every_trained, panels[0], strict=True):
        for name, needed in demands.items():
            axes.plot(lengths, needed, color=BOUND_COLORS[name], linewidth=1.4, label=name)
        for depth, color, aside in zip(layers, _DEPTHS, (0.94, 1.07), strict=True):
            own = least[(least.trained == trained) & (least.layers == depth)]
            for censored, marker, height in (("", "o", None), ("low", "v", lowest), ("high", "^", highest)):
                part = own[own.censored == censored]
                heights = part.least if height is None else np.full(len(part), float(height))
                face = color if height is None else "white"
                axes.plot(part.length * aside, heights, marker, color=color, markersize=5, linestyle="none",
                          markerfacecolor=face, label=None if censored else _layers(depth))  # fmt: skip
        axes.axvline(trained, color=GRAY, linewidth=1, linestyle="--")
        axes.set(xscale="log", yscale="log", xlabel="input length (tokens)")
        axes.set_xticks(lengths, [f"{each}" for each in lengths])
        axes.minorticks_off()
        axes.set_title(f"trained on {trained}", loc="left", fontsize=10)
    panels[0, 0].set_ylabel("smallest base that works")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def depth(differences, label):
    """Accuracy of two layers minus that of one against the base: inside training, and beyond it.

    `differences` is a table of `bound_trials.depth_differences`. Dots are pairs of models at one length,
    bars their means.
    """
    figure, panels = style.axes(1, 2, height=3.2, sharey=True, sharex=True)
    bases = np.sort(differences.base.unique())
    places = {base: place for place, base in enumerate(bases)}
    for axes, inside, text in zip(panels, (True, False), ("inside training", "beyond training"), strict=True):
        part = differences[differences.inside == inside]
        means = part.groupby("base").difference.mean().reindex(bases)
        axes.bar(range(len(bases)), means, color=FAINT, width=0.75)
        axes.plot(part.base.map(places), part.difference, "o", color=BLUE, markersize=3, alpha=0.5,
                  markeredgewidth=0)  # fmt: skip
        axes.axhline(0, color=INK, linewidth=1)
        axes.set_xticks(range(len(bases)), [_short(base) for base in bases], rotation=60)
        axes.grid(axis="x", visible=False)
        axes.set_title(text, loc="left", fontsize=10)
    panels[0].set_ylabel(label)
    figure.supxlabel("base", fontsize=10)
    return figure


def _short(base):
    return f"{base / 1e6:g}M" if base >= 1e6 else f"{base / 1e3:g}k" if base >= 1e3 else f"{base:g}"


def _layers(number):
    return "1 layer" if number == 1 else f"{number} layers"
