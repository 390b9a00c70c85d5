"""`rope-lib check` and `rope-lib bounds`: what they print, where, and with which exit status."""

import json
import re
import subprocess
import sys

import pytest
from command import run

from rope_lib.models.track_record import decided_cases
from rope_lib.theory.bounds import aliasing_bound, precision_wall, stability_bound

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
def llama(tmp_path):
    file = tmp_path / "Llama-3.1-8B" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(LLAMA))
    return file


def test_check_prints_the_json_that_others_rely_on(llama):
    result = run("check", llama, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    rotary = found["rotaries"][0]
    assert found["model"] == "Llama-3.1-8B"
    assert found["architecture"] == "LlamaForCausalLM"
    assert (found["num_layers"], found["context"], found["declared_context"]) == (32, 131_072, 131_072)
    assert found["original_context"] == 8192
    assert rotary["layers"] == list(range(32))
    assert (rotary["kind"], rotary["base"]) == ("full", 5e5)
    assert (rotary["head_dim"], rotary["rotary_dim"]) == (128, 128)
    assert rotary["window"] is None
    assert rotary["scaling"]["type"] == "llama3"
    assert rotary["attention_factor"] == 1
    assert len(rotary["inv_freq"]) == 64
    assert rotary["effective_base"] == pytest.approx(4e6, rel=1e-12)
    assert rotary["bounds"]["aliasing"] == aliasing_bound(131_072)
    assert rotary["bounds"]["stability"] == stability_bound(131_072)
    assert rotary["bounds"]["depth"] == stability_bound(131_072, layers=32)
    assert rotary["bounds"]["precision"] == precision_wall()
    assert (rotary["verdict"], rotary["verdict_without_scaling"]) == ("stable", "unstable_at_depth")
    assert found["verdict"] == "stable"
    assert found["unrotated_layers"] == []
    assert found["provenance"]["base"] == "explicit"
    assert found["sources"]["base"] == "rope_theta"
    assert all(isinstance(reason, str) for reason in found["reasons"])


def test_check_says_what_it_judged_and_where_each_number_came_from(llama):
    result = run("check", llama)
    assert result.exit_code == 0
    for words in ("500,000", "explicit: rope_theta", "4,000,000", "llama3 × 8 from 8,192", "stable"):
        assert words in result.stdout
    assert "\x1b" not in result.stdout  # no colors where there is no terminal
    assert not any(line != line.rstrip() for line in result.stdout.splitlines())


def test_check_judges_at_another_context_epsilon_and_dtype(llama):
    def verdict(*options):
        return json.loads(run("check", llama, "--json", *options).stdout)["verdict"]

    assert verdict("--context", "1,000,000") == "infeasible"
    assert verdict("--epsilon", "0.99") == "unstable_at_depth"
    assert verdict("--dtype", "float16") == "infeasible"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.json"], "nothing.json"),
        (["--context", "many"], "--context must be a whole number, got 'many'"),
        (["--context", "0"], "context must be a finite number > 0, got 0"),
        (["--epsilon", "1"], "epsilon must be a number in (0, 1), got 1.0"),
        (["--epsilon", "nan"], "epsilon"),
        (["--dtype", "int8"], "dtype must be one of bfloat16, float16, float32, float64, got 'int8'"),
        (["atlas:nobody's model"], "nobody's model"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_exit_status_2(llama, arguments, words):
    source = [] if not arguments[0].startswith("-") else [llama]
    result = run("check", *source, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_a_broken_config_names_the_file_and_the_key(llama):
    llama.write_text(json.dumps({**LLAMA, "num_hidden_layers": 10**9}))
    result = run("check", llama)
    assert result.exit_code == 2
    assert str(llama) in result.stderr
    assert "num_hidden_layers must be a whole number from 1 to 10000, got 1000000000" in result.stderr


def blocks(result):
    """The lines of the last part, by their labels."""
    found, label = {}, None
    for line in result.stdout.splitlines():
        if not line.startswith("  "):
            label = None
        elif line[2:22].strip():
            label = line[2:22].strip()
        if label and line.startswith("  "):
            found[label] = f"{found.get(label, '')} {line[22:].strip()}".strip()
    return found


def test_check_ends_with_what_is_known_the_papers_opinion_and_what_nobody_knows(llama):
    found = json.loads(run("check", llama, "--json", "--context", "262144").stdout)
    said = blocks(run("check", llama, "--context", "262144"))
    assert list(said)[-3:] == ["known", "paper A's opinion", "nobody knows"]
    assert said["known"] == " ".join(found["summary"]["known"])
    assert said["paper A's opinion"] == " ".join([found["verdict"], *found["summary"]["opinion"]])
    assert said["nobody knows"] == " ".join(found["summary"]["unknown"])
    assert "29 of 64 pairs do" in said["known"]
    assert f"misjudge {found['record']['bounds_misjudge']};" in said["paper A's opinion"]


def test_the_record_is_that_of_the_epsilon_and_dtype_in_use(llama):
    records = [
        json.loads(run("check", llama, "--json", *options).stdout)["record"]
        for options in ((), ("--epsilon", "0.1", "--dtype", "float64"))
    ]
    assert [(each["epsilon"], each["dtype"]) for each in records] == [(0.95, "float32"), (0.1, "float64")]
    assert records[0]["bounds_misjudge"] != records[1]["bounds_misjudge"]


@pytest.mark.parametrize("columns", ["0", "1", "20", "80", "200"])
@pytest.mark.parametrize("model_type", ["bert", "bloom", "mamba", "whisper"])
def test_a_model_without_rotary_is_answered_in_text_as_in_json(tmp_path, monkeypatch, model_type, columns):
    monkeypatch.setenv("COLUMNS", columns)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model_type": model_type}))
    result = run("check", file)
    assert result.exit_code == 0, result.output
    assert blocks(result)["paper A's opinion"].startswith("no_rope")
    assert json.loads(run("check", file, "--json").stdout)["verdict"] == "no_rope"


def test_a_missing_context_names_the_file_the_key_and_the_option(llama):
    llama.write_text(json.dumps({**LLAMA, "max_position_embeddings": None}))
    result = run("check", llama)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    for words in (str(llama), "max_position_embeddings", "--context"):
        assert words in result.stderr
    assert run("check", llama, "--context", "8192").exit_code == 0


def test_depth_and_base_by_class_default_are_a_warning_at_the_top(tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "qwen2"}')
    second = run("check", file).stdout.splitlines()[1]
    assert second.startswith("  warning ")
    assert "Neither the depth nor the base is in the file" in second
    assert len(json.loads(run("check", file, "--json").stdout)["warnings"]) == 1


def test_lines_fit_the_terminal(llama, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("check", llama, "--context", "262144").stdout.split("known", 1)[1].splitlines()
    assert max(map(len, lines)) <= 80


HEAVY = {"torch", "transformers", "pandas", "matplotlib", "scipy", "rich", "gguf", "huggingface_hub"}


def test_check_loads_nothing_slow(llama):
    code = (  # what is loaded is known when the command has run
        "import json, sys; sys.argv = ['rope-lib', 'check', sys.argv[1]]\n"
        "from rope_lib.cli import main\n"
        "try: main()\n"
        "finally: print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", code, llama], capture_output=True, text=True, check=True)
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert "numpy" in loaded
    assert not loaded & HEAVY


def test_bounds_are_the_numbers_alone():
    found = json.loads(run("bounds", "--context", "131072", "--layers", "32", "--json").stdout)
    assert found == {
        "aliasing": aliasing_bound(131_072),
        "stability": stability_bound(131_072),
        "depth": stability_bound(131_072, layers=32),
        "precision": precision_wall(),
    }
    judged = run("bounds", "--context", "8192", "--layers", "32", "--base", "5e5", "--json").stdout
    assert json.loads(judged)["verdict"] == "stable"
    assert json.loads(judged)["record"]["cases"] == len(decided_cases())
    wider = json.loads(run("bounds", "--context", "131072", "--head-dim", "128", "--json").stdout)
    assert wider["aliasing"] == aliasing_bound(131_072, head_dim=128)


def test_bounds_prints_a_verdict_with_its_record():
    printed = " ".join(run("bounds", "--context", "8192", "--layers", "32", "--base", "5e5").stdout.split())
    assert "paper A's opinion stable Record: of" in printed
    assert "Record" not in run("bounds", "--context", "8192").stdout


def test_bounds_says_when_no_base_satisfies_them():
    assert "No base" in run("bounds", "--context", "1000000", "--layers", "32").stdout
    assert "No base" not in run("bounds", "--context", "8192", "--layers", "32").stdout


def test_bounds_refuses_what_it_cannot_combine():
    result = run("bounds", "--context", "8192", "--base", "5e5", "--head-dim", "128")
    assert result.exit_code == 2
    assert "--head-dim" in result.stderr


def test_a_key_that_nobody_understood(llama):
    new = {"rope_wavelength\x1b[31m": 8.0, "mixer_schedule": ["a"] * 32}
    llama.write_text(json.dumps({**LLAMA, **new}))
    result = run("check", llama)
    assert result.exit_code == 3
    assert "which may not stand" in result.stdout
    assert "not understood      rope_wavelength\\x1b[31m: 8.0" in result.stdout
    assert "\x1b" not in result.stdout
    result = run("check", llama, "--json")
    assert result.exit_code == 3
    keys = json.loads(result.stdout)["keys"]
    assert set(keys["not_understood"]) == {"rope_wavelength\\x1b[31m", "mixer_schedule"}
    assert "rope_theta" in keys["read"]
    result = run("check", llama, "--strict")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search("may bear on rotation: .*: mixer_schedule, rope_wavelength", result.stderr)


def test_a_model_without_rotary_and_without_a_context(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model_type": "bloom", "n_layer": 30}))
    result = run("check", file)
    assert (result.exit_code, "no_rope" in result.stdout) == (0, True)
    result = run("check", file, "--json")
    assert json.loads(result.stdout)["context"] is None
    undeclared = {key: value for key, value in LLAMA.items() if key != "max_position_embeddings"}
    file.write_text(json.dumps({**undeclared, "model_type": "new", "architectures": None}))
    result = run("check", file)
    assert result.exit_code == 2
    assert "max_position_embeddings" in result.stderr
    result = run("check", file, "--context", "4096")
    assert result.exit_code == 0
