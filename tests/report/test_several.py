"""Reports on several texts, and on models some of whose layers have a window."""

from html import unescape

import pytest
from reports import LENGTHS, TEXT, run

from rope_lib import report
from rope_lib.findings.clusters import summarize
from rope_lib.report.several import of_layers
from rope_lib.runs.store import read_provenance, read_tables

OTHER = "".join(
    f"Line {number * number}: no bottle was ever {number % 11} yards high.\n" for number in range(99)
)


@pytest.fixture
def texts(tmp_path):
    """Two files of different texts, whose folders, not names, tell them apart."""
    places = [tmp_path / "a" / "it's $5 & <b>.txt", tmp_path / "b" / "it's $5 & <b>.txt"]
    for place, text in zip(places, (TEXT, OTHER), strict=True):
        place.parent.mkdir()
        place.write_text(text, encoding="utf-8")
    return places


@pytest.fixture
def found(saved, texts, monkeypatch):
    """A model, some of whose layers have a window, that breaks on both texts."""
    monkeypatch.setattr(report.findings.Findings, "break_point", 72)
    return report.findings.examine(report.findings.subject(saved("gemma3"), texts=texts), LENGTHS)


def test_each_text_is_examined_and_layers_with_a_window_are_told_apart(found, saved, texts):
    one, other = found.every
    assert (one.text, other.text) == ("1. it's $5 & <b>.txt", "2. it's $5 & <b>.txt")
    alone = report.findings.examine(report.findings.subject(saved("gemma3"), texts=texts[1:]), LENGTHS)
    assert alone.losses.equals(other.losses)
    heads, windowed = other.sweep.heads, other.sweep.heads.layer.isin(other.windowed)
    assert set(heads.layer[windowed]) == {0, 2}
    full = summarize(of_layers(other.sweep, {1, 3})).sink_attention
    assert (
        other.summary.sink_attention.tolist()
        == full.tolist()
        != summarize(other.sweep).sink_attention.tolist()
    )
    tables = found.tables()
    assert tables["summary"].columns[0] == "text"
    assert tables["summary_windowed"].text.tolist() == [one.text, one.text, other.text, other.text]


def test_the_report_gives_the_range_over_texts(found):
    other = found.others[0]
    geometry = report.text.geometry(found).data
    sink = sorted(each.summary.sink_attention.iloc[-1] for each in found.every)
    assert f"({sink[0]:.3f} to {sink[1]:.3f})" in geometry
    assert "Layers that see every token (2 of 4):" in geometry
    assert "Layers with a window (2 of 4)" in geometry
    breaking = report.text.breaking(found).data.splitlines()
    assert len(breaking) == 2 + 2
    assert report.text.plain(other.text) in breaking[-1]
    glance = report.text.glance(found).data
    assert "up to 128 tokens, on 2 texts" in glance
    assert "on 2 of 2 texts, at 72 tokens" in glance
    assert "| window | window |" in report.text.dispersed_heads(found).data


def test_the_figures_have_a_panel_for_each_text(found):
    assert len(report.figures.loss(found).axes) == 2
    assert len(report.figures.fixes(found).axes) == 2
    assert len(report.figures.geometry(found).axes) == 4
    for draw in (report.figures.loss, report.figures.geometry):
        draw(found).canvas.draw()  # a name that is no mathematics to Matplotlib


@pytest.mark.slow
def test_the_command_takes_several_texts(saved, texts, tmp_path):
    out, options = tmp_path / "out", ["--lengths", "64,128", "--device", "cpu"]
    options += [part for text in texts for part in ("--text", text)]
    result = run(saved("llama"), *options, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "on 2 texts" in (page := unescape((out / "report.html").read_text("utf-8")))
    assert "<b>.txt, SHA-256 " in page
    assert list(read_provenance(out / "tables")["other_texts"]) == ["2. it's $5 & <b>.txt"]
    assert read_tables(out / "tables")["losses"].text.nunique() == 2


def test_texts_that_are_the_same_are_refused(saved, texts, tmp_path):
    texts[1].write_text(TEXT, encoding="utf-8")
    link = tmp_path / "link.txt"
    link.symlink_to(texts[0])
    for other, words in ((texts[1], "hold the same one"), (link, "texts must be given once each")):
        result = run(saved("llama"), "--text", texts[0], "--text", other, "--out", tmp_path / "out")
        assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
        assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_lengths_must_fit_into_the_shortest_text(saved, texts, tmp_path):
    texts[1].write_text("a" * 100, encoding="utf-8")
    options = ["--text", texts[0], "--text", texts[1], "--lengths", "64,128", "--device", "cpu"]
    result = run(saved("llama"), *options, "--out", tmp_path / "out")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "from 2 to 100 (the tokens of the text)" in result.stderr


def test_layers_that_no_sweep_has_are_refused(found):
    with pytest.raises(ValueError, match="layers must be among those of the sweep"):
        of_layers(found.sweep, {9})
