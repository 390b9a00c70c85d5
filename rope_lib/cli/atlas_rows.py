"""The atlas as rows, with the verdict on each model."""

import csv
from collections.abc import Sequence
from typing import Any, TextIO, TypeAlias

from rope_lib.models.atlas import AtlasModel, atlas
from rope_lib.models.training import seen_angles, shown_training
from rope_lib.models.verdicts import judge

from .terminal import print_table as print_terminal_table

Value: TypeAlias = str | int | float | None
Row: TypeAlias = dict[str, Value]

COLUMNS = (
    "model", "hf_id", "release", "layers", "context", "trained_context", "base", "scaling", "effective_base",
    "kind", "window", "rotary_dim", "verdict", "verdict_without_scaling", "seen_angles", "training",
    "training_is", "confidence", "source",
)  # fmt: skip
_IN_TERMINAL = (
    "model", "layers", "context", "seen_angles", "training_is", "base", "scaling", "effective_base",
    "verdict", "confidence",
)  # fmt: skip
_NUMBERS = ("layers", "context", "seen_angles", "base", "effective_base")


def atlas_rows(
    filter: str = "",
    sort: str | None = None,
    *,
    context: int | None = None,
    epsilon: float = 0.95,
    dtype: str = "float32",
) -> list[Row]:
    """One dict for each model, with COLUMNS: its worst spectrum and the verdict on it.

    `seen_angles` is the length in tokens up to which no pair of any spectrum turns farther than in the
    training, None where no length does or that training is unknown; `training` is the
    length of that training, and `training_is` says whether it is known, declared or assumed.

    `filter` keeps the models whose name, id, architecture, scaling or verdict contains it; `sort` is a
    column, with a minus before it for the reverse order. What a model does not have is None and sorts last.
    Raises ValueError for an unknown column, and as `judge`.

    >>> [row["verdict"] for row in atlas_rows("llama 3.1 8b")]
    ['stable']
    """
    column, reverse = (sort or "").removeprefix("-"), (sort or "").startswith("-")
    if sort is not None and column not in COLUMNS:
        raise ValueError(f"--sort must be one of {', '.join(COLUMNS)}, got {column!r}")
    every = [_row(model, context, epsilon, dtype) for model in atlas()]
    wanted = filter.casefold()
    rows = [row for row, text in every if wanted in f"{text} {row['scaling']} {row['verdict']}".casefold()]
    if not column:
        return rows
    present = [row for row in rows if row[column] is not None]
    present.sort(key=lambda row: _order(row[column]), reverse=reverse)
    return present + [row for row in rows if row[column] is None]


def _order(value: Value) -> Any:
    """What the values of one column, numbers or texts, are compared by."""
    return value.casefold() if isinstance(value, str) else value


def _row(model: AtlasModel, context: int | None, epsilon: float, dtype: str) -> tuple[Row, str]:
    """`(row, text to search)` of one model."""
    if context is None and model.declared_context is None and model.rotaries:
        raise ValueError(f"{model.name} declares no context: give --context")
    verdict = judge(model, context=context, epsilon=epsilon, dtype=dtype)
    worst = next((judged for judged in verdict.rotaries if judged.verdict == verdict.verdict), None)
    row: Row = {
        "model": model.name,
        "hf_id": model.hf_id,
        "release": model.release,
        "layers": model.num_layers,
        "context": model.declared_context if context is None else int(context),
        "trained_context": model.trained_context,
        "base": None,
        "scaling": None,
        "effective_base": None,
        "kind": None,
        "window": None,
        "rotary_dim": None,
        "verdict": str(verdict.verdict),
        "verdict_without_scaling": None,
        "seen_angles": None,
        "training": None,
        "training_is": None,
        "confidence": model.confidence,
        "source": model.source,
    }
    if worst is not None:
        training = shown_training(model)
        if training is not None:
            least = min(seen_angles(one, training, float(verdict.context)).after for one in model.rotaries)
            row["seen_angles"] = int(least) if least < float("inf") else None
            row |= {"training": training.length, "training_is": training.provenance}
        row |= {
            "base": worst.rotary.base,
            "scaling": worst.rotary.scaling["type"],
            "effective_base": float(worst.effective_base),
            "kind": worst.rotary.kind,
            "window": worst.rotary.window,
            "rotary_dim": worst.rotary.rotary_dim,
            "verdict_without_scaling": str(worst.verdict_without_scaling),
        }
    return row, f"{model.name} {model.hf_id} {model.architecture}"


def print_csv(rows: Sequence[Row], file: TextIO) -> None:
    """Write the rows to `file` as CSV, under their headings."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_table(rows: Sequence[Row]) -> None:
    """Print the columns that a terminal has room for as a table."""
    texts = [tuple(_text(row[column]) for column in _IN_TERMINAL) for row in rows]
    print_terminal_table(_IN_TERMINAL, texts, right=_NUMBERS)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value
