"""What the explorables draw that was measured, from the kept results: plain values, which JSON can hold."""

from typing import Any


def zone() -> list[dict[str, Any]]:
    """The case studies whose behavior is known: where each lies, how many layers it has, and what was observed."""
    from rope_lib.models.case_studies import case_studies

    return [
        {
            "model": case.model,
            "base": float(case.effective_base),
            "context": int(case.longest_distance),
            "layers": case.num_layers,
            "observed": case.observed,
        }
        for case in case_studies()
        if case.observed != "unknown" and case.effective_base is not None
    ]


WEIGHTS = 100_000  # a weight of 1, as a whole number


def head() -> list[dict[str, Any]]:
    """The weights of every head's pairs, mean over texts, model by model and layer by layer.

    `weights` holds a list for each head, whole numbers of 1/`WEIGHTS`, the fastest pair first.
    """
    from rope_lib.findings.kept import kept

    tables, _ = kept("head_weights")
    means = tables["weights"].groupby(["model", "layer", "head", "pair"]).weight.mean()
    models = []
    for model, layers in tables["layers"].groupby("model", sort=False):
        rows = []
        for layer in layers.sort_values("layer").itertuples():
            by_head = means.loc[model, layer.layer].unstack("pair").sort_index(axis=1)
            rows.append(
                {
                    "layer": layer.layer,
                    "kind": layer.kind,
                    "base": float(layer.base),
                    "reach": int(layer.reach),
                    "weights": (by_head * WEIGHTS).round().astype(int).to_numpy().tolist(),
                }
            )
        models.append({"model": model, "unit": WEIGHTS, "layers": rows})
    return models
