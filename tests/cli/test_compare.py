"""`rope-lib compare`: what it prints, where, and with which exit status."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from command import run

import rope_lib.models
from rope_lib.models.spec import FrozenDict

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "max_position_embeddings": 131_072,
    "rope_theta": 500_000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}


@pytest.fixture
def file(tmp_path):
    """Write a config.json in a folder of that name."""

    def write(config, name="A"):
        path = tmp_path / name / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return path

    return write


def test_the_same_rotation(file):
    for source in (file(LLAMA), file(LLAMA).parent, "atlas:Llama 3.1 8B"):
        result = run("compare", file(LLAMA, "B"), source)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "the same rotation" in result.stdout
        assert "layers 0-31 (32)  same  full, base 500,000, llama3 × 8 from 8,192" in result.stdout


def test_what_parts_and_what_explains_it(file):
    result = run("compare", file(LLAMA), file({**LLAMA, "rope_scaling": None}, "B"))
    assert (result.exit_code, result.stderr) == (1, "")
    for words in (
        "at 131,072 tokens: what both declare",
        "layers 0-31 (32)  different",
        "A explicit: rope_scaling.rope_type; B derived: no scaling is stated",
        "116.6 rad (18.6 turns) at the last position",
        "from position 3,533",
        "different in 32 of 32 layers",
        "B is A without its scaling (made, and compared with the other)",
    ):
        assert re.sub(r" +", " ", words) in re.sub(r" +", " ", result.stdout)
    assert "\x1b" not in result.stdout
    assert not any(line != line.rstrip() for line in result.stdout.splitlines())


def test_the_json_that_others_rely_on(file):
    result = run("compare", file(LLAMA), file({**LLAMA, "rope_scaling": None}, "B"), "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert list(found) == [
        "same", "tolerance", "context", "context_from", "a", "b", "groups", "elsewhere", "explanations",
        "tried", "remarks",
    ]  # fmt: skip
    assert (found["same"], found["context"], found["a"]["model"]) == (False, 131_072, "A")
    (group,) = found["groups"]
    assert list(group) == ["layers", "same", "only_in", "a", "b", "partings", "phase"]
    assert group["phase"]["first_beyond_pi"] == 3533
    assert [parting["quantity"] for parting in group["partings"]][-1] == "scaling"
    assert [each["text"] for each in found["explanations"]] == ["B is A without its scaling"]


def test_another_context(file):
    def found(context):
        result = run("compare", file(LLAMA), file({**LLAMA, "rope_theta": 1e6}, "B"), "--json", *context)
        return json.loads(result.stdout)["groups"][0]["phase"]

    near, far = found(["--context", "8,192"]), found([])
    assert near["worst"] < far["worst"]
    assert near["first_beyond_tenth"] == far["first_beyond_tenth"]


def test_one_line_says_which_of_the_two_cannot_be_read(file):
    good, bad, missing = file(LLAMA), file("{", "B"), "nowhere.json"
    for arguments, line in (
        ((good, bad), rf"Error: B: {bad}: must be JSON"),
        ((bad, good), rf"Error: A: {bad}: must be JSON"),
        ((good, missing), r"Error: B: nowhere.json: no such file"),
        ((missing, bad), rf"Error: A: nowhere.json: no such file.*; B: {bad}: must be JSON"),
        ((good, "atlas:Llama"), r"Error: B: name must be that of a model in the atlas"),
        ((good, file([1, 2], "C")), r"Error: B: .*: the config must be an object"),
        ((good, file({**LLAMA, "rope_theta": "big"}, "D")), r"Error: B: .*rope_theta must be"),
    ):
        result = run("compare", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.match(line, result.stderr), result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("context", ["0", "-5", "many", "1.5", str(2**60)])
def test_a_context_that_is_none(file, context):
    result = run("compare", file(LLAMA), file(LLAMA), "--context", context)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "context must be a whole number" in result.stderr


def test_files_that_declare_no_context(file):
    bare = {key: value for key, value in LLAMA.items() if key in ("num_hidden_layers", "rope_theta")}
    path = file({**bare, "head_dim": 64})
    result = run("compare", path, path)
    assert result.exit_code == 2
    assert result.stderr == "Error: neither A nor B declares a context: give one (--context)\n"
    assert run("compare", path, path, "--context", 100).exit_code == 0


def test_models_without_rotary(file):
    bert = {"model_type": "bert", "num_hidden_layers": 12, "max_position_embeddings": 512}
    result = run("compare", file(bert), file(bert, "B"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "layers 0-11 (12)  same  without rotary" in result.stdout
    result = run("compare", file(bert), file(LLAMA, "B"))
    assert result.exit_code == 1
    assert "do not rotate" in result.stdout


@pytest.fixture
def unknown_key(monkeypatch):
    """Models that hold a key that is not understood."""
    read = rope_lib.models.read_model

    def with_key(source, **options):
        spec = read(source, **options)
        odd = FrozenDict({"rope\x07\u202e_spiral": [1, 2]})
        return replace(spec, keys=replace(spec.keys, not_understood=odd)) if spec.name == "B" else spec

    monkeypatch.setattr(rope_lib.models, "read_model", with_key)


@pytest.mark.usefixtures("unknown_key")
def test_a_key_that_was_not_understood(file):
    for other in (LLAMA, {**LLAMA, "rope_theta": 1e4}):
        result = run("compare", file(LLAMA), file(other, "B"))
        assert (result.exit_code, result.stderr) == (3, "")
        assert "B: not understood" in result.stdout
        assert "_spiral: a list of 2 entries" in result.stdout
        assert "this may not stand" in result.stdout
        assert "rope\\x07\\u202e_spiral" in result.stdout
        assert all(line.isprintable() for line in result.stdout.splitlines())
        result = run("compare", file(LLAMA), file(other, "B"), "--json")
        assert result.exit_code == 3
        assert len(json.loads(result.stdout)["b"]["not_understood"]) == 1
        result = run("compare", file(LLAMA), file(other, "B"), "--strict")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Error: not understood, and may bear on rotation: B: rope")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["red\x1b[31m", "two\nlines", "over\u202eride", "[bold] :smile:"])
def test_names_of_any_kind_are_shown_escaped(file, name):
    config = {**LLAMA, "architectures": [name], "rope_scaling": None}
    for other in (LLAMA, config):
        result = run("compare", file(config, name), file(other, "B"))
        assert result.exit_code in (0, 1)
        assert all(line.isprintable() for line in result.stdout.splitlines())
        assert len(result.stdout.splitlines()) < 20


def test_it_starts_without_the_slow_packages(file):
    code = (
        "import sys; from click.testing import CliRunner; from rope_lib.cli import main;"
        f"print(CliRunner().invoke(main, ['compare', {str(file(LLAMA))!r}, 'atlas:Llama 3 8B']).exit_code);"
        "print(sorted({'torch', 'transformers', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["1", "[]"]
