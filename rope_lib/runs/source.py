"""The digest of source code: a result is out of date when the code that made it has changed."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

PACKAGE = Path(__file__).parent.parent


def source_sha256(folders: Iterable[str], package: Path = PACKAGE) -> str:
    """The SHA-256 of the code in some `folders` of this library, in hexadecimal digits.

    What explains code without changing what it computes does not count: comments, docstrings, and annotations
    with the imports and aliases that only they use. The annotated fields of a class count, since dataclasses
    are made of them.

    >>> source_sha256(["theory"]) == source_sha256(["theory"]) != source_sha256(["theory", "runs"])
    True
    """
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (package / folder).glob("**/*.py")):
        code = bare_code(path.read_text(encoding="utf-8"))
        digest.update(f"{path.relative_to(package).as_posix()} {ast.dump(code)}\n".encode())
    return digest.hexdigest()


def modules_sha256(modules: Iterable[str], folders: Iterable[str], package: Path = PACKAGE) -> str:
    """The SHA-256 of the code that some `modules` of this library run, in hexadecimal digits.

    That is the modules, each named as in `rope_lib.theory.bounds`, and every module in `folders` that they
    import, at the top or inside a function, and that those import in turn. A package below a folder counts as
    a whole. What does not count in `source_sha256` does not count here. Raises FileNotFoundError for a module
    that is not there.

    >>> of_one, of_two = ["rope_lib.theory.bounds"], ["rope_lib.theory.bounds", "rope_lib.theory.rivals"]
    >>> modules_sha256(of_one, ["theory"]) == modules_sha256(of_two, ["theory"])
    False
    """
    digest = hashlib.sha256()
    reached = _reached(modules, frozenset(folders), package)
    for path, code in sorted(reached.items(), key=lambda each: each[0]):
        digest.update(f"{path.relative_to(package).as_posix()} {ast.dump(code)}\n".encode())
    return digest.hexdigest()


def bare_code(source: str) -> ast.Module:
    """The syntax tree of `source` without docstrings and annotations; raises SyntaxError as `ast.parse`.

    >>> print(ast.unparse(bare_code("def half(x: int) -> float:\\n    y: float = x / 2\\n    return y")))
    def half(x):
        y = x / 2
        return y
    """
    code = ast.parse(source)
    for node in ast.walk(code):
        if isinstance(node, _Documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    stripper = _AnnotationStripper()
    stripper.visit(code)
    _drop_imports(code, stripper.names - set(_names(code)))
    return code


_Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class _AnnotationStripper(ast.NodeTransformer):
    """Removes annotations and what else only a type checker reads; `names` collects what they mention."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        # The fields of a dataclass stay.
        visited = [each if isinstance(each, ast.AnnAssign) else self.visit(each) for each in node.body]
        node.body = [each for each in visited if each is not None]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST | None:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST | None:
        if any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list):
            self.names |= set(_names(node))
            return None
        self._collect(node.returns)
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self._collect(node.annotation)
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self._collect(node.annotation)
        if isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias":
            self._collect(node.value)
            return None
        if node.value is None:
            return None
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            self.names.add("TYPE_CHECKING")
            return None
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def _collect(self, expression: ast.expr | None) -> None:
        if expression is not None:
            self.names |= set(_names(expression))


def _names(tree: ast.AST) -> Iterator[str]:
    """The names that a tree mentions, those in annotations written as text included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value


def _drop_imports(code: ast.Module, names: set[str]) -> None:
    """Remove the imports of `names` at the top of a module."""
    for statement in list(code.body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = {each: each.asname or each.name.partition(".")[0] for each in statement.names}
            statement.names = [each for each in statement.names if bound[each] not in names]
            if not statement.names:
                code.body.remove(statement)


def _reached(modules: Iterable[str], folders: frozenset[str], package: Path) -> dict[Path, ast.Module]:
    """The bare code of the files that `modules` run, by path."""
    waiting: list[Path] = []
    for module in modules:
        files = _files(package.joinpath(*module.split(".")[1:]), package)
        if not files:
            raise FileNotFoundError(f"module must be one of this library, got {module!r}")
        waiting += files
    found: dict[Path, ast.Module] = {}
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = bare_code(path.read_text(encoding="utf-8"))
        for target in _imported(found[path], path, package):
            if set(target.relative_to(package).parts[:1]) & folders:
                waiting += _files(target, package)
    return found


def _files(target: Path, package: Path) -> list[Path]:
    """The files of a module or package at `target`, named without a suffix; none if there is none."""
    if target.with_suffix(".py").is_file():
        files = [target.with_suffix(".py")]
    elif target.parent == package:
        files = [target / "__init__.py"]
    else:
        files = sorted(target.glob("**/*.py"))
    return [file for file in files if file.is_file()]


def _imported(code: ast.Module, path: Path, package: Path) -> Iterator[Path]:
    """What the code of the file `path` may import from `package`, each named without a suffix."""
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            places = [each.name.split(".") for each in node.names]
            yield from (package.joinpath(*place[1:]) for place in places if place[0] == PACKAGE.name)
        elif isinstance(node, ast.ImportFrom):
            named = node.module.split(".") if node.module else []
            if node.level:
                origin = path.parents[node.level - 1].joinpath(*named)
            elif named[0] == PACKAGE.name:
                origin = package.joinpath(*named[1:])
            else:
                continue
            yield origin
            yield from (origin / each.name for each in node.names)
