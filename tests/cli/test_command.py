"""What all subcommands share: help with examples, completion, one line for a missing package."""

import json

import click
import pytest
from click.testing import CliRunner
from command import run

from rope_lib.cli import main
from rope_lib.cli.options import needs


@pytest.mark.parametrize(
    "command", ["check", "atlas", "bounds", "claims", "compare", "report", "train", "sweep"]
)
def test_help_of_each_command_holds_examples(command):
    assert f"rope-lib {command}" in run(command, "--help").stdout


def test_the_shell_can_complete():
    words = {"COMP_WORDS": "rope-lib check --dtype b", "COMP_CWORD": "3"}
    environment = {"_ROPE_LIB_COMPLETE": "bash_complete", **words}
    result = CliRunner().invoke(main, env=environment, prog_name="rope-lib")
    assert "bfloat16" in result.output


def test_a_missing_package_is_one_line_that_names_what_to_install():
    with pytest.raises(click.ClickException) as caught, needs("a report needs", "report"):
        raise ModuleNotFoundError("No module named 'papermill'", name="papermill")
    assert caught.value.message == "a report needs the package papermill: install rope-lib[report]"
    assert caught.value.exit_code == 1


def test_json_shows_what_a_terminal_would_act_on_as_escapes(capfdbinary):
    from rope_lib.cli.options import print_json

    name = "a\x9b31m\u202eb\x7f\ud800 é 漢"
    print_json({"model": name})
    written = capfdbinary.readouterr().out
    assert json.loads(written) == {"model": name}
    text = written.decode("utf-8")
    assert text.replace("\n", "").isprintable()
    assert "é 漢" in text
