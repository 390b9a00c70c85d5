"""Can a trained model be converted to another rotation by brief tuning? (paper B, claim B10, in practice)

Paper B trains RoPE-ID from scratch. Whoever has a trained model asks for another thing: to exchange its
rotation and tune it a little. The packaged SmolLM2-135M is tuned to four arms of `train.conversion`, on the
same pieces of the same text: nothing changed (the control), RoPE-ID, a larger base, no rotation.

Written down before any arm was tuned:

Measures.      The loss on the first 512 tokens of each of six texts, along the tuning; at its end, the loss
               by position of two of them (the first two of `measure.texts`), to 12,288 tokens. The model's
               length is the 8,192 tokens that it declares. Every comparison is with the control, on the same
               tokens after the same steps, so that neither the text nor the tuning text is told as success.
Recovered.     An arm has recovered when the excess of its loss over the control's has a 95 % interval
               (Student's, over the six texts) that ends below `RECOVERED` nats. It is lost where the interval
               begins above that, and open in between.
Extended.      An arm's rise is its loss at positions 8,192 to 12,287 less that at 4,096 to 8,191. It is
               extended when its rise is at most half of the control's in each of the two texts. Two are too
               few for an interval. Only an arm that has recovered can count as converted and extended: one
               that knows little has little to lose.
Expected.      The larger base recovers and extends, as in practice. RoPE-ID begins high, falls to the end
               and does not recover in 24,576 tokens. No rotation begins highest and does not recover either:
               DroPE's own recalibration takes many times as many tokens.
What would     RoPE-ID recovered and extended: paper B's cure is within reach of whoever has a trained model,
change our     and the book must stop saying that it is for training from scratch. The larger base lost: the
mind.          budget is too small to tell anything of the others. The control worse than the untouched model
               by more than `RECOVERED`: the tuning itself does harm, and "recovered" is too easy.
Not covered.   One model of 135M parameters, one rate, one seed of the tuning text's order, 48 steps of 512
               tokens: a failure is one of this budget, not of the idea. Arithmetic is in bfloat16.
"""

import numpy as np
import pandas as pd

from .kept import Tables
from .stats import student_interval
from .wording import signed

CONTROL, UNTOUCHED = "control", "untouched"
RECOVERED = 0.1  # nats over the control's loss: a perplexity higher by a tenth
PIECE = 512  # tokens of a step
HALF = 0.5  # of the control's rise beyond the declared length, at most this much is extended
INSIDE, BEYOND = (4_096, 8_192), (8_192, 12_288)  # positions: the last octave of the length, and what follows
LABELS = {
    UNTOUCHED: "untouched",
    CONTROL: "nothing changed",
    "rope_id": "RoPE-ID",
    "base": "base 1,000,000",
    "dropped": "no rotation",
}


def excess(curve: pd.DataFrame) -> pd.DataFrame:
    """The table `curve` with a column `excess`: the loss less that of the control, same text and step.

    >>> losses = {"arm": ["control", "base"], "nll": [2.0, 2.5]}
    >>> excess(pd.DataFrame(losses).assign(seed=0, step=0, text="licenses")).excess.tolist()
    [0.0, 0.5]
    """
    same = ["seed", "step", "text"]
    control = curve[curve.arm == CONTROL].set_index(same).nll
    return curve.assign(excess=curve.nll - curve.set_index(same).index.map(control).to_numpy())


def along(curve: pd.DataFrame) -> pd.DataFrame:
    """The mean excess over the texts with its 95 % interval: arm, step, mean, low, high; see `excess`."""
    found = [
        (arm, step, *student_interval(part.excess))
        for (arm, step), part in excess(curve).groupby(["arm", "step"], sort=False)
    ]
    return pd.DataFrame(found, columns=["arm", "step", "mean", "low", "high"])


def recovery(curve: pd.DataFrame) -> pd.DataFrame:
    """What the rule says of each arm after the last step, by arm: first, mean, low, high, share, outcome.

    `first` is the mean excess before tuning, `share` how much of it tuning took away (NaN of the control),
    and `outcome` is "recovered", "lost" or "open".
    """
    rows = along(curve)
    last = rows[rows.step == rows.step.max()].set_index("arm").drop(columns="step")
    last.insert(0, "first", rows[rows.step == 0].set_index("arm")["mean"])
    last = last.drop(index=CONTROL)
    outcome = np.where(last.high < RECOVERED, "recovered", np.where(last.low > RECOVERED, "lost", "open"))
    return last.assign(share=1 - last["mean"] / last["first"], outcome=outcome)


def by_text(curve: pd.DataFrame) -> pd.DataFrame:
    """The excess of each arm (rows) on each text (columns) after the last step."""
    table = excess(curve)
    last = table[(table.step == table.step.max()) & (table.arm != CONTROL)]
    return last.pivot_table(index="arm", columns="text", values="excess")


