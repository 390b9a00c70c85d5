"""The least base whose bank never turns negative within a context: a search with a proof at each step.

Call a base good if S(m) = Σ_i cos(m·θ_i) ≥ 0 at every distance m from 1 to the context. Good bases do not
fill an interval: below those of which all are good lie islands, good bases between bad ones. Many are narrow,
and no grid of bases is sure to meet the lowest. This search goes up from base 1 and leaves out nothing. At a
base b it finds a witness, a distance m whose sum is negative, and computes how far above b that sum must stay
negative. With x = ln b, w_i = 2i/d and θ_i = exp(-w_i·x), Taylor's theorem gives for every h ≥ 0

    S(x + h) ≤ S(x) + h·S'(x) + h²/2·C,    C = Σ_i w_i²·m·θ_i·(m·θ_i + min(1, m·θ_i)),

since C bounds |S''| at x and falls as x grows. Up to the first zero of the right side the sum is negative and
each base is bad. The search goes on from there, and ends where no witness is left.
"""

from dataclasses import dataclass

import numpy as np

from .arguments import Floats
from .dips import EPSILON, dips

KEPT = 16  # witnesses followed together
SHORT = 0.3  # share of a witness's usual reach below which the search looks for others

# What the search takes for no progress, relative to the base.
STEP = 1e-13


@dataclass(frozen=True)
class Family:
    """The banks of one head size, one for each x = ln base, and a context in tokens.

    >>> banks = Family.of(8, 1_000)
    >>> banks.exponents, banks.frequencies(np.log(16)).round(3)
    (array([0.  , 0.25, 0.5 , 0.75]), array([1.   , 0.5  , 0.25 , 0.125]))
    """

    exponents: Floats  # w_i: (pairs,)
    context: int

    @classmethod
    def of(cls, head_dim: int, context: int) -> "Family":
        """The family of a head of `head_dim` channels."""
        return cls(np.arange(0, head_dim, 2) / head_dim, context)

    def frequencies(self, x: float) -> Floats:
        """θ_i of the base exp(x): `(pairs,)`, with a relative error up to `blur`."""
        bank: Floats = np.exp(-self.exponents * x)
        return bank

    def blur(self, x: float) -> float:
        """The error of w·x enters through the exponential."""
        return (x + 2) * EPSILON

    def reaches(self, x: float, distances: Floats) -> Floats:
        """How far above x the sum at each distance is certainly negative: 0 where it may not be so at x.

        `distances` is `(witnesses,)`, and so is what is returned.

        >>> Family.of(8, 1_000).reaches(np.log(100), np.array([3.0, 22.0])).round(3)
        array([0.   , 0.017])
        """
        w, freqs = self.exponents, self.frequencies(x)
        angles = np.multiply.outer(distances, freqs)
        rates = w * angles  # -d(angle)/dx
        error = self.blur(x) + 2 * EPSILON  # relative, of an angle
        floor = EPSILON * (2 * w.size**2 + 8 * w.size)  # of a sum of cosines, as in `dips.uncertainty`
        sums = np.cos(angles).sum(axis=1) + floor + error * angles.sum(axis=1)
        slopes = (rates * np.sin(angles)).sum(axis=1) + (rates * (floor + error * (1 + angles))).sum(axis=1)
        curvature = (w * rates * (angles + np.minimum(angles, 1))).sum(axis=1)
        depth = np.maximum(-sums, 0)
        # The positive zero of -depth + slope·h + curvature·h²/2, in the form that does not cancel.
        root = np.sqrt(slopes**2 + 2 * curvature * depth)
        with np.errstate(invalid="ignore", divide="ignore"):
            reach = np.where(slopes > 0, 2 * depth / (slopes + root), (root - slopes) / curvature)
        return np.where(depth > 0, reach * (1 - 1e-9), 0)

    def usual_reach(self, x: float, distance: float) -> float:
        """The change of ln base that turns the pairs by about one radian at a distance."""
        return 1 / (distance * float(np.linalg.norm(self.exponents * self.frequencies(x))))

    def witnesses(self, x: float, near: int) -> tuple[Floats, float]:
        """Distances with negative sums at x, and the farthest of their reaches, sought from `near` on first.

        Up to KEPT of them, from the first part of the context that has one which is not SHORT; else the best
        of all, whose reach is 0 where there is none.
        """
        freqs, best = self.frequencies(x), (np.empty(0), 0.0)
        for start, stop in ((near, self.context + 1), (1, near)):
            for distances, sums in dips(freqs, start, stop, self.blur(x)):
                order = np.argsort(sums / distances)[:KEPT]  # deep and near ones reach far
                reaches = self.reaches(x, distances[order])
                farthest = int(np.argmax(reaches))
                if reaches[farthest] > best[1]:
                    best = distances[order], float(reaches[farthest])
                if reaches[farthest] > SHORT * self.usual_reach(x, distances[order][farthest]):
                    return best
        return best


def all_bad_below(head_dim: int, context: int) -> float:
    """ln of a base up to which every base above 1 is certainly bad, with no witness to be found for the next.

    `context` is in tokens. 0 where a base just above 1 is good, or cannot be shown to be bad.

    >>> round(float(np.exp(all_bad_below(128, 1_000))))
    4206
    """
    banks = Family.of(head_dim, context)
    x, near = 0.0, 1
    while True:
        kept, reach = banks.witnesses(x, near)
        if reach < STEP * max(x, 1.0):
            return x
        while True:  # follow the witnesses while they reach far
            x += reach
            reaches = banks.reaches(x, kept)
            farthest = int(np.argmax(reaches))
            reach = float(reaches[farthest])
            if reach < SHORT * banks.usual_reach(x, kept[farthest]):
                break
        near = max(1, int(kept[farthest]) // 2)
