"""The retrofits: against transformers, against the published formulas, and against bad input.

transformers computes in float32. Its own functions run here twice: in float64, which compares the formulas,
and as they are, which compares the numbers that models use.
"""

from unittest.mock import patch

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from transformers import HunYuanDenseV1Config, LlamaConfig, PhiConfig, PhimoeConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.hunyuan_v1_dense.modeling_hunyuan_v1_dense import HunYuanDenseV1RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi.modeling_phi import PhiRotaryEmbedding
from transformers.models.phimoe.modeling_phimoe import PhimoeRotaryEmbedding

from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import SCALINGS, scaled_frequencies, scaling_names

DIM = 8
LENGTH = {"original_max_position_embeddings": 4096}
STRETCH = {"factor": 4.0} | LENGTH
YARN = STRETCH | {"beta_fast": 32, "beta_slow": 1, "mscale": 1, "mscale_all_dim": 0.5}
BAND = LENGTH | {"shortest_period": 32}
# For each type, keys that it reads, with values that it takes for DIM channels.
FULL = {
    "default": {},
    "linear": {"factor": 4.0},
    "ntk": {"factor": 4.0},
    "dynamic": STRETCH,
    "qwen_dynamic": LENGTH,
    "yarn": YARN | {"truncate": False},
    "deepseek_yarn": YARN,
    "longrope": STRETCH | {"short_factor": [1, 1, 1, 2], "long_factor": [1, 2, 3, 4.5]},
    "llama3": STRETCH | {"low_freq_factor": 1.0, "high_freq_factor": 4.0},
    "freq_factors": {"freq_factors": [1, 1, 4, 8]},
    "proportional": {"partial_rotary_factor": 0.5, "factor": 4.0},
    "mrope": {"mrope_section": [2, 1, 1]},
    "rope_id": BAND,
    "high_freq": BAND,
    "half_rope": {},
    "p_rope": {"p": 0.5},
    "hope": LENGTH,
    "cope": LENGTH,
    "resonance": {},
}


def spectrum(scaling, base, dim, parameters, context):
    return scaled_frequencies(scaling, base, dim, parameters, context)[0]


# Parity with transformers


def log_uniform(low, high):
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.clip(np.exp(x), low, high)))


BASES = st.sampled_from([1e4, 5e5, 1e6]) | log_uniform(2, 1e9)
FACTORS = st.sampled_from([1.0, 8.0, 40.0]) | log_uniform(1, 128)
LENGTHS = st.sampled_from([2048, 4096, 8192]) | log_uniform(16, 1e6).map(round)
SHARES = st.sampled_from([1.0, 1.0, 0.75, 0.5, 0.4, 0.25])
SCALES = st.sampled_from([0, 1.0]) | st.floats(0.01, 4)
YARN_KEYS = {"mscale": SCALES, "mscale_all_dim": SCALES, "attention_factor": st.floats(0.5, 2)}
YARN_KEYS |= {"beta_slow": log_uniform(0.1, 1), "beta_fast": log_uniform(1, 200), "truncate": st.booleans()}


