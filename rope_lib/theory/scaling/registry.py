"""The types of RoPE scaling, each entered once with all that the library needs to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .parameters import Parameters, SpectrumAndFactor

# (base, dim, parameters, context_length) → (inv_freq, attention_factor)
ScalingFunction: TypeAlias = Callable[[float, int, Parameters, float | None], SpectrumAndFactor]


@dataclass(frozen=True)
class Scaling:
    """One type of scaling. `rope_lib.theory.scaling` describes what `function` takes and returns."""

    name: str
    function: ScalingFunction
    reads: tuple[str, ...]  # the keys of `parameters` that the function reads
    depends_on_length: bool  # whether the spectrum changes with the length of the input
    is_retrofit: bool  # whether it changes a trained model; if not, models are trained with it from the start
    aliases: tuple[str, ...]  # other names that configs use for it


SCALINGS: dict[str, Scaling] = {}  # by name, in the order of registration; `registered` fills it


def registered(
    reads: tuple[str, ...] = (),
    *,
    is_retrofit: bool,
    depends_on_length: bool = False,
    aliases: tuple[str, ...] = (),
) -> Callable[[ScalingFunction], ScalingFunction]:
    """Enter the decorated function in `SCALINGS` under its own name; the arguments are `Scaling`'s fields.

    Raises ValueError if the name or an alias is taken.

    >>> SCALINGS["longrope"].depends_on_length, SCALINGS["longrope"].aliases
    (True, ('su',))
    >>> registered(is_retrofit=True, aliases=("su",))(SCALINGS["linear"].function)
    Traceback (most recent call last):
    ValueError: the name of a scaling must not be taken, got 'linear'
    """

    def enter(function: ScalingFunction) -> ScalingFunction:
        name = function.__name__
        for new in (name, *aliases):
            if find_scaling(new) is not None:
                raise ValueError(f"the name of a scaling must not be taken, got {new!r}")
        SCALINGS[name] = Scaling(name, function, reads, depends_on_length, is_retrofit, aliases)
        return function

    return enter


def find_scaling(name: object) -> Scaling | None:
    """The scaling of that name or alias, or None.

    >>> find_scaling("su").name, find_scaling("spiral")
    ('longrope', None)
    """
    if not isinstance(name, str):
        return None
    found = SCALINGS.get(name)
    return found or next((each for each in SCALINGS.values() if name in each.aliases), None)


def scaling_names() -> tuple[str, ...]:
    """Every name under which a scaling is found: each name of `SCALINGS`, followed by its aliases."""
    return tuple(name for each in SCALINGS.values() for name in (each.name, *each.aliases))


def is_length_dependent(name: object) -> bool:
    """Whether the spectrum of that name changes with the length of the input; False for unknown names.

    >>> is_length_dependent("dynamic"), is_length_dependent("yarn"), is_length_dependent(None)
    (True, False, False)
    """
    found = find_scaling(name)
    return found is not None and found.depends_on_length
