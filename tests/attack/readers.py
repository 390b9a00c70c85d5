"""Attack the readers with files drawn at random: config.json, params.json, GGUF and TOML.

    python tests/attack/readers.py [INPUTS] [--jobs N] [--seed S] [--log FILE] [--only ATTACK]
    python tests/attack/readers.py --only "config.json" --replay 12345

Not a test: pytest does not collect it. Each file is judged, or refused in one line that names it, within 2
seconds of processor time and 500 MB more memory than the program starts with. Prints a table, attack × tried
× survived, and what broke; the exit status is 1 if anything did. A million files take some 15 minutes of one
core; with --log, the same command goes on after a stop.
"""

import json
import random
import struct
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "models")]

import fuzz_config  # noqa: E402  # found by the path above
import hostile  # noqa: E402
from gguf_bytes import LAYOUTS, STRING, Layout, small  # noqa: E402

from rope_lib.runs.grid import read_grid  # noqa: E402
from rope_lib.train.config import Config  # noqa: E402

# JSON

_PARAMS = [
    {"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-05, "vocab_size": -1},
    {"dim": 64, "multiple_of": 32, "n_heads": 4, "n_layers": 2, "rope_theta": 5e5, "use_scaled_rope": True},
    {"dim": 64, "n_layers": 4, "head_dim": 16, "n_heads": 4, "n_kv_heads": 2, "sliding_window": 32},
    {
        "dim": 64,
        "n_layers": 4,
        "head_dim": 16,
        "n_heads": 4,
        "rope_theta": 1e6,
        "max_seq_len": 1024,
        "yarn": {
            "factor": 8,
            "original_max_position_embeddings": 128,
            "beta": 32,
            "alpha": 1,
            "apply_scale": False,
        },
    },
]


def _write_json(generator: random.Random, path: Path, config: object) -> None:
    """Write a config, one in four as text that a few bytes of are changed."""
    is_text = generator.random() < 0.25
    path.write_bytes(fuzz_config.garbled(config, generator) if is_text else json.dumps(config).encode())


@cache
def _configs() -> list[dict]:
    return list(fuzz_config.seeds().values())


def config_json(generator: random.Random, folder: Path) -> str:
    """A real config with some values, keys or bytes changed."""
    path = folder / "config.json"
    _write_json(generator, path, fuzz_config.mutate(generator.choice(_configs()), generator))
    return fuzz_config.judged(path)


def params_json(generator: random.Random, folder: Path) -> str:
    """The same for the files of Meta and of Mistral."""
    path = folder / "params.json"
    seed = generator.choice(_PARAMS if generator.random() < 0.9 else _configs())
    _write_json(generator, path, fuzz_config.mutate(seed, generator))
    return fuzz_config.judged(path)


# GGUF


def mutated_bytes(data: bytes, generator: random.Random) -> bytes:
    """A binary file with a few bytes changed, removed or repeated, or a count that claims much."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(changed) + 1)
        action = generator.random()
        if action < 0.4 and at < len(changed):
            changed[at] = generator.randrange(256)
        elif action < 0.6:
            claim = generator.choice([0, 1, 255, 2**16, 2**31, 2**40, 2**63, 2**64 - 1])
            changed[at : at + 8] = struct.pack("<Q", claim)
        elif action < 0.8:
            del changed[at : at + generator.randint(1, 30)]
        else:
            changed[at:at] = changed[at : at + generator.randint(1, 300)]
    return bytes(changed)


@cache
def _ggufs() -> list[bytes]:
    """Small files of several architectures, in every layout."""
    seeds = [small(layout) for layout in LAYOUTS]
    for layout in LAYOUTS:
        for name in (b"llama", b"gemma3", b"llama4", b"smollm3", b"phi3", b"deepseek2"):
            keys = [_key(layout, b"general.architecture", name)]
            keys += [_key(layout, b"%s.%s" % (name, key), value) for key, value in _SIZES.items()]
            keys += [_key(layout, b"%s.rope.scaling.type" % name, b"yarn")]
            keys += [_key(layout, b"%s.rope.scaling.factor" % name, 4.0)]
            seeds.append(layout.file(keys))
            tensor = layout.tensor(b"rope_freqs.weight", [8], 0, 0)
            seeds.append(layout.file(keys[:-2], [tensor], layout.pack("8f", *range(1, 9))))
    return seeds


_SIZES = {
    b"block_count": 12,
    b"embedding_length": 64,
    b"attention.head_count": 4,
    b"context_length": 512,
    b"attention.sliding_window": 64,
    b"rope.dimension_count": 16,
    b"rope.freq_base": 1e4,
}


def _key(layout: Layout, name: bytes, value: object) -> bytes:
    """A key of a GGUF file with a value of the type that suits it."""
    if isinstance(value, bytes):
        return layout.key(name, STRING, layout.text(value))
    if isinstance(value, bool):
        return layout.key(name, 7, layout.pack("?", value))
    if isinstance(value, int):
        small = 0 <= value < 2**32
        return layout.key(name, 4 if small else 11, layout.pack("I" if small else "q", value))
    if isinstance(value, float):
        return layout.key(name, 12, layout.pack("d", value))
    assert isinstance(value, list)
    return layout.array(name, 5, len(value), layout.pack(f"{len(value)}i", *value))


_ARCHITECTURES = [
    b"llama", b"llama4", b"gemma2", b"gemma3", b"gemma3n", b"qwen2", b"qwen2vl", b"qwen3", b"qwen3moe",
    b"qwen3next", b"phi3", b"deepseek2", b"smollm3", b"cohere2", b"gpt-oss", b"exaone4", b"step35",
    b"chatglm", b"glm4", b"falcon", b"gptneox", b"stablelm", b"starcoder2", b"olmo2", b"jamba", b"mamba",
    b"granitehybrid", b"bert", b"modern-bert", b"plamo2", b"minicpm3", b"mimo2", b"lfm2",
    b"nemotron_h", b"clip", b"", b"\xff", b"x\n", b"GGUF",
]  # fmt: skip
_GGUF_KEYS = [
    *_SIZES, b"attention.head_count_kv", b"attention.key_length", b"attention.key_length_mla",
    b"attention.key_length_swa", b"attention.value_length", b"attention.sliding_window_pattern",
    b"attention.chunk_size", b"attention.kv_lora_rank", b"attention.causal", b"full_attention_interval",
    b"nextn_predict_layers", b"rope.freq_base_swa", b"rope.dimension_count_swa", b"rope.dimension_sections",
    b"rope.scale_linear", b"rope.scaling.type", b"rope.scaling.factor", b"rope.scaling.attn_factor",
    b"rope.scaling.original_context_length", b"rope.scaling.finetuned", b"rope.scaling.yarn_beta_fast",
    b"rope.scaling.yarn_beta_slow", b"rope.scaling.yarn_log_multiplier", b"rope.scaling.yarn_ext_factor",
    b"rope.scaling.alpha", b"ssm.state_size", b"vocab_size", b"expert_count", b"rope.unknown", b"alibi",
]  # fmt: skip
_GGUF_VALUES = [
    0, 1, 2, 3, 8, 12, 16, 31, 64, 127, 128, 4096, 2**31 - 1, 2**31, 2**32 - 1, -1, 2**40, 2**62, True, False,
    0.0, -0.0, -1.0, 0.5, 1.0, 1e4, 5e5, 1e-300, 1e300, float("inf"), float("nan"), b"", b"yarn", b"linear",
    b"none", b"longrope", b"x\n", b"\xff", b"16", [], [0], [4] * 12, [0, 4] * 6, [-1] * 12,
    [1, 0, 0, 0, 0, 1], [2**31 - 1] * 3, [8, 8, 0, 0], [0] * 64,
]  # fmt: skip
_TENSORS = [
    b"rope_freqs.weight", b"rope_factors_long.weight", b"rope_factors_short.weight",
    b"blk.0.rope_freqs.weight", b"blk.11.rope_factors_long.weight", b"blk.3.attn_q.weight",
    b"output.weight", b"rope_freqs.bias", b"blk.-1.rope_freqs.weight",
]  # fmt: skip


def gguf_bytes(generator: random.Random, folder: Path) -> str:
    """A small GGUF file with some bytes changed."""
    path = folder / "model.gguf"
    path.write_bytes(mutated_bytes(generator.choice(_ggufs()), generator))
    return fuzz_config.judged(path)


def gguf_keys(generator: random.Random, folder: Path) -> str:
    """A GGUF file of whole keys and tensors, of which some have odd values or shapes."""
    layout, architecture = generator.choice(LAYOUTS), generator.choice(_ARCHITECTURES)
    values: dict[bytes, object] = dict(_SIZES)
    for _ in range(generator.randint(0, 5)):
        values[generator.choice(_GGUF_KEYS)] = generator.choice(_GGUF_VALUES)
    for _ in range(generator.choice([0, 0, 1])):
        values.pop(generator.choice(list(values)))
    keys = [_key(layout, b"general.architecture", architecture)]
    keys += [_key(layout, b"%s.%s" % (architecture, key), value) for key, value in values.items()]
    generator.shuffle(keys)
    tensors = [
        layout.tensor(
            generator.choice(_TENSORS), generator.choice([[8], [16], [], [8, 1], [2**32 - 1], [0], [2, 4]]),
            generator.choice([0, 0, 0, 1, 28, 30, 8, 99]), generator.choice([0, 0, 32, 2**63]),
        )
        for _ in range(generator.choice([0, 0, 0, 1, 1, 2]))
    ]  # fmt: skip
    numbers = [generator.choice([1.0, 1.0, 2.0, 0.0, -1.0, 1e-30, float("nan")]) for _ in range(16)]
    path = folder / "model.gguf"
    path.write_bytes(layout.file(keys, tensors, layout.pack("16f", *numbers)))
    return fuzz_config.judged(path)


# TOML

_TOML_VALUES = [
    "0", "-1", "1e400", "nan", "inf", "9" * 30, "10_000_000_000", "true", '""', '"\\u202e"', "[]", "[[]]",
    "{}", "{ a = 1 }", "[1, 2]", "1979-05-27", "[" * 200, '"""', "0x" + "f" * 5000, "[{a = 1}, {a = 1}]",
    "1", "2", "4", "16", "64", "0.5", "1e-3", "[64]", "[64, 128, 256]", "[0, 1, 2]", '"copy"', '"recall"',
    '"yarn"', '"float64"', "{ base = 1e4 }", '[{ name = "rope" }]', "[[1], [2]]", "10_000", "false", "0.0",
]  # fmt: skip


