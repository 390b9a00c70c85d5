"""Paper A's bounds: against independent values, against mpmath over the whole domain, and on bad input."""

import csv

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rope_lib.theory.bounds import (
    Zone,
    aliasing_bound,
    allowed_drift,
    goldilocks_zone,
    max_context,
    precision_wall,
    stability_bound,
)

TOLERANCE = 4e-15
seeded = settings(derandomize=True, deadline=None, max_examples=250, database=None)


def powers_of_ten(low, high):
    """Magnitudes spread evenly over their logarithm, which `st.floats` does not do."""
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


contexts = powers_of_ten(-3, 15)
bases = powers_of_ten(1e-6, 15)
layer_counts = st.integers(1, 10**6) | st.integers(0, 6).map(lambda k: 10**k)
head_dims = st.integers(2, 256).map(lambda pairs: 2 * pairs)
epsilons = (
    st.floats(1e-12, 1 - 1e-12)
    | powers_of_ten(-12, -0.01)
    | powers_of_ten(-12, -0.01).map(lambda gap: 1 - gap)
    | st.just(1 - 1e-9)
)


def exact_drift(epsilon, layers):
    return mpmath.acos(mpmath.mpf(epsilon) ** (mpmath.mpf(1) / layers))


def exact_base(inverse_frequency, head_dim):
    return inverse_frequency ** (mpmath.mpf(head_dim) / (head_dim - 2))


def close(got, exact):
    return abs(mpmath.mpf(float(got)) - exact) <= TOLERANCE * abs(exact)


# Agreement with independent values


def golden_rows(root):
    with open(root / "tests" / "golden" / "bounds.csv") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def computed(row):
    """What the library says for one row of the golden file, whose empty cells are absent arguments."""
    number = {name: float(text) for name, text in row.items() if name not in ("kind", "value") and text}
    match row["kind"]:
        case "aliasing" | "aliasing_exact":
            return aliasing_bound(number.pop("context"), **number)
        case "stability" | "depth" | "depth_exact":
            return stability_bound(number.pop("context"), number.pop("epsilon"), **number)
        case "max_context":
            return max_context(number.pop("base"), number.pop("epsilon"), **number)


def test_golden_values(root):
    rows = list(golden_rows(root))
    kinds = {"aliasing", "aliasing_exact", "stability", "depth", "depth_exact", "max_context"}
    assert {row["kind"] for row in rows} == kinds
    wrong = [row for row in rows if not close(computed(row), mpmath.mpf(row["value"]))]
    assert not wrong


@seeded
@given(epsilons, layer_counts)
def test_drift_against_mpmath(epsilon, layers):
    with mpmath.workdps(60):
        assert close(allowed_drift(epsilon, layers), exact_drift(epsilon, layers))


@seeded
@given(contexts, head_dims)
def test_aliasing_against_mpmath(context, head_dim):
    with mpmath.workdps(60):
        exact = mpmath.mpf(context) / (2 * mpmath.pi)
        assert close(aliasing_bound(context), exact)
        assert close(aliasing_bound(context, head_dim=head_dim), exact_base(exact, head_dim))


# At head_dim 4 the bound is a square, so it carries twice the relative error of its root: the worst seen is
# 1.2e-15. A plain power X^(d/(d-2)) would exceed the tolerance at large X, where the rounding of the
# exponent counts ln X times.
@seeded
@given(contexts, epsilons, layer_counts, head_dims | st.sampled_from([4, 6, 8, 498]))
def test_stability_against_mpmath(context, epsilon, layers, head_dim):
    with mpmath.workdps(60):
        exact = context / exact_drift(epsilon, layers)
        assert close(stability_bound(context, epsilon, layers=layers), exact)
        got = stability_bound(context, epsilon, layers=layers, head_dim=head_dim)
        assert close(got, exact_base(exact, head_dim))


@seeded
@given(bases, epsilons, layer_counts)
def test_max_context_against_mpmath(base, epsilon, layers):
    with mpmath.workdps(60):
        assert close(max_context(base, epsilon, layers=layers), base * exact_drift(epsilon, layers))


# A plain power passes the tests above at most points; here it is off by 5.2e-15.
def test_exact_bound_where_a_plain_power_fails():
    context, epsilon, layers, head_dim = 46362280538913.77, 0.9999999999842936, 17444, 498
    with mpmath.workdps(60):
        exact = exact_base(context / exact_drift(epsilon, layers), head_dim)
        plain = float(stability_bound(context, epsilon, layers=layers)) ** (head_dim / (head_dim - 2))
        assert not close(plain, exact)
        assert close(stability_bound(context, epsilon, layers=layers, head_dim=head_dim), exact)


# Shape of the functions

# Two arguments closer than this may give bounds that rounding puts in the wrong order.
apart = st.floats(1e-13, 10).map(lambda gap: 1 + gap)