@st.composite
def cases(draw, scaling):
    """`(base, head_dim, dim, parameters, context)` for one type; `dim` is what the spectrum covers."""
    head_dim, share, trained = 2 * draw(st.integers(2, 256)), draw(SHARES), draw(LENGTHS)
    dim = head_dim if scaling == "proportional" else int(head_dim * share)
    assume(dim >= 4 and dim % 2 == 0)
    parameters = {"factor": draw(FACTORS), "original_max_position_embeddings": trained}
    parameters |= {"partial_rotary_factor": share}
    if scaling == "llama3":
        low, ratio = draw(log_uniform(0.1, 100)), draw(log_uniform(1.1, 50))
        parameters |= {"low_freq_factor": low, "high_freq_factor": low * ratio}
    elif scaling == "yarn":
        parameters |= draw(st.fixed_dictionaries({}, optional=YARN_KEYS))
    elif scaling == "longrope":
        long, short = np.random.default_rng(head_dim).uniform(1, 60, (2, dim // 2)).tolist()
        parameters |= {"long_factor": long, "short_factor": short}
        parameters |= draw(st.fixed_dictionaries({}, optional={"attention_factor": st.floats(0.5, 2)}))
    return draw(BASES), head_dim, dim, parameters, round(trained * draw(log_uniform(0.1, 200))) + 1


def config_of(kind, base, head_dim, parameters):
    """A config as transformers builds it. Its `dynamic` reads L₀ from `max_position_embeddings`."""
    length = parameters.get("original_max_position_embeddings", 4096)
    size = {"hidden_size": head_dim, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": head_dim}
    rope = {"rope_theta": base, "rope_type": "default"} | parameters
    return kind(**size, max_position_embeddings=length, rope_parameters=rope)


def assert_formula(ours, function, *args, **kwargs):
    """Agreement to 1e-9 with the function, run in float64 wherever it asks for float32."""
    in_double = patch.multiple(torch, float=torch.float64, float32=torch.float64)
    with in_double, patch.object(torch.Tensor, "float", torch.Tensor.double):
        inv_freq, attention_factor = function(*args, **kwargs)
    assert inv_freq.dtype == torch.float64
    np.testing.assert_allclose(ours[0], inv_freq, rtol=1e-9, atol=0)
    assert ours[1] == pytest.approx(attention_factor, rel=1e-9)


def assert_numbers(ours, function, *args, scale=None, **kwargs):
    """Agreement with the function as it is, to float32's rounding as a share of `scale` (the frequencies).

    float32 rounds the exponent of a power, so θ = b^-x is off by up to |ln θ|·2^-24, and by a few more
    2^-24 for the operations after it: 1e-6 in all for θ = 1e-4, and below 3e-6 for the slowest drawn here.
    """
    inv_freq, attention_factor = function(*args, **kwargs)
    rounding = 2.0**-24 * (8 - np.log(np.where(ours[0] > 0, ours[0], 1)))
    assert rounding.max() < 3e-6
    assert np.all(np.abs(ours[0] - inv_freq.numpy()) <= rounding * (ours[0] if scale is None else scale))
    assert ours[1] == pytest.approx(attention_factor, rel=1e-9)


def ramp_scale(scaling, base, dim, parameters):
    """What float32's rounding is a share of: in a ramp, a small frequency is a difference of larger terms."""
    if scaling == "llama3":
        low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
        return frequencies(base, dim) * (1 + high / (high - low))
    return frequencies(base, dim) if scaling == "yarn" else None


@pytest.mark.parametrize("scaling", sorted(ROPE_INIT_FUNCTIONS))
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_each_type_is_that_of_transformers(scaling, data):
    base, head_dim, dim, parameters, context = data.draw(cases(scaling))
    config = config_of(LlamaConfig, base, head_dim, {"rope_type": scaling} | parameters)
    ours = scaled_frequencies(scaling, base, dim, parameters, context)
    assert_formula(ours, ROPE_INIT_FUNCTIONS[scaling], config, seq_len=context)
    if parameters.get("truncate", True):  # a ramp of real-number limits may be too narrow for float32
        scale = ramp_scale(scaling, base, dim, parameters)
        assert_numbers(ours, ROPE_INIT_FUNCTIONS[scaling], config, seq_len=context, scale=scale)


@settings(deadline=None, max_examples=40)
@given(base=BASES, pairs=st.integers(4, 128))
def test_default_is_that_of_llama_and_of_phi_with_half_its_head(base, pairs):
    ours = scaled_frequencies("default", base, 2 * pairs, {}, 4096)
    llama = config_of(LlamaConfig, base, 2 * pairs, {})
    phi = config_of(PhiConfig, base, 4 * pairs, {"partial_rotary_factor": 0.5})
    for kind, config in [(LlamaRotaryEmbedding, llama), (PhiRotaryEmbedding, phi)]:
        assert_formula(ours, kind.compute_default_rope_parameters, config)
        assert_numbers(ours, kind.compute_default_rope_parameters, config)


@settings(deadline=None, max_examples=40)
@given(base=log_uniform(2, 1e6), alpha=log_uniform(1, 1000), pairs=st.integers(4, 256))
def test_dynamic_with_alpha_is_that_of_hunyuan(base, alpha, pairs):
    parameters = {"rope_type": "dynamic", "alpha": alpha, "factor": 1.0}
    config = config_of(HunYuanDenseV1Config, base, 2 * pairs, parameters)
    ours = scaled_frequencies("dynamic", base, 2 * pairs, parameters, 4096)
    assert_formula(ours, HunYuanDenseV1RotaryEmbedding.compute_ntk_alpha_rope_parameters, config)
    np.testing.assert_allclose(HunYuanDenseV1RotaryEmbedding(config).inv_freq, ours[0], rtol=3e-6)


@pytest.mark.parametrize(("context", "mscale"), [(4096, 1.243), (4097, 1.117)])
def test_attention_factor_of_longrope_is_the_mscale_of_phi_moe(context, mscale):
    parameters = FULL["longrope"] | {"short_mscale": 1.243, "long_mscale": 1.117, "attention_factor": 7.0}
    rotary = PhimoeRotaryEmbedding(config_of(PhimoeConfig, 1e4, DIM, {"rope_type": "longrope"} | parameters))
    cos, _ = rotary(torch.zeros(1, dtype=torch.float64), torch.tensor([[0, context - 1]]))
    assert cos[0, 0].numpy() == pytest.approx(mscale, rel=1e-7)  # cos 0 = 1 times the factor
    assert scaled_frequencies("longrope", 1e4, DIM, parameters, context)[1] == mscale


# The published formulas in 40 digits, each (frequencies, attention factor)


def bank(base, dim):
    return [mpf(base) ** (-mpf(2 * i) / dim) for i in range(dim // 2)]


def log_uniform_band(longest, pairs):
    """Periods from 32 tokens to `longest`, in equal ratios."""
    return [2 * mpmath.pi / 32 * (mpf(32) / longest) ** (mpf(k) / (pairs - 1)) for k in range(pairs)]


def yarn_bank(base, dim, factor, trained, truncate):
    # Pair x turns n times in L₀ tokens where L₀·base^(-2x/dim) = 2πn; the paper's n are 32 and 1.
    first, last = (mpf(dim) / 2 * mpmath.log(trained / (2 * mpmath.pi * n), base) for n in (32, 1))
    if truncate:
        first, last = mpmath.floor(first), mpmath.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)  # as the authors' code limits them
    if first == last:
        last += mpf("0.001")  # as that code keeps from a division by 0
    kept = [min(max((last - i) / (last - first), 0), 1) for i in range(dim // 2)]
    return [theta * (k + (1 - k) / factor) for theta, k in zip(bank(base, dim), kept, strict=True)]


def llama3_bank(base, dim, factor, trained, low=1, high=4):
    for theta in bank(base, dim):
        wavelength = 2 * mpmath.pi / theta
        if wavelength < mpf(trained) / high:
            yield theta
        elif wavelength > mpf(trained) / low:
            yield theta / factor
        else:
            smooth = (trained / wavelength - low) / (high - low)
            yield (1 - smooth) * theta / factor + smooth * theta


def softly_clipped_bank(plain, trained):
    slow = [theta for theta in plain if theta * trained < 2 * mpmath.pi]
    for theta in plain:
        if theta not in slow or len(slow) == 1:
            yield theta
        else:
            fraction = mpf(slow.index(theta)) / (len(slow) - 1)
            yield theta * mpmath.cos(mpmath.pi * fraction / 2) ** 2 if fraction < 1 else mpf(0)


def references(base, dim, factor, trained, context):
    """`{name: (type, parameters, frequencies, attention factor)}` at one point of the grid."""
    plain, pairs, s, warm = bank(base, dim), dim // 2, mpf(factor), mpmath.log(factor) / 10
    stretch = {"factor": factor, "original_max_position_embeddings": trained}
    exponent = mpf(dim) / (dim - 2)
    grown = max(mpf(1), s * context / trained - (s - 1))
    doubled = 2 ** mpmath.ceil(mpmath.log(mpf(max(context, trained)) / trained, 2) + 1) - 1
    divisors = [1 + i / 4 for i in range(pairs)]
    lists = {"short_factor": [1.0] * pairs, "long_factor": divisors}
    both = {"mscale": 0.707, "mscale_all_dim": 0.5}
    ratio = (1 + mpf(0.707) * warm) / (1 + mpf(0.5) * warm)
    yarn, exact = (yarn_bank(base, dim, factor, trained, truncate) for truncate in (True, False))
    divided = [theta / mpf(d) for theta, d in zip(plain, divisors, strict=True)]
    short_or_long = divided if context > trained else plain
    partial = [theta if i < 3 * pairs // 8 else mpf(0) for i, theta in enumerate(plain)]
    turning = [theta if 2 * mpmath.pi / theta <= trained else mpf(0) for theta in plain]
    id_band = log_uniform_band(mpf(trained) / 2, dim // 4) + [mpf(0)] * (dim // 4)
    return {
        "default": ("default", {}, plain, 1),
        "mrope": ("mrope", {"mrope_section": [pairs - 2, 1, 1]}, plain, 1),
        "linear": ("linear", stretch, [theta / s for theta in plain], 1),
        "ntk": ("ntk", stretch, bank(base * s**exponent, dim), 1),
        "dynamic": ("dynamic", stretch, bank(base * grown**exponent, dim), 1),
        "qwen_dynamic": ("qwen_dynamic", stretch, bank(base * doubled**exponent, dim), 1),
        "alpha": ("dynamic", {"alpha": factor}, bank(base * s**exponent, dim), 1),
        "yarn": ("yarn", stretch, yarn, 1 + warm),
        "yarn, real limits": ("yarn", stretch | {"truncate": False}, exact, 1 + warm),
        "yarn, mscales": ("yarn", stretch | both, yarn, ratio),
        "deepseek": ("deepseek_yarn", stretch | both, yarn, ratio),
        "deepseek, one mscale": ("deepseek_yarn", stretch | {"mscale_all_dim": 1}, yarn, 1),
        "longrope": ("longrope", stretch | lists, short_or_long, mpmath.sqrt(1 + mpmath.log(s, trained))),
        "freq_factors": ("freq_factors", {"freq_factors": divisors}, divided, 1),
        "llama3": ("llama3", FULL["llama3"] | stretch, list(llama3_bank(base, dim, s, trained)), 1),
        "proportional": ("proportional", {"partial_rotary_factor": 0.375}, partial, 1),
        "p_rope": ("p_rope", {"p": 0.375}, partial, 1),
        "rope_id": ("rope_id", stretch, id_band, 1),
        "high_freq": ("high_freq", stretch, log_uniform_band(mpf(trained) / 2, pairs), 1),
        "half_rope": ("half_rope", {}, bank(base, dim // 2) + [mpf(0)] * (dim // 4), 1),
        "hope": ("hope", stretch, turning, 1),
        "cope": ("cope", stretch, list(softly_clipped_bank(plain, trained)), 1),
        "resonance": ("resonance", {}, [2 * mpmath.pi / mpmath.nint(2 * mpmath.pi / t) for t in plain], 1),
    }


def assert_as_published(base, dim, factor, trained, context):
    """Every type to a relative 1e-13; returns the types."""
    with mpmath.workdps(40):
        table = references(base, dim, factor, trained, context)
    for name, (scaling, parameters, expected, attention_factor) in table.items():
        ours = scaled_frequencies(scaling, base, dim, parameters, context)
        np.testing.assert_allclose(ours[0], np.array(expected, float), rtol=1e-13, atol=0, err_msg=name)
        assert ours[1] == pytest.approx(float(attention_factor), rel=1e-13), name
    return {scaling for scaling, *_ in table.values()}


@pytest.mark.parametrize("base", [100, 10_000, 500_000, 10**9])
@pytest.mark.parametrize("dim", [8, 64, 128])
def test_published_formulas(base, dim):
    for point in [(1, 4096, 4096), (4, 4096, 4000), (8, 8192, 40_000), (40, 500, 20_000)]:
        assert assert_as_published(base, dim, *point) == SCALINGS.keys()


@settings(max_examples=25, deadline=None)
@given(
    base=log_uniform(50, 1e10),
    dim=st.integers(1, 16).map(lambda eighths: 8 * eighths),
    factor=log_uniform(1.01, 200),
    trained=st.integers(500, 10**6),
    stretch=log_uniform(0.1, 300),
)
@example(base=51.290215346585704, dim=8, factor=2.718281828459045, trained=197_648, stretch=1.0)  # no ramp
def test_published_formulas_over_drawn_numbers(base, dim, factor, trained, stretch):
    assert_as_published(base, dim, factor, trained, max(1, round(stretch * trained)))


# Published values


def test_rope_id_as_published():
    inv_freq = spectrum("rope_id", 500_000, 128, LENGTH, 4096)
    rotating = inv_freq[:32]
    assert [float(f"{theta:.5g}") for theta in rotating[[0, -1]]] == [0.19635, 0.003068]
    assert np.all(rotating > 0)
    assert not inv_freq[32:].any()


@pytest.mark.parametrize("scaling", ["linear", "yarn", "llama3"])
def test_effective_base_is_eight_bases(scaling):
    slowest = spectrum(scaling, 500_000, 128, FULL[scaling] | {"factor": 8}, 32_768)[-1]
    effective = 500_000 * frequencies(500_000, 128)[-1] / slowest
    assert effective == pytest.approx(8 * 500_000, rel=1e-12)


# Properties


@pytest.mark.parametrize("scaling", sorted(SCALINGS))
def test_every_type_by_its_name(scaling):
    before = repr(FULL[scaling])
    inv_freq, attention_factor = scaled_frequencies(scaling, 10_000, DIM, FULL[scaling], 8192)
    assert inv_freq.dtype == np.float64
    assert inv_freq.shape == (DIM // 2,)
    assert type(attention_factor) is float
    assert repr(FULL[scaling]) == before


@pytest.mark.parametrize(
    "scaling", ["linear", "ntk", "yarn", "deepseek_yarn", "llama3", "proportional", "longrope"]
)
def test_a_factor_of_one_changes_nothing(scaling):  # but `dynamic`, whose stretch is then L/L₀
    flat = {"factor": 1, "short_factor": [1] * 4, "long_factor": [1] * 4, "partial_rotary_factor": 1}
    inv_freq, attention_factor = scaled_frequencies(scaling, 10_000, DIM, FULL[scaling] | flat, 8192)
    np.testing.assert_allclose(inv_freq, frequencies(10_000, DIM), rtol=1e-15)
    assert attention_factor == 1


@given(base=BASES, pairs=st.integers(2, 256), factor=FACTORS)
def test_ntk_keeps_the_fastest_and_divides_the_slowest(base, pairs, factor):
    ratio = spectrum("ntk", base, 2 * pairs, {"factor": factor}, 1) / frequencies(base, 2 * pairs)
    assert ratio[0] == 1
    assert ratio[-1] == pytest.approx(1 / factor, rel=1e-12)
    assert np.all(np.diff(ratio) <= 1e-12)


@given(base=BASES, factor=FACTORS, trained=LENGTHS)
def test_dynamic_is_default_up_to_the_original_length_and_leaves_it_smoothly(base, factor, trained):
    parameters = {"factor": factor, "original_max_position_embeddings": trained}
    plain = frequencies(base, DIM)
    for context in (1, trained):
        assert np.array_equal(spectrum("dynamic", base, DIM, parameters, context), plain)
    beyond = spectrum("dynamic", base, DIM, parameters, trained * (1 + 1e-9))
    np.testing.assert_allclose(beyond, plain, rtol=1e-6)
    assert np.all(spectrum("dynamic", base, DIM, parameters, 2 * trained) <= plain)


@pytest.mark.parametrize("scaling", ["yarn", "llama3"])
@settings(deadline=None)
@given(data=st.data())
def test_a_ramp_stays_between_divided_and_kept(scaling, data):
    base, _, dim, parameters, context = data.draw(cases(scaling))
    ratio = spectrum(scaling, base, dim, parameters, context) / frequencies(base, dim)
    assert np.all(ratio <= 1 + 1e-15)
    assert np.all(ratio >= (1 - 1e-15) / parameters["factor"])


def test_a_yarn_ramp_without_width_is_a_step():
    same = FULL["yarn"] | {"beta_fast": 4, "beta_slow": 4}
    turns = 4096 * frequencies(10_000, 64) / (2 * np.pi)
    ratio = spectrum("yarn", 10_000, 64, same, 16_384) / frequencies(10_000, 64)
    np.testing.assert_allclose(ratio, np.where(turns > 4, 1, 1 / 4), rtol=1e-15)


def test_a_llama3_ramp_without_width_is_a_step():  # transformers divides by zero here
    parameters = STRETCH | {"low_freq_factor": 1, "high_freq_factor": 1}
    ratio = spectrum("llama3", 500_000, 128, parameters, 131_072) / frequencies(500_000, 128)
    turns = 4096 * frequencies(500_000, 128) / (2 * np.pi)
    assert np.array_equal(ratio, np.where(turns >= 1, 1, 0.25))


def test_qwen_stretches_by_whole_doublings():
    trained = {"original_max_position_embeddings": 8192}

    def stretch(context):
        slowest = spectrum("qwen_dynamic", 10_000, 128, trained, context)[-1]
        return frequencies(10_000, 128)[-1] / slowest

    stretches = [stretch(context) for context in (1, 8192, 8193, 16_384, 16_385, 32_768, 32_769)]
    assert stretches == pytest.approx([1, 1, 3, 3, 7, 7, 15])


def test_a_divisor_of_a_float32_1e30_stops_its_pair():
    stopped = {"freq_factors": [1, 1, 8, float(np.float32(1e30))]}  # above 1e30 by its rounding
    assert spectrum("freq_factors", 10_000, DIM, stopped, 8192).tolist() == [1, 0.1, 0.00125, 0]


# Bad input

JUNK = [0, -8, np.nan, np.inf, -np.inf, "8", True, False, [8.0], [], {}, 10**400, 1e300, 1e-300]
BAD_LISTS = [[1.0], [1.0] * 5, [[1, 2], [3, 4, 5]], ["1"] * 4, [1, None, 2, 1], [1, -1, 2, 1], [np.nan] * 4]
KEYS = [(scaling, key) for scaling, full in FULL.items() for key in full] + [("dynamic", "alpha")]
KEYS += [("yarn", "attention_factor"), ("longrope", "long_mscale"), ("longrope", "attention_factor")]
MAY_BE_ZERO = {"mscale", "mscale_all_dim", "partial_rotary_factor", "p"}
MAY_BE_ABSENT = {"alpha", "attention_factor", "long_mscale", "beta_fast", "beta_slow", "truncate"}
MAY_BE_ABSENT |= {"mscale", "mscale_all_dim", "shortest_period", "partial_rotary_factor", "mrope_section"}


def refusal(scaling, parameters, base=10_000, dim=DIM, context=8192):
    """The one line of the ValueError that the call raises."""
    with pytest.raises(ValueError, match="must") as caught:
        scaled_frequencies(scaling, base, dim, parameters, context)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("scaling", "key"), KEYS)
def test_a_bad_value_is_refused_by_name(scaling, key):
    good = FULL[scaling].get(key)
    context = 4096 if key == "short_factor" else 8192  # each list is read where it is used
    for bad in JUNK + (BAD_LISTS if isinstance(good, list) else []):
        allowed = (key == "truncate" and isinstance(bad, bool)) or (key in MAY_BE_ZERO and bad is JUNK[0])
        if not allowed:
            line = refusal(scaling, FULL[scaling] | {key: bad}, context=context)
            assert line.startswith(f"{key} must"), (bad, line)


@pytest.mark.parametrize(("scaling", "key"), KEYS)
def test_a_missing_value_is_refused_by_name_where_it_is_required(scaling, key):
    absent = {name: value for name, value in FULL[scaling].items() if name != key}
    context = 4096 if key == "short_factor" else 8192
    if key in MAY_BE_ABSENT or (scaling, key) == ("proportional", "factor"):
        assert spectrum(scaling, 10_000, DIM, absent, context).shape == (DIM // 2,)
    else:
        assert refusal(scaling, absent, context=context).startswith(f"{key} must")
        assert refusal(scaling, absent | {key: None}, context=context).startswith(f"{key} must")


@pytest.mark.parametrize("scaling", sorted(SCALINGS))
@pytest.mark.parametrize("bad", [0, -2, 7, 8.5, np.nan, np.inf, "8", True, None, [8, 8], 10**400])
def test_bad_base_and_head_are_refused_by_name(scaling, bad):
    assert refusal(scaling, FULL[scaling], dim=bad).startswith("dim must")
    if scaling not in ("rope_id", "high_freq") and bad not in (7, 8.5):  # bands owe nothing to the base
        assert refusal(scaling, FULL[scaling], base=bad).startswith("base must")


def test_messages(refuses):
    def call(scaling, base=10_000, context=8192, **parameters):
        return lambda: scaled_frequencies(scaling, base, DIM, FULL.get(scaling, {}) | parameters, context)

    known = ", ".join(scaling_names())
    refuses(call("spiral"), f"scaling must be one of {known}, got 'spiral'")
    refuses(call(None), f"scaling must be one of {known}, got None")
    refuses(call("linear", factor=0.5), "factor must be a finite number of at least 1, got 0.5")
    refuses(call("linear", factor=True), "factor must be a finite number of at least 1, got True")
    refuses(call("ntk", factor=1e37), "factor must be between 1e-36 and 1e36, got 1e+37")
    order = "high_freq_factor must be at least low_freq_factor, got"
    refuses(call("llama3", low_freq_factor=8), f"{order} 4 and 8")
    refuses(call("yarn", beta_fast=1, beta_slow=32), "beta_fast must be at least beta_slow, got 1 and 32")
    refuses(call("yarn", truncate="yes"), "truncate must be true or false, got 'yes'")
    count = "long_factor must hold one number for each of 4 pairs, got shape (3,)"
    refuses(call("longrope", long_factor=[1, 2, 3]), count)
    refuses(call("mrope", mrope_section=[2, 1, 2]), "mrope_section must share out 4 pairs, got [2, 1, 2]")
    length = "original_max_position_embeddings must be more than twice the shortest period 32, got 64"
    refuses(call("rope_id", original_max_position_embeddings=64), length)
    refuses(call("dynamic", context="8k"), "context_length must be a finite number > 0, got '8k'")
    refuses(call("ntk", base=1e308), "base must be small enough for a result below 1.8e308, got 1e+308")


NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 5e-324, 1e-36, 1e36, 1.7e308, 10**400, True])
ANYTHING = NUMBERS | st.none() | st.text(max_size=3) | st.lists(NUMBERS, min_size=3, max_size=5) | st.just({})


@settings(deadline=None, max_examples=400)
@given(scaling=st.sampled_from(sorted(SCALINGS)), data=st.data())
def test_junk_gives_a_value_error_or_finite_numbers(scaling, data):
    keys = [key for name, key in KEYS if name == scaling]
    junk = data.draw(st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=3)) if keys else {}
    base, context = (data.draw(st.sampled_from([10_000, 500_000]) | ANYTHING) for _ in range(2))
    dim = data.draw(st.sampled_from([2, 4, 6, 8, 8, 8, 8]))
    try:
        inv_freq, attention_factor = scaled_frequencies(scaling, base, dim, FULL[scaling] | junk, context)
    except ValueError as refused:
        name, _, rest = str(refused).partition(" must ")
        assert name in {"base", "dim", "context_length", *keys}
        assert rest
        assert "\n" not in rest
    else:
        assert inv_freq.shape == (dim // 2,)
        assert np.all((inv_freq >= 0) & np.isfinite(inv_freq))
        assert 0 < attention_factor < np.inf
