"""A pretrained model whose rotation is exchanged, and brief tuning that may bring its loss back.

An `Arm` is a rotation for a model that was trained with another one; `arms` lists those that the book
compares, the unchanged one among them. `tune` teaches a model its arm on pieces of a text. The positions of
a piece are spread over the trained length: it is cut in two, and the second part stands farther on (PoSE,
Zhu et al. 2309.10400), so that pieces of a few hundred tokens show the model all distances up to that length.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from rope_lib.measure.attending import Intervention, Json, spectrum_of, trained_length
from rope_lib.measure.break_losses import losses_of_stretches
from rope_lib.measure.huggingface import PreTrainedModel
from rope_lib.measure.interventions import Spectrum, Temperature
from rope_lib.measure.load import LanguageModel
from rope_lib.theory.arguments import Floats, above_one, one, whole
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.scaling import ORIGINAL_LENGTH, scaled_frequencies

from .config import Training
from .loop import autocast, generator_for, learning_rate

LARGER_BASE = 1e6
CONTROL, ROPE_ID, BASE, DROPPED = "control", "rope_id", "base", "dropped"

# What every arm learns from: 48 pieces of 512 tokens, each once, at a rate that rises for 5 steps.
PLAN = Training(
    steps=48, batch=1, length=512, learning_rate=3e-4, warmup=0.1, final_rate=0.1, weight_decay=0.0,
    dtype="bfloat16",
)  # fmt: skip
EVERY = 16  # steps between two points of a learning curve


@dataclass(frozen=True, eq=False)
class Arm(Intervention):
    """A model rotates by `inv_freq`, radians per token, one for each pair.

    Where it is `tempered`, queries beyond the `trained` length carry RoPE-ID's temperature.
    """

    inv_freq: Floats = field(repr=False)
    trained: int
    tempered: bool = False

    def described(self) -> dict[str, Json]:
        """As for every intervention."""
        frequencies = list(map(float, self.inv_freq))
        return super().described() | {
            "inv_freq": frequencies, "trained": self.trained, "tempered": self.tempered,
        }  # fmt: skip

    @contextmanager
    def applied(self, network: PreTrainedModel) -> Iterator[None]:
        """As for every intervention. Raises ValueError as `interventions.Spectrum` and `Temperature` do."""
        with ExitStack() as both:
            both.enter_context(Spectrum(self.name, self.label, self.inv_freq).applied(network))
            if self.tempered:
                both.enter_context(Temperature(self.name, self.label, self.trained).applied(network))
            yield


def nearest_pairs(band: Floats, own: Floats) -> Floats:
    """A band of frequencies on consecutive pairs of a model, those whose `own` are nearest; 0 elsewhere.

    `own` `(pairs,)` falls, and so does `band` `(rotating,)`, which has no more entries. Nearest is least in
    the sum of the squares of the logarithms of their ratios. Before training channels are alike, and which
    of them rotate is a convention; a trained model has made them different.

    >>> nearest_pairs(np.array([0.12, 0.02]), np.array([1.0, 0.1, 0.01, 0.001]))
    array([0.  , 0.12, 0.02, 0.  ])
    """
    places = range(int(one(whole, "pairs left over", len(own) - len(band), 0)) + 1)
    moved = [np.sum(np.log(own[place : place + len(band)] / band) ** 2) for place in places]
    at, found = int(np.argmin(moved)), np.zeros(len(own))
    found[at : at + len(band)] = band
    return found


def arms(network: PreTrainedModel, larger: float = LARGER_BASE) -> dict[str, Arm]:
    """The rotations that the book compares, by name, for a model with unscaled RoPE.

    `control` is the model's own; `rope_id` the band of RoPE-ID for the trained length, on the pairs nearest
    to it, with the temperature; `base` its own spectrum at the base `larger`; `dropped` none at all.
    """
    own, trained = np.array(spectrum_of(network)), trained_length(network)
    dim = 2 * len(own)
    band, _ = scaled_frequencies("rope_id", 10_000.0, dim, {ORIGINAL_LENGTH: trained}, trained)
    found = (
        Arm(CONTROL, "nothing changed", own, trained),
        Arm(ROPE_ID, "RoPE-ID", nearest_pairs(band[band > 0], own), trained, tempered=True),
        Arm(BASE, f"base {larger:,.0f}", frequencies(one(above_one, "larger", larger), dim), trained),
        Arm(DROPPED, "no rotation", np.zeros(len(own)), trained),
    )
    return {arm.name: arm for arm in found}


def spread_positions(generator: torch.Generator, length: int, trained: int) -> torch.Tensor:
    """Positions `(length,)` in two runs: from 0 on, then after a gap on to at most `trained` - 1.

    Where the first run ends and how large the gap is, is drawn uniformly. Raises ValueError for a `length`
    below 2 or beyond `trained`.

    >>> places = spread_positions(generator_for(0, "example"), 6, 100)
    >>> int(places[0]), int((places.diff() > 1).sum()) <= 1, int(places[-1]) < 100
    (0, True, True)
    """
    one(whole, "length", length, 2)
    gaps = one(whole, "trained - length", trained - length, 0) + 1
    first = torch.randint(1, length, (), generator=generator)
    gap = torch.randint(int(gaps), (), generator=generator)
    positions = torch.arange(length)
    return positions + gap * (positions >= first)


def pieces(tokens: torch.Tensor, plan: Training, seed: int) -> torch.Tensor:
    """The pieces `(steps, length)` of a text `(n,)`, side by side in it, in the order of a seed, each once.

    Raises ValueError for a text that is too short for the plan.
    """
    count = len(tokens) // plan.length
    if count < plan.steps:
        raise ValueError(f"tokens must hold {plan.steps} pieces of {plan.length}, got {len(tokens)} tokens")
    order = torch.randperm(count, generator=generator_for(seed, "pieces"))[: plan.steps]
    return tokens[: count * plan.length].view(count, plan.length)[order]


def tuned_weights(network: PreTrainedModel) -> dict[str, torch.nn.Parameter]:
    """The weights that tuning changes, by name: all but the embedding, with which the output layer is tied.

    What tokens mean does not depend on a rotation, and a fixed embedding keeps tuning from learning the
    vocabulary of the text.
    """
    fixed = {id(weights) for weights in network.get_input_embeddings().parameters()}
    fixed |= {id(weights) for weights in network.get_output_embeddings().parameters()}
    return {name: weights for name, weights in network.named_parameters() if id(weights) not in fixed}


def tune(
    model: LanguageModel,
    arm: Arm,
    tokens: torch.Tensor,
    held_out: Mapping[str, torch.Tensor],
    *,
    plan: Training = PLAN,
    every: int = EVERY,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Tune a model, in place, to an arm on the text `tokens` `(n,)`: two tables.

    `curve` has the mean loss (nats) on each of the texts `held_out`, read from position 0, before the first
    step, after every `every` steps and at the end: step, text, nll. `training` has step, loss, learning_rate
    and gap, the tokens that the step's positions leave out. Pieces, positions and rates depend on the seed
    and the plan alone, so that arms differ in their rotation only. Raises ValueError as `pieces` does, and
    FloatingPointError where the loss is not finite.
    """
    one(whole, "every", every, 1)
    network, rows, curve = model.network, [], []
    weights = list(tuned_weights(network).values())
    optimizer = torch.optim.AdamW(
        weights, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2), weight_decay=plan.weight_decay
    )
    read = pieces(tokens, plan, seed)
    for step in tqdm(range(plan.steps), desc=arm.name, unit="step", disable=None):
        if step % every == 0:
            curve.append(held_out_losses(model, arm, held_out, plan.dtype).assign(step=step))
        positions = spread_positions(generator_for(seed, "positions", step), plan.length, arm.trained)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(plan, step)
        loss = _loss(network, arm, read[step], positions, plan.dtype)
        gradients = torch.autograd.grad(loss, weights)
        for each, gradient in zip(weights, gradients, strict=True):
            each.grad = gradient
        torch.nn.utils.clip_grad_norm_(weights, plan.clip)
        optimizer.step()
        optimizer.zero_grad()
        gap = int(positions[-1]) - plan.length + 1
        rows.append(
            {"step": step, "loss": loss.item(), "learning_rate": learning_rate(plan, step), "gap": gap}
        )
    curve.append(held_out_losses(model, arm, held_out, plan.dtype).assign(step=plan.steps))
    table = pd.concat(curve, ignore_index=True)[["step", "text", "nll"]]
    return {"curve": table, "training": pd.DataFrame(rows)}


