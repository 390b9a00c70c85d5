"""What a trained model is asked, against numbers from its logits and keys; the run; the command."""

import json
import os
import sys
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from rope_lib.cli import main
from rope_lib.runs.folders import alone
from rope_lib.runs.store import read_provenance, read_tables, save_tables
from rope_lib.train import evaluate as evaluation
from rope_lib.train.checkpoint import CHECKPOINT, KEPT
from rope_lib.train.config import Config, Shape
from rope_lib.train.evaluate import accuracy_by_distance, answers, evaluate, evaluation_batch, geometry
from rope_lib.train.loop import build, train
from rope_lib.train.run import inputs, run
from rope_lib.train.spectrum import Rotation
from rope_lib.train.transformer import Transformer

VALUES = {
    "model": {"layers": 1, "width": 32, "heads": 2, "head_dim": 16, "key_value_heads": 1},
    "task": {
        "name": "recall",
        "parameters": {"fused": True, "keys": 4, "values": 4, "pairs": 4, "queries": 4, "noise": 4},
    },
    "training": {"steps": 100, "batch": 32, "length": 24, "learning_rate": 0.01},
    "evaluation": {
        "examples": 30,
        "bin": 8,
        "variants": {
            "yarn": {"scaling": "yarn"},
            "shifted": {"shift": 5000},
            "coarse": {"shift": 5000, "arithmetic": "bfloat16"},
        },
    },
}
CONFIG = Config.from_dict(VALUES)
BYTES = Config.from_dict(
    {
        "model": VALUES["model"],
        "task": {"name": "bytes"},
        "training": {"steps": 2, "batch": 2, "length": 16},
        "evaluation": {"examples": 2, "bin": 8, "geometry": 1},
    }
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(CONFIG, tmp_path_factory.mktemp("trained"))[0]


@pytest.fixture(scope="module")
def tables(trained):
    return evaluate(CONFIG, trained)


def only(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table.reset_index(drop=True)


def test_answers_are_those_of_the_models_logits_one_input_at_a_time(trained, tables, monkeypatch):
    batch = evaluation_batch(CONFIG, 48)
    rotation = CONFIG.spectrum.at(48, 24, 16)
    rows = []
    for example in range(30):
        with torch.inference_mode():
            logs = trained(batch.tokens[example : example + 1], rotation)[0].log_softmax(-1)
        for position, target in enumerate(batch.targets[example].tolist()):
            if target >= 0:
                distance = batch.distance[example, position].item()
                nll, best = -logs[position, target].item(), logs[position].argmax().item()
                rows.append((example, position, distance, nll, best == target))
    expected = pd.DataFrame(rows, columns=["example", "position", "distance", "nll", "correct"])
    found = only(tables["answers"], variant="trained", length=48).drop(columns=["variant", "length"])
    pd.testing.assert_frame_equal(found, expected, atol=1e-5)
    monkeypatch.setattr(evaluation, "TOKENS_AT_ONCE", 100)  # two inputs at a time
    with torch.inference_mode():
        pd.testing.assert_frame_equal(answers(trained, batch, rotation), expected, atol=1e-5)


def test_losses_and_summary_are_means_of_the_answers(tables):
    for (variant, length), rows in tables["answers"].groupby(["variant", "length"]):
        (line,) = only(tables["summary"], variant=variant, length=length).itertuples()
        assert line.nll == pytest.approx(rows.nll.mean())
        assert (line.accuracy, line.questions, line.examples) == (rows.correct.mean(), 120, 30)
        bins = only(tables["losses"], variant=variant, length=length)
        assert bins.questions.sum() == 120
        for each in bins.itertuples():
            inside = rows[(rows.position >= each.first) & (rows.position <= each.last)]
            assert (len(inside), each.last - each.first) == (each.questions, 7)
            assert each.nll == pytest.approx(inside.nll.mean())
            assert each.accuracy == pytest.approx(inside.correct.mean())
    assert tables["summary"].length.unique().tolist() == [24, 48, 96, 192, 384]


def test_the_model_has_learned_and_fails_where_it_was_never_trained(tables):
    summary = only(tables["summary"], variant="trained").set_index("length")
    assert summary.accuracy[24] > 0.95
    assert summary.accuracy[384] < summary.accuracy[24] - 0.1
    by_distance = accuracy_by_distance(only(tables["answers"], variant="trained"), [1, 24, 384])
    found = {(row["from"], row.length): row.accuracy for _, row in by_distance.iterrows()}
    assert found[1, 24] > 0.95
    rows = only(tables["answers"], variant="trained", length=384)
    assert found[24, 384] == pytest.approx(rows.correct[rows.distance >= 24].mean())
    assert by_distance.questions.sum() == len(only(tables["answers"], variant="trained"))


def test_variants_are_asked_the_same_and_change_what_they_should(tables):
    found = tables["answers"].set_index(["length", "example", "position"])
    nll = {name: rows.nll for name, rows in found.groupby("variant")}
    assert list(tables["answers"].variant.unique()) == ["trained", "yarn", "shifted", "coarse"]
    moved = {name: (each - nll["trained"]).abs().groupby("length").max() for name, each in nll.items()}
    assert moved["yarn"][24] == 0
    assert moved["yarn"].loc[48:].min() > 1e-3
    assert moved["shifted"].max() < 1e-2  # tables are float32
    assert (moved["coarse"] > 10 * moved["shifted"]).all()
    assert moved["coarse"].max() > 1


def test_a_scheme_and_a_type_are_ways_to_ask_that_leave_the_model_as_it_is(trained):
    variants = {
        "arithmetic": {"shift": 5000, "arithmetic": "bfloat16"},
        "scheme": {"shift": 5000, "scheme": "bfloat16 angles"},
        "bfloat16": {"dtype": "bfloat16"},
        "float16": {"dtype": "float16", "scheme": "float32 product", "shift": 5000},
    }
    values = VALUES | {"evaluation": {"lengths": [24], "examples": 30, "variants": variants}}
    found = evaluate(Config.from_dict(values), trained)["answers"].groupby("variant").nll.agg(list)
    assert found["arithmetic"] == found["scheme"]
    off = {name: np.abs(np.subtract(found[name], found["trained"])).max() for name in ("bfloat16", "float16")}
    assert 0 < off["float16"] < off["bfloat16"] < 1
    assert {weights.dtype for weights in trained.parameters()} == {torch.float32}


def test_geometry_is_that_of_the_keys_themselves():
    shape = Shape(layers=2, width=16, heads=4, head_dim=8, key_value_heads=2)
    model = Transformer(shape, 20, torch.Generator().manual_seed(0))
    tokens = torch.randint(20, (2, 100), generator=torch.Generator().manual_seed(1))
    rotation = Rotation((1.0, 0.3, 0.01, 0.0), attention_factor=1.3)
    seen = []
    attention = model.blocks[1].attention
    hooks = [
        part.register_forward_hook(lambda _, __, y: seen.append(y[0].double().numpy()))
        for part in (attention.query, attention.key)
    ]
    with torch.inference_mode():
        table = geometry(model, tokens, rotation)
    for hook in hooks:
        hook.remove()
    assert len(table) == 2 * 2 * 2
    angles = np.arange(100)[:, None] * np.array(rotation.inv_freq)

    def turned(x):
        z = (x[:, :4] + 1j * x[:, 4:]) * np.exp(1j * angles)
        return np.hstack([z.real, z.imag])

    queries, keys = seen[2].reshape(100, 4, 8), seen[3].reshape(100, 2, 8)
    for head in range(2):
        (row,) = only(table, example=1, layer=1, head=head).itertuples()
        before, after = keys[:, head], turned(keys[:, head])
        first, last = np.linalg.norm(before, 2), np.linalg.norm(after, 2)
        total = np.linalg.norm(before) ** 2
        assert row.stable_rank_pre == pytest.approx(total / first**2, rel=1e-5)
        assert row.stable_rank == pytest.approx(total / last**2, rel=1e-5)
        assert row.first_singular_ratio == pytest.approx(last / first, rel=1e-5)
        norms = np.linalg.norm(before, axis=1)
        assert row.sink_norm == pytest.approx(norms[0] / norms.mean(), rel=1e-5)
        shares = []
        for query in (2 * head, 2 * head + 1):
            scores = 1.3**2 * turned(queries[:, query]) @ after.T / 8**0.5
            scores[np.triu_indices(100, 1)] = -np.inf
            weights = np.exp(scores)
            shares.append((weights[:, 0] / weights.sum(axis=1))[-64:].mean())
        assert row.sink_attention == pytest.approx(np.mean(shares), rel=1e-4)


def test_bytes_have_losses_by_position_and_no_table_of_answers():
    tables = evaluate(BYTES, build(BYTES))
    assert set(tables) == {"losses", "geometry", "summary"}
    assert (tables["summary"].questions == 2 * 256).all()
    assert tables["summary"].examples.tolist() == [32, 16, 8, 4, 2]
    longest = only(tables["losses"], length=256)
    assert longest["first"].tolist() == list(range(0, 256, 8))
    assert (longest.questions == 16).all()
    assert (tables["losses"].nll - np.log(256)).abs().max() < 1  # untrained: any byte is as good


def test_no_geometry_is_no_rows():
    nothing = replace(BYTES, evaluation=replace(BYTES.evaluation, geometry=0))
    assert len(evaluate(nothing, build(nothing))["geometry"]) == 0


def test_a_run_gives_the_same_tables_each_time_and_cleans_up(tmp_path):
    first, again = (run(BYTES, tmp_path / name) for name in ("first", "again"))
    assert list(first) == ["training", "losses", "geometry", "summary"]
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, again[name], check_exact=True)
        assert table.notna().all(axis=None)
    assert not list((tmp_path / "first").iterdir())
    run(BYTES, tmp_path / "kept", keep=True)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [CHECKPOINT]
    other = run(Config.from_dict(BYTES.to_dict() | {"seed": 1}), tmp_path / "other")
    assert not other["summary"].equals(first["summary"])


def test_a_run_that_died_while_it_was_asked_does_not_train_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("rope_lib.train.run.evaluate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(BYTES, tmp_path)
    monkeypatch.setattr("rope_lib.train.loop.loss_of", None)  # a step would fail
    assert len(run(BYTES, tmp_path)["training"]) == 2


def test_a_device_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"device must be auto or one that this machine has \(.*cpu\), got 'tpu'"
    ):
        run(CONFIG, tmp_path, device="tpu")


TOML = """
[model]
layers = 1
width = 16
heads = 1
head_dim = 8
[task]
name = "copy"
[training]
steps = 2
batch = 2
length = 16
[evaluation]
lengths = [16, 32]
examples = 2
"""


def invoke(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


@pytest.fixture
def toml(tmp_path):
    (tmp_path / "tiny.toml").write_text(TOML, encoding="utf-8")
    return tmp_path / "tiny.toml"


def test_the_command_writes_tables_with_their_provenance(toml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(toml)
    out = tmp_path / "rope-train-tiny"
    assert (result.exit_code, result.stdout) == (0, f"{out / 'summary.parquet'}\n"), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rope-train-tiny", "tiny.toml"]
    config = Config.from_toml(toml)
    provenance = read_provenance(out)
    assert provenance["inputs"] == inputs(config)
    assert Config.from_dict(provenance["inputs"]["config"]) == config
    assert {"command", "device", "processor", "seconds", "utc"} <= provenance.keys()
    expected = run(config, tmp_path / "scratch")
    written = read_tables(out)
    assert list(written) == list(expected)
    for name, table in written.items():
        pd.testing.assert_frame_equal(table, expected[name], check_dtype=False, check_exact=True)
    assert invoke(toml).exit_code == 0  # a folder of its own is replaced
    assert invoke(toml, "--keep").exit_code == 0
    assert (tmp_path / "rope-train-tiny-training" / KEPT).is_file()


def test_no_later_run_removes_or_replaces_weights_that_were_kept(toml, tmp_path, monkeypatch):
    training, other = tmp_path / "out-training", tmp_path / "other.toml"
    other.write_text("seed = 1\n" + TOML)
    assert invoke(toml, "--out", tmp_path / "out", "--keep").exit_code == 0
    kept = (training / KEPT).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("rope_lib.train.loop.loss_of", None)  # a step would fail
        for options in ([], ["--keep"], ["--force"]):
            assert invoke(toml, "--out", tmp_path / "out", *options).exit_code == 0
            assert [path.name for path in training.iterdir()] == [KEPT]
    for options in ([], ["--keep"]):
        result = invoke(other, "--out", tmp_path / "out", *options)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"{training / KEPT}: must be weights of this config" in result.stderr
        assert "add --force to keep out-training as out-training.old" in result.stderr
        assert (training / KEPT).read_bytes() == kept
    assert invoke(other, "--out", tmp_path / "out", "--keep", "--force").exit_code == 0
    assert (tmp_path / "out-training.old" / KEPT).read_bytes() == kept != (training / KEPT).read_bytes()


def test_a_stopped_run_of_another_config_is_put_aside_by_force_alone(toml, tmp_path):
    training = tmp_path / "out-training"
    training.mkdir()
    (training / CHECKPOINT).write_bytes(b"theirs")
    result = invoke(toml, "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert (training / CHECKPOINT).read_bytes() == b"theirs"
    assert invoke(toml, "--out", tmp_path / "out", "--force").exit_code == 0
    assert (tmp_path / "out-training.old" / CHECKPOINT).read_bytes() == b"theirs"
    assert not training.exists()


def test_text_is_named_by_its_digest():
    assert len(inputs(BYTES)["text_sha256"]) == 64
    assert json.dumps(inputs(CONFIG))


def test_the_command_refuses_in_one_line_and_touches_nothing(toml, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("dear")
    bad = tmp_path / "bad.toml"
    bad.write_text("[training]\nstep = 3\n")
    for arguments, message in (
        ([tmp_path / "none.toml"], "none.toml: No such file"),
        ([bad], "bad.toml: training must have keys among steps"),
        ([toml, "--device", "tpu"], "device must be auto or one that this machine has"),
        (
            [toml, "--out", theirs],
            f"out must be a new folder or one that rope-lib train wrote, but {theirs} holds letter.txt: ",
        ),
    ):
        result = invoke(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml", "theirs", "tiny.toml"]
    assert [path.name for path in theirs.iterdir()] == ["letter.txt"]


def test_only_its_own_results_are_replaced_unless_forced(toml, tmp_path):
    out = tmp_path / "out"
    save_tables(out, {"mine": pd.DataFrame({"x": [1]})}, {})
    result = invoke(toml, "--out", out)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "holds the results of another command" in result.stderr
    assert invoke(toml, "--out", out, "--force").exit_code == 0
    assert read_tables(tmp_path / "out.old")["mine"].x.tolist() == [1]
    (out / "note.txt").write_text("mine")
    result = invoke(toml, "--out", out)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{out} holds note.txt: name another folder, or add --force to keep this one as out.old" in (
        result.stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.old", "tiny.toml"]


@pytest.mark.parametrize("out", ["", "/", ".", "tiny.toml", "tiny.toml/out"])
def test_a_place_that_cannot_be_written_is_refused_in_one_line(out, toml, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(toml, "--out", out)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "out must " in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


@pytest.mark.parametrize("out", [os.fsdecode(b"\xff"), "loop", "o" * 240])
def test_what_could_not_be_saved_is_refused_before_training(out, toml, tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rope_lib.train.run.run", None)
    result = invoke(toml, "--out", out)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "tiny.toml"]


@pytest.mark.parametrize("out", [".", ".."])
def test_the_current_folder_is_not_moved_even_if_forced(out, toml, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = invoke(toml, "--out", out, "--force")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "out must be a folder other than the current one and those above" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "tiny.toml"]


def test_paths_are_shown_escaped(toml, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["rope-lib", "train", "\x1b[31m", os.fsdecode(b"\xff")])
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # as in no notebook
    result = invoke(toml, "--out", tmp_path / "red\x1b[31m")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/red\\x1b[31m/summary.parquet\n")
    command = read_provenance(tmp_path / "red\x1b[31m")["command"]
    assert command == r"rope-lib train '\x1b[31m' '\udcff'"


def test_a_second_run_into_a_folder_says_so(toml, tmp_path):
    with alone(tmp_path / "out-training"):
        result = invoke(toml, "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{tmp_path / 'out-training'}: another process is writing here" in result.stderr
    assert invoke(toml, "--out", tmp_path / "out").exit_code == 0


def test_what_is_trained_stays_until_its_tables_are_saved(toml, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rope_lib.runs.store.save_tables", full)
        result = invoke(toml, "--out", tmp_path / "out")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "No space left on device" in result.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out-training", "tiny.toml"]
    assert (tmp_path / "out-training" / CHECKPOINT).is_file()
    monkeypatch.setattr("rope_lib.train.loop.loss_of", None)  # a step would fail
    assert invoke(toml, "--out", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "tiny.toml"]


def test_an_interrupt_is_one_line(toml, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rope_lib.train.loop.loss_of", interrupted)
    result = invoke(toml, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. The same command goes on where this one left off.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    run(BYTES, tmp_path / "whole", keep=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match=f"{CHECKPOINT}: cannot be written"):
            run(BYTES, tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "full").iterdir())


def test_every_example_can_be_run(root):
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((root / "experiments").glob("*.toml"))}
    # The others are grids.
    single = [path for path, text in texts.items() if "kind" not in tomllib.loads(text)]
    assert len({Config.from_toml(path).digest for path in single}) == len(single) >= 2


def test_the_byte_model_is_what_its_file_says_it_is(root):
    config = Config.from_toml(root / "experiments" / "byte_rope_id.toml")
    parameters = sum(weights.numel() for weights in build(config).parameters())
    assert 2.4e6 < parameters < 2.6e6
    assert config.evaluation.lengths[-1] == 16 * config.training.length
    slowest = min(f for f in config.spectrum.at(256, 256, 64).inv_freq if f)
    assert slowest == pytest.approx(2 * 2 * np.pi / 256)
