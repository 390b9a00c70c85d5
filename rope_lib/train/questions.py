"""What every task is made of: a batch of inputs with the questions in them, and random places for things."""

from dataclasses import dataclass

import torch

IGNORE = -100  # a target that nobody asks for: the index that torch's cross-entropy leaves out
NOWHERE = -1  # the distance of what is no answer, or stands in no one place


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs, and what is asked at each position, all int64 of shape `(batch, length)`.

    `targets` holds the token that should come next, IGNORE where nothing is asked. `distance` is how many
    tokens before the question its answer stands, NOWHERE where there is no question or no one place.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    distance: torch.Tensor

    def __len__(self):
        return len(self.tokens)

    def rows(self, start, stop):
        """The inputs from `start` up to `stop`, as a batch."""
        return Batch(self.tokens[start:stop], self.targets[start:stop], self.distance[start:stop])

    def to(self, device):
        """The same batch on another device."""
        return Batch(self.tokens.to(device), self.targets.to(device), self.distance.to(device))


def shuffled(generator, batch, count):
    """0 … count - 1 in random order, anew for each row: `(batch, count)`."""
    return torch.rand(batch, count, generator=generator).argsort(dim=1)


def place(generator, taken, *, apart):
    """Two free slots for each row, start < again, now marked in `taken` `(batch, slots)`; or one, twice.

    `apart`: their distance is log-uniform from 1 to slots - 1, so that each octave is equally frequent, and
    the start uniform among those that fit. Rows whose slots are taken draw again.
    """
    batch, slots = taken.shape
    start, again = torch.empty(2, batch, dtype=torch.int64)
    open_rows = torch.arange(batch)
    while len(open_rows):
        at, scale = torch.rand(2, len(open_rows), generator=generator, dtype=torch.float64)
        gap = (slots**scale).long().clamp(1, slots - 1) if apart else torch.zeros(len(open_rows), dtype=int)
        first = (at * (slots - gap)).long()
        second = first + gap
        free = ~(taken[open_rows, first] | taken[open_rows, second])
        done = open_rows[free]
        start[done], again[done] = first[free], second[free]
        taken[done, first[free]] = taken[done, second[free]] = True
        open_rows = open_rows[~free]
    return start, again
