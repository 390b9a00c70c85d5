"""The digest of source code: what changes a result changes it, what explains the code does not."""

import ast

import pytest

from rope_lib.runs.source import bare_code, modules_sha256, source_sha256


def test_code_and_its_place_count_and_explanations_do_not(tmp_path):
    (tmp_path / "measure").mkdir()
    (tmp_path / "theory").mkdir()
    (tmp_path / "measure" / "sweep.py").write_text("a = 1\n")
    digests = [source_sha256(("measure", "theory"), tmp_path)]
    (tmp_path / "measure" / "sweep.py").write_text("a = 2\n")
    digests.append(source_sha256(("measure", "theory"), tmp_path))
    (tmp_path / "measure" / "sweep.py").rename(tmp_path / "theory" / "sweep.py")
    digests.append(source_sha256(("measure", "theory"), tmp_path))
    (tmp_path / "notes.txt").write_text("no source")
    (tmp_path / "theory" / "sweep.py").write_text('"""Says what it does."""\n\na: int = 2  # the answer\n')
    digests.append(source_sha256(("measure", "theory"), tmp_path))
    assert len(set(digests)) == 3
    assert digests[2] == digests[3]


FILES = {
    "measure/sweep.py": "from .scores import top\nfrom rope_lib.theory import bounds\nimport rope_lib.runs",
    "measure/scores.py": "def top():\n    from rope_lib.theory.scaling import yarn\n    return yarn",
    "measure/other.py": "a = 1",
    "theory/bounds.py": "a = 1",
    "theory/rivals.py": "a = 1",
    "theory/scaling/__init__.py": "",
    "theory/scaling/retrofits.py": "def yarn(): pass",
    "runs/store.py": "def kept(): pass",
}


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("measure/sweep.py", True),
        ("measure/scores.py", True),
        ("theory/bounds.py", True),  # a module imported by name from its package
        ("theory/scaling/retrofits.py", True),  # of a package imported inside a function
        ("measure/other.py", False),
        ("theory/rivals.py", False),
        ("runs/store.py", False),  # of no folder that was named
    ],
)
def test_only_what_a_module_imports_counts(tmp_path, changed, counts):
    for name, code in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)

    def of_sweep():
        return modules_sha256(["rope_lib.measure.sweep"], ["measure", "theory"], tmp_path)

    before = of_sweep()
    (tmp_path / changed).write_text(FILES[changed] + "\nb = 2\n")
    assert (of_sweep() != before) is counts


def test_a_module_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"rope_lib\.measure\.none"):
        modules_sha256(["rope_lib.measure.none"], ["measure"], tmp_path)


def same(first, second):
    return ast.dump(bare_code(first)) == ast.dump(bare_code(second))


PLAIN = """
import numpy as np
from .arguments import positive

@dataclass(frozen=True)
class Zone:
    lower: float
    upper: float = 1.0

    def width(self, scale=1):
        found = scale * (self.upper - self.lower)
        return found

async def double(*values, **named):
    return np.asarray(values) * 2
"""
ANNOTATED = '''
"""A module."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from .arguments import Floats, positive

if TYPE_CHECKING:
    from .heavy import Model

Numbers: TypeAlias = NDArray[np.float64] | Callable[[], Floats]

@dataclass(frozen=True)
class Zone:
    """Two bounds."""

    lower: float
    upper: float = 1.0

    @overload
    def width(self, scale: int) -> int: ...

    @overload
    def width(self, scale: float) -> float: ...

    def width(self, scale: float = 1) -> "Numbers":
        """Their distance."""
        found: npt.NDArray[Any]
        found: float = scale * (self.upper - self.lower)  # no comment counts
        return found

async def double(*values: float, **named: Model) -> Numbers:
    return np.asarray(values) * 2
'''


def test_annotating_code_changes_nothing():
    assert same(PLAIN, ANNOTATED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x: int = 1", "x: int = 2"),
        ("def f(x=1): return x", "def f(x=2): return x"),
        ("from a import f\nf()", "from b import f\nf()"),
        ("from a import f\ndef g(x: f): return f", "def g(x: f): return f"),
        ("import a.b\ndef g(x: a.b.C): return a.b.d", "def g(x: a.b.C): return a.b.d"),
        ("class A:\n    x: int = 1", "class A:\n    x = 1"),  # a field of a dataclass, or none
        ("class A:\n    x: int", "class A:\n    x: float"),
        ("import registers_itself", ""),
        ("if DEBUG: f()", ""),
    ],
)
def test_what_may_change_a_result_counts(one, other):
    assert not same(one, other)
