"""How long a context published models can use, by public tables: facts, each with its source.

A table gives a model's score at several lengths and a threshold that it calls satisfactory: RULER
(2404.06654) the score of Llama-2-7B-chat at 4,096 tokens, NoLiMa (2502.05167) 85 % of a model's own score on
short inputs. Only models whose rotation the atlas knows, as it was run, are here. Left out are therefore
models that were run under a scaling which their files do not state (the dense Qwen3 models and Qwen2 72B,
under YaRN), later releases and other tunings than the atlas has, and models behind an API.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLES = ("RULER", "NoLiMa")
CONFIDENCE = ("read", "memory")

_FILE = Path(__file__).with_name("effective_lengths.csv")
_FIRST = 1_024  # tokens, of the shortest length in the file; each other is twice the one before


@dataclass(frozen=True)
class EffectiveLength:
    """One model in one table."""

    table: str  # one of TABLES
    listed: str  # the model's name in the table
    model: str  # its name in the atlas
    family: str  # of models that share their maker or their first weights: they are not independent
    claimed: int  # tokens, as the table says
    threshold: float  # the score that counts as satisfactory, in percent
    scores: tuple[tuple[int, float], ...]  # (tokens, percent), the shortest first
    original_length: int | None  # tokens of the training before any extension, where known
    original_base: float | None  # the base of that training
    original_source: str
    confidence: str  # of the original training: one of CONFIDENCE; all scores were read
    note: str
    source: str
    version: str  # the commit of the source
    seen: str  # the day, as 2026-11-27

    @property
    def shortest(self) -> int:
        """The shortest length at which the model was tested, in tokens."""
        return self.scores[0][0]

    @property
    def longest(self) -> int:
        """The longest length at which the model was tested, in tokens."""
        return self.scores[-1][0]

    def interval(self, threshold: float | None = None) -> tuple[float, float]:
        """Where the model breaks: (the longest length that it passes, the next one tested), in tokens.

        The first is 0 for a model that passes at none, the second infinite for one that passes at all.
        Without a `threshold` in percent that of the table holds.

        >>> next(row for row in effective_lengths() if row.model == "Llama 3.1 8B").interval()
        (32768.0, 65536.0)
        """
        least = self.threshold if threshold is None else threshold
        passed = max((length for length, score in self.scores if score >= least), default=0)
        following = (length for length, _ in self.scores if length > passed)
        return float(passed), float(next(following, float("inf")))


@lru_cache(maxsize=1)
def effective_lengths() -> tuple[EffectiveLength, ...]:
    """All rows, in the order of the file.

    >>> [row.listed for row in effective_lengths() if row.table == "NoLiMa"][:2]
    ['Llama 3.3 70B', 'Llama 3.1 405B']
    """
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(parse_row(row) for row in csv.DictReader(file))


def parse_row(row: Mapping[str, str]) -> EffectiveLength:
    """One row of the file, a dict of strings, as an `EffectiveLength`.

    Raises ValueError with the model, the column and what was expected.
    """

    def number(column: str) -> float:
        try:
            value = float(row[column])
        except ValueError:
            value = float("nan")
        if not 0 <= value < float("inf"):
            raise ValueError(f"{row['model']}: {column} must be a number >= 0, got {row[column]!r}")
        return value

    for column, allowed in (("table", TABLES), ("confidence", CONFIDENCE)):
        if row[column] not in allowed:
            expected = ", ".join(allowed)
            raise ValueError(f"{row['model']}: {column} must be one of {expected}, got {row[column]!r}")
    lengths = sorted(int(column) for column in row if column.isdigit())
    scores = tuple((length, number(str(length))) for length in lengths if row[str(length)])
    if len(scores) < 2 or scores[0][0] < _FIRST:
        raise ValueError(
            f"{row['model']}: must have scores at 2 lengths or more, from {_FIRST:,} tokens, got {scores}"
        )
    return EffectiveLength(
        table=row["table"],
        listed=row["listed"],
        model=row["model"],
        family=row["family"],
        claimed=int(number("claimed")),
        threshold=number("threshold"),
        scores=scores,
        original_length=int(number("original_length")) if row["original_length"] else None,
        original_base=number("original_base") if row["original_base"] else None,
        original_source=row["original_source"],
        confidence=row["confidence"],
        note=row["note"],
        source=row["source"],
        version=row["version"],
        seen=row["seen"],
    )
