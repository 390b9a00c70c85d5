"""Fuzz the reader of configs: whatever the file, it reads and judges it or raises ValueError with one line.

    python tests/models/fuzz_config.py [RUNS] [SEED]
    pip install atheris && python tests/models/fuzz_config.py --atheris [RUNS] [SEED]

Not a test: pytest does not collect it. It mutates real configs: values replaced by nasty ones, moved to other
keys, deleted, added, at any depth; and some as text, byte by byte. It counts what it saw.
"""

import collections
import copy
import json
import random
import sys
import tempfile
import time
import types
from functools import lru_cache
from pathlib import Path

import numpy as np

from rope_lib.models import judge, read_model
from rope_lib.models.record import record
from rope_lib.models.spec import PROVENANCE

SECONDS = 2  # that no config of a few kilobytes may take

NASTY = [
    None, True, False, 0, 1, 2, 3, 4, 64, 127, 128, -1, 0.5, 1.5, -0.0, 1e-320, 1e300, 1e36, 10**9,
    10**18, 2**63, 10**400, float("nan"), float("inf"), -float("inf"), "", "8", "\n", "\ud800", "yarn",
    "llama3", "longrope", "dynamic", "proportional", "default", "full_attention", "sliding_attention",
    "chunked_attention", "hybrid", "LG", "M*-", "gemma3_text", "deepseek_v4", "llama4_text", "phi3",
    "cohere2", "chatglm", "zamba2", [], {}, [[]], [1], [0, 1], [1e4] * 4, [None], ["full_attention"] * 4,
    {"rope_type": "yarn"}, {"a": {}}, {"rope_theta": 1e4}, {"full_attention": None}, {"main": {},
    "compress": {}}, {"type": "linear", "factor": 1e30},
]  # fmt: skip

# Keys that a mutation may add though no seed has them.
KEYS = [
    "rope_theta", "rope_scaling", "rope_parameters", "layer_types", "sliding_window", "head_dim",
    "rotary_dim", "partial_rotary_factor", "qk_rope_head_dim", "qk_nope_head_dim", "no_rope_layers",
    "no_rope_layer_interval", "layer_rope_theta", "rope_local_base_freq", "rotary_pct", "rotary_emb_base",
    "local_attention", "text_config", "attn_config", "model_type", "num_hidden_layers",
    "num_nextn_predict_layers", "hybrid_layer_pattern", "compress_ratios", "compress_rope_theta",
    "attn_layer_indices", "full_attn_idxs", "use_sliding_window", "max_window_layers",
    "sliding_window_pattern", "global_attn_every_n_layers", "full_attention_interval",
    "rope_scaling_layers", "yarn_only_types", "original_max_position_embeddings", "attention_chunk_size",
    "alibi", "global_head_dim", "position_embedding_type", "rope_ratio", "kv_channels", "factor",
    "rope_type", "type", "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim",
    "attention_factor", "short_factor", "long_factor", "low_freq_factor", "high_freq_factor", "alpha",
    "mrope_section", "architectures", "_name_or_path", "max_position_embeddings", "seq_length",
    "partial_rotary_factors", "rope_type", "block_configs", "cross_attention_layers", "per_layer_config",
    "use_bidirectional_attention", "initial_context_length", "use_dynamic_ntk", "rotary_scaling_factor",
    "max_trained_positions", "rope_condense_ratio", "rotary", "rope", "dual_chunk_attention_config",
    "qk_head_dim", "global_attn_idx", "block_types", "nope_layer_interval", "dim", "n_layers", "n_heads",
    "use_scaled_rope", "yarn", "rope_wavelength\x1b[0m",
]  # fmt: skip

