"""Published models as data: each a `ModelSpec` read from its config, with the source of its values."""

import json
import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from .checks import Check, Json, JsonObject, json_object, length_in_tokens, shown
from .config import read_config
from .spec import ModelSpec

_FILE = Path(__file__).with_name("atlas.json")
CONFIDENCE = ("read", "memory")
_RELEASE = re.compile(r"20\d\d(-(0[1-9]|1[0-2]))?")


@dataclass(frozen=True)
class AtlasModel(ModelSpec):
    """A published model: what its config says, and these facts about it."""

    hf_id: str  # owner/name on the Hugging Face Hub
    release: str  # year, or year-month
    trained_context: int | None  # tokens of the longest sequences in training; None where unknown
    source: str  # where the config's values were read, or what they rest on
    confidence: str  # "read" or "memory"


@lru_cache(maxsize=1)
def atlas() -> tuple[AtlasModel, ...]:
    """Every model of the atlas, a tuple of `AtlasModel` in the order of the file.

    >>> model = atlas()[0]
    >>> model.name, model.num_layers, model.rotaries[0].base, model.confidence
    ('LLaMA-1 7B', 32, 10000.0, 'read')
    """
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["models"]
    models = tuple(parse_model(row) for row in rows)
    for key in ("name", "hf_id"):
        seen: set[str] = set()
        for model in models:
            value = getattr(model, key).lower()
            if value in seen:
                raise ValueError(f"{model.name}: {key} must be its own, got {shown(value)} twice")
            seen.add(value)
    return models


def atlas_model(name: str) -> AtlasModel:
    """The model of that name or Hub id, in upper or lower case.

    Raises ValueError with the closest names where the atlas has no such model.

    >>> atlas_model("deepseek-ai/deepseek-v3").name
    'DeepSeek-V3'
    """
    known = _by_name()
    if not isinstance(name, str) or name.lower() not in known:
        close = get_close_matches(str(name).lower(), known, n=5, cutoff=0.5)
        names = dict.fromkeys(known[key].name for key in close)
        hint = f"; close to it: {', '.join(names)}" if names else ""
        raise ValueError(f"name must be that of a model in the atlas, got {shown(name)}{hint}")
    return known[name.lower()]


def atlas_config(name: str) -> JsonObject:
    """The keys of a config.json that the atlas keeps of a model, by its name or Hub id, as `atlas_model`.

    >>> atlas_config("Llama 3.1 8B")["rope_scaling"]["rope_type"]
    'llama3'
    """
    model = atlas_model(name)
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["models"]
    config: JsonObject = next(row["config"] for row in rows if row["name"] == model.name)
    return config


@lru_cache(maxsize=1)
def _by_name() -> dict[str, AtlasModel]:
    """Models by name and by Hub id, both in lower case."""
    return {key.lower(): model for model in atlas() for key in (model.name, model.hf_id)}


def parse_model(row: Json) -> AtlasModel:
    """One row of the atlas as an `AtlasModel`.

    Raises ValueError, one line with the model and the field, for what is missing or not allowed.

    >>> row = dict(name="Tiny", hf_id="a/b", release="2024", trained_context=None, source="none",
    ...            confidence="sure", notes="", config={})
    >>> parse_model(row)
    Traceback (most recent call last):
    ValueError: Tiny: confidence must be read or memory, got 'sure'
    """
    name = json_object("a row of the atlas", row).get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"name of an atlas row must be a string that is not empty, got {shown(name)}")
    for field in sorted((row.keys() - {"name"}) ^ _CHECKS.keys()):
        fault = "is not a field of" if field in row else "is missing from"
        raise ValueError(f"{name}: {field} {fault} its row")
    for field, check in _CHECKS.items():
        check(f"{name}: {field}", row[field])
    try:
        spec = read_config(row["config"], name)
    except ValueError as error:
        raise ValueError(f"{name}: config: {error}") from None
    values = {field.name: getattr(spec, field.name) for field in fields(ModelSpec)}
    notes = (*spec.notes, row["notes"]) if row["notes"] else spec.notes
    own = {field: row[field] for field in ("hf_id", "release", "trained_context", "source", "confidence")}
    return AtlasModel(**{**values, "notes": notes}, **own)


def _text(key: str, value: Json) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a string, got {shown(value)}")


def _filled(key: str, value: Json) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a string that is not empty, got {shown(value)}")


def _hub_id(key: str, value: Json) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
        raise ValueError(f"{key} must be owner/name, got {shown(value)}")


def _date(key: str, value: Json) -> None:
    if not isinstance(value, str) or not _RELEASE.fullmatch(value):
        raise ValueError(f"{key} must be YYYY or YYYY-MM, got {shown(value)}")


def _length(key: str, value: Json) -> None:
    if value is not None:
        length_in_tokens(key, value)


def _confidence(key: str, value: Json) -> None:
    if value not in CONFIDENCE:
        raise ValueError(f"{key} must be {' or '.join(CONFIDENCE)}, got {shown(value)}")


_CHECKS: dict[str, Check[object]] = {
    "hf_id": _hub_id,
    "release": _date,
    "trained_context": _length,
    "source": _filled,
    "confidence": _confidence,
    "notes": _text,
    "config": json_object,
}
