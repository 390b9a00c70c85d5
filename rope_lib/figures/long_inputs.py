"""Figures of inputs far longer than the trained length.

Each function takes what it draws (see `long_inputs`) and measures nothing. Lengths and positions, in tokens,
are on a logarithmic axis; a dotted line is the trained length.
"""

from itertools import cycle

from . import style
from .style import BLUE, GRAY, RED


def loss_and_geometry(losses, means, trained):
    """Panels over length: loss by position, and means over heads at each length, in two number types.

    `losses` maps the names of the types to a Series by position; `means` maps the label of a panel to such a
    dict of Series by length. The first type is a line, the second rings.
    """
    figure, column = style.axes(1 + len(means), 1, height=5.8, sharex=True)
    for axes, (label, curves) in zip(column, ({"loss (nats)": losses} | means).items(), strict=True):
        (name, line), (other, rings) = curves.items()
        axes.plot(line.index, line, color=BLUE, label=name, marker="o", markersize=3)
        axes.plot(
            rings.index, rings, "o", color=RED, label=other, markersize=7, markerfacecolor="none",
            markeredgewidth=1.2,
        )  # fmt: skip
        axes.axvline(trained, color=GRAY, linewidth=1, linestyle=":")
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.1 * max(line.max(), rings.max()))
    _lengths(axes, list(line.index), "input length, and position of the loss (tokens)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def losses_far_out(panels, baseline, trained, lengths):
    """Loss by position under several interventions, in panels one above the other, over the unchanged model.

    `panels` maps a heading to a dict from labels to Series by position, and `baseline` is such a Series, gray
    in each panel; `lengths` are ticks. Raises ValueError for more curves in a panel than there are colors.
    """
    height = 2.25 * len(panels) + 0.2
    highest = max(each.max() for curves in panels.values() for each in (baseline, *curves.values()))
    figure, every = style.axes(len(panels), 1, height=height, sharex=True, sharey=True, squeeze=False)
    for axes, (heading, curves) in zip(every[:, 0], panels.items(), strict=True):
        axes.plot(baseline.index, baseline, color=GRAY, label="unchanged", linewidth=2.4)
        # Every second one is dashed: some interventions do the same, and one would hide the other.
        for (label, losses), color, line in zip(curves.items(), style.colors(curves), cycle(("-", "--"))):
            axes.plot(losses.index, losses, color=color, label=label, linestyle=line)
        axes.axvline(trained, color=GRAY, linewidth=1, linestyle=":")
        axes.set(ylim=(0, 1.09 * highest), ylabel="loss (nats)")
        axes.set_title(heading, loc="left", fontsize=10)
        axes.legend(loc="upper left", frameon=False, fontsize=9, handlelength=1.6)
    _lengths(axes, lengths, "position (tokens)")
    return figure


def _lengths(axes, lengths, label):
    """A logarithmic axis over `lengths`, every second one named, and the last."""
    axes.set_xscale("log", base=2)
    names = [style.count(length) if index % 2 == 0 else "" for index, length in enumerate(lengths[::-1])]
    axes.set_xticks(lengths, labels=names[::-1])
    axes.minorticks_off()
    axes.set_xlabel(label)
