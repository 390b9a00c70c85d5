"""Paper A's claims A1 to A8: each with the measurement that tests it and the rule that judges it.

`measure_*` returns plain numbers, `judge_*` turns them into a finding by a rule stated in its docstring.
Evidence states the numbers and leaves the conclusion to the verdict.
"""

import numpy as np

from rope_lib.models.case_studies import case_studies
from rope_lib.models.verdicts import disagreements
from rope_lib.theory.bounds import (
    allowed_drift,
    goldilocks_zone,
    max_context,
    precision_wall,
    stability_bound,
)
from rope_lib.theory.oscillators import bank_similarity, frequencies, rotate
from rope_lib.theory.precision import FLOAT32, FLOAT64_ANGLE, direct_product, phase_error

from .claim import CAVEAT, HOLDS, NOT_TESTABLE, REFUTED, Claim, Finding

EPSILON = 0.95  # the similarity to keep, as reported second-hand for paper A
BASE, HEAD_DIM = 10_000, 128  # the base of paper A's figure and the head size of the models it studies


# A1: relative positions


def measure_relative_position():
    """How far norms and scores of random vectors move under rotation and under a common shift."""
    random = np.random.default_rng(0)
    freqs = frequencies(BASE, HEAD_DIM)
    query, key = random.standard_normal((2, 200, HEAD_DIM))
    positions = random.integers(0, 100_000, 200)

    def scores(shift):
        rotated = (
            rotate(x[:, None], [p + shift], freqs, "half_split")[:, 0] for x, p in ((query, 7), (key, 0))
        )
        return np.sum(np.multiply(*rotated), axis=-1)

    norms = np.linalg.norm(rotate(query, positions, freqs, "half_split"), axis=-1)
    return {
        "norm_change": float(np.abs(norms / np.linalg.norm(query, axis=-1) - 1).max()),
        "score_change": float(np.abs(scores(100_000) - scores(0)).max()),
        "score_size": float(np.abs(scores(0)).max()),
    }


def judge_relative_position(numbers):
    """A1 holds when norms and scores agree to float64 rounding."""
    exact = numbers["norm_change"] < 1e-12 and numbers["score_change"] < 1e-9 * numbers["score_size"]
    return Finding(
        HOLDS if exact else REFUTED,
        (
            "Scores of random vectors up to {score_size:.0f} change by "
            "less than 1e-{score_digits} when both positions move by 100,000; norms by less than "
            "1e-{norm_digits} in relative terms."
        ).format(
            **numbers,
            score_digits=_digits(numbers["score_change"]),
            norm_digits=_digits(numbers["norm_change"]),
        ),
    )


# A2: aliasing


def measure_aliasing():
    """Similarity of the slowest mode and of the whole bank where the slowest mode completes its turn."""
    freqs = frequencies(BASE, HEAD_DIM)
    period = int(np.rint(2 * np.pi / freqs[-1]))
    return {
        "modes": HEAD_DIM // 2,
        "stated_horizon": 2 * np.pi * BASE,
        "period": period,
        "mode": float(np.cos(period * freqs[-1])),
        "bank": float(bank_similarity(period, freqs)),
        "neighbor": float(bank_similarity(1, freqs)),
    }


def judge_aliasing(numbers):
    """A2 holds for a mode that returns; it carries over to positions only if the whole bank returns too."""
    returns = numbers["mode"] > 0.999
    confused = numbers["bank"] >= numbers["neighbor"]
    verdict = HOLDS if returns and confused else CAVEAT if returns else REFUTED
    return Finding(
        verdict,
        (
            "The slowest of {modes} modes returns after {period:,} tokens (the stated horizon, "
            "with 1/base for its frequency, is {stated_horizon:,.0f}). The whole bank's similarity there is "
            "{bank:.2f}, against {neighbor:.2f} between neighbors."
        ).format(**numbers),
    )


# A3: stability


def measure_stability():
    """The drift at the bound, and the cases known to work although they violate it."""
    works = [case for case in case_studies() if case.observed == "works"]
    bound = [float(stability_bound(case.context_length, EPSILON)) for case in works]
    context = 4096
    return {
        "similarity_at_bound": float(np.cos(context / stability_bound(context, EPSILON))),
        "works": len(works),
        "works_in_violation": sum(
            case.effective_base < need for case, need in zip(works, bound, strict=True)
        ),
    }


def judge_stability(numbers):
    """The inequality must hold as derived; cases that work in violation of it refute its necessity."""
    derived = abs(numbers["similarity_at_bound"] - EPSILON) < 1e-12
    violated = numbers["works_in_violation"] > 0
    return Finding(
        REFUTED if not derived else CAVEAT if violated else HOLDS,
        (
            "At the bound the slowest mode keeps a similarity of {similarity_at_bound:.2f}. Of "
            "{works} cases known to work {works_in_violation} violate the bound."
        ).format(**numbers),
    )


