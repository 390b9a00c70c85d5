"""Texts of different kinds to measure on, from what every installation of this book holds. Needs no torch.

They come from Python's standard library and from packages that `make setup` pins, so that every machine with
one Python release has the same ones; a stored measurement names the SHA-256 of its text all the same. None
repeats itself: a passage with a run of `RUN` characters that stood before is left out. As a token is a
character or more, no run of 32 tokens stands twice, which the tests count for each tokenizer; nor does a run
of 32 bytes of ASCII, or of 64 bytes of the translations.

Protocol: a model reads a text as its own tokenizer encodes it. Gemma's puts its token for the beginning
(BOS) in front; SmolLM2's and the byte models' put nothing, so that their token 0 is the text's.
"""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType

# No run of so many characters stands twice in a text.
RUN = 32
# A text is cut after the passage that brings it to so many characters.
CHARACTERS = 330_000

# The folders of the standard library that the byte models of the book do not read: `train.corpus`.
_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test", "encodings",
             "lib2to3", "pydoc_data", "turtledemo"}  # fmt: skip
_LANGUAGES = ("fr", "es", "de", "it", "pt_BR", "nl", "pl", "sv", "fi", "hu", "cs", "tr", "id",
              "ca", "ro", "da")  # fmt: skip
_LICENSED = ("selenium", "pyarrow", "numpy", "scipy", "matplotlib", "pandas", "sympy", "pygments", "sphinx")


def text(name: str) -> str:
    """The text of a name in `TEXTS`. Raises ValueError for another name.

    >>> text("language reference").startswith('The "assert" statement')
    True
    """
    if name not in TEXTS:
        raise ValueError(f"text must be one of {', '.join(TEXTS)}, got {name!r}")
    return TEXTS[name]()


def without_repetition(
    passages: Iterable[str], run: int = RUN, *, joint: str = "\n\n", elsewhere: Iterable[str] = ()
) -> Iterator[str]:
    """The `passages` of a text, `joint` between them, but for those in which a run of characters repeats.

    A passage is left out where it holds `run` characters in a row that stand before, in it or in what is
    kept, also across a joint, or that stand in one of the texts `elsewhere`. Passages come stripped of white
    space at their ends; empty ones are left out.

    >>> list(without_repetition(["one two", "three", "say one two again"], run=7))
    ['one two', 'three']
    >>> list(without_repetition(["one two", "three"], run=4, elsewhere=["a tree", "stone two"]))
    ['three']
    """
    seen = {each[start : start + run] for each in elsewhere for start in range(len(each) - run + 1)}
    end = ""  # of what is kept so far
    for passage in map(str.strip, passages):
        new = end + passage + joint
        runs = [new[start : start + run] for start in range(len(new) - run + 1)]
        if not passage or len(set(runs)) < len(runs) or not seen.isdisjoint(runs):
            continue
        seen.update(runs)
        end = new[1 - run :]
        yield passage


def repeated_runs(tokens: Sequence[Hashable], run: int) -> int:
    """How many runs of `run` tokens in a sequence stand earlier in it too; runs may overlap.

    >>> repeated_runs("abcabcd", 3), repeated_runs("abcabcd", 4)
    (1, 0)
    """
    runs = [tuple(tokens[start : start + run]) for start in range(len(tokens) - run + 1)]
    return len(runs) - len(set(runs))


def held_out(name: str) -> bool:
    """Whether the byte models of the book did not read a file of the standard library, by its name alone.

    The name is the path within the library, with slashes. One file in ten is held out: `train.corpus`.

    >>> held_out("abc.py"), held_out("bisect.py")
    (False, False)
    """
    return hashlib.sha256(name.encode()).digest()[-1] < 256 * 0.1


def _reference() -> Iterator[str]:
    """The topics of `help`: Python's language reference."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield from topics[name].split("\n\n")


def _sources() -> Iterator[str]:
    """The standard library's modules that no byte model read."""
    for name in filter(held_out, library_modules()):
        yield from source_passages(name)


def library_modules() -> list[str]:
    """The names of the standard library's modules that are worth reading: paths within it, with slashes.

    >>> [name in library_modules() for name in ("abc.py", "json/decoder.py", "test/support/__init__.py")]
    [True, True, False]
    """
    root = Path(sysconfig.get_path("stdlib"))
    names = (path.relative_to(root) for path in root.rglob("*.py") if not path.name.startswith("_sysconfig"))
    return sorted(each.as_posix() for each in names if not _LEFT_OUT & set(each.parts))


def source_passages(name: str) -> list[str]:
    """What stands between the empty lines of a module of the standard library, named as `held_out` has it."""
    return (Path(sysconfig.get_path("stdlib")) / name).read_text(encoding="utf-8").split("\n\n")


def docstrings(packages: Sequence[str]) -> Iterator[str]:
    """The docstrings in the modules of some packages, module by module; no package is imported."""
    for package in packages:
        root = _folder(package)
        names = (path.relative_to(root) for path in root.rglob("*.py"))
        for name in sorted(each.as_posix() for each in names if not {"tests", "_lib"} & set(each.parts)):
            for node in ast.walk(ast.parse((root / name).read_bytes())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    yield from (ast.get_docstring(node) or "").split("\n\n")


def _licenses() -> Iterator[str]:
    """What some packages carry as their licenses, and as those of the software in them."""
    for name in _LICENSED:
        files = distribution(name).files or []
        for file in sorted(each.as_posix() for each in files):
            if "licen" in file.lower() or "notices" in file.lower():
                path = Path(str(distribution(name).locate_file(file)))
                if path.suffix not in (".py", ".pyc"):
                    yield from path.read_text(encoding="utf-8", errors="replace").split("\n\n")


def _translations() -> Iterator[str]:
    """The messages of Sphinx in languages with Latin letters, one language after the other."""
    from babel.messages.mofile import read_mo

    for language in _LANGUAGES:
        with (_folder("sphinx") / "locale" / language / "LC_MESSAGES" / "sphinx.mo").open("rb") as file:
            messages = {message.id: message.string for message in read_mo(file) if message.id}
        translated = {str(key): value for key, value in messages.items() if isinstance(value, str)}
        yield from (translated[key] for key in sorted(translated) if translated[key] != key)


def _folder(package: str) -> Path:
    """Where a package is installed. Raises FileNotFoundError where it is not."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        raise FileNotFoundError(f"the package {package} must be installed (run `make setup`)")
    return Path(spec.origin).parent


@cache
def _joined(passages: Callable[[], Iterator[str]], joint: str = "\n\n") -> str:
    """Passages without repetition, up to `CHARACTERS`."""
    kept, size = [], 0
    for passage in without_repetition(passages(), joint=joint):
        kept.append(passage)
        size += len(passage) + len(joint)
        if size >= CHARACTERS:
            break
    return joint.join(kept)


TEXTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "language reference": partial(_joined, _reference),
        "source code": partial(_joined, _sources),
        "graph manual": partial(_joined, partial(docstrings, ("networkx",))),
        "mathematics": partial(_joined, partial(docstrings, ("mpmath", "sympy"))),
        "licenses": partial(_joined, _licenses),
        "translations": partial(_joined, _translations, "\n"),
    }
)
# What the byte models were trained on. Source code is of that kind too, from files that they did not read.
SEEN_BY_BYTE_MODELS = ("language reference",)
