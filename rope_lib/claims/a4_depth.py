"""A4: depth, phase errors compound over layers."""

from rope_lib.theory.bounds import allowed_drift, max_context

from .claim import CAVEAT, HOLDS, REFUTED, Claim, Finding, Numbers, Row
from .settings import EPSILON


def measure_depth() -> Numbers:
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


def judge_depth(numbers: Numbers) -> Finding:
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


CLAIMS = (
    Claim(
        id="A4",
        statement="Depth: small misalignments compound over N layers, base ≥ L/arccos(ε^(1/N)).",
        place="Method",
        standing="stated",
        chapter="04_depth",
        in_short="phase errors do not compound over layers as the bound assumes",
        consequence=Row(
            measure=measure_depth,
            judge=judge_depth,
            refuted_by={
                "layers": 30,
                "phase_first": 0.05,
                "allowed_context": 5846,
                "trained_context": 8192,
                "phase_last": 0.05,
                "cosine": 0.99,
            },
            needs=("model",),
        ),
    ),
)
