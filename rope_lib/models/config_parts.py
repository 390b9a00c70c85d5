"""What a writer of retrofits needs of the config that a model was read from."""

from .checks import JsonObject, shown
from .extendable import extendable
from .families import ORDINARY
from .layers import is_by_kind
from .programs import Program, program_named
from .reading import NAMES, Reading
from .spec import ModelSpec
from .text_part import text_part


def text_of(config: JsonObject) -> tuple[JsonObject, str, str]:
    """`(object of the text model, keys that lead to it, model type)` of a config.

    >>> text_of({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}})[1:]
    ('text_config', 'gemma3_text')
    """
    part = text_part(config)
    return part.values, part.path, part.model_type


class Parts:
    """What a writer needs of the config that a model was read from."""

    def __init__(self, spec: ModelSpec, config: JsonObject | None) -> None:
        self.spec = spec
        self.is_config = config is not None
        self.text, self.path, self.model_type = ({}, "", "") if config is None else text_of(config)
        self.reading = Reading(self.text, self.path, self.model_type)
        self.objects: JsonObject = {}  # rope_scaling and rope_parameters together
        for name in ("rope_scaling", "rope_parameters"):
            value = self.reading.value(name)
            self.objects |= value if isinstance(value, dict) else {}
        self.nested = any(isinstance(value, dict) for value in self.objects.values())
        of_class: JsonObject = self.reading.defaults.get("rope_parameters") or {}
        self.class_kinds = of_class if is_by_kind(of_class) else {}
        self.is_by_kind = bool(self.nested or self.class_kinds or not self.is_config)
        self.is_scaled_by_default = of_class.get("rope_type", "default") != "default"
        self.is_mla = "qk_rope_head_dim" in spec.sources.get("head_dim", "")

    def check_class(self, method: str, program: str) -> None:
        """Raise ValueError where a class of transformers would not rotate as the method says."""
        if not (self.is_config and program.startswith("transformers")):
            return
        kind = shown(self.model_type)
        brings_code = "auto_map" in self.text or self.reading.family != ORDINARY
        if brings_code and not self.reading.defaults:
            raise ValueError(
                f"model type {kind} runs its own code, of which {program_named(program).title} has no class: "
                "see that code for the keys that it reads"
            )
        if not self.reading.defaults:
            return
        table = extendable(program)
        methods = table.methods.get(self.model_type)
        if methods is None:
            raise ValueError(f"{table.version} has no rotary class for model type {kind}")
        if method not in methods:
            can = f"it runs {', '.join(methods)}" if methods else "nor those of any other"
            raise ValueError(
                f"{table.version} was not seen to give {kind} the frequencies of {method}: {can}"
            )

    def notes(self, program: Program) -> tuple[str, ...]:
        """What the fragment rests on."""
        if self.is_config and not self.reading.defaults:
            kind = shown(self.model_type) if self.model_type else "of this config"
            return (
                f"The model type {kind} is not known: the keys are those that {program.title} documents.",
            )
        return ()

    def parameters(self, method: str | None) -> JsonObject | None:
        """Numbers that a first YaRN of this kind of model needs.

        In MLA few channels rotate, so that a factor on cosines and sines would reach part of a score; the
        code of such models multiplies the score itself where `mscale_all_dim` says so.
        """
        plain = all(rotary.scaling["type"] == "default" for rotary in self.spec.rotaries)
        if not plain or method not in (None, "yarn"):
            return None
        if self.is_mla and self.model_type in extendable("transformers-5").scales_scores:
            return {"mscale": 1.0, "mscale_all_dim": 1.0}
        own = self.reading.family.yarn_attention_factor
        return None if own is None else {"attention_factor": own}

    def keys_of(self, quantity: str) -> list[str]:
        """The names under which the config states a quantity."""
        standard = NAMES[quantity][0]
        of_class = [key for key, name in self.reading.defaults.get("aliases", {}).items() if name == standard]
        names = dict.fromkeys((*NAMES[quantity], *of_class))
        return [name for name in names if self.reading.value(name) is not None]

    def key_of(self, quantity: str) -> str:
        """The first of these names, else the standard one."""
        return next(iter(self.keys_of(quantity)), NAMES[quantity][0])

    def states(self, name: str) -> bool:
        """Whether the config has a key of that name, with a value or null."""
        return name in self.text

    def old_object(self, label: str | None) -> JsonObject:
        """The object that described a spectrum, of its own or of all; else that of the class."""
        of_class = self.reading.defaults.get("rope_parameters") or {}
        whole = self.objects or of_class
        old = whole.get(label) if label is not None else whole
        if not isinstance(old, dict):
            return {}
        # The share of a head is that of the spectrum, which the config may state elsewhere.
        return {key: old[key] for key in old if self.objects or key != "partial_rotary_factor"}
