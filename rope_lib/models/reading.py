"""Find values in a model's config under any of their names, and remember where each one came from."""

import json
from collections import ChainMap
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .account import Ledger
from .checks import Check, Json, JsonObject, Value, shown
from .families import family
from .limits import LIMITS

# The standard name of each quantity first, then the names that other families use for it.
NAMES = {
    "num_layers": (
        "num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_transformer_layers", "num_block",
    ),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim", "model_dim", "n_embed", "embed_dim"),
    "num_heads": ("num_attention_heads", "n_heads", "n_head", "num_heads", "attention_heads"),
    "head_dim": ("head_dim", "kv_channels", "d_kv", "attention_head_dim", "attention_head_size", "d_head"),
    "context": (
        "max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx", "max_context_length",
        "rope_max_length", "max_sequence_length", "model_max_length", "max_seq_length", "context_window_size",
        "context_length", "block_size", "seq_len", "max_seqlen",
    ),
    "base": (
        "rope_theta", "rotary_emb_base", "rope_embedding_base", "rotary_base", "rope_base",
        "global_rope_theta", "rope_freq_constant", "position_embedding_base",
        "rotary_embedding_base", "theta",
    ),
    "layer_base": ("layer_rope_theta",),
    "local_base": ("rope_local_base_freq", "local_rope_theta", "swa_rope_theta"),
    "partial_rotary_factor": (
        "partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_percentage", "rotary_emb_fraction",
    ),
    "rotary_dim": ("rotary_dim", "rotary_ndims"),
    "compress_base": ("compress_rope_theta",),
    "window": ("sliding_window", "sliding_window_size"),
    "trained_positions": ("max_trained_positions",),
    "two_sided_window": ("local_attention",),
    "full_before_window": ("max_window_layers",),
    "no_rope_interval": ("no_rope_layer_interval",),
    "chunk": ("attention_chunk_size",),
    "original_context": ("original_max_position_embeddings",),
    "global_head_dim": ("global_head_dim",),
    "mla_rope": ("qk_rope_head_dim",),
    "mla_nope": ("qk_nope_head_dim",),
}  # fmt: skip

# All names of one quantity must agree, except for these: a length is often stated for more than one purpose.
MAY_DIFFER = {"context"}

# Keys under which 0 and -1 say that there is none, as null does.
NONE_BY_NUMBER = {
    "sliding_window", "sliding_window_size", "attention_window_size", "attention_chunk_size",
    "nope_layer_interval",
}  # fmt: skip


@lru_cache(maxsize=1)
def class_defaults() -> JsonObject:
    """The table that tools/class_defaults.py makes: its source, and a row for each model type."""
    table: JsonObject = json.loads(
        Path(__file__).with_name("class_defaults.json").read_text(encoding="utf-8")
    )
    return table


def class_row(model_type: str) -> JsonObject:
    """The row of a model type in the table of class defaults, with its source; empty where there is none.

    >>> class_row("gptj")["rotary_dim"], class_row("of_no_class")
    (64, {})
    """
    table = class_defaults()
    row = table["models"].get(model_type)
    return {**row, "source": f"{model_type} in {table['source']}"} if row else {}


@dataclass(frozen=True)
class Part:
    """An object inside a config."""

    values: JsonObject
    key: str  # its full name
    is_own: bool  # whether it is for one kind of layers alone


