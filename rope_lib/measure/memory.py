"""How much memory a measuring pass takes, so that a length beyond it is refused before the pass starts.

A pass needs most memory at one of three moments: while a layer attends, while it computes between two
attentions (its MLP or its experts), or while hidden states become losses. The estimate adds up what is alive
at each, from the shapes of the weights and from how transformers computes with them, and takes the largest.
It is meant as an upper bound, at most twice what a pass of 2,048 tokens or more takes; below that, constants
dominate. What the recurrent layers of a hybrid keep besides the outputs of their weights is not counted.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from .huggingface import PreTrainedModel
from .losses import LOGIT_CHUNK
from .scores import CHUNK_BYTES

Config = Any  # a model's configuration, as transformers holds it

# Largest lengths are given as a multiple of this.
STEP = 256

# Names of weights: those of softmax attention; and those of all but the first of the experts in a list of
# modules, of which one works at a time.
_ATTENTION = re.compile(r"^(?!.*linear).*(attn|attention)")
_LATER_EXPERT = re.compile(r"\.[1-9]\d*\.")

_GIB = 2**30
_LIBRARIES = 128 * 2**20  # what libraries that multiply matrices, and the allocator, hold back
_ROWS = 64 * 2**10  # of a measurement's tables, for each head of each layer
_FLOAT32, _INT64 = 4, 8
_MOST_STEPS = 2**24


def needed_bytes(network: PreTrainedModel, length: int) -> int:
    """Peak memory of a pass over `length` tokens beyond the loaded weights, in bytes: an estimate."""
    config = network.config.get_text_config()
    masks, converted = _masks(network, length)
    scores = config.num_attention_heads * length**2
    attending = _attention_bytes(network, length) + converted + scores * _bytes_of_a_score(network)
    # The attention matrix that a layer returns lives until its end.
    kept = scores * _width(network) if _implementation(network) == "eager" else 0
    widest = max(attending, _between_bytes(network, length) + kept, _logits_bytes(network))
    rows = config.num_hidden_layers * config.num_attention_heads * _ROWS
    return _LIBRARIES + rows + _stream_bytes(network, length) + masks + widest


def available_bytes(device: str | torch.device) -> int:
    """Free bytes of a device ("cpu", "cuda:0", "mps"); in a container, at most what it may use."""
    device = torch.device(device)
    if device.type == "cuda":
        # What torch has reserved without using it is free to this process.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return min([psutil.virtual_memory().available, *_group_bytes(Path("/"))])


def longest_that_fits(network: PreTrainedModel, available: int) -> int:
    """Largest multiple of `STEP` tokens whose pass needs at most `available` bytes; 0 where none does."""
    steps = range(1, _MOST_STEPS)
    return STEP * bisect_right(steps, available, key=lambda step: needed_bytes(network, STEP * step))


def check_fits(network: PreTrainedModel, length: int, available: int | None = None) -> None:
    """Raise ValueError where a pass over `length` tokens needs more memory than there is.

    `available` is in bytes, by default what is free on the network's device.
    """
    available = available_bytes(network.device) if available is None else available
    needed = needed_bytes(network, length)
    if needed > available:
        raise ValueError(
            f"length must fit in memory: {length} tokens need about {needed / _GIB:.1f} GiB, "
            f"{available / _GIB:.1f} GiB are available, and at most {longest_that_fits(network, available)} "
            "tokens fit"
        )


def _implementation(network: PreTrainedModel) -> str:
    """How the network attends: "eager", "sdpa" or another of transformers' names."""
    return network.config.get_text_config()._attn_implementation


def _width(network: PreTrainedModel) -> int:
    """Bytes of one of the network's numbers."""
    return network.dtype.itemsize


def _head_dims(config: Config) -> tuple[int, int]:
    """Channels of a head's queries and keys, and of its values."""
    plain, rotating, value = (
        stated_size(config, name) for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    )
    if plain and rotating and value:  # multi-head latent attention
        return plain + rotating, value
    dim = stated_size(config, "head_dim") or config.hidden_size // config.num_attention_heads
    largest = max(dim, stated_size(config, "global_head_dim"))  # Gemma 4's layers differ
    return largest, largest


