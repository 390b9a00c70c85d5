"""One spectrum of a model from its config: base, size, window and scaling of the layers of one kind."""

from ..theory.arguments import above_one
from . import checks
from .checks import length_in_tokens, must_agree, rope_base
from .layers import (
    CHUNKED,
    COMPRESSED_SPARSE,
    FULL,
    HEAVILY_COMPRESSED,
    HYBRID,
    HYBRID_SLIDING,
    SLIDING,
    class_entry,
    is_by_kind,
    seen,
)
from .limits import LONGEST
from .reading import Part, Reading
from .scaling_object import scaling_object, scaling_parameters, scaling_type
from .sizes import head_dim_of, rotary_dim_of, share_of
from .spec import FrozenDict, Rotary

# In a class with an object for each kind, the kinds whose base is the plain `rope_theta`; and the quantity
# that states the base of the others.
_PLAIN = (FULL, "main", HYBRID, "indexed_attention")
_OWN_BASES = {
    SLIDING: "local_base", HYBRID_SLIDING: "local_base", COMPRESSED_SPARSE: "compress_base",
    HEAVILY_COMPRESSED: "compress_base",
}  # fmt: skip


def read_rotary(reading: Reading, kind: str, layers: list[int], context: int | None) -> Rotary | None:
    """The `Rotary` of these layers, or None where the config gives their kind no rotary embedding.

    `context` is the declared context in tokens, or None. Raises ValueError for what is missing or impossible.
    """
    part = scaling_object(reading, kind)
    if part is None:
        return None
    name = scaling_type(reading, part)
    base = _base(reading, kind, part)
    head_dim = head_dim_of(reading, kind)
    parameters = scaling_parameters(reading, name, part, context)
    if name == "proportional":  # the spectrum covers the whole head, with zeros where nothing rotates
        parameters["partial_rotary_factor"] = share_of(reading, kind, part)
        reading.record("rotary_dim", "derived", "proportional: all of head_dim")
        rotary_dim = head_dim
    else:
        rotary_dim = rotary_dim_of(reading, kind, part, head_dim)
    scaling = FrozenDict(type=name, **parameters)
    rotary = Rotary(tuple(layers), seen(kind), base, head_dim, rotary_dim, _window(reading, kind), scaling)
    try:
        above_one("the effective base", rotary.effective_base(context or LONGEST))
    except ValueError as error:
        raise ValueError(f"{part.key}: {error}") from None
    return rotary


def sliding_window(reading: Reading) -> int | None:
    """The sliding window of a model in tokens, or None; records "window" where there is one."""
    uses = reading.value("use_sliding_window")
    uses = reading.defaults.get("use_sliding_window") if uses is None else uses
    if uses is not None and not checks.true_or_false(reading.key("use_sliding_window"), uses):
        return None
    one_sided = reading.find("window", length_in_tokens)
    if one_sided is not None and reading.value("use_bidirectional_attention") in _halves(reading):
        reading.record(
            "window", "derived", f"{reading.key('sliding_window')} / 2 + 1: it sees both directions"
        )
        return one_sided // 2 + 1
    both = reading.find("two_sided_window", length_in_tokens, recorded="window")
    if both is None:
        return one_sided
    key, half = reading.key("local_attention"), both // 2  # ModernBERT looks as far back as ahead
    if one_sided is not None:
        must_agree(reading.key("sliding_window"), one_sided, f"half of {key}", half)
    if reading.value("local_attention") is not None:
        reading.record("window", "derived", f"{key} / 2: it counts both directions")
    return length_in_tokens(f"half of {key}", half)


def _halves(reading: Reading) -> tuple[object, ...]:
    return reading.family.halves_two_sided_window


def _window(reading: Reading, kind: str) -> int | None:
    """Tokens that a layer of this kind sees, or None where it sees all."""
    if kind in (SLIDING, HYBRID_SLIDING):
        return sliding_window(reading)
    if kind == CHUNKED:
        return reading.need("chunk", length_in_tokens, recorded="window")
    return None


def _class_base(reading: Reading, kind: str) -> tuple[float | None, float | None]:
    """The base that the class has for a kind, and the one that it has for the plain kind, or None."""
    of_class = reading.defaults.get("rope_parameters") or {}
    plain = of_class
    if is_by_kind(of_class):
        plain = next((of_class[name] for name in _PLAIN if name in of_class), None) or {}
    return (class_entry(reading, kind) or {}).get("rope_theta"), plain.get("rope_theta")


def _base(reading: Reading, kind: str, part: Part) -> float:
    """The base of a kind of layers: of its own, else that of the model, by a key or by class default."""
    given, key = part.values, part.key
    of_layer = reading.find("layer_base", rope_base, recorded="base")
    if of_layer is not None:
        return of_layer
    stated = given.get("rope_theta")
    if stated is not None:
        stated = rope_base(f"{key}.rope_theta", stated)
    if stated is not None and part.is_own:
        reading.record("base", "explicit", f"{key}.rope_theta")
        return stated
    own = reading.find(_OWN_BASES[kind], rope_base, recorded="base") if kind in _OWN_BASES else None
    if own is not None:
        return own
    of_class, of_plain_kind = _class_base(reading, kind)
    if of_class not in (None, of_plain_kind):
        reading.record("base", "class_default", reading.defaults["source"])
        return float(of_class)
    if stated is not None:
        if reading.value("rope_theta") is not None:
            must_agree(reading.key("rope_theta"), reading.value("rope_theta"), f"{key}.rope_theta", stated)
        reading.record("base", "explicit", f"{key}.rope_theta")
        return stated
    multiplied = _multiplied_base(reading)
    if multiplied is not None:
        return multiplied
    stated = reading.find("base", rope_base)
    if stated is not None:
        return stated
    is_null = reading.states("rope_theta") or "rope_theta" in given
    if of_class is not None and not is_null:
        reading.record("base", "class_default", reading.defaults["source"])
        return float(of_class)
    if reading.family.base is not None and not is_null:
        reading.record("base", "class_default", f"the code of {reading.model_type} models")
        return reading.family.base
    return reading.need("base", rope_base)


def _multiplied_base(reading: Reading) -> float | None:
    """The base of a family times the number that its config states, or None."""
    base, name = reading.family.base, reading.family.base_multiplier
    if base is None or name is None or reading.value(name) is None:
        return None
    key = reading.key(name)
    multiplier = checks.positive_number(key, reading.value(name))
    reading.record("base", "derived", f"{base:,.0f} × {key}")
    return rope_base(f"{base:.0f} × {key}", base * multiplier)
