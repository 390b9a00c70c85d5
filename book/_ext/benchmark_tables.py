"""The directive `{benchmark} NAME`: the times that `benchmarks/NAME.py` kept in `results/bench/NAME`.

Each task is a table of its contestants: the CPU time, how many times that of the first it is, and a bar of
that ratio on a logarithmic scale. A benchmark that kept more has a table for that as well. Below stands where
and when it ran, and how busy the machine was.
"""

from collections.abc import Iterable
from html import escape
from math import log

import pandas as pd
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from rope_lib.findings.benchmarks import exponents, learned_per_hour, machine, overhead, times
from rope_lib.findings.kept import RESULTS, kept

HEAD = ("who", "CPU time", "times the first", "on a log scale")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MIB = 2**20
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"))


def duration(seconds: float) -> str:
    """A time to two digits, in the largest unit of which there is one.

    >>> [duration(seconds) for seconds in (0.0123, 4.56, 7_890, 1e-5)]
    ['12 ms', '4.6 s', '2.2 h', '0.010 ms']
    """
    size, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    return f"{two_digits(seconds / size)} {unit}"


def two_digits(number: float) -> str:
    """A positive number to two significant digits, with commas.

    >>> [two_digits(number) for number in (0.0123, 1.0, 45.6, 12_345)]
    ['0.012', '1.0', '46', '12,000']
    """
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{number:#.2g}"


def power_of_ten(number: float) -> str:
    """A positive number to one significant digit, in powers of ten.

    >>> [power_of_ten(number) for number in (0.0345, 10_000, 4e-8)]
    ['3·10⁻²', '10⁴', '4·10⁻⁸']
    """
    digit, exponent = f"{number:.0e}".split("e")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return power if digit == "1" else f"{digit}·{power}"


def table(task: str, rows: pd.DataFrame) -> str:
    """The HTML table of one task, of rows of `findings.benchmarks.times`."""
    most = max(rows.slower.max(), 2.0)
    lines = []
    for row in rows.itertuples():
        width = max(2.0, 100 * log(max(row.slower, 1)) / log(most))
        ratio = two_digits(row.slower)
        if row.least != row.most:
            ratio += f" ({two_digits(row.least)} to {two_digits(row.most)})"
        bar = f'<span class="bench-bar" style="width:{width:.0f}%"></span>'
        cells = f"<td>{duration(row.cpu)}</td><td>{ratio}</td>"
        lines.append(f'<tr><th scope="row">{escape(row.contestant)}</th>{cells}<td>{bar}</td></tr>')
    return framed(task, HEAD, "".join(lines), "table bench timed")


def framed(caption: str, head: Iterable[str], body: str, classes: str = "table bench") -> str:
    """An HTML table of rows that are HTML already. Of a `timed` one a phone leaves out the last column."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<table class="{classes}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    )


def crossed(caption: str, corner: str, cells: pd.DataFrame) -> str:
    """The HTML table of a frame of texts, its index in front under the name `corner`."""
    lines = []
    for name, row in zip(cells.index, cells.to_numpy(), strict=True):
        values = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        lines.append(f'<tr><th scope="row">{escape(str(name))}</th>{values}</tr>')
    return framed(caption, [corner, *map(str, cells.columns)], "".join(lines))


def learned_table(runs: pd.DataFrame) -> str:
    """The HTML table of how many models learned in a core-hour, over all tasks together."""
    found = learned_per_hour(runs)
    cells = pd.DataFrame(
        {
            "learned": [f"{row.learned} of {row.trained}" for row in found.itertuples()],
            "steps, median": [f"{steps:,.0f}" for steps in found.steps],
            "models an hour": map(two_digits, found.per_hour),
            "times fewer": map(two_digits, found.less),
        },
        index=found.contestant,
    )
    return crossed("models that learned for each hour of one core, all tasks together", "who", cells)


def error_table(errors: pd.DataFrame) -> str:
    """The HTML table of how far off a rotated vector of length 1 is, by position."""
    wide = errors.pivot(index="contestant", columns="position", values="error")
    wide = wide.loc[errors.contestant.unique()].map(power_of_ten)
    wide.columns = [power_of_ten(position) for position in wide.columns]
    return crossed("largest error of a rotated vector of length 1, from this position on", "who", wide)


def peak_table(peaks: pd.DataFrame) -> str:
    """The HTML table of the most memory that each process held, in MiB, by the number of tokens."""
    texts = peaks.bytes.map(lambda peak: "–" if pd.isna(peak) else f"{peak / MIB:,.0f}")
    wide = peaks.assign(text=texts).pivot(index="contestant", columns="length", values="text")
    wide = wide.loc[peaks.contestant.unique()].fillna("")
    wide.columns = [f"{length:,}" for length in wide.columns]
    caption = "most memory in MiB, weights included, by number of tokens; a dash where it did not suffice"
    return crossed(caption, "who", wide)


def overhead_table(layers: pd.DataFrame) -> str:
    """The HTML table of what measuring adds to a bare pass, and how both grow."""
    found = overhead(layers)
    cells = pd.DataFrame(
        {
            "bare pass": map(duration, found.bare),
            "measuring adds": map(duration, found.extra),
            "of it once a pass": map(duration, found.once),
            "times a bare pass": [f"{ratio:.3f}" for ratio in found.ratio],
        },
        index=[f"{length:,}" for length in found.length],
    )
    bare, extra = exponents(found)
    caption = (
        "what measuring adds, by turns of layers: it grows as the length to the power "
        f"{extra:.2f}, a bare pass to the power {bare:.2f}"
    )
    return crossed(caption, "tokens", cells)


# What a benchmark may have kept besides its times.
MORE = {"layers": overhead_table, "peaks": peak_table, "errors": error_table}


class Benchmark(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (name,) = self.arguments
        try:
            tables, provenance = kept(f"bench/{name}")
        except FileNotFoundError:
            raise ExtensionError(f"benchmark {name}: run `python benchmarks/{name}.py` first") from None
        self.env.note_dependency(str(RESULTS / "bench" / name / "provenance.json"))
        found = times(tables["runs"])
        html = "".join(table(task, rows) for task, rows in found.groupby("task", sort=False))
        if "learned" in tables["runs"]:
            html = learned_table(tables["runs"]) + html
        html += "".join(draw(tables[name]) for name, draw in MORE.items() if name in tables)
        rounds = f"Medians of {found.rounds.min()} rounds or more, in brackets the extremes. "
        where = nodes.paragraph(text=rounds + machine(provenance))
        return [nodes.raw("", html, format="html"), where]


def setup(app) -> dict:
    app.add_directive("benchmark", Benchmark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
