"""Keys that say nothing more once a config has been read: what else it states has settled them."""

from .account import is_strong, speaks_of_rotation
from .checks import JsonObject
from .families import family
from .layers import is_kind
from .reading import NAMES, Reading, class_defaults
from .text_part import TextPart

# Keys that only say how wide a head is, which a file may also state itself.
_OTHER_WIDTHS = (
    "num_query_heads", "swa_num_attention_heads",
    "num_sliding_attention_heads", "num_attention_heads_per_layer", "attention_hidden_size", "embedding_dim",
    "embedding_size", "emb_dim", "num_global_attention_heads",
)  # fmt: skip
_WIDTHS = (*NAMES["hidden_size"], *NAMES["num_heads"], *_OTHER_WIDTHS)
# Keys that only say which layers have a window, and of how many tokens.
_WINDOWS = (
    *NAMES["window"], *NAMES["full_before_window"], "sliding_window_pattern", "_sliding_window_pattern",
    "use_bidirectional_attention",
)  # fmt: skip


def settle(reading: Reading, config: JsonObject, part: TextPart, *, rotates: bool) -> None:
    """Put the keys down that the rest of the config makes inert, each with the reason."""
    if not rotates:
        source = reading.sources.get("unrotated_layers", "its config")
        attends = reading.sources.get("layers") == "no layer rotates"  # else no layer has queries and keys
        if reading.family.rotates_nothing or "rope_optional" in reading.defaults or not attends:
            for name, value in part.values.items():
                if speaks_of_rotation(name, value):
                    reading.inert(name, f"no layer rotates: {source}")
    else:
        for name in _WIDTHS if _head_is_stated(reading) else _OTHER_WIDTHS:
            if reading.key(name) not in reading.ledger.read:
                reading.inert(name, f"{reading.sources['head_dim']}: the size of a head")
    if not any(quantity.endswith("window") for quantity in reading.provenance):
        for name in _WINDOWS:
            if reading.key(name) not in reading.ledger.read:
                reading.inert(name, "no layer has a window")
    _repeated_inside(reading)
    if "layers" in reading.provenance and not any("chunk" in source for source in reading.sources.values()):
        listed = reading.provenance["layers"] in ("explicit", "alias") or bool(reading.defaults)
        if listed and reading.key("attention_chunk_size") not in reading.ledger.read:
            reading.inert("attention_chunk_size", "no layer sees chunks")
    if reading.value("num_nextn_predict_layers") is not None:
        reading.ledger.read.add(reading.key("num_nextn_predict_layers"))
    _outside_of_part(reading, config, part)


def _head_is_stated(reading: Reading) -> bool:
    """Whether the size of a head comes from keys of its own in every spectrum, not from a quotient."""
    quotient = "hidden_size / num_attention_heads"
    return quotient not in (source for name, source in reading.sources.items() if name.endswith("head_dim"))


def _repeated_inside(reading: Reading) -> None:
    """Bases and shares that an object for one kind of layers states too, where each kind has its own."""
    given = reading.peek("rope_parameters")
    inner = [one for one in given.values() if isinstance(one, dict)] if isinstance(given, dict) else []
    if isinstance(given, dict):
        for name, one in given.items():
            key = f"{reading.key('rope_parameters')}.{name}"
            if (one is None or isinstance(one, dict)) and is_kind(name) and key not in reading.ledger.read:
                reading.ledger.inert[key] = "no layer is of this kind"
    inside = {"base": "rope_theta", "local_base": "rope_theta", "compress_base": "rope_theta"}
    for quantity, standard in {**inside, "partial_rotary_factor": "partial_rotary_factor"}.items():
        for name in NAMES[quantity]:
            value = reading.peek(name)
            repeats = value is not None and any(one.get(standard) == value for one in inner)
            if repeats and reading.key(name) not in reading.ledger.read:
                reading.inert(name, f"{reading.key('rope_parameters')} states it for kinds of layers")


def _outside_of_part(reading: Reading, config: JsonObject, part: TextPart) -> None:
    """Keys beside the object of the text model: those that repeat what it says, or that no text model reads.

    A class of transformers that nests its text reads none of it elsewhere: there, only a key that speaks of
    rotation is left to be suspected.
    """
    outer, steps = config, part.path.split(".") if part.path else []
    kind = str(config.get("model_type") or "")
    row = class_defaults()["models"].get(kind, {})
    for name, reason in family(kind).inert.items():
        if name in config:
            reading.ledger.inert[name] = reason
    for depth, step in enumerate(steps):
        prefix = "".join(f"{one}." for one in steps[:depth])
        reading.ledger.look(outer, ("model_type", "architectures", step), prefix.rstrip("."))
        for name, value in outer.items():
            if not isinstance(name, str) or name == step or isinstance(value, dict):
                continue
            no_window = name in _WINDOWS and value in (0, -1, None)
            if no_window and not any(one.endswith("window") for one in reading.provenance):
                reading.ledger.inert[f"{prefix}{name}"] = "no layer has a window"
            elif name in part.values and part.values[name] == value:
                reading.ledger.inert[f"{prefix}{name}"] = f"the same as in {part.path}"
            elif row.get("text") == part.path and not is_strong(name):
                reading.ledger.inert[f"{prefix}{name}"] = f"{kind} models read their text from {part.path}"
        outer = outer.get(step, {})
