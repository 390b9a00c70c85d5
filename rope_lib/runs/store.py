"""Results kept on disk: nothing is computed twice, and an interrupted run resumes.

An entry is a folder of Parquet tables, named by what was computed and the SHA-256 of everything that
determines the result. Each table carries its provenance in itself, and `provenance.json` beside the tables
repeats it with a digest of every file. A folder that exists is complete; one that has been damaged since is
computed again. (joblib.Memory and diskcache keep pickles, which no other program reads, without provenance.)
"""

import contextlib
import hashlib
import json
import platform
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from platformdirs import user_cache_path

from .errors import printable
from .folders import recover, replacing
from .links import refuse_link
from .mark import PROVENANCE_FILE, file_sha256, is_ours, made_by, maker_of

JsonObject: TypeAlias = dict[str, Any]  # what json.loads makes of an object
Tables: TypeAlias = dict[str, pd.DataFrame]

_KEY = b"rope_lib.provenance"  # of the metadata in a Parquet schema
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")


def stored(
    name: str,
    inputs: Mapping[str, Any],
    compute: Callable[[], Mapping[str, pd.DataFrame]],
    *,
    folder: str | Path | None = None,
) -> Tables:
    """The tables of the computation that `inputs` determine: read if they are kept, else computed and kept.

    `compute()` returns DataFrames by name; `inputs` is a dict of JSON values. The entry is
    `folder`/`name`-<digest of `inputs`>; by default `folder` is in the user's cache folder. The tables that
    are returned have always been read from disk, so that indices are reset. Of several processes that call
    this at the same time, one computes and the others wait. A damaged entry is computed again.

    Raises ValueError for a name that no file can have, or inputs that JSON cannot hold.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for length in (2, 2, 3):
    ...         tables = stored("twice", {"length": length}, lambda: print("computes") or {}, folder=folder)
    computes
    computes
    """
    _check_name("name", name)
    parent = user_cache_path("rope-lib") / "measurements" if folder is None else Path(folder)
    return kept(parent / f"{name}-{digest(inputs)}", inputs, compute, name=name)


def kept(
    entry: str | Path,
    inputs: Mapping[str, Any],
    compute: Callable[[], Mapping[str, pd.DataFrame]],
    *,
    wait: bool = True,
    **described: Any,
) -> Tables:
    """As `stored`, for a folder `entry` that the caller names; `described` goes into the provenance.

    An entry of other inputs is replaced. If another process is computing this very entry, this one waits, or
    raises filelock.Timeout at once if `wait` is false.
    """
    entry, text = Path(entry), canonical(inputs)
    tables = read_if_kept(entry, inputs)
    if tables is not None:
        recover(entry, is_entry)  # a process may have been killed after it kept this
        return tables
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = entry.with_name(f".{entry.name}.lock")
    refuse_link(lock)
    with FileLock(lock, timeout=-1 if wait else 0):  # the operating system drops it with the process
        tables = read_if_kept(entry, inputs)  # another process may have finished meanwhile
        if tables is not None:
            return tables
        recover(entry, is_entry)  # what a killed process left need not stay until the end
        start = time.perf_counter()
        computed = compute()
        seconds = time.perf_counter() - start
        provenance = described | {"inputs": json.loads(text)} | circumstances(seconds=seconds)
        with replacing(entry, is_entry) as made:
            _fill(made, computed, provenance)
        return read_tables(entry)


def circumstances(**measured: Any) -> JsonObject:
    """The circumstances of this run: the machine, the command, the time, and what else was `measured`.

    `accelerator` and `threads` are those of torch, None if nothing has imported it; `utc` is in ISO format.
    What cannot be printed of the `command` is escaped.

    >>> list(circumstances(seconds=2.5))  # doctest: +NORMALIZE_WHITESPACE
    ['command', 'platform', 'processor', 'accelerator', 'threads', 'python', 'utc', 'seconds']
    """
    torch = sys.modules.get("torch")
    notebook = "ipykernel" in sys.modules
    command = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else []
    return {
        "command": "notebook" if notebook else printable(shlex.join(command)),
        "platform": platform.platform(),
        "processor": _processor(),
        "accelerator": torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None,
        "threads": torch.get_num_threads() if torch else None,
        "python": platform.python_version(),
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **measured,
    }


def save_tables(
    folder: str | Path, tables: Mapping[str, pd.DataFrame], provenance: Mapping[str, Any]
) -> None:
    """Write `tables`, by name, as Parquet files with their `provenance`, a dict of JSON values.

    `folder` appears, or is replaced, in one step when everything is written, see `folders.replacing`: an
    earlier one is kept as `<folder>.old` if it holds anything but what this function wrote, with the same
    `name` in its provenance. Indices are not
    kept, and columns of text come back as pandas' own type for it. Raises ValueError for names that no file
    can have, columns that Parquet cannot hold, or a provenance that JSON cannot, and OSError where `folder`
    is a file or cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_tables(f"{folder}/run", {"heads": pd.DataFrame({"layer": [0, 1]})}, {"seed": 7})
    ...     sorted(path.name for path in Path(folder, "run").iterdir()), read_provenance(f"{folder}/run")
    (['heads.parquet', 'provenance.json'], {'seed': 7})
    """
    canonical(provenance)  # or raises before anything is written
    with replacing(folder, made_by(maker_of(provenance))) as made:
        _fill(made, tables, provenance)


