"""What retrofits cost and gain where this book measured them: `retrofit_costs.csv`, from kept results.

`tools/retrofit_costs.py` makes the file, so that reading it needs neither pandas nor the results.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class RetrofitCost:
    """One method at one stretch, measured on one model and one text. Losses are mean nats a token."""

    method: str
    stretch: float  # for how many times the trained length the retrofit was made
    inside: float  # loss within the trained length, with the retrofit
    inside_before: float  # the same without it
    beyond: float  # loss in the last half of the longest input, `stretch` times the trained length
    beyond_before: float  # the same without the retrofit
    trained: int  # tokens that the model declares as its context
    model: str
    text: str
    result: str  # the folder of results/ that holds the tables
    date: str

    @property
    def cost(self) -> float:
        """What the retrofit adds to the loss within the trained length, in nats a token."""
        return self.inside - self.inside_before


@lru_cache(maxsize=1)
def retrofit_costs() -> tuple[RetrofitCost, ...]:
    """Every measured retrofit, in the order of the file.

    >>> [(one.method, one.stretch, round(one.cost, 2)) for one in retrofit_costs()][:2]
    [('yarn', 2.0, 0.03), ('ntk', 2.0, 0.04)]
    """
    file = Path(__file__).with_name("retrofit_costs.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return tuple(
            RetrofitCost(
                method=row["method"],
                stretch=float(row["stretch"]),
                inside=float(row["inside"]),
                inside_before=float(row["inside_before"]),
                beyond=float(row["beyond"]),
                beyond_before=float(row["beyond_before"]),
                trained=int(row["trained"]),
                model=row["model"],
                text=row["text"],
                result=row["result"],
                date=row["date"],
            )
            for row in csv.DictReader(lines)
        )


def scope_of_costs() -> str:
    """On what the costs were measured, in a sentence.

    >>> scope_of_costs().partition(",")[0]
    'Measured on one model'
    """
    costs = retrofit_costs()
    models = sorted({f"{one.model} ({one.trained:,} tokens declared)" for one in costs})
    texts = min((one.text for one in costs), key=len)
    number = "one model" if len(models) == 1 else f"{len(models)} models"
    return f"Measured on {number}, {', '.join(models)}, and one text, {texts}, without further training."
