"""`rope-lib extend`: the fragment, what it does, and one line for what makes no sense."""

import json
import subprocess
import sys

import pytest
from command import run

from rope_lib.cli.extend import METHODS, PROGRAMS
from rope_lib.models import extend as extending
from rope_lib.models import read_model
from rope_lib.models.programs import PROGRAMS as KNOWN
from rope_lib.models.retrofit_costs import retrofit_costs

QWEN = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "num_hidden_layers": 36,
    "head_dim": 128,
    "rope_theta": 1_000_000,
    "max_position_embeddings": 40_960,
}


@pytest.fixture
def qwen(tmp_path):
    path = tmp_path / "qwen" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(QWEN), encoding="utf-8")
    return path


def found(*arguments):
    result = run("extend", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_json_holds_the_fragment_every_pair_and_the_measured_cost(qwen):
    record = found(qwen, "--context", "163,840")
    assert (record["method"], record["for"], record["factor"]) == ("yarn", "transformers-5", 4.0)
    assert (record["original_context"], record["context"]) == (40_960, 163_840)
    assert record["fragment"]["rope_parameters"]["factor"] == 4.0
    assert record["max_position_embeddings"] == 163_840
    (rotary,) = record["rotaries"]
    assert len(rotary["pairs"]) == 64
    first = rotary["pairs"][0]
    assert first["turns_before"] == pytest.approx(4 * first["turns_in_training"])
    assert rotary["reach"] == pytest.approx(163_840)
    assert rotary["effective_base"] == pytest.approx(4e6)
    assert (record["verdict_before"], record["verdict"]) == ("unstable_at_depth", "stable")
    measured = [one for one in retrofit_costs() if one.method == "yarn"]
    assert [row["cost"] for row in record["costs"]["measured"]] == [round(one.cost, 4) for one in measured]
    assert "one model" in record["costs"]["scope"]
    assert record["costs"]["is_measured"] is False


def test_the_file_with_the_fragment_is_judged_as_the_command_said(qwen):
    record = found(qwen, "--context", "163840")
    qwen.write_text(json.dumps(QWEN | record["fragment"]), encoding="utf-8")
    judged = json.loads(run("check", qwen, "--json").stdout)
    assert judged["context"] == 163_840
    assert judged["verdict"] == record["verdict"]
    turns = [one["turns"] for one in record["rotaries"][0]["pairs"]]
    assert [163_840 * one / 6.283185307179586 for one in judged["rotaries"][0]["inv_freq"]] == pytest.approx(
        turns
    )


def test_the_text_holds_a_fragment_that_can_be_copied(qwen):
    result = run("extend", qwen, "--context", "163840")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    start, end = lines.index("{"), lines.index("}")
    assert json.loads("\n".join(lines[start : end + 1]))["rope_parameters"]["rope_type"] == "yarn"
    for words in ("163,840", "no new angle up to", "turns of pair", "was not measured", "stable"):
        assert words in result.stdout
    assert not any(line != line.rstrip() for line in lines)
    assert "nothing was measured" in run("extend", qwen, "--context", "163840", "--method", "dynamic").stdout


def test_arguments_are_quoted_for_a_shell(qwen):
    import shlex

    result = run("extend", qwen, "--context", "163840", "--for", "vllm")
    command = result.stdout.split("Arguments for vllm\n")[1].split("\n\n")[0]
    option, overrides, *rest = shlex.split(command.replace("\\\n", " "))
    assert option == "--hf-overrides"
    assert json.loads(overrides)["rope_parameters"]["original_max_position_embeddings"] == 40_960
    assert rest == ["--max-model-len", "163840"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--context", "0"], "context must be a whole number from 1"),
        (["--context", "-5"], "context must be a whole number from 1"),
        (["--context", "40960"], "context must be above the original length 40,960"),
        (["--context", "1" + 15 * "0"], "context must be a whole number from 1"),
        (["--context", "many"], "--context must be a whole number"),
        (["--context", "65536", "--method", "spiral"], "method must be one of yarn, ntk, linear"),
        (["--context", "65536", "--for", "word"], "program must be one of transformers-5"),
        (["--context", "65536", "--method", "llama3", "--for", "llama.cpp"], "in a tensor"),
        (["--context", "65536", "--original", "0"], "original must be a whole number from 1"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_status_2(qwen, arguments, words):
    result = run("extend", qwen, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("Phi-3.5 mini", [], "longrope cannot be extended"),
        ("Mistral 7B v0.1", [], "sees at most 4,096 tokens"),
        ("Gemma 3 27B", [], "give the original length (--original)"),
        ("Nemotron-H 56B Base 8K", [], "has no rotary embedding"),
        ("Gemma 3 27B", ["--original", "32768"], None),
        ("DeepSeek-V3", ["--for", "vllm"], None),
        ("GLM-5", [], None),
        ("gpt-oss 20B", [], None),
        ("Llama 3.1 8B", ["--for", "transformers-4"], None),
        ("Qwen2-VL 7B", ["--for", "transformers-4"], None),
    ],
)
def test_ten_families(name, arguments, words):
    result = run("extend", f"atlas:{name}", "--context", "1,048,576", *arguments)
    assert result.exit_code == (2 if words else 0), result.output
    assert (words or "paper A's verdict") in result.output


def test_a_key_that_was_not_understood_makes_the_fragment_doubtful(qwen, monkeypatch):
    from dataclasses import replace

    from rope_lib.cli import sources
    from rope_lib.models.spec import Account, FrozenDict

    spec = read_model(QWEN)
    doubtful = replace(spec, keys=Account(not_understood=FrozenDict(rope_novelty=3)))
    monkeypatch.setattr(sources, "read_source", lambda source, download: doubtful)
    result = run("extend", qwen, "--context", "163840")
    assert result.exit_code == 3
    assert "rope_novelty: 3" in result.stdout
    assert run("extend", qwen, "--context", "163840", "--strict").exit_code == 2


def test_the_options_are_those_of_the_library():
    assert METHODS == extending.METHODS
    assert tuple(KNOWN) == PROGRAMS
    assert extending.DEFAULT_METHOD in run("extend", "--help").stdout


def test_the_default_method_lost_least_beyond_the_trained_length():
    by_stretch = {}
    for one in retrofit_costs():
        by_stretch.setdefault(one.stretch, {})[one.method] = one.beyond
    assert len(by_stretch) == 2
    assert all(min(row, key=row.get) == extending.DEFAULT_METHOD for row in by_stretch.values())


HEAVY = {"torch", "transformers", "pandas", "matplotlib", "scipy", "rich", "gguf", "huggingface_hub"}


def test_extend_loads_nothing_slow(qwen):
    code = (
        "import json, sys; sys.argv = ['rope-lib', 'extend', sys.argv[1], '--context', '163840']\n"
        "from rope_lib.cli import main\n"
        "try: main()\n"
        "finally: print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", code, qwen], capture_output=True, text=True, check=True)
    assert not set(json.loads(result.stdout.splitlines()[-1])) & HEAVY
