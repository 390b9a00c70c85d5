"""`rope-lib forecast`: what it prints of a model, and how it refuses."""

import json

import pytest
from command import run

from rope_lib.cli.forecast import _lines
from rope_lib.runs.errors import printable


@pytest.mark.model
def test_the_packaged_model_is_forecast_in_json_and_in_lines():
    result = run("forecast", "--tokens", 128, "--json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["tokens"], found["length"], found["declared"]) == (128, 2_048, 8_192)
    assert [layer["layer"] for layer in found["layers"]] == list(range(30))
    for layer in found["layers"]:
        assert (layer["window"], layer["keys"]) == (None, 2_048)
        assert layer["stable_rank"]["forecast"] > layer["stable_rank"]["now"] >= 1
        assert layer["mean_cosine"]["forecast"] < layer["mean_cosine"]["now"]
    lines = list(_lines(found))
    assert len(lines) == 3 + 30 + 1 + 3
    ranks = [layer["stable_rank"] for layer in found["layers"]]
    assert lines[33].split()[:4] == ["mean", f"{sum(rank['now'] for rank in ranks) / 30:.2f}", "→",
                                     f"{sum(rank['forecast'] for rank in ranks) / 30:.2f}"]  # fmt: skip
    assert lines[0].endswith("which declares 8,192")


def test_lines_tell_windows_and_layers_without_rotation():
    one = {"now": 1.5, "forecast": 2.25}
    layer = {"layer": 3, "window": 512, "keys": 512, "stable_rank": one, "fsv_ratio": one, "mean_cosine": one}
    lines = list(
        _lines(
            {
                "model": "a\x1b[31m",
                "tokens": 1_024,
                "length": 16_384,
                "declared": None,
                "layers": [layer],
                "without_rotation": 2,
                "not_covered": ["the weather"],
            }
        )
    )
    assert lines[0] == printable("a\x1b[31m")
    assert lines[3].split() == ["3", "512", *["1.50", "→", "2.25"] * 3]
    assert "do not disperse: 2" in lines[4]
    assert lines[-1] == "  the weather"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no/such/model/here"], "model must be"),
        (["--length", "many"], "--length must be a whole number"),
        (["--length", 1], "--length must be at least 2, got 1"),
        (["--tokens", 10], "--tokens must be at least 64, got 10"),
        (["--tokens", -5], "--tokens must be at least 64, got -5"),
        (["--text", "."], "text must be a regular file"),
        (["--text", "there/is/none"], "No such file"),
    ],
)
def test_what_cannot_be_forecast_is_one_line(arguments, expected):
    result = run("forecast", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.model
def test_bad_texts_and_lengths_are_one_line(tmp_path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("größer".encode("latin-1"))
    short = tmp_path / "short.txt"
    short.write_text("too few words", encoding="utf-8")
    empty = tmp_path / "empty.txt"
    empty.touch()
    for arguments, expected in (
        (["--text", latin], "text must be in UTF-8"),
        (["--text", short], "text must have at least 1024 tokens"),
        (["--text", empty], "text must have at least 1024 tokens, got 0"),
        (["--tokens", "3,000,000"], "text must have at least 3000000 tokens"),
        (["--tokens", 64, "--length", 10**30], "length must be a whole number from 2 to 2^53"),
    ):
        result = run("forecast", *arguments)
        assert result.exit_code == 2
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(("config", "expected"), [("", "must be JSON"), ("{}", "model_type None is unknown")])
def test_an_empty_config_is_one_line(tmp_path, config, expected):
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    result = run("forecast", tmp_path)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1
