"""The figure of attention below and above the DC-stability bound; it is given what it draws."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from . import style

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {"entropy": (style.BLUE, "spread: entropy"), "top": (style.RED, "one token's share")}


def by_base(
    models: "pd.DataFrame", bound: float, threshold: float, tasks: Mapping[str, str], heading: str
) -> Figure:
    """How the heads of trained models attend, against the base: a panel for each task.

    `models` has a row for each model, with columns task, base, entropy and top, all shares of 1, as
    `findings.attention_entropy.by_model` returns it. Dots are models, lines the means of a base. `bound` is
    the least base by the bound, `threshold` the share from which a head counts as collapsed; `tasks` maps the
    names of tasks to titles of panels; `heading` is the figure's, the finding.
    """
    figure, panels = style.panels(1, len(tasks), height=3.2, sharey=True)
    for axes, (task, words) in zip(panels[0], tasks.items(), strict=True):
        rows = models[models.task == task]
        axes.axhspan(threshold, 1, color=style.FAINT, linewidth=0)
        axes.axvline(bound, color=style.INK, linestyle="--", linewidth=1)
        for column, (color, label) in MEASURES.items():
            means = rows.groupby("base")[column].mean()
            axes.plot(means.index, means, color=color)
            axes.plot(rows.base, rows[column], "o", color=color, markersize=3, alpha=0.6)
            if axes is panels[0, 0]:
                style.label_line(
                    axes,
                    means.index[-1],
                    means.iloc[-1],
                    label,
                    color,
                    ha="right",
                    va="bottom",
                    xytext=(0, 8),
                )
        axes.set(xscale="log", ylim=(0, 1.02))
        axes.set_xlabel("base")
        axes.set_title(words, loc="left", fontsize=10)
    panels[0, 0].set_ylabel("mean over heads")
    panels[0, 0].annotate(
        "collapsed", (1, 0.91), (-4, 0), xycoords="axes fraction", textcoords="offset points", ha="right",
        va="center", color=style.GRAY,
    )  # fmt: skip
    panels[0, -1].annotate(
        "bound", (bound, 0.02), (4, 0), textcoords="offset points", color=style.INK, va="bottom"
    )
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
