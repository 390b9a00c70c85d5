"""Figures of interventions: the loss under each of them, what each repairs, and breaks against bounds.

Each function takes what it draws (see `findings.interventions`) and measures nothing.
"""

from itertools import cycle

import numpy as np

from . import style
from .style import BLUE, FAINT, GRAY, INK

# Shares of the damage beyond these are drawn in the same color: what is more than repair, or as much again.
_WORST, _BEST = -1.0, 1.0
_DARK = 0.8  # shares beyond which the color asks for white text


def losses_by_position(curves, baseline, trained, *, bin_size, first=0):
    """Loss by position under several interventions, the unchanged model gray beneath them.

    `curves` maps a label to losses, and `baseline` are losses: a Series each, by the first position of its
    bin of `bin_size` tokens. Positions before `first` are left out. Raises ValueError for more curves than
    there are colors.
    """
    figure, axes = style.axes(height=3.6)
    _curve(axes, baseline, bin_size, first, color=GRAY, label="unchanged", linewidth=2.4)
    # Every second one is dashed: some interventions do the same, and one would hide the other.
    for (label, losses), color, line in zip(curves.items(), style.colors(curves), cycle(("-", "--"))):
        _curve(axes, losses, bin_size, first, color=color, label=label, linestyle=line)
    axes.axvline(trained, color=GRAY, linewidth=1, linestyle=":")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("loss (nats)")
    style.count_axis(axes.xaxis, "position (tokens)")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def repair_matrix(shares, labels, headings):
    """Shares of the damage that are repaired: a colored percentage for each intervention and measure.

    `shares` is a frame of interventions × measures (see `findings.interventions.repaired`); `labels` and
    `headings` name its rows and columns. Blue repairs, red does damage; color ends at all of it, numbers do
    not.
    """
    figure, axes = style.axes(height=0.36 * len(shares) + 1.0)
    values = shares.to_numpy()
    axes.imshow(np.clip(values, _WORST, _BEST), cmap="RdBu", vmin=-1.3, vmax=1.3, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        percent = round(100 * value)
        text = f"{percent:d}".replace("-", "−")
        color = "white" if abs(value) > _DARK else INK
        axes.text(column, row, text, ha="center", va="center", color=color)
    axes.set_xticks(range(len(headings)), headings)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def change_by_head(panels, change, strong, *, ylabel):
    """Change of sink attention against other measures, a dot for each head.

    `panels` maps an x label to the values, `change` are the heads' changes, and heads where `strong` is true
    are drawn in color.
    """
    figure, row = style.axes(1, len(panels), height=3.2, sharey=True, squeeze=False)
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        values, kept = np.asarray(values), np.asarray(strong, dtype=bool)
        axes.axhline(0, color=GRAY, linewidth=1, linestyle=":")
        axes.plot(values[~kept], np.asarray(change)[~kept], ".", color=FAINT, markersize=5)
        axes.plot(values[kept], np.asarray(change)[kept], ".", color=BLUE, markersize=5, alpha=0.7)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel(ylabel)
    return figure


def loss_against(panels, losses, names):
    """Excess loss of each intervention and length against measures of its geometry: is there one threshold?

    `panels` maps an x label to values; `losses`, as long, are nats above those of the same tokens in a
    context within training, and `names` says which spectrum each point has. Points of one spectrum are
    joined in their order; a dotted line is no excess. Raises ValueError for more spectra than colors.
    """
    figure, row = style.axes(1, len(panels), height=3.9, sharey=True, squeeze=False)
    names, losses = np.asarray(names), np.asarray(losses)
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        axes.axhline(0, color=GRAY, linewidth=1, linestyle=":")
        first, *others = dict.fromkeys(names.tolist())
        for name, color in zip((first, *others), (INK, *style.colors(others)), strict=True):
            own = names == name
            axes.plot(np.asarray(values)[own], losses[own], "o-", color=color, markersize=4, label=name)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel("loss above healthy (nats)")
    handles, labels = row[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def breaks_against_bounds(limits, breaks, *, trained, longest):
    """For each spectrum the longest context by several bounds, and where the loss leaves its band.

    `limits` is a frame of spectra × bounds, in tokens, NaN for a bound that says nothing and infinite for one
    that never forbids; `breaks` the measured break points by spectrum, NaN where there is none up to
    `longest` tokens: then an arrow begins there.
    """
    figure, axes = style.axes(height=0.5 * len(limits) + 1.5)
    axes.set_xscale("log")
    values = np.concatenate([limits.to_numpy().ravel(), breaks.to_numpy(), [trained, longest]])
    values = values[np.isfinite(values)]
    left, right = values.min() / 2, 2 * values.max()
    axes.set_xlim(left, right)
    rows = np.arange(len(limits))[::-1]
    for (name, values), color, marker in zip(
        limits.items(), style.colors(limits.columns), "osDv^P", strict=False
    ):
        shown = values.replace(np.inf, right)  # half a marker at the edge: beyond what the axis holds
        axes.plot(shown, rows, marker, color=color, markersize=7, label=name, zorder=3, clip_on=False)
    for row, point in zip(rows, breaks.loc[limits.index], strict=True):
        if np.isnan(point):
            arrow = {"arrowstyle": "->", "color": INK, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (2 * longest, row + 0.27), (longest, row + 0.27), arrowprops=arrow)
        else:
            axes.plot([point, point], [row - 0.36, row + 0.36], color=INK, linewidth=2.4, zorder=2.5)
    axes.plot([], [], "|", color=INK, markersize=12, markeredgewidth=2.4, label="measured break")
    axes.axvline(trained, color=GRAY, linewidth=1, linestyle=":")
    axes.set_yticks(rows, limits.index)
    axes.grid(False, axis="y")
    style.count_axis(axes.xaxis, "longest context (tokens)")
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def _curve(axes, losses, bin_size, first, **options):
    losses = losses[losses.index >= first]
    axes.plot(losses.index + bin_size / 2, losses, **options)
