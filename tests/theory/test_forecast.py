"""The forecast of a cloud against clouds that are drawn, rotated and measured."""

import numpy as np
import pytest

from rope_lib.theory import forecast
from rope_lib.theory.dispersal import singular_value_ratio, stable_rank, uniform_coherence
from rope_lib.theory.oscillators import frequencies, rotate

DIM, LENGTH = 8, 4_000
FREQS = frequencies(500.0, DIM)
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def cloud():
    """Vectors about a direction, drawn independently of their positions: `(length, dim)`."""
    return RANDOM.normal(size=DIM) + RANDOM.normal(size=(LENGTH, DIM)) @ RANDOM.normal(size=(DIM, DIM)) / 3


def direction_of(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_the_rotated_moment_is_the_mean_over_positions(cloud):
    moment = cloud.T @ cloud
    turned = [rotate(moment, np.full(DIM, p), FREQS, "half_split") for p in range(50)]
    turned = [rotate(one.T, np.full(DIM, p), FREQS, "half_split") for p, one in enumerate(turned)]
    expected = np.mean(turned, axis=0)
    assert forecast.rotated_moment(moment, FREQS, 50) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    several = forecast.rotated_moment(np.stack([moment, 2 * moment]), FREQS, 50)
    assert several[1] == pytest.approx(2 * several[0])


def test_a_drawn_cloud_disperses_as_forecast(cloud):
    short, rotated = cloud[:1_000], rotate(cloud, np.arange(LENGTH), FREQS, "half_split")
    found = forecast.forecast_cloud(short.T @ short, direction_of(short).mean(axis=0), FREQS, LENGTH)
    values = np.linalg.svd(rotated, compute_uv=False)
    assert found.stable_rank == pytest.approx(stable_rank(values), rel=0.03)
    assert found.fsv_ratio == pytest.approx(values[0] / np.linalg.norm(cloud, 2), rel=0.02)
    total = direction_of(rotated).sum(axis=0)
    assert found.mean_cosine == pytest.approx((total @ total - LENGTH) / LENGTH / (LENGTH - 1), abs=0.01)


def test_one_direction_is_the_closed_form_of_the_theorem():
    v = RANDOM.normal(size=DIM)
    found = forecast.forecast_cloud(np.outer(v, v), direction_of(v), FREQS, 300)
    assert found.fsv_ratio == pytest.approx(singular_value_ratio(v, uniform_coherence(FREQS, 300)))
    assert found.stable_rank == pytest.approx(1 / found.fsv_ratio**2)


def test_the_mean_turn_is_a_mean():
    freqs = np.append(FREQS, 0.0)
    expected = np.exp(1j * np.multiply.outer(np.arange(77), freqs)).mean(axis=0)
    assert forecast.mean_turn(freqs, 77) == pytest.approx(expected)


def test_the_cosine_between_two_clouds(cloud):
    keys, queries = cloud[::2], cloud[1::2] - 3 * cloud.mean(axis=0)
    means = [direction_of(x).mean(axis=0) for x in (keys, queries)]
    rotated = [
        direction_of(rotate(x, np.arange(len(x)), FREQS, "half_split")).mean(axis=0) for x in (keys, queries)
    ]
    assert forecast.cosine_between(*means, FREQS, len(keys)) == pytest.approx(
        rotated[0] @ rotated[1], abs=0.02
    )


def test_what_cannot_be_forecast_is_refused(refuses):
    refuses(
        lambda: forecast.rotated_moment(np.eye(4), FREQS, 10),
        "moment must have shape (..., 8, 8), got (4, 4)",
    )
    refuses(
        lambda: forecast.rotated_mean(np.ones(4), FREQS, 10),
        "mean must have 8 channels, two to a frequency, got 4",
    )
    with pytest.raises(ValueError, match="length must"):
        forecast.forecast_cloud(np.eye(8), np.ones(8), FREQS, 1)
