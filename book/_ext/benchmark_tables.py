"""The directive `{benchmark} NAME`: the times that `benchmarks/NAME.py` kept in `results/bench/NAME`.

Each task is a table of its contestants: ours first, the CPU time, how many times slower the others are, and a
bar of that ratio on a logarithmic scale. Below stands where and when it ran, and how busy the machine was.
"""

from html import escape
from math import log

import pandas as pd
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from rope_lib.findings.benchmarks import learned_per_hour, machine, times
from rope_lib.findings.kept import RESULTS, kept

HEAD = "".join(f'<th scope="col">{name}</th>' for name in ("who", "CPU time", "times ours", "on a log scale"))
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
    caption = f"<caption>{escape(task)}</caption>"
    body = "".join(lines)
    return f'<table class="table bench">{caption}<thead><tr>{HEAD}</tr></thead><tbody>{body}</tbody></table>'


def learned_table(runs: pd.DataFrame) -> str:
    """The HTML table of how many models learned in a core-hour, over all tasks together."""
    names = ("who", "learned", "steps, median", "models an hour", "times fewer")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(row.contestant)}</th><td>{row.learned} of {row.trained}</td>'
        f"<td>{row.steps:,.0f}</td><td>{two_digits(row.per_hour)}</td><td>{two_digits(row.less)}</td></tr>"
        for row in learned_per_hour(runs).itertuples()
    )
    caption = "<caption>models that learned for each hour of one core, all tasks together</caption>"
    return f'<table class="table bench">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


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
        rounds = f"Medians of {found.rounds.min()} rounds or more, in brackets the extremes. "
        where = nodes.paragraph(text=rounds + machine(provenance))
        return [nodes.raw("", html, format="html"), where]


def setup(app) -> dict:
    app.add_directive("benchmark", Benchmark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
