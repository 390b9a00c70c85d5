"""The intervention that holds part of each key, between tokens farther apart than any in training.

The parts come in complementary pairs: the sink or all but the sink, the centers of the clusters or all but
the centers. What holding one of a pair restores, holding the other should not.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rope_lib.theory.arguments import one, whole
from rope_lib.theory.scaling import is_length_dependent

from .attending import (
    Intervention,
    Json,
    attending,
    products,
    spectrum_of,
    trained_length,
)
from .huggingface import PreTrainedModel
from .intercept import LayerVectors, captured, probe_tokens, queries_and_keys, rotations
from .load import LanguageModel

# Which part of the keys is held: from the keys `(key_heads, length, dim)` before their rotation and the mean
# of each head's, `(key_heads, dim)`, a tensor of the shape of the keys.
Part = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Queries whose scores exist at once: nine heads of 128 queries by 16,384 keys are 75 MB, and their
# exponentials as much again.
CHUNK = 128


@dataclass(frozen=True)
class Turn:
    """How a layer turns: `channels` paired by `layout`, each pair at its `inv_freq`, radians per token."""

    layout: str
    channels: range
    inv_freq: tuple[float, ...]


def turned(x: torch.Tensor, positions: torch.Tensor, turn: Turn) -> torch.Tensor:
    """`x` `(..., length, dim)` turned to `positions` `(length,)`: angles in float64, products in float32.

    Negative positions turn back. Channels outside the rotating ones stay.

    >>> quarter = Turn("half_split", range(2), (math.pi / 2,))
    >>> turned(torch.tensor([[1.0, 2.0, 5.0]]), torch.tensor([1]), quarter).round().tolist()
    [[-2.0, 1.0, 5.0]]
    """
    angles = torch.outer(positions.cpu().double(), torch.tensor(turn.inv_freq, dtype=torch.float64))
    cos, sin = (table.to(x.device, torch.float32) for table in (angles.cos(), angles.sin()))
    result, pairs = x.clone(), len(turn.inv_freq)
    start, stop = turn.channels.start, turn.channels.stop
    if turn.layout == "half_split":
        of_first, of_second = slice(start, start + pairs), slice(start + pairs, stop)
    else:
        of_first, of_second = slice(start, stop, 2), slice(start + 1, stop, 2)
    first, second = np.s_[..., of_first], np.s_[..., of_second]
    result[first] = (x[first] * cos - x[second] * sin).to(x.dtype)
    result[second] = (x[first] * sin + x[second] * cos).to(x.dtype)
    return result


def everything(key: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """All of every key: distances are clipped, as ReRoPE clips them beyond its window."""
    return key


def sink(key: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """The key of token 0."""
    return torch.cat([key[:, :1], torch.zeros_like(key[:, 1:])], dim=1)


def cluster(key: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """The center of the head's keys, the same part of every key."""
    return center[:, None].expand_as(key)


