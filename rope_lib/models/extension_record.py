"""An extension as plain data: what `rope-lib extend` prints, with and without `--json`."""

from typing import Any

from .extend import Change, Extension
from .programs import Fragment
from .retrofit_costs import retrofit_costs, scope_of_costs
from .verdicts import RotaryVerdict, judge


def extension_record(
    extension: Extension, fragment: Fragment, *, epsilon: float = 0.95, dtype: str = "float32"
) -> dict[str, Any]:
    """The JSON object of an extension and the fragment that writes it, as plain Python values.

    Layers and pairs count from 0, pairs in the model's own order. `fragment` is to be merged into a
    config.json: each key of the innermost object that is entered replaces that of the file whole, and null
    removes it. `reach` is in tokens: see `extend.reach`. Verdicts are paper A's, at the context to reach.
    """
    before, after = (
        judge(spec, context=extension.context, epsilon=epsilon, dtype=dtype)
        for spec in (extension.before, extension.after)
    )
    return {
        "model": extension.after.name,
        "architecture": extension.after.architecture,
        "method": extension.method,
        "for": fragment.program.name,
        "context": extension.context,
        "original_context": extension.original,
        "original_from": extension.original_from,
        "declared_context": extension.before.declared_context,
        "factor": extension.factor,
        "max_position_embeddings": extension.after.declared_context,
        "fragment": fragment.keys if fragment.values else None,
        "arguments": list(fragment.arguments),
        "follows": fragment.program.place,
        "rotaries": [
            _rotary(*row) for row in zip(extension.changes, before.rotaries, after.rotaries, strict=True)
        ],
        "verdict_before": before.verdict,
        "verdict": after.verdict,
        "costs": costs_of(extension.method, extension.factor),
        "not_understood": extension.before.keys.plain()["not_understood"],
        "notes": [*extension.notes, *fragment.notes],
    }


def _rotary(change: Change, before: RotaryVerdict, after: RotaryVerdict) -> dict[str, Any]:
    pairs = zip(change.turns_trained, change.turns_before, change.turns_after, strict=True)
    bounds = {name: float(bound) for name, bound in after.bounds.items()}
    return {
        "layers": list(change.after.layers),
        "kind": change.after.kind,
        "window": change.after.window,
        "changed": change.is_changed,
        "base_before": change.before.base,
        "base": change.after.base,
        "scaling_before": change.before.scaling.plain(),
        "scaling": change.after.scaling.plain(),
        "attention_factor_before": change.factor_before,
        "attention_factor": change.factor_after,
        "effective_base_before": float(before.effective_base),
        "effective_base": float(after.effective_base),
        "bounds": bounds,
        "verdict_before": before.verdict,
        "verdict": after.verdict,
        "reach": change.reach,
        "seen": change.seen,
        "pairs": [
            {
                "pair": pair,
                "turns_in_training": float(trained),
                "turns_before": float(now),
                "turns": float(new),
            }
            for pair, (trained, now, new) in enumerate(pairs)
        ],
    }


def costs_of(method: str, factor: float) -> dict[str, Any]:
    """What was measured of a method: rows, and on what; no rows and null where nothing was.

    `is_measured` says whether a row is of this `factor`.

    >>> costs_of("dynamic", 4.0)
    {'measured': [], 'is_measured': False, 'scope': None}
    >>> costs_of("yarn", 8.0)["is_measured"]
    True
    """
    rows = [
        {
            "stretch": one.stretch,
            "inside_before": one.inside_before,
            "inside": one.inside,
            "cost": round(one.cost, 4),
            "beyond_before": one.beyond_before,
            "beyond": one.beyond,
            "model": one.model,
            "text": one.text,
            "result": one.result,
            "date": one.date,
        }
        for one in retrofit_costs()
        if one.method == method
    ]
    return {
        "measured": rows,
        "is_measured": any(row["stretch"] == factor for row in rows),
        "scope": scope_of_costs() if rows else None,
    }
