"""The tables of benchmarks on the book's page, and the kept benchmarks that it draws."""

import re

import pandas as pd
import pytest
from extensions import extension

from rope_lib.findings.benchmarks import exponents, overhead, times
from rope_lib.findings.kept import RESULTS, kept

KEPT = sorted(path.name for path in (RESULTS / "bench").iterdir() if path.is_dir())


@pytest.fixture
def benchmark_tables(root):
    return extension(root, "benchmark_tables")


def test_a_table_names_the_contestants_and_their_ratios(benchmark_tables):
    rows = [
        ("a < b", name, number, cpu, cpu, 1.0)
        for number in (1, 2)
        for name, cpu in (("ours", 0.5), ("sums", 60))
    ]
    found = times(pd.DataFrame(rows, columns=["task", "contestant", "round", "cpu", "wall", "scale"]))
    html = benchmark_tables.table("a < b", found)
    assert "<caption>a &lt; b</caption>" in html
    assert "<td>500 ms</td><td>1.0</td>" in html
    assert "<td>1.0 min</td><td>120</td>" in html
    assert re.findall(r"width:(\d+)%", html) == ["2", "100"]


def test_models_that_learned_are_counted_for_each_hour(benchmark_tables):
    rows = [("copy", "ours", 0, 36.0, 100, True), ("copy", "theirs", 0, 72.0, 400, False),
            ("copy", "ours", 1, 36.0, 200, True), ("copy", "theirs", 1, 72.0, 400, True)]  # fmt: skip
    columns = ["task", "contestant", "round", "cpu", "steps", "learned"]
    html = benchmark_tables.learned_table(pd.DataFrame(rows, columns=columns))
    assert "<td>2 of 2</td><td>150</td><td>100</td><td>1.0</td>" in html
    assert "<td>1 of 2</td><td>400</td><td>25</td><td>4.0</td>" in html


def rows_of(html):
    """The texts of a table's cells, a list for each row of its body."""
    body = html.split("<tbody>")[1]
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def test_errors_are_shown_by_position(benchmark_tables):
    rows = [("b", 10, 1e-8), ("a", 10, 0.02), ("b", 10**4, 3.4e-8), ("a", 10**4, 0.5)]
    html = benchmark_tables.error_table(pd.DataFrame(rows, columns=["contestant", "position", "error"]))
    assert re.findall(r'<th scope="col">([^<]*)', html) == ["who", "10¹", "10⁴"]
    assert rows_of(html) == [["b", "10⁻⁸", "3·10⁻⁸"], ["a", "2·10⁻²", "5·10⁻¹"]]


def test_a_process_without_enough_memory_is_named(benchmark_tables):
    mib = 2**20
    rows = [("b", 512, 1_500 * mib, ""), ("a", 512, 90 * mib, ""), ("b", 1_024, float("nan"), "no memory")]
    html = benchmark_tables.peak_table(pd.DataFrame(rows, columns=["contestant", "length", "bytes", "error"]))
    assert re.findall(r'<th scope="col">([^<]*)', html) == ["who", "512", "1,024"]
    assert rows_of(html) == [["b", "1,500", "–"], ["a", "90", ""]]


def test_what_measuring_adds_is_shown_with_its_growth(benchmark_tables):
    rows = [
        (length, 0, part, seconds)
        for length, layer, once in ((100, 1.0, 0.2), (400, 16.0, 0.4))
        for part, seconds in (
            ("bare layer", layer),
            ("measured layer", layer + once),
            ("once", once),
            ("rest", 0.0),
        )
    ]
    html = benchmark_tables.overhead_table(pd.DataFrame(rows, columns=["length", "turn", "part", "seconds"]))
    assert "grows as the length to the power 0.50, a bare pass to the power 2.00" in html
    assert rows_of(html) == [
        ["100", "2.0 s", "600 ms", "200 ms", "1.300"],
        ["400", "32 s", "1.2 s", "400 ms", "1.037"],
    ]


def test_every_kept_benchmark_has_its_script_and_its_place_on_the_page(root):
    page = (root / "book" / "benchmarks.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^```\{benchmark\} (\w+)$", page, re.MULTILINE)) == KEPT
    assert len(KEPT) >= 2
    for name in KEPT:
        tables, provenance = kept(f"bench/{name}")
        assert provenance["command"] == f"python benchmarks/{name}.py"
        assert (root / "benchmarks" / f"{name}.py").is_file()
        assert times(tables["runs"]).rounds.min() >= 5


def test_the_targets_of_the_page_are_met():
    """Cold by ten times; a million verdicts a second; scans by a hundred times, in memory that stays flat."""
    verdicts, _ = kept("bench/verdicts")
    found = times(verdicts["runs"]).set_index("contestant")
    assert found.slower["AutoConfig.from_pretrained"] >= 10
    count = int(found.task["judge_all"].split()[0].replace(",", ""))
    assert count / found.cpu["judge_all"] >= 1e6
    scans, _ = kept("bench/scans")
    direct = times(scans["runs"]).query("contestant.str.startswith('direct')").set_index("task").slower
    least = direct[direct.index.str.startswith("least base")]
    assert direct.drop(least.index).min() >= 100
    assert least.is_monotonic_increasing  # it grows with the context
    assert least.iloc[-1] >= 100
    peaks = scans["memory"].set_index(["function", "length"]).bytes
    assert peaks["men_first_negative", 10**7] < 1.2 * peaks["men_first_negative", 10**5]
    assert peaks.max() < 2e6


def test_rotation_is_the_fastest_on_long_inputs_and_the_most_exact_everywhere():
    tables, _ = kept("bench/rotation")
    others = times(tables["runs"]).query("not contestant.str.startswith('rope_lib')")
    long = others[others.task.str.contains("4,096 tokens")]
    assert long.task.nunique() == 2
    assert long.slower.min() >= 0.95  # within 5 % of the fastest
    errors = tables["errors"].pivot(index="position", columns="contestant", values="error")
    assert errors.index.max() == 10**7
    assert (errors["rope_lib"] < 2**-24).all()  # half of float32's last place
    assert (errors["rope_lib, by whole heads"] == errors["rope_lib"]).all()
    libraries = errors[others.contestant.unique()]
    assert libraries.shape[1] == 3
    assert libraries.min().min() > 1_000 * errors["rope_lib"].max()
    assert libraries.loc[10**7].min() > 0.1


def test_measuring_needs_little_memory_and_a_share_of_the_time_that_shrinks():
    tables, _ = kept("bench/geometry")
    found = overhead(tables["layers"])
    assert found.ratio.is_monotonic_decreasing
    bare, extra = exponents(found)
    assert extra < 1 < bare
    peaks = tables["peaks"].pivot(index="length", columns="contestant", values="bytes")
    longest = peaks.dropna(subset=["bare pass", "rope_lib: measure"]).iloc[-1]
    assert longest["rope_lib: measure"] < 1.3 * longest["bare pass"]
    short = peaks.loc[1_024]
    assert short["TransformerLens: everything"] > 2 * short["rope_lib: measure"]
    died = tables["peaks"][tables["peaks"].bytes.isna()]
    assert "transformers: output_attentions" in set(died.contestant)
    assert died.error.str.len().min() > 0