@seeded
@given(contexts, epsilons, layer_counts, head_dims, apart)
def test_bounds_grow_with_context(context, epsilon, layers, head_dim, factor):
    for size in (None, head_dim):
        assert aliasing_bound(context, head_dim=size) < aliasing_bound(context * factor, head_dim=size)
        shorter, longer = stability_bound([context, context * factor], epsilon, layers=layers, head_dim=size)
        assert shorter < longer


@seeded
@given(contexts, epsilons, layer_counts, st.integers(1, 10**6))
def test_stability_grows_with_layers(context, epsilon, layers, more):
    shallow, deep = stability_bound(context, epsilon, layers=[layers, layers + more])
    assert shallow < deep
    shallow, deep = max_context(context + 1, epsilon, layers=[layers, layers + more])
    assert shallow > deep


@seeded
@given(contexts, epsilons, epsilons, layer_counts)
def test_stability_grows_with_epsilon(context, one, other, layers):
    loose, strict = sorted((one, other))
    assert stability_bound(context, loose, layers=layers) <= stability_bound(context, strict, layers=layers)
    assert max_context(context + 1, loose, layers=layers) >= max_context(context + 1, strict, layers=layers)
    if (1 - loose) > (1 - strict) * 1.001 and strict > loose * 1.001:
        assert stability_bound(context, loose, layers=layers) < stability_bound(
            context, strict, layers=layers
        )


@seeded
@given(bases, epsilons, layer_counts)
def test_max_context_inverts_stability(base, epsilon, layers):
    context = max_context(base, epsilon, layers=layers)
    assert stability_bound(context, epsilon, layers=layers) == pytest.approx(base, rel=TOLERANCE)


def test_arrays_equal_their_scalars():
    context = np.array([512.0, 8192.0, 1e6]).reshape(3, 1, 1)
    layers = np.array([1, 32, 10**6, 80]).reshape(4, 1)
    head_dim = np.array([4, 128])
    together = stability_bound(context, 0.95, layers=layers, head_dim=head_dim)
    assert together.shape == (3, 4, 2)
    for index in np.ndindex(together.shape):
        i, j, k = index
        alone = stability_bound(context[i, 0, 0], 0.95, layers=layers[j, 0], head_dim=head_dim[k])
        assert together[index] == pytest.approx(alone, rel=1e-15)
    aliasing = aliasing_bound(context[:, 0], head_dim=head_dim)
    longest = max_context([1e4, 1e6], [[0.9], [0.99]], layers=[[[1]], [[32]]])
    assert (aliasing.shape, longest.shape) == ((3, 2), (2, 2, 2))
    assert aliasing[2, 1] == pytest.approx(aliasing_bound(1e6, head_dim=128), rel=1e-15)
    assert longest[1, 0, 1] == pytest.approx(max_context(1e6, 0.9, layers=32), rel=1e-15)


@pytest.mark.parametrize("number", [4096, 4096.0, np.float32(4096), np.int64(4096), np.array(4096)])
def test_scalars_give_float64(number):
    for got in (
        aliasing_bound(number),
        aliasing_bound(number, head_dim=128),
        stability_bound(number),
        stability_bound(number, layers=32, head_dim=128),
        max_context(number),
        precision_wall(),
    ):
        assert isinstance(got, np.float64)


def test_arrays_give_float64():
    for got in (aliasing_bound([1, 2]), stability_bound(np.float32([1, 2])), max_context([2, 3])):
        assert got.dtype == np.float64


# The wall and the zone


def test_precision_walls():
    names = ["bfloat16", "float16", "float32", "float64"]
    assert precision_wall(names).tolist() == [128, 1024, 2**23, 2**52]
    assert [float(precision_wall(name)) for name in names] == [128, 1024, 2**23, 2**52]
    assert precision_wall([names[:2], names[2:]]).shape == (2, 2)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_wall_is_the_inverse_of_machine_epsilon(dtype):
    assert precision_wall(dtype) == 1 / np.finfo(dtype).eps


def test_zone_of_a_million_tokens_is_empty():
    zone = goldilocks_zone(1_000_000, layers=32)
    assert zone.is_empty
    assert 17_666_305 not in zone
    assert not goldilocks_zone(1_000_000, layers=32, dtype="float64").is_empty
    assert not goldilocks_zone(1_000_000, layers=1).is_empty  # claim A8 needs the depth bound


def test_zone_is_closed_below_and_open_above():
    zone = Zone(np.float64(10), np.float64(20))
    assert 10 in zone
    assert 20 not in zone
    assert Zone(np.float64(20), np.float64(20)).is_empty


def test_zone_broadcasts():
    zone = goldilocks_zone([[8192], [1_000_000]], layers=32, dtype=["bfloat16", "float32", "float64"])
    assert zone.lower.shape == zone.upper.shape == (2, 3)
    assert zone.is_empty.tolist() == [[True, False, False], [True, True, False]]


