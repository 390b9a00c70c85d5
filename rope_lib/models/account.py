"""What became of each key of a file: read, known not to bear on rotation, or not understood.

The rule by which a key is suspected is wide on purpose: it goes by the pieces of a name, and by values that
look like a base or like one entry for each layer, so that a convention that nobody has written down here is
caught. What keeps it quiet is `inert_keys.toml`, the table of names that are known not to bear on rotation.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from .checks import Json, shortened, shown
from .spec import Account, FrozenDict

# Pieces of names that may bear on rotation, on which layers rotate, or on the sizes that both rest on: each
# stands for all words that begin with it.
_STEMS = (
    "rope", "rot", "theta", "yarn", "ntk", "alibi", "xpos", "nope", "mscale", "sinus", "wave", "angle",
    "phase", "base", "freq", "period", "position", "pos", "embd", "window", "swa", "slid", "local",
    "global", "chunk", "sparse", "dense", "full", "linear", "hybrid", "cross", "mixer", "mamba",
    "recurrent", "layout", "pattern", "interval", "every", "stride", "offset", "schedule", "skip", "switch",
    "layer", "stage", "span", "field", "block", "depth", "idx", "index", "indices", "ids", "attn",
    "attention", "head", "dim", "hidden", "width", "channels", "context", "ctx", "length", "len", "seq",
    "token", "tokens", "trained", "scal", "factor", "alpha", "beta", "ratio", "mla", "mtp", "nextn",
    "model", "type", "kind", "arch", "fraction", "turn", "percent", "pct", "portion",
)  # fmt: skip
_WHOLE = ("d", "n", "kv", "qk", "v", "pe", "abf", "long", "short", "max", "min", "sin", "cos")
_BEARING = re.compile(rf"(?:{'|'.join(_STEMS)})|(?:{'|'.join(_WHOLE)})$")
# Parts of names that speak of rotation, of positions or of which layers differ: no * of the table stands for
# one of them, and a key with one is suspected even where its value is null or false.
_STRONG = (
    "rope|rotary|rotat|theta|yarn|ntk|alibi|xpos|nope|mscale|freq|position|(?:^|_)pos_|_pos(?:$|_)|window|swa|"
    "sliding|layout|pattern|interval|wavelen|period|(?:^|_)base(?:$|_)|layer_types?|every_n|context|seq_?len"
)
_SPEAKS_OF_ROTATION = re.compile(_STRONG)
_ANGLES = re.compile(r"(?:^|_)rope|rotary|theta|yarn|(?:^|_)ntk|xpos|mscale")  # of nothing but angles
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Words for kinds of layers: a list that holds one may say which layers rotate, whatever its name.
_KINDS = re.compile(r"attention|attn|full|slid|local|global|mamba|conv|rope|linear|recurrent", re.IGNORECASE)

MOST_SORTED = 5_000  # keys that are looked into; published configs have some hundreds
MOST_LISTED = 100  # keys of one kind in an account
LONGEST_KEY, LONGEST_NAME = 100, 1_000  # characters of a key as it is shown, of a full name that is looked at


@dataclass
class Ledger:
    """What a reader has looked at so far, by full names: it writes, `account` reads."""

    read: set[str] = field(default_factory=set)
    inert: dict[str, str] = field(default_factory=dict)  # name → why it does not bear on rotation here
    doubted: set[str] = field(default_factory=set)  # looked at, but the value is not understood

    def look(self, values: Mapping[str, Json], names: Iterable[str], path: str = "") -> None:
        """Put down as read those of some names that an object has; `path` leads to it."""
        prefix = f"{path}." if path else ""
        self.read |= {f"{prefix}{name}" for name in names if name in values}


def account(
    values: Mapping[str, Json],
    ledger: Ledger,
    num_layers: int = 0,
    *,
    rotates: bool = True,
    is_open: bool = False,
) -> Account:
    """The `Account` of a file's keys, after a reader has read them.

    `values` is the file's object, whose objects inside are entered; a flat mapping with dotted names, as the
    metadata of a GGUF file is, does as well. `num_layers` is the depth that was read: a list of that length
    may say which layers rotate. Where nothing `rotates`, only what speaks of a rotation is suspected;
    where a quantity `is_open`, not stated by any key that was read, every number that nobody knows is.

    >>> config = {"rope_theta": 1e4, "vocab_size": 256, "positional_base": 5e5, "colour": "red"}
    >>> account(config, Ledger(read={"rope_theta"})).plain()["not_understood"]
    {'positional_base': 500000.0}
    """
    read: list[str] = []
    inert: dict[str, str] = {}
    not_understood: dict[str, Json] = {}

    def suspected(name: str, value: Json) -> bool:
        if not rotates:
            return speaks_of_rotation(name, value)
        unknown_number = is_open and type(value) in (int, float) and value > 1
        stated = 1 if is_open and value is None else value  # a null may say that there is no window
        return unknown_number or may_bear(name, stated, num_layers)

    for number, (name, value) in enumerate(_leaves(values, ledger)):
        if number == MOST_SORTED:
            not_understood["…"] = f"keys beyond the first {MOST_SORTED:,}"
            break
        if name in ledger.doubted:
            not_understood[name] = value
        elif name in ledger.read:
            read.append(name)
        else:
            reason = ledger.inert.get(name) or why_inert(name, value)
            if reason is not None:
                inert[name] = reason
            elif suspected(name, value):
                not_understood[name] = value
    return Account(
        read=tuple(_key(name) for name in read[:MOST_LISTED]),
        inert=FrozenDict({_key(name): inert[name] for name in list(inert)[:MOST_LISTED]}),
        not_understood=_shortened(not_understood),
    )


def _leaves(values: Mapping[str, Json], ledger: Ledger) -> Iterator[tuple[str, Json]]:
    """Every key with its value, by its full name. What is inert or doubted as a whole is not entered."""
    waiting: list[tuple[str, Json]] = [(str(key), value) for key, value in values.items()]
    waiting.reverse()
    while waiting:
        name, value = waiting.pop()
        whole = name in ledger.doubted or name in ledger.inert
        inner = value if isinstance(value, dict) and value and not whole else None
        if isinstance(value, list) and not whole and name not in ledger.read and _holds_objects(value):
            inner = {str(index): entry for index, entry in enumerate(value) if isinstance(entry, dict)}
        if inner is None or (name not in ledger.read and why_inert(name, value) is not None):
            yield name, value
        else:
            waiting.extend((f"{name}.{key}", inner[key]) for key in reversed(inner))


def _holds_objects(value: list[Json]) -> bool:
    return any(isinstance(entry, dict) and entry for entry in value)


def may_bear(name: str, value: Json, num_layers: int = 0) -> bool:
    """Whether a key that nobody has read could bear on rotation, by any piece of its name or by its value.

    >>> may_bear("rotary_wavelength", 8.0), may_bear("enc.colour", "red"), may_bear("mix", ["full", "conv"])
    (True, False, True)
    """
    if len(name) > LONGEST_NAME:
        return True
    if any(_BEARING.match(piece.lower()) for piece in _PIECES.findall(name)):
        switched_off = value is None or value is False or value in ("", [], {}, ())
        return not switched_off or is_strong(name)
    if isinstance(value, float):
        return value >= 1000 and value == int(value) if value == value and value < 1e300 else True
    if isinstance(value, list | tuple):
        per_layer = num_layers > 1 and len(value) == num_layers
        return per_layer or any(isinstance(one, str) and _KINDS.search(one) for one in value[:64])
    return isinstance(value, str) and _KINDS.search(value[:100]) is not None


def is_strong(name: str) -> bool:
    """Whether a name speaks of rotation, of positions or of which layers differ, in any part of it.

    >>> is_strong("swa_theta"), is_strong("num_heads")
    (True, False)
    """
    return _SPEAKS_OF_ROTATION.search(name.lower()) is not None


def speaks_of_rotation(name: str, value: Json) -> bool:
    """Whether a key contradicts that a model has no rotary embedding: by its name, or by a word under it.

    >>> [speaks_of_rotation(*pair) for pair in (("rope_theta", 1e4), ("pos", "rotary"), ("heads", 4))]
    [True, True, False]
    """
    is_word = isinstance(value, str) and _ANGLES.search(value[:100].lower()) is not None
    switched_off = value is None or value is False or value in ("", [], {}, (), 0)
    return is_word or (not switched_off and _ANGLES.search(name.rpartition(".")[2].lower()) is not None)


def why_inert(name: str, value: Json) -> str | None:
    """The reason of the table for a key that is known not to bear on rotation, or None.

    >>> why_inert("text_config.vocab_size", 32_000), why_inert("rope_norm", 1)
    ('vocabulary and its special tokens', None)
    """
    last = name.rpartition(".")[2]
    if len(last) > LONGEST_KEY:
        return None
    for which in ("objects", "keys") if isinstance(value, dict | list) else ("keys",):
        exact, patterns = _table(which)
        if last in exact:
            return exact[last]
        match = None if is_strong(last) else patterns.fullmatch(last)
        if match:
            return _groups()[int(str(match.lastgroup)[1:])]["reason"]  # type: ignore[no-any-return]
    return None


@lru_cache(maxsize=1)
def _groups() -> list[dict[str, Json]]:
    text = Path(__file__).with_name("inert_keys.toml").read_text(encoding="utf-8")
    groups: list[dict[str, Json]] = tomllib.loads(text)["group"]
    return groups


@lru_cache(maxsize=2)
def _table(which: str) -> tuple[dict[str, str], re.Pattern[str]]:
    """The names that are written out, with their reasons, and the others: one named group for each reason."""
    exact: dict[str, str] = {}
    patterns: list[str] = []
    for number, group in enumerate(_groups()):
        names = group.get(which, [])
        exact |= {name: group["reason"] for name in names if "*" not in name}
        wild = [re.escape(name).replace(r"\*", ".*") for name in names if "*" in name]
        if wild:
            patterns.append(f"(?P<g{number}>{'|'.join(wild)})")
    return exact, re.compile("|".join(patterns))


def _key(name: str) -> str:
    return shortened(name, LONGEST_KEY)


def _shortened(values: Mapping[str, Json]) -> FrozenDict:
    """Keys with their values, both cut to what fits a line, and no more of them than `MOST_LISTED`."""
    kept = {_key(name): _value(values[name]) for name in list(values)[:MOST_LISTED]}
    if len(values) > MOST_LISTED:
        kept["…"] = values.get("…", f"{len(values) - MOST_LISTED:,} more keys")
    return FrozenDict(kept)


def _value(value: Json) -> Json:
    """A value as an account shows it: a number, true, false or null as it is, anything else in words."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return shortened(value, LONGEST_KEY)
    if isinstance(value, int | float) and abs(value) < 1e300:
        return value
    return shown(value)
