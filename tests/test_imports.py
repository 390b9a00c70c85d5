"""Data flows one way: what each floor may import, and what importing the theory must not load."""

import ast
import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "matplotlib", "pandas", "scipy"}

# What each floor may import of rope_lib. `show` and `cli` see everything and are not listed.
FLOORS = {
    "theory": {"theory"},
    "models": {"theory", "models"},
    "runs": {"runs"},
    "measure": {"theory", "models", "runs", "measure"},
    "train": {"theory", "models", "runs", "measure", "train"},
}


def loaded_by(statement, root):
    """Top-level names of the modules that a fresh interpreter holds after `statement`."""
    code = (
        f"{statement}; import json, sys; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=root, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def test_importing_the_package_loads_nothing(root):
    assert not loaded_by("import rope_lib", root) & (HEAVY | {"numpy"})


def test_importing_the_theory_loads_nothing_heavy(root):
    files = sorted((root / "rope_lib" / "theory").glob("*.py"))
    names = [f"rope_lib.theory.{file.stem}" for file in files if file.stem != "__init__"]
    loaded = loaded_by(f"import rope_lib, {', '.join(names)}", root)
    assert "numpy" in loaded
    assert not loaded & HEAVY


def test_keeping_results_and_reading_grids_loads_no_torch(root):
    files = sorted((root / "rope_lib" / "runs").glob("*.py"))
    names = [f"rope_lib.runs.{file.stem}" for file in files if file.stem != "__init__"]
    assert not loaded_by(f"import {', '.join(names)}", root) & {"torch", "transformers", "matplotlib"}


def test_the_check_above_sees_what_is_loaded(root):
    assert "torch" in loaded_by("import sys, types; sys.modules['torch.nn'] = types.ModuleType('nn')", root)


def imports(source, package):
    """Absolute names that `source`, a module of `package`, imports anywhere, lazily too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaches(source, floor, package):
    """The imports of `source` that its floor forbids."""
    for name in imports(source, package):
        top, *rest = name.split(".")
        if top == "rope_lib":
            allowed = bool(rest) and rest[0] in FLOORS[floor]
        elif floor == "theory":
            allowed = top == "numpy" or top in sys.stdlib_module_names
        elif floor == "models":
            allowed = top not in HEAVY  # judging a config must not load these
        elif floor == "runs":
            allowed = top not in {"torch", "transformers", "matplotlib"}
        else:
            allowed = True
        if not allowed:
            yield name


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_the_floors_before_it(root, floor):
    found = []
    for file in sorted((root / "rope_lib" / floor).rglob("*.py")):
        package = ".".join(file.relative_to(root).parent.parts)
        found += [f"{file.name}: {name}" for name in breaches(file.read_text("utf-8"), floor, package)]
    assert not found


def test_the_package_itself_imports_no_floor(root):
    assert not list(imports((root / "rope_lib" / "__init__.py").read_text("utf-8"), "rope_lib"))


@pytest.mark.parametrize(
    ("floor", "source", "breach"),
    [
        ("theory", "import scipy.special", "scipy.special"),
        ("theory", "def f():\n    from torch import nn", "torch.nn"),
        ("theory", "from ..models import read_model", "rope_lib.models.read_model"),
        ("theory", "from .. import show", "rope_lib.show"),
        ("theory", "import rope_lib", "rope_lib"),
        ("models", "from rope_lib.measure import load", "rope_lib.measure.load"),
        ("models", "import transformers", "transformers"),
        ("runs", "import torch", "torch"),
        ("runs", "from rope_lib.theory import bounds", "rope_lib.theory.bounds"),
        ("measure", "from rope_lib import train", "rope_lib.train"),
        ("measure", "from ..show.style import color", "rope_lib.show.style.color"),
        ("train", "import rope_lib.show.kept as kept", "rope_lib.show.kept"),
    ],
)
def test_a_breach_is_found(floor, source, breach):
    assert list(breaches(source, floor, f"rope_lib.{floor}")) == [breach]


@pytest.mark.parametrize(
    ("floor", "source"),
    [
        ("theory", "import numpy as np\nimport decimal\nfrom .bounds import Zone\nfrom . import rivals"),
        ("models", "from ..theory import bounds\nimport json"),
        ("runs", "import pandas as pd\nfrom .store import stored"),
        ("measure", "import torch\nfrom rope_lib.theory.precision import FLOAT32\nfrom .load import load"),
        ("train", "from rope_lib.runs.store import circumstances"),
        ("train", "from rope_lib.measure.device import choose_device"),
    ],
)
def test_what_is_allowed_passes(floor, source):
    assert not list(breaches(source, floor, f"rope_lib.{floor}"))
