"""Figures of interventions: the loss under each of them, what each repairs, and breaks against bounds.

Each function takes what it draws (see `trial_summaries`) and measures nothing.
"""

import numpy as np

from . import style
from .style import BLUE, CYCLE, FAINT, GRAY, INK

# Shares of the damage beyond these are drawn in the same color: what is more than repair, or as much again.
_WORST, _BEST = -1.0, 1.0


def losses_by_position(groups, baseline, trained, *, bin_size, first=0):
    """Loss by position in one panel for each group of interventions, the unchanged model gray in each.

    `groups` maps a panel's title to a dict from label to losses, and `baseline` are losses: a Series each,
    by the first position of its bin of `bin_size` tokens. Positions before `first` are left out.
    """
    height = 2.4 * len(groups)
    figure, column = style.axes(len(groups), 1, height=height, sharex=True, sharey=True, squeeze=False)
    for axes, (title, curves) in zip(column[:, 0], groups.items(), strict=True):
        for (label, losses), color in zip(curves.items(), CYCLE, strict=False):
            _curve(axes, losses, bin_size, first, color=color, label=label)
        _curve(axes, baseline, bin_size, first, color=GRAY, label="unchanged", linewidth=2.4, zorder=1.5)
        axes.axvline(trained, color=GRAY, linewidth=1, linestyle=":")
        axes.set_ylabel("loss (nats)")
        style.title(axes, title)
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.05), handlelength=1.2)
    column[0, 0].set_ylim(bottom=0)
    style.count_axis(column[-1, 0].xaxis, "position (tokens)")
    return figure


def repair_matrix(shares, labels, headings):
    """Shares of the damage that are repaired: a colored number for each intervention and measure.

    `shares` is a frame of interventions × measures (see `trial_summaries.repaired`); `labels` and `headings`
    name its rows and columns. Blue repairs, red does damage; color ends at all of it, numbers do not.
    """
    figure, axes = style.axes(height=0.36 * len(shares) + 1.0)
    values = shares.to_numpy()
    axes.imshow(np.clip(values, _WORST, _BEST), cmap="RdBu", vmin=-1.3, vmax=1.3, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = f"{100 * value:+.0f} %".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", color=INK)
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
        values, kept = np.asarray(values), np.asarray(strong)
        axes.axhline(0, color=GRAY, linewidth=1, linestyle=":")
        axes.plot(values[~kept], np.asarray(change)[~kept], ".", color=FAINT, markersize=5)
        axes.plot(values[kept], np.asarray(change)[kept], ".", color=BLUE, markersize=5, alpha=0.7)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel(ylabel)
    return figure


def loss_against(panels, losses, names, *, healthy):
    """Loss of each intervention and length against measures of its geometry: is there one threshold?

    `panels` maps an x label to values, `losses` is as long, and `names` says which spectrum each point has;
    points of one spectrum are joined in their order. `healthy` is the loss of the same tokens in a short
    context, a dotted line.
    """
    figure, row = style.axes(1, len(panels), height=3.9, sharey=True, squeeze=False)
    names, losses = np.asarray(names), np.asarray(losses)
    for axes, (label, values) in zip(row[0], panels.items(), strict=True):
        axes.axhline(healthy, color=GRAY, linewidth=1, linestyle=":")
        for name, color in zip(dict.fromkeys(names.tolist()), (INK, *CYCLE), strict=False):
            own = names == name
            axes.plot(np.asarray(values)[own], losses[own], "o-", color=color, markersize=4, label=name)
        axes.set_xlabel(label)
    row[0, 0].set_ylabel("loss beyond training (nats)")
    handles, labels = row[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return figure


def _curve(axes, losses, bin_size, first, **options):
    losses = losses[losses.index >= first]
    axes.plot(losses.index + bin_size / 2, losses, **options)
