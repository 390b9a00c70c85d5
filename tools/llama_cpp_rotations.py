"""Ask llama.cpp itself what it rotates: the table that the tests of the reader of GGUF files compare with.

    cmake -S LLAMA_CPP -B BUILD -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DGGML_OPENMP=OFF \\
        -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DGGML_NATIVE=OFF
    cmake --build BUILD --target llama
    python tools/llama_cpp_rotations.py LLAMA_CPP BUILD COMMIT        # writes tests/models/llama_cpp.json

For each architecture it takes the header of a tiny model from llama.cpp's own test, changes keys that bear on
rotation, has llama.cpp load the header and build the graph, and records every different call of its rotation:
which layers it is for, base, scale, the share of YaRN's ramp, its ends, the factor of cosines and sines, how
many channels, and the length before scaling. It needs the package gguf, and no model.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from gguf import GGUFReader, GGUFValueType, GGUFWriter

from rope_lib.models.gguf_keys import OF_ROTATION, why_inert

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "models" / "llama_cpp.json"
DRIVER = Path(__file__).with_suffix(".cpp")
FUNCTIONS = ("get_gguf_ctx", "moe_mandatory")  # of llama.cpp's test, which write the headers

Value: TypeAlias = bool | int | float | str | list[Any]
Keys: TypeAlias = dict[str, Any]  # name → (type, type of items or None, value), as the package gguf has them

DEPTH = 12
BY_DEPTH = ("baichuan", "exaone4")  # architectures whose code knows its models by their depth
DEPTHS = {"gemma3n": 24, "hrm_text": 6}  # whose code fixes the depth, or a least one
# Lists with one entry for each layer, of whatever length they are in the header.
PER_LAYER = (
    "head_count", "head_count_kv", "feed_forward_length", "sliding_window_pattern", "compress_ratios",
    "indexer.types", "swiglu_clamp_exp", "swiglu_clamp_shexp", "expert_feed_forward_length",
)  # fmt: skip
# What the headers of llama.cpp's test lack.
LACKING: dict[str, dict[str, Value]] = {
    "bert": {"/tokenizer.ggml.token_type_count": 2},
    "deepseek2-ocr": {
        "expert_feed_forward_length": 384, "expert_count": 2, "expert_used_count": 2,
        "expert_shared_count": 1,
    },
    "gemma4": {"attention.sliding_window_pattern": [1, 1, 1, 1, 0]},
    "graniteswitch": {
        "adapters.count": 1, "adapters.lora_rank": 8, "adapters.router_gain": 1.0,
        "adapters.token_ids_activate": [1], "adapters.token_ids_substitute": [2],
    },
    "jina-bert-v3": {"/tokenizer.ggml.token_type_count": 2},
    "nomic-bert": {"/tokenizer.ggml.token_type_count": 2},
    "nomic-bert-moe": {
        "/tokenizer.ggml.token_type_count": 2, "expert_count": 2, "expert_used_count": 2,
        "moe_every_n_layers": 2, "expert_feed_forward_length": 384,
    },
}  # fmt: skip
PATTERN = "attention.sliding_window_pattern"
YARN: dict[str, Value] = {
    "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 64,
}  # fmt: skip
COLUMNS = ["base", "scale", "ramp", "factor", "beta_fast", "beta_slow", "channels", "original_length"]


def changes(depth: int, lists_windows: bool, by_depth: bool) -> dict[str, dict[str, Value | None]]:
    """What is changed in a header, by a name: key → value, None to leave it out.

    `lists_windows` says whether it lists the layers with windows, `by_depth` whether the number of layers
    decides what rotates.
    """
    period: dict[str, Value | None] = {} if lists_windows else {PATTERN: 5}
    return {
        "plain": {},
        "own base of windows": {"rope.freq_base_swa": 33_333.0, "full_attention_interval": 3, **period},
        "yarn": {**YARN, "rope.freq_base_swa": 33_333.0},
        "yarn in full": {
            **YARN, "rope.scaling.yarn_log_multiplier": 0.1, "rope.scaling.attn_factor": 1.25,
            "rope.scaling.yarn_beta_fast": 16.0, "rope.scaling.yarn_beta_slow": 2.0,
        },
        "linear": {"rope.scaling.factor": 8.0},
        "no window": {"attention.sliding_window": None},
        "window of 0": {"attention.sliding_window": 0},
        "lists": {
            PATTERN: [layer % 3 != 0 for layer in range(depth)],
            "attention.recurrent_layers": [layer % 4 != 1 for layer in range(depth)],
            "attention.rope_pattern": [layer % 3 != 1 for layer in range(depth)],
        },
        "finetuned": {"rope.scaling.finetuned": False},
        "no base": {"rope.freq_base": None},
        "part of a head": {"rope.dimension_count": 32},
        "other sizes of windows": {"rope.dimension_count_swa": 32},
        "other heads": {"attention.key_length": 64, "attention.value_length": 64},
        "layers ahead": {"nextn_predict_layers": 1},
        "alpha": {"rope.scaling.alpha": 1000.0},
        **({f"{one} layers": {"block_count": one} for one in (30, 32, 40, 64)} if by_depth else {}),
    }  # fmt: skip


def typed(value: Value) -> tuple[GGUFValueType, GGUFValueType | None, Value]:
    """A value with the type that it has in a header."""
    kinds = {bool: "BOOL", int: "UINT32", float: "FLOAT32", str: "STRING"}
    if isinstance(value, list):
        return GGUFValueType.ARRAY, GGUFValueType[kinds[type(value[0])]], value
    return GGUFValueType[kinds[type(value)]], None, value


def load(path: Path) -> Keys:
    """The keys of a header."""
    fields = GGUFReader(path).fields
    is_list = GGUFValueType.ARRAY
    return {
        name: (field.types[0], field.types[-1] if field.types[0] == is_list else None, field.contents())
        for name, field in fields.items()
        if not name.startswith("GGUF.")
    }


def save(path: Path, architecture: str, keys: Keys) -> None:
    """Write a header without tensors."""
    writer = GGUFWriter(str(path), architecture)
    for name, (kind, items, value) in keys.items():
        if name != "general.architecture":
            writer.add_key_value(name, value, kind, items)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def stretched(keys: Keys, architecture: str, depth: int) -> Keys:
    """The keys with `depth` layers, and lists of that length."""
    changed = {**keys, f"{architecture}.block_count": typed(depth)}
    for name, (kind, items, value) in keys.items():
        per_layer = name.startswith(f"{architecture}.") and name.endswith(
            tuple(f".{one}" for one in PER_LAYER)
        )
        if isinstance(value, list) and per_layer:
            changed[name] = kind, items, [value[layer % len(value)] for layer in range(depth)]
    return changed


def prepared(keys: Keys, architecture: str) -> Keys:
    """The header from which all others are made."""
    start = f"{architecture}."
    keys = dict(keys)
    for name, value in LACKING.get(architecture, {}).items():
        keys[name[1:] if name.startswith("/") else start + name] = typed(value)
    keys[f"{start}rope.freq_base"] = typed(700_000.0)
    keys.pop(f"{start}full_attention_interval", None)
    if not isinstance(keys.get(f"{start}{PATTERN}", ("", "", 0))[2], list):
        keys.pop(f"{start}{PATTERN}", None)
    if architecture != "dots3note":
        keys.pop(f"{start}rope.freq_base_swa", None)
    keys = stretched(keys, architecture, DEPTHS.get(architecture, DEPTH))
    if architecture == "deepseek4":
        keys[f"{start}attention.compress_ratios"] = typed(([0, 0] + [4, 128] * DEPTH)[:DEPTH])
    return keys


def calls(program: Path, header: Path) -> dict[str, Any] | None:
    """What llama.cpp does with a header: its layers, and the call for each; None where it refuses it."""
    result = subprocess.run([program, "calls", header], capture_output=True, text=True, errors="replace")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    if ["DONE"] not in lines:
        return None
    (_, depth, kind, window), *_ = (line for line in lines if line[0] == "MODEL")
    slides = [line[1] == "1" for line in lines if line[0] == "LAYER"]
    by_layer: dict[int, set[tuple[str, ...]]] = {}
    for _, weight, *call in (line for line in lines if line[0] == "ROPE"):
        layer = re.match(r"blk\.(\d+)\.(?!indexer|.*compress)", weight)
        if layer and int(layer[1]) < int(depth):
            by_layer.setdefault(int(layer[1]), set()).add(tuple(call))
    groups: dict[tuple[str, ...] | None, list[int]] = {}
    for layer in range(int(depth)):
        found = by_layer.get(layer, set())
        if len(found) > 1:
            raise ValueError(f"{header.name}: layer {layer} rotates in {len(found)} ways")
        groups.setdefault(next(iter(found), None), []).append(layer)
    return {
        "layers": int(depth),
        "window": [int(kind), int(window)],
        "slide": spans([layer for layer, one in enumerate(slides) if one]),
        "calls": [[spans(layers), list(map(float, call))] for call, layers in groups.items() if call],
    }


def spans(layers: list[int]) -> str:
    """Layers as text: "0-2,4"."""
    ends = [layer for layer in layers if layer + 1 not in layers]
    starts = [layer for layer in layers if layer - 1 not in layers]
    return ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))


def kept(keys: Keys, architecture: str) -> dict[str, Value]:
    """The keys of a header that a test needs: those of the model that may bear on rotation."""
    start = f"{architecture}."
    names = {name: name.removeprefix(start) for name in keys if name.startswith(start)}
    bearing = (name for name, short in names.items() if short in OF_ROTATION or not why_inert(short))
    return {names[name]: keys[name][2] for name in bearing}


def compiled(source: Path, build: Path, folder: Path) -> Path:
    """The driver, with the functions of llama.cpp's test that write headers."""
    test = (source / "tests" / "test-llama-archs.cpp").read_text(encoding="utf-8")
    cut = [
        re.search(rf"^static [^\n]* {name}\(.*?^}}\n", test, re.DOTALL | re.MULTILINE) for name in FUNCTIONS
    ]
    if not all(cut):
        raise SystemExit(
            f"{source}: its test of architectures has other functions than {', '.join(FUNCTIONS)}"
        )
    (folder / "fixture.inc").write_text("\n".join(match[0] for match in cut if match), encoding="utf-8")
    libraries = ["src/libllama.a", "ggml/src/libggml.a", "ggml/src/libggml-cpu.a", "ggml/src/libggml-base.a"]
    includes = [f"-I{source / part}" for part in ("include", "ggml/include", "src")]
    wrapped = [f"-Wl,--wrap={name}" for name in ("ggml_rope_ext", "ggml_rope_multi", "ggml_rope")]
    program = folder / "rotations"
    command = ["g++", "-std=c++17", "-O0", *includes, f"-I{folder}", DRIVER, "-o", program, *wrapped]
    subprocess.run([*command, *(build / part for part in libraries), "-lpthread", "-ldl", "-lm"], check=True)
    return program


