"""The atlas chapter: its rows say what the library says, its table can be searched, its figures show both."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rope_lib import figures, findings
from rope_lib.figures import style
from rope_lib.models.case_studies import case_studies
from rope_lib.models.spec import FrozenDict, Rotary
from rope_lib.models.verdicts import VERDICTS, RotaryVerdict, judge
from rope_lib.theory.rivals import men_first_negative

CONTEXT = np.geomspace(1e3, 1e7, 50)
BOUNDS = {"aliasing": CONTEXT / 6, "depth, 32 layers": 18 * CONTEXT}


@pytest.fixture(scope="module")
def entries():
    return findings.atlas.entries()


def by_name(entries, name):
    return next(entry for entry in entries if entry.model.name == name)


def seen(rotary, context):
    length, base = np.float64(context), np.float64(rotary.base)
    return RotaryVerdict(rotary, length, base, FrozenDict(), "stable", "stable")


def spectrum(**scaling):
    return Rotary(tuple(range(32)), "full", 10_000.0, 128, 128, None, FrozenDict(scaling))


def table(rows):
    return figures.tables.lookup(findings.atlas.lookup_rows(rows))


# The rows


@pytest.mark.slow
def test_an_entry_carries_the_verdict_of_judge(entries):
    for entry in entries:
        assert entry.verdict.verdict == judge(entry.model).verdict
        if entry.worst:
            assert entry.worst.verdict == entry.verdict.verdict


def test_without_a_retrofit_the_verdict_is_that_of_the_stated_bases(entries):
    for entry in entries:
        if entry.retrofitted is None:
            assert entry.without_retrofit == entry.verdict.verdict
    assert by_name(entries, "DeepSeek-V3").without_retrofit == "aliased"


def test_a_layer_that_a_retrofit_spares_does_not_hide_it(entries):
    gemma = by_name(entries, "Gemma 3 4B")
    assert gemma.worst.rotary.scaling["type"] == "default"
    assert gemma.retrofitted.rotary.kind == "full"
    assert "linear ×8, full layers" in table([gemma])


def test_the_first_negative_sum_is_that_of_men_for_a_plain_spectrum():
    rotary = spectrum(type="default")
    expected = men_first_negative(10_000, 128)
    assert findings.atlas.first_negative_seen(seen(rotary, 4096), 4096) == expected
    assert findings.atlas.first_negative_seen(seen(rotary, expected), expected) == expected
    assert findings.atlas.first_negative_seen(seen(rotary, expected - 1), expected - 1) is None


def test_linear_scaling_moves_the_first_negative_sum_by_its_factor():
    rotary = spectrum(type="linear", factor=8)
    found = findings.atlas.first_negative_seen(seen(rotary, 32_768), 32_768)
    assert 8 * (men_first_negative(10_000, 128) - 1) < found <= 8 * men_first_negative(10_000, 128)


def test_resting_pairs_count_as_ones():
    rotary = replace(spectrum(type="default"), head_dim=256)
    assert findings.atlas.resting_pairs(rotary) == 64
    judged = seen(rotary, 4096)
    assert findings.atlas.first_negative_seen(judged, 4096) is not None
    assert findings.atlas.first_negative_seen(judged, 4096, resting=64) is None


def test_the_slowest_pair_of_a_proportional_spectrum_is_one_that_rotates():
    rotary = spectrum(type="proportional", partial_rotary_factor=0.25)
    assert findings.atlas.resting_pairs(rotary) == 48
    assert findings.atlas.slowest_frequency(seen(rotary, 1), 1) == pytest.approx(10_000 ** (-15 / 64))


def test_the_verdict_of_the_slowest_pair_is_never_better_below_the_wall(entries):
    order = ("aliased", "unstable", "unstable_at_depth", "stable")
    for entry in entries:
        if entry.verdict.verdict in order:
            assert order.index(entry.verdict_of_slowest) <= order.index(entry.verdict.verdict)


def test_an_unknown_training_length_leaves_liu_undecided(entries):
    unknown = [entry for entry in entries if entry.worst and entry.liu_accepts is None]
    assert unknown
    for entry in unknown:
        assert entry.model.trained_context is None
        assert entry.model.original_context is None
    trained = by_name(entries, "Llama 2 7B")
    assert trained.liu_accepts is True


def test_the_known_cases_agree_with_the_case_studies():
    pairs = findings.atlas.known_cases()
    missing = {case.model for case in case_studies()} - {case.model for case, _ in pairs}
    assert missing == {"CodeLlama 7B", "hypothetical 1M"}
    for case, verdict in pairs:
        assert verdict.context == case.context_length
        assert [float(judged.effective_base) for judged in verdict.rotaries] == [case.effective_base]


# The table


def test_the_table_has_every_model_once_and_no_ragged_row(entries):
    html = table(entries)
    names = re.findall(r'<th scope="row">(.*?)</th>', html)
    starred = [entry.model.name + "*" * (entry.model.confidence == "memory") for entry in entries]
    assert names == starred
    rows = re.findall(r"<tr><th scope=\"row\">.*", html)
    assert {row.count("<td") for row in rows} == {len(findings.atlas.lookup_rows(entries)[0]) - 1}
    assert html.count('scope="col"') == len(findings.atlas.lookup_rows(entries)[0])


def test_numbers_sort_as_numbers_and_a_missing_one_below_them(entries):
    html = table([by_name(entries, "Llama 3.1 8B")])
    assert '<td class="number" data-order="131072">131,072</td>' in html
    assert '<td class="number" data-order="4000000">4M</td>' in html
    unrotated = next(entry for entry in entries if entry.worst is None)
    assert '<td class="number" data-order="-1">–</td>' in table([unrotated])


def test_text_is_escaped(entries):
    entry = by_name(entries, "Llama 3 8B")
    forged = replace(entry, model=replace(entry.model, name="<b>", source="a & b"))
    html = table([forged])
    assert "&lt;b&gt;" in html
    assert "a &amp; b" in html
    assert "<b>" not in html


def test_a_window_is_told_where_it_decides(entries):
    assert "32, window 4,096" in table([by_name(entries, "Mistral 7B v0.1")])


# The figures


def scattered(axes):
    return {points.get_label(): points for points in axes.collections if points.get_label()[0] != "_"}


@pytest.fixture
def plane():
    models = [
        (4_096.0, 1e4, 1e4, "unstable"),
        (4_096.0, 1e4, 1e4, "unstable"),
        (8_192.0, 5e5, 5e5, "stable"),
        (131_072.0, 5e5, 4e6, "stable"),
    ]
    names = [(4_096.0, 1e4, "two of them", "below")]
    return figures.atlas.plane(CONTEXT, BOUNDS, 2.0**23, models, names=names).axes[0]


def test_the_plane_draws_bounds_and_wall(plane):
    lines = {tuple(line.get_ydata()) for line in plane.lines}
    assert {tuple(bound) for bound in BOUNDS.values()} | {(2.0**23, 2.0**23)} <= lines
    texts = {text.get_text() for text in plane.texts}
    assert {*BOUNDS, "precision wall 8.39M", "two of them"} == texts


def test_the_plane_gathers_models_of_one_place(plane):
    points = scattered(plane)
    assert set(points) == {"stable", "unstable"}
    np.testing.assert_allclose(points["unstable"].get_offsets(), [(4_096, 1e4)])
    np.testing.assert_allclose(
        points["stable"].get_offsets(), [(8_192 / 1.05**2, 5e5), (131_072 / 1.05**2, 4e6)]
    )
    assert points["unstable"].get_sizes()[0] > points["stable"].get_sizes()[0]


def test_the_plane_joins_a_stated_base_with_the_effective_one(plane):
    joined = [line.get_xydata().tolist() for line in plane.lines if len(line.get_xdata()) == 2]
    x = 131_072 / 1.05**2
    assert [[x, 5e5], [x, 4e6]] in joined
    assert not any(line[0][1] == line[1][1] == 1e4 for line in joined)


def test_places_fill_each_bar_in_order():
    counts = {"2023": Counter(below=3, inside=1), "2024": Counter(below=1, inside=2, above=1)}
    axes = figures.atlas.places(counts).axes[0]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(0, 0.75), (0.75, 0.25), (1, 0), (0, 0.25), (0.25, 0.5), (0.75, 0.25)])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2023 (4)", "2024 (4)"]
    written = [text.get_text() for text in axes.texts]
    assert written == ["3", "1", "1", "2", "1", "below the zone", "inside", "above, or no zone"]
    assert axes.yaxis_inverted()


def test_every_verdict_has_a_marker_of_its_own():
    assert set(figures.atlas.MARKERS) == set(VERDICTS)
    shapes, colors, _ = zip(*figures.atlas.MARKERS.values(), strict=True)
    assert len(set(shapes)) == len(set(colors)) == len(VERDICTS)
    assert set(colors) <= {*style.CYCLE, style.INK}
