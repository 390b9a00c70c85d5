"""What every task is made of: a batch of inputs with their questions, and random places for things."""

from dataclasses import dataclass

import torch

IGNORE = -100  # the target where nothing is asked: the index that torch's cross-entropy leaves out
NOWHERE = -1  # the distance where there is no question, or its answer has no single place


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs, and what is asked at each position, all int64 of shape `(batch, length)`.

    `targets` holds the token that should come next, IGNORE where nothing is asked. `distance` is how many
    tokens before the question its answer stands, NOWHERE where there is no question or no single place.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    distance: torch.Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, start: int, stop: int) -> "Batch":
        """The inputs from `start` up to `stop`, as a batch."""
        return Batch(self.tokens[start:stop], self.targets[start:stop], self.distance[start:stop])

    def to(self, device: str | torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(self.tokens.to(device), self.targets.to(device), self.distance.to(device))


def shuffled(generator: torch.Generator, batch: int, count: int) -> torch.Tensor:
    """0 … count - 1 in random order, anew for each row: `(batch, count)`."""
    return torch.rand(batch, count, generator=generator).argsort(dim=1)


def place(
    generator: torch.Generator, taken: torch.Tensor, *, apart: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two free slots for each row, start < again, now marked in `taken` `(batch, slots)`; or one, twice.

    With `apart` their distance is log-uniform from 1 to slots - 1, so that each octave is equally frequent,
    and the start is uniform among those that fit. Rows whose slots are taken draw again.
    """
    batch, slots = taken.shape
    start, again = torch.empty(2, batch, dtype=torch.int64)
    open_rows = torch.arange(batch)
    while len(open_rows):
        at, scale = torch.rand(2, len(open_rows), generator=generator, dtype=torch.float64)
        gap = (slots**scale).long().clamp(1, slots - 1) if apart else torch.zeros_like(open_rows)
        first = (at * (slots - gap)).long()
        second = first + gap
        free = ~(taken[open_rows, first] | taken[open_rows, second])
        done = open_rows[free]
        start[done], again[done] = first[free], second[free]
        taken[done, first[free]] = taken[done, second[free]] = True
        open_rows = open_rows[~free]
    return start, again
