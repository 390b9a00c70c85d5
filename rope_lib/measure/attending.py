"""What every intervention has in common: a way to run a model, and the scores of its attention."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from .huggingface import ALL_ATTENTION_FUNCTIONS, PreTrainedModel, sdpa_attention
from .intercept import rotary_module

Json = Any  # what JSON can hold: numbers, strings, lists, dicts

_IMPLEMENTATION = "sdpa"  # the attention that computes no length × length array


@dataclass(frozen=True, eq=False)
class Intervention:
    """A way to run a model, and the attention that results; this base class changes nothing.

    `name` appears in tables, `label` in figures and prose.
    """

    name: str
    label: str

    def described(self) -> dict[str, Json]:
        """What distinguishes this intervention from others on the same model: a dict that JSON can hold."""
        return {"name": self.name}

    @contextmanager
    def applied(self, network: PreTrainedModel) -> Iterator[None]:
        """Within the context, `network` runs under the intervention; afterwards it is as it was."""
        yield

    def scores(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """Scores `(query_heads, n, length)`, unscaled and unmasked, of the queries at `positions` `(n,)`.

        `query` `(query_heads, n, dim)` and `key` `(key_heads, length, dim)` are those after the rotation;
        query head h attends to key head h // (query_heads // key_heads).

        >>> UNCHANGED.scores(0, torch.ones(2, 1, 4), torch.ones(1, 3, 4), torch.tensor([2])).shape
        torch.Size([2, 1, 3])
        """
        return products(query, key)

    def seen_keys(self, layer: int, key: torch.Tensor) -> torch.Tensor:
        """The keys `(key_heads, length, dim)` after the rotation as the last of these tokens sees them."""
        return key


UNCHANGED = Intervention("unchanged", "unchanged")


def products(query: torch.Tensor, key: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Dot products `(query_heads, n, length)` of `query` `(query_heads, n, dim)` with its head's `key`.

    `key` is `(key_heads, length, dim)`; the products are written to `out` if it is given.
    """
    out = query.new_empty(*query.shape[:2], key.shape[1]) if out is None else out
    rows = len(query) // len(key) * query.shape[1]
    torch.bmm(query.reshape(len(key), rows, -1), key.mT, out=out.view(len(key), rows, key.shape[1]))
    return out


@contextmanager
def attention_replaced(attention: Callable) -> Iterator[None]:
    """Within the context, `attention` stands in the place of transformers' own function for `sdpa`."""
    original = ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION]
    ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION] = attention
    try:
        yield
    finally:
        del ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION]  # transformers' own function shows again,
        if ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION] is not original:  # unless this context is inside another
            ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION] = original


@contextmanager
def attending(network: PreTrainedModel, attend: Callable) -> Iterator[None]:
    """Within the context, layers attend by `attend(own, layer, query, key, value, **options)`.

    `own(query, key, value, **options)` is the layer's own attention. Raises ValueError for a model that does
    not attend through transformers' `sdpa`, and within the context for padding, windows and caches.
    """
    codes = [inspect.unwrap(type(module).forward).__code__ for module in network.modules()]
    implementation = network.config._attn_implementation
    if implementation != _IMPLEMENTATION or not any("ALL_ATTENTION_FUNCTIONS" in c.co_names for c in codes):
        raise ValueError(
            f"model must attend through transformers' {_IMPLEMENTATION!r}, got {type(network).__name__} "
            f"with {implementation!r}"
        )
    original = ALL_ATTENTION_FUNCTIONS[_IMPLEMENTATION]

    def attention(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> Any:
        if attention_mask is not None or query.shape[2] != key.shape[2]:
            raise ValueError("model must read whole inputs, without padding, windows or a cache")

        def own(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> Any:
            return original(module, query, key, value, None, **options)

        return attend(own, module.layer_idx, query, key, value, **options)

    with attention_replaced(attention):
        yield


@contextmanager
def keys_repeated(network: PreTrainedModel) -> Iterator[None]:
    """Within the context, a network on CUDA attends with a copy of its keys and values for each query head.

    torch shares them among query heads only in the kernel for half precision on recent GPUs. For float32 and
    older GPUs it would fall back on length × length scores, where the kernel for plain heads needs none.
    """
    shares = sdpa_attention.use_gqa_in_sdpa
    if network.device.type == "cuda":
        sdpa_attention.use_gqa_in_sdpa = lambda *_: False
    try:
        yield
    finally:
        sdpa_attention.use_gqa_in_sdpa = shares


def spectrum_of(network: PreTrainedModel) -> tuple[float, ...]:
    """The frequencies of a model's one rotary module, radians per token.

    Raises ValueError for a model whose layers rotate by several spectra.
    """
    inv_freq = getattr(rotary_module(network), "inv_freq", None)
    if inv_freq is None:
        raise ValueError(f"model must rotate all layers by one spectrum, got {type(network).__name__}")
    return tuple(inv_freq.double().tolist())


def trained_length(network: PreTrainedModel) -> int:
    """The number of tokens a model was trained on, if that is its context."""
    return network.config.get_text_config().max_position_embeddings
