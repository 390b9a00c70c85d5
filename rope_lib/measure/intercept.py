"""Intercept the queries and keys of a running transformers model, before and after the rotation.

The code of each attention layer looks two things up by name while it runs: the function that rotates,
and the attention itself, through transformers' `AttentionInterface` or as torch's own. For the duration
of a context both names lead here: the rotation's inputs are the vectors before it, what attention receives
are those after it. The model's masks, caches and attention kernels stay its own, so its output does not
change by a bit. The names belong to the process: run one intercepted model at a time in it.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from types import FunctionType
from typing import Any

import torch

from rope_lib.theory.precision import Arithmetic, direct_product

from .huggingface import PreTrainedModel
from .rotation import LayerRotation, RotationCall, Source, before_rotation, describe, find_source

# Tokens of the short pass that probes a model.
PROBE_LENGTH = 16

# Two tensors that belong together, of queries and keys or of cosines and sines; and what a visit returns to
# replace such a pair, or nothing.
Vectors = tuple[torch.Tensor, torch.Tensor]
Replaced = Vectors | None

_ROTATION = re.compile(r"_?apply_(\w*_)?(rotary|rope)(_\w+)?")
_INTERFACE, _TORCH_ATTENTION = "ALL_ATTENTION_FUNCTIONS", "scaled_dot_product_attention"


@dataclass(frozen=True)
class LayerVectors:
    """Queries `(batch, query_heads, length, head_dim)` and keys `(batch, key_heads, length, head_dim)` of a
    layer, as attention receives them (`post`), and as they were before the rotation (`pre`).

    Query head h attends to key head h // (query_heads // key_heads). In a layer that does not rotate `pre`
    is `post`. Where cosines and sines carry a factor (YaRN), `post` has it and `pre` has not; a factor for
    each vector that follows the rotation (Llama 4's norm, Ministral's temperature) is in both. These are the
    model's own tensors: read them, do not keep them, and do not write to them.
    """

    layer: int
    query_pre: torch.Tensor
    query_post: torch.Tensor
    key_pre: torch.Tensor
    key_post: torch.Tensor
    rule: "ScoreRule"


@dataclass(frozen=True)
class ScoreRule:
    """How a layer turns the dot products of queries and keys into attention.

    They are multiplied by `scaling`, saturate at `softcap` if there is one, and count only within the last
    `window` tokens if there is one; `sinks` `(query_heads,)` are learned scores that enter the softmax and
    belong to no token (gpt-oss).
    """

    scaling: float
    window: int | None = None
    softcap: float | None = None
    sinks: torch.Tensor | None = None


@contextmanager
def captured(network: PreTrainedModel, visit: Callable[[LayerVectors], Replaced]) -> Iterator[None]:
    """Within the context, call `visit(LayerVectors)` in every attention layer that runs.

    Layers come in the order in which they run, of a hybrid only the attention layers. Nothing is kept. If
    `visit` returns a pair (query, key), the layer attends with that pair instead. Raises ValueError on entry
    for a model whose rotation cannot be captured: see `rotations`.
    """
    traces = _probe(network)
    lenders = {trace.lender for trace in traces.values()}
    lent: dict[
        int, torch.Tensor
    ] = {}  # keys before the rotation of the layers whose keys others attend to again

    def receive(
        layer: int, query: torch.Tensor, key: torch.Tensor, calls: list[RotationCall], rule: ScoreRule
    ) -> Replaced:
        trace = traces[layer]
        with _naming(network):
            query_pre = before_rotation(query, calls, trace.query)
            key_pre = before_rotation(key, calls, trace.key) if trace.lender is None else lent[trace.lender]
        if layer in lenders:
            lent[layer] = key_pre
        calls.clear()  # so that nothing outlives its use by the model and by the visit
        return visit(LayerVectors(layer, query_pre, query, key_pre, key, rule))

    with _tapped(network, receive):
        yield


def rotations(network: PreTrainedModel) -> tuple[LayerRotation, ...]:
    """How each attention layer of a model rotates, a tuple of `LayerRotation`, found and verified by a run.

    A pass over a few tokens checks for each layer that the queries and keys which attention receives are
    those that entered the rotation, turned by position × a frequency for each pair. Raises ValueError with
    the reason where the model cannot be captured: it has no rotation (ALiBi, learned positions), its
    attention does not go through transformers' interface or torch's function, or it changes its vectors
    between the rotation and the attention by more than a factor for each.
    """
    return tuple(trace.rotation for _, trace in sorted(_probe(network).items()))


@contextmanager
def queries_and_keys(
    network: PreTrainedModel, visit: Callable[[int, torch.Tensor, torch.Tensor], Replaced]
) -> Iterator[None]:
    """Within the context, call `visit(layer, query, key)` in every layer's attention, after the rotation.

    `query` has shape `(batch, query_heads, length, head_dim)`, `key` `(batch, key_heads, length, head_dim)`.
    If `visit` returns a pair (query, key), the layer attends with that pair instead.
    """
    with _tapped(network, lambda layer, query, key, calls, rule: visit(layer, query, key)):
        yield


def probe_tokens(network: PreTrainedModel) -> torch.Tensor:
    """Tokens `(PROBE_LENGTH,)` from all over a model's vocabulary, on its device.

    They are spread out because the first ones of a vocabulary may be special, with embeddings of zero.
    """
    vocabulary = network.config.get_text_config().vocab_size
    return (torch.arange(PROBE_LENGTH, device=network.device) + 1) * vocabulary // (PROBE_LENGTH + 1)


@dataclass(frozen=True)
class _Trace:
    """What the probe found out about a layer."""

    query: Source | None
    key: Source | None
    lender: int | None  # the earlier layer whose keys this one attends to, instead of keys of its own
    rotation: LayerRotation


def _probe(network: PreTrainedModel) -> dict[int, _Trace]:
    """Find out how a model rotates, by a pass over a few tokens: a dict from layer to `_Trace`."""
    found: dict[int, _Trace] = {}
    keys: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # those attended to, and before their rotation

    def receive(
        layer: int, query: torch.Tensor, key: torch.Tensor, calls: list[RotationCall], rule: ScoreRule
    ) -> None:
        with _naming(network):
            lender = next((other for other, (seen, _) in keys.items() if seen is key), None)
            query_source = find_source(query, calls)
            key_source = find_source(key, calls) if lender is None else found[lender].key
            query_pre = before_rotation(query, calls, query_source)
            key_pre = before_rotation(key, calls, key_source) if lender is None else keys[lender][1]
            keys[layer] = key, key_pre
            pairs, sources = [(query_pre, query), (key_pre, key)], (query_source, key_source)
            found[layer] = _Trace(*sources, lender, describe(layer, pairs, calls, sources))

    with torch.inference_mode(), _tapped(network, receive):
        network(probe_tokens(network)[None], use_cache=False)
    if not any(trace.rotation.layout for trace in found.values()):
        with _naming(network):
            raise ValueError(_why_not(network, found))
    return found


@contextmanager
def _naming(network: PreTrainedModel) -> Iterator[None]:
    """Put the model's name and the rule in front of an error that completes their sentence."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"model must rotate its queries and keys as RoPE does, but {type(network).__name__} {error}"
        ) from None


