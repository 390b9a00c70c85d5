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
