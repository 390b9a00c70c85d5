"""Interventions on the scores of attention: what a head attends to, changed at one place of the chain.

Paper B's account of long inputs is about scores: those of unmatched pairs rise, outbid the sink, and a head
without its sink mixes what it should not. Each function below makes a `Fitting`, a change of scores that cuts
this chain at one place. `attending_by` runs a model under one of them, in chunks of queries, so that no
array of length × length is formed, and hands what each layer attended to an observer.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from .attending import attention_replaced
from .held import Turn, turned
from .huggingface import ALL_ATTENTION_FUNCTIONS, PreTrainedModel

# Queries whose scores exist at once, and of how many a change that is fitted sees a sample.
CHUNK, SAMPLE = 128, 32
# Far keys that score highest with all distances clipped, which count as matched.
TOP_KEYS = 8

ByHead = Mapping[int, torch.Tensor]  # a number for each query head, `(heads,)`, by layer


@dataclass(frozen=True, eq=False)
class View:
    """The scores of some queries of one layer, with what a change of them may look at.

    `scores` are scaled, `(batch, heads, n, keys)`, and -inf for keys that follow the query. `far` `(n, keys)`
    says which keys lie `reach` or more positions back. Token 0 is the sink.
    """

    layer: int
    scores: torch.Tensor
    far: torch.Tensor
    _clipped: Callable[[], torch.Tensor] = field(repr=False)
    _follows: Callable[[], torch.Tensor] = field(repr=False)

    @cached_property
    def clipped(self) -> torch.Tensor:
        """The scores with every distance clipped at `reach` - 1, as ReRoPE has them."""
        return self._clipped()

    @property
    def matched(self) -> torch.Tensor:
        """Which far keys are matched to their query, `(batch, heads, n, keys)`; token 0 is not.

        A key is matched that follows an earlier copy of the query's context (an induction target), or that
        is among the `TOP_KEYS` far keys with the highest clipped scores.
        """
        far = self.far.clone()
        far[:, 0] = False
        clipped = self.clipped.masked_fill(~far, -torch.inf)
        least = clipped.topk(min(TOP_KEYS, clipped.shape[-1]), dim=-1).values[..., -1:]
        return far & ((clipped >= least) | self._follows()[:, None])

    @property
    def unmatched(self) -> torch.Tensor:
        """Which far keys, token 0 aside, are not matched to their query, `(batch, heads, n, keys)`."""
        found = self.far & ~self.matched
        found[..., 0] = False
        return found


Rescoring = Callable[[View], torch.Tensor]  # scores in the place of those of a view
Fitting = Callable[[View], Rescoring]  # from a sample of a layer's queries


def unchanged(sample: View) -> Rescoring:
    """The scores as they are."""
    return lambda view: view.scores


def sink_given(attention: ByHead) -> Fitting:
    """A bias on the score of token 0, one for each head, that gives it this mean `attention`.

    The bias is fitted to the sample. It moves attention between token 0 and all others, and nothing else.
    """

    def fit(sample: View) -> Rescoring:
        target = attention[sample.layer].to(sample.scores)
        odds = sink_odds(sample.scores)
        low, high = torch.full_like(target, -60.0), torch.full_like(target, 60.0)
        for _ in range(40):
            middle = (low + high) / 2
            too_low = (odds + middle[:, None]).sigmoid().mean(dim=(0, 2)) < target
            low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
        return lambda view: _with_sink(view.scores, view.scores[..., 0] + low[:, None])

    return fit


def sink_fixed(attention: ByHead) -> Fitting:
    """A bias on the score of token 0, one for each query, that gives it exactly this `attention`."""

    def fit(sample: View) -> Rescoring:
        wanted = attention[sample.layer].to(sample.scores).clamp(1e-9, 1 - 1e-6).logit()[:, None]
        return lambda view: _with_sink(
            view.scores, view.scores[..., 0] + wanted - sink_odds(view.scores).clamp(-80, 80)
        )

    return fit


def sink_gone(sample: View) -> Rescoring:
    """Token 0 gets no attention."""
    return lambda view: _with_sink(view.scores, view.scores[..., 0] - 60.0)


def others_capped(caps: ByHead) -> Fitting:
    """No score but that of token 0 exceeds the head's cap."""

    def fit(sample: View) -> Rescoring:
        cap = caps[sample.layer].to(sample.scores)[:, None, None]
        return lambda view: _with_sink(torch.minimum(view.scores, cap), view.scores[..., 0])

    return fit


