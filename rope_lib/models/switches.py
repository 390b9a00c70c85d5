"""Whether a model has a rotary embedding at all: by its class, a switch, or a word for its positions."""

from . import checks
from .checks import shown
from .reading import NAMES, Reading

# Values of a config that turn the rotary embedding off, and words for positions that do, or that turn it on.
SWITCHES = {
    "alibi": True,
    "use_alibi": True,
    "use_rope": False,
    "rope": False,
    "rotary": False,
    "mla_use_nope": True,
}
POSITIONS = ("position_embedding_type", "position_embedding", "pos_emb_type", "position_encoding")
ROTARY_POSITIONS = ("rope", "rotary", "chatglm")
OTHER_POSITIONS = ("alibi", "nope", "none", "learned", "relative", "sinus")


def switched_off(reading: Reading, num_layers: int) -> tuple[str, str] | None:
    """`(provenance, source)` where a model has no rotary embedding at all, else None."""
    defaults, code = reading.defaults, f"the code of {reading.model_type} models"
    if reading.family.rotates_nothing:
        return "class_default", f"{code} rotates nothing"
    if defaults.get("rope") is False and not _says_that_it_rotates(reading):
        return "class_default", f"no rotary embedding in the code of {defaults['source']}"
    if reading.family.alibi_depth == num_layers:
        reading.inert("rope_theta", "ALiBi needs no base")
        return "class_default", f"{code} of {num_layers} layers uses ALiBi"
    for name, off in SWITCHES.items():
        if (
            reading.value(name) is not None
            and checks.true_or_false(reading.key(name), reading.value(name)) is off
        ):
            return "explicit", reading.key(name)
    if reading.peek("rotary_emb_fraction") == 0:
        reading.value("rotary_emb_fraction")
        return "explicit", f"{reading.key('rotary_emb_fraction')} is 0"
    optional = defaults.get("rope_optional")
    if optional:
        stated = reading.states(optional["key"])
        if (reading.value(optional["key"]) if stated else optional["default"]) not in optional["rope_when"]:
            return ("explicit" if stated else "class_default"), f"{optional['key']} in {defaults['source']}"
    else:
        positions = _other_positions(reading)
        if positions is not None:
            return "explicit", positions
    if reading.family.is_off_without_base and reading.states("rope_parameters"):
        parameters = reading.value("rope_parameters")
        if parameters is None or (isinstance(parameters, dict) and parameters.get("rope_theta") is None):
            return "explicit", f"{reading.key('rope_parameters')} without a base"
    return None


def _says_that_it_rotates(reading: Reading) -> bool:
    """Whether a config says so in words, against a class of transformers that rotates nothing."""
    words = (str(reading.peek(name)).lower() for name in POSITIONS)
    by_word = any(part in word for word in words for part in ROTARY_POSITIONS)
    return reading.peek("rope") is True or (by_word and _states_base(reading))


def _other_positions(reading: Reading) -> str | None:
    """The key by which a model says that its positions are no rotation, or None.

    A word for absolute positions stands in files of models that rotate, since the first classes of
    transformers had it by default: it says nothing beside a base. Classes of transformers that rotate, and
    have no choice, read none of these keys.
    """
    for name in POSITIONS:
        word = reading.peek(name)
        if word is None:
            continue
        if not isinstance(word, str):
            raise ValueError(f"{reading.key(name)} must be a word for positions, got {shown(word)}")
        word = word.lower()
        if any(part in word for part in ROTARY_POSITIONS):
            reading.value(name)
        elif reading.defaults.get("rope") and word == "absolute":
            reading.inert(name, f"the code of {reading.model_type} models does not read it")
        elif _is_no_rotation(reading, word):
            reading.value(name)
            return reading.key(name)
        else:
            reading.doubt(name)
    return None


def _is_no_rotation(reading: Reading, word: str) -> bool:
    """Whether a word for positions says that nothing rotates."""
    other = any(word.startswith(part) for part in OTHER_POSITIONS) and not reading.defaults.get("rope")
    return other or (word == "absolute" and not _states_base(reading))


def _states_base(reading: Reading) -> bool:
    given = reading.peek("rope_parameters")
    inside = isinstance(given, dict) and given.get("rope_theta") is not None
    return inside or any(reading.peek(name) is not None for name in NAMES["base"])