def late_change(rows: pd.DataFrame) -> pd.Series:
    """By how much the mean excess of each arm changed between the last two points of its curve, by arm.

    `rows` is as `along` returns it. Where it is well below 0, tuning had not done all that it could.
    """
    *_, before, last = sorted(rows.step.unique())
    means = rows.pivot(index="arm", columns="step", values="mean")
    change: pd.Series = means[last] - means[before]
    return change


def rises(far: pd.DataFrame) -> pd.DataFrame:
    """Mean losses in the last octave of the length and beyond it: arm, text, inside, beyond, rise."""
    means = {}
    for name, (low, high) in {"inside": INSIDE, "beyond": BEYOND}.items():
        part = far[(far["first"] >= low) & (far["first"] < high)]
        means[name] = part.groupby(["arm", "text"], sort=False).nll.mean()
    table = pd.DataFrame(means).reset_index()
    return table.assign(rise=table.beyond - table.inside)


def extension(far: pd.DataFrame) -> pd.DataFrame:
    """What the rule says of each arm beyond the length, by arm: inside, beyond, rise, ratio, extended.

    The first three are means over the texts, `ratio` is the largest of the texts' ratios of the arm's rise to
    the control's. The untouched model is among the arms, the control is not. Where the control does not rise
    there is nothing to extend: `ratio` is NaN and `extended` false.
    """
    table = rises(far)
    of_text = table.pivot(index="text", columns="arm", values="rise")
    control = of_text[CONTROL]
    ratios = of_text.div(control.where(control > 0), axis=0).max(skipna=False)
    means = table.groupby("arm", sort=False)[["inside", "beyond", "rise"]].mean().drop(index=CONTROL)
    return means.assign(ratio=ratios, extended=ratios <= HALF)


def harm(curve: pd.DataFrame) -> tuple[float, float, float]:
    """What tuning alone does to the loss: the control's after the last step less before the first."""
    losses = curve[curve.arm == CONTROL].pivot_table(index=["seed", "text"], columns="step", values="nll")
    return student_interval(losses[losses.columns.max()] - losses[0])


def verdict(recovered: str, extended: bool) -> str:
    """The outcome of an arm by both rules, in words.

    >>> verdict("recovered", True), verdict("lost", True)
    ('converted and extended', 'not converted')
    """
    if recovered == "recovered":
        return "converted and extended" if extended else "converted, not extended"
    return "not converted" if recovered == "lost" else "open"


def facts(tables: Tables) -> dict[str, str]:
    """The numbers of the chapter's text, by their glue names."""
    curve, far, training = tables["curve"], tables["far"], tables["training"]
    late, of_text = late_change(along(curve)), by_text(curve)
    back, out, changed = recovery(curve), extension(far), harm(curve)
    control = rises(far).query("arm == @CONTROL")
    found = {
        "converted-steps": f"{curve.step.max()}",
        "converted-late-steps": f"{np.diff(np.unique(curve.step))[-1]}",
        "converted-tokens": f"{curve.step.max() * PIECE:,}",
        "converted-texts": f"{curve.text.nunique()}",
        "converted-far-texts": f"{far.text.nunique()}",
        "converted-rate": f"{training.learning_rate.max():g}",
        "converted-threshold": f"{RECOVERED:g}",
        "converted-harm": signed(changed[0]),
        "converted-harm-interval": f"{signed(changed[1])} to {signed(changed[2])}",
        "converted-harm-said": "does" if changed[0] > RECOVERED else "does not do",
        "converted-control-rise": signed(control.rise.mean()),
        "converted-control-inside": f"{control.inside.mean():.2f}",
        "converted-untouched-rise": signed(out.rise[UNTOUCHED]),
    }
    for arm, row in back.iterrows():
        key = f"converted-{str(arm).replace('_', '-')}"
        found |= {
            f"{key}-first": signed(row["first"]),
            f"{key}-last": signed(row["mean"]),
            f"{key}-interval": f"{signed(row.low)} to {signed(row.high)}",
            f"{key}-share": f"{100 * row.share:.0f} %",
            f"{key}-late": signed(late[arm]),
            f"{key}-least": f"{of_text.loc[arm].idxmin()} ({signed(of_text.loc[arm].min())})",
            f"{key}-most": f"{of_text.loc[arm].idxmax()} ({signed(of_text.loc[arm].max())})",
            f"{key}-outcome": verdict(row.outcome, bool(out.extended[arm])),
            f"{key}-rise": signed(out.rise[arm]),
            f"{key}-ratio": f"{out.ratio[arm]:.2f}",
            f"{key}-inside": f"{out.inside[arm]:.2f}",
            f"{key}-inside-over": signed(out.inside[arm] - control.inside.mean()),
        }
    return found
