"""What the explorables draw that was measured, from the kept results: plain values, which JSON can hold."""

import math
from collections.abc import Iterable
from typing import Any


def zone() -> list[dict[str, Any]]:
    """The case studies whose behavior is known: where each lies, its layers, and what was observed."""
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


def clusters() -> list[dict[str, Any]]:
    """The clouds of three heads, and the angles of all heads of their models at each measured length.

    `points` holds [position, x, y] by stage and role, from a short input and a long one that begins with it,
    in one plane. Angles are degrees, means over the texts, by stage: `keys` has a list over `lengths` for
    each key head, of which the cloud's is `own`; `between` is that of the cloud's keys and of the queries
    that attend to them.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.measure.subjects import declared_length

    clouds, geometry = kept("forecast")[0]["clouds"], kept("geometry")[0]
    found = []
    for model, rows in clouds.groupby("model", sort=False):
        layer, head = int(rows.layer.iloc[0]), int(rows["head"].iloc[0])
        keys = geometry["heads"].query("model == @model and role == 'key'")
        pairs = geometry["pairs"].query("model == @model and layer == @layer and key_head == @head")
        spread = keys.groupby(["stage", "layer", "head", "length"]).mean_cosine.mean().unstack("length")
        apart = pairs.groupby(["stage", "length"]).cosine.mean().unstack("length")
        stages = ("pre", "post")
        heads = list(spread.loc["post"].index)
        found.append(
            {
                "model": model,
                "layer": layer,
                "head": head,
                "declared": declared_length(model),
                "read": sorted(map(int, rows.length.unique())),
                "points": {stage: points_of(rows[rows.stage == stage]) for stage in stages},
                "lengths": [int(length) for length in spread.columns],
                "own": heads.index((layer, head)),
                "keys": {stage: [degrees(row) for row in spread.loc[stage].to_numpy()] for stage in stages},
                "between": {stage: degrees(apart.loc[stage].to_numpy()) for stage in stages},
            }
        )
    return found


def points_of(rows: Any) -> dict[str, list[list[float]]]:
    """[position, x, y] of each vector by role, in the order of the positions, each position once."""
    once = rows.drop_duplicates(["role", "position"]).sort_values("position")
    return {
        str(role): [[int(at), round(float(x), 3), round(float(y), 3)] for at, x, y in own.to_numpy()]
        for role, own in once.set_index("role")[["position", "x", "y"]].groupby(level="role")
    }


def degrees(cosines: Iterable[float]) -> list[float]:
    """The angles of mean cosines, to a hundredth of a degree."""
    return [round(math.degrees(math.acos(min(1.0, max(-1.0, cosine)))), 2) for cosine in cosines]


BIDS = {  # of the table `keys` of the result `matched`: the name here, and how it is made of the columns
    "best": lambda keys: keys.top - keys.sink_score,
    "drawn": lambda keys: keys.top_drawn - keys.sink_score,
    "mean": lambda keys: keys.unmatched_score - keys.sink_score,
    "wins": lambda keys: keys.top_wins,
    "sink": lambda keys: keys.sink_attention,
    "unmatched": lambda keys: keys.unmatched_attention,
}


def outbid() -> list[dict[str, Any]]:
    """What unmatched keys bid against the sink, by model, head and length, in whole inputs.

    Scores are those over the sink's. A list over `lengths` for each head and each quantity of `BIDS`: means
    over the texts that were read to the longest length. `match` holds those of copied strings near by, for
    the heads that look for them, else null.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.findings.matched import match_heads

    tables, _ = kept("matched")
    matching = match_heads(tables["heads"]).query("kind == 'induction'").set_index(["model", "layer", "head"])
    models = []
    for model, keys in tables["keys"].query("length == context").groupby("model", sort=False):
        longest = keys.length.max()
        texts = set(keys[keys.length == longest].text)
        bids = keys[keys.text.isin(texts)]
        bids = bids.assign(**{name: made(bids) for name, made in BIDS.items()})
        means = bids.groupby(["layer", "head", "length"])[[*BIDS]].mean()
        copies = tables["pairs"].query("model == @model and kind == 'induction near' and pair == 'matched'")
        copies = copies[copies.text.isin(texts) & (copies.length == copies.context)]
        lead = (copies.score - copies.sink).groupby([copies.layer, copies["head"], copies.length]).mean()
        heads = []
        for (layer, head), own in means.groupby(level=["layer", "head"]):
            by_length = own.droplevel(["layer", "head"])
            is_match = (model, layer, head) in matching.index
            heads.append(
                {
                    "layer": int(layer),
                    "head": int(head),
                    **{name: plain(by_length[name]) for name in BIDS},
                    "match": plain(lead.loc[layer, head].reindex(by_length.index)) if is_match else None,
                }
            )
        models.append(
            {
                "model": model,
                "declared": int(keys.declared.iloc[0]),
                "texts": len(texts),
                "lengths": sorted(map(int, bids.length.unique())),
                "heads": heads,
            }
        )
    return models