def held_out_losses(
    model: LanguageModel, arm: Arm, held_out: Mapping[str, torch.Tensor], dtype: str
) -> pd.DataFrame:
    """Mean loss of a model under an arm on each text, tokens `(n,)` by name: text and nll, in nats."""
    means = {}
    with autocast(dtype, model.network.device):
        for name, tokens in held_out.items():
            size = len(tokens)
            found = losses_of_stretches(model, tokens, length=size, size=size, intervention=arm)
            means[name] = float(found.nll.iloc[0])
    return pd.DataFrame({"text": list(means), "nll": list(means.values())})


def _loss(
    network: PreTrainedModel, arm: Arm, tokens: torch.Tensor, positions: torch.Tensor, dtype: str
) -> torch.Tensor:
    """The mean loss of the next token of a piece at given positions, differentiable.

    The mask of ones says that the piece is one text: without it transformers takes a gap for an end.
    """
    tokens, positions = tokens[None].to(network.device), positions[None].to(network.device)
    spectrum = Spectrum(arm.name, arm.label, arm.inv_freq)  # no position lies beyond the trained length
    with autocast(dtype, network.device), spectrum.applied(network):
        whole_piece = torch.ones_like(tokens)
        logits = network(tokens, position_ids=positions, attention_mask=whole_piece, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), tokens[0, 1:])
    if not torch.isfinite(loss):
        raise FloatingPointError(f"loss must be finite, got {loss.item()} with {arm.name}")
    return loss


def moved_pairs(arm: Arm, own: Floats) -> NDArray[np.float64]:
    """The frequency of each pair under an arm over its `own` `(pairs,)`: 1 is unchanged, 0 at rest."""
    return np.asarray(arm.inv_freq) / own
