"""The packaged model tuned to the arms of `conversion`, and the losses of what comes of it, each kept.

`tools/results.py converted` makes a result of them; what counts as success is in `findings.converted`.
"""

from pathlib import Path

import pandas as pd
import torch

from rope_lib.measure.attending import UNCHANGED, Intervention
from rope_lib.measure.break_losses import losses_of_stretches
from rope_lib.measure.load import LanguageModel, load_model, token_ids, tokenize
from rope_lib.measure.store import identity
from rope_lib.measure.text import text_sha256
from rope_lib.measure.texts import TEXTS, text
from rope_lib.measure.tuning_text import tuning_text
from rope_lib.runs.store import JsonObject, Tables, digest, stored

from .checkpoint import load_tensors, save_tensors
from .conversion import BASE, CONTROL, DROPPED, EVERY, PLAN, ROPE_ID, arms, tune, tuned_weights
from .loop import autocast

TUNED = (CONTROL, ROPE_ID, BASE, DROPPED)
UNTOUCHED = "untouched"  # the model before any tuning, rotating as it does
HELD_OUT = 512  # tokens of each text that the learning curves are of
FAR_TEXTS = tuple(TEXTS)[:2]
FAR = 12_288  # tokens of each text that a tuned model reads at the end
BIN = 512  # positions over which their losses are averaged
SEED = 0


def curves(name: str, folder: str | Path) -> Tables:
    """`conversion.tune` of the packaged model to an arm by name; its weights go into `folder`.

    Tables curve and training, each with the columns arm and seed first. What is kept is not tuned again.
    """
    model = load_model()
    inputs = _inputs(model, name)

    def tuned() -> Tables:
        held_out = {each: tokenize(model, text(each), HELD_OUT) for each in TEXTS}
        arm, words = arms(model.network)[name], token_ids(model, tuning_text())
        tables = tune(model, arm, words, held_out, plan=PLAN, every=EVERY, seed=SEED)
        weights = {key: each.detach() for key, each in tuned_weights(model.network).items()}
        save_tensors(_path(folder, name), weights, {"config": digest(inputs)})
        for table in tables.values():
            table.insert(0, "arm", name)
            table.insert(1, "seed", SEED)
        return tables

    return stored("converted", inputs, tuned)


def far_losses(name: str, title: str, folder: str | Path) -> pd.DataFrame:
    """Losses by position of the model tuned to an arm, or `UNTOUCHED`, on the text of a title.

    Columns: arm, text, first (of each bin of `BIN` positions), nll. The weights come from `folder`, where
    `curves` put them: raises ValueError as `checkpoint.load_tensors` does, and FileNotFoundError.
    """
    model = load_model()
    tokens = tokenize(model, text(title), FAR)
    tuning = {} if name == UNTOUCHED else _inputs(model, name)
    inputs = identity([__name__], model, tokens, dtype=PLAN.dtype, size=BIN, tuning=tuning)

    def read() -> Tables:
        arm: Intervention = UNCHANGED if name == UNTOUCHED else arms(model.network)[name]
        if name != UNTOUCHED:
            load_tuned(model, _path(folder, name), digest(tuning))
        with autocast(PLAN.dtype, model.device):
            found = losses_of_stretches(model, tokens, length=FAR, size=BIN, intervention=arm)
        found = found.drop(columns="stretches")
        found.insert(0, "arm", name)
        found.insert(1, "text", title)
        return {"far": found}

    return stored("converted_far", inputs, read)["far"]


def load_tuned(model: LanguageModel, path: Path, of: str) -> None:
    """Give a model, in place, the tuned weights in a file; `of` is the digest of what they were tuned by."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: must hold tuned weights: tune the arm again")
    tensors, _ = load_tensors(path, of)
    with torch.no_grad():
        for name, weights in tuned_weights(model.network).items():
            weights.copy_(tensors[name])


def _path(folder: str | Path, name: str) -> Path:
    return Path(folder) / f"{name}.safetensors"


def _inputs(model: LanguageModel, name: str) -> JsonObject:
    """What determines a tuned model."""
    tokens = token_ids(model, tuning_text())
    options = {"plan": PLAN, "every": EVERY, "seed": SEED, "held_out": HELD_OUT}
    arm = arms(model.network)[name].described()
    found = identity(["rope_lib.train.conversion"], model, tokens, arm=arm, **options)
    return found | {"texts": {each: text_sha256(text(each)) for each in TEXTS}}
