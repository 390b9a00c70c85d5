"""Keys that say nothing more once a config has been read: what else it states has settled them."""

from .account import speaks_of_rotation
from .checks import JsonObject
from .reading import NAMES, Reading
from .text_part import TextPart

# Keys that only say how wide a head is, which a file may also state itself.
_WIDTHS = (
    *NAMES["hidden_size"], *NAMES["num_heads"], "num_query_heads", "swa_num_attention_heads",
    "num_sliding_attention_heads", "num_attention_heads_per_layer", "attention_hidden_size", "embedding_dim",
    "embedding_size", "emb_dim", "num_global_attention_heads",
)  # fmt: skip
# Keys that only say which layers have a window, and of how many tokens.
_WINDOWS = (
    *NAMES["window"], *NAMES["full_before_window"], "sliding_window_pattern", "_sliding_window_pattern",
    "use_bidirectional_attention",
)  # fmt: skip


def settle(reading: Reading, config: JsonObject, part: TextPart, *, rotates: bool) -> None:
    """Put the keys down that the rest of the config makes inert, each with the reason."""
    if not rotates:
        source = reading.sources.get("unrotated_layers", "its config")
        if reading.family.rotates_nothing or "rope_optional" in reading.defaults:
            for name, value in part.values.items():
                if speaks_of_rotation(name, value):
                    reading.inert(name, f"no layer rotates: {source}")
    elif _head_is_stated(reading):
        for name in _WIDTHS:
            if reading.key(name) not in reading.ledger.read:
                reading.inert(name, f"{reading.sources['head_dim']} states the size of a head")
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
    for quantity in ("base", "partial_rotary_factor"):
        standard = NAMES[quantity][0]
        for name in NAMES[quantity]:
            value = reading.peek(name)
            if value is not None and reading.key(name) not in reading.ledger.read:
                if any(one.get(standard) == value for one in inner):
                    reading.inert(name, f"{reading.key('rope_parameters')} states it for kinds of layers")


def _outside_of_part(reading: Reading, config: JsonObject, part: TextPart) -> None:
    """Keys beside the object of the text model that repeat what it says."""
    if not part.path:
        return
    for name, value in config.items():
        if isinstance(name, str) and name in part.values and part.values[name] == value:
            reading.ledger.inert[name] = f"the same as in {part.path}"
    steps = part.path.split(".")
    for end in range(1, len(steps) + 1):
        reading.ledger.read.add(".".join(steps[:end]))
