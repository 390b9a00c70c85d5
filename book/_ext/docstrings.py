"""What a package documents, read from its source without importing it: modules, functions and classes.

Public is what has a docstring and a name without a leading underscore. Signatures keep annotations and
defaults as they are written.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMMANDS = {"command", "group"}  # of click: their docstrings are help texts


@dataclass(frozen=True)
class Entry:
    """A documented definition: `kind` is function, class, method or property; only a property has `type`."""

    kind: str
    name: str
    docstring: str
    parameters: str = ""
    type: str = ""
    members: tuple["Entry", ...] = ()


@dataclass(frozen=True)
class Module:
    """A module or package; `imports` are full dotted names by the names that its code uses."""

    name: str
    docstring: str
    entries: tuple[Entry, ...]
    imports: dict[str, str] = field(default_factory=dict)


def read_package(folder: Path) -> dict[str, Module]:
    """Every public module below the folder of a package, by dotted name, each package before its modules."""
    modules = {}
    for file in sorted(folder.rglob("*.py"), key=lambda file: (file.parent, file.name)):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            name = ".".join(parts)
            modules[name] = read_module(name, file.read_text(encoding="utf-8"), file.name == "__init__.py")
    return modules


def read_module(name: str, source: str, is_package: bool = False) -> Module:
    """The `Module` that a source text defines."""
    tree = ast.parse(source)
    package = name if is_package else name.rpartition(".")[0]
    return Module(
        name, ast.get_docstring(tree) or "", tuple(entries(tree.body)), imported_names(tree, package)
    )


def imported_names(tree: ast.AST, package: str = "") -> dict[str, str]:
    """What the imports of a syntax tree bind: full dotted names, by the names that the code uses."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            names |= {alias.asname or alias.name: f"{start}.{alias.name}" for alias in node.names}
    return names


def entries(body: list[ast.stmt], kind: str = "function") -> Iterator[Entry]:
    """The documented public definitions of a module, or of a class for another `kind`, in their order."""
    for node in body:
        docstring = ast.get_docstring(node) if isinstance(node, (ast.ClassDef, *FUNCTIONS)) else None
        if docstring is None or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
        if isinstance(node, ast.ClassDef):
            members = tuple(entries(node.body, "method"))
            yield Entry("class", node.name, docstring, constructor(node), members=members)
        elif decorators & {"property", "cached_property"}:
            yield Entry(
                "property", node.name, docstring, type=ast.unparse(node.returns) if node.returns else ""
            )
        elif not decorators & COMMANDS:
            bound = kind == "method" and "staticmethod" not in decorators
            yield Entry(kind, node.name, docstring, signature(node, bound))


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool = False) -> str:
    """The parameters and the result of a function as written; a `bound` method's without the first."""
    arguments = ast.parse(ast.unparse(node)).body[0].args  # a copy
    if bound:
        (arguments.posonlyargs or arguments.args).pop(0)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(arguments)}){returns}"


def constructor(node: ast.ClassDef) -> str:
    """What a class is called with: the parameters of its `__init__`, or else its annotated fields."""
    for each in node.body:
        if isinstance(each, FUNCTIONS) and each.name == "__init__":
            return signature(each, bound=True).partition(" -> ")[0]
    fields = [
        each for each in node.body if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.dump(each)
    ]
    return f"({', '.join(field_text(each) for each in fields)})" if fields else ""


def field_text(node: ast.AnnAssign) -> str:
    """A field as a parameter; how a default is made, if it is not a plain value, is left out."""
    value = node.value
    if isinstance(value, ast.Call):
        return f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)} = ..."
    return ast.unparse(node)
