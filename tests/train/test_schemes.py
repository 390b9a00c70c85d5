"""A rotation by a named scheme, against the rotations that round to one type, and against float64."""

import numpy as np
import pytest

from rope_lib.theory.precision import round_to
from rope_lib.train.schemes import ROTATION_SCHEMES, Computed
from rope_lib.train.spectrum import Spectrum


@pytest.mark.parametrize(
    ("scheme", "arithmetic"),
    [
        ("float64 angles", "float64"),
        ("float32 product", "float32"),
        ("float16 angles", "float16"),
        ("bfloat16 angles", "bfloat16"),
    ],
)
def test_a_scheme_of_angles_is_the_arithmetic_of_that_type(scheme, arithmetic):
    given = Computed.of(Spectrum(base=500.0), scheme, 8)
    rotation = Spectrum(base=500.0, arithmetic=arithmetic).at(32, 32, 8)
    assert given.inv_freq == pytest.approx(rotation.inv_freq)
    for table, expected in zip(given.tables(32, 900), rotation.tables(32, 900), strict=True):
        assert np.array_equal(table, expected)
    assert given.query_scale(32).tolist() == [1.0] * 32


def test_tables_and_frequencies_are_rounded_alone():
    tables = {name: Computed(name, 500.0, 8).tables(32, 900)[0] for name in ROTATION_SCHEMES}
    for number_type in ("bfloat16", "float16"):
        table = tables[f"{number_type} tables"]
        assert np.array_equal(table, round_to(tables["float32 product"], number_type))
        assert not np.array_equal(table, tables["float32 product"])
    off = np.abs(tables["bfloat16 frequencies"] - tables["float64 angles"])
    assert off.max() > 0.1


def test_a_spectrum_that_is_not_plain_is_refused():
    for spectrum in (Spectrum("yarn"), Spectrum(temperature="rope_id"), Spectrum(arithmetic="float32")):
        with pytest.raises(ValueError, match="scheme must be left out for a spectrum that is not plain RoPE"):
            Computed.of(spectrum, "float32 product", 8)
    with pytest.raises(ValueError, match=r"scheme must be one of float64 angles, .*, got 'float8'"):
        Computed("float8", 500.0, 8)