def all_but(part: Part, key: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """What `part` leaves of the keys."""
    return key - part(key, center)


@dataclass(frozen=True, eq=False)
class Held(Intervention):
    """Between tokens `reach` or more apart, part of each key is held at the distance `reach` - 1.

    Let R(m) be the turn by m tokens, q and k a query and a key before their rotation, and H the held part of
    k. The score at a distance m is q·R(-m)k where m < reach, and q·R(-m)(k - H) + q·R(1 - reach)H beyond. So
    nothing changes for the first `reach` tokens (to the last bit where the blocks of torch's kernel, up to
    256 queries, divide `reach`), and where `reach` is the trained length, H turns no farther than it did in
    training. `part(key, center)` returns H, in the shape of `key` `(key_heads, length, dim)`, from a layer's
    keys before the rotation and the mean of each head's, `(key_heads, dim)`. `turns` and `centers` map each
    layer to its `Turn` and its means: see `layer_turns` and `key_centers`. Layers without a turn stay as
    they are. Raises ValueError for a layer that turns and has no center.
    """

    reach: int
    part: Part
    turns: dict[int, Turn] = field(repr=False)
    centers: dict[int, torch.Tensor] = field(repr=False)

    def __post_init__(self) -> None:
        one(whole, "reach", self.reach, 1)
        if missing := sorted(set(self.turns) - set(self.centers)):
            raise ValueError(f"centers must cover every layer that rotates, got none of layer {missing[0]}")

    def described(self) -> dict[str, Json]:
        """As for every intervention; the name identifies the part."""
        centers = {
            str(layer): center.double().norm(dim=-1).tolist() for layer, center in self.centers.items()
        }
        return super().described() | {"reach": self.reach, "centers": centers}

    @contextmanager
    def applied(self, network: PreTrainedModel) -> Iterator[None]:
        """As for every intervention.

        Raises ValueError for a model whose attention is not `sdpa` or whose rotation is not that of `turns`.
        """
        bank = spectrum_of(network)
        if any(turn.inv_freq != bank for turn in self.turns.values()):
            raise ValueError(
                f"turns must be those of the model, got those of another than {type(network).__name__}"
            )
        with attending(network, self._attend):
            yield

    def scores(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        """As for every intervention."""
        if layer not in self.turns:
            return products(query, key)
        out = query.new_empty(*query.shape[:2], key.shape[1])
        return self._write_scores(out, query, key, positions, self.turns[layer], self._far_keys(layer, key))

    def seen_keys(self, layer: int, key: torch.Tensor) -> torch.Tensor:
        """As for every intervention: a held part is turned as if it were `reach` - 1 tokens back."""
        length = key.shape[1]
        if layer not in self.turns or length <= self.reach:
            return key
        free, held = self._far_keys(layer, key).chunk(2, dim=-1)
        held = turned(held, torch.full((length,), length - self.reach), self.turns[layer])
        far = torch.arange(length, device=key.device)[:, None] <= length - 1 - self.reach
        return torch.where(far, free + held, key)

    def _far_keys(self, layer: int, key: torch.Tensor) -> torch.Tensor:
        """What distant queries see of the keys, `(key_heads, length, 2·dim)`.

        The part that goes on turning, after its rotation, then the part that is held, before its rotation.
        """
        turn, positions = self.turns[layer], torch.arange(key.shape[1])
        held = self.part(turned(key, -positions, turn), self.centers[layer].to(key))
        return torch.cat([key - turned(held, positions, turn), held], dim=-1)

    def _write_scores(
        self,
        out: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        positions: torch.Tensor,
        turn: Turn,
        far_keys: torch.Tensor,
    ) -> torch.Tensor:
        """`scores`, written to `out`; `far_keys` is what distant queries see of the keys."""
        first, last = int(positions.min()), int(positions.max())
        # Keys before `nowhere_near` are far from all these queries, keys from `nowhere_far` on far from none.
        nowhere_near, nowhere_far = (max(0, position + 1 - self.reach) for position in (first, last))
        products(query, key[:, nowhere_near:], out=out[..., nowhere_near:])
        if nowhere_far:
            asked = torch.cat([query, turned(query, self.reach - 1 - positions, turn)], dim=-1)
            products(asked, far_keys[:, :nowhere_near], out=out[..., :nowhere_near])
            between = torch.arange(nowhere_near, nowhere_far, device=key.device)
            is_far = positions.to(key.device)[:, None] - between >= self.reach
            band = out[..., nowhere_near:nowhere_far]
            band.copy_(torch.where(is_far, products(asked, far_keys[:, nowhere_near:nowhere_far]), band))
        return out

    def _attend(
        self,
        own: Callable,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A layer's attention: its own for the first `reach` tokens, ours in chunks of queries beyond."""
        length = query.shape[2]
        if layer not in self.turns or length <= self.reach:
            return own(query, key, value, **options)
        scaling = options.get("scaling")
        scaled = query[:, :, self.reach :] * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        output, weights = own(*(x[:, :, : self.reach] for x in (query, key, value)), **options)
        far = torch.stack([self._attended(layer, *sample) for sample in zip(scaled, key, value, strict=True)])
        return torch.cat([output, far], dim=1), weights

    @torch.no_grad()
    def _attended(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """The output of attention for the queries `(query_heads, length - reach, dim)` from `reach` on.

        Shape `(length - reach, query_heads, dim)`, as attention functions return it.
        """
        turn, far_keys, outputs = self.turns[layer], self._far_keys(layer, key), []
        # Allocating memory anew for every chunk would take as long as the products.
        space = query.new_empty(len(query) * CHUNK * key.shape[1])
        exponentials = torch.empty_like(space, dtype=torch.float32)
        for chunk in torch.arange(self.reach, key.shape[1]).split(CHUNK):
            start, stop = int(chunk[0]), int(chunk[-1]) + 1
            shape = len(query), len(chunk), stop
            scores, shares = (x[: math.prod(shape)].view(shape) for x in (space, exponentials))
            asked = query[:, start - self.reach : stop - self.reach]
            self._write_scores(scores, asked, key[:, :stop], chunk, turn, far_keys)
            future = torch.ones(len(chunk), len(chunk), dtype=torch.bool, device=key.device).triu(1)
            scores[..., start:].masked_fill_(future, -torch.inf)
            torch.softmax(scores, dim=-1, dtype=torch.float32, out=shares)
            outputs.append(products(shares.to(value.dtype), value[:, :stop].mT))
        return torch.cat(outputs, dim=1).transpose(0, 1)


def layer_turns(network: PreTrainedModel) -> dict[int, Turn]:
    """How each rotating layer of a model turns, by layer; verified by a short pass.

    Raises ValueError for a model that cannot be captured (see `intercept.rotations`), whose attention is not
    transformers' `sdpa`, has windows, learned sinks or saturating scores, or whose frequencies depend on the
    length of the input or are not those of its one rotary module.
    """
    parameters = getattr(network.config.get_text_config(), "rope_parameters", None) or {}
    if is_length_dependent(parameters.get("rope_type")):
        raise ValueError(
            f"model must rotate alike at every length, got rope_type {parameters['rope_type']!r}"
        )
    bank, found = spectrum_of(network), {}
    attended: list[int] = []
    rotating = {rotation.layer: rotation for rotation in rotations(network) if rotation.layout}

    def visit(vectors: LayerVectors) -> None:
        rule = vectors.rule
        if rule.window is not None or rule.softcap is not None or rule.sinks is not None:
            raise ValueError(
                f"model must attend to all earlier tokens by a plain softmax, but layer {vectors.layer} of "
                f"{type(network).__name__} has a window, saturating scores or learned sinks"
            )
        if vectors.layer in rotating:
            rotation = rotating[vectors.layer]
            assert rotation.layout is not None
            turn = found[vectors.layer] = Turn(rotation.layout, rotation.channels, bank)
            _verify(network, vectors, turn, rotation.attention_factor)

    def record(own: Callable, layer: int, *vectors: torch.Tensor, **options: Any) -> Any:
        attended.append(layer)
        return own(*vectors, **options)

    with torch.inference_mode(), captured(network, visit), attending(network, record):
        network(probe_tokens(network)[None], use_cache=False)
    if not set(found) <= set(attended):
        raise ValueError(f"model must know its layers by number, got {type(network).__name__}")
    return found


def key_centers(model: LanguageModel, tokens: torch.Tensor) -> dict[int, torch.Tensor]:
    """The mean of each head's keys before their rotation, `(key_heads, dim)`, by layer.

    The mean is over `tokens` `(length,)`, at most as many as `model` was trained on; it includes any factor
    that the model's cosines and sines carry. Raises ValueError for a longer input and as `layer_turns` does.
    """
    trained = trained_length(model.network)
    if not 2 <= len(tokens) <= trained:
        raise ValueError(f"tokens must be from 2 to {trained} (the trained length), got {len(tokens)}")
    turns, positions = layer_turns(model.network), torch.arange(len(tokens))
    centers: dict[int, torch.Tensor] = {}

    def visit(layer: int, query: torch.Tensor, key: torch.Tensor) -> None:
        if layer in turns:
            centers[layer] = turned(key[0], -positions, turns[layer]).float().mean(dim=1)

    with torch.inference_mode(), queries_and_keys(model.network, visit):
        model.network.get_decoder()(tokens[None].to(model.network.device), use_cache=False)
    return centers


def _verify(network: PreTrainedModel, vectors: LayerVectors, turn: Turn, attention_factor: float) -> None:
    """Raise ValueError unless a layer's keys turn as its `Turn` says."""
    before, after = vectors.key_pre[0].float(), vectors.key_post[0].float()
    if len(turn.channels) == 2 * len(turn.inv_freq):
        positions = torch.arange(before.shape[1])
        expected = turned(before, positions, turn)
        channels = np.s_[..., turn.channels.start : turn.channels.stop]
        error = (attention_factor * expected[channels] - after[channels]).norm(dim=-1)
        # Rounding: transformers computes its tables in float32, and a model may run in bfloat16.
        tolerance = 32 * max(torch.finfo(vectors.key_post.dtype).eps, torch.finfo(torch.float32).eps)
        if bool((error <= tolerance * after.norm(dim=-1)).all()):
            return
    raise ValueError(
        f"model must rotate by its rotary module's frequencies, but {type(network).__name__} does not in "
        f"layer {vectors.layer}"
    )
