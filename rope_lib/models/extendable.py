"""Which methods each class of transformers really runs: the table that tools/extendable.py makes.

For every model type and method the tool writes the fragment into a config, builds the rotary module of the
installed version from it, and compares the frequencies with those of `theory.scaling`.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Extendable:
    """What one version of transformers runs as it is meant."""

    version: str  # such as "transformers 5.23.0"
    methods: dict[str, tuple[str, ...]]  # by model type; a type without a rotary class is not in it
    needs_head_dim: frozenset[str]  # model types whose config must state the head size
    scales_scores: frozenset[str]  # model types whose code multiplies scores by mscale_all_dim


@lru_cache(maxsize=1)
def _tables() -> dict[str, Extendable]:
    file = Path(__file__).with_name("extendable.json")
    return {
        program: Extendable(
            row["version"],
            {name: tuple(methods) for name, methods in row["methods"].items()},
            frozenset(row["needs_head_dim"]),
            frozenset(row["scales_scores"]),
        )
        for program, row in json.loads(file.read_text(encoding="utf-8")).items()
    }


def extendable(program: str) -> Extendable:
    """The table of a program, "transformers-4" or "transformers-5".

    >>> extendable("transformers-5").methods["llama"]
    ('yarn', 'ntk', 'linear', 'dynamic', 'llama3')
    """
    return _tables()[program]
