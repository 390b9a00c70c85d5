"""The reader of GGUF files against llama.cpp itself: llama_cpp.json holds what it rotates, by header.

tools/llama_cpp_rotations.py makes that table: for each architecture, the keys of a tiny model, and for each
change of them every rotation in llama.cpp's graph. None stands for a header that llama.cpp refuses.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from gguf_headers import header_file

from rope_lib.models import read_model
from rope_lib.models.architectures import ARCHITECTURES, WITHOUT_ROW

TABLE = json.loads(Path(__file__).with_name("llama_cpp.json").read_text(encoding="utf-8"))
ROWS = TABLE["architectures"]
CHUNKS, BOTH_SIDES = 2, 3  # what llama.cpp calls these kinds of windows
# Headers that llama.cpp loads with other keys than the test can state, or whose graph names no layers.
ODD = {
    ("deepseek4", "layers ahead"): "it counts them only where the file holds their tensors",
}
LOOPED = "hrm_text"  # all layers run several times, with the weights of the first two


@functools.cache
def expected(architecture, change):
    does = ROWS[architecture]["does"]
    result = does[change]
    return does[result] if isinstance(result, str) else result


def spectrum(call):
    """`(inv_freq, factor of cosines and sines)` of one call, as ggml computes them."""
    base, scale, ramp, factor, fast, slow, channels, original = call
    pairs = np.arange(int(channels) // 2)
    inv_freq = base ** (-2 * pairs / channels)
    if not ramp:
        return inv_freq * scale, factor
    ends = [
        channels * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in (fast, slow)
    ]
    first, last = max(0, math.floor(ends[0])), min(channels - 1, math.ceil(ends[1]))
    kept = ramp * (1 - np.clip((pairs - first) / max(0.001, last - first), 0, 1))
    return inv_freq * (scale * (1 - kept) + kept), factor * (1 - 0.1 * math.log(scale))


def layers_of(spans):
    """The layers that text like "0-2,4" stands for."""
    pairs = [span.split("-") for span in spans.split(",") if span]
    return [layer for first, *last in pairs for layer in range(int(first), int((last or [first])[0]) + 1)]


def differences(spec, of_llama_cpp, architecture):
    """What of a spec is not what llama.cpp does, in words."""
    ours = {layer: rotary for rotary in spec.rotaries for layer in rotary.layers}
    theirs = {layer: call for spans, call in of_llama_cpp["calls"] for layer in layers_of(spans)}
    if spec.num_layers != of_llama_cpp["layers"]:
        return [f"{spec.num_layers} layers"]
    if architecture == LOOPED:
        theirs = {layer: theirs[layer % 2] for layer in range(spec.num_layers)}
    if ours.keys() != theirs.keys():
        return [f"rotates {sorted(ours)}"]
    found = []
    kind, window = of_llama_cpp["window"]
    sliding = layers_of(of_llama_cpp["slide"])
    for layer, rotary in ours.items():
        inv_freq, factor = spectrum(theirs[layer])
        own, own_factor = rotary.spectrum(256)
        if own.shape != inv_freq.shape or not np.allclose(own, inv_freq, rtol=1e-5, atol=0):
            found.append(f"layer {layer}: frequencies")
        if not math.isclose(own_factor, factor, rel_tol=1e-5):
            found.append(f"layer {layer}: factor {own_factor}")
        slides = layer in sliding
        seen = {"chunked"} if kind == CHUNKS else {"sliding", "compressed_sparse", "heavily_compressed"}
        if slides != (rotary.kind in seen):
            found.append(f"layer {layer}: {rotary.kind}")
        if rotary.window is not None and kind != BOTH_SIDES and rotary.window != window:
            found.append(f"layer {layer}: window {rotary.window}")
    return found


def keys_of(architecture, change):
    keys = dict(ROWS[architecture]["keys"])
    changed = TABLE["changes"][ROWS[architecture]["changes"]][change]
    depth = changed.get("block_count")
    if depth is not None:
        old = keys["block_count"]
        keys = {
            key: [value[layer % old] for layer in range(depth)]
            if isinstance(value, list) and len(value) == old
            else value
            for key, value in keys.items()
        }
    return {key: value for key, value in {**keys, **changed}.items() if value is not None}


@pytest.mark.parametrize("architecture", ROWS)
def test_llama_cpp(architecture, tmp_path):
    tried = 0
    for change, does in ROWS[architecture]["does"].items():
        if does is None or (architecture, change) in ODD:
            continue
        spec = read_model(header_file(tmp_path / "model.gguf", architecture, keys_of(architecture, change)))
        found = differences(spec, expected(architecture, change), architecture)
        bearing = [key for key in spec.keys.not_understood if "rope" in key or "length_swa" in key]
        assert not found or bearing, f"{change}: {found[:3]}"
        tried += 1
    assert tried or architecture in UNTRIED


# Architectures whose header in llama.cpp's test is refused by llama.cpp, or which need a second model.
UNTRIED = {
    "arwkv7", "dflash", "eagle3", "gemma4-assistant", "gptj", "jina-bert-v2", "plm", "rwkv6qwen2", "rwkv7",
}  # fmt: skip


def test_every_architecture_has_a_row():
    constants = pytest.importorskip("gguf.constants")
    named = set(constants.MODEL_ARCH_NAMES.values()) | set(ROWS)
    assert named - set(ARCHITECTURES) == set(WITHOUT_ROW)
    assert all(row.place for row in ARCHITECTURES.values())
