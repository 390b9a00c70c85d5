"""tools/results.py: every grid and every kept result has a maker, and each maker keeps what it made."""

import importlib
import re
import shutil
import tomllib
from pathlib import Path

import click
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.findings.kept import RESULTS, kept
from rope_lib.measure import load
from rope_lib.measure.text import reference_text, text_sha256
from rope_lib.runs.experiments import KINDS, run_grid
from rope_lib.runs.grid import make_grid, read_grid
from rope_lib.runs.store import read_provenance, read_tables, save_tables
from rope_lib.train.config import Config

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
GRIDS = sorted(path.stem for path in EXPERIMENTS.glob("*.toml") if "\nkind = " in path.read_text("utf-8"))
# `bench` holds those of the scripts in `benchmarks`: see tests/book/test_benchmarks_page.py.
FOLDERS = sorted(path.name for path in RESULTS.iterdir() if path.is_dir() and path.name != "bench")
# What made results before `tools/results.py` did; see results/README.md.
EARLIER = "python tools/(experiments.py )?{name}(.py)?( --.*)?"
FORMER = {"precision_fixed_steps": "precision"}  # what a result was called when it was made

TINY_GRID = """
about = "Tiny"
kind = "train"

[fixed]
model = { layers = 1, width = 8, heads = 1, head_dim = 4 }
task = { name = "recall", parameters = { pairs = 2, queries = 1 } }
training = { steps = 2, batch = 2, length = 16 }
evaluation = { lengths = [16], examples = 2, geometry = 1 }

[axes]
spectrum.base = [10, 100]
seed = [0]
"""

TINY_BYTES = """
model = { layers = 1, width = 8, heads = 1, head_dim = 4 }
spectrum = { base = 100 }
task = { name = "bytes" }
training = { steps = 2, batch = 2, length = 16 }
"""


@pytest.fixture
def results(monkeypatch, root, tmp_path):
    """The tool, as a module that keeps its results, sweeps and measurements in folders of this test."""
    monkeypatch.syspath_prepend(root / "tools")
    tool = importlib.import_module("results")
    monkeypatch.setattr("makers.kept.RESULTS", tmp_path / "results")
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tool


def call(tool, *arguments):
    return CliRunner().invoke(tool.main, arguments)


# Names


def unmatched(folders, makers, grids):
    """What lacks its counterpart: folders without a maker, makers without a folder, grids without a maker.

    A maker's result of the size `full` has a folder of its own, which need not be there.
    """
    folders = {name.removesuffix("_full") for name in folders}
    return (folders ^ set(makers)) | (set(grids) - set(makers))


def test_every_result_has_a_maker_and_every_grid_a_name(results):
    assert unmatched(FOLDERS, results.MAKERS, GRIDS) == set()
    assert {"spectra", "interventions"} <= set(results.MAKERS)


@pytest.mark.parametrize(
    ("folders", "makers", "grids"),
    [
        (["a", "stray"], ["a"], ["a"]),
        (["a", "stray_full"], ["a"], ["a"]),
        (["a"], ["a", "stray"], ["a"]),
        (["a"], ["a"], ["a", "stray"]),
    ],
    ids=["folder", "full folder", "maker", "grid"],
)
def test_what_has_no_counterpart_is_named(folders, makers, grids):
    assert unmatched(folders, makers, grids) == {"stray"}
    assert unmatched(["a", "a_full"], ["a"], ["a"]) == set()


def test_a_single_configuration_is_no_result(results):
    assert sorted(results.grid_files()) == GRIDS
    single = {path.stem for path in EXPERIMENTS.glob("*.toml")} - set(GRIDS)
    assert single == {"byte_rope_id", "recall_rope", "text_rope", "text_rope_id"}