# A4: depth


def measure_depth():
    """Phase of the slowest pair in every layer of the packaged model, and its limit by the depth bound."""
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import accumulated_phase, misaligned_hidden_states
    from rope_lib.measure.text import reference_text

    model = load_model()
    config = model.network.config
    tokens = tokenize(model, reference_text(), 256)
    layers = config.num_hidden_layers
    phases = accumulated_phase(model, tokens, shift=3_500).groupby("layer").phase.mean()
    disturbed = misaligned_hidden_states(model, tokens, float(allowed_drift(EPSILON)), [layers])
    return {
        "layers": layers,
        "phase_first": float(phases.iloc[0]),
        "phase_last": float(phases.iloc[-1]),
        "cosine": float(disturbed.cosine.iloc[-1]),
        "allowed_context": float(max_context(config.rope_parameters["rope_theta"], EPSILON, layers=layers)),
        "trained_context": config.max_position_embeddings,
    }


def judge_depth(numbers):
    """A4 rests on compounding: the phase would grow with the layer, the similarity fall as ε^N."""
    compounds = numbers["phase_last"] > 0.5 * numbers["layers"] * numbers["phase_first"]
    predicted = EPSILON ** numbers["layers"]
    decays = numbers["cosine"] < 2 * predicted
    return Finding(
        HOLDS if compounds and decays else CAVEAT if compounds or decays else REFUTED,
        (
            "In a model of {layers} layers the slowest pair is turned by {phase_first:.3f} rad in "
            "the first layer and by {phase_last:.3f} in the last. A phase error "
            "of arccos {epsilon} in every layer leaves hidden states with a cosine of {cosine:.2f} where "
            "compounding predicts {predicted:.2f}. The bound allows {allowed_context:,.0f} tokens; the model "
            "is trained on {trained_context:,}."
        ).format(**numbers, epsilon=EPSILON, predicted=predicted),
    )


# A5: the precision wall


def measure_wall():
    """Worst float32 phase error at two positions, for a base below the wall and one far beyond it."""

    def worst(position, base):
        near = np.arange(position - 512, position)
        return float(
            np.abs(phase_error(*direct_product(near, base, HEAD_DIM, FLOAT32), near, base, HEAD_DIM)).max()
        )

    return {
        "wall": float(precision_wall()),
        "low_base": 1e4,
        "high_base": 1e12,
        "low_base_error": worst(2**17, 1e4),
        "high_base_error": worst(2**17, 1e12),
        "far_error": worst(2**20, 1e4),
    }


def judge_wall(numbers):
    """A wall in the base would make the error beyond it far larger; one in the position grows with it."""
    base_matters = numbers["high_base_error"] > 10 * numbers["low_base_error"]
    position_matters = numbers["far_error"] > 4 * numbers["low_base_error"]
    return Finding(
        HOLDS if base_matters else REFUTED if position_matters else NOT_TESTABLE,
        (
            "Worst float32 phase error near position 131,072: {low_base_error:.1e} rad at base "
            "{low_base:.0e}, {high_base_error:.1e} at base {high_base:.0e}, far beyond "
            "the wall of {wall:,.0f}. Near position 1,048,576 it is {far_error:.1e}."
        ).format(**numbers),
    )


# A6: the Goldilocks zone


def measure_zone():
    """Where the cases known to work lie: below, inside or above their zone."""
    works = [case for case in case_studies() if case.observed == "works"]
    zones = [goldilocks_zone(case.context_length, epsilon=EPSILON, layers=case.num_layers) for case in works]
    pairs = list(zip(works, zones, strict=True))
    hypothetical = goldilocks_zone(1_000_000, epsilon=EPSILON, layers=32)
    return {
        "works": len(works),
        "below": sum(bool(case.effective_base < zone.lower) for case, zone in pairs),
        "above": sum(bool(case.effective_base >= zone.upper) for case, zone in pairs),
        "hypothetical_is_empty": bool(hypothetical.is_empty),
    }


def judge_zone(numbers):
    """The interval follows from its two sides; models that work outside it show what the sides are worth."""
    outside, empty = numbers["below"] + numbers["above"], numbers["hypothetical_is_empty"]
    return Finding(
        REFUTED if not empty else CAVEAT if outside else HOLDS,
        (
            "For a million tokens and 32 layers the zone is {state}. Of {works} cases known to work "
            "{below} lie below their zone and {above} above it."
        ).format(**numbers, state="empty" if empty else "not empty"),
    )


# A7: case studies


def measure_cases():
    """Cases that the verdicts misjudge and that the training length does, under three readings."""
    known = [case for case in case_studies() if case.observed != "unknown"]
    scored = [case for case in known if case.ruler is not None]
    decided = [case for case in known if case.observed != "degrades"]
    numbers = {}
    for reading, cases in (("known", known), ("scored", scored), ("decided", decided)):
        numbers[reading] = len(cases)
        numbers[f"{reading}_wrong"], numbers[f"{reading}_rival"] = disagreements(cases, epsilon=EPSILON)
    return numbers