def lowered(levels: ByHead, keys: Callable[[View], torch.Tensor]) -> Fitting:
    """Scores of the chosen `keys` of a view, a mask, that exceed the head's level are brought down to it."""

    def fit(sample: View) -> Rescoring:
        level = levels[sample.layer].to(sample.scores)[:, None, None]
        return lambda view: torch.where(keys(view), torch.minimum(view.scores, level), view.scores)

    return fit


def removed(keys: Callable[[View], torch.Tensor]) -> Fitting:
    """The chosen `keys` of a view, a mask, get no attention."""
    return lambda sample: lambda view: view.scores.masked_fill(keys(view), -torch.inf)


def clipped_in(heads: ByHead) -> Fitting:
    """All distances are clipped in the chosen query heads, a mask `(heads,)` by layer."""

    def fit(sample: View) -> Rescoring:
        chosen = heads[sample.layer].bool()[:, None, None]
        if not bool(chosen.any()):
            return unchanged(sample)
        return lambda view: torch.where(chosen & view.far, view.clipped, view.scores)

    return fit


def with_entropy(entropy: ByHead) -> Fitting:
    """Scores are multiplied by one factor for each head that gives its attention this mean entropy, nats.

    The factor, from 1/16 to 16, is fitted to the sample.
    """

    def fit(sample: View) -> Rescoring:
        target = entropy[sample.layer].to(sample.scores)
        low, high = torch.full_like(target, -2.8), torch.full_like(target, 2.8)
        for _ in range(12):
            middle = (low + high) / 2
            found = mean_entropy((sample.scores * middle.exp()[:, None, None]).softmax(dim=-1))
            too_wide = found.mean(dim=(0, 2)) > target
            low, high = torch.where(too_wide, middle, low), torch.where(too_wide, high, middle)
        return lambda view: view.scores * low.exp()[:, None, None]

    return fit


def sink_odds(scores: torch.Tensor) -> torch.Tensor:
    """The logit of the attention to token 0, `(batch, heads, n)`.

    >>> sink_odds(torch.zeros(1, 1, 1, 2)).item()
    0.0
    """
    return scores[..., 0] - scores[..., 1:].logsumexp(dim=-1)


def mean_entropy(attention: torch.Tensor) -> torch.Tensor:
    """The entropy of each query's attention `(..., keys)`, nats.

    >>> round(mean_entropy(torch.full((4,), 0.25)).item(), 3)
    1.386
    """
    return torch.special.entr(attention).sum(dim=-1)