class Reading:
    """One pass over a config: values by quantity, with their provenance, and notes for the reader.

    `config` is the object that holds the text model, `path` the keys that lead to it. The keys of an
    `attn_config` inside count as its own (DBRX, MPT).
    """

    def __init__(self, config: JsonObject, path: str, model_type: str) -> None:
        inner = config.get("attn_config")
        inner = inner if isinstance(inner, dict) else {}
        self.ledger = Ledger()
        self._config: Mapping[str, Json] = {**inner, **config}
        self._of_file = self._config  # whatever `with_values` puts before it
        self.model_type = model_type
        self.defaults = class_row(model_type)
        self.family = family(model_type)
        self.provenance: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self.supplied: dict[str, tuple[str, str]] = {}  # quantity → what `record` takes in place of its own
        self.scope = ""  # prefix of each quantity recorded: the kind of layers that it is for
        self._path = f"{path}." if path else ""
        self._inner = set(inner) - set(config)

    def with_values(self, values: Iterable[tuple[str, Json]]) -> "Reading":
        """The same reading with other values under some keys; both share their records and notes."""
        other = copy(self)
        other._config = ChainMap(dict(values), self._config)  # type: ignore[arg-type]  # it is only read
        return other

    def unrecorded(self) -> "Reading":
        """The same reading with records and notes of its own."""
        other = copy(self)
        other.provenance, other.sources, other.notes = {}, {}, []
        return other

    def key(self, name: str) -> str:
        """The full name of a key, for messages and sources."""
        return f"{self._path}attn_config.{name}" if name in self._inner else self._path + name

    def states(self, name: str) -> bool:
        """Whether the config has this key, be its value null; it counts as read."""
        if name in self._of_file:
            self.ledger.read.add(self.key(name))
        return name in self._config

    def value(self, name: str) -> Json:
        """The value under `name`, or None; the key counts as read."""
        value = self._config.get(name) if self.states(name) else None
        none_by_number = name in NONE_BY_NUMBER and type(value) in (int, float) and value in (0, -1)
        return None if none_by_number else value

    def peek(self, name: str) -> Json:
        """The same as `value`, but the key does not count as read: the value decides whether it is."""
        return self._config.get(name)

    def inert(self, name: str, reason: str) -> None:
        """Put down that a key does not bear on rotation in this model, and why."""
        if name in self._of_file:
            self.ledger.inert[self.key(name)] = reason

    def doubt(self, name: str) -> None:
        """Put down that a key may bear on rotation, and that its value was not understood."""
        if name in self._of_file:
            self.ledger.doubted.add(self.key(name))

    def record(self, quantity: str, provenance: str, source: str) -> None:
        """Remember where a quantity came from: one of `spec.PROVENANCE`, and the key or the reason."""
        provenance, source = self.supplied.get(quantity, (provenance, source))
        self.provenance[self.scope + quantity] = provenance
        self.sources[self.scope + quantity] = source

    def for_kind(self, kind: str) -> "Reading":
        """The same reading, with the defaults that the class has for this kind of layers."""
        other = copy(self)
        other.defaults = {**self.defaults, **self.defaults.get("layer_overrides", {}).get(kind, {})}
        return other

    def per_layer(self, name: str, num_layers: int, *, letters: bool = False) -> list[Json] | None:
        """The list under `name`, with one entry for each layer, or None.

        With `letters`, a string counts as the list of its letters. Entries for layers that predict tokens
        ahead, beyond the model's own layers, are left out. Raises ValueError for a list of another length.
        """
        value = self.value(name)
        if value is None:
            return None
        entries = list(value[: LIMITS["num_layers"]]) if letters and isinstance(value, str) else value
        ahead = self.value("num_nextn_predict_layers")
        if type(ahead) is int and isinstance(entries, list) and 0 < ahead == len(entries) - num_layers:
            entries = entries[:num_layers]
        if not isinstance(entries, list) or len(entries) != num_layers:
            got = f"{len(value)} entries" if isinstance(value, list | str) else shown(value)
            key = self.key(name)
            raise ValueError(f"{key} must list one entry for each of {num_layers} layers, got {got}")
        return entries

    def find_stated(self, quantity: str, check: Check[Value], recorded: str | None = None) -> Value | None:
        """The checked value of a quantity under any of its names, or None.

        Records where it came from, under the name of the quantity or as `recorded`. Raises ValueError where
        two names state different values.
        """
        standard, *others = NAMES[quantity]
        of_class = [key for key, name in self.defaults.get("aliases", {}).items() if name == standard]
        given = {}
        if any(self.value(name) is not None for name in of_class):
            for other in others:  # the class has a name of its own for it: the others mean something else
                if other not in of_class:
                    self.inert(other, f"{self.model_type} models call it {', '.join(of_class)}")
            others = []
        for name in dict.fromkeys((standard, *of_class, *others)):
            if self.value(name) is not None:
                given[name] = check(self.key(name), self.value(name))
        if not given:
            return None
        (name, value), *rest = given.items()
        for other, different in rest:
            if different != value and quantity not in MAY_DIFFER:
                keys = f"{self.key(name)} and {self.key(other)}"
                raise ValueError(f"{keys} must agree, got {value} and {different}")
            if different != value:
                self.notes.append(f"{self.key(other)} says {different}; {self.key(name)} was taken.")
        self.record(recorded or quantity, "explicit" if name == standard else "alias", self.key(name))
        return value

    def find(self, quantity: str, check: Check[Value], recorded: str | None = None) -> Value | None:
        """The same as `find_stated`, else the default of the model's class, else None."""
        value = self.find_stated(quantity, check, recorded)
        if value is not None or self.states(NAMES[quantity][0]):
            return value  # null says that there is none, so that no default takes its place
        of_class = [self.defaults[name] for name in NAMES[quantity] if self.defaults.get(name) is not None]
        if not of_class:
            return None
        self.record(recorded or quantity, "class_default", self.defaults["source"])
        default: Value = of_class[0]
        return default

    def need(self, quantity: str, check: Check[Value], recorded: str | None = None) -> Value:
        """The same as `find`; raises ValueError where it finds nothing."""
        value = self.find(quantity, check, recorded)
        if value is None:
            key = self.key(NAMES[quantity][0])
            raise ValueError(f"{key} is missing, and no default of this model is known")
        return value
