"""Each type of scaling is entered once, what its entry says is so, and nothing else need be touched."""

from collections.abc import Mapping

import numpy as np
import pytest

from rope_lib.models import read_model
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import (
    ORIGINAL_LENGTH,
    SCALINGS,
    find_scaling,
    is_length_dependent,
    registered,
    rope_id_temperature,
    scaled_frequencies,
    scaling_names,
)

# Numbers for every key that some scaling of eight channels reads.
NUMBERS = {
    "factor": 4.0,
    ORIGINAL_LENGTH: 4096,
    "beta_fast": 32,
    "beta_slow": 1,
    "truncate": True,
    "mscale": 1.0,
    "mscale_all_dim": 0.5,
    "short_factor": [1, 1, 1, 2],
    "long_factor": [1, 2, 3, 4.5],
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "freq_factors": [1, 1, 4, 8],
    "partial_rotary_factor": 0.5,
    "mrope_section": [2, 1, 1],
    "shortest_period": 32,
    "p": 0.5,
}
# Where one of these is given, some scalings do not read on.
CUTTING_SHORT = {"alpha": 8.0, "attention_factor": 1.5, "short_mscale": 1.2, "long_mscale": 1.3}


class Watched(Mapping):
    """A mapping that remembers which of its keys were asked for."""

    def __init__(self, values):
        self.values, self.asked = values, set()

    def __getitem__(self, key):
        self.asked.add(key)
        return self.values[key]

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


@pytest.fixture
def fading():
    """A type that is registered for one test: frequencies fade by `fade` beyond `factor` tokens."""

    def fading(base, dim, parameters, context_length):
        fade = parameters["fade"] if context_length > parameters["factor"] else 1.0
        return frequencies(base, dim) / fade, 1.0

    registered(("factor", "fade"), is_retrofit=True, depends_on_length=True, aliases=("faded",))(fading)
    yield "fading"
    del SCALINGS["fading"]


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_a_scaling_reads_the_keys_of_its_entry(name):
    asked = set()
    for numbers in (NUMBERS, NUMBERS | CUTTING_SHORT):
        for length in (4096, 8192):
            watched = Watched(numbers)
            scaled_frequencies(name, 10_000, 8, watched, length)
            asked |= watched.asked
    assert asked == set(SCALINGS[name].reads)


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_a_spectrum_depends_on_the_length_if_its_entry_says_so(name):
    short, long = (scaled_frequencies(name, 10_000, 8, NUMBERS, length)[0] for length in (4096, 8192))
    assert np.array_equal(short, long) == (not is_length_dependent(name))


@pytest.mark.parametrize("name", sorted(SCALINGS))
def test_a_retrofit_of_factor_one_is_no_retrofit_of_a_design(name):
    scaling = SCALINGS[name]
    assert scaling.name == name
    assert scaling.function.__name__ == name
    assert scaling.is_retrofit == scaling.function.__module__.endswith("retrofits")


def test_aliases_lead_to_the_same_entry():
    assert find_scaling("su") is SCALINGS["longrope"]
    assert find_scaling("xdrope") is SCALINGS["dynamic"]
    assert set(scaling_names()) == SCALINGS.keys() | {"su", "xdrope"}
    with pytest.raises(ValueError, match="must not be taken, got 'su'"):
        registered(is_retrofit=True, aliases=("su",))(lambda *_: None)
    assert "<lambda>" not in SCALINGS


@pytest.mark.parametrize("name", ["fading", "faded"])
def test_a_new_type_is_known_wherever_scalings_are(fading, name):
    config = {"num_hidden_layers": 2, "head_dim": 8, "rope_theta": 10_000, "max_position_embeddings": 64}
    scaling = {"rope_type": name, "factor": 128, "fade": 2.0, "beta_fast": 32}
    spec = read_model({**config, "rope_scaling": scaling})
    (rotary,) = spec.rotaries
    assert rotary.scaling == {"type": "fading", "factor": 128, "fade": 2.0}
    assert spec.notes[-1] == "rope_scaling: fading does not read beta_fast."
    assert (rotary.effective_base(128), rotary.effective_base(129)) == (10_000, 20_000)
    assert is_length_dependent(name)


def test_the_temperature_of_rope_id():
    positions = np.array([[0, 1, 4096], [4097, 8192, 2**20]])
    expected = [[1, 1, 1], (1 + 0.1 * np.log([4097 / 4096, 2, 256])) ** 2]
    np.testing.assert_allclose(rope_id_temperature(positions, 4096), expected, rtol=1e-15)
    assert rope_id_temperature(4096, 4096) == 1.0
    yarn = scaled_frequencies("yarn", 1e4, 8, {"factor": 2, ORIGINAL_LENGTH: 4096}, 8192)[1]
    assert rope_id_temperature(8192, 4096) == pytest.approx(yarn**2, rel=1e-15)


def test_bad_positions_and_lengths(refuses):
    refuses(lambda: rope_id_temperature(-1, 4096), "position must be a finite number of at least 0, got -1")
    refuses(lambda: rope_id_temperature(1, 0), "trained_length must be a finite number > 0, got 0")
