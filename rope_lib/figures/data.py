"""The numbers that a figure draws, read off the figure itself, as a table in CSV.

A row is one mark: a point of a line or of a scatter, a bar, a segment, a cell of an image. So the same code
serves every figure, and the table can hold nothing that is not drawn.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, LineCollection, PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike, NDArray

DIGITS = 6  # of each number: more than can be seen
UNNAMED = re.compile(r"_.*|")  # a label that matplotlib gives, or none


@dataclass(frozen=True)
class Mark:
    """What a row of the table holds; empty where a mark has no such thing.

    `panel` is the title of its axes or their number, if there are several; `x_axis` and `y_axis` are their
    labels; `series` is the name in the legend or that of the text in its color. `x` and `y` are where the
    mark stands or begins, `x_name` and `y_name` the words that the axis has there; `x_end` and `y_end` are
    where a bar, a band or a segment ends, and `value` is what a color says.
    """

    panel: str
    x_axis: str
    y_axis: str
    kind: str
    series: str
    x: float | None = None
    x_name: str = ""
    y: float | None = None
    y_name: str = ""
    x_end: float | None = None
    y_end: float | None = None
    value: float | None = None


def csv_of(figure: Figure) -> str:
    """All marks of a figure as CSV, with a line of headings.

    >>> from rope_lib.figures.style import axes
    >>> figure, only = axes()
    >>> _ = only.plot([1, 2], [3, 4], label="loss")
    >>> print(csv_of(figure).splitlines()[2])
    ,,,line,loss,2,,4,,,,
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(field.name.replace("_", " ") for field in fields(Mark))
    table.writerows(map(cells, marks_of(figure)))
    return written.getvalue()


def cells(mark: Mark) -> list[str]:
    return [number(each) if isinstance(each, float) else each or "" for each in astuple(mark)]


def number(value: float) -> str:
    """A number with at most `DIGITS` significant digits; empty for one that is not drawn.

    >>> number(8192.0), number(0.123456789), number(float("nan"))
    ('8192', '0.123457', '')
    """
    return f"{value:.{DIGITS}g}" if np.isfinite(value) else ""


def marks_of(figure: Figure) -> Iterator[Mark]:
    """The marks of every visible panel of a figure, in the order in which matplotlib holds them."""
    shown = [axes for axes in figure.axes if axes.get_visible()]
    for place, axes in enumerate(shown, 1):
        titles = (axes.get_title(where) for where in ("left", "center", "right"))
        panel = one_line(next(filter(None, titles), str(place))) if len(shown) > 1 else ""
        about = Mark(panel, axis_label(axes, "x", shown), axis_label(axes, "y", shown), "", "")
        for mark in panel_marks(axes, about):
            yield replace(mark, x_name=name_at(axes.xaxis, mark.x), y_name=name_at(axes.yaxis, mark.y))


def one_line(text: str) -> str:
    return " ".join(text.split())


def axis_label(axes: Axes, which: str, shown: Iterable[Axes]) -> str:
    """The label of an axis, or of the panel that shares it and carries the label for both."""
    shared = getattr(axes, f"get_shared_{which}_axes")()
    together = [axes, *(other for other in shown if shared.joined(axes, other))]
    labels = (getattr(each, f"get_{which}label")() for each in together)
    return one_line(next(filter(None, labels), ""))


