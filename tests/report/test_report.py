"""The report on a model: random small models of several architectures, the command, the page, refusals."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import transformers as t
from click.testing import CliRunner
from test_intercept import ALTERNATING, LONGROPE, MLA, SIZES, YARN, neox_rope
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rope_lib import report
from rope_lib.cli import main
from rope_lib.findings.breaks import binned, break_point, trained_band
from rope_lib.measure import sweep as sweeping
from rope_lib.measure.load import load_model
from rope_lib.report.page import page
from rope_lib.runs.store import read_provenance, read_tables

LENGTHS = [64, 128]
TEXT = "".join(f"{number} bottles on the wall; take {number % 7} down. " for number in range(99))

# name → (class of the config, its values, whether the fixes apply).
MODELS = {
    "llama": (t.LlamaConfig, SIZES, True),
    "qwen3": (t.Qwen3Config, SIZES, True),
    "gpt_neox": (t.GPTNeoXConfig, SIZES | {"rope_parameters": neox_rope(0.25)}, True),
    "gemma3": (t.Gemma3TextConfig, SIZES | ALTERNATING, False),
    "deepseek_v3": (t.DeepseekV3Config, MLA | {"rope_parameters": YARN}, False),
    "phi3": (
        t.Phi3Config,
        SIZES | {"rope_parameters": LONGROPE, "original_max_position_embeddings": 16},
        False,
    ),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A store of each test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A function that saves a random model of a name in `MODELS` with a byte-level tokenizer, once."""
    folder = tmp_path_factory.mktemp("models")

    def save(name):
        path = folder / f"tiny-{name}"
        if not path.exists():
            config, values, _ = MODELS[name]
            torch.manual_seed(0)
            network = t.AutoModelForCausalLM.from_config(config(**values | {"vocab_size": 256}))
            network.save_pretrained(path)
            byte_tokenizer().save_pretrained(path)
        return path

    return save


