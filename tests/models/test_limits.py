"""Small files that claim much: refused at once, with the number and the limit, or judged in time."""

import json
import os
import time

import pytest

from rope_lib.models import judge, read_model
from rope_lib.models.limits import LIMITS, MOST_FREQUENCIES, MOST_SPECTRA
from rope_lib.models.record import record
from rope_lib.models.spec import scopes

SECONDS = 2
SMALL = {"num_hidden_layers": 2000, "head_dim": 64, "max_position_embeddings": 4096, "rope_theta": 1e4}
BASES = [1e4 + layer for layer in range(2000)]


def scaling(**values):
    return {"rope_scaling": {"type": "linear", "factor": 2, **values}}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"rope_theta": BASES}, f"layers must share at most {MOST_SPECTRA} different spectra, got 2,000"),
        (
            {"layer_types": [f"k{layer}_attention" for layer in range(2000)]},
            f"layers must share at most {MOST_SPECTRA} different spectra, got 2,000",
        ),
        (
            {"rope_theta": BASES[:200] * 10, "head_dim": LIMITS["head_dim"]},
            f"the 200 spectra must hold at most {MOST_FREQUENCIES:,} frequencies and factors together, "
            "got 294,912 in the first 9",
        ),
        (
            {"rope_theta": BASES[:200] * 10, **scaling(**{f"k{index}": 0 for index in range(60_000)})},
            "rope_scaling must have at most 1,000 entries, got 60,002",
        ),
        (
            {
                "rope_theta": BASES[:200] * 10,
                **scaling(type="mrope", mrope_section=[32] + [0] * 99),
            },
            "rope_scaling.mrope_section must list at most 64 axes, got 100",
        ),
        (
            {"rope_scaling": {"type": "longrope", "long_factor": [1.0] * 99_999}},
            "rope_scaling.long_factor must list at most 32,768 numbers, got 99,999",
        ),
    ],
    ids=["bases", "kinds", "pairs", "keys", "axes", "factors"],
)
def test_a_small_file_that_claims_much_is_refused_at_once(tmp_path, config, says):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**SMALL, **config}))
    assert path.stat().st_size < 2**20
    started = time.perf_counter()
    with pytest.raises(ValueError, match="must") as caught:
        read_model(path)
    assert str(caught.value) == f"{path}: {says}"
    assert time.perf_counter() - started < SECONDS


def test_factors_that_leave_no_base_are_refused_where_they_are_read():
    factors = {"type": "longrope", "factor": 1, "original_max_position_embeddings": 64}
    factors |= {"short_factor": [1e-9] * 32, "long_factor": [1e-9] * 32}
    with pytest.raises(ValueError, match="the effective base must be a finite number > 1") as caught:
        read_model({**SMALL, "rope_scaling": factors})
    assert str(caught.value).startswith("rope_scaling: ")


def test_as_many_spectra_as_are_allowed_are_judged_in_time():
    bases = (BASES[:MOST_SPECTRA] * 40)[: LIMITS["num_layers"]]
    keys = {f"key {index}": index for index in range(60_000)}
    config = {**SMALL, **keys, **scaling(), "num_hidden_layers": len(bases), "rope_theta": bases}
    started = time.perf_counter()
    spec = read_model(config)
    json.dumps(record(judge(spec)))
    assert time.perf_counter() - started < SECONDS
    assert len(spec.rotaries) == MOST_SPECTRA
    assert spec.provenance["full256.base"] == "explicit"


def test_the_names_of_scopes_take_time_in_proportion():
    kinds = ["full", "sliding"] * 50_000
    started = time.perf_counter()
    names = scopes(kinds)
    assert time.perf_counter() - started < SECONDS
    assert names[:4] == ["", "sliding.", "full2.", "sliding2."]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"red\x1b[31m", r"red\x1b[31m"),
        (b"two\nlines", r"two\nlines"),
        ("over\u202eride".encode(), r"over\u202eride"),
        (b"not\xffutf8", r"not\udcffutf8"),
        ("名前 é".encode(), "名前 é"),
    ],
    ids=["escape", "newline", "bidi", "bytes", "printable"],
)
def test_the_name_of_a_folder_is_printable(tmp_path, name, shown):
    folder = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(folder)
    with open(os.path.join(folder, b"config.json"), "w") as file:
        json.dump(SMALL, file)
    assert read_model(folder).name == shown
