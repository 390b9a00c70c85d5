"""A grid of experiments in a TOML file: fixed values, and axes whose product makes the cells.

    about = "Which bound predicts failure?"   # for readers
    kind = "train"                            # what computes a cell

    [fixed]                                   # the same in every cell
    spectrum.scaling = "default"
    training.steps = 600

    [axes]                                    # every combination is a cell; the last axis varies fastest
    spectrum.base = [4, 100, 10_000]
    training.length = [128, 256]
    seed = [0, 1, 2]

    [together]                                # values that vary together, as one axis before the others
    shape = [{ model.layers = 1, model.width = 64 }, { model.layers = 2, model.width = 48 }]

    [[exclude]]                               # cells with all of these values are left out
    spectrum.base = 4
    training.length = 256

    [full]                                    # what another size changes: any of the tables above
    fixed.device = "cuda"
    axes.training.length = [128, 256, 512]
    resources.GPU = 1                         # what a worker must have to run one cell

The tables at the top, with the changes of a table `[default]`, make the size `default`. A key that a size
sets replaces the same key at the top, whether it is fixed or an axis; otherwise each key is set once. An axis
whose values are tables, such as `spectrum = [{ scaling = "default", base = 100 }, { scaling = "none" }]`,
sets the keys in them; a key that one of them leaves out gets the default of the computation.
"""

import itertools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from .store import JsonObject, canonical, digest
from .toml import read_toml

SIZES = ("default", "full")

# A grid is counted before its cells are made, and refused if it is larger: at a second a cell, a day of work.
MOST_CELLS = 100_000
# Values of all cells together, and comparisons of cells with what is excluded: some seconds, some 200 MB.
MOST_VALUES = 2_000_000

_TABLES = ("fixed", "axes", "together", "exclude", "resources")

_Keys: TypeAlias = tuple[str, ...]  # the keys of nested tables that lead to a value
_Setting: TypeAlias = dict[_Keys, Any]  # values that a cell takes together
_Factors: TypeAlias = dict[_Keys, list[_Setting]]  # the axes, by where the file defines them


@dataclass(frozen=True)
class Cell:
    """One experiment: nested `values`, and those of them that axes set, by dotted name, in `point`.

    >>> cell = Cell({"spectrum": {"base": 4}, "steps": 9}, {"spectrum.base": 4})
    >>> print(cell)
    spectrum.base=4
    >>> cell.digest == Cell({"steps": 9, "spectrum": {"base": 4}}, {}).digest
    True
    """

    values: JsonObject
    point: JsonObject

    @property
    def digest(self) -> str:
        """The cell's name, from its values alone: two grids, or two sizes of one, may share a cell."""
        return digest(self.values)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.point.items()) or "the only cell"


@dataclass(frozen=True)
class Grid:
    """The cells of one size of a grid file, in order, and the amounts of `resources` that each needs."""

    name: str
    about: str
    kind: str
    size: str
    cells: tuple[Cell, ...]
    resources: dict[str, float]

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The dotted names of the values that vary, in order."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.point))


def read_grid(path: str | Path, size: str = "default") -> Grid:
    """The `Grid` in a TOML file at one of `SIZES`; every size that the file defines is checked.

    Raises OSError if the file cannot be read, and ValueError in one line that names the file, the key and
    what was expected.

    >>> read_grid("experiments/spectra.toml", "tiny")
    Traceback (most recent call last):
    ValueError: experiments/spectra.toml: size must be one that the file defines (default, full), got 'tiny'
    """
    file = Path(path)
    try:
        document = read_toml(file)
        sizes = [each for each in SIZES if each == "default" or each in document]
        grids = {each: make_grid(document, each, file.stem) for each in sizes}
        if size not in grids:
            raise ValueError(f"size must be one that the file defines ({', '.join(grids)}), got {size!r}")
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are among them
        raise ValueError(f"{file}: {error}") from None
    return grids[size]


