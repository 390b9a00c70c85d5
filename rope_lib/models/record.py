"""A verdict as plain data and as sentences: what `rope-lib check` prints, with and without `--json`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..theory.rivals import first_negative
from .case_studies import CaseStudy
from .men_bounds import men_bound
from .spec import ModelSpec, scopes
from .summary import summary
from .track_record import comparable, track_record
from .training import Stage, longest_training, seen_angles, shown_training
from .verdicts import NO_ROPE, RotaryVerdict, Verdict

# What each bound of a record is called.
BOUND_NAMES = {
    "aliasing": "aliasing bound",
    "stability": "DC-stability bound",
    "depth": "depth bound",
    "precision": "precision wall",
    "men": "Men et al.",
}

# Distances searched for a negative sum of cosines: it takes some 10 ms.
FARTHEST = 2**24

# How to say that a value does not come from the file.
_WEAK = {"class_default": "is not in the file: the default of its class", "assumed": "is assumed"}


def record(verdict: Verdict) -> dict[str, Any]:
    """The JSON object of a verdict at one context, as plain Python values.

    Layers count from 0. `context` is null for a model without rotary that declares none. `inv_freq` is in
    radians per token, at the context of the verdict. `men` is the least base that passes the test of Men et
    al. (2405.14591), null where it is not tabulated. Larger bases may fail that test, so each spectrum is put
    to it: `first_negative` is the first distance at which its sum of cosines is negative, of those that its
    layers see and at most 2^24; null where there is none or some pairs rest. What stands beside the verdict:

    `record`       how many case studies the bounds misjudge at this epsilon and dtype, and how many two
                   simpler rules do: `track_record.TrackRecord`
    `training`     `shown`, the training whose angles count as seen, and `longest`: the length, and whether it
                   is known, declared or assumed, with the source (`training.Stage`); null where nothing says
    `seen_angles`  of each spectrum: the length up to which no pair turns farther than in `shown`, before a
                   retrofit and after it, null where there is none; how many pairs rotate and how many turn
                   farther within the context. Null where that training is unknown
    `cases`        the nearest case studies: `track_record.Comparable`; null without rotary
    `warnings`     what puts all of this in doubt, in sentences
    `summary`      what is known, what paper A says, and what nobody knows, in sentences: `summary.summary`

    Raises ValueError for a verdict at several contexts, epsilons or dtypes.

    >>> from rope_lib.models import judge, read_model
    >>> config = {"model_type": "llama", "num_hidden_layers": 32, "head_dim": 128, "rope_theta": 500_000}
    >>> record(judge(read_model(config), context=8192))["verdict"]
    'stable'
    """
    if any(np.ndim(value) for value in (verdict.context, verdict.epsilon, verdict.dtype)):
        raise ValueError("verdict must be at one context, epsilon and dtype, got arrays")
    spec, context = verdict.spec, float(verdict.context)
    stages = {"shown": shown_training(spec), "longest": longest_training(spec)}
    found = {
        "model": spec.name,
        "architecture": spec.architecture,
        "num_layers": spec.num_layers,
        "context": None if np.isnan(context) else _number(context),
        "declared_context": spec.declared_context,
        "original_context": spec.original_context,
        "rotaries": [_rotary_record(judged, context, stages["shown"]) for judged in verdict.rotaries],
        "unrotated_layers": list(spec.unrotated_layers),
        "provenance": dict(spec.provenance),
        "sources": dict(spec.sources),
        "keys": spec.keys.plain(),
        "verdict": verdict.verdict,
        "reasons": list(reasons(verdict)),
        "warnings": list(warnings(spec)),
        "record": asdict(track_record(float(np.asarray(verdict.epsilon)), str(verdict.dtype))),
        "training": {name: stage and asdict(stage) for name, stage in stages.items()},
        "cases": _cases(verdict, stages) if verdict.rotaries else None,
    }
    return {**found, "summary": summary(found, verdict_reasons(verdict))}


def _cases(verdict: Verdict, stages: Mapping[str, Stage | None]) -> dict[str, Any]:
    """The nearest case studies, by the longest training that is known, else by the original one."""
    stage = stages["longest"] or stages["shown"]
    found = comparable(verdict.spec, float(verdict.context), stage.length if stage else None)

    def named(cases: Iterable[CaseStudy]) -> list[dict[str, Any]]:
        fields = ("model", "context_length", "train_length", "observed")
        return [{field: getattr(case, field) for field in fields} for case in cases]

    return {**asdict(found), "own": named(found.own), "nearest": named(found.nearest)}


def holds(rotary: Mapping[str, Any], name: str) -> bool:
    """Whether a spectrum of a record meets a bound: its effective base by paper A, its sums by Men et al.

    >>> bounds = {"precision": 2**23, "men": 83_764}
    >>> spectrum = {"effective_base": 1e5, "bounds": bounds, "first_negative": 8_000}
    >>> holds(spectrum, "precision"), holds(spectrum, "men")
    (True, False)
    """
    bound, base = rotary["bounds"][name], rotary["effective_base"]
    if name == "men":
        return rotary["first_negative"] is None
    return bool(base < bound if name == "precision" else base >= bound)


def warnings(spec: ModelSpec) -> tuple[str, ...]:
    """What puts a whole verdict in doubt: a tuple of sentences.

    >>> from rope_lib.models import read_model
    >>> warnings(read_model({"model_type": "llama"}))[0].split(":")[0]
    'Neither the depth nor the base is in the file'
    """
    kinds = [rotary.kind for rotary in spec.rotaries]
    bases = {spec.provenance.get(f"{scope}base") for scope in scopes(kinds)}
    if spec.provenance.get("num_layers") == "class_default" and bases == {"class_default"}:
        source = spec.sources["num_layers"]
        return (f"Neither the depth nor the base is in the file: both are defaults of its class ({source}).",)
    return ()


def _rotary_record(judged: RotaryVerdict, context: float, training: Stage | None) -> dict[str, Any]:
    rotary = judged.rotary
    seen = seen_angles(rotary, training, context) if training else None
    inv_freq, attention_factor = rotary.spectrum(context)
    turning, limit = bool(inv_freq.all()), int(min(float(judged.context_length), FARTHEST))
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
        "effective_base": float(judged.effective_base),
        "bounds": {
            **{name: float(bound) for name, bound in judged.bounds.items()},
            "men": men_bound(float(judged.context_length), rotary.rotary_dim) if turning else None,
        },
        "first_negative": first_negative(inv_freq, limit) if turning else None,
        "verdict": judged.verdict,
        "verdict_without_scaling": judged.verdict_without_scaling,
        "seen_angles": None
        if seen is None
        else {
            "before": _finite(seen.before),
            "after": _finite(seen.after),
            "pairs": seen.pairs,
            "pairs_beyond": seen.pairs_beyond,
        },
    }


def _finite(length: float) -> int | float | None:
    """A length for JSON: null where it is infinite."""
    return _number(length) if np.isfinite(length) else None


def reasons(verdict: Verdict) -> tuple[str, ...]:
    """Why a verdict is what it is, and what it rests on: a tuple of sentences."""
    spec, context = verdict.spec, float(verdict.context)
    lines = list(verdict_reasons(verdict))
    if spec.declared_context is not None and context > spec.declared_context:
        declared = _tokens(spec.declared_context)
        lines.append(f"{_tokens(context)} are beyond the declared context of {declared}.")
    for quantity, provenance in spec.provenance.items():
        if provenance in _WEAK:
            lines.append(f"{quantity} {_WEAK[provenance]} ({spec.sources[quantity]}).")
    return (*lines, *spec.notes)


def verdict_reasons(verdict: Verdict) -> tuple[str, ...]:
    """Why each spectrum has its verdict: a sentence each, or one for a model without any."""
    if verdict.verdict == NO_ROPE:
        why = verdict.spec.sources.get("unrotated_layers", "its config")
        return (f"No layer applies a rotary embedding ({why}), so the bounds say nothing of this model.",)
    return tuple(_why(judged, verdict) for judged in verdict.rotaries)


def _why(judged: RotaryVerdict, verdict: Verdict) -> str:
    """One sentence: the bound that decided, and what the scaling changed."""
    bounds, base = judged.bounds, f"the effective base {float(judged.effective_base):,.0f}"
    layers, seen = len(judged.rotary.layers), _tokens(float(judged.context_length))
    depth = f"the depth bound {bounds['depth']:,.0f} of {layers} layers at {seen}"
    wall = f"the precision wall {bounds['precision']:,.0f} of {verdict.dtype!s}"
    why = {
        "infeasible": f"{depth} is not below {wall}: no base satisfies both",
        "beyond_precision": f"{base} is not below {wall}",
        "aliased": f"{base} is below the aliasing bound {bounds['aliasing']:,.0f} at {seen}",
        "unstable": f"{base} is below the DC-stability bound {bounds['stability']:,.0f} at {seen}",
        "unstable_at_depth": f"{base} is below {depth}",
        "stable": f"{base} lies between {depth} and {wall}",
    }[str(judged.verdict)]
    changed = judged.verdict_without_scaling != judged.verdict
    without = f" Without the scaling: {judged.verdict_without_scaling}." if changed else ""
    return f"{judged.rotary.kind}: {judged.verdict}, since {why}.{without}"


def _tokens(length: float) -> str:
    return f"{length:,.0f} tokens"


def _number(value: float) -> int | float | None:
    """A whole number as int, for JSON; None for NaN, where no context is known."""
    if value != value:
        return None
    return int(value) if value == int(value) else float(value)


def base_text(value: float) -> str:
    """A base or a bound on it, in the form for readers: whole from 100, else four digits.

    >>> base_text(4_000_000.0), base_text(2.5)
    ('4,000,000', '2.5')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