# What is shown of each chunk of a layer's queries: the layer, their scores and attention after the change.
Observer = Callable[[int, torch.Tensor, torch.Tensor], None]
# What is shown of each layer once: the layer, all keys and the affected queries, after the rotation.
Vectors = Callable[[int, torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True, eq=False)
class Input:
    """What a model reads: `tokens` `(batch, length)` at `positions` `(length,)`, which may have a gap.

    Queries from index `first` on are changed; keys `reach` or more positions back are far. The query at an
    index follows a copy of its context where the last `context` tokens are the same.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    first: int
    reach: int
    context: int

    @cached_property
    def runs(self) -> torch.Tensor:
        """A number for the last `context` tokens at each index, `(batch, length)`; -1 near the start."""
        windows = self.tokens.cpu().unfold(1, self.context, 1)
        _, numbers = torch.unique(windows.reshape(-1, self.context), dim=0, return_inverse=True)
        lead = torch.full((len(self.tokens), self.context - 1), -1)
        return torch.cat([lead, numbers.view(len(self.tokens), -1)], dim=1)

    def follows(self, at: torch.Tensor, keys: int) -> torch.Tensor:
        """Which keys follow an earlier copy of the context of the queries `at` `(n,)`: `(batch, n, keys)`."""
        before = torch.cat([torch.full((len(self.tokens), 1), -2), self.runs[:, : keys - 1]], dim=1)
        return self.runs[:, at, None] == before[:, None]


@contextmanager
def attending_by(
    network: PreTrainedModel,
    given: Input,
    fitting: Fitting,
    turns: Mapping[int, Turn],
    observe: Observer,
    vectors: Vectors,
) -> Iterator[None]:
    """Within the context, queries of `given` from its first on attend by changed scores.

    The model may read all of the input or, with a cache, its end. Layers with a window attend unchanged, by
    positions without a gap, as in a long input, and are not observed. `turns` says how each layer rotates
    (`turns.turns_by_layer`); without it, changes that need clipped scores raise KeyError. Raises ValueError
    for a model that does not attend by transformers' `sdpa`.
    """
    name = network.config._attn_implementation
    if name != "sdpa":
        raise ValueError(f"model must attend by transformers' 'sdpa', got {name!r}")
    original = ALL_ATTENTION_FUNCTIONS[name]

    def attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> Any:
        layer, skipped = module.layer_idx, key.shape[2] - query.shape[2]
        if options.get("sliding_window") is not None:
            if layer in turns:
                query, key = (
                    _without_gap(x, given.positions[: key.shape[2]], turns[layer]) for x in (query, key)
                )
            return original(module, query, key, value, mask, **options)
        scaling = options.get("scaling")
        own = max(given.first - skipped, 0)  # queries of this pass that are not changed
        outputs = []
        if own:
            if skipped:
                raise ValueError("a cache must end at the first query that is changed, or before the input")
            outputs.append(
                original(module, query[:, :, :own], *(x[:, :, :own] for x in (key, value)), None, **options)[
                    0
                ]
            )
        asked = query[:, :, own:] * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        vectors(layer, key, query[:, :, own:])
        scored = _Scored(given, layer, asked, key, turns)
        at = torch.arange(given.first, key.shape[2])
        sampled = at[torch.linspace(0, len(at) - 1, min(SAMPLE, len(at))).long().unique()]
        change = fitting(scored.view(sampled, key.shape[2]))
        for chunk in at.split(CHUNK):
            stop = int(chunk[-1]) + 1
            scores = change(scored.view(chunk, stop))
            shares = scores.softmax(dim=-1)
            observe(layer, scores, shares)
            outputs.append(_grouped(shares, value[:, :, :stop]).transpose(1, 2))
        return torch.cat(outputs, dim=1), None

    with attention_replaced(attention):
        yield


@dataclass(frozen=True, eq=False)
class _Scored:
    """One layer's affected queries, scaled, and all its keys, and the views of them."""

    given: Input
    layer: int
    query: torch.Tensor  # (batch, heads, affected, dim)
    key: torch.Tensor  # (batch, key_heads, length, dim)
    turns: Mapping[int, Turn]

    def view(self, at: torch.Tensor, stop: int) -> View:
        """The view of the queries at the indices `at` with the keys before `stop`."""
        given, positions = self.given, self.given.positions
        asked, keys = self.query[:, :, at - given.first], torch.arange(stop)
        future = keys > at[:, None]

        def scores(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
            return _grouped(query, key[:, :, :stop].mT).masked_fill_(future, -torch.inf)

        return View(
            self.layer,
            scores(asked, self.key),
            positions[at][:, None] - positions[:stop] >= given.reach,
            lambda: scores(
                turned(asked, given.reach - 1 - positions[at], self.turns[self.layer]), self._unturned
            ),
            lambda: given.follows(at, stop),
        )

    @cached_property
    def _unturned(self) -> torch.Tensor:
        return turned(self.key, -self.given.positions, self.turns[self.layer])


def _without_gap(x: torch.Tensor, positions: torch.Tensor, turn: Turn) -> torch.Tensor:
    """The vectors `(batch, heads, n, dim)` of the last `positions`, turned to where no gap would put them."""
    shift = (torch.arange(len(positions)) - positions)[-x.shape[2] :]
    return turned(x, shift, turn) if bool(shift.any()) else x


def _grouped(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Products `(batch, heads, n, m)` of each head of `x` with its group's `y`.

    `x` is `(batch, heads, n, k)`, `y` `(batch, groups, k, m)`.
    """
    batch, heads, n, _ = x.shape
    rows = x.reshape(batch, y.shape[1], heads // y.shape[1] * n, -1)
    return (rows @ y).view(batch, heads, n, -1)


def _with_sink(scores: torch.Tensor, sink: torch.Tensor) -> torch.Tensor:
    """The scores with another score of token 0, `(batch, heads, n)`."""
    return torch.cat([sink[..., None], scores[..., 1:]], dim=-1)