def read_tables(folder: str | Path) -> Tables:
    """The tables of an entry by name, in the order in which they were saved.

    They are of one entry, also where another process replaces it meanwhile. Raises FileNotFoundError if there
    is no entry, and ValueError for one that is damaged.
    """
    folder = Path(folder)
    while True:
        described = _described(folder)
        try:
            return {name: _read_table(folder, name, described) for name in described["tables"]}
        except ValueError:
            if _described(folder) == described:
                raise  # it is damaged, and was not replaced while it was read


def read_provenance(folder: str | Path) -> JsonObject:
    """The provenance of an entry, as it was given to `save_tables`; raises as `read_tables` does."""
    provenance: JsonObject = _described(Path(folder))["provenance"]
    return provenance


def read_if_kept(entry: str | Path, inputs: Mapping[str, Any]) -> Tables | None:
    """The tables of an entry; None if there is none, it is damaged, or it was made from other `inputs`."""
    try:
        if canonical(read_provenance(entry)["inputs"]) == canonical(inputs):
            return read_tables(entry)
    except (OSError, ValueError, KeyError):
        pass
    return None


def digest(values: Mapping[str, Any]) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of a dict of JSON values; the order of keys is free.

    >>> digest({"a": 1, "b": (2,)}) == digest({"b": [2], "a": 1})
    True
    """
    return hashlib.sha256(canonical(values).encode()).hexdigest()[:20]


def canonical(values: Mapping[str, Any]) -> str:
    """The one JSON text of a dict, whatever the order of its keys.

    Raises ValueError for values that JSON cannot hold.

    >>> canonical({"b": (2,), "a": 1})
    '{"a":1,"b":[2]}'
    """
    try:  # this makes lists of tuples, and strings of all keys
        plain = json.loads(json.dumps(values, allow_nan=False))
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"inputs and provenance must be values that JSON can hold ({error})") from None


def _fill(made: Path, tables: Mapping[str, pd.DataFrame], provenance: Mapping[str, Any]) -> None:
    """Write tables and their provenance into an empty folder."""
    text = canonical(provenance)
    digests = {}
    for name, frame in tables.items():
        _check_name("table", name)
        table = _arrow(name, frame)
        table = table.replace_schema_metadata({**table.schema.metadata, _KEY: text.encode()})
        path = made / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd")
        digests[name] = file_sha256(path)
    described = {"provenance": json.loads(text), "tables": digests}
    lines = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
    (made / PROVENANCE_FILE).write_text(lines, encoding="utf-8")


def is_entry(folder: Path) -> bool:
    """Whether a folder, perhaps damaged, holds nothing but files that entries have."""
    return is_ours(folder) or all(
        path.is_file() and (path.name == PROVENANCE_FILE or path.suffix == ".parquet")
        for path in folder.iterdir()
    )


def _arrow(name: str, frame: object) -> pa.Table:
    """A DataFrame as Arrow holds it, without its index."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"table {name!r} must be a DataFrame, got {type(frame).__name__}")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ValueError(f"table {name!r} must have columns that Parquet can hold ({error})") from None


def _described(folder: Path) -> JsonObject:
    """What the JSON file of an entry says: its provenance, and the digest of each table."""
    path = folder / PROVENANCE_FILE
    if not folder.exists():
        with contextlib.suppress(OSError):
            recover(folder, is_ours)  # a killed process may have moved it
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: must be a folder of tables, but has no {PROVENANCE_FILE}")
    described: JsonObject = {}
    try:
        described = json.loads(path.read_bytes())
        provenance, tables = described["provenance"], described["tables"]
        whole = isinstance(provenance, dict) and all(_NAME.fullmatch(name) for name in tables)
        whole = whole and all(isinstance(digest, str) for digest in tables.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError(f"{path}: must be as save_tables wrote it, but is damaged")
    return described


def _read_table(folder: Path, name: str, described: JsonObject) -> pd.DataFrame:
    """One table of an entry, once its digest and the provenance in it are checked."""
    path = folder / f"{name}.parquet"
    try:
        content = path.read_bytes()  # once: another process may replace the file at any time
        if hashlib.sha256(content).hexdigest() != described["tables"][name]:
            raise ValueError("its SHA-256 differs")
        table = pq.read_table(pa.BufferReader(content))
        if json.loads(table.schema.metadata[_KEY]) != described["provenance"]:
            raise ValueError("its provenance differs")
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ValueError(f"{path}: must be as save_tables wrote it, but is damaged ({error})") from error
    return table.to_pandas()


def _check_name(argument: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{argument} must be a file name of letters, digits, '.', '_' and '-', got {name!r}")


def _processor() -> str:
    """The name of the processor, which `platform` does not find on Linux."""
    cpus = Path("/proc/cpuinfo")
    text = cpus.read_text(encoding="utf-8", errors="replace") if cpus.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.processor() or platform.machine()
