"""Find values in a model's config under any of their names, and remember where each one came from."""

import json
import math
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

# The standard name of each quantity first, then the names that other families use for it.
NAMES = {
    "num_layers": (
        "num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_transformer_layers",
    ),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim", "model_dim"),
    "num_heads": ("num_attention_heads", "n_heads", "n_head", "num_heads"),
    "head_dim": ("head_dim", "kv_channels", "d_kv", "attention_head_dim"),
    "context": (
        "max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx", "max_context_length",
        "rope_max_length", "max_sequence_length", "model_max_length", "max_seq_length",
    ),
    "base": (
        "rope_theta", "rotary_emb_base", "rope_embedding_base", "rotary_base", "rope_base",
        "global_rope_theta", "rope_freq_constant",
    ),
    "layer_base": ("layer_rope_theta",),
    "local_base": ("rope_local_base_freq", "local_rope_theta", "swa_rope_theta"),
    "partial_rotary_factor": (
        "partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_percentage", "rotary_emb_fraction",
    ),
    "rotary_dim": ("rotary_dim", "rotary_ndims"),
    "compress_base": ("compress_rope_theta",),
    "window": ("sliding_window", "sliding_window_size"),
    "two_sided_window": ("local_attention",),
    "full_before_window": ("max_window_layers",),
    "no_rope_interval": ("no_rope_layer_interval",),
    "chunk": ("attention_chunk_size",),
    "original_context": ("original_max_position_embeddings",),
    "global_head_dim": ("global_head_dim",),
    "mla_rope": ("qk_rope_head_dim",),
    "mla_nope": ("qk_nope_head_dim",),
}  # fmt: skip

# Names of one quantity must agree, but for these: a length is often stated for more than one purpose.
MAY_DIFFER = {"context"}

# Far beyond any model, so that a slip or a hostile file is refused before anything is allocated for it.
LIMITS = {"num_layers": 10_000, "head_dim": 65_536, "hidden_size": 2**24, "num_heads": 65_536}
LONGEST = 10**12  # tokens


@lru_cache(maxsize=1)
def class_defaults():
    """The table that tools/class_defaults.py makes: its source, and a row for each model type."""
    return json.loads(Path(__file__).with_name("class_defaults.json").read_text(encoding="utf-8"))


class Part(NamedTuple):
    """An object inside a config."""

    values: dict | None  # None where null stands for it
    key: str  # its full name
    is_own: bool  # whether it is for one kind of layers alone


class Reading:
    """One pass over a config: values by quantity, with their provenance, and notes for the reader.

    `config` is the object that holds the text model, `path` the keys that lead to it, `defaults` its class's
    row in the table of class defaults. The keys of an `attn_config` inside count as its own (DBRX, MPT).
    """

    def __init__(self, config, path, defaults):
        inner = config.get("attn_config")
        inner = inner if isinstance(inner, dict) else {}
        self.config = {**inner, **config}
        self.defaults = defaults
        self.provenance, self.sources, self.notes = {}, {}, []
        self.scope = ""  # before the name of each quantity recorded: the kind of layers that it is for
        self._path = f"{path}." if path else ""
        self._inner = set(inner) - set(config)

    def with_values(self, values):
        """The same reading, with other values under some keys; what it records is recorded here too."""
        other = copy(self)
        other.config = {**self.config, **dict(values)}
        return other

    def unrecorded(self):
        """The same reading, whose records and notes are lost."""
        other = copy(self)
        other.provenance, other.sources, other.notes = {}, {}, []
        return other

    def key(self, name):
        """The full name of a key, for messages and sources."""
        return f"{self._path}attn_config.{name}" if name in self._inner else self._path + name

    def value(self, name):
        """What stands under `name`, or None."""
        return self.config.get(name)

    def record(self, quantity, provenance, source):
        """Remember where a quantity came from: one of `spec.PROVENANCE`, and the key or the reason."""
        self.provenance[self.scope + quantity] = provenance
        self.sources[self.scope + quantity] = source

    def for_kind(self, kind):
        """The same reading, with the defaults that the class has for this kind of layers."""
        other = copy(self)
        other.defaults = {**self.defaults, **self.defaults.get("layer_overrides", {}).get(kind, {})}
        return other

    def per_layer(self, name, num_layers, letters=False):
        """The list under `name`, an entry a layer, or None; `letters` allows a string in place of a list.

        What follows for layers that predict tokens ahead, beyond the model's own, is left out.
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

    def find_stated(self, quantity, check, recorded=None):
        """The checked value of a quantity under any of its names, or None; `recorded` renames its record."""
        standard, *others = NAMES[quantity]
        of_class = [key for key, name in self.defaults.get("aliases", {}).items() if name == standard]
        given = {}
        if any(self.value(name) is not None for name in of_class):
            others = []  # the class has a name of its own for it: the others are for something else
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

    def find(self, quantity, check, recorded=None):
        """As `find_stated`, else the default of the model's class; None without one."""
        value = self.find_stated(quantity, check, recorded)
        if value is not None or NAMES[quantity][0] in self.config:
            return value  # null is a statement, that there is none, and keeps the default out
        of_class = [self.defaults[name] for name in NAMES[quantity] if self.defaults.get(name) is not None]
        if not of_class:
            return None
        self.record(recorded or quantity, "class_default", self.defaults["source"])
        return of_class[0]

    def need(self, quantity, check, recorded=None):
        """As `find`, but what is missing raises."""
        value = self.find(quantity, check, recorded)
        if value is None:
            key = self.key(NAMES[quantity][0])
            raise ValueError(f"{key} is missing, and no default of this model is known")
        return value


