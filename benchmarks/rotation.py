"""Rotating queries and keys in torch, and how exact the result is far out, beside other libraries.

    python benchmarks/rotation.py    (after `make peers`)

Each takes queries and keys as a projection returns them, `(batch, length, heads, head_dim)`, and gives them
back rotated, with what it keeps from call to call ready. Liger's kernel needs a GPU and is not among them.
"""

import importlib.util
import os

from harness import PEERS, add_peers, by_turns, keep  # before numpy: it sets the number of threads

# isort: split
import mpmath
import numpy as np
import pandas as pd
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from rope_lib.theory import oscillators
from rope_lib.train.spectrum import Rotation
from rope_lib.train.transformer import rotate

BASE = 10_000
# Name, query heads, key heads, channels of a head, tokens: the shapes of Llama 3 8B and of SmolLM2-135M.
SHAPES = (("Llama 3 8B", 32, 8, 128, 4_096), ("SmolLM2-135M", 9, 3, 64, 512))
POSITIONS, WINDOW, HEAD_DIM = (10**4, 10**5, 10**6, 10**7), 16, 64


def ours(head_dim, length, start=0):
    """The rotation of the models of Part III: cosines and sines of float64 angles, rounded once."""
    rotation = Rotation(tuple(oscillators.frequencies(BASE, head_dim)))
    cos, sin = (torch.from_numpy(table).float() for table in rotation.tables(length, start))
    return lambda x: rotate(x.transpose(1, 2), cos, sin)


def by_whole_heads(head_dim, length, start=0):
    """The same numbers from products of whole heads instead of halves. Not used: it does not always pay."""
    rotation = Rotation(tuple(oscillators.frequencies(BASE, head_dim)))
    cos, sin = (torch.from_numpy(table).float() for table in rotation.tables(length, start))
    cos, sin = torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)

    def apply(x):
        x = x.transpose(1, 2)
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((second, first), dim=-1) * sin

    return apply


def transformers(head_dim, length, start=0):
    """The rotation of Llama, whose tables every layer shares."""
    parameters = {"rope_type": "default", "rope_theta": float(BASE)}
    config = LlamaConfig(hidden_size=head_dim, num_attention_heads=1, rope_parameters=parameters)
    positions = torch.arange(start, start + length)[None]
    cos, sin = LlamaRotaryEmbedding(config)(torch.empty(0), positions)

    def apply(x):
        x = x.transpose(1, 2)
        return apply_rotary_pos_emb(x, x[:, :0], cos, sin)[0]

    return apply


def rotary_embedding_torch(head_dim, length, start=0):
    """It keeps the angles, and takes their cosines and sines in every call."""
    from rotary_embedding_torch import RotaryEmbedding

    rotary = RotaryEmbedding(head_dim, theta=BASE)
    return lambda x: rotary.rotate_queries_or_keys(x.transpose(1, 2), offset=start)


def torchtune(head_dim, length, start=0):
    """Of torchtune only this file is loaded: the package as a whole imports what has no part in it."""
    path = PEERS / "torchtune" / "modules" / "position_embeddings.py"
    spec = importlib.util.spec_from_file_location("torchtune_rotation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rotary = module.RotaryPositionalEmbeddings(head_dim, start + length, BASE)
    positions = torch.arange(start, start + length)[None] if start else None
    return lambda x: rotary(x, input_pos=positions).transpose(1, 2)


CONTESTANTS = {
    "rope_lib": (ours, "half_split"),
    "rope_lib, by whole heads": (by_whole_heads, "half_split"),
    "transformers": (transformers, "half_split"),
    "torchtune": (torchtune, "interleaved"),
    "rotary-embedding-torch": (rotary_embedding_torch, "interleaved"),
}


def forward(apply, inputs):
    with torch.inference_mode():
        for x in inputs:
            apply(x)


def forward_and_backward(apply, inputs, gradients):
    outputs = [apply(x.requires_grad_()) for x in inputs]
    torch.autograd.grad(outputs, inputs, gradients)


def times(shape):
    """The time to rotate the queries and keys of one layer, without and with gradients."""
    model, *heads, head_dim, length = shape
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, length, count, head_dim, generator=generator) for count in heads]
    gradients = [torch.randn_like(x.transpose(1, 2)) for x in inputs]
    ready = {name: make(head_dim, length) for name, (make, _) in CONTESTANTS.items()}
    repeat = 1 + 10**7 // sum(x.numel() for x in inputs)

    def repeated(run, *arguments):
        for _ in range(repeat):
            run(*arguments)

    scale = dict.fromkeys(ready, 1 / repeat)
    where = f"a layer of {model}, {length:,} tokens"
    forwards = {name: lambda a=a: repeated(forward, a, inputs) for name, a in ready.items()}
    both = {
        name: lambda a=a: repeated(forward_and_backward, a, inputs, gradients) for name, a in ready.items()
    }
    return pd.concat(
        [
            by_turns(f"{where}: forward", forwards, scale, rounds=9),
            by_turns(f"{where}: forward and backward", both, scale, rounds=9),
        ]
    )


def exact(positions):
    """cos and sin of position × frequency to 50 digits, rounded to float64: complex `(positions, pairs)`."""
    with mpmath.workdps(50):
        freqs = [mpmath.mpf(BASE) ** (mpmath.mpf(-2 * i) / HEAD_DIM) for i in range(HEAD_DIM // 2)]
        turns = [[complex(mpmath.expj(int(p) * freq)) for freq in freqs] for p in positions]
    return np.array(turns)


def error(rotated, layout, positions):
    """Largest distance of a rotated vector of length 1 from where it belongs, over pairs and positions."""
    return float(np.abs(oscillators.to_complex(rotated, layout) - exact(positions)).max())


def errors():
    """Errors at `WINDOW` positions from each of `POSITIONS`: every pair holds (1, 0) and is turned."""
    rows = []
    for start in POSITIONS:
        positions = np.arange(start, start + WINDOW)
        for name, (make, layout) in CONTESTANTS.items():
            units = oscillators.from_complex(np.ones((WINDOW, HEAD_DIM // 2), complex), layout)
            vectors = torch.from_numpy(units).float()[None, :, None]
            with torch.inference_mode():
                rotated = make(HEAD_DIM, WINDOW, start)(vectors)[0, 0].double().numpy()
            rows.append((name, start, error(rotated, layout, positions)))
        freqs = oscillators.frequencies(BASE, HEAD_DIM)
        rotated = oscillators.rotate(units, positions, freqs, layout)
        rows.append(("rope_lib.theory, float64", start, error(rotated, layout, positions)))
    return pd.DataFrame(rows, columns=["contestant", "position", "error"])


def main():
    add_peers()
    torch.set_num_threads(1)
    load = os.getloadavg()
    runs = pd.concat([times(shape) for shape in SHAPES], ignore_index=True)
    packages = ["torch", "transformers", "torchtune", "rotary-embedding-torch"]
    found = errors()
    print(found.pivot(index="contestant", columns="position", values="error").to_string())
    keep("rotation", load, packages, runs=runs, errors=found)


if __name__ == "__main__":
    main()
