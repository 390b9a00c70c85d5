"""A grid of experiments, written down in TOML: fixed values, and axes whose product makes the cells.

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

The size `default` is what stands at the top, with what a table `[default]` changes. Where a size sets a key
that stands at the top, that of the size holds, be it fixed or an axis; otherwise a key is set once. An axis
whose values are tables, such as `spectrum = [{ scaling = "default", base = 100 }, { scaling = "none" }]`,
sets what is in them, and what one of them leaves out is up to the computation.
"""

import itertools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .store import canonical, digest

SIZES = ("default", "full")

_TABLES = ("fixed", "axes", "together", "exclude", "resources")


@dataclass(frozen=True)
class Cell:
    """One experiment: nested `values`, and those of them that axes set, by dotted name, in `point`.

    >>> cell = Cell({"spectrum": {"base": 4}, "steps": 9}, {"spectrum.base": 4})
    >>> print(cell)
    spectrum.base=4
    >>> cell.digest == Cell({"steps": 9, "spectrum": {"base": 4}}, {}).digest
    True
    """

    values: dict
    point: dict

    @property
    def digest(self):
        """Names the cell by its values alone: two grids, or two sizes of one, may share it."""
        return digest(self.values)

    def __str__(self):
        return " ".join(f"{name}={value}" for name, value in self.point.items()) or "the only cell"


@dataclass(frozen=True)
class Grid:
    """The cells of one size of a grid file, in order, and the `resources` that one of them needs."""

    name: str
    about: str
    kind: str
    size: str
    cells: tuple[Cell, ...]
    resources: dict

    @property
    def axes(self):
        """The dotted names of what varies, in order."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.point))


def read_grid(path, size="default"):
    """The `Grid` in a TOML file at one of `SIZES`.

    Raises OSError for no file, and ValueError in one line that names the file, the key and what it must be.
    Every size that the file has is checked.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
        sizes = [each for each in SIZES if each == "default" or each in document]
        grids = {each: make_grid(document, each, path.stem) for each in sizes}
        if size not in grids:
            raise ValueError(f"size must be {' or '.join(grids)}, of which the file has values, got {size!r}")
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are among them
        raise ValueError(f"{path}: {error}") from None
    return grids[size]


def make_grid(document, size="default", name="grid"):
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
            raise ValueError(f"{key} must be a text, got {document.get(key)!r}")
    change = document.get(size, {})
    _check_keys(size, change, _TABLES)
    fixed, factors, resources = {}, {}, {}
    excluded = []
    for table, where in ((document, ""), (change, f"{size}.")):
        newly_fixed, new_factors = _set(table, where)
        new = {*newly_fixed, *(path for factor in new_factors.values() for path in _paths(factor))}
        fixed = {path: value for path, value in fixed.items() if not _clash(path, new)} | newly_fixed
        factors = _beside(factors, new, new_factors, where) | new_factors
        excluded += [_leaves(each, f"{where}exclude") for each in _list(table, "exclude", where)]
        resources |= _resources(table.get("resources", {}), f"{where}resources")
    every = [_cell(fixed, choice) for choice in itertools.product(*factors.values())]
    cells = [cell for cell, leaves in every if not any(_holds(one, leaves) for one in excluded)]
    for one in excluded:
        if not any(_holds(one, leaves) for _, leaves in every):
            raise ValueError(f"exclude must be values of a cell, and {_text(one)} are of none")
    if not cells:
        raise ValueError("the grid must have cells, and all of them are excluded")
    return Grid(name, document.get("about", ""), document["kind"], size, tuple(cells), resources)


def _set(table, where):
    """What one level of a grid sets: fixed values by path, and factors, lists of settings, by name."""
    fixed = _leaves(table.get("fixed", {}), f"{where}fixed", empty=True)
    factors = {}
    for name, settings in _table(table, "together", where).items():
        label = f"{where}together.{name}"
        factors[f"together.{name}"] = [_leaves(each, label) for each in _values(settings, label)]
    for path, values in _leaves(table.get("axes", {}), f"{where}axes", empty=True).items():
        label = f"{where}axes.{'.'.join(path)}"
        settings = _values(values, label)
        if any(isinstance(each, dict) for each in settings):
            factors[path] = [_leaves(each, label, path) for each in settings]
        else:
            factors[path] = [{path: each} for each in settings]
    seen = set(fixed)
    for name, factor in factors.items():
        if any(_clash(path, seen) for path in _paths(factor)):
            name = name if isinstance(name, str) else f"axes.{'.'.join(name)}"
            raise ValueError(f"{where}{name} must not set what is set elsewhere, got {_text(factor[0])}")
        seen |= _paths(factor)
    return fixed, factors


def _beside(factors, new, new_factors, where):
    """The factors that stay beside `new` paths. One that is given other values keeps its place."""
    staying = {}
    for name, factor in factors.items():
        anew = [path for path in _paths(factor) if _clash(path, new)]
        if name in new_factors or not anew:
            staying[name] = factor
        elif len(anew) < len(_paths(factor)):
            names = ", ".join(sorted(".".join(path) for path in _paths(factor)))
            raise ValueError(f"{where.strip('.')} must set all or none of {names}, which vary together")
    return staying


def _cell(fixed, choice):
    """A cell and its leaves: the fixed values, and one setting of each factor."""
    varied = {path: value for setting in choice for path, value in setting.items()}
    leaves = fixed | varied
    values = {}
    for path, value in leaves.items():
        table = values
        for key in path[:-1]:
            table = table.setdefault(key, {})
        table[path[-1]] = value
    return Cell(values, {".".join(path): value for path, value in varied.items()}), leaves


def _leaves(table, where, path=(), *, empty=False):
    """The values in nested tables, by the path of keys that leads to each."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    if not table and not empty:
        raise ValueError(f"{where} must set something, got an empty table")
    found = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{where}.{key}", (*path, key))
        else:
            try:
                canonical({"value": value})
            except ValueError:
                raise ValueError(f"{where}.{key} must be a value that JSON can hold, got {value}") from None
            found[(*path, key)] = value
    return found


def _values(values, where):
    """The values of an axis: a list that is not empty and holds none twice."""
    if not isinstance(values, list) or not values:
        raise ValueError(f"{where} must be a list of values, got {values!r}")
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError(f"{where} must hold no value twice, got {values!r}")
    return values


def _resources(table, where):
    """Amounts by the name of a resource of Dask."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    for name, amount in table.items():
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not amount > 0:
            raise ValueError(f"{where}.{name} must be a positive number, got {amount!r}")
    return table


def _table(table, key, where):
    if not isinstance(table.get(key, {}), dict):
        raise ValueError(f"{where}{key} must be a table, got {table[key]!r}")
    return table.get(key, {})


def _list(table, key, where):
    if not isinstance(table.get(key, []), list):
        raise ValueError(f"{where}{key} must be a list of tables, got {table[key]!r}")
    return table.get(key, [])


def _check_keys(where, table, allowed):
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table, got {table!r}")
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where} must have keys among {', '.join(allowed)}, got {key!r}")


def _paths(factor):
    return {path for setting in factor for path in setting}


def _clash(path, others):
    """Is a path, or a table that it lies in, or a part of it, among others?"""
    return any(path[: len(other)] == other[: len(path)] for other in others)


def _holds(wanted, leaves):
    return all(path in leaves and leaves[path] == value for path, value in wanted.items())


def _text(setting):
    return ", ".join(f"{'.'.join(path)}={value!r}" for path, value in setting.items())