def byte_tokenizer():
    """A token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: number for number, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return t.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def losses(values, size):
    """A table of losses whose bins of `size` positions have the given means."""
    nll = np.repeat(values, size)[1:]
    return pd.DataFrame({"position": np.arange(1, len(nll) + 1), "nll": nll})


# The break point


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        ([2, 3, 2, 3, 4, 5, 4, 5], 16),  # leaves at the trained length
        ([2, 3, 2, 3, 3, 2, 4, 5], 24),  # holds for two more bins
        ([2, 3, 2, 3, 9, 2, 3, 2], None),  # an excursion
        ([2, 3, 2, 3, 9, 9, 9, 3], None),  # back in the end
        ([2, 3, 2, 3, 2, 2, 2, np.nan], 28),  # no number is no loss within the band
        ([2, 3, 2, 3], None),  # nothing beyond was measured
    ],
)
def test_the_break_point_is_where_the_loss_leaves_its_band_for_good(bins, expected):
    table = losses(np.array(bins, dtype=float), 4)
    assert break_point(table, 16, size=4) == expected
    assert trained_band(table, 16, size=4) == (2, 3)


def test_bins_are_full_and_a_bin_across_the_trained_length_is_not_within_it():
    table = losses(np.array([2.0, 2, 9, 9]), 4)
    assert binned(table[:-1], 4).index.tolist() == [0, 4, 8]
    assert trained_band(table, 10, size=4) == (2, 2)
    with pytest.raises(ValueError, match="trained must hold a bin of 4 measured tokens, got 3"):
        trained_band(table, 3, size=4)


# The plan


def test_the_shortest_limit_cuts_and_is_named():
    lengths, said = report.plan.cut([512, 1024, 2048], {"memory": 1000, "text": 5000, "time": 700})
    assert (lengths, said) == ([512], ["Nothing above 512 tokens: memory; time."])
    assert report.plan.cut([512, 1024], {"memory": 1024}) == ([512, 1024], [])
    assert report.plan.cut([512], {"memory": 0})[0] == [512]  # the measurement itself refuses that


def test_the_cost_is_linear_and_quadratic(saved):
    network = load_model(saved("llama")).network
    one, two, four = (report.plan.cost(network, length) for length in (1, 2, 4))
    quadratic = (four - 2 * two) / 8
    assert quadratic > 0
    assert four == pytest.approx(4 * (one - quadratic) + 16 * quadratic)
    attention = 4 * 4 * 16  # layers, heads, channels of each
    assert quadratic == pytest.approx(2 * attention)


def test_lengths_nobody_asked_for_stop_at_twice_the_context_and_at_the_text(saved, text_file):
    short = report.findings.subject(saved("llama"), text_file=text_file)
    assert report.plan.plan(short).lengths == (64, 128)
    text_file.write_text(TEXT[:100], encoding="utf-8")
    cut = report.plan.plan(report.findings.subject(saved("llama"), text_file=text_file))
    assert cut.lengths == (64,)
    assert cut.cuts == ("Nothing above 64 tokens: the text has 100 tokens.",)


def test_a_budget_of_nothing_leaves_the_shortest_length(saved, text_file, monkeypatch):
    monkeypatch.setattr(report.plan, "BUDGET", 0)
    cut = report.plan.plan(report.findings.subject(saved("llama"), text_file=text_file))
    assert cut.lengths == (64,)
    assert "more would take over 0 minutes" in cut.cuts[0]


# The findings and what is said of them


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_examined_and_described(name, saved, text_file, monkeypatch):
    monkeypatch.setattr(
        report.findings.Findings, "break_point", 72
    )  # random models break anywhere or nowhere
    subject = report.findings.subject(saved(name), text_file=text_file)
    found = report.findings.examine(subject, LENGTHS)
    applies = MODELS[name][2]
    assert found.lengths == LENGTHS
    assert list(found.fixes) == (["position interpolation ×2", "NTK ×2", "YaRN ×2"] if applies else [])
    assert (found.untried is None) == applies
    heads = report.findings.worst_heads(found)
    assert len(heads) == 4 * 4
    assert heads.notna().all(axis=None)
    assert found.windowed == ({0, 2} if name == "gemma3" else set())
    for tell in (report.text.glance, report.text.numbers, report.text.bounds, report.text.geometry):
        assert tell(found).data.startswith("|")
    assert f"declared {found.declared}" in report.text.breaking(found).data
    assert report.text.dispersed_heads(found).data.count("\n") == 2 + report.text.WORST - 1
    assert ("one unscaled spectrum" in report.text.remedies(found).data) != applies


def test_the_fixes_are_the_spectra_that_they_are_named_after(saved, text_file):
    spec = report.findings.subject(saved("llama"), text_file=text_file).spec
    linear, ntk, yarn = report.findings.spectra(spec, 256)
    plain = 10_000.0 ** (-np.arange(0, 16, 2) / 16)
    np.testing.assert_allclose(linear.inv_freq, plain / 4)
    np.testing.assert_allclose(ntk.inv_freq[[0, -1]], [1, plain[-1] / 4])
    assert yarn.attention_factor == pytest.approx(1 + 0.1 * np.log(4))
    assert len({one.name for one in (*report.findings.spectra(spec, 128), linear, ntk, yarn)}) == 6


def test_a_fix_restores_the_loss_only_if_it_comes_back_into_the_band():
    tables = {
        label: losses(np.repeat([2.0, past], 4), 8) for label, past in {"a": 1.9, "b": 3.0, "c": 6.0}.items()
    }
    found = SimpleNamespace(
        losses=losses(np.repeat([2.0, 5.0], 4), 8), fixes=tables, declared=32, break_point=32, band=(2.0, 2.0)
    )
    rows = report.findings.fix_rows(found)
    assert rows.past.tolist() == [5.0, 1.9, 3.0, 6.0]
    assert rows.restores.tolist() == [False, True, False, False]
    effects = [report.text._effect(row, rows.iloc[0]) for _, row in rows.iloc[1:].iterrows()]
    assert effects == ["restores the loss", "lowers the loss, not back into its band", "does not help"]


# The command


class Page(HTMLParser):
    """What a page asks for, and its images."""

    def __init__(self, text):
        super().__init__()
        self.requests, self.images = re.findall(r"url\(|@import|https?://", text), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes)
        if tag in ("script", "link", "iframe", "object", "embed", "base"):
            self.requests.append(tag)
        self.requests += [
            attributes[name]
            for name in ("src", "srcset")
            if not (attributes.get(name) or "data:").startswith("data:")
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "phi3"])
def test_the_command_writes_a_page_a_notebook_and_tables(name, saved, text_file, tmp_path):
    out = tmp_path / "out"
    result = run(saved(name), "--lengths", "64,128", "--text", text_file, "--device", "cpu", "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"{out / 'report.write.html'}\n"), result.stderr
    assert "Lengths 64, 128. At most about" in result.stderr.splitlines()[0]
    assert {path.name for path in out.iterdir()} == {"report.write.html", "report.write.ipynb", "tables"}
    html = (out / "report.write.html").read_text("utf-8")
    found = Page(html)
    assert not found.requests
    assert 2 <= len(found.images) <= 3
    assert all(
        len(image["alt"]) > 40 and image["src"].startswith("data:image/png;base64,") for image in found.images
    )
    assert f"<h1>tiny-{name}</h1>" in html
    assert "declared context" in html
    assert "(chapter:" not in html
    notebook = nbformat.read(out / "report.write.ipynb", as_version=4)
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
    said = (out / "report.write.html").read_text("utf-8")
    assert "8,192 tokens" in said
    assert "so nothing is said of a break" in said
    assert "Within 256 tokens nothing needs fixing." in said


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(saved, text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(report.findings.Findings, "break_point", 72)
    subject = report.findings.subject(saved("llama"), text_file=text_file)
    passes, original = [], sweeping.measure_pass

    def killed_at_ntk(network, tokens, lengths, intervention, progress):
        passes.append(intervention.name.partition("_")[0])
        if passes == ["unchanged", "linear", "ntk"]:
            raise KeyboardInterrupt
        return original(network, tokens, lengths, intervention, progress)

    monkeypatch.setattr(sweeping, "measure_pass", killed_at_ntk)
    with pytest.raises(KeyboardInterrupt):
        report.findings.examine(subject, LENGTHS)
    report.findings.examine(subject, LENGTHS)
    assert passes == ["unchanged", "linear", "ntk", "ntk", "yarn"]
    report.findings.examine(subject, LENGTHS)
    assert len(passes) == 5


def without_tokenizer(folder, tmp_path):
    path = tmp_path / "mute"
    path.mkdir()
    for name in ("config.json", "model.safetensors"):
        (path / name).write_bytes((folder / name).read_bytes())
    return path


def unrotated(tmp_path):
    config = t.GPT2Config(vocab_size=256, n_embd=32, n_layer=2, n_head=2, n_positions=64)
    t.GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    byte_tokenizer().save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lengths", "64,many"], "--lengths must be whole numbers with commas between them, got '64,many'"),
        (["--lengths", "1"], "lengths must be whole numbers from 2 to"),
        (["--lengths", "64,9999999"], "(the tokens of the text), got [64, 9999999]"),
        (["--device", "abacus"], "device must be one of auto, cpu, cuda, mps, got 'abacus'"),
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
    assert "out must be a new folder or that of a report" in result.stderr
    (out / "report.write.html").write_text("")
    assert run(saved("llama"), "--out", out).exit_code == 2
    (out / "thesis.tex").rename(tmp_path / "thesis.tex")
    with pytest.raises(FileExistsError):
        report.write._check_replaceable(out)
    (out / "tables").mkdir()
    (out / "tables" / "provenance.json").write_text("{}")
    report.write._check_replaceable(out)


# Several models


@pytest.mark.slow
def test_each_of_several_models_has_its_report_and_one_that_cannot_be_measured_is_a_line(
    saved, text_file, tmp_path
):
    good, mute = saved("llama"), without_tokenizer(saved("llama"), tmp_path)
    result = run(mute, good, "--text", text_file, "--lengths", "64,128", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'out' / good.name / 'report.write.html'}\n"
    assert result.stderr.splitlines() == [
        f"model={mute}: model must have a tokenizer to read a text, and mute has none",
        "Error: 1 of 2 models could not be measured",
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [good.name]
    tables = read_tables(tmp_path / "out" / good.name / "tables")
    assert sorted(set(tables["heads"].length)) == LENGTHS


def test_one_model_twice_or_workers_without_a_model_are_refused(saved, tmp_path):
    model = saved("llama")
    for arguments, line in [
        ((model, model), f"models must be named once each, got '{model}' twice"),
        (("--workers", 2), "MODEL must be given where --scheduler or --workers are"),
        ((model, "--workers", 0), "workers must be at least 1, got 0"),
    ]:
        result = run(*arguments, "--out", tmp_path / "out")
        assert (result.exit_code, result.stderr) == (2, f"Error: {line}\n")
        assert not (tmp_path / "out").exists()


# The page


def notebook_of(*outputs, **metadata):
    cell = nbformat.v4.new_code_cell("1", outputs=list(outputs), metadata=metadata)
    return nbformat.v4.new_notebook(cells=[cell])


def test_what_a_models_files_say_is_shown_and_not_obeyed():
    hostile = "<script src=//x.y></script> ![p](http://x.y/p.png) | `a` **b** [c](d)"
    said = report.text.plain(hostile)
    output = nbformat.v4.new_output("display_data", {"text/markdown": f"| a |\n| --- |\n| {said} |"})
    html = page(notebook_of(output), "<b>title</b>", {"Model": "<i>x</i>"})
    cell = re.search(r"<td>(.*?)</td>", html).group(1)
    assert re.sub(r"&lt;", "<", re.sub(r"&gt;", ">", cell)) == hostile
    assert "&lt;b&gt;title" in html
    assert "&lt;i&gt;x" in html
    raw = nbformat.v4.new_output("display_data", {"text/markdown": hostile})
    assert not Page(page(notebook_of(raw), "t", {})).images
    assert "<script" not in page(notebook_of(raw), "t", {})


def test_the_page_keeps_parameters_and_errors_of_libraries_to_itself():
    noise = nbformat.v4.new_output("stream", name="stderr", text="a warning")
    assert "a warning" not in page(notebook_of(noise), "t", {})
    said = nbformat.v4.new_output("stream", name="stdout", text="a line & more")
    assert "<pre>a line &amp; more</pre>" in page(notebook_of(said), "t", {})
    assert "a line" not in page(notebook_of(said, tags=["parameters"]), "t", {})


def test_the_library_carries_the_notebook_of_the_book(root):
    ours = root / "notebooks" / "16_any_model.ipynb"
    assert report.write.NOTEBOOK.read_bytes() == ours.read_bytes()
    cells = json.loads(ours.read_text("utf-8"))["cells"]
    kept = [cell for cell in cells if "book" not in cell["metadata"].get("tags", [])]
    prose = "".join("".join(cell["source"]) for cell in kept if cell["cell_type"] == "markdown")
    assert not re.search(r"\{\w+(:\w+)?\}`|```|\$", prose)  # nothing that only the book renders
