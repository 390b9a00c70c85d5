"""The case studies: published models at a context length, and how each is known to behave there.

Table 1 of paper A was not available; the rows of origin `table 1` are that table as reconstructed, the others
were added. Most of what is known comes from a benchmark, RULER (2404.06654): for each of its models used here
there is a row at the longest length at which RULER finds the model satisfactory, and one at the longest that
it tested.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

OBSERVED = ("works", "degrades", "fails", "unknown")
CONFIDENCE = ("read", "memory", "reconstructed")
ORIGINS = ("table 1", "added")

# RULER calls an average above that of Llama-2-7B-chat at 4K satisfactory.
RULER_THRESHOLD = 85.6

# Models that have another name in the atlas than in the case studies.
NAMES_IN_ATLAS = {
    "LLaMA-2 7B": "Llama 2 7B",
    "LLaMA-2 70B": "Llama 2 70B",
    "LLaMA-3 8B": "Llama 3 8B",
    "LLaMA-3.1 8B": "Llama 3.1 8B",
    "LLaMA-3.1 70B": "Llama 3.1 70B",
    "LLaMA-3.1 405B": "Llama 3.1 405B",
    "Mistral-7B v0.1": "Mistral 7B v0.1",
    "Mistral-7B v0.2": "Mistral 7B Instruct v0.2",
    "Mixtral 8x7B": "Mixtral 8x7B v0.1",
    "Gradient Llama-3 8B 1048k": "Llama-3-8B-Instruct-Gradient-1048k",
}

_FILE = Path(__file__).with_name("case_studies.csv")


Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class CaseStudy:
    """One model run at one context length.

    Where a RULER average is known it decides `observed`: `works` from the benchmark's threshold up,
    `degrades` below it, `fails` below half of the model's own average at 4K. Elsewhere `works` means that
    the model was trained at this length or that its authors report stable behavior there.
    """

    model: str
    base: float | None  # as stated in the model's configuration; None where no base is known
    context_length: int  # tokens
    num_layers: int
    head_dim: int  # the channels of a head that rotate
    effective_base: float | None  # base × stretch of the slowest frequency by the retrofit; base without one
    retrofit: str  # "none", or its name and factor
    observed: str  # one of OBSERVED
    note: str
    source: str  # of the configuration and of the observation; citation keys where it is a paper
    confidence: str  # one of CONFIDENCE: that of the weakest part of the row
    origin: str  # one of ORIGINS
    train_length: int | None  # longest training sequence of any stage, in tokens; often from memory
    pretrain_length: int | None  # training sequence before any extension, in tokens; often from memory
    pretrain_base: float | None  # the base before any extension
    ruler: float | None  # RULER average at `context_length`, percent
    ruler_4k: float | None  # RULER average at 4K, percent
    window: int | None  # tokens that each layer sees; None where it sees all

    @property
    def longest_distance(self) -> int:
        """The longest distance in tokens that a rotation of this model spans: its context, or its window."""
        return self.context_length if self.window is None else min(self.context_length, self.window)


@lru_cache(maxsize=1)
def case_studies() -> tuple[CaseStudy, ...]:
    """All case studies, in the order of the file.

    >>> first = case_studies()[0]
    >>> first.model, first.base, first.context_length, first.observed
    ('LLaMA-1 7B', 10000.0, 2048, 'works')
    """
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(parse_row(row) for row in csv.DictReader(file))


def parse_row(row: Mapping[str, str]) -> CaseStudy:
    """One row of the file, a dict of strings, as a `CaseStudy`.

    Raises ValueError with the model, the column and what was expected.
    """

    def number(column: str, kind: Callable[[str], Number]) -> Number:
        value: Number | None
        try:
            value = kind(row[column])
        except ValueError:
            value = None
        if value is None or not 0 <= value < float("inf"):
            raise ValueError(f"{row['model']}: {column} must be a number >= 0, got {row[column]!r}")
        return value

    def optional(column: str, kind: Callable[[str], Number]) -> Number | None:
        return number(column, kind) if row[column] else None

    def choice(column: str, allowed: tuple[str, ...]) -> str:
        if row[column] not in allowed:
            names = ", ".join(allowed)
            raise ValueError(f"{row['model']}: {column} must be one of {names}, got {row[column]!r}")
        return row[column]

    return CaseStudy(
        model=row["model"],
        base=optional("base", float),
        context_length=number("context_length", int),
        num_layers=number("num_layers", int),
        head_dim=number("head_dim", int),
        effective_base=optional("effective_base", float),
        retrofit=row["retrofit"],
        observed=choice("observed", OBSERVED),
        note=row["note"],
        source=row["source"],
        confidence=choice("confidence", CONFIDENCE),
        origin=choice("origin", ORIGINS),
        train_length=optional("train_length", int),
        pretrain_length=optional("pretrain_length", int),
        pretrain_base=optional("pretrain_base", float),
        ruler=optional("ruler", float),
        ruler_4k=optional("ruler_4k", float),
        window=optional("window", int),
    )


def known_to_work() -> tuple[tuple[CaseStudy, float], ...]:
    """The case studies that are observed to work, each with its effective base.

    >>> next(base for case, base in known_to_work() if case.model == "LLaMA-2 7B")
    10000.0
    """
    return tuple(
        (case, case.effective_base)
        for case in case_studies()
        if case.observed == "works" and case.effective_base is not None
    )
