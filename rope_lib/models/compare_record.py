"""A comparison as plain data: what `rope-lib compare` prints, with and without `--json`."""

from dataclasses import asdict
from typing import Any

from .compare import TOLERANCE, Comparison, LayerGroup, Parting, spectrum_at
from .explanations import Explanations
from .spec import ModelSpec, Rotary


def compare_record(comparison: Comparison, explanations: Explanations) -> dict[str, Any]:
    """The JSON object of a comparison and of what would explain it, as plain Python values.

    Layers and positions count from 0; frequencies are in radians per token at the context. `a` and `b` of a
    group are places in `rotaries`, null where these layers do not rotate or are absent. `phase` is null for
    layers that only one model has, and where the two rotate different numbers of channels.

    >>> from rope_lib.models import read_model
    >>> from rope_lib.models.compare import compare
    >>> from rope_lib.models.explanations import explain
    >>> model = read_model({"num_hidden_layers": 2, "head_dim": 64, "rope_theta": 500_000})
    >>> found = compare(model, model, context=4096)
    >>> compare_record(found, explain(found))["same"]
    True
    """
    return {
        "same": comparison.is_same,
        "tolerance": TOLERANCE,
        "context": comparison.context,
        "context_from": comparison.context_from,
        "a": _model_record(comparison.a, comparison.context),
        "b": _model_record(comparison.b, comparison.context),
        "groups": [_group_record(group) for group in comparison.groups],
        "elsewhere": [
            {"context": other.context, "same": other.is_same, "worst": other.worst}
            for other in comparison.elsewhere
        ],
        "explanations": [
            {"text": explanation.text, "changes": list(explanation.changes)}
            for explanation in explanations.found
        ],
        "tried": explanations.tried,
        "remarks": list(comparison.remarks),
    }


def _model_record(spec: ModelSpec, context: int | None) -> dict[str, Any]:
    return {
        "model": spec.name,
        "architecture": spec.architecture,
        "num_layers": spec.num_layers,
        "declared_context": spec.declared_context,
        "original_context": spec.original_context,
        "rotaries": [_rotary_record(rotary, context or 1) for rotary in spec.rotaries],
        "unrotated_layers": list(spec.unrotated_layers),
        "not_understood": spec.keys.not_understood.plain(),
    }


def _rotary_record(rotary: Rotary, context: int) -> dict[str, Any]:
    """One spectrum at the context."""
    inv_freq, attention_factor = spectrum_at(rotary, context)
    return {
        "layers": list(rotary.layers),
        "kind": rotary.kind,
        "base": rotary.base,
        "head_dim": rotary.head_dim,
        "rotary_dim": rotary.rotary_dim,
        "window": rotary.window,
        "scaling": rotary.scaling.plain(),
        "attention_factor": float(attention_factor),
        "inv_freq": inv_freq.tolist(),
    }


def _group_record(group: LayerGroup) -> dict[str, Any]:
    return {
        "layers": list(group.layers),
        "same": group.is_same,
        "only_in": group.only_in,
        "a": group.a,
        "b": group.b,
        "partings": [_parting_record(parting) for parting in group.partings],
        "phase": None if group.phase is None else asdict(group.phase),
    }


def _parting_record(parting: Parting) -> dict[str, Any]:
    return {
        "quantity": parting.quantity,
        "a": parting.a,
        "b": parting.b,
        "origin_a": parting.origin_a,
        "origin_b": parting.origin_b,
        "bears_on_rotation": parting.bears,
    }
