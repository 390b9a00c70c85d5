"""Data flows one way: what each floor of the library may import, and what importing it must not load."""

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HEAVY = frozenset({"torch", "transformers", "matplotlib", "pandas", "scipy"})


@dataclass(frozen=True)
class Floor:
    """What a floor may import: the floors below it, and all packages from outside but those refused."""

    below: frozenset[str]
    refused: frozenset[str]


def floor(below="", refused=""):
    return Floor(frozenset(below.split()), frozenset(refused.split()))


JUDGING = "theory models"
COMPUTING = f"{JUDGING} runs measure train"
FINDING = f"{COMPUTING} findings"
FLOORS = {
    "theory": floor("", " ".join(HEAVY)),  # of packages, numpy alone: see `breaches`
    "models": floor("theory", " ".join(HEAVY)),
    "runs": floor("", "torch transformers matplotlib"),
    "figures": floor("", "torch transformers pandas scipy"),
    "exercises": floor("", " ".join(HEAVY)),
    "measure": floor(f"{JUDGING} runs", "matplotlib scipy"),
    "train": floor(f"{JUDGING} runs measure", "matplotlib scipy transformers"),
    "findings": floor(COMPUTING, "torch transformers matplotlib"),
    "claims": floor(FINDING, "torch transformers matplotlib"),
    "report": floor(f"{FINDING} figures", "scipy"),
    "cli": floor(f"{FINDING} figures claims report", " ".join(HEAVY)),
}


# What a file imports, read from its source


def imports(source, package):
    """Absolute names that `source`, a module of `package`, imports anywhere, inside functions too."""
    return names_in(ast.walk(ast.parse(source)), package)


def loaded_imports(source, package):
    """As `imports`, without those under `if TYPE_CHECKING`, which load nothing."""
    return names_in(executed(ast.parse(source)), package)


def executed(node):
    """A node and all below it, without the bodies of `if TYPE_CHECKING`."""
    yield node
    typed = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if typed else ast.iter_child_nodes(node):
        yield from executed(child)


