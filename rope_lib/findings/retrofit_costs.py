"""What a retrofit costs within the trained length, and what it gains beyond: from kept interventions.

The tables are those of `interventions` and, in one number type, of `long_input`: each retrofit was made for
the longest input of its result. Losses are mean nats a token.
"""

import pandas as pd

from rope_lib.measure.tables import LOSS_BIN

from .interventions import mean_losses

UNCHANGED = "unchanged"
METHODS = ("yarn", "ntk", "linear", "llama3")


def costs(losses: pd.DataFrame, trained: int) -> pd.DataFrame:
    """Losses with and without each retrofit: a DataFrame by method.

    `losses` has columns intervention, first and nll, of inputs that every retrofit was tried on. Columns:
    stretch, the longest input over the `trained` length; inside and inside_before, the loss at the positions
    within the trained length with and without the retrofit; beyond and beyond_before, the same in the last
    half of the longest input.

    >>> from rope_lib.findings.kept import kept
    >>> costs(kept("interventions")[0]["losses"], 8_192).loc["yarn"].round(2).to_dict()
    {'stretch': 2.0, 'inside': 2.37, 'inside_before': 2.33, 'beyond': 2.27, 'beyond_before': 4.33}
    """
    tried = losses[losses.intervention.isin((UNCHANGED, *METHODS))]
    longest = int(tried.groupby("intervention")["first"].max().min()) + LOSS_BIN
    tried = tried[tried["first"] < longest]
    inside, beyond = mean_losses(tried, 0, trained), mean_losses(tried, longest // 2, longest)
    found = pd.DataFrame(
        {
            "stretch": longest / trained,
            "inside": inside,
            "inside_before": inside[UNCHANGED],
            "beyond": beyond,
            "beyond_before": beyond[UNCHANGED],
        }
    )
    return found.loc[list(METHODS)].rename_axis("method")