def _why_not(network: PreTrainedModel, found: dict[int, _Trace]) -> str:
    """Why no rotation was seen: the end of a sentence that names the model."""
    codes = [_forward(module).__code__ for module in network.modules()]
    names = {name for code in codes for name in code.co_names + code.co_varnames}
    modules = {name.rsplit(".")[-1] for name, _ in network.named_modules()}
    if "alibi" in names:
        return "biases its scores by distance (ALiBi)"
    if not found and any("rotary" in name for name in names):
        return "does not attend through transformers' attention interface or torch's function"
    if modules & {"wpe", "embed_positions", "position_embeddings", "positions_embed"}:
        return "adds position embeddings to its inputs"
    return "has no rotation" if found else "has no attention layer that could be found"


@contextmanager
def _tapped(
    network: PreTrainedModel,
    receive: Callable[[int, torch.Tensor, torch.Tensor, list[RotationCall], ScoreRule], Replaced],
) -> Iterator[None]:
    """Within the context, call `receive(layer, query, key, calls, rule)` wherever an attention layer attends.

    `calls` are the layer's `RotationCall`s, `rule` its `ScoreRule`; a returned pair (query, key) takes the
    place of the two.
    """
    layers = _attention_modules(network)
    running: list[tuple[torch.nn.Module, int]] = []  # the attention module that runs, until it attends
    calls: list[RotationCall] = []  # its rotations so far

    def enter(module: torch.nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        # Zamba's layers share a module and tell it which of them it serves.
        running[:] = [(module, kwargs.get("layer_idx", module.layer_idx))]
        calls.clear()

    def attend(query: torch.Tensor, key: torch.Tensor, rule: ScoreRule) -> Vectors:
        """The pair with which the running layer attends; nothing is intercepted until the next layer."""
        _, layer = running.pop()
        changed = receive(layer, query, key, calls, rule)
        calls.clear()
        return (query, key) if changed is None else changed

    def watched_rotation(function: Callable) -> Callable:
        @wraps(function)
        def rotate(*args: Any, **kwargs: Any) -> Any:
            layer, running[:] = running[:], []  # a rotation inside this one is part of it
            outputs = function(*args, **kwargs)
            running[:] = layer
            if layer:
                calls.append(RotationCall(function, args, kwargs, outputs))
            return outputs

        return rotate

    def watched_attention(function: Callable) -> Callable:
        def attention(
            module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, *args: Any, **kwargs: Any
        ) -> Any:
            if running and running[0][0] is module:
                query, key = attend(query, key, _rule(query, kwargs))
            return function(module, query, key, *args, **kwargs)

        return attention

    def torch_attention(query: torch.Tensor, key: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if running:
            query, key = attend(query, key, _rule(query, {"scaling": kwargs.get("scale")}))
        return original(query, key, *args, **kwargs)

    original = torch.nn.functional.scaled_dot_product_attention
    with ExitStack() as undo:
        for names in {id(names): names for names in map(_names, layers)}.values():
            for name, value in list(names.items()):
                if name == _INTERFACE:
                    undo.callback(names.__setitem__, name, value)
                    names[name] = _Interface(value, watched_attention)
                elif callable(value) and _ROTATION.fullmatch(name):
                    undo.callback(names.__setitem__, name, value)
                    names[name] = watched_rotation(value)
        for module in layers:
            undo.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
        undo.callback(setattr, torch.nn.functional, _TORCH_ATTENTION, original)
        torch.nn.functional.scaled_dot_product_attention = torch_attention
        yield


def _rule(query: torch.Tensor, options: dict[str, Any]) -> ScoreRule:
    """The `ScoreRule` in the options of a call of an attention function."""
    scaling = options.get("scaling")
    return ScoreRule(
        query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        options.get("sliding_window"),
        options.get("softcap"),
        options.get("s_aux"),
    )


class _Interface:
    """transformers' table of attention functions, each of them wrapped."""

    def __init__(self, table: Any, wrap: Callable[[Callable], Callable]) -> None:
        self._table, self._wrap = table, wrap

    def get_interface(self, name: str, default: Callable) -> Callable:
        """The attention function of that name, wrapped; `default` where there is none."""
        return self._wrap(self._table.get_interface(name, default))

    def __getitem__(self, name: str) -> Callable:
        return self._wrap(self._table[name])


def _attention_modules(network: PreTrainedModel) -> list[torch.nn.Module]:
    """The modules of a network whose code attends through transformers' table or by torch's function."""
    return [
        module
        for module in network.modules()
        if hasattr(module, "layer_idx")
        and {_INTERFACE, _TORCH_ATTENTION} & set(_forward(module).__code__.co_names)
    ]


def _forward(module: torch.nn.Module) -> FunctionType:
    """The function that a module's code is, without decorators."""
    return inspect.unwrap(type(module).forward)


def _names(module: torch.nn.Module) -> dict[str, Any]:
    """The global names that a module's code sees."""
    return _forward(module).__globals__


@contextmanager
def angle_arithmetic(network: PreTrainedModel, arithmetic: Arithmetic) -> Iterator[None]:
    """Within the context, the model rotates by tables computed in the given `theory.precision.Arithmetic`.

    The tables come from `theory.precision.direct_product`: the model runs on the numbers that the theory
    measures. The model must use unscaled RoPE; raises ValueError otherwise.
    """
    parameters = network.config.rope_parameters
    if parameters["rope_type"] != "default":
        raise ValueError(
            f"rope_type must be 'default' to replace its tables, got {parameters['rope_type']!r}"
        )
    dim = network.config.head_dim

    def forward(hidden: torch.Tensor, position_ids: torch.Tensor) -> Vectors:
        positions = position_ids[0].cpu().numpy()
        tables = direct_product(positions, parameters["rope_theta"], dim, arithmetic)
        # Half-split layout: both halves of the channels share the table. One row serves the whole batch.
        cos, sin = (torch.from_numpy(table).to(hidden).repeat(1, 2)[None] for table in tables)
        return cos, sin

    with replaced_tables(network, forward):
        yield


@contextmanager
def replaced_tables(
    network: PreTrainedModel, tables: Callable[[torch.Tensor, torch.Tensor], Vectors]
) -> Iterator[None]:
    """Within the context, the model rotates by `tables(hidden, position_ids)`, its pair (cos, sin).

    The pair must have the shapes, number type and device that the model's own rotary module returns.
    """
    rotary = rotary_module(network)
    rotary.forward = tables
    try:
        yield
    finally:
        del rotary.forward  # the class's own method shows again


def rotary_module(network: PreTrainedModel) -> torch.nn.Module:
    """The one module that computes the rotation of a decoder. Raises ValueError where there is none."""
    rotary = getattr(network.get_decoder(), "rotary_emb", None)
    if rotary is None:
        raise ValueError(
            f"model must compute its rotation in one rotary_emb module, got {type(network).__name__}"
        )
    return rotary
