"""A4: depth, phase errors compound over layers."""

from rope_lib.theory.bounds import allowed_drift

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Numbers, Row, Verdict
from .practice import practice
from .settings import EPSILON

NEAR = 0.1  # by how much, in relative terms, the joint loss of similarity may miss the product's
STRONG, WEAK = 0.5, 0.1  # shares of the predicted harm


def measure_product() -> Numbers:
    """The loss of similarity with all layers misaligned, and what single layers predict by their product."""
    from rope_lib.findings.depth import last_layer, product_law
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import misaligned_hidden_states
    from rope_lib.measure.text import reference_text

    model = load_model()
    tokens = tokenize(model, reference_text(), 256)
    layers = model.network.config.num_hidden_layers
    drift = float(allowed_drift(EPSILON))
    singles = misaligned_hidden_states(model, tokens, drift, [[layer] for layer in range(1, layers + 1)])
    sets = [range(1, count + 1) for count in (layers // 2, layers)]
    law = product_law(singles, misaligned_hidden_states(model, tokens, drift, sets))
    return {
        "layers": layers,
        "half": layers // 2,
        "half_joint": float(law.joint[0]),
        "half_product": float(law["product"][0]),
        "joint": float(law.joint[1]),
        "product": float(law["product"][1]),
        "single": float((1 - last_layer(singles).cosine).mean()),
    }


def judge_product(numbers: Numbers) -> Finding:
    """The premise is right if misalignments multiply: with half of the layers misaligned, and with all, the
    loss of similarity is that of the product of single layers to within a tenth. A caveat if to within a
    factor of two, else it is wrong.
    """
    ratios = [numbers["joint"] / numbers["product"], numbers["half_joint"] / numbers["half_product"]]
    near = all(abs(ratio - 1) <= NEAR for ratio in ratios)
    within = all(0.5 <= ratio <= 2 for ratio in ratios)
    return Finding(
        HOLDS if near else CAVEAT if within else REFUTED,
        (
            "In SmolLM2-135M a phase error of arccos {epsilon} in the slowest pair of all {layers} layers "
            "costs {joint:.2e} of the cosine of hidden states, where the product of single layers predicts "
            "{product:.2e}; in the first {half} layers {half_joint:.2e} and {half_product:.2e}."
        ).format(**numbers, epsilon=EPSILON),
    )


def measure_strength() -> Numbers:
    """What the tolerated phase error does in every layer of the packaged model, beside half a turn."""
    from rope_lib.findings.depth import last_layer
    from rope_lib.measure.load import load_model, tokenize
    from rope_lib.measure.positions import accumulated_phase, misaligned_hidden_states
    from rope_lib.measure.text import reference_text

    model = load_model()
    tokens = tokenize(model, reference_text(), 256)
    layers = model.network.config.num_hidden_layers
    every = [range(1, layers + 1)]
    phases = accumulated_phase(model, tokens, shift=3_500).groupby("layer").phase.mean()
    drifts = {"cosine": float(allowed_drift(EPSILON)), "destroyed": 3.141592653589793}
    cosines = {
        name: float(last_layer(misaligned_hidden_states(model, tokens, drift, every)).cosine.iloc[0])
        for name, drift in drifts.items()
    }
    return {
        "layers": layers,
        "phase_first": float(phases.iloc[0]),
        "phase_last": float(phases.iloc[-1]),
        **cosines,
    }


def judge_strength(numbers: Numbers) -> Finding:
    """The mechanism has the strength that the bound assumes if the tolerated error in every layer does at
    least half of the harm that it predicts, 1 - ε^N, on a scale where half a turn in every layer does all;
    a caveat from a tenth on; else not.
    """
    predicted = 1 - EPSILON ** numbers["layers"]
    harm = (1 - numbers["cosine"]) / (1 - numbers["destroyed"])
    share = harm / predicted
    return Finding(
        HOLDS if share >= STRONG else CAVEAT if share >= WEAK else REFUTED,
        (
            "The phase does not add up over layers: the slowest pair is turned by {phase_first:.3f} rad in "
            "the first and by {phase_last:.3f} in the last of {layers}. The tolerated phase error in every "
            "layer leaves hidden states with a cosine of {cosine:.4f}; half a turn in every layer, which "
            "destroys the model, leaves {destroyed:.2f}. That is {harm:.1%} of the harm, where the bound "
            "predicts {predicted:.0%}."
        ).format(**numbers, harm=harm, predicted=predicted),
    )


def judge_depth(numbers: Numbers) -> Verdict:
    """The rule until 2026-11-27."""
    compounds = numbers["phase_last"] > 0.5 * numbers["layers"] * numbers["phase_first"]
    decays = numbers["cosine"] < 2 * EPSILON ** numbers["layers"]
    return HOLDS if compounds and decays else CAVEAT if compounds or decays else REFUTED


CLAIMS = (
    Claim(
        id="A4",
        statement="Depth: small misalignments compound over N layers, base ≥ L/arccos(ε^(1/N)).",
        place="Method",
        standing="stated",
        chapter="04_depth",
        in_short="misalignments do multiply over layers, from a loss some 200 times smaller than assumed",
        formula=Row(
            measure=measure_product,
            judge=judge_product,
            refuted_by={
                "layers": 30,
                "half": 15,
                "half_joint": 2e-3,
                "half_product": 6e-3,
                "joint": 4e-3,
                "product": 1.2e-2,
                "single": 4e-4,
            },
            needs=("model",),
        ),
        consequence=Row(
            measure=measure_strength,
            judge=judge_strength,
            refuted_by={
                "layers": 30,
                "phase_first": 0.05,
                "phase_last": 0.05,
                "cosine": 0.99,
                "destroyed": 0.8,
            },
            needs=("model",),
        ),
        practice=practice("A4"),
        history=(
            Earlier(
                until="2026-11-27",
                rule=(
                    "Holds if the phase grows with the layer and the similarity falls as ε^N; a caveat if "
                    "only one of them."
                ),
                why=(
                    "It could hardly come out otherwise: the architecture excludes that the phase adds up, "
                    "and even a destroyed model keeps a cosine far above ε^N. And it says nothing of the "
                    "product law, which is the premise."
                ),
                row="consequence",
                judge=judge_depth,
            ),
        ),
    ),
)
