"""`rope-lib check --loader`: what other programs make of a file."""

import json
import subprocess
import sys

import pytest
from command import run

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 512,
    "num_attention_heads": 4,
    "max_position_embeddings": 32_768,
}
BLOCK = {"rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0}}


@pytest.fixture
def config(tmp_path):
    """Write the config with other keys; return its path."""

    def write(**keys):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**CONFIG, **keys}), encoding="utf-8")
        return path

    return write


def test_a_base_that_a_program_passes_over_is_exit_1_with_the_phase_error(config):
    result = run("check", config(**BLOCK), "--loader", "transformers-4")
    assert result.exit_code == 1
    bases, errors = ("10,000", "1,000,000"), ("worst phase error", "error above 0.1 rad", "error above π")
    for part in ("another rotation", *bases, *errors, "slowest pair", "rope_parameters is not read"):
        assert part in result.output, part


def test_the_same_rotation_is_exit_0(config):
    result = run("check", config(**BLOCK), "--loader", "transformers-5")
    assert result.exit_code == 0
    assert "the same rotation" in result.output
    assert "phase error" not in result.output


def test_json_carries_the_numbers(config):
    result = run("check", config(**BLOCK), "--loader", "transformers-4", "--loader", "mlx-lm", "--json")
    found = json.loads(result.stdout)
    assert [one["loader"] for one in found["loaders"]] == ["transformers-4", "mlx-lm"]
    for one in found["loaders"]:
        assert one["outcome"] == "different"
        assert one["context"] == 32_768
        assert one["worst"] > 4_000
        assert one["groups"][0]["phase"]["first_beyond_tenth"] == 1
        assert one["sources"]


def test_another_context(config):
    asked = ("check", config(**BLOCK), "--loader", "transformers-4", "--json", "--context")
    near, far = (json.loads(run(*asked, length).stdout) for length in (1024, 32_768))
    assert near["loaders"][0]["worst"] < far["loaders"][0]["worst"] / 30


def test_all_programs_at_once(config):
    found = json.loads(run("check", config(rope_theta=1e6), "--loader", "all", "--json").stdout)
    outcomes = {one["loader"]: one["outcome"] for one in found["loaders"]}
    assert set(outcomes.values()) == {"same"}
    assert {"transformers-4", "transformers-5", "vllm", "llama.cpp", "mlx-lm"} == outcomes.keys()


def test_a_program_without_a_rule_is_exit_2_and_a_refusal_is_exit_1(config):
    path = config(model_type="qwen", rope_theta=1e6)
    assert run("check", path, "--loader", "mlx-lm").exit_code == 2
    refused = run("check", path, "--loader", "transformers-5")
    assert refused.exit_code == 1
    assert "no class for the model type 'qwen'" in " ".join(refused.output.split())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["config.json", "--loader", "ollama"], "--loader must be one of transformers-4, "),
        (["atlas:Llama 3.1 8B", "--loader", "vllm"], "a row of the atlas keeps no keys"),
        (["nowhere.json", "--loader", "vllm"], "no such file"),
    ],
)
def test_what_cannot_be_judged_is_one_line(arguments, line):
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert line in result.output
    assert len(result.output.splitlines()) == 1


def test_without_the_option_nothing_of_it_is_imported():
    code = (
        "import sys; from rope_lib.cli import main;"
        "main(['check', 'atlas:Llama 3.1 8B'], standalone_mode=False);"
        "assert not [name for name in sys.modules if 'models.loaders' in name]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_command_needs_neither_torch_nor_transformers(config):
    code = (
        "import sys; from rope_lib.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "assert not {'torch', 'transformers', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "check", str(config(rope_theta=1e6)), "--loader", "all"]
    subprocess.run(command, check=True, capture_output=True)


def test_a_context_that_is_none_and_one_that_no_one_states(config):
    path = config(max_position_embeddings=None, rope_theta=1e6)
    for arguments in (["--context", 0], []):
        result = run("check", path, "--loader", "mlx-lm", *arguments)
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1
        assert "context" in result.output


def test_what_a_file_says_never_reaches_the_terminal_raw(config):
    scaling = {"type": "linear", "factor": 2.0, "x\x1b": 1}
    for keys in ({"model_type": "\x1b[31mred"}, {"rope_scaling": scaling}):
        output = run("check", config(rope_theta=1e6, **keys), "--loader", "all").output
        assert "\x1b" not in output