def test_the_list_of_results_names_each_with_its_command(results):
    listed = (RESULTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `python tools/results.py (\w+)`", listed, re.MULTILINE)
    assert sorted(rows) == sorted((name, name) for name in results.MAKERS)


# Grids


@pytest.mark.parametrize("size", ["default", "full"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_cells_of_a_grid_can_be_run(name, size):
    grid = read_grid(EXPERIMENTS / f"{name}.toml", size)
    assert grid.kind in KINDS
    chosen = grid.cells[:: max(1, len(grid.cells) // 24)]  # a thousand cells differ little in what they hold
    for cell in chosen:
        config = Config.from_dict({key: value for key, value in cell.values.items() if key != "device"})
        assert config.training.length in config.evaluation.lengths
    assert {cell.values.get("device") for cell in grid.cells} == ({None} if size == "default" else {"cuda"})


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_kept_belongs_to_the_grid_that_is_here(name):
    now = read_grid(EXPERIMENTS / f"{name}.toml")
    made = read_provenance(RESULTS / name)
    then = make_grid(tomllib.loads(made["inputs"]["grid"]))
    assert [cell.digest for cell in then.cells] == [cell.digest for cell in now.cells]
    cells = kept(name)[0]["cells"]
    assert cells.finished.all()
    if "cell" in cells:  # a grid that goes on: what is there is part of it, and nothing is there twice
        # Of earlier code, and the same when run again:
        again = cells[cells.cell.isin(made.get("verified", ()))]
        assert len(set(cells.inputs) - set(again.inputs)) <= 1
        assert set(cells.cell) <= {cell.digest for cell in now.cells}
        assert made["finished"] == len(cells) == cells.cell.nunique()
    else:
        assert cells.inputs.nunique() == 1  # one code and one set of versions made them all
        assert len(cells) == len(now.cells)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_recorded_command_names_the_result(name):
    command = read_provenance(RESULTS / name)["command"]
    now = f"python tools/results.py {name.removesuffix('_full')}( --.*)?"
    assert re.fullmatch(f"{now}|{EARLIER.format(name=FORMER.get(name, name))}", command)


@pytest.mark.slow
def test_a_grid_is_run_and_kept(results, monkeypatch, tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(TINY_GRID)
    monkeypatch.setattr(
        results, "MAKERS", {"tiny": results.Maker(results.partial(results.grid, file), "Tiny")}
    )
    results.MAKERS["tiny"].make(workers=1)
    tables, made = read_tables(tmp_path / "results" / "tiny"), read_provenance(tmp_path / "results" / "tiny")
    assert len(tables["summary"]) == made["cells"] == 2
    assert "base" in tables["summary"]
    assert made["command"] == "python tools/results.py tiny"
    assert made["inputs"]["grid"] == TINY_GRID


def test_nothing_is_kept_of_a_grid_with_a_failed_cell(results, monkeypatch, tmp_path):
    swept = type("Swept", (), {"failed": ["a cell"]})
    monkeypatch.setattr(results, "run_grid", lambda *_, **__: (tmp_path, swept))
    found = call(results, "spectra")
    assert found.exit_code == 1
    assert "spectra: 1 cells failed, nothing is kept" in found.output
    assert not (tmp_path / "results").exists()


def test_a_full_grid_is_another_result(results, monkeypatch, tmp_path):
    tables, made = kept("spectra")
    monkeypatch.setattr(results, "run_grid", lambda *_, **__: (tmp_path, type("Swept", (), {"failed": []})))
    monkeypatch.setattr(results, "read_tables", lambda folder: tables)
    monkeypatch.setattr(results, "read_provenance", lambda folder: made)
    monkeypatch.setattr(results, "condensed", lambda tables: tables)
    assert call(results, "spectra", "--size", "full").exit_code == 0
    found = read_provenance(tmp_path / "results" / "spectra_full")
    assert found["command"] == "python tools/results.py spectra --size full"


# The packaged model, in place of which a tiny one stands here


@pytest.fixture
def tiny_model(monkeypatch, results):
    def load_model(*, device="cpu", dtype="float32"):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, max_position_embeddings=32, attn_implementation="sdpa",
        )  # fmt: skip
        network = LlamaForCausalLM(config).to(getattr(torch, dtype)).eval()
        return load.LanguageModel("tiny", network, None, "0" * 64)

    def tokenize(model, text, length):
        return torch.tensor([ord(letter) % 64 for letter in text[:length]])

    monkeypatch.setattr(load, "load_model", load_model)
    monkeypatch.setattr(load, "tokenize", tokenize)
    for module in ("tables", "trials"):
        monkeypatch.setattr(f"rope_lib.measure.{module}.CENTER_TOKENS", 32)
    monkeypatch.setattr("rope_lib.measure.tables.LOSS_BIN", 16)
    monkeypatch.setattr("makers.packaged.INTERVENTION_LENGTHS", [32, 64])
    monkeypatch.setattr("makers.packaged.LONG_LENGTHS", [32, 64, 128])
    monkeypatch.setattr("makers.packaged.TIMED_LENGTH", 32)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_model")
def test_interventions_are_kept_under_their_names(results, tmp_path):
    found = call(results, "interventions")
    assert found.exit_code == 0, found.output
    tables, made = (
        read_tables(tmp_path / "results/interventions"),
        read_provenance(tmp_path / "results/interventions"),
    )
    assert sorted(tables) == ["keys", "losses", "pairs"]
    assert tables["keys"].intervention.nunique() == kept("interventions")[0]["keys"].intervention.nunique()
    assert made["inputs"].keys() == read_provenance(RESULTS / "interventions")["inputs"].keys()
    assert made["text_sha256"] == text_sha256(reference_text())
    assert made["command"] == "python tools/results.py interventions"


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_model")
def test_matched_pairs_are_kept_by_model_and_text(results, tmp_path, monkeypatch):
    monkeypatch.setattr("rope_lib.measure.subjects.load_subject", lambda name: load.load_model())
    monkeypatch.setattr("rope_lib.measure.matched_scores.PROBE_HALF", 24)
    reads = [
        results.part_two.Read("byte RoPE", (256, 512), slice(2), 4),
        results.part_two.Read("byte RoPE", (256,), slice(2, 3), 4),
    ]
    monkeypatch.setattr("makers.part_two.MATCHED", reads)
    found = call(results, "matched")
    assert found.exit_code == 0, found.output
    folder = tmp_path / "results/matched"
    tables, made = read_tables(folder), read_provenance(folder)
    assert sorted(tables) == ["heads", "keys", "moved", "pairs"]
    assert all(list(table.columns[:3]) == ["model", "text", "declared"] for table in tables.values())
    by_text = tables["keys"].groupby("text", sort=False).length.agg(set)
    assert by_text.tolist() == [{256, 512}, {256, 512}, {256}]
    assert set(tables["keys"].declared) == {256}
    assert len(made["inputs"]) == 3
    assert made["command"] == "python tools/results.py matched"


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_model")
def test_a_long_input_is_measured_in_both_types_and_under_every_intervention(results, tmp_path):
    text = tmp_path / "text"
    text.write_text("To be, or not to be. " * 20)
    found = call(results, "long_input", "--device", "cpu", "--text", str(text))
    assert found.exit_code == 0, found.output
    tables, made = (
        read_tables(tmp_path / "results/long_input"),
        read_provenance(tmp_path / "results/long_input"),
    )
    expected = kept("long_input")[0]
    for name, table in tables.items():
        assert list(table.columns) == list(expected[name].columns)
    for name in ("keys", "losses", "pairs"):
        trials = [
            t[["dtype", "intervention"]].drop_duplicates().reset_index(drop=True)
            for t in (tables[name], expected[name])
        ]
        pd.testing.assert_frame_equal(*trials)
    costs = tables["costs"]
    assert list(zip(costs.dtype, costs.length, costs.run, strict=True)) == [
        (dtype, length, run)
        for dtype in ("float32", "bfloat16")
        for length, run in ((32, "bare"), (128, "bare"), (32, "measure"), (128, "measure"))
    ]
    assert made["command"] == "python tools/results.py long_input --device cpu --text FILE"


# The models of Part II, in place of which tiny ones stand here


@pytest.fixture
def tiny_texts(monkeypatch, results):
    """Two texts, of which a tiny model reads letters, and nothing else is at hand."""
    config = LlamaConfig(
        vocab_size=256, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=32, attn_implementation="sdpa",
    )  # fmt: skip

    def load_subject(name):
        if name == "away":
            raise FileNotFoundError("run `make models`")
        torch.manual_seed(0)
        return load.LanguageModel("tiny", LlamaForCausalLM(config).eval(), None, "0" * 64)

    monkeypatch.setattr("rope_lib.measure.subjects.load_subject", load_subject)
    monkeypatch.setattr(load, "tokenize", lambda _, text, length: torch.tensor(list(text.encode()[:length])))
    texts = {name: (lambda line=name: f"{line} " * 30) for name in ("one", "another")}
    monkeypatch.setattr("rope_lib.measure.texts.TEXTS", texts)
    monkeypatch.setattr("makers.part_two.GEOMETRY_LENGTHS", {"here": (70, 90, 100), "away": (70,)})
    monkeypatch.setattr("rope_lib.measure.subjects.SUBJECTS", {"away": None, "here": None})


@pytest.mark.usefixtures("tiny_texts")
def test_the_geometry_of_the_models_at_hand_is_kept_text_by_text(results, tmp_path):
    found = call(results, "geometry", "--longest", "90")
    assert found.exit_code == 0, found.output
    assert "away is left out: run `make models`" in found.output
    tables, made = (
        read_tables(tmp_path / "results/geometry"),
        read_provenance(tmp_path / "results/geometry"),
    )
    assert sorted(tables) == ["costs", "heads", "losses", "norms", "pairs", "profiles", "queries"]
    for table in tables.values():
        assert list(table.columns[:2]) == ["model", "text"]
        assert table.groupby(["model", "text"], sort=False).size().index.tolist() == [
            ("here", "one"),
            ("here", "another"),
        ]
    assert sorted(tables["heads"].length.unique()) == [70, 90]
    assert sorted(made["inputs"]) == ["here, another", "here, one"]
    assert made["command"] == "python tools/results.py geometry --longest 90"


@pytest.mark.slow
def test_byte_models_are_trained_or_taken_as_they_are_and_can_be_loaded(results, monkeypatch, tmp_path):
    monkeypatch.setattr("makers.kept.EXPERIMENTS", tmp_path)
    monkeypatch.setattr("rope_lib.train.validated.SEGMENTS", 4)
    for name in results.trained.BYTE_CONFIGS:
        (tmp_path / f"text_{name}.toml").write_text(TINY_BYTES)
    assert call(results, "byte_models").exit_code == 0
    folder = tmp_path / "results/byte_models"
    tables = read_tables(folder)
    for _ in range(2):  # a second run replaces the first
        for name in results.trained.BYTE_CONFIGS:
            trained = tmp_path / "rope-sweep-byte-models" / name
            shutil.copytree(trained, tmp_path / "own" / f"{name}-training", dirs_exist_ok=True)
        assert call(results, "byte_models", "--checkpoints", str(tmp_path / "own")).exit_code == 0
    assert not folder.with_name("byte_models.old").exists()
    for name, table in read_tables(folder).items():
        pd.testing.assert_frame_equal(table, tables[name])
    assert read_provenance(folder)["inputs"]["rope"]["steps"] == 2
    assert read_provenance(folder)["command"] == "python tools/results.py byte_models --checkpoints DIR"
    losses = tables["validation"].groupby("model", sort=False).nll.mean()
    assert list(losses.index[:3]) == ["rope", "rope_id", "counts, 0 bytes before"]
    model = load.load_model(folder / "rope_id")
    assert load.tokenize(model, "def", 3).tolist() == list(b"def")


# The command


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing"], "'nothing' is not one of"),
        ([], "Missing argument 'NAME...'"),
        (["interventions", "--size", "full"],
         "--size must be left out for interventions, which takes no options"),
        (["spectra", "long_input", "--workers", "2"],
         "--workers must be left out for long_input, which takes --device and --text"),
        (["spectra", "--device", "cpu"],
         "--device must be left out for spectra, which takes --size and --workers and --scheduler"),
        (["spectra", "--size", "huge"], "'huge' is not one of 'default', 'full'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_in_one_line(results, tmp_path, arguments, line):
    found = call(results, *arguments)
    assert found.exit_code == 2
    assert line in found.output
    assert not (tmp_path / "results").exists()


def test_help_lists_every_result(results):
    found = call(results, "--help")
    assert all(f"\n  {name} " in found.output for name in results.MAKERS)


@pytest.mark.slow
def test_a_grid_goes_on_from_the_cells_that_were_kept(results, tmp_path, monkeypatch):
    file = tmp_path / "tiny.toml"
    file.write_text(TINY_GRID.replace("[10, 100]", "[10]"), "utf-8")
    results.grid(file, workers=1)
    shutil.rmtree(tmp_path / "rope-sweep-tiny")
    file.write_text(TINY_GRID, "utf-8")
    results.grid(file, workers=1)
    assert len(list((tmp_path / "rope-sweep-tiny" / "cells").glob("[!.]*"))) == 1  # only base 100 was run
    tables = read_tables(tmp_path / "results" / "tiny")
    assert sorted(tables["summary"].base) == sorted(tables["cells"].base) == [10, 100]
    assert read_provenance(tmp_path / "results" / "tiny")["finished"] == 2


@pytest.mark.slow
def test_what_an_interrupted_run_finished_can_be_kept(results, tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(TINY_GRID, "utf-8")
    run_grid(file, workers=1)
    lost = next((tmp_path / "rope-sweep-tiny" / "cells").glob("[!.]*"))
    shutil.rmtree(lost)
    results.grid(file, finished=True)
    made = read_provenance(tmp_path / "results" / "tiny")
    assert (made["finished"], made["cells"]) == (1, 2)
    results.grid(file, workers=1)
    assert read_provenance(tmp_path / "results" / "tiny")["finished"] == 2


@pytest.mark.slow
def test_cells_of_other_code_are_trusted_if_some_come_out_the_same(results, tmp_path):
    file, kept_at = tmp_path / "tiny.toml", tmp_path / "results" / "tiny"
    file.write_text(TINY_GRID, "utf-8")
    results.grid(file, workers=1)
    made, tables = read_provenance(kept_at), dict(read_tables(kept_at))
    tables["cells"] = tables["cells"].assign(inputs="of other code")
    shutil.rmtree(tmp_path / "rope-sweep-tiny")
    save_tables(kept_at, tables, made)
    with pytest.raises(click.ClickException, match="2 cells come from other code or versions: add --verify"):
        results.grid(file, workers=1)
    results.grid(file, workers=1, verify=1)
    assert not list((tmp_path / "rope-sweep-tiny" / "cells").glob("[!.]*"))
    tables["summary"] = tables["summary"].assign(nll=tables["summary"].nll + 1e-9)
    save_tables(kept_at, tables, made)
    with pytest.raises(click.ClickException, match="summary of 1 cells run again must be as kept"):
        results.grid(file, workers=1, verify=1)
