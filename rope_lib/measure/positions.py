"""Experiments on positions: what exact arithmetic forbids, and what depth does to a misaligned phase.

RoPE's scores depend on differences of positions, so adding one constant to every position changes
nothing in exact arithmetic. Whatever does change comes from rounding (paper A, claims A4, A5 and A8).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from rope_lib.theory.precision import FLOAT64_ANGLE, Arithmetic

from .huggingface import ModelOutput
from .intercept import Vectors, angle_arithmetic, queries_and_keys
from .load import LanguageModel


def shifted_losses(
    model: LanguageModel,
    tokens: torch.Tensor,
    shifts: Sequence[int],
    arithmetics: Mapping[str, Arithmetic | None],
) -> pd.DataFrame:
    """Mean next-token loss with every position raised by a constant: one row per (arithmetic, shift).

    `tokens` has shape `(length,)`; `arithmetics` maps a name to a `theory.precision.Arithmetic`, or to None
    for the tables that the model computes itself. Columns: arithmetic, shift (tokens), loss (nats over the
    length - 1 targets).
    """
    rows = []
    with tqdm(total=len(arithmetics) * len(shifts), unit="pass", desc="shift", disable=None) as progress:
        for name, arithmetic in arithmetics.items():
            with nullcontext() if arithmetic is None else angle_arithmetic(model.network, arithmetic):
                for shift in shifts:
                    loss = _loss(_forward(model, tokens, shift), tokens)
                    rows.append({"arithmetic": name, "shift": int(shift), "loss": loss})
                    progress.update()
    return pd.DataFrame(rows)


def shifted_hidden_states(
    model: LanguageModel,
    tokens: torch.Tensor,
    shifts: Iterable[int],
    arithmetic: Arithmetic = FLOAT64_ANGLE,
) -> pd.DataFrame:
    """Relative change of the hidden state after each layer when every position is raised by a constant.

    One row per (shift, layer), layers counted from 1 for the state after the first: relative_change is
    ‖H_shifted - H‖_F/‖H‖_F over all tokens, where exact arithmetic gives zero.
    """
    rows = []
    with angle_arithmetic(model.network, arithmetic):
        expected = _hidden_states(_forward(model, tokens, output_hidden_states=True))
        for shift in shifts:
            states = _hidden_states(_forward(model, tokens, shift, output_hidden_states=True))
            for layer, (state, reference) in enumerate(zip(states, expected, strict=True), start=1):
                change = ((state - reference).norm() / reference.norm()).item()
                rows.append({"shift": int(shift), "layer": layer, "relative_change": change})
    return pd.DataFrame(rows)


def accumulated_phase(model: LanguageModel, tokens: torch.Tensor, shift: int) -> pd.DataFrame:
    """Phase that the slowest pair of the keys has turned through in each layer, positions raised by `shift`.

    The keys before the rotation are read at the key projection, those after it at the attention, so the
    phase is observed, not computed from the tables. One row per (layer, key head): phase, in radians in
    (-π, π], of the last token; layers count from 1. The model's keys must go from the projection straight
    to the rotation, as in Llama.
    """
    network, config = model.network, model.network.config
    real, imaginary = config.head_dim // 2 - 1, config.head_dim - 1  # the slowest pair's channels, half-split
    before: dict[str, torch.Tensor] = {}
    rows: list[dict[str, float]] = []

    def keep(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        before["key"] = output[0].view(len(tokens), -1, config.head_dim)[-1]

    def visit(layer: int, query: torch.Tensor, key: torch.Tensor) -> None:
        start, turned = (torch.atan2(x[:, imaginary], x[:, real]) for x in (before["key"], key[0, :, -1]))
        phase = torch.remainder(turned - start + np.pi, 2 * np.pi) - np.pi
        rows.extend(
            {"layer": layer + 1, "head": head, "phase": value} for head, value in enumerate(phase.tolist())
        )

    with ExitStack() as hooks:
        for block in network.get_decoder().layers:
            hooks.callback(block.self_attn.k_proj.register_forward_hook(keep).remove)
        hooks.enter_context(angle_arithmetic(network, FLOAT64_ANGLE))
        hooks.enter_context(queries_and_keys(network, visit))
        _forward(model, tokens, shift)
    return pd.DataFrame(rows)


def misaligned_hidden_states(
    model: LanguageModel,
    tokens: torch.Tensor,
    drift: float,
    layer_sets: Iterable[Iterable[int]],
    pair: int = -1,
) -> pd.DataFrame:
    """Hidden states with a phase error in one pair of some layers' keys, against those without.

    In all layers of a set, counted from 1, the chosen `pair` (counted from the fastest; -1 is the slowest) of
    every key is turned by `drift` radians against the queries. One row per (set, layer): `misaligned_layers`
    is the size of the set and `first` its first layer, `cosine` the mean over tokens of the cosine between
    the two hidden states after that layer, `loss` the mean next-token loss of the run, in nats.
    """
    pairs = model.network.config.head_dim // 2
    channels = [range(pairs)[pair], range(pairs)[pair] + pairs]  # half-split layout
    turn = torch.tensor(
        [[np.cos(drift), np.sin(drift)], [-np.sin(drift), np.cos(drift)]], dtype=torch.float32
    )

    def misalign(layer: int, query: torch.Tensor, key: torch.Tensor) -> Vectors | None:
        if layer + 1 not in misaligned:
            return None
        key = key.clone()
        key[..., channels] = key[..., channels] @ turn.to(key)
        return query, key

    expected = _hidden_states(_forward(model, tokens, output_hidden_states=True))
    rows = []
    for misaligned in map(frozenset, layer_sets):
        with queries_and_keys(model.network, misalign):
            output = _forward(model, tokens, output_hidden_states=True)
        loss = _loss(output, tokens)
        for layer, (state, reference) in enumerate(
            zip(_hidden_states(output), expected, strict=True), start=1
        ):
            cosine = torch.cosine_similarity(state, reference, dim=-1).mean().item()
            row = {"misaligned_layers": len(misaligned), "first": min(misaligned), "layer": layer}
            rows.append({**row, "cosine": cosine, "loss": loss})
    return pd.DataFrame(rows)


def hidden_norms(model: LanguageModel, tokens: torch.Tensor) -> pd.DataFrame:
    """How large the hidden states are after each layer: one row per layer, counted from 1.

    `norm` is the Frobenius norm over all tokens `(length, hidden_size)`, `largest` the norm of the largest
    single token's state, `token` its position.
    """
    states = _hidden_states(_forward(model, tokens, output_hidden_states=True))
    rows = []
    for layer, state in enumerate(states, start=1):
        each = state.norm(dim=-1)
        row = {"layer": layer, "norm": state.norm().item(), "largest": each.max().item()}
        rows.append({**row, "token": int(each.argmax())})
    return pd.DataFrame(rows)


def _forward(model: LanguageModel, tokens: torch.Tensor, shift: int = 0, **options: Any) -> ModelOutput:
    """What the model returns for `tokens` at positions that count from `shift`."""
    device = model.network.device
    positions = torch.arange(len(tokens), device=device) + int(shift)
    with torch.inference_mode():
        return model.network(
            tokens[None].to(device), position_ids=positions[None], use_cache=False, **options
        )


def _loss(output: ModelOutput, tokens: torch.Tensor) -> float:
    """Mean next-token loss, in nats."""
    logits = output.logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits.float(), tokens[1:].to(logits.device)).item()


def _hidden_states(output: ModelOutput) -> list[torch.Tensor]:
    """The hidden states after each layer, each `(length, hidden_size)`; the last one is normalized."""
    return [state[0] for state in output.hidden_states[1:]]
