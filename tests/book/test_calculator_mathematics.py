"""The calculator's mathematics is the library's, to a relative 1e-9, in a real browser."""

from dataclasses import asdict

import numpy as np
import pytest
from calculator_answers import CLOSE, assert_same, judged

from rope_lib.models import ModelSpec, Rotary, atlas, judge
from rope_lib.models.record import record
from rope_lib.models.spec import Account, FrozenDict
from rope_lib.models.summary import record_sentence, seen_sentence
from rope_lib.models.track_record import track_record
from rope_lib.models.training import Stage, seen_angles
from rope_lib.models.verdicts import classify
from rope_lib.theory.bounds import SIGNIFICAND_BITS, aliasing_bound, max_context, stability_bound
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.rivals import men_first_negative
from rope_lib.theory.scaling import scaled_frequencies

pytest_plugins = ["calculator_page"]

DTYPES = tuple(SIGNIFICAND_BITS)


def spec(rotary, context=4096):
    nothing = FrozenDict()
    return ModelSpec(
        "model", "none", len(rotary.layers), context, None, (rotary,), (), nothing, nothing, (), Account()
    )


def test_every_model_of_the_atlas_as_the_library_judges_it(page):
    contexts = [model.declared_context or 4096 for model in atlas()]
    found = page.run(
        "return ropeAtlas.models.map((model, i) => [ropeRecord.judge(model, arguments[0][i]), "
        "ropeRecord.judge(model, 1_000_000, {epsilon: 0.8, dtype: 'float64'})])",
        contexts,
    )
    for model, context, [declared, far] in zip(atlas(), contexts, found, strict=True):
        assert_same(declared, judged(model, context), model.name)
        assert_same(far, judged(model, 1_000_000, 0.8, "float64"), model.name)


def test_the_atlas_holds_several_rotaries_and_none():
    counts = {len(model.rotaries) for model in atlas()}
    assert {0, 1, 2} <= counts


