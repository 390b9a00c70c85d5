"""Published models as data: each a `ModelSpec` read from its config, with the source of its values."""

import json
import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import numpy as np

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
    models = tuple(parse_model(row) for row in _rows())
    for key in ("name", "hf_id"):
        seen: set[str] = set()
        for model in models:
            value = getattr(model, key).lower()
            if value in seen:
                raise ValueError(f"{model.name}: {key} must be its own, got {shown(value)} twice")
            seen.add(value)
    return models


@lru_cache(maxsize=1)
def _rows() -> list[JsonObject]:
    rows: list[JsonObject] = json.loads(_FILE.read_text(encoding="utf-8"))["models"]
    return rows


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


@lru_cache(maxsize=1)
def _by_name() -> dict[str, AtlasModel]:
    """Models by name and by Hub id, both in lower case."""
    return {key.lower(): model for model in atlas() for key in (model.name, model.hf_id)}


@lru_cache(maxsize=64)
def model_named(name: str) -> AtlasModel | None:
    """The model of exactly this name, or None; quicker than `atlas_model`, since it reads no other row.

    >>> model_named("Llama 3.1 8B").hf_id, model_named("Llama 9")
    ('meta-llama/Meta-Llama-3.1-8B', None)
    """
    return next((parse_model(row) for row in _rows() if row["name"] == name), None)


def published(spec: ModelSpec) -> AtlasModel | None:
    """The model of the atlas that a spec is of, by its name and its rotation, or None.

    The name, of a folder or a file, must begin with that of the model or of its repository; so fine-tunes and
    conversions count as the model that they were made from. Its layers must rotate by the same frequencies.

    >>> model = atlas_model("Llama 3.1 8B")
    >>> from dataclasses import replace
    >>> published(replace(model, name="Meta-Llama-3.1-8B-Instruct")).name
    'Llama 3.1 8B'
    >>> published(replace(model, name="another")) is None
    True
    """
    if isinstance(spec, AtlasModel) and model_named(spec.name) == spec:
        return spec
    name = _bare(spec.name)
    begins = [(len(bare), of) for bare, of in _bare_names() if name.startswith(bare)]
    for _, candidate in sorted(begins, reverse=True):
        model = model_named(candidate)
        if model is not None and _rotates_alike(spec, model):
            return model
    return None


@lru_cache(maxsize=1)
def _bare_names() -> tuple[tuple[str, str], ...]:
    """`(bare name, name)` of each model, by its name and by that of its repository."""
    return tuple(
        (_bare(spelled), row["name"])
        for row in _rows()
        for spelled in (row["name"], row["hf_id"].split("/")[-1])
    )


def _bare(name: str) -> str:
    """A model's name without what spellings of it differ in."""
    return re.sub(r"[^a-z0-9]", "", name.casefold()).removeprefix("meta")


def _rotates_alike(spec: ModelSpec, model: ModelSpec) -> bool:
    """Whether the same layers of two models rotate by the same frequencies, to float32."""
    if len(spec.rotaries) != len(model.rotaries) or spec.num_layers != model.num_layers:
        return False
    length = model.declared_context or 1
    for one, other in zip(spec.rotaries, model.rotaries, strict=True):
        if (one.layers, one.rotary_dim, one.window) != (other.layers, other.rotary_dim, other.window):
            return False
        if not np.allclose(one.spectrum(length)[0], other.spectrum(length)[0], rtol=1e-5, atol=0):
            return False
    return True


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