def whole(limit):
    """A check for whole numbers from 1 to `limit`; JSON writes some as 4096.0."""

    def check(key, value):
        if not _is_number(value) or value != int(value) or not 1 <= value <= limit:
            raise ValueError(f"{key} must be a whole number from 1 to {limit}, got {shown(value)}")
        return int(value)

    return check


def base(key, value):
    """A check for RoPE bases."""
    if not _is_number(value) or not 1 < value < 1e300:
        raise ValueError(f"{key} must be a finite number > 1, got {shown(value)}")
    return float(value)


def base_or_0(key, value):
    """A check for RoPE bases, or 0 for none."""
    return 0 if _is_number(value) and value == 0 else base(key, value)


def positive(key, value):
    """A check for numbers above 0."""
    if not _is_number(value) or not 0 < value < 1e300:
        raise ValueError(f"{key} must be a finite number > 0, got {shown(value)}")
    return float(value)


def share(key, value):
    """A check for the share of a head that rotates: above 0, at most 1."""
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{key} must be a number above 0 and at most 1, got {shown(value)}")
    return float(value)


def mapping(key, value):
    """A check for JSON objects."""
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be an object, got {shown(value)}")
    return value


def flag(key, value):
    """A check for true and false."""
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, got {shown(value)}")
    return value


def not_negative(key, value):
    """A check for whole numbers from 0."""
    if not _is_number(value) or value != int(value) or not 0 <= value <= LONGEST:
        raise ValueError(f"{key} must be a whole number from 0 to {LONGEST}, got {shown(value)}")
    return int(value)


def indices(key, value, num_layers):
    """A check for lists of layers, counted from 0: a set."""
    if not isinstance(value, list) or any(type(layer) is not int for layer in value):
        raise ValueError(f"{key} must list layers, counted from 0, got {shown(value)}")
    if value and not 0 <= min(value) <= max(value) < num_layers:
        outside = min(value) if min(value) < 0 else max(value)
        raise ValueError(f"{key} must list layers from 0 to {num_layers - 1}, got {shown(outside)}")
    return set(value)


def parameter(key, value):
    """A check for what a scaling may read: true, false, a finite number, or a list of finite numbers."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, bool) or _is_number(one) for one in values):
        raise ValueError(f"{key} must be a finite number, or a list of some, got {shown(value)}")
    return value


def sections(key, value):
    """A check for how many pairs each axis has."""
    if not isinstance(value, list) or any(type(pairs) is not int or pairs < 0 for pairs in value):
        raise ValueError(f"{key} must list whole numbers of pairs, got {shown(value)}")
    return value


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(_as_float(value))


def _as_float(value):
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def shown(value):
    """A value in a message: one short line, whatever it holds."""
    if isinstance(value, dict | list | tuple):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)} entries"
    if isinstance(value, str | bytes):
        value = value[:100]
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "an integer of thousands of digits"
    return shortened(text)


def shortened(text, length=60):
    """Text of a file or a path, fit for one line: printable characters, and no more than `length` of them."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: length + 1])
    return text if len(text) <= length else text[: length - 3] + "..."


def listed(names):
    """Keys of a file in a message: at most eight, sorted, on one line."""
    names = sorted(shortened(str(name)) for name in names)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
