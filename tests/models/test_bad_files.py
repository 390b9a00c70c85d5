"""Files that are no config: refused soon, with one line that says why."""

import json
import time

import pytest
from model_configs import LLAMA, refused

from rope_lib.models import read_model


def test_a_config_cut_at_any_byte(file):
    data = json.dumps(LLAMA).encode()
    for length in range(len(data)):
        path = file(data[:length])
        line = refused(path)
        assert line.startswith(f"{path}: must be JSON: "), (length, line)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must be JSON: Expecting value at line 1, column 1"),
        (b"\n\n  nonsense", "must be JSON: Expecting value at line 3, column 3"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "must be JSON: Expecting value"),
        (b"\xff\xfe\x00\xd8\x00", "must be text in UTF-8"),
        (b'{"a": "\xff"}', "must be text in UTF-8, got another byte at offset 7"),
        (b"[]", "the config must be an object, got a list of 0 entries"),
        (b"null", "the config must be an object, got None"),
        (b'"text"', "the config must be an object, got 'text'"),
        (b"NaN", "the config must be an object, got nan"),
        (b"[" * 100_000, "must be JSON that is not nested too deeply"),
        (b'{"a":' * 100_000, "must be JSON that is not nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a whole number must have at most 300 digits, got 5,000"),
        (b'{"rope_theta": 1, "rope_theta": 2}', "'rope_theta' must occur once in an object"),
        (b'{"a\\u0000\\nb": 1, "a\\u0000\\nb": 2}', "'a\\x00\\nb' must occur once in an object"),
        (b"[" + b"0," * 2_000_001 + b"0]", "a config must hold at most 2,000,000 values"),
        (b"{}", "num_hidden_layers is missing, and no default of this model is known"),
        (b"\xef\xbb\xbf{}", "num_hidden_layers is missing"),
    ],
    ids=range(17),
)
def test_what_is_no_config(file, content, says):
    path = file(content)
    assert refused(path).startswith(f"{path}: ")
    assert says in refused(path)


def test_a_key_may_stand_twice_with_one_value(file):
    data = json.dumps(LLAMA).replace('"hidden_size": 512', '"hidden_size": 512, "hidden_size": 512').encode()
    assert read_model(file(data)).rotaries[0].head_dim == 128


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    started = time.perf_counter()
    assert refused(path) == f"{path}: a config must be of at most 64 MiB, got 1,048,576 MiB"
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "\n" * 10**6, [[[]]], {"": {}}])
def test_keys_that_nobody_reads_may_hold_anything(value):
    assert read_model({**LLAMA, "time_step_limit": [0.0, value], "unknown": value}).num_layers == 4
