"""What a program makes of a file, as plain data: what `rope-lib check --loader` prints."""

from typing import Any

from ...theory.arguments import one, whole
from ..compare import Comparison, LayerGroup, compare, spectrum_at
from ..compare_record import group_record, rotary_record
from ..spec import Rotary
from .seen import Loader, ModelFile, NotKnown, Refused

# What a program makes of a file.
SAME, DIFFERENT, REFUSED, NOT_KNOWN = "same", "different", "refused", "not_known"


def loader_record(file: ModelFile, loader: Loader, context: int | None = None) -> dict[str, Any]:
    """The JSON object of a program's reading at a context in tokens, by default what the file declares.

    `outcome` is one of `SAME`, `DIFFERENT`, `REFUSED` and `NOT_KNOWN`; `why` says in words why a file is
    refused or nothing is known, else null. Of the groups of layers, A is the file and B the program. Layers
    and positions count from 0; frequencies are in radians per token. Raises ValueError for a context that is
    no whole number of at least 1, and where none is given and none declared.
    """
    record: dict[str, Any] = {
        "loader": loader.name,
        "program": loader.program,
        "known_by": loader.known_by,
        "sources": list(loader.sources),
        "outcome": None,
        "why": None,
        "context": None,
        "groups": [],
        "elsewhere": [],
        "worst": None,
        "notes": [],
    }
    if context is not None:
        one(whole, "context", context, 1)
    try:
        seen = loader.read(file)
    except Refused as refusal:
        return {**record, "outcome": REFUSED, "why": str(refusal)}
    except NotKnown as unknown:
        return {**record, "outcome": NOT_KNOWN, "why": str(unknown)}
    except (TypeError, ValueError, ArithmeticError) as error:  # a value that the file's reading left alone
        why = f"its rules cannot compute with a value of the file: {error}"
        return {**record, "outcome": NOT_KNOWN, "why": why}
    if context is None and file.spec.declared_context is None and (file.spec.rotaries or seen.rotaries):
        raise ValueError(f"{file.spec.name} declares no context: give the one to compare at with --context")
    try:
        comparison = compare(file.spec, seen, context)
    except ValueError as error:
        return {**record, "outcome": NOT_KNOWN, "why": f"what it reads makes no spectrum: {error}"}
    length = comparison.context or 1
    worst = [group.phase.worst for group in comparison.groups if group.phase is not None]
    return {
        **record,
        "outcome": SAME if comparison.is_same else DIFFERENT,
        "context": comparison.context,
        "groups": [_group_record(group, comparison, length) for group in comparison.groups],
        "elsewhere": [
            {"context": other.context, "same": other.is_same, "worst": other.worst}
            for other in comparison.elsewhere
        ],
        "worst": max(worst, default=None),
        "notes": [note for note in seen.notes if note not in file.spec.notes],
    }


def _group_record(group: LayerGroup, comparison: Comparison, context: int) -> dict[str, Any]:
    """The layers with one spectrum in the file and one in the program, each as it is at the context."""
    file = None if group.a is None else comparison.a.rotaries[group.a]
    program = None if group.b is None else comparison.b.rotaries[group.b]
    return {
        **group_record(group),
        "a": None if file is None else rotary_record(file, context),
        "b": None if program is None else rotary_record(program, context),
        "slowest": [_slowest(rotary, context) for rotary in (file, program)],
    }


def _slowest(rotary: Rotary | None, context: int) -> float | None:
    """The slowest frequency that rotates, in radians per token."""
    if rotary is None:
        return None
    inv_freq = spectrum_at(rotary, context)[0]
    rotating = inv_freq[inv_freq > 0]
    return float(rotating.min()) if rotating.size else None