def scaling_text(scaling: Mapping[str, Any]) -> str:
    """A scaling by its type and its factor, where it has one.

    >>> scaling_text({"type": "yarn", "factor": 4.0}), scaling_text({"type": "default"})
    ('yarn × 4', 'default')
    """
    factor = scaling.get("factor")
    return f"{scaling['type']}" + (f" × {factor:g}" if isinstance(factor, int | float) else "")


def scaling_and_length(scaling: Mapping[str, Any]) -> str:
    """A scaling with its factor, and the length that it starts from.

    >>> scaling_and_length({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096})
    'yarn × 4 from 4,096'
    """
    original = scaling.get("original_max_position_embeddings")
    return scaling_text(scaling) + (f" from {original:,}" if isinstance(original, int) else "")


def layers_text(layers: Sequence[int]) -> str:
    """Layer numbers as ranges, and how many there are.

    >>> layers_text([0, 1, 2, 3, 5])
    '0-3, 5 (5)'
    """
    ranges: list[list[int]] = []
    for layer in layers:
        if ranges and layer == ranges[-1][1] + 1:
            ranges[-1][1] = layer
        else:
            ranges.append([layer, layer])
    texts = [f"{first}-{last}" if first != last else str(first) for first, last in ranges]
    shown = ", ".join(texts) if len(texts) <= 8 else ", ".join([*texts[:7], "…", texts[-1]])
    return f"{shown} ({len(layers)})"