def stated_size(config: Config, name: str) -> int:
    """A size that a config states; 0 where it does not.

    A file may give any value to a key that its architecture does not know, and transformers keeps it.
    """
    value = getattr(config, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _layer_types(config: Config) -> set[str]:
    """The kinds of layers that a config lists; of a list with anything but names, none."""
    kinds = getattr(config, "layer_types", None)
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        return set()
    return set(kinds)


def _bytes_of_a_score(network: PreTrainedModel) -> int:
    """Peak bytes for each entry of a heads×length×length matrix; 0 where none is formed."""
    width, device = _width(network), network.device.type
    if _implementation(network) == "eager":
        # Three copies in the network's type, as in gpt-oss, or a softmax in float32 beside its argument.
        return max(3 * width, width + 2 * _FLOAT32)
    dim, value_dim = _head_dims(network.config.get_text_config())
    if _implementation(network) == "sdpa" and (device == "mps" or (device == "cpu" and dim != value_dim)):
        return 3 * _FLOAT32 + 1  # torch's general path: scores, their softmax, a mask, the masked softmax
    return 0


def _masks(network: PreTrainedModel, length: int) -> tuple[int, int]:
    """Bytes of the masks kept through a pass, and of the conversion of one while a layer attends."""
    config = network.config.get_text_config()
    kinds = {kind for kind in _layer_types(config) or {"full_attention"} if "attention" in kind}
    if _implementation(network) == "eager":
        return len(kinds) * _width(network) * length**2, 0
    window = stated_size(config, "sliding_window") or stated_size(config, "attention_chunk_size")
    # Up to the window torch's own causal mask serves, which takes no memory.
    if _implementation(network) != "sdpa" or not window or length < window:
        return 0, 0
    windowed = len(kinds - {"full_attention", "linear_attention"}) or 1
    return windowed * length**2, (_width(network) + 1) * length**2


def _stream_bytes(network: PreTrainedModel, length: int) -> int:
    """Hidden states before and after a norm, the embeddings of tokens, and the tables of the rotation."""
    config = network.config.get_text_config()
    embeddings = [m for m in network.get_decoder().modules() if isinstance(m, torch.nn.Embedding)]
    embedded = sum(embedding.embedding_dim for embedding in embeddings)
    tables = 2 * _head_dims(config)[0] * (len(_layer_types(config)) or 1)
    return length * _width(network) * (2 * config.hidden_size + embedded + tables)


def _attention_bytes(network: PreTrainedModel, length: int) -> int:
    """Queries, keys and values while a layer attends, apart from scores: before and after the rotation."""
    config = network.config.get_text_config()
    query = config.num_attention_heads * max(_head_dims(config))
    key_heads = stated_size(config, "num_key_value_heads") or config.num_attention_heads
    key = key_heads * max(_head_dims(config))
    # Rotating queries makes three copies, and attention repeats keys and values for each query head and lays
    # its output out anew; a measurement makes two copies in float32 and six arrays of a chunk of scores.
    attended = length * _width(network) * (5 * query + 3 * key)
    measured = length * (_width(network) * (2 * query + 3 * key) + 2 * _FLOAT32 * query) + 6 * CHUNK_BYTES
    return max(attended, measured)


def _between_bytes(network: PreTrainedModel, length: int) -> int:
    """The widest layer's MLP, or experts: what is alive at once between two attentions."""
    decoder = network.get_decoder()
    lists = (module for module in decoder.modules() if isinstance(module, torch.nn.ModuleList))
    layers = next(lists, [decoder])
    return max(_dense_bytes(layer, length) + _experts_bytes(network, layer, length) for layer in layers)


def _dense_bytes(layer: torch.nn.Module, length: int) -> int:
    """Inputs and outputs of a layer's matrices, and a copy of each third for the activation function."""
    widths = [
        sum(weight.shape) * weight.dtype.itemsize
        for name, weight in layer.named_parameters()
        if weight.ndim == 2 and not _ATTENTION.search(name) and not _LATER_EXPERT.search(name)
    ]
    return length * sum(widths) * 4 // 3


def _experts_bytes(network: PreTrainedModel, layer: torch.nn.Module, length: int) -> int:
    """Tokens on their way through a layer's experts, and the choice among the experts."""
    config = network.config.get_text_config()
    total = 0
    for module in layer.modules():
        down = getattr(module, "down_proj", None)
        if not isinstance(down, torch.Tensor) or down.ndim != 3:
            continue
        experts, hidden = len(down), config.hidden_size
        inner = down[0].numel() // hidden
        chosen = stated_size(config, "num_experts_per_tok") or stated_size(config, "top_k_experts") or experts
        # Of experts that run one after the other, each may get every token; experts that run at once get each
        # token `chosen` times.
        alone = getattr(config, "_experts_implementation", "eager") == "eager"
        rows = length if alone else length * chosen
        total += rows * _width(network) * max(4 * hidden, hidden + 7 * inner)
        total += length * experts * (3 * _FLOAT32) + length * chosen * (experts + 1) * _INT64 * alone
    return total


def _logits_bytes(network: PreTrainedModel) -> int:
    """A chunk of logits in the network's type, in float32, and as logarithms of probabilities."""
    width = _width(network)
    copies = width + _FLOAT32 + (_FLOAT32 if width != _FLOAT32 else 0)
    return LOGIT_CHUNK * network.config.get_text_config().vocab_size * copies


def _group_bytes(root: Path) -> Iterator[int]:
    """Bytes left in each control group that limits this process (a container, a service of Linux)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2, alone or beside version 1
            mounts, names = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
            mounts = ["sys/fs/cgroup/memory"]
        else:
            continue
        group = Path(path.lstrip("/"))
        for mount in mounts:
            # A container may be told the path outside of it: then the mount itself is its group.
            for folder in (group, *group.parents):
                yield from _left_bytes(root / mount / folder, *names)


def _left_bytes(folder: Path, limit_file: str, used_file: str, prefix: str) -> Iterator[int]:
    """Bytes left in one control group, if it has a limit; files cached in memory count as free."""
    try:
        limit = int((folder / limit_file).read_text())  # version 2 says "max" where there is none
        used = int((folder / used_file).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return
    yield max(0, limit - used + int(stat.get(f"{prefix}inactive_file", 0)))