def make_grid(document: JsonObject, size: str = "default", name: str = "grid") -> Grid:
    """The `Grid` of a document as `tomllib` reads it; raises ValueError as `read_grid` does.

    >>> grid = make_grid({"kind": "train", "fixed": {"a": 1}, "axes": {"b": {"c": [2, 3]}, "seed": [0, 1]}})
    >>> [cell.values for cell in grid.cells][1]
    {'a': 1, 'b': {'c': 2}, 'seed': 1}
    >>> print(*grid.cells, sep=", ")
    b.c=2 seed=0, b.c=2 seed=1, b.c=3 seed=0, b.c=3 seed=1
    """
    _check_keys("the grid", document, ("about", "kind", *_TABLES, *SIZES))
    for key in ("about", "kind"):
        if not isinstance(document.get(key, "" if key == "about" else None), str):
            raise ValueError(f"{key} must be a string, got {document.get(key)!r}")
    change = document.get(size, {})
    _check_keys(size, change, _TABLES)
    fixed: _Setting = {}
    factors: _Factors = {}
    resources: dict[str, float] = {}
    excluded: list[_Setting] = []
    for table, where in ((document, ""), (change, f"{size}.")):
        newly_fixed, new_factors = _set(table, where)
        new = _Taken([*newly_fixed, *(keys for factor in new_factors.values() for keys in _keys_of(factor))])
        fixed = {keys: value for keys, value in fixed.items() if not new.clashes(keys)} | newly_fixed
        factors = _beside(factors, new, new_factors, where) | new_factors
        excluded += [_leaves(each, f"{where}exclude") for each in _list(table, "exclude", where)]
        resources |= _resources(table.get("resources", {}), f"{where}resources")
    _check_number(fixed, factors, excluded)
    every = [_cell(fixed, choice) for choice in itertools.product(*factors.values())]
    cells = [cell for cell, leaves in every if not any(_holds(one, leaves) for one in excluded)]
    for one in excluded:
        if not any(_holds(one, leaves) for _, leaves in every):
            raise ValueError(f"exclude must match a cell of the grid, got {_text(one)}")
    if not cells:
        raise ValueError("the grid must have cells, but exclude matches every one")
    return Grid(name, document.get("about", ""), document["kind"], size, tuple(cells), resources)


def _set(table: JsonObject, where: str) -> tuple[_Setting, _Factors]:
    """What one level of a grid file sets: fixed values and factors."""
    fixed = _leaves(table.get("fixed", {}), f"{where}fixed", empty=True)
    factors: _Factors = {}
    for name, settings in _table(table, "together", where).items():
        label = f"{where}together.{name}"
        factors["together", name] = [_leaves(each, label) for each in _values(settings, label)]
    for keys, values in _leaves(table.get("axes", {}), f"{where}axes", empty=True).items():
        label = f"{where}axes.{'.'.join(keys)}"
        settings = _values(values, label)
        if any(isinstance(each, dict) for each in settings):
            factors["axes", *keys] = [_leaves(each, label, keys) for each in settings]
        else:
            factors["axes", *keys] = [{keys: each} for each in settings]
    seen = _Taken(fixed)
    for place, factor in factors.items():
        if any(seen.clashes(keys) for keys in _keys_of(factor)):
            name = ".".join(place)
            raise ValueError(
                f"{where}{name} must not set a key that is set elsewhere, got {_text(factor[0])}"
            )
        seen.add(_keys_of(factor))
    return fixed, factors


def _check_number(fixed: _Setting, factors: _Factors, excluded: Sequence[_Setting]) -> None:
    """Raise ValueError for more cells, or more values in them, than a grid may have."""
    cells = math.prod(len(factor) for factor in factors.values())
    if cells > MOST_CELLS:
        raise ValueError(f"the grid must have at most {MOST_CELLS:,} cells, got {cells:,}")
    each = len(fixed) + sum(max(map(len, factor)) for factor in factors.values())
    values = cells * (each + sum(map(len, excluded)))
    if values > MOST_VALUES:
        limit = f"must have at most {MOST_VALUES:,} values in all its cells, those to exclude included"
        raise ValueError(f"the grid {limit}, got {values:,}")


