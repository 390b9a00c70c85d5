"""What phase errors do over the layers of a model: do they multiply, and how strong are they?"""

import numpy as np
import pandas as pd


def last_layer(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measure.positions.misaligned_hidden_states` after the last layer."""
    return table[table.layer == table.layer.max()]


def product_law(singles: pd.DataFrame, jointly: pd.DataFrame) -> pd.DataFrame:
    """Layers misaligned one at a time and together: do the similarities multiply?

    `singles` holds a run for each layer alone, `jointly` runs for the first n layers. One row for each n:
    `product`, 1 - the product of the single cosines of those layers, and `joint`, 1 - the cosine of the run.

    >>> one = pd.DataFrame({"misaligned_layers": 1, "first": [1, 2], "layer": 2, "cosine": [0.9, 0.8]})
    >>> both = pd.DataFrame({"misaligned_layers": [2], "first": 1, "layer": 2, "cosine": [0.7]})
    >>> product_law(one, both).round(2).to_dict("records")
    [{'layers': 2, 'product': 0.28, 'joint': 0.3}]
    """
    alone = last_layer(singles).set_index("first").cosine.sort_index()
    rows = [
        {
            "layers": int(row.misaligned_layers),
            "product": float(1 - np.prod(alone.loc[: row.misaligned_layers])),
            "joint": float(1 - row.cosine),
        }
        for row in last_layer(jointly).itertuples()
    ]
    return pd.DataFrame(rows)


def facts(
    singles: pd.DataFrame,
    jointly: pd.DataFrame,
    destroyed: pd.DataFrame,
    aligned_loss: float,
    norms: pd.DataFrame,
    epsilon: float,
) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names.

    `destroyed` is the control run with half a turn in every layer, `norms` the table of
    `measure.positions.hidden_norms`.
    """
    law = product_law(singles, jointly).iloc[-1]
    last, control = last_layer(jointly).iloc[-1], last_layer(destroyed).iloc[-1]
    single = 1 - last_layer(singles).cosine
    jump = norms.largest.diff().fillna(0).idxmax()
    before, after = norms.largest[jump - 1], norms.largest[jump]
    return {
        "depth-cosine": f"{last.cosine:.4f}",
        "depth-predicted": f"{epsilon**last.misaligned_layers:.2f}",
        "depth-most": f"{last.misaligned_layers:.0f}",
        "depth-joint": f"{1000 * law.joint:.2f}",
        "depth-product": f"{1000 * law['product']:.2f}",
        "depth-law": f"{abs(law['product'] / law.joint - 1):.1%}",
        "depth-single": f"{single.mean():.1e}",
        "depth-single-least": f"{single.min():.0e}",
        "depth-single-most": f"{single.max():.0e}",
        "depth-single-assumed": f"{1 - epsilon:.2f}",
        "depth-weaker": f"{(1 - epsilon) / single.mean():.0f}",
        "depth-loss-rise": f"{last.loss - aligned_loss:.2f}",
        "depth-control-cosine": f"{control.cosine:.2f}",
        "depth-control-rise": f"{control.loss - aligned_loss:.1f}",
        "depth-share": f"{100 * (1 - last.cosine) / (1 - control.cosine):.0f} %",
        "depth-jump-layer": f"{norms.layer[jump]:.0f}",
        "depth-jump-before": f"{before:,.0f}",
        "depth-jump-after": f"{after:,.0f}",
        "depth-jump-token": f"{norms.token[jump]:.0f}",
    }
