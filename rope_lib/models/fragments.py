"""How a retrofit is written for the program that will load the model: keys of its config, or arguments.

What a program does not know, or would read differently, is refused with the reason. What is written is read
again and compared with what was meant before it is returned.
"""

from dataclasses import replace

import numpy as np

from .checks import JsonObject
from .config import read_config
from .config_fragments import config_values, vllm_arguments
from .config_parts import Parts
from .extend import Extension, extend
from .llama_cpp_flags import llama_cpp_arguments
from .programs import Fragment, program_named
from .spec import ModelSpec


def written(
    spec: ModelSpec,
    config: JsonObject | None,
    context: int,
    method: str | None,
    program: str,
    *,
    original: int | None = None,
) -> tuple[Extension, Fragment]:
    """The extension of a model and the fragment that writes it for a program, one of `PROGRAMS`.

    `config` is the config that `spec` was read from, None where the source is no config.json. Raises
    ValueError as `extend` does, and for what the program cannot express.

    >>> config = {"model_type": "qwen3", "num_hidden_layers": 36, "head_dim": 128, "rope_theta": 1e6,
    ...           "max_position_embeddings": 40_960}
    >>> _, fragment = written(read_config(config), config, 131_072, "yarn", "transformers-4")
    >>> fragment.values["rope_scaling"]
    {'rope_type': 'yarn', 'factor': 3.2, 'original_max_position_embeddings': 40960}
    """
    parts = Parts(spec, config)
    extension = extension_for(spec, parts, context, method, program, original=original)
    parts.check_class(extension.method, program)
    fragment = composed(extension, parts, program)
    if config is not None and fragment.values:
        _check(extension, applied(config, _as_loaded(fragment, parts)))
    return extension, fragment


def _as_loaded(fragment: Fragment, parts: Parts) -> Fragment:
    """A fragment as it stands to the whole config: vLLM's override comes after the config's own keys."""
    if fragment.program.name != "vllm":
        return fragment
    stated = [name for name in ("rope_scaling", *parts.keys_of("base")) if parts.states(name)]
    values = {**dict.fromkeys(stated), **fragment.values}
    if isinstance(parts.reading.value("rope_theta"), list):
        values.pop("rope_theta", None)
    return replace(fragment, values=values)


def extension_for(
    spec: ModelSpec,
    parts: Parts,
    context: int,
    method: str | None,
    program: str,
    *,
    original: int | None = None,
) -> Extension:
    """The extension of a model as far as a program can run it.

    Raises ValueError as `extend` does, and for a method that the program does not know.
    """
    target, is_llama_cpp = program_named(program), program == "llama.cpp"
    extension = extend(
        spec,
        context,
        method,
        original=original,
        all_layers=not is_llama_cpp and not parts.is_by_kind,
        parameters=None if is_llama_cpp else parts.parameters(method),
    )
    reason = target.refuses.get(extension.method)
    if reason:
        raise ValueError(f"{target.title} cannot run {extension.method} as it is meant: {reason}")
    return extension


def composed(extension: Extension, parts: Parts, program: str) -> Fragment:
    """The fragment of an extension for a program. Raises ValueError for what it cannot express."""
    target = program_named(program)
    if program == "llama.cpp":
        arguments, notes = llama_cpp_arguments(extension, parts.model_type, not parts.is_config)
        return Fragment(target, "", {}, arguments, notes)
    values, notes = config_values(extension, parts, program)
    arguments = vllm_arguments(parts.path, values, extension.context) if program == "vllm" else ()
    return Fragment(target, parts.path, values, arguments, (*parts.notes(target), *notes))


def applied(config: JsonObject, fragment: Fragment) -> JsonObject:
    """A config with a fragment written into it; the given one stays as it is.

    >>> fragment = Fragment(program_named("vllm"), "text_config", {"rope_scaling": None}, (), ())
    >>> applied({"text_config": {"rope_scaling": {}, "head_dim": 64}}, fragment)
    {'text_config': {'head_dim': 64}}
    """
    whole = dict(config)
    part = whole
    for name in fragment.path.split(".") if fragment.path else []:
        part[name] = dict(part[name])
        part = part[name]
    for key, value in fragment.values.items():
        if value is None:
            part.pop(key, None)
        else:
            part[key] = value
    return whole


def _check(extension: Extension, config: JsonObject) -> None:
    """Raise ValueError unless the config, read again, rotates as the extension says."""
    meant, cannot = extension.after, f"{extension.method} cannot be written into this config without loss"
    try:
        read = read_config(config, meant.name)
    except ValueError as error:
        raise ValueError(f"{meant.name}: {cannot}: {error}") from None
    if not same_rotation(read, meant, (extension.context, extension.original)):
        raise ValueError(f"{meant.name}: {cannot}")


def same_rotation(first: ModelSpec, second: ModelSpec, lengths: tuple[int, ...]) -> bool:
    """Whether two specs rotate the same layers by the same numbers at each length, to 1 part in 10^9."""
    if len(first.rotaries) != len(second.rotaries):
        return False
    for one, other in zip(first.rotaries, second.rotaries, strict=True):
        if (one.layers, one.window, one.head_dim) != (other.layers, other.window, other.head_dim):
            return False
        for length in lengths:
            (mine, factor), (theirs, other_factor) = one.spectrum(length), other.spectrum(length)
            if mine.shape != theirs.shape or not np.allclose(mine, theirs, rtol=1e-9, atol=0):
                return False
            if not np.isclose(factor, other_factor, rtol=1e-9):
                return False
    return True
