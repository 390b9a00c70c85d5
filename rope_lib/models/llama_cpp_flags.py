"""A retrofit as arguments of llama.cpp, and as the keys of a GGUF file that say the same.

Followed are `common/arg.cpp` (what an argument sets), `src/llama-context.cpp` (how it stands to the file's
own keys) and `ggml_rope_yarn_corr_dims` (YaRN's ramp) of ggml-org/llama.cpp.
"""

from dataclasses import dataclass

from ..theory.scaling import ORIGINAL_LENGTH
from .checks import JsonObject
from .extend import Extension
from .spec import Rotary


@dataclass(frozen=True)
class Alternating:
    """An architecture whose layers alternate between a window and all tokens: what the arguments reach."""

    model_types: tuple[str, ...]  # of a config.json
    place: str  # in llama.cpp's code
    base_reaches_windows: bool = False  # whether --rope-freq-base also changes the layers with a window


# In these the scale of an argument reaches the layers that see all, and the others keep that of the file.
ALTERNATING = {
    "gemma2": Alternating(("gemma2",), "src/models/gemma2.cpp at 82234e08"),
    "gemma3": Alternating(("gemma3", "gemma3_text"), "src/models/gemma3.cpp at 569a0092"),
    "gpt-oss": Alternating(("gpt_oss",), "src/models/openai-moe.cpp at 069be0ae"),
    "olmo2": Alternating(("olmo3",), "src/models/olmo2.cpp at 8a5c4e03", base_reaches_windows=True),
}


def llama_cpp_arguments(
    extension: Extension, model_type: str, is_gguf: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`(arguments, notes)`. Raises ValueError for what no argument expresses."""
    changed = [change.after for change in extension.changes if change.is_changed]
    if not changed:
        raise ValueError("nothing is to be written: the model carries this scaling already")
    rotary = changed[0]
    _check(extension, changed, model_type)
    context = str(extension.context)
    arguments = ["--ctx-size", context]
    if extension.method == "ntk":
        arguments += ["--rope-scaling", "none", "--rope-freq-base", f"{rotary.base:.10g}"]
    else:
        arguments += ["--rope-scaling", extension.method, "--rope-scale", f"{extension.factor:.10g}"]
    if extension.method == "yarn":
        arguments += ["--yarn-orig-ctx", str(extension.original)]
        for key, argument in (("beta_fast", "--yarn-beta-fast"), ("beta_slow", "--yarn-beta-slow")):
            if key in rotary.scaling:
                arguments += [argument, f"{rotary.scaling[key]:.10g}"]
    architecture = extension.after.architecture if is_gguf else "ARCHITECTURE"
    arguments += ["--override-kv", f"{architecture}.context_length=int:{context}"]
    notes = ["llama-server caps each slot at the file's context_length, which --override-kv raises."]
    if not is_gguf:
        notes.append("ARCHITECTURE is the file's general.architecture, such as llama or qwen3.")
    return tuple(arguments), tuple(notes)


def _check(extension: Extension, changed: list[Rotary], model_type: str) -> None:
    name, rotary = extension.after.name, changed[0]
    if any(change.before.scaling["type"] == "llama3" for change in extension.changes):
        raise ValueError(
            f"{name} carries llama3, which a GGUF file holds in the tensor rope_freqs.weight: it stays under "
            "any argument, and would stretch twice"
        )
    if rotary.scaling["type"] == "proportional":
        raise ValueError(
            f"{name}: llama.cpp holds its unrotated pairs in a tensor, which no argument changes"
        )
    if len({(one.base, one.scaling) for one in changed}) > 1:
        raise ValueError(f"{name} has several spectra to extend, and llama.cpp takes one set of arguments")
    if len(changed) < len(extension.changes):
        known = ALTERNATING.get(extension.after.architecture) or next(
            (one for one in ALTERNATING.values() if model_type in one.model_types), None
        )
        if known is None:
            raise ValueError(
                f"{name} has layers that must stay as they are, and which layers llama.cpp's arguments reach "
                f"is known of {', '.join(ALTERNATING)} alone"
            )
        if known.base_reaches_windows and extension.method == "ntk":
            raise ValueError(f"{name}: --rope-freq-base would change its sliding layers too ({known.place})")
    if extension.method != "yarn":
        return
    if rotary.scaling.get("truncate", True) is False:
        raise ValueError(f"{name}: truncate is false, and llama.cpp always widens YaRN's ramp to whole pairs")
    if "attention_factor" in rotary.scaling:
        given = rotary.scaling["attention_factor"]
        raise ValueError(
            f"{name}: llama.cpp computes YaRN's attention factor itself, and this one is {given:g}"
        )
    mscale, all_dim = (rotary.scaling.get(key) for key in ("mscale", "mscale_all_dim"))
    if all_dim and mscale != all_dim:
        raise ValueError(f"{name}: llama.cpp takes mscale for mscale_all_dim, got {mscale} and {all_dim}")


def gguf_keys(extension: Extension) -> JsonObject:
    """The keys of a GGUF file, without its architecture, that say what the arguments say."""
    rotary = next(change.after for change in extension.changes if change.is_changed)
    keys: JsonObject = {"context_length": extension.context, "rope.freq_base": rotary.base}
    if extension.method == "ntk":
        return {**keys, "rope.scaling.type": "none"}
    keys |= {"rope.scaling.type": extension.method, "rope.scaling.factor": extension.factor}
    if extension.method == "yarn":
        keys["rope.scaling.original_context_length"] = rotary.scaling[ORIGINAL_LENGTH]
        for key in ("beta_fast", "beta_slow"):
            if key in rotary.scaling:
                keys[f"rope.scaling.yarn_{key}"] = rotary.scaling[key]
    return keys
