"""How large an experiment may be: every limit, with its reason.

Far beyond what these experiments are for, so that only a slip or a hostile file meets one. It is refused,
with the number and the limit, before anything is allocated.
"""

from collections.abc import Mapping

# Single sizes, by the name of their key.
SIZES: Mapping[str, int] = {
    "layers": 1_000,
    "width": 65_536,
    "heads": 4_096,
    "head_dim": 4_096,
    "hidden": 2**20,
    "steps": 10**8,
    "batch": 2**16,
    "length": 2**20,  # tokens, in training and in evaluation
    "examples": 2**16,
}
TASK_SIZE = 2**16  # of anything that a task counts: its keys, values, symbols, …
MOST_LENGTHS = MOST_VARIANTS = 64  # every variant is asked at every length

# Products of sizes.
WEIGHTS = 10**9  # numbers to learn: training keeps four of four bytes for each
BATCH_TOKENS = 2**22  # of one step's inputs
EVALUATION_TOKENS = 2**24  # of all inputs of one length, which are drawn at once
TABLE = 2**26  # tokens × channels of a head: cosines and sines of all positions, in float64


def at_most(name: str, value: float, limit: int) -> None:
    """Raise ValueError for a value above its limit.

    >>> at_most("layers", 2_000, SIZES["layers"])
    Traceback (most recent call last):
    ValueError: layers must be at most 1,000, got 2,000
    """
    if value > limit:
        raise ValueError(f"{name} must be at most {limit:,}, got {value:,}")
