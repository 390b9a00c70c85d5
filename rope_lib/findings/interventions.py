"""What the interventions of `measure.trials` restore: one row for each of them, and correlations over heads.

`tables` are those of `trials.try_interventions` throughout: losses, keys and pairs, each with a column
`intervention`. Results keep their order in which they were tried.
"""


from rope_lib.measure.trials import LOSS_BIN

# Positions whose loss is averaged in a table: the last of each length.
LAST_POSITIONS = 512


def mean_losses(losses, first, last):
    """Mean loss of each intervention at the positions from `first` up to, not including, `last`: a Series.

    Both must be multiples of `LOSS_BIN`, and the losses must reach `last`; else raises ValueError.
    """
    if first % LOSS_BIN or last % LOSS_BIN or not 0 <= first < last <= losses["first"].max() + LOSS_BIN:
        raise ValueError(
            f"first and last must be multiples of {LOSS_BIN} that enclose measured positions, "
            f"got {first} and {last}"
        )
    inside = losses[(losses["first"] >= first) & (losses["first"] < last)]
    return inside.groupby("intervention", sort=False).nll.mean()


def fsv_ratios(keys, factors):
    """First singular value of each row of `keys` after the rotation over that before, a Series.

    Cosines and sines may carry a factor that makes keys longer and turns nothing: `factors` maps
    interventions to theirs, and it is divided out.
    """
    ratio = keys.first_singular_value / keys.first_singular_value_pre
    return ratio / keys.intervention.map(lambda name: factors.get(name, 1.0))


def summaries(tables, length, factors):
    """One row for each intervention at one length: means over heads, and the loss before that length.

    Index: intervention. Columns: loss, of the last `LAST_POSITIONS` positions, nats; stable_rank and
    fsv_ratio of the keys; silhouette, davies_bouldin and cosine of keys against queries; sink_attention. For
    `factors` see `fsv_ratios`. Raises ValueError for a length that was not measured.
    """
    keys, pairs = (_of_length(tables[name], length) for name in ("keys", "pairs"))
    keys = keys.assign(fsv_ratio=fsv_ratios(keys, factors))
    of_keys, of_pairs = (table.groupby("intervention", sort=False) for table in (keys, pairs))
    measures = ["silhouette", "davies_bouldin", "cosine", "sink_attention"]
    means = of_keys[["stable_rank", "fsv_ratio"]].mean().join(of_pairs[measures].mean())
    means.insert(0, "loss", mean_losses(tables["losses"], length - LAST_POSITIONS, length))
    return means


def repaired(values, healthy, broken):
    """Share of the damage that is repaired: 0 for `broken`, 1 for `healthy`, (broken − v)/(broken − healthy).

    Below 0 an intervention does more damage, above 1 more than repair.

    >>> repaired(np.array([3.0, 2.0, 4.0]), healthy=1.0, broken=3.0).tolist()
    [0.0, 0.5, -0.5]
    """
    return (broken - values) / (broken - healthy)


def heads(tables, intervention, factors):
    """One row for each query head and length under one intervention, with what its key head's keys do.

    Columns: those of `tables["pairs"]`, and key_head, stable_rank and fsv_ratio of the key head.
    """
    keys, pairs = (
        tables[name][tables[name].intervention == intervention].drop(columns="intervention")
        for name in ("keys", "pairs")
    )
    if pairs.empty:
        raise ValueError(f"intervention must be one that was tried, got {intervention!r}")
    group = (pairs["head"].max() + 1) // (keys["head"].max() + 1)
    ratio = fsv_ratios(keys.assign(intervention=intervention), factors)
    keys = keys[["length", "layer", "head", "stable_rank"]].assign(fsv_ratio=ratio)
    keys = keys.rename(columns={"head": "key_head"})
    pairs = pairs.assign(key_head=pairs["head"] // group)
    return pairs.merge(keys, on=["length", "layer", "key_head"], validate="many_to_one")


def _of_length(table, length):
    rows = table[table.length == length]
    if rows.empty:
        raise ValueError(f"length must be one of {sorted(table.length.unique().tolist())}, got {length}")
    return rows
