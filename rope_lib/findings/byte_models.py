"""The byte models of Part II against the floor of counts: bits a byte on text that neither has read.

`validation` is the table of the result `byte_models`: model, first and nll, the mean loss in nats of one
segment of the validation text. Models are "rope", "rope_id" and "counts, N bytes before".
"""

import numpy as np
import pandas as pd

from .stats import student_interval
from .wording import minus

MODELS = {"rope": "byte RoPE", "rope_id": "byte RoPE-ID"}  # by their names in Part II


def bits_per_byte(validation: pd.DataFrame) -> pd.DataFrame:
    """Mean over segments in bits a byte and 95 % interval between them, by model: mean, low, high.

    >>> table = pd.DataFrame({"model": "rope", "first": [0, 1], "nll": [np.log(2), np.log(2)]})
    >>> bits_per_byte(table).loc["rope"].tolist()
    [1.0, 1.0, 1.0]
    """
    bits = (validation.nll / np.log(2)).groupby(validation.model, sort=False)
    return pd.DataFrame({name: student_interval(each) for name, each in bits}, ["mean", "low", "high"]).T


def floor(validation: pd.DataFrame) -> str:
    """The name of the counts that predict best: the floor.

    >>> table = pd.DataFrame({"model": ["rope", "counts, 0 bytes before"], "first": 0, "nll": [1.0, 2.0]})
    >>> floor(table)
    'counts, 0 bytes before'
    """
    means = validation.groupby("model").nll.mean()
    return str(means[means.index.str.startswith("counts")].idxmin())


def cleared(validation: pd.DataFrame) -> pd.DataFrame:
    """By how many bits a byte each model is below the floor, segment by segment: mean, low and high."""
    by_model = validation.pivot(index="first", columns="model", values="nll") / np.log(2)
    gap = {name: student_interval(by_model[floor(validation)] - by_model[name]) for name in MODELS}
    return pd.DataFrame(gap, ["mean", "low", "high"]).T


def facts(validation: pd.DataFrame) -> dict[str, str]:
    """What prose states of the byte models: names of `glue` and their texts."""
    bits, below, best = bits_per_byte(validation), cleared(validation), floor(validation)
    found = {
        "segments": f"{validation['first'].nunique()}",
        "floor": _interval(bits.loc[best]),
        "floor-before": best.split()[1],
    }
    for name in MODELS:
        slug = name.replace("_", "-")
        found |= {slug: _interval(bits.loc[name]), f"{slug}-below": _interval(below.loc[name])}
    return {f"byte-models-{name}": said for name, said in found.items()}


def _interval(row: pd.Series) -> str:
    return minus(f"{row['mean']:.2f} ({row.low:.2f} to {row.high:.2f})")
