"""Interventions on one model, tried one after the other on the same tokens and put into small tables."""

import pandas as pd

from .interventions import interventions, key_centers
from .sweep import last_queries, measured

# Tokens whose losses are averaged in the table of losses.
LOSS_BIN = 128
# Tokens over which the centers of the keys are taken, all well inside the training length.
CENTER_TOKENS = 4_096


def try_interventions(model, tokens, lengths):
    """Measure a model under every one of `interventions.interventions`; a dict of three tables.

    `tokens` has shape `(length,)`. Each intervention is one stored measurement, so that a run that was
    interrupted goes on where it was. The tables, each with a column `intervention`:

    `losses`  by first: mean nll in nats of `LOSS_BIN` positions from there on;
    `keys`    by length, layer, head: stable_rank, first_singular_value and mean_cosine of a key head's keys
              as the last token sees them, and first_singular_value_pre, before the rotation;
    `pairs`   by length, layer, head: mean cosine and dot product of a query head and its keys, silhouette,
              davies_bouldin, and sink_attention, sink_score, largest_score: means over the last queries.

    Raises ValueError as `interventions` and `sweep.measure` do.
    """
    centers = key_centers(model, tokens[:CENTER_TOKENS])
    parts = {}
    for intervention in interventions(model, centers):
        sweep = measured(model, tokens, lengths, intervention=intervention)
        for name, table in trial_tables(sweep).items():
            table.insert(0, "intervention", intervention.name)
            parts.setdefault(name, []).append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def trial_tables(sweep):
    """The tables of `try_interventions` of one `Sweep`, without the column `intervention`."""
    return {"losses": _losses(sweep), "keys": _keys(sweep.heads), "pairs": _pairs(sweep)}


def _losses(sweep):
    losses = sweep.losses[sweep.losses["pass"] == sweep.losses["pass"].max()]
    binned = losses.nll.groupby(losses.position // LOSS_BIN * LOSS_BIN).mean()
    return binned.rename_axis("first").reset_index()


def _keys(heads):
    where = ["length", "layer", "head"]
    keys = heads[heads.role == "key"].set_index(where)
    before = keys[keys.stage == "pre"].first_singular_value.rename("first_singular_value_pre")
    after = keys[keys.stage == "post"][["stable_rank", "first_singular_value", "mean_cosine"]]
    return after.join(before).reset_index()


def _pairs(sweep):
    pairs = sweep.pairs[sweep.pairs.stage == "post"].drop(columns=["stage", "key_head"])
    where = ["length", "layer", "head"]
    attention = {
        column: last_queries(sweep, column).stack()
        for column in ("sink_attention", "sink_score", "largest_score")
    }
    attention = pd.DataFrame(attention).reset_index()
    return pairs.merge(attention, on=where, validate="one_to_one")
