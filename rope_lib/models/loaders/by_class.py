"""What a version of transformers reads from a `config.json`, by measured rows of its classes.

A class takes the keys that its code names, under its own defaults; any other key becomes an attribute that
nothing reads. A row, made by tools/loader_readings.py on the real package, says of each spectrum of a class
which keys move it and in which spellings; what a version does with the object of a scaling is a rule.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..checks import Json, JsonObject, shown
from ..spec import FrozenDict, ModelSpec, Rotary
from .seen import ModelFile, NotKnown, Refused, Seen, as_read_by, number

Origin = tuple[str, str]  # (provenance, the key or the reason)


@dataclass(frozen=True)
class RopeObject:
    """The object that describes one spectrum: the config's, or the class's own where it takes none of it."""

    values: JsonObject
    key: str
    is_given: bool  # whether it is the config's
    is_of_kind: bool  # whether it is for one kind of layers alone


@dataclass(frozen=True)
class Version:
    """One version of transformers."""

    program: str
    table: str  # the file of its rows
    part: "Callable[[ClassReading, Spectrum], RopeObject]"
    type_of: "Callable[[ClassReading, JsonObject], Json]"
    scalings: "Mapping[str, Callable[[ScalingPart], JsonObject]]"
    unruled: frozenset[str] = frozenset()  # model types whose classes complete a config by rules of their own


@lru_cache(maxsize=4)
def table_of(name: str) -> JsonObject:
    """`{"source", "classes": row of each model type, "gguf": row of each architecture}` of a version."""
    found: JsonObject = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return found


def read(version: Version, file: ModelFile) -> ModelSpec:
    """The rotation that this version runs; raises Refused and NotKnown."""
    if file.kind == "params.json":
        raise NotKnown("it loads no params.json: a conversion writes a config.json first")
    keys = file.keys if file.kind == "config.json" else config_of_gguf(version, file.keys)
    reading = class_reading(version, keys)
    if reading.row.get("rope") is False:
        nothing = tuple(range(file.spec.num_layers))
        return replace(file.spec, name=version.program, rotaries=(), unrotated_layers=nothing)
    if not file.spec.rotaries:
        raise NotKnown(f"which layers of this file its {reading.model_type} rotates was not established")
    seen = [reading.seen(rotary) for rotary in file.spec.rotaries]
    return as_read_by(version.program, file.spec, seen, reading.notes())


def config_of_gguf(version: Version, metadata: JsonObject) -> JsonObject:
    """The config that this version makes of a GGUF file: the keys that it translates, and no others."""
    architecture = metadata.get("general.architecture")
    row = table_of(version.table)["gguf"].get(architecture)
    if row is None:
        raise Refused(f"it loads no GGUF file of the architecture {shown(architecture)}")
    named = {name: metadata.get(f"{architecture}.{key}") for name, key in row["keys"].items()}
    stated = {name: value for name, value in named.items() if value is not None}
    return {"model_type": row["model_type"], **stated}


def class_reading(version: Version, config: JsonObject) -> "ClassReading":
    """The class that takes the config, and the object that it takes."""
    classes = table_of(version.table)["classes"]
    outer = config.get("model_type")
    if not isinstance(outer, str) or not outer:
        raise Refused("the config states no model_type, by which it finds a class")
    model_type, text, path = outer, config, ""
    row = _row(classes, outer, config)
    if "text" in row:
        inner = config.get(row["text"])
        if isinstance(inner, dict):
            model_type, text, path = inner.get("model_type") or row["text_type"], inner, row["text"]
        else:
            model_type, text = row["text_type"], config if row.get("takes_top") else {}
        row = _row(classes, model_type, config)
    if model_type in version.unruled:
        raise NotKnown(
            f"its class for the model type {shown(model_type)} follows rules that are not written here"
        )
    if "spectra" not in row and row.get("rope") is not False:
        raise NotKnown(f"its class for the model type {shown(model_type)} was not measured")
    return ClassReading(version, model_type, row, text, path)


def _row(classes: Mapping[str, JsonObject], model_type: Json, config: JsonObject) -> JsonObject:
    if model_type in classes:
        return classes[model_type]
    missing = f"it has no class for the model type {shown(model_type)}"
    if "auto_map" in config:
        raise NotKnown(f"{missing}, and runs the repository's own code if it may, which is not read here")
    raise Refused(f"{missing}, and the file names no code of its own")


class Spectrum:
    """The row of one spectrum of a class."""

    def __init__(self, module: str, row: JsonObject) -> None:
        self.module = module
        self.base: list[str] = row["base"]
        self.share: list[str] = row["share"]
        self.size: list[str] = row["size"]
        self.is_quotient: bool = row["is_quotient"]
        self.reads: list[str] = row["reads"]
        self.pairs: int = row["pairs"]
        self.block_pairs: int = row["block_pairs"]  # where the config has an object of its own
        self.slowest: float = row["slowest"]

    @property
    def is_local(self) -> bool:
        """Whether it drives the sliding layers of a class that has two."""
        return any(word in self.module for word in ("local", "sliding", "'"))


class ClassReading:
    """One config as a class takes it."""

    def __init__(
        self, version: Version, model_type: str, row: JsonObject, config: JsonObject, path: str
    ) -> None:
        self.version, self.model_type, self.row = version, model_type, row
        aliases: dict[str, str] = row.get("aliases", {})
        self.given = {aliases.get(key, key): value for key, value in config.items()}
        self.own_names = {name: own for own, name in aliases.items() if own in config}
        self.values: Mapping[str, Json] = {**row.get("defaults", {}), **self.given}
        self.path = f"{path}." if path else ""
        self.spectra = [Spectrum(module, one) for module, one in row.get("spectra", {}).items()]

    def key(self, name: str) -> str:
        """The full name of a key, as the file has it."""
        return self.path + self.own_names.get(name, name)

    @property
    def of_class(self) -> Origin:
        """The origin of a class default."""
        return "class_default", f"{self.model_type} in {self.version.program}"

    def notes(self) -> list[str]:
        """What it passes over in silence."""
        lines = []
        read = {way for spectrum in self.spectra for way in spectrum.reads}
        for name, ways in (
            ("rope_parameters", {"base in rope_parameters", "bases by kind", "linear in rope_parameters"}),
            ("rope_scaling", {"base in rope_scaling", "linear", "linear by type"}),
        ):
            if self.given.get(name) and not read & ways:
                lines.append(f"{self.key(name)} is not read by {self.model_type} in {self.version.program}.")
        return lines

    def seen(self, rotary: Rotary) -> Seen:
        """The spectrum that drives the layers of one of the file's spectra."""
        self.refuse_nothing()
        spectrum = self._spectrum(rotary.kind)
        part = self.version.part(self, spectrum)
        scaling, scaling_from = self._scaling(part)
        base, base_from = self._base(spectrum, part)
        is_scaled = scaling["type"] != "default"
        rotary_dim, dim_from = self._rotary_dim(spectrum, part, is_scaled, scaling["type"])
        origins = {"base": base_from, "rotary_dim": dim_from, "scaling": scaling_from}
        is_part_of_head = "rotary_dim" in spectrum.size or self.values.get("qk_rope_head_dim") is not None
        head_dim = rotary.head_dim if is_part_of_head else self._head(spectrum)[0]
        return Seen(base, max(head_dim, rotary_dim), rotary_dim, scaling, origins)

    def refuse_nothing(self) -> None:
        """Raise Refused where the class fails with a rope_scaling that is null or empty."""
        if "rope_scaling" in self.given and not self.given["rope_scaling"]:
            stated = "null" if self.given["rope_scaling"] is None else "empty"
            refusal = self.row["refuses"].get(f"{stated} rope_scaling")
            if refusal is not None:
                raise Refused(
                    f"{self.key('rope_scaling')} is {stated}, with which its class fails: {refusal}"
                )

    def refuse(self, given: JsonObject, key: str) -> None:
        """Raise Refused where the class fails with a scaling of the type that one object for all states."""
        name = self.version.type_of(self, given)
        if not isinstance(name, str):
            return
        refuses = self.row["refuses"]
        by_type = f"{name} by type"
        is_measured_by_type = name in ("mrope", "ntk", "su")
        if is_measured_by_type:
            refusal = refuses.get(name)
        elif "rope_type" not in given and ("linear by type" in refuses) != ("linear" in refuses):
            refusal = refuses.get(by_type, refuses.get("linear by type"))
        else:
            refusal = refuses.get(name)
        if refusal is None or (given.get("factor") is not None and refusal == "KeyError: 'factor'"):
            return
        lacks_head = "NoneType" in refusal
        if not (lacks_head and self.given.get("head_dim") is not None):
            why = "no head_dim is stated" if lacks_head else refusal
            raise Refused(f"{key} states the type {shown(name)}, with which its class fails: {why}")

    def _spectrum(self, kind: str) -> Spectrum:
        local = [spectrum for spectrum in self.spectra if spectrum.is_local]
        if kind == "sliding" and local:
            return local[0]
        others = [spectrum for spectrum in self.spectra if not spectrum.is_local]
        if not others:
            raise NotKnown(f"which spectrum of its class {self.model_type} drives {kind} layers is not known")
        return others[0]

    def _base(self, spectrum: Spectrum, part: RopeObject) -> tuple[float, Origin]:
        stated = part.values.get("rope_theta")
        if stated is not None and part.is_given:
            return number(f"{part.key}.rope_theta", stated), ("explicit", f"{part.key}.rope_theta")
        for name in spectrum.base:
            if name in self.given:
                standard = "explicit" if name == "rope_theta" else "alias"
                return number(self.key(name), self.given[name]), (standard, self.key(name))
        if stated is not None:
            return number("rope_theta", stated), self.of_class
        for name in (*spectrum.base, "default_theta"):
            if isinstance(self.row["defaults"].get(name), int | float):
                return float(self.row["defaults"][name]), self.of_class
        dim = 2 * spectrum.pairs
        if not spectrum.slowest or dim == 2:
            raise NotKnown(f"which base its class {self.model_type} assumes was not established")
        return float(round(spectrum.slowest ** (-dim / (dim - 2)))), self.of_class

    def _rotary_dim(
        self, spectrum: Spectrum, part: RopeObject, is_scaled: bool, scaling: str
    ) -> tuple[int, Origin]:
        head, head_from = self._head(spectrum)
        if scaling == "proportional":
            return head, head_from
        ways = spectrum.reads
        share, share_from = None, head_from
        inner = part.values.get("partial_rotary_factor")
        if inner is not None and part.is_given and (is_scaled or "share in rope_parameters" in ways):
            share, share_from = inner, ("derived", f"head size × {part.key}.partial_rotary_factor")
        names = list(spectrum.share)
        if is_scaled and "share, linear" in ways:
            names.append("partial_rotary_factor")
        for name in names:
            if share is None and self.given.get(name) is not None:
                share, share_from = self.given[name], ("derived", f"head size × {self.key(name)}")
        if share is None:
            pairs = spectrum.block_pairs if part.is_given else spectrum.pairs
            share = 2 * pairs / self._default_head(spectrum)
        rotary_dim = int(head * number("the rotated share", share) + 1e-9)
        if rotary_dim < 2 or rotary_dim % 2:
            raise NotKnown(f"it computes with {rotary_dim} rotated channels, which no pairs cover")
        return rotary_dim, share_from

    def _head(self, spectrum: Spectrum) -> tuple[int, Origin]:
        if "head_dim" in self.given:
            stated = self.given["head_dim"]
            refusal = self.row["refuses"].get("null head_dim" if stated is None else "head_dim")
            if refusal is not None:
                value = "null" if stated is None else shown(stated)
                raise Refused(f"{self.key('head_dim')} is {value}, with which its class fails: {refusal}")
        for name in reversed(spectrum.size):
            if self.given.get(name) is not None:
                return int(number(self.key(name), self.given[name])), ("explicit", self.key(name))
        is_null = "head_dim" in spectrum.size and "head_dim" in self.given
        if spectrum.is_quotient or is_null:
            hidden, heads = (
                number(self.key(name), self.values.get(name))
                for name in ("hidden_size", "num_attention_heads")
            )
            return int(hidden // heads), ("derived", "hidden_size / num_attention_heads")
        return self._default_head(spectrum), self.of_class

    def _default_head(self, spectrum: Spectrum) -> int:
        """The head size of a config without keys."""
        defaults = self.row["defaults"]
        for name in reversed(spectrum.size):
            if isinstance(defaults.get(name), int) and defaults[name] >= 2 * spectrum.pairs:
                return int(defaults[name])
        if spectrum.is_quotient:
            return int(defaults["hidden_size"] // defaults["num_attention_heads"])
        return 2 * spectrum.pairs

    def _scaling(self, part: RopeObject) -> tuple[FrozenDict, Origin]:
        name = self.version.type_of(self, part.values)
        came_from = ("explicit", part.key) if part.is_given else self.of_class
        renamed = {"mrope": "default", "su": "longrope"}.get(name, name) if isinstance(name, str) else name
        function = self.version.scalings.get(renamed) if isinstance(renamed, str) else None
        if function is None:
            raise Refused(f"{part.key} states the type {shown(name)}, which it does not know")
        return FrozenDict(type=renamed, **function(ScalingPart(self, part))), came_from


class ScalingPart:
    """The object of a scaling, for the functions that read it."""

    def __init__(self, reading: ClassReading, part: RopeObject) -> None:
        self.reading, self.part, self.given = reading, part, part.values

    def need(self, name: str) -> Any:
        """A value that the object must state."""
        if self.given.get(name) is None:
            raise Refused(f"{self.part.key}.{name} is missing, and it computes with it")
        return self.given[name]

    def some(self, *names: str) -> JsonObject:
        """The values that the object states under these names; 0 counts as none."""
        return {name: self.given[name] for name in names if self.given.get(name)}

    def top(self, name: str) -> float | None:
        """A length at the top of the config or by class default, or None."""
        value = self.reading.values.get(name)
        return None if value is None else number(self.reading.key(name), value)

    def declared(self) -> float:
        """The declared context."""
        name = "max_position_embeddings"
        return number(self.reading.key(name), self.reading.values.get(name))