_OTHERS = {
    "gemma 3": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 12,
        "rope_local_base_freq": 1e4,
        "head_dim": 64,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
        "rope_scaling": {"type": "linear", "factor": 8},
    },
    "llama 4": {"model_type": "llama4", "text_config": {"num_hidden_layers": 8, "no_rope_layers": []}},
    "phi 3": {
        "model_type": "phi3",
        "num_hidden_layers": 4,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "max_position_embeddings": 131072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": {"type": "su", "short_factor": [1.0] * 8, "long_factor": [9.0] * 8},
    },
    "modernbert": {
        "model_type": "modernbert",
        "num_hidden_layers": 6,
        "global_rope_theta": 1.6e5,
        "local_rope_theta": 1e4,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
    },
    "glm 4": {
        "model_type": "chatglm",
        "num_layers": 4,
        "kv_channels": 128,
        "seq_length": 8192,
        "rope_ratio": 500,
    },
    "dbrx": {
        "model_type": "dbrx",
        "d_model": 64,
        "n_heads": 4,
        "n_layers": 4,
        "max_seq_len": 512,
        "attn_config": {"rope_theta": 5e5},
    },
    "deepseek v4": {
        "model_type": "deepseek_v4",
        "num_hidden_layers": 4,
        "compress_ratios": [0, 4, 128, 4],
        "qk_rope_head_dim": 64,
        "compress_rope_theta": 1.6e5,
        "sliding_window": 128,
        "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 65536},
    },
    "mpt": {
        "model_type": "mpt",
        "d_model": 64,
        "n_heads": 4,
        "n_layers": 4,
        "max_seq_len": 512,
        "attn_config": {
            "alibi": False,
            "rope": True,
            "rope_impl": "hf",
            "rope_hf_config": {"type": "linear", "factor": 4.0},
        },
    },
    "nomic": {
        "model_type": "nomic_bert",
        "n_layer": 4,
        "n_positions": 8192,
        "max_trained_positions": 2048,
        "rotary_emb_base": 1000,
        "rotary_scaling_factor": 2,
    },
    "qwen": {
        "model_type": "qwen",
        "num_hidden_layers": 4,
        "kv_channels": 64,
        "max_position_embeddings": 32768,
        "seq_length": 8192,
        "rotary_emb_base": 10000,
        "use_dynamic_ntk": True,
    },
    "openai": {
        "num_hidden_layers": 4,
        "head_dim": 64,
        "sliding_window": 128,
        "initial_context_length": 4096,
        "rope_theta": 150000,
        "rope_scaling_factor": 32.0,
        "rope_ntk_alpha": 1,
        "rope_ntk_beta": 32,
    },
    "nested": {
        "model_type": "llama",
        "engine": {"num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 4, "rope_theta": 5e5},
    },
    "params": {
        "dim": 64,
        "n_layers": 4,
        "n_heads": 4,
        "multiple_of": 256,
        "use_scaled_rope": True,
        "rope_scaling_factor": 16.0,
        "nope_layer_interval": 4,
        "attention_chunk_size": 32,
    },
    "step": {
        "model_type": "step3p5",
        "num_hidden_layers": 2,
        "num_nextn_predict_layers": 1,
        "sliding_window": 8,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "rope_theta": [5e6, 1e4, 5e6],
        "partial_rotary_factors": [0.5, 1.0, 0.5],
    },
    "hunyuan": {
        "model_type": "hunyuan_v1_dense",
        "num_hidden_layers": 4,
        "head_dim": 128,
        "rope_scaling": {"type": "dynamic", "alpha": 1000.0, "factor": 1.0},
    },
}

# What once broke the reader or the judgment, made small.
BROKE = [
    {"model_type": "beam", "num_hidden_layers": 6},
    {"num_hidden_layers": 1, "head_dim": 8, "rope_theta": 1e4, "rope_scaling": {"a": 1, 3: 4}},
    {"num_hidden_layers": 1, "head_dim": 8, "rope_theta": [{}]},
    {"num_hidden_layers": 1, "head_dim": 8, "rope_theta": 1e4, "partial_rotary_factors": [[]]},
    {"num_hidden_layers": 1, "head_dim": 8, "rope_theta": 1e4, "rope_scaling": {"mrope_section": [10**400]}},
    {
        "num_hidden_layers": 1,
        "head_dim": 4,
        "rope_theta": 1e4,
        "max_position_embeddings": 64,
        "rope_scaling": {
            "type": "su",
            "factor": 2,
            "short_factor": [1, float("inf")],
            "long_factor": [1, 2],
            "original_max_position_embeddings": 8,
        },
    },
    {
        "num_hidden_layers": 1,
        "head_dim": 8,
        "rope_theta": 1e4,
        "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 10**8000, "high_freq_factor": 4},
    },
    {"model_type": "dots3_note_text", "num_hidden_layers": 46, "sliding_window": None},
    {"model_type": "beam", "num_hidden_layers": 6, "rope_parameters": {"full_attention": None}},
]


@lru_cache(maxsize=1)
def seeds():
    """Configs to start from: the public ones of tests/golden, and one for each other convention."""
    path = Path(__file__).parent.parent / "golden" / "configs.json"
    public = json.loads(path.read_text(encoding="utf-8"))
    return {name: config for name, config in public.items() if name != "source"} | _OTHERS


def judged(source):
    """What became of an input, in words to count; AssertionError where it is not what was promised."""
    try:
        spec = read_model(source)
    except ValueError as error:
        fault = error
    else:
        return judged_spec(spec)
    line = str(fault)
    assert type(fault) is ValueError, type(fault)
    assert line, "a refusal says why"
    assert line.isprintable(), line
    assert len(line) < 1000, line[:1000]
    return "refused"