def _beside(factors: _Factors, new: "_Taken", new_factors: _Factors, where: str) -> _Factors:
    """The factors that stay beside `new` keys. One that is given other values keeps its place."""
    staying = {}
    for place, factor in factors.items():
        replaced = [keys for keys in _keys_of(factor) if new.clashes(keys)]
        if place in new_factors or not replaced:
            staying[place] = factor
        elif len(replaced) < len(_keys_of(factor)):
            names = ", ".join(sorted(".".join(keys) for keys in _keys_of(factor)))
            raise ValueError(f"{where.strip('.')} must set all or none of {names}, which vary together")
    return staying


def _cell(fixed: _Setting, choice: Iterable[_Setting]) -> tuple[Cell, _Setting]:
    """A cell and its values by their keys: the fixed values, and one setting of each factor."""
    varied = {keys: value for setting in choice for keys, value in setting.items()}
    leaves = fixed | varied
    values: JsonObject = {}
    for keys, value in leaves.items():
        table = values
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = value
    return Cell(values, {".".join(keys): value for keys, value in varied.items()}), leaves


def _leaves(table: object, where: str, above: _Keys = (), *, empty: bool = False) -> _Setting:
    """The values in nested tables, by the keys that lead to each, those `above` the table included."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    if not table and not empty:
        raise ValueError(f"{where} must set something, got an empty table")
    found: _Setting = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{where}.{key}", (*above, key))
        else:
            try:
                canonical({"value": value})
            except ValueError:
                raise ValueError(f"{where}.{key} must be a value that JSON can hold, got {value}") from None
            found[(*above, key)] = value
    return found


def _values(values: object, where: str) -> list[Any]:
    """The values of an axis: a list that is not empty and repeats none."""
    if not isinstance(values, list) or not values:
        raise ValueError(f"{where} must be a list of values, got {values!r}")
    if len(set(map(_hashable, values))) < len(values):
        raise ValueError(f"{where} must not repeat a value, got {values!r}")
    return values


def _resources(table: object, where: str) -> dict[str, float]:
    """Amounts by the name of a resource of Dask."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    for name, amount in table.items():
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not amount > 0:
            raise ValueError(f"{where}.{name} must be a positive number, got {amount!r}")
    return table


def _table(table: JsonObject, key: str, where: str) -> JsonObject:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise ValueError(f"{where}{key} must be a table, got {found!r}")
    return found


def _list(table: JsonObject, key: str, where: str) -> list[Any]:
    found = table.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{where}{key} must be a list of tables, got {found!r}")
    return found


def _check_keys(where: str, table: object, allowed: Sequence[str]) -> None:
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where} must have keys among {', '.join(allowed)}, got {key!r}")


def _keys_of(factor: Iterable[_Setting]) -> set[_Keys]:
    return {keys for setting in factor for keys in setting}


def _hashable(value: Any) -> Hashable:
    """A value of TOML such that equal values are equal, and hash alike."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((key, _hashable(each)) for key, each in value.items())
    return value  # type: ignore[no-any-return]  # a number, string or date


class _Taken:
    """The keys that are set, and the tables that hold them."""

    def __init__(self, keys: Iterable[_Keys]) -> None:
        self._keys: set[_Keys] = set()
        self._tables: set[_Keys] = set()
        self.add(keys)

    def add(self, keys: Iterable[_Keys]) -> None:
        for each in keys:
            self._keys.add(each)
            self._tables.update(each[:depth] for depth in range(1, len(each)))

    def clashes(self, keys: _Keys) -> bool:
        """Whether a key, a table that holds it, or a part of it is set."""
        above = (keys[:depth] for depth in range(1, len(keys) + 1))
        return keys in self._tables or any(each in self._keys for each in above)


def _holds(wanted: _Setting, leaves: Mapping[_Keys, Any]) -> bool:
    return all(keys in leaves and leaves[keys] == value for keys, value in wanted.items())


def _text(setting: _Setting) -> str:
    return ", ".join(f"{'.'.join(keys)}={value!r}" for keys, value in setting.items())
