"""Plain RoPE with its cosines and sines computed as a program computes them, by a named scheme.

A `Spectrum` rounds inverse frequency and angle to one type; a scheme may do anything, as long as it needs no
more than positions, a base and a number of channels. Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from rope_lib.theory.arguments import Floats, one_of
from rope_lib.theory.oscillators import frequencies
from rope_lib.theory.precision import SCHEMES, Arithmetic, Scheme, direct_product

from .spectrum import Spectrum

# Those of programs, their like in float16, and a model that was cast to bfloat16 with its buffers: it takes
# float32 products of rounded frequencies.
ROTATION_SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        **SCHEMES,
        "float16 angles": partial(direct_product, arithmetic=Arithmetic("float16", "float16", "float32")),
        "float16 tables": partial(direct_product, arithmetic=Arithmetic("float32", "float32", "float16")),
        "bfloat16 frequencies": partial(
            direct_product, arithmetic=Arithmetic("bfloat16", "float32", "float32")
        ),
    }
)


@dataclass(frozen=True)
class Computed:
    """A rotation by one of `ROTATION_SCHEMES`, at a base, of heads of `head_dim` channels.

    >>> Computed("bfloat16 angles", 10_000, 4).tables(2, 256)[0].round(4).tolist()  # 257 rounds to 256
    [[-0.0398, -0.837], [-0.0398, -0.837]]
    """

    scheme: str
    base: float
    head_dim: int
    attention_factor: float = 1.0

    @classmethod
    def of(cls, spectrum: Spectrum, scheme: str, head_dim: int) -> "Computed":
        """The scheme at the base of a spectrum. Raises ValueError for a spectrum that is not plain RoPE."""
        if spectrum != Spectrum(base=spectrum.base):
            raise ValueError(
                "scheme must be left out for a spectrum that is not plain RoPE with float64 angles, "
                f"got {scheme!r} for {spectrum.scaling!r}"
            )
        return cls(scheme, spectrum.base, head_dim)

    def __post_init__(self) -> None:
        one_of("scheme", self.scheme, ROTATION_SCHEMES)

    @property
    def inv_freq(self) -> tuple[float, ...]:
        """The exact frequencies, in radians per token."""
        return tuple(frequencies(self.base, self.head_dim).tolist())

    def tables(self, length: int, shift: int = 0) -> tuple[Floats, Floats]:
        """cos and sin at positions shift … shift + length - 1, each `(length, pairs)`.

        Raises ValueError for a position that the scheme's type cannot hold.
        """
        return ROTATION_SCHEMES[self.scheme](np.arange(shift, shift + length), self.base, self.head_dim)

    def query_scale(self, length: int) -> Floats:
        """1 for every query: no temperature."""
        return np.ones(length)
