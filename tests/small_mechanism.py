"""Small tables of the mechanism, in which every intervention restores a known share of the damage."""

import numpy as np
import pandas as pd

MODELS = ("SmolLM2-135M", "byte RoPE")
TEXTS = ("one", "two", "three")
HEALTHY, DAMAGE = 2.0, 4.0
RESTORED = {
    "clipped": 0.95,
    "far": 0.8,
    "unmatched": 0.7,
    "matched": 0.05,
    "sink_returned": 0.1,
    "sink_fixed": 0.1,
    "cooled": -0.1,
}
DONE = {"sink_lowered": 0.3, "sink_gone": 0.4, "warmed": 0.1}
# What clipping the chosen heads restores of two doses, of 4 key heads.
CHOSEN = {"dispersed": (0.2, 0.3), "outbidding": (0.6, 0.8), "random": (0.1, 0.4)}


def tables():
    """Tables losses and heads of two models, a gap each: 4 layers of one key head and two query heads.

    Texts differ in their damage, by a tenth, and in nothing else.
    """
    losses, heads = [], []
    for model in MODELS:
        for number, text in enumerate(TEXTS):
            damage = DAMAGE * (1 + number / 10)
            where = {"model": model, "text": text, "kind": "gap"}

            def row(inside, name, loss, dose=-1, draw=0, where=where):
                given = "within" if inside else "gap"
                read = where | {"input": given, "intervention": name, "dose": dose, "draw": draw}
                losses.extend(read | {"stretch": n, "loss": loss + n - 0.5} for n in (0, 1))
                if dose == -1:
                    sink = 0.3 if inside else 0.25 if name == "unmatched" else 0.1
                    heads.extend(
                        read
                        | {"layer": layer, "head": head, "key_head": 0, "sink_attention": sink}
                        | dict.fromkeys(("largest_score", "entropy", "silhouette"), float(inside))
                        for layer in range(4)
                        for head in range(2)
                    )

            row(True, "unchanged", HEALTHY)
            row(False, "unchanged", HEALTHY + damage)
            for name, share in DONE.items():
                row(True, name, HEALTHY + share * damage)
            for name, share in RESTORED.items():
                row(False, name, HEALTHY + (1 - share) * damage)
            for name, restored in CHOSEN.items():
                for dose, share in zip((1, 2), restored, strict=True):
                    for draw in range(2 if name == "random" else 1):
                        own = share + 0.1 * (draw - 0.5) * (name == "random")
                        row(False, name, HEALTHY + (1 - own) * damage, dose, draw)
    return {"losses": pd.DataFrame(losses), "heads": pd.DataFrame(heads).assign(draw=np.int64(0))}