def name_at(axis: Axis, value: float | None) -> str:
    """The word that a linear axis writes at whole numbers, such as the name of a model, or nothing."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if value is None or not isinstance(locator, FixedLocator) or axis.get_scale() != "linear":
        return ""
    ticks: NDArray[Any] = np.asarray(locator(), dtype=np.float64)
    words = [one_line(formatter(tick, at)) for at, tick in enumerate(ticks)]
    if np.any(np.diff(np.sort(ticks)) != 1) or not any(map(str.isalpha, "".join(words))):
        return ""
    nearest = int(np.abs(ticks - value).argmin())
    return words[nearest] if abs(ticks[nearest] - value) < 0.5 else ""


def panel_marks(axes: Axes, about: Mark) -> Iterator[Mark]:
    bars = {patch: group for group in axes.containers if isinstance(group, BarContainer) for patch in group}
    for artist in axes.get_children():
        if artist is axes.patch or not artist.get_visible():
            continue
        named = replace(about, series=series_name(axes, artist, bars.get(artist)))
        if isinstance(artist, Line2D):
            yield from line_marks(axes, artist, named)
        elif isinstance(artist, Collection):
            yield from collection_marks(axes, artist, named)
        elif isinstance(artist, Rectangle):
            yield from bar_marks(axes, artist, named)
        elif isinstance(artist, Polygon):
            yield from points(replace(named, kind="outline"), artist.get_xy())
        elif isinstance(artist, AxesImage):
            yield from image_marks(artist, named)


def series_name(axes: Axes, artist: Artist, group: BarContainer | None) -> str:
    """The name of a mark in the legend, else the text that is written in its color, else nothing."""
    for labelled in (group, artist):
        label = str(labelled.get_label() or "") if labelled is not None else ""
        if not UNNAMED.fullmatch(label):
            return one_line(label)
    own = color_of(artist)
    written = [text.get_text() for text in axes.texts if to_hex(text.get_color()) == own]
    return one_line(written[0]) if len(set(written)) == 1 else ""


def color_of(artist: Artist) -> str | None:
    if isinstance(artist, Line2D):
        return to_hex(artist.get_color())
    found = artist.get_facecolor() if hasattr(artist, "get_facecolor") else ()
    colors = np.atleast_2d(found)
    return to_hex(colors[0]) if colors.size and len(np.unique(colors, axis=0)) == 1 else None


def points(mark: Mark, places: ArrayLike) -> Iterator[Mark]:
    for x, y in np.asarray(places, dtype=np.float64):
        yield replace(mark, x=float(x), y=float(y))


def in_data(axes: Axes, artist: Artist) -> tuple[bool, bool]:
    """Whether the x and the y of an artist are numbers on the axes, and not parts of the panel."""
    along_x, along_y = artist.get_transform().contains_branch_seperately(axes.transData)
    return bool(along_x), bool(along_y)


def line_marks(axes: Axes, line: Line2D, named: Mark) -> Iterator[Mark]:
    """The points of a line; a line across the whole panel has one, at the number that it marks."""
    along_x, along_y = in_data(axes, line)
    data = np.asarray(line.get_xydata(), dtype=np.float64)
    if along_x and along_y:
        yield from points(replace(named, kind="line"), data)
    elif len(data) and (along_x or along_y):
        x, y = data[0]
        yield replace(
            named,
            kind="line across",
            x=float(x) if along_x else None,
            y=float(y) if along_y else None,
        )


def collection_marks(axes: Axes, drawn: Collection, named: Mark) -> Iterator[Mark]:
    if isinstance(drawn, PathCollection):
        values = drawn.get_array()
        for at, mark in enumerate(points(replace(named, kind="point"), drawn.get_offsets())):
            yield mark if values is None else replace(mark, value=float(values[at]))
    elif isinstance(drawn, QuadMesh):
        corners, values = np.asarray(drawn.get_coordinates()), np.asarray(drawn.get_array())
        centers = (corners[:-1, :-1] + corners[1:, 1:]) / 2
        yield from colored(replace(named, kind="cell"), centers, values)
    elif isinstance(drawn, LineCollection):
        for segment in drawn.get_segments():
            yield from segments(replace(named, kind="segment"), np.asarray(segment, dtype=np.float64))
    elif in_data(axes, drawn) == (True, True):
        for path in drawn.get_paths():
            yield from band_marks(np.asarray(path.vertices, dtype=np.float64), named)


def band_marks(outline: NDArray[Any], named: Mark) -> Iterator[Mark]:
    """A band between two curves, from the lower to the upper at each x; any other shape by its corners."""
    count = (len(outline) - 3) // 2  # as fill_between walks around: there along one curve, back on the other
    there, back = outline[1 : count + 1], outline[count + 2 : 2 * count + 2][::-1]
    if len(there) and np.array_equal(there[:, 0], back[:, 0]):
        for (x, y), (_, y_end) in zip(there, back, strict=True):
            yield replace(named, kind="band", x=float(x), y=float(y), y_end=float(y_end))
    else:
        yield from points(replace(named, kind="outline"), outline)


def segments(mark: Mark, places: NDArray[Any]) -> Iterator[Mark]:
    for (x, y), (x_end, y_end) in pairwise(places):
        yield replace(mark, x=float(x), y=float(y), x_end=float(x_end), y_end=float(y_end))


def bar_marks(axes: Axes, bar: Rectangle, named: Mark) -> Iterator[Mark]:
    """A bar, from its base to its end; a band across the whole panel has the numbers of one axis alone."""
    along_x, along_y = in_data(axes, bar)
    (x, y), width, height = bar.get_xy(), bar.get_width(), bar.get_height()
    if along_x or along_y:
        yield replace(
            named,
            kind="bar" if along_x and along_y else "band across",
            x=float(x) if along_x else None,
            y=float(y) if along_y else None,
            x_end=float(x + width) if along_x else None,
            y_end=float(y + height) if along_y else None,
        )


def image_marks(image: AxesImage, named: Mark) -> Iterator[Mark]:
    values = np.asarray(image.get_array(), dtype=np.float64)
    if values.ndim == 2:
        left, right, bottom, top = image.get_extent()
        rows, columns = values.shape
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        low, high = (bottom, top) if image.origin == "lower" else (top, bottom)
        y = low + (np.arange(rows) + 0.5) * (high - low) / rows
        yield from colored(replace(named, kind="cell"), np.stack(np.meshgrid(x, y), axis=-1), values)


def colored(mark: Mark, centers: NDArray[Any], values: NDArray[Any]) -> Iterator[Mark]:
    flat: NDArray[Any] = np.ma.filled(np.ma.asarray(values, dtype=np.float64).ravel(), np.nan)
    for (x, y), value in zip(centers.reshape(-1, 2), flat, strict=True):
        yield replace(mark, x=float(x), y=float(y), value=float(value))
