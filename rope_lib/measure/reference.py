"""The one measurement that chapters and claims share: the packaged model on the reference text."""

from functools import cache

from .load import load_model, tokenize
from .sweep import measured
from .tables import Sweep
from .text import reference_text

# Input lengths in tokens. The model was trained to 8,192; beyond that the steps are finer.
LENGTHS = (512, 1_024, 2_048, 4_096, 8_192, 10_240, 12_288, 16_384)


@cache
def reference_sweep() -> tuple[Sweep, int]:
    """The `Sweep` of the packaged model at `LENGTHS`, and the model's trained length in tokens.

    The first call on a machine measures, which takes minutes; later ones read the store. Raises
    FileNotFoundError where the packaged model is not installed.
    """
    model = load_model()
    trained = model.network.config.get_text_config().max_position_embeddings
    return measured(model, tokenize(model, reference_text(), max(LENGTHS)), LENGTHS), trained