@cache
def _experiments() -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "experiments").glob("*.toml"))]


def toml(generator: random.Random, folder: Path) -> str:
    """One of the experiments with values replaced, or as text; read as a grid or as a config."""
    path = folder / "mutated.toml"
    seed = generator.choice(_experiments())
    path.write_bytes(mutated_toml(seed, generator))
    is_grid = ("kind =" in seed) == (generator.random() < 0.95)
    try:
        read_grid(path) if is_grid else Config.from_toml(path)
    except ValueError as refusal:
        line = str(refusal)
        if not line.startswith(f"{path}: "):
            raise AssertionError(f"does not name the file: {line}") from refusal
        return "refused"
    return "read as a grid" if is_grid else "read as a config"


def mutated_toml(seed: str, generator: random.Random) -> bytes:
    """A TOML file with some values replaced, some lines moved, and one in five with bytes changed."""
    lines = seed.splitlines()
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(lines))
        if "=" in lines[at] and generator.random() < 0.7:
            lines[at] = lines[at].partition("=")[0] + "= " + generator.choice(_TOML_VALUES)
        else:
            lines[at : at + 1] = generator.choice([[], [lines[at]] * 2, [generator.choice(lines)]])
        lines = lines or [""]
    data = "\n".join(lines).encode()
    return mutated_bytes(data, generator) if generator.random() < 0.2 else data


ATTACKS = {
    "config.json": hostile.Attack(config_json, share=0.4),
    "params.json": hostile.Attack(params_json, share=0.1),
    "GGUF: bytes": hostile.Attack(gguf_bytes, share=0.2),
    "GGUF: keys and tensors": hostile.Attack(gguf_keys, share=0.2),
    "TOML": hostile.Attack(toml, share=0.1),
}

if __name__ == "__main__":
    sys.exit(hostile.run(ATTACKS, "Feed the readers files drawn at random.", 50_000))
