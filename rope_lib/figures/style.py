"""One look for every figure of the book: palette, sizes, labels on the lines themselves.

Figures are opaque white, so that they look the same on a light and on a dark page.
"""

import base64
import hashlib
import io
import math
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray

# Okabe and Ito's palette: distinguishable under the common color vision deficiencies.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GRAY, FAINT = "#222222", "#767676", "#D9D9D9"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)

# The two clouds of a head, and the stages of its vectors, in every figure.
ROLE_COLORS = {"key": BLUE, "query": RED}
ROLE_NAMES = {"key": "keys", "query": "queries"}
STAGE_NAMES = {"pre": "before rotation", "post": "after rotation"}

# A page's column is about 700 pixels wide, a phone's 360: at this width the text is legible on both, and at
# this resolution most figures are smaller than 100 kB, which others become with a palette.
WIDTH = 5.6  # inches
DPI = 140
MAX_BYTES = 100_000

# Where this variable names a folder, as when the book is built, a figure that is shown leaves its numbers
# there too, in a file named by the hash of its image.
DATA_FOLDER = "ROPE_LIB_FIGURE_DATA"

Grid: TypeAlias = NDArray[Any]  # of Axes, rows × columns: numpy has no type for an array of these

_PARAMETERS: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=CYCLE),
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def use() -> None:
    """Show figures as PNG in the book's resolution: call once at the top of a notebook."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    shell = get_ipython()
    select_figure_formats(shell, set())  # no other format
    shell.display_formatter.formatters["image/png"].for_type(Figure, _shown)


def lighter(png: bytes) -> bytes:
    """A PNG of at most `MAX_BYTES` as it is, and a larger one with the 256 colors that suit it best."""
    if len(png) <= MAX_BYTES:
        return png
    from PIL import Image

    reduced = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(reduced, format="png", dpi=(DPI, DPI), optimize=True)
    return reduced.getvalue()


def _shown(figure: Figure) -> str:
    from IPython.core.pylabtools import print_figure

    # Without a Software entry the same figure is the same file under every version of matplotlib.
    png = lighter(print_figure(figure, fmt="png", dpi=DPI, metadata={"Software": None}))
    if folder := os.environ.get(DATA_FOLDER):
        from .data import csv_of

        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{hashlib.sha256(png).hexdigest()}.csv").write_text(csv_of(figure), encoding="utf-8")
    return base64.b64encode(png).decode()


def axes(*, height: float = 3.4) -> tuple[Figure, Axes]:
    """A new figure in the book's style, `height` inches high, and its only axes.

    The figure belongs to no global state, so that drawing it twice shows it twice and never a third time.

    >>> figure, only = axes(height=2)
    >>> figure.axes == [only]
    True
    """
    figure, every = panels(1, height=height)
    return figure, every[0, 0]


def panels(
    rows: int, columns: int = 1, *, height: float = 3.4, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, Grid]:
    """A new figure as that of `axes`, and an array of its axes: rows × columns.

    >>> figure, every = panels(2, 3, sharex=True)
    >>> every.shape
    (2, 3)
    """
    with matplotlib.rc_context(_PARAMETERS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        return figure, figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)


def colors(names: Collection[object]) -> tuple[str, ...]:
    """A color of the palette for each of `names`, in order.

    Raises ValueError for more names than the palette has colors: two lines would look the same.

    >>> colors(["one", "two"]) == (BLUE, RED)
    True
    """
    if len(names) > len(CYCLE):
        raise ValueError(f"names must be at most {len(CYCLE)}, one for each color, got {len(names)}")
    return CYCLE[: len(names)]


def count_axis(axis: Axis, label: str) -> None:
    """Label an axis of tokens or bases with whole numbers: 62,832, or 1M from a million up."""
    axis.set_label_text(label)
    axis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))


def count(value: float) -> str:
    """A count as one writes it in a text.

    >>> count(62_832), count(1_000_000), count(8_388_608)
    ('62,832', '1M', '8.39M')
    """
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}" if value % size else f"{value / size:.0f}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 1 or value == 0 else f"{value:g}"


def title(axes: Axes, text: str, **options: Any) -> None:
    """The title of a figure: what it shows, in one line that fits on a phone (about 50 characters)."""
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold", **options)


def power(value: float) -> str:
    """A number as a power of ten if it is one, else as a count: a base in a label or a Markdown table.

    >>> power(1e8), power(500_000)
    ('$10^{8}$', '500,000')
    """
    exponent = round(math.log10(value))
    return f"$10^{{{exponent}}}$" if value == 10.0**exponent else count(value)


def layers(number: int) -> str:
    """A number of layers in words.

    >>> layers(1), layers(32)
    ('1 layer', '32 layers')
    """
    return "1 layer" if number == 1 else f"{number} layers"


def label_line(axes: Axes, x: float, y: float, text: str, color: str, **options: Any) -> None:
    """Write a line's name beside it, in its color, in place of a legend.

    `options` go to `Axes.annotate`; `xytext` is the offset from the point in printer's points.
    """
    options = {"xytext": (4, 2)} | options
    axes.annotate(text, (x, y), textcoords="offset points", color=color, **options)


def apart(heights: ArrayLike, gap: float) -> NDArray[np.float64]:
    """Heights for the labels of lines that end at `heights`: none nearer than `gap` to the one below it.

    >>> apart([0.5, 0.0, 0.52], 0.1).round(2).tolist()
    [0.5, 0.0, 0.6]
    """
    wanted = np.asarray(heights, dtype=float)
    placed, last = np.empty_like(wanted), -np.inf
    for index in np.argsort(wanted, kind="stable"):
        placed[index] = last = max(wanted[index], last + gap)
    return placed


def horizontal(axes: Axes, y: float, line: str = ":") -> None:
    """A thin gray line at a height: a value to compare with."""
    axes.axhline(y, color=GRAY, linewidth=1, linestyle=line)


def vertical(axes: Axes, x: float, line: str = ":") -> None:
    """A thin gray upright line: most often the trained length."""
    axes.axvline(x, color=GRAY, linewidth=1, linestyle=line)


def length_axis(axes: Axes, lengths: Sequence[int], names: Sequence[str], label: str) -> None:
    """A logarithmic axis with a tick at each length and its name there; a name of "" writes none."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, labels=names)
    axes.minorticks_off()
    axes.set_xlabel(label)


def legend_above(
    figure: Figure, axes: Axes, columns: int, *, fontsize: float | None = 9, **options: Any
) -> None:
    """The legend of one of a figure's axes, above them all; `options` go to `Figure.legend`."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=fontsize, **options
    )