# Table 1 of paper A as reconstructed: context, layers, then the three bounds rounded to whole numbers.
@pytest.mark.parametrize(
    ("context", "layers", "aliasing", "stability", "depth"),
    [
        (2_048, 32, 326, 6_449, 36_181),
        (4_096, 32, 652, 12_898, 72_361),
        (4_096, 80, 652, 12_898, 114_395),
        (8_192, 32, 1_304, 25_797, 144_722),
        (16_384, 32, 2_608, 51_593, 289_445),
        (32_768, 32, 5_215, 103_187, 578_889),
        (131_072, 32, 20_861, 412_747, 2_315_558),
        (131_072, 61, 20_861, 412_747, 3_196_616),
        (131_072, 126, 20_861, 412_747, 4_593_877),
        (1_000_000, 32, 159_155, 3_149_007, 17_666_305),
    ],
)
def test_table_1(context, layers, aliasing, stability, depth):
    assert round(aliasing_bound(context)) == aliasing
    assert round(stability_bound(context)) == stability
    assert round(stability_bound(context, layers=layers)) == depth


def test_largest_feasible_context_in_float32():
    longest = max_context(precision_wall("float32"), layers=[1, 32, 80, 126])
    assert longest[0] == pytest.approx(2.66e6, rel=2e-3)
    assert longest[1:].round().tolist() == [474_837, 300_361, 239_343]


# Bad input

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = ["abc", [], 1j, True, [[1], [1, 2]], {}]
BAD = {
    "context": ("a finite number > 0", [0, -1, INF, NAN, None, 10**400, *NO_NUMBERS]),
    "base": ("a finite number > 1", [1, 0.5, NAN, INF, -INF, None, *NO_NUMBERS]),
    "epsilon": ("a number in (0, 1)", [0, 1, -0.1, NAN, INF, None, *NO_NUMBERS]),
    "layers": ("a whole number from 1 to 2^53", [0, -1, 1.5, NAN, INF, 1e308, None, *NO_NUMBERS]),
    "head_dim": ("an even number from 4 to 2^53", [3, 2, 0, -4, 5.5, NAN, INF, 1e308, *NO_NUMBERS]),
    "dtype": ("one of bfloat16, float16, float32, float64", ["float8", None, 32, np.float32, [], NAN]),
}
GOOD = {
    allowed_drift: {"epsilon": 0.95, "layers": 32},
    aliasing_bound: {"context": 4096, "head_dim": 128},
    stability_bound: {"context": 4096, "epsilon": 0.95, "layers": 32, "head_dim": 128},
    max_context: {"base": 10_000, "epsilon": 0.95, "layers": 32},
    precision_wall: {"dtype": "float32"},
    goldilocks_zone: {"context": 4096, "epsilon": 0.95, "layers": 32, "dtype": "float32"},
}
BAD_CALLS = [
    pytest.param(function, name, value, BAD[name][0], id=f"{function.__name__}-{name}-{str(value)[:20]}")
    for function, arguments in GOOD.items()
    for name in arguments
    for value in BAD[name][1]
]


@pytest.mark.parametrize(("function", "name", "value", "allowed"), BAD_CALLS)
def test_bad_input(function, name, value, allowed):
    with pytest.raises(ValueError, match=f"^{name} must be ") as caught:
        function(**GOOD[function] | {name: value})
    assert str(caught.value) == f"{name} must be {allowed}, got {value!r}"


@pytest.mark.parametrize("function", [f for f in GOOD if f is not precision_wall], ids=lambda f: f.__name__)
def test_one_bad_element_is_found_and_placed(function):
    name = next(iter(GOOD[function]))
    good = GOOD[function][name]
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got -7(\.0)? at index \[1, 0\]$"):
        function(**GOOD[function] | {name: [[good, good], [-7, good]]})


def test_one_bad_dtype_is_found():
    with pytest.raises(ValueError, match=r"got 'float8'$"):
        precision_wall(["float32", "float8"])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: aliasing_bound(1e308, head_dim=4), "context"),
        (lambda: aliasing_bound([1.0, 1e308], head_dim=4), "context"),
        (lambda: stability_bound(1e308), "context"),
        (lambda: stability_bound(1e300, head_dim=6), "context"),
        (lambda: goldilocks_zone(1e308), "context"),
        (lambda: max_context(1.7e308, 1e-9), "base"),
    ],
)
def test_overflow_is_bad_input(call, name):
    with pytest.raises(
        ValueError, match=rf"^{name} must be small enough .* below 1\.8e308, got 1(\.7)?e\+30"
    ):
        call()


# numpy's floating-point flags raise here, so a warning or a NaN at the ends of the domain cannot hide.
def test_ends_of_the_domain_give_numbers():
    with np.errstate(all="raise", under="ignore"):
        for epsilon in (5e-324, 1e-300, np.nextafter(1, 0)):
            for layers in (1, 2**53):
                assert 0 < allowed_drift(epsilon, layers) < 1.5708
                assert np.isfinite(stability_bound(1e15, epsilon, layers=layers, head_dim=4))
        assert np.isfinite(stability_bound(1e-300, head_dim=4))
        assert np.isfinite(max_context(1e308, 0.95))
