"""The loss of a model whose cosines and sines are computed by a scheme of `theory.precision`.

The weights and all else stay as they are, so that a change of the loss is that of the rotation's rounding. At
a shift, which exact arithmetic would not notice, so is a change against the same scheme without it.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from rope_lib.runs.store import stored
from rope_lib.theory.arguments import Floats
from rope_lib.theory.bounds import precision_wall
from rope_lib.theory.precision import SCHEMES, Scheme, mixed

from .huggingface import ModelOutput, PreTrainedModel
from .intercept import Vectors, replaced_tables
from .load import LanguageModel, load_model, tokenize
from .losses import loss_by_position
from .memory import check_fits
from .store import identity
from .text import reference_text

EXACT = "float64 angles"
_ROUNDED = "bfloat16 angles"


def _below_epsilon(freqs: Floats) -> NDArray[np.bool_]:
    """The pairs whose increment is below bfloat16's machine epsilon, which claim A5 is about."""
    return freqs < 1 / float(precision_wall("bfloat16"))


# The schemes by name, and two that round to bfloat16 either the angles that A5 is about or all the others.
MODEL_SCHEMES: dict[str, Scheme] = {
    **SCHEMES,
    f"{_ROUNDED}, slow pairs": mixed(SCHEMES[_ROUNDED], SCHEMES[EXACT], _below_epsilon),
    f"{_ROUNDED}, fast pairs": mixed(SCHEMES[_ROUNDED], SCHEMES[EXACT], lambda freqs: ~_below_epsilon(freqs)),
}

# What is measured on the packaged model at the length that it declares: schemes and shifts in tokens.
REFERENCE_LENGTH = 8_192
REFERENCE_RUNS: tuple[tuple[str | None, int], ...] = (
    (None, 0),
    ("bfloat16 tables", 0),
    ("bfloat16 angles", 0),
    ("bfloat16 angles, slow pairs", 0),
    ("bfloat16 angles, fast pairs", 0),
    (None, 10**6),
)
WHOLE_MODEL = "bfloat16 model"


def rounded_losses(
    model: LanguageModel, tokens: torch.Tensor, scheme: str | None = None, *, shift: int = 0
) -> pd.DataFrame:
    """Loss of a model by position, with tables by a scheme and every position raised by `shift`.

    `tokens` has shape `(length,)`; `scheme` is a name in `MODEL_SCHEMES`, or None for the tables that the
    model computes itself. One row for each token after the first: scheme ("as shipped" for None), shift,
    position (without the shift) and nll, in nats. Raises ValueError for another scheme, for a model whose
    RoPE is scaled where a scheme is given, and for more tokens than memory holds.
    """
    if scheme is not None and scheme not in MODEL_SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(MODEL_SCHEMES)}, got {scheme!r}")
    network = model.network
    check_fits(network, len(tokens))
    if scheme is None:
        outputs = _forward(network, tokens, shift)
    else:
        with replaced_tables(network, _tables(network, MODEL_SCHEMES[scheme])):
            outputs = _forward(network, tokens, shift)
    with torch.inference_mode():
        losses = loss_by_position(network, outputs, tokens).drop(columns="pass")
    losses.insert(0, "scheme", "as shipped" if scheme is None else scheme)
    losses.insert(1, "shift", shift)
    return losses


def measured_losses(
    model: LanguageModel, tokens: torch.Tensor, scheme: str | None = None, *, shift: int = 0
) -> pd.DataFrame:
    """`rounded_losses`, or what it returned before for the same model, tokens, scheme, shift and code."""
    inputs = identity([__name__], model, tokens, scheme=scheme, shift=shift)
    return stored("rounded", inputs, lambda: {"losses": rounded_losses(model, tokens, scheme, shift=shift)})[
        "losses"
    ]


@cache
def reference_rounding() -> pd.DataFrame:
    """The `REFERENCE_RUNS` of the packaged model on the reference text, and `WHOLE_MODEL`, held in bfloat16.

    The tables of `rounded_losses`, one below the other. The first call on a machine measures, which takes
    minutes; later ones read the store. Raises FileNotFoundError where the packaged model is not installed.
    """
    model, text = load_model(), reference_text()
    tokens = tokenize(model, text, REFERENCE_LENGTH)
    parts = [measured_losses(model, tokens, scheme, shift=shift) for scheme, shift in REFERENCE_RUNS]
    parts.append(measured_losses(load_model(dtype="bfloat16"), tokens).assign(scheme=WHOLE_MODEL))
    return pd.concat(parts, ignore_index=True)


def _tables(network: PreTrainedModel, scheme: Scheme) -> Callable[[torch.Tensor, torch.Tensor], Vectors]:
    """What the rotary module of a model returns, for `replaced_tables`, by the scheme."""
    parameters, dim = network.config.rope_parameters, network.config.head_dim
    if parameters["rope_type"] != "default":
        raise ValueError(
            f"rope_type must be 'default' to replace its tables, got {parameters['rope_type']!r}"
        )

    def forward(hidden: torch.Tensor, position_ids: torch.Tensor) -> Vectors:
        tables = scheme(position_ids[0].cpu().numpy(), parameters["rope_theta"], dim)
        # Half-split layout: both halves of the channels share the table. One row serves the whole batch.
        cos, sin = (torch.from_numpy(table).to(hidden).repeat(1, 2)[None] for table in tables)
        return cos, sin

    return forward


def _forward(network: PreTrainedModel, tokens: torch.Tensor, shift: int) -> ModelOutput:
    """What the decoder returns for `tokens` at positions that count from `shift`."""
    positions = torch.arange(len(tokens), device=network.device) + int(shift)
    with torch.inference_mode():
        return network.get_decoder()(
            tokens[None].to(network.device), position_ids=positions[None], use_cache=False
        )
