"""One look for every figure of the book: palette, sizes, labels on the lines themselves.

Figures are opaque white, so that they read the same on a light and on a dark page.
"""

import math

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's palette: distinguishable under the common color vision deficiencies.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
INK, GRAY, FAINT = "#222222", "#767676", "#D9D9D9"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)

# A page's column is some 700 pixels wide, a phone's 360: at this width the text stays legible on both, and
# at this resolution a figure stays below 100 kB.
WIDTH = 5.6  # inches
DPI = 140

_PARAMETERS = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
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


def use():
    """Show figures as PNG in the book's resolution: call once at the top of a notebook."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    # No Software entry: the same figure is the same file, whatever version drew it.
    select_figure_formats(get_ipython(), {"png"}, dpi=DPI, metadata={"Software": None})


def axes(rows=1, columns=1, *, height=3.4, **options):
    """A new figure in the book's style and its axes: one, or an array of rows × columns.

    `height` is in inches; `options` go to `Figure.subplots`. The figure belongs to no global state, so
    that drawing it twice shows it twice and never a third time.
    """
    with matplotlib.rc_context(_PARAMETERS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **options)


def colors(names):
    """A color of the palette for each of `names`, in order.

    Raises ValueError for more names than the palette has colors: two lines would look the same.

    >>> colors(["one", "two"]) == (BLUE, RED)
    True
    """
    if len(names) > len(CYCLE):
        raise ValueError(f"names must be at most {len(CYCLE)}, one for each color, got {len(names)}")
    return CYCLE[: len(names)]


def count_axis(axis, label):
    """Label an axis of tokens or bases with whole numbers: 62,832, or 1M from a million up."""
    axis.set_label_text(label)
    axis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))


def count(value):
    """A count as a reader writes it.

    >>> count(62_832), count(1_000_000), count(8_388_608)
    ('62,832', '1M', '8.39M')
    """
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}" if value % size else f"{value / size:.0f}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 1 or value == 0 else f"{value:g}"


def title(axes, text, **options):
    """The title of a figure: what it shows, in one line that a phone can hold (some 50 characters)."""
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold", **options)


def power(value):
    """A number as a power of ten where it is one: a base, in a label or in a markdown table.

    >>> power(1e8), power(500_000)
    ('$10^{8}$', '500,000')
    """
    exponent = round(math.log10(value))
    return f"$10^{{{exponent}}}$" if value == 10.0**exponent else count(value)


def label_line(axes, x, y, text, color, **options):
    """Write a line's name beside it, in its color, in place of a legend."""
    options = {"xytext": (4, 2)} | options
    axes.annotate(text, (x, y), textcoords="offset points", color=color, **options)