def names_in(nodes, package):
    """Absolute names that the nodes of a module of `package` import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaches(source, name, package):
    """The imports of `source` that its floor forbids; those for types alone may name any outside package."""
    rules, loaded = FLOORS[name], set(loaded_imports(source, package))
    for imported in imports(source, package):
        top, *rest = imported.split(".")
        if top == "rope_lib":
            allowed = bool(rest) and rest[0] in {name, "__version__", *rules.below}
        elif name == "theory":
            allowed = top == "numpy" or top in sys.stdlib_module_names
        else:
            allowed = top not in rules.refused or imported not in loaded
        if not allowed:
            yield imported


def breaches_of(library):
    """All breaches of the library in a folder: "floor/module: import", for every floor that it has."""
    found = []
    for folder in sorted(path for path in library.iterdir() if (path / "__init__.py").is_file()):
        for file in sorted(folder.rglob("*.py")):
            package = ".".join(["rope_lib", *file.relative_to(library).parent.parts])
            where = file.relative_to(library).as_posix()
            found += [f"{where}: {name}" for name in breaches(file.read_text("utf-8"), folder.name, package)]
    return found


def test_every_package_is_a_floor(root):
    packages = {path.parent.name for path in (root / "rope_lib").glob("*/__init__.py")}
    assert packages == set(FLOORS)


def test_the_floors_stand_in_order():
    for name, rules in FLOORS.items():
        before = list(FLOORS)[: list(FLOORS).index(name)]
        assert rules.below <= set(before)


def test_a_floor_imports_only_the_floors_below_it(root):
    assert breaches_of(root / "rope_lib") == []


def test_an_arrow_upward_in_a_copy_of_the_library_is_refused(root, tmp_path):
    library = tmp_path / "rope_lib"
    shutil.copytree(
        root / "rope_lib", library, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb", "results")
    )
    assert breaches_of(library) == []
    bounds = library / "theory" / "bounds.py"
    bounds.write_text(bounds.read_text("utf-8") + "\n\nfrom rope_lib.figures import style\n", "utf-8")
    assert breaches_of(library) == ["theory/bounds.py: rope_lib.figures.style"]


def test_the_package_itself_imports_no_floor(root):
    assert not list(imports((root / "rope_lib" / "__init__.py").read_text("utf-8"), "rope_lib"))


@pytest.mark.parametrize(
    ("name", "source", "breach"),
    [
        ("theory", "import scipy.special", "scipy.special"),
        ("theory", "def f():\n    from torch import nn", "torch.nn"),
        ("theory", "from ..models import read_model", "rope_lib.models.read_model"),
        ("theory", "from .. import figures", "rope_lib.figures"),
        ("theory", "import rope_lib", "rope_lib"),
        ("models", "from rope_lib.measure import load", "rope_lib.measure.load"),
        ("models", "import transformers", "transformers"),
        ("runs", "import torch", "torch"),
        ("runs", "from rope_lib.theory import bounds", "rope_lib.theory.bounds"),
        ("figures", "from rope_lib.theory.bounds import Zone", "rope_lib.theory.bounds.Zone"),
        ("figures", "import pandas as pd", "pandas"),
        ("figures", "if TYPE_CHECKING:\n    from rope_lib.runs.grid import Cell", "rope_lib.runs.grid.Cell"),
        ("figures", "if TYPE_CHECKING:\n    import pandas\nelse:\n    import scipy", "scipy"),
        ("figures", "if TYPE_CHECKING:\n    import pandas\n\ndef f():\n    import pandas.io", "pandas.io"),
        ("measure", "from rope_lib import train", "rope_lib.train"),
        ("measure", "from ..figures.style import color", "rope_lib.figures.style.color"),
        ("train", "import rope_lib.findings.kept as kept", "rope_lib.findings.kept"),
        ("findings", "from rope_lib.figures.style import count", "rope_lib.figures.style.count"),
        ("findings", "import torch", "torch"),
        ("claims", "from matplotlib.figure import Figure", "matplotlib.figure.Figure"),
        ("claims", "from rope_lib.report.plan import plan", "rope_lib.report.plan.plan"),
        ("report", "from rope_lib.cli.terminal import print_table", "rope_lib.cli.terminal.print_table"),
        ("cli", "import pandas", "pandas"),
    ],
)  # fmt: skip
def test_a_breach_is_found(name, source, breach):
    assert list(breaches(source, name, f"rope_lib.{name}")) == [breach]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("theory", "import numpy as np\nimport decimal\nfrom .bounds import Zone\nfrom . import rivals"),
        ("models", "from ..theory import bounds\nimport json"),
        ("runs", "import pandas as pd\nfrom .store import stored"),
        ("figures", "import numpy as np\nfrom . import style\nfrom matplotlib.lines import Line2D"),
        ("figures", "if TYPE_CHECKING:\n    import pandas as pd"),
        ("measure", "import torch\nfrom rope_lib.theory.precision import FLOAT32\nfrom .load import load"),
        ("train", "from rope_lib.runs.store import circumstances"),
        ("train", "from rope_lib.measure.device import choose_device"),
        ("findings", "import pandas as pd\nfrom scipy.stats import rankdata\nfrom .kept import kept"),
        ("claims", "from rope_lib.findings.spectra import accuracies"),
        ("report", "from rope_lib.figures import style\nimport torch"),
        ("cli", "from rope_lib import __version__\nfrom rope_lib.models import judge"),
    ],
)
def test_what_is_allowed_passes(name, source):
    assert not list(breaches(source, name, f"rope_lib.{name}"))


# What a fresh interpreter loads


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


def modules_of(root, name):
    """The names of all modules of a floor."""
    files = sorted((root / "rope_lib" / name).rglob("*.py"))
    paths = (file.relative_to(root).with_suffix("").parts for file in files if file.stem != "__init__")
    return [".".join(parts) for parts in paths]


def test_importing_the_package_loads_nothing(root):
    assert not loaded_by("import rope_lib", root) & (HEAVY | {"numpy"})


@pytest.mark.parametrize(
    "name", ["theory", "models", "runs", "figures", "exercises", "findings", "claims", "cli"]
)
def test_importing_a_floor_loads_none_of_what_it_refuses(root, name):
    refused = FLOORS[name].refused
    assert refused
    assert not loaded_by(f"import {', '.join(modules_of(root, name))}", root) & refused


def test_reading_a_kept_result_loads_pandas_alone(root):
    statement = "from rope_lib.findings.kept import kept; kept('interventions')"
    loaded = loaded_by(statement, root)
    assert "pandas" in loaded
    assert not loaded & (HEAVY - {"pandas"})


def test_the_checks_above_see_what_is_loaded(root):
    assert "torch" in loaded_by("import sys, types; sys.modules['torch.nn'] = types.ModuleType('nn')", root)


def test_modules_are_found(root):
    assert "rope_lib.theory.bounds" in modules_of(root, "theory")
    assert Path(root / "rope_lib" / "theory" / "bounds.py").is_file()
