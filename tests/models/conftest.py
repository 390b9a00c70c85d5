"""What the tests of the readers share."""

import json
import socket

import pytest

# Helpers, whose assertions explain themselves as those of tests do; scripts, which pytest would import.
pytest.register_assert_rewrite("gguf_bytes", "installed_transformers", "model_configs")
collect_ignore = ["fuzz_config.py", "fuzz_gguf.py"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever reads a model without being asked to download opens no connection."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def file(tmp_path):
    """Write a config.json: of a value, as JSON, or of the bytes as they are."""

    def write(content, name="config.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write
