"""What the processes that this one starts inherit: none of them may import a file of the current folder."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def children_inherit(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile; None leaves a variable out.

    Python, started with `-m` or `-c`, imports from the current folder first. Here it does not, nor from an
    empty entry of PYTHONPATH, which means that folder; other relative entries become absolute, so that they
    mean the same to a process in another folder. The file that PYTHONSTARTUP names, which notebooks run, is
    left out. What PYTHONPATH itself names is the user's word, as are the user's own site-packages.

    >>> with children_inherit({"OMP_NUM_THREADS": "1"}):
    ...     os.environ["PYTHONSAFEPATH"], os.environ["OMP_NUM_THREADS"], os.environ.get("PYTHONSTARTUP")
    ('1', '1', None)
    """
    before = dict(os.environ)
    named = [entry for entry in before.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join(os.path.abspath(entry) for entry in named) or None
    inherited = {"PYTHONSAFEPATH": "1", "PYTHONPATH": path, "PYTHONSTARTUP": None, **variables}
    try:
        for name, value in inherited.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