def judged_spec(spec):
    """The same, of what was read."""
    said = (spec.name, spec.architecture, *spec.notes, *spec.sources.values())
    assert all(text.isprintable() and len(text) < 1000 for text in said), said
    assert set(spec.provenance.values()) <= set(PROVENANCE)
    layers = [layer for rotary in spec.rotaries for layer in rotary.layers]
    assert sorted([*layers, *spec.unrotated_layers]) == list(range(spec.num_layers))
    context = spec.declared_context or 4096
    for rotary in spec.rotaries:
        inv_freq, attention_factor = rotary.spectrum(context)
        assert inv_freq.shape == (rotary.rotary_dim // 2,)
        assert np.isfinite(inv_freq).all()
        assert (inv_freq >= 0).all()
        assert np.isfinite(attention_factor)
        assert np.isfinite(rotary.effective_base(context))
    verdict = judge(spec, context=context)
    json.dumps(record(verdict), allow_nan=False)
    return f"judged: {verdict.verdict}"


def mutate(config, random):
    """A copy of a config with one to five changes."""
    config = copy.deepcopy(config)
    for _ in range(random.randint(1, 5)):
        target = config
        while True:
            inner = [value for value in (target.values() if isinstance(target, dict) else target)
                     if isinstance(value, dict | list) and value]  # fmt: skip
            if not inner or random.random() < 0.5:
                break
            target = random.choice(inner)
        value = copy.deepcopy(random.choice(NASTY))
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        action = random.random()
        if action < 0.5 and keys:
            target[random.choice(keys)] = value
        elif action < 0.6 and keys:
            del target[random.choice(keys)]
        elif isinstance(target, list):
            target.insert(random.randint(0, len(target)), value)
        elif action < 0.75 and keys:
            target[random.choice(KEYS)] = copy.deepcopy(target[random.choice(keys)])
        else:
            target[random.choice(KEYS)] = value
    return config


def garbled(config, random):
    """A config as bytes, a few of them changed, removed or repeated."""
    data = bytearray(json.dumps(config).encode())
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        action = random.random()
        if action < 0.4 and at < len(data):
            data[at] = random.randrange(256)
        elif action < 0.6:
            del data[at : at + random.randint(1, 30)]
        elif action < 0.8:
            data[at:at] = data[at : at + random.randint(1, 30)]
        else:
            data[at:at] = random.choice(b'0123456789eE.-+[]{},:"\\').to_bytes(1, "big")
    return bytes(data)


def read_bytes(data, path):
    """What becomes of a file with these bytes; AssertionError where it takes too long."""
    path.write_bytes(data)
    started = time.perf_counter()
    outcome = judged(path)
    took = time.perf_counter() - started
    assert took < SECONDS, f"took {took:.1f} s"
    return outcome


def mutated_bytes(data, max_size, seed):
    """For atheris: a config mutated as one where the bytes are JSON, else byte by byte."""
    generator = random.Random(seed)
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict) or generator.random() < 0.2:
        import atheris

        return atheris.Mutate(data, max_size)
    return json.dumps(mutate(config, generator)).encode()[:max_size]


def guided(runs, seed, path):
    """Let atheris choose the inputs, by the lines of the reader that they reach."""
    import atheris

    corpus = path.parent / "corpus"
    corpus.mkdir()
    for index, config in enumerate(seeds().values()):
        (corpus / str(index)).write_text(json.dumps(config), encoding="utf-8")
    counts = collections.Counter()

    def one_input(data):
        counts[read_bytes(data, path)] += 1
        if counts.total() % 10_000 == 0:
            print(dict(counts), flush=True)

    for module in (name for name in list(sys.modules) if name.startswith("rope_lib.")):
        for value in vars(sys.modules[module]).values():
            if isinstance(value, types.FunctionType) and value.__module__ == module:
                atheris.instrument_func(value)
    arguments = [sys.argv[0], f"-runs={runs}", f"-seed={seed}", "-max_len=20000", str(corpus)]
    atheris.Setup(arguments, one_input, custom_mutator=mutated_bytes)
    atheris.Fuzz()


def blind(runs, seed, path):
    """Inputs by chance alone; prints each that broke something, and how often each outcome was seen."""
    generator = random.Random(seed)
    counts = collections.Counter()
    configs = list(seeds().values())
    for run in range(runs):
        config = mutate(generator.choice(configs), generator)
        data = garbled(config, generator) if run % 4 == 0 else json.dumps(config).encode()
        try:
            counts[read_bytes(data, path)] += 1
        except Exception as fault:
            counts[f"BROKE {type(fault).__name__}"] += 1
            print(f"{type(fault).__name__}: {str(fault)[:200]}\n  {data[:3000]}", flush=True)
    for outcome, count in counts.most_common():
        print(f"{count:8,} {outcome}")
    return any(outcome.startswith("BROKE") for outcome in counts)


def main():
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    runs, seed = (numbers + [100_000, 1][len(numbers) :])[:2]
    path = Path(tempfile.mkdtemp()) / "config.json"
    return guided(runs, seed, path) if "--atheris" in sys.argv else blind(runs, seed, path)


if __name__ == "__main__":
    sys.exit(main())