def main() -> None:
    """Write the table."""
    if len(sys.argv) < 4:
        raise SystemExit("usage: llama_cpp_rotations.py LLAMA_CPP BUILD COMMIT [ARCHITECTURE ...]")
    source, build, commit = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3]
    table: dict[str, Any] = {"source": f"llama.cpp at {commit}", "columns": COLUMNS, "changes": {}}
    table["architectures"] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = compiled(source, build, folder)
        (folder / "headers").mkdir()
        subprocess.run([program, "headers", folder / "headers"], check=True)
        for path in sorted((folder / "headers").glob("*.gguf")):
            if sys.argv[4:] and path.stem not in sys.argv[4:]:
                continue
            row = table["architectures"][path.stem] = of_architecture(program, path)
            depth, lists = row["keys"]["block_count"], PATTERN in row["keys"]
            by_depth = path.stem in BY_DEPTH
            row["changes"] = f"{depth} layers{', listed' * lists}{', or more' * by_depth}"
            table["changes"][row["changes"]] = changes(depth, lists, by_depth)
            print(path.stem, flush=True)
    TARGET.write_text(dumped(table), encoding="utf-8")


def of_architecture(program: Path, path: Path) -> dict[str, Any]:
    """The keys of the header of an architecture, and what llama.cpp does with each change of it."""
    architecture = path.stem
    keys = prepared(load(path), architecture)
    lists, depth = f"{architecture}.{PATTERN}" in keys, keys[f"{architecture}.block_count"][2]
    headers: dict[str, Path] = {}
    for number, (name, change) in enumerate(changes(depth, lists, architecture in BY_DEPTH).items()):
        changed = dict(keys)
        for key, value in change.items():
            changed.pop(f"{architecture}.{key}", None)
            if value is not None:
                changed[f"{architecture}.{key}"] = typed(value)
        if "block_count" in change:
            changed = stretched(keys, architecture, int(str(change["block_count"])))
        headers[name] = path.with_name(f"{architecture}@{number}.gguf")
        save(headers[name], architecture, changed)
    with ThreadPoolExecutor() as pool:
        results = dict(
            zip(headers, pool.map(lambda header: calls(program, header), headers.values()), strict=True)
        )
    for header in headers.values():
        header.unlink()
    return {"keys": kept(keys, architecture), "does": without_repetition(results)}


def without_repetition(results: dict[str, Any]) -> dict[str, Any]:
    """The results, with the name of an earlier one in place of the same again."""
    first: dict[str, str] = {}
    short: dict[str, Any] = {}
    for name, result in results.items():
        text = json.dumps(result)
        short[name] = first.get(text, result)
        if result is not None:
            first.setdefault(text, name)
    return short


def dumped(table: dict[str, Any]) -> str:
    """The table as JSON, with a line for each change of a header."""
    lines = [f"{json.dumps(name)}: {json.dumps(table[name])}" for name in ("source", "columns", "changes")]
    blocks = []
    for architecture, row in table["architectures"].items():
        does = ",\n".join(f"   {json.dumps(name)}: {json.dumps(one)}" for name, one in row["does"].items())
        of_header = ", ".join(f"{json.dumps(name)}: {json.dumps(row[name])}" for name in ("keys", "changes"))
        blocks.append(f'  {json.dumps(architecture)}: {{{of_header}, "does": {{\n{does}}}}}')
    architectures = ",\n".join(blocks)
    return "{\n " + ",\n ".join(lines) + f',\n "architectures": {{\n{architectures}\n}}}}\n'


if __name__ == "__main__":
    main()