def plain(values: Iterable[float]) -> list[float | None]:
    """Numbers to four places, None for those that are missing."""
    return [None if math.isnan(value) else round(float(value), 4) for value in values]


FEWEST = 4  # octaves of distance within the trained length that a task must have


def distance() -> list[dict[str, Any]]:
    """Accuracy by the distance of the answer, for every spectrum of the kept result `rivals`.

    For each task the `lengths`, `temperatures` and `systems`; `accuracy` holds rows [system, temperature,
    length, octave, mean over seeds, lowest, highest, fewest questions of a seed], the first two as places in
    those lists. Tasks whose answers lie at few distances are left out.
    """
    from rope_lib.findings.kept import kept
    from rope_lib.findings.rivals import SYSTEMS
    from rope_lib.findings.spectra import TEMPERATURES, systems

    def octaves(rows: Any) -> int:
        """Octaves of distance within the trained length."""
        return int(rows[rows.length == rows.length.min()].octave.nunique())

    tasks = []
    by_task = [(task, rows) for task, rows in kept("rivals")[0]["distances"].groupby("name")]
    by_task = [(task, rows) for task, rows in by_task if octaves(rows) >= FEWEST]
    for task, rows in sorted(by_task, key=lambda one: -octaves(one[1])):
        named = systems(rows, SYSTEMS)
        names = [name for name in SYSTEMS.values() if name in set(named.system)]
        warmth = [each for each in TEMPERATURES.values() if each in set(named.temperature)]
        groups = named.groupby(["system", "temperature", "length", "octave"])
        found = groups.agg(
            mean=("accuracy", "mean"),
            low=("accuracy", "min"),
            high=("accuracy", "max"),
            asked=("questions", "min"),
        )
        tasks.append(
            {
                "task": str(task).replace("_", " "),
                "trained": int(rows.length.min()),  # every model is tested at this length and multiples of it
                "lengths": sorted(map(int, named.length.unique())),
                "systems": names,
                "temperatures": warmth,
                "seeds": int(named.seed.nunique()),
                "accuracy": [
                    [names.index(system), warmth.index(heat), int(length), int(octave), *plain(row)]
                    for (system, heat, length, octave), row in zip(found.index, found.to_numpy(), strict=True)
                ],
            }
        )
    return tasks


CHANGES = {  # of the kept result `interventions`, in the order in which a reader may choose them
    "clipped": "all distances clipped at the declared length",
    "sink": "only the distance to the first token clipped",
    "all_but_sink": "all distances clipped but that to the first token",
    "yarn": "YaRN",
    "ntk": "NTK",
    "linear": "position interpolation",
    "hope": "the slow pairs at rest",
    "temperature": "a temperature on the scores",
}


def loss() -> dict[str, Any]:
    """Mean losses along one long input, of SmolLM2 as it is and under each of `CHANGES`, in nats.

    A list has a number for each `width` tokens. A break counts if `few` bins or more were measured past it.
    """
    from rope_lib.findings.breaks import FEW
    from rope_lib.findings.kept import kept
    from rope_lib.measure.subjects import declared_length
    from rope_lib.measure.tables import LOSS_BIN

    losses = kept("interventions")[0]["losses"].sort_values("first")
    along = {name: plain(rows.nll) for name, rows in losses.groupby("intervention")}
    return {
        "model": "SmolLM2-135M",
        "declared": declared_length("SmolLM2-135M"),
        "width": LOSS_BIN,
        "few": FEW,
        "unchanged": along["unchanged"],
        "changes": [{"name": name, "label": label, "losses": along[name]} for name, label in CHANGES.items()],
    }


def bases() -> dict[str, Any]:
    """Accuracy above chance against the base, of models of the shortest trained length, by task and length.

    `above` of a task holds a list for each of the `stretches` (lengths over the trained one), in it a list
    for each of the `bases`, in it a number for each seed.
    """
    from rope_lib.findings import learned
    from rope_lib.findings.kept import kept

    rows = learned.whole(learned.above_chance(kept("least_base")[0]))
    rows = rows[rows.trained == rows.trained.min()]
    stretches, bases = sorted(rows.stretch.unique()), sorted(rows.base.unique())
    by_place = rows.sort_values("seed").groupby(["task", "stretch", "base"]).above
    values = {place: plain(seeds) for place, seeds in by_place}
    return {
        "trained": int(rows.trained.min()),
        "bases": [float(base) for base in bases],
        "stretches": [int(stretch) for stretch in stretches],
        "tasks": [
            {
                "task": name,
                "above": [[values[task, stretch, base] for base in bases] for stretch in stretches],
            }
            for task, name in learned.NAMES.items()
        ],
    }