def judge_cases(numbers):
    """A7 asks that the verdicts match what is observed and beat a simple rule, under every reading."""
    readings = ("known", "scored", "decided")
    wrong = [numbers[f"{reading}_wrong"] for reading in readings]
    better = [numbers[f"{reading}_wrong"] < numbers[f"{reading}_rival"] for reading in readings]
    return Finding(
        HOLDS if not any(wrong) else CAVEAT if all(better) else REFUTED,
        (
            "On Table 1 as reconstructed and cases added, the verdict 'stable' and the observation 'works' "
            "disagree in {known_wrong} of {known} cases of known behavior, where a rule that only compares "
            "the length with that of training errs in {known_rival}; in {scored_wrong} against "
            "{scored_rival} of the {scored} that a benchmark scored; and in {decided_wrong} against "
            "{decided_rival} of the {decided} that clearly work or fail. Training lengths are mostly from "
            "memory, and the paper's own table was not available."
        ).format(**numbers),
    )


# A8: the wall beyond a million tokens


def measure_million():
    """Loss of the packaged model with all positions shifted, in the angles it ships with and in float64."""
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import shifted_losses
    from rope_lib.measure.text import reference_text

    model = load_model()
    tokens = tokenize(model, reference_text(), 512)
    shipped = shifted_losses(model, tokens, [0, 10**6], {"float32": None}).loss
    accurate = shifted_losses(model, tokens, [10**9], {"float64": FLOAT64_ANGLE}).loss
    return {
        "loss": float(shipped[0]),
        "change_at_million": abs(float(shipped[1] - shipped[0])),
        "change_at_billion_float64": abs(float(accurate[0] - shipped[0])),
    }


def judge_million(numbers):
    """A hard wall would show as a loss that rises near a million tokens whatever the arithmetic."""
    float32_wall = numbers["change_at_million"] > 0.1
    any_wall = numbers["change_at_billion_float64"] > 1e-3
    return Finding(
        HOLDS if float32_wall and any_wall else CAVEAT if float32_wall or any_wall else REFUTED,
        (
            "With all positions raised by a million, the loss of SmolLM2-135M in its float32 angles, "
            "{loss:.3f}, changes by {change_at_million:.4f}; raised by a billion, with float64 angles, by "
            "{change_at_billion_float64:.4f}."
        ).format(**numbers),
    )


def _digits(error):
    """Decimal digits that an error leaves: its own digits differ between machines, its size hardly."""
    return int(-np.ceil(np.log10(max(error, 1e-16))))


CLAIMS = (
    Claim(
        "A1",
        "A",
        "RoPE is phase modulation of complex oscillators; the score depends on the relative position only.",
        "Method, oscillator bank",
        "stated",
        "01_oscillator_bank",
        False,
        measure_relative_position,
        judge_relative_position,
    ),
    Claim(
        "A2",
        "A",
        "Aliasing: the lowest mode must not complete a cycle within the context, L < 2π·base.",
        "Method, Figure 1",
        "stated",
        "02_aliasing",
        False,
        measure_aliasing,
        judge_aliasing,
    ),
    Claim(
        "A3",
        "A",
        "DC stability: the lowest mode keeps cosine similarity ε over the context, base ≥ L/arccos(ε).",
        "Method",
        "stated",
        "03_dc_stability",
        False,
        measure_stability,
        judge_stability,
    ),
    Claim(
        "A4",
        "A",
        "Depth: small misalignments compound over N layers, base ≥ L/arccos(ε^(1/N)).",
        "Method",
        "stated",
        "04_depth",
        True,
        measure_depth,
        judge_depth,
    ),
    Claim(
        "A5",
        "A",
        "Precision wall: the phase increment 1/base must exceed machine epsilon, base < 1/ε_mach.",
        "Method",
        "stated",
        "05_precision_wall",
        False,
        measure_wall,
        judge_wall,
    ),
    Claim(
        "A6",
        "A",
        "Goldilocks zone: feasible bases lie in [L/arccos(ε^(1/N)), 1/ε_mach).",
        "Method",
        "stated",
        "06_goldilocks_zone",
        False,
        measure_zone,
        judge_zone,
    ),
    Claim(
        "A7",
        "A",
        "The verdicts on deployed models match their observed behavior, retrofits included, better than "
        "empirical heuristics do.",
        "Abstract and summary; the table itself is reconstructed",
        "stated",
        "07_case_studies",
        False,
        measure_cases,
        judge_cases,
    ),
    Claim(
        "A8",
        "A",
        "Beyond about one million tokens there is a hard precision wall, independent of architecture or "
        "training.",
        "Abstract",
        "stated",
        "05_precision_wall",
        True,
        measure_million,
        judge_million,
    ),
)