def random_scaling(random, pairs):
    """One of the scalings that published models use, with parameters over their whole range."""
    trained = float(10 ** random.uniform(0.1, 7))
    factor = float(10 ** random.uniform(0, 3))
    both = {"factor": factor, "original_max_position_embeddings": trained}
    slow = float(10 ** random.uniform(-1, 1))
    betas = {"beta_slow": slow, "beta_fast": slow * float(10 ** random.uniform(0, 2))}
    mscales = {key: float(random.choice([0, 0.707, 1])) for key in ("mscale", "mscale_all_dim")}
    divisors = (10 ** random.uniform(-0.1, 2, pairs)).tolist()
    return random.choice(
        [
            {"type": "default"},
            {"type": "linear", "factor": factor},
            {"type": "ntk", "factor": factor},
            {"type": "dynamic", **both},
            {"type": "dynamic", "alpha": factor},
            {"type": "yarn", **both},
            {"type": "yarn", **both, **betas, **mscales, "truncate": bool(random.integers(2))},
            {"type": "yarn", **both, "attention_factor": 1.5},
            {"type": "deepseek_yarn", **both, **mscales},
            {"type": "longrope", **both, "long_factor": divisors, "short_factor": divisors[::-1]},
            {"type": "su", **both, "long_factor": divisors, "short_factor": divisors, "long_mscale": 1.2},
            {"type": "llama3", **both, "low_freq_factor": slow, "high_freq_factor": 4 * slow},
            {"type": "llama3", **both, "low_freq_factor": slow, "high_freq_factor": slow},
            {"type": "freq_factors", "freq_factors": [*divisors[:-1], 1e30 if random.integers(2) else 8.0]},
            {"type": "proportional", "partial_rotary_factor": float(random.uniform(0, 1)), "factor": factor},
            {"type": "mrope", "mrope_section": [pairs // 2, pairs - pairs // 2, 0]},
        ]
    )


def random_case(random):
    pairs = int(random.integers(1, 257))
    scaling = random_scaling(random, pairs)
    if scaling["type"] in ("ntk", "dynamic"):
        pairs = max(pairs, 2)  # a single pair cannot be stretched
    context = int(10 ** random.uniform(0, 8))
    return {
        "rotary": {
            "layers": list(range(int(random.integers(1, 201)))),
            "kind": "full",
            "base": float(10 ** random.uniform(0.01, 12)),
            "head_dim": 2 * pairs,
            "rotary_dim": 2 * pairs,
            "window": int(random.integers(1, context + 2)) if random.integers(4) == 0 else None,
            "scaling": scaling,
        },
        "context": context,
        "epsilon": float(random.choice([0.95, random.uniform(0, 1), 1 - 10 ** random.uniform(-12, -1)])),
        "dtype": str(random.choice(DTYPES)),
    }


def library_answer(case):
    """The library's verdict on a random case, or its line where it refuses it."""
    rotary = Rotary(**{**case["rotary"], "scaling": FrozenDict(case["rotary"]["scaling"])})
    try:
        found = judged(spec(rotary), case["context"], case["epsilon"], case["dtype"])["rotaries"][0]
        del found["seen_angles"]  # compared below
        return found
    except ValueError as error:
        return str(error)


def browser_answers(page, cases):
    return page.run(
        """return arguments[0].map(({rotary, context, epsilon, dtype}) => {
            try { return rope.judgeRotary(rotary, context, {epsilon, dtype}); }
            catch (error) { if (error instanceof rope.InputError) return error.message; throw error; }
        })""",
        cases,
    )


def test_a_thousand_random_inputs_as_the_library_judges_them(page):
    random = np.random.default_rng(260210959)
    cases = [random_case(random) for _ in range(1_000)]
    expected = [library_answer(case) for case in cases]
    found = browser_answers(page, cases)
    for case, answer, wanted in zip(cases, found, expected, strict=True):
        if isinstance(wanted, str):  # a base that a scaling has brought to 1 or below
            assert isinstance(answer, str), case
            assert answer.split(", got")[0] == wanted.split(", got")[0]
        else:
            assert_same(answer, wanted, str(case)[:300])
    verdicts = {answer["verdict"] for answer in expected if isinstance(answer, dict)}
    assert len(verdicts) == 6
    assert sum(isinstance(answer, str) for answer in expected) < 100


def test_the_record_at_any_epsilon_and_dtype_is_the_librarys(page):
    settings = [[epsilon, dtype] for epsilon in (0.01, 0.5, 0.95, 0.999) for dtype in DTYPES]
    found = page.run(
        "return arguments[0].map(([epsilon, dtype]) => ropeRecord.trackRecord({epsilon, dtype}))", settings
    )
    assert found == [asdict(track_record(epsilon, dtype)) for epsilon, dtype in settings]
    assert len({each["bounds_misjudge"] for each in found}) > 1


def test_the_sentences_are_the_librarys(page):
    found = page.run(
        """return ropeAtlas.models.map((model) => {
             const verdict = ropeRecord.judge(model, model.declared_context ?? 4096);
             const shown = verdict.training.shown;
             const seen = (rotary) => shown && ropeRecord.seenSentence(rotary, shown, verdict.context);
             return [ropeRecord.recordSentence(verdict.record), verdict.rotaries.map(seen)];
           })"""
    )
    for model, [sentence, seen] in zip(atlas(), found, strict=True):
        expected = record(judge(model, context=model.declared_context or 4096))
        assert sentence == record_sentence(expected["record"])
        training = expected["training"]["shown"]
        own = [training and seen_sentence(r, training, expected["context"]) for r in expected["rotaries"]]
        assert seen == own, model.name


def test_seen_angles_of_random_spectra_as_the_library_finds_them(page):
    random = np.random.default_rng(260318017)
    cases, expected = [], []
    for _ in range(300):
        case = random_case(random)
        rotary = Rotary(**{**case["rotary"], "scaling": FrozenDict(case["rotary"]["scaling"])})
        base = None if random.integers(3) else float(10 ** random.uniform(0.1, 8))
        training = Stage("original", int(10 ** random.uniform(0, 6)), base, "declared", "a test")
        try:
            inv_freq = rotary.spectrum(case["context"])[0].tolist()
        except ValueError:
            continue
        seen = seen_angles(rotary, training, case["context"])
        cases.append([{**case["rotary"], "inv_freq": inv_freq}, asdict(training), case["context"]])
        expected.append({name: None if value == np.inf else value for name, value in asdict(seen).items()})
    found = page.run("return arguments[0].map((one) => ropeRecord.seenAngles(...one))", cases)
    for case, answer, wanted in zip(cases, found, expected, strict=True):
        assert answer["pairs_beyond"] == wanted["pairs_beyond"], str(case)[:300]
        for name, value in wanted.items():
            close = answer[name] == value or answer[name] == pytest.approx(value, rel=CLOSE)
            assert close, (name, str(case)[:300])
    assert {each["after"] is None for each in expected} == {True, False}


def test_verdicts_at_the_very_edge_of_each_bound(page):
    """At a bound it is met (the wall is not); one float64 below, it is not (the wall is)."""
    cases = [
        [4096, 32, "float32"], [8191.5, 7, "float64"], [131_072, 10, "float32"], [100_000, 3, "float64"],
    ]  # fmt: skip
    verdicts = page.run(
        """const below = (x) => { // the float64 before x
             const bits = new DataView(new ArrayBuffer(8)); bits.setFloat64(0, x);
             bits.setBigUint64(0, bits.getBigUint64(0) - 1n); return bits.getFloat64(0); };
           return arguments[0].map(([context, layers, dtype]) => {
             const bound = rope.bounds(context, layers, {dtype});
             return ["aliasing", "stability", "depth", "precision"].flatMap((name) =>
               [bound[name], below(bound[name])].map((x) => rope.classify(x, context, layers, {dtype})));
           })""",
        cases,
    )
    for [context, layers, dtype], found in zip(cases, verdicts, strict=True):
        own = [
            aliasing_bound(context),
            stability_bound(context),
            stability_bound(context, layers=layers),
            2.0 ** SIGNIFICAND_BITS[dtype],
        ]
        edges = [base for bound in own for base in (bound, np.nextafter(bound, 0))]
        expected = [classify(base, context, layers, dtype=dtype) for base in edges]
        assert found == expected
        assert expected == [
            "unstable", "aliased", "unstable_at_depth", "unstable", "stable", "unstable_at_depth",
            "beyond_precision", "stable",
        ]  # fmt: skip


def test_an_empty_zone_begins_where_the_depth_bound_meets_the_wall(page):
    context = float(max_context(2.0**23, layers=32))
    found = page.run(
        "return [1 + 1e-12, 1 - 1e-12].map((x) => rope.classify(5e6, arguments[0] * x, 32))", context
    )
    assert found == ["infeasible", "unstable_at_depth"]


def test_the_longest_context_of_each_bound_inverts_it(page):
    found = page.run("return rope.longestContexts(5e5, 32)")
    assert found["aliasing"] == pytest.approx(2 * np.pi * 5e5, rel=CLOSE)
    assert found["stability"] == pytest.approx(max_context(5e5), rel=CLOSE)
    assert found["depth"] == pytest.approx(max_context(5e5, layers=32), rel=CLOSE)


def test_first_negative_similarity_as_the_library_finds_it(page):
    random = np.random.default_rng(14591)
    cases = [
        [float(10 ** random.uniform(0.05, 7)), 2 * int(random.integers(1, 129)), 200_000] for _ in range(40)
    ] + [[1e4, 128, 1_706], [1e4, 128, 1_707], [5e5, 128, 100_000], [1e12, 4, 200_000], [10.0, 2, 10]]
    expected = [men_first_negative(base, dim, limit=limit) for base, dim, limit in cases]
    search = "([base, dim, limit]) => rope.menFirstNegative(rope.frequencies(base, dim), limit)"
    assert page.run(f"return arguments[0].map({search})", cases) == expected
    assert None in expected
    assert max(filter(None, expected)) > 65_536  # beyond the first block


def test_first_negative_similarity_of_a_scaled_spectrum(page):
    scaled, _ = scaled_frequencies("linear", 10_000.0, 128, {"factor": 4.0}, 4096)
    first = page.run("return rope.menFirstNegative(arguments[0], 20000)", scaled.tolist())
    similarity = np.cos(np.outer(np.arange(1, first + 1), scaled)).sum(axis=1)
    assert similarity[-1] < 0
    assert (similarity[:-1] >= 0).all()


def test_a_sum_too_close_to_zero_is_taken_again(page):
    """1 + cos m is never negative, however the rounding of large sums falls."""
    assert page.run("return rope.menFirstNegative([1, 0], 300000)") is None


@pytest.mark.parametrize(
    ("scaling", "parameters"),
    [
        ("linear", {}),
        ("linear", {"factor": 0.5}),
        ("linear", {"factor": 1e40}),
        ("ntk", {"factor": -2}),
        ("dynamic", {"factor": 2}),
        ("yarn", {"factor": 2, "original_max_position_embeddings": 1}),
        ("yarn", {"factor": 2, "original_max_position_embeddings": 4096, "beta_fast": 1, "beta_slow": 2}),
        ("yarn", {"factor": 2, "original_max_position_embeddings": 4096, "truncate": "no"}),
        ("yarn", {"factor": 2, "original_max_position_embeddings": 4096, "mscale": -1}),
        ("llama3", {"factor": 2, "original_max_position_embeddings": 4096, "low_freq_factor": 4}),
        ("llama3", {"factor": 2, "original_max_position_embeddings": 4096, "low_freq_factor": 4,
                    "high_freq_factor": 3}),
        ("longrope", {"factor": 2, "original_max_position_embeddings": 4096, "long_factor": [1, 2, 3]}),
        ("longrope", {"factor": 2, "original_max_position_embeddings": 4096, "long_factor": [1, 2, 3, -4]}),
        ("freq_factors", {"freq_factors": [1, 2]}),
        ("proportional", {"partial_rotary_factor": 1.5}),
        ("mrope", {"mrope_section": [1, 1]}),
    ],
)  # fmt: skip
def test_refuses_what_the_library_refuses_in_its_words(page, scaling, parameters):
    with pytest.raises(ValueError, match="must") as caught:
        scaled_frequencies(scaling, 10_000.0, 8, parameters, 8192)
    call = "rope.scaledFrequencies(arguments[0], 1e4, 8, arguments[1], 8192)"
    message = page.run(f"try {{ {call} }} catch (error) {{ return error.message }}", scaling, parameters)
    absent = str(caught.value).endswith("got None")
    assert message == (str(caught.value).replace("got None", "got nothing") if absent else str(caught.value))


@pytest.mark.parametrize(
    ("base", "written"), [(0, "0"), (1, "1"), (-5, "-5"), (float("inf"), "Infinity"), (float("nan"), "NaN")]
)
def test_refuses_a_base_in_the_librarys_words(page, base, written):
    with pytest.raises(ValueError, match="must") as caught:
        frequencies(base, 8)
    script = f"try {{ rope.frequencies({written}, 8) }} catch (error) {{ return error.message }}"
    assert page.run(script) == str(caught.value)
