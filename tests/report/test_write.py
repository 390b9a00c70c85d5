"""The command writes a report, or says in one line why it cannot."""

import json
import re

import nbformat
import pytest
import transformers as t
from reports import LENGTHS, Page, byte_tokenizer, run, without_tokenizer

from rope_lib import report
from rope_lib.runs import mark
from rope_lib.runs.store import read_provenance, read_tables, save_tables


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "phi3"])
def test_the_command_writes_a_page_a_notebook_and_tables(name, saved, text_file, tmp_path):
    out = tmp_path / "out"
    result = run(saved(name), "--lengths", "64,128", "--text", text_file, "--device", "cpu", "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"{out / 'report.html'}\n"), result.stderr
    assert "Lengths 64, 128. At most about" in result.stderr.splitlines()[0]
    files = {"report.html", "report.ipynb", "tables", "provenance.json"}
    assert {path.name for path in out.iterdir()} == files
    assert mark.is_ours(out)
    html = (out / "report.html").read_text("utf-8")
    found = Page(html)
    assert not found.requests
    assert 2 <= len(found.images) <= 3
    assert all(
        len(image["alt"]) > 40 and image["src"].startswith("data:image/png;base64,") for image in found.images
    )
    assert f"<h1>tiny-{name}</h1>" in html
    assert "declared length" in html
    assert "(chapter:" not in html
    notebook = nbformat.read(out / "report.ipynb", as_version=4)
    assert not any("book" in cell.metadata.get("tags", []) for cell in notebook.cells)
    tables = read_tables(out / "tables")
    assert tables["summary"].length.tolist() == LENGTHS
    about = read_provenance(out / "tables")
    assert about["inputs"]["options"]["lengths"] == LENGTHS
    assert about["inputs"]["model_sha256"] in html
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out", "text.txt"]


@pytest.mark.model
def test_without_a_model_the_packaged_one_is_measured(text_file, tmp_path):
    out = tmp_path / "out"
    result = run("--lengths", "64,256", "--text", text_file, "--device", "cpu", "--out", out)
    assert result.exit_code == 0, result.stderr
    summary = read_tables(out / "tables")["summary"]
    assert summary.length.tolist() == [64, 256]
    assert summary.nll_last.between(0.1, 6).all()  # a model of language, not a random one
    said = (out / "report.html").read_text("utf-8")
    assert "8,192 tokens" in said
    assert "so nothing is said of a break" in said
    assert "Within 256 tokens nothing needs fixing." in said


def unrotated(tmp_path):
    config = t.GPT2Config(vocab_size=256, n_embd=32, n_layer=2, n_head=2, n_positions=64)
    t.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    byte_tokenizer().save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lengths", "64,many"], "--lengths must be whole numbers separated by commas, got '64,many'"),
        (["--lengths", "1"], "lengths must be whole numbers from 2 to"),
        (["--lengths", "64,9999999"], "(the tokens of the text), got [64, 9999999]"),
        (["--device", "abacus"], "device must be auto or one that this machine has ("),
        (["--dtype", "int8"], "dtype must be one of float32, bfloat16, float16, got 'int8'"),
        (["--text", "nowhere.txt"], "nowhere.txt: No such file or directory"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_leaves_nothing(options, words, saved, text_file, tmp_path):
    check_refused([saved("llama"), "--text", text_file, *options], words, tmp_path)


def test_models_that_cannot_be_measured_are_refused(saved, tmp_path, text_file, monkeypatch):
    text = ["--text", text_file]
    check_refused(
        [without_tokenizer(saved("llama"), tmp_path), *text], "model must have a tokenizer", tmp_path
    )
    check_refused([unrotated(tmp_path), *text], "GPT2LMHeadModel adds position embeddings", tmp_path)
    check_refused([tmp_path / "none"], "none", tmp_path)
    monkeypatch.setattr(report.plan, "available_bytes", lambda device: 1000)
    check_refused([saved("llama"), *text], "length must fit in memory: 64 tokens need about", tmp_path)
    text_file.write_bytes(b"caf\xe9")
    check_refused([saved("llama"), *text], "must be text in UTF-8", tmp_path)


def check_refused(arguments, words, tmp_path):
    result = run(*arguments, "--out", tmp_path / "out")
    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    assert words in lines[0]
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_only_a_report_is_replaced(saved, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    result = run(saved("llama"), "--out", out)
    assert result.exit_code == 2
    assert "out must be a new folder or one that rope-lib report wrote, but" in result.stderr
    assert "holds thesis.tex: name another folder, or add --force" in result.stderr
    (out / "report.html").write_text("")
    assert run(saved("llama"), "--out", out).exit_code == 2
    (out / "thesis.tex").rename(tmp_path / "thesis.tex")
    with pytest.raises(FileExistsError):
        report.write._check_replaceable(out)
    save_tables(out / "tables", {}, {})  # a report of an earlier version, whose tables alone have a mark
    report.write._check_replaceable(out)
    (out / "tables" / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        report.write._check_replaceable(out)


@pytest.mark.parametrize("models", [1, 2])
def test_a_folder_without_a_name_is_refused(models, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in ("", "/"):
        result = run(*[saved("llama"), saved("phi3")][:models], "--out", out)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "out must name a folder, got" in result.stderr
    assert not list(tmp_path.iterdir())


def test_no_scheduler_leaves_no_folder(saved, tmp_path):
    result = run(saved("llama"), "--scheduler", "127.0.0.1:1", "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()


def test_the_library_carries_the_notebook_of_the_book(root):
    ours = root / "notebooks" / "16_any_model.ipynb"
    assert report.write.NOTEBOOK.read_bytes() == ours.read_bytes()
    cells = json.loads(ours.read_text("utf-8"))["cells"]
    kept = [cell for cell in cells if "book" not in cell["metadata"].get("tags", [])]
    prose = "".join("".join(cell["source"]) for cell in kept if cell["cell_type"] == "markdown")
    assert not re.search(r"\{\w+(:\w+)?\}`|```|\$", prose)  # nothing that only the book renders
