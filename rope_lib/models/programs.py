"""The programs for which a retrofit can be written, and a retrofit as one of them reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .checks import JsonObject, shown


@dataclass(frozen=True)
class Program:
    """A program that loads models, and where its public code says how a retrofit is written for it."""

    name: str
    title: str
    place: str
    refuses: Mapping[str, str] = field(default_factory=dict)  # methods that cannot be written, and why


PROGRAMS = {
    program.name: program
    for program in (
        Program("transformers-5", "transformers 5", "modeling_rope_utils.py of transformers 5.23.0"),
        Program("transformers-4", "transformers 4", "modeling_rope_utils.py of transformers 4.57.6"),
        Program(
            "vllm",
            "vLLM",
            "vllm-project/vllm: vllm/model_executor/layers/rotary_embedding/__init__.py at 07b12f1b, "
            "vllm/transformers_utils/config.py at 0036026e",
            {"dynamic": "its own stretches every input alike, whatever its length: use ntk or yarn"},
        ),
        Program(
            "llama.cpp",
            "llama.cpp",
            "ggml-org/llama.cpp: common/arg.cpp at 145b6280, src/llama-context.cpp at 001d906a",
            {
                "dynamic": "it knows no scaling that grows with the input: use ntk or yarn",
                "llama3": "it holds that scaling in a tensor, which no argument changes: use yarn",
            },
        ),
    )
}


@dataclass(frozen=True)
class Fragment:
    """A retrofit as one program reads it.

    `values` are keys of the object at `path` in a config.json, "" for the config itself: each replaces the
    key of that name whole, and None removes that key. `arguments` are those of the command line.
    """

    program: Program
    path: str
    values: JsonObject
    arguments: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def keys(self) -> JsonObject:
        """The values inside the objects that lead to them: what to merge into a config.json."""
        nested = self.values
        for name in reversed(self.path.split(".") if self.path else []):
            nested = {name: nested}
        return nested


def program_named(name: str) -> Program:
    """The program of that name. Raises ValueError, with those that are known."""
    if name not in PROGRAMS:
        raise ValueError(f"program must be one of {', '.join(PROGRAMS)}, got {shown(name)}")
    return PROGRAMS[name]
