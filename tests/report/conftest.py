"""Fixtures of the tests of reports: a store of their own, small models, a text."""

import pytest
from reports import TEXT, save_model


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
            save_model(name, path)
        return path

    return save


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path
