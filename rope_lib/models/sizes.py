"""How wide a head is and how much of it rotates, for the layers of one kind."""

from .checks import share_of_head, whole_number_to
from .layers import FULL, class_entry, is_by_kind
from .limits import LIMITS
from .reading import NAMES, Part, Reading


def head_dim_of(reading: Reading, kind: str) -> int:
    """Channels of a query or key in a layer of this kind."""
    size = whole_number_to(LIMITS["head_dim"])
    rope, nope = reading.find("mla_rope", size, "head_dim"), reading.find("mla_nope", size, "head_dim")
    if rope is not None and nope is not None:
        source = f"{reading.key('qk_nope_head_dim')} + qk_rope_head_dim"
        reading.record("head_dim", "derived", source)
        for name in ("head_dim", "qk_head_dim"):  # some write one of the parts under the first
            if reading.defaults or reading.peek(name) in (rope, nope, rope + nope, None):
                reading.inert(name, f"{source} are the size of a head")
            else:
                reading.doubt(name)
        return rope + nope
    own = reading.find("global_head_dim", size, "head_dim") if kind == FULL else None
    own = reading.find("head_dim", size) if own is None else own
    if own is not None:
        return own
    if not reading.family.head_dim_is_quotient:
        return reading.need("head_dim", size)
    hidden = reading.need("hidden_size", whole_number_to(LIMITS["hidden_size"]), "head_dim")
    heads = reading.need("num_heads", whole_number_to(LIMITS["num_heads"]), "head_dim")
    if hidden % heads:
        missing = reading.key("head_dim")
        raise ValueError(f"{missing} is missing, and hidden_size {hidden} is no multiple of {heads} heads")
    reading.record("head_dim", "derived", "hidden_size / num_attention_heads")
    return hidden // heads


def share_of(reading: Reading, kind: str, part: Part) -> float:
    """The share of a head that rotates: by a key, by class default, else all."""
    share = _stated_share(reading, part)
    return share or _class_share(reading, kind, part) or 1.0


def _stated_share(reading: Reading, part: Part) -> float | None:
    """The share of a head that rotates, as the config states it, or None."""
    share = part.values.get("partial_rotary_factor")
    if share is not None:
        reading.record("rotary_dim", "derived", f"head_dim × {part.key}.partial_rotary_factor")
        return share_of_head(f"{part.key}.partial_rotary_factor", share)
    return reading.find_stated("partial_rotary_factor", share_of_head, recorded="rotary_dim")


def _class_share(reading: Reading, kind: str, part: Part) -> float | None:
    """The share of a head that rotates, by the code of the model's class, or None."""
    share = reading.family.rotated_share
    if share is not None:
        rotated = f"the code of {reading.model_type} models rotates {share:g} of each head"
        reading.record("rotary_dim", "class_default", rotated)
        return share
    if part.is_own and is_by_kind(reading.defaults.get("rope_parameters") or {}):
        return None  # such a class has no defaults for a config with an object for each kind
    share = (class_entry(reading, kind) or {}).get("partial_rotary_factor")
    if share is None or any(map(reading.states, NAMES["partial_rotary_factor"])):
        return None
    reading.record("rotary_dim", "class_default", reading.defaults["source"])
    return float(share)


def rotary_dim_of(reading: Reading, kind: str, part: Part, head_dim: int) -> int:
    """Channels of a head that rotate: as many as a key says, or the class, or all of them."""
    size = whole_number_to(LIMITS["head_dim"])
    rotary_dim = reading.find("mla_rope", size, recorded="rotary_dim")
    if rotary_dim is None:
        share = _stated_share(reading, part)
        counted = None if share is None else int(head_dim * share)
        rotary_dim = reading.find_stated("rotary_dim", size)
        if None not in (rotary_dim, counted) and rotary_dim != counted:
            keys = f"{reading.key('rotary_dim')} and head_dim × partial_rotary_factor"
            raise ValueError(f"{keys} must agree, got {rotary_dim} and {counted}")
        rotary_dim = counted if rotary_dim is None else rotary_dim
    if rotary_dim is None:
        share = _class_share(reading, kind, part)
        rotary_dim = reading.find("rotary_dim", size) if share is None else int(head_dim * share)
    if rotary_dim is None:
        reading.record("rotary_dim", "derived", "head_dim: all of it, as no key states less")
        rotary_dim = head_dim
    if rotary_dim > head_dim or rotary_dim % 2 or rotary_dim < 2:
        allowed = f"an even number from 2 to the head size {head_dim}"
        raise ValueError(f"the rotary dimension must be {allowed}, got {rotary_dim}")
    return rotary_dim
