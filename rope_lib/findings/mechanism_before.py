"""What the earlier interventions on one model say of the mechanism: other spectra, and keys held in place.

They are the kept results `interventions`, SmolLM2-135M on one text up to twice its declared length, and
`long_input`, the same up to eight times that length.
"""

import pandas as pd

from . import long_inputs, sink_heads
from .interventions import LAST_POSITIONS, curves
from .kept import Tables
from .wording import signed

DECLARED, LONGEST = 8_192, 16_384  # tokens, of `interventions`
STRONG = 0.1  # attention to token 0 at the declared length from which on a head has a sink
HELD: dict[str, str] = {
    "clipped": "all distances clipped",
    "cluster": "cluster centers held",
    "sink": "sink's score held",
}
SPECTRA: dict[str, str] = {
    "hope": "slow pairs at rest",
    "linear": "position interpolation",
    "ntk": "NTK",
    "yarn": "YaRN",
    "llama3": "Llama 3 scaling",
}


def own_bands(tables: Tables, trained: int, longest: int) -> pd.DataFrame:
    """How much each intervention of `results/interventions` loses inside and beyond the declared length.

    Index: intervention. Columns inside and beyond: nats above the same positions with all distances clipped,
    which inside is the unchanged model; over the second half of the declared length, and over the last
    positions of the longest input. rise is beyond less inside: how far it leaves its own band.
    """
    by_position = curves(tables["losses"])
    control = by_position["clipped"]
    found = {
        name: {
            "inside": _between(own - control, trained // 2, trained),
            "beyond": _between(own - control, longest - LAST_POSITIONS, longest),
        }
        for name, own in by_position.items()
    }
    return pd.DataFrame(found).T.assign(rise=lambda table: table.beyond - table.inside)


def far_curves(far: Tables) -> dict[str, pd.Series]:
    """Loss by position of the unchanged model and of `HELD`, out to the end that all reach."""
    losses = long_inputs.of_dtype(far, "float32")["losses"]
    longest = losses.groupby("intervention")["first"].max().loc[list(HELD)].min()
    return {
        name: long_inputs.loss_curve(
            losses[(losses.intervention == name) & (losses["first"] <= longest)], DECLARED // 4
        )
        for name in ("unchanged", *HELD)
    }


def facts(near: Tables, far: Tables) -> dict[str, str]:
    """What the chapter on the mechanism states of the earlier results: names of `glue` and their texts."""
    bands = own_bands(near, DECLARED, LONGEST)
    changed = sink_heads.changes(near, [DECLARED, 10_240, LONGEST], {}, STRONG)
    found = sink_heads.correlations(changed)
    curves_far = far_curves(far)
    texts = {f"{name}-far": f"{curve.iloc[-1]:.2f}" for name, curve in curves_far.items()}
    for name in ("unchanged", "hope", "linear", "yarn"):
        texts[f"{name}-inside"] = f"{bands.inside[name]:.2f}"
        texts[f"{name}-rise"] = signed(bands.rise[name])
    for measure in ("silhouette", "largest_score"):
        for length in (10_240, LONGEST):
            key = f"r-{measure}-{length}".replace("_", "-")
            texts[key] = sink_heads.interval(found.loc[(measure, length)])
    return {f"before-{name}": text for name, text in texts.items()}


def _between(losses: pd.Series, first: int, stop: int) -> float:
    return float(losses[(losses.index >= first) & (losses.index < stop)].mean())
