"""Every intervention of the mechanism on one model and text: the loss, and what each head attends to.

Three kinds of input hold the same last tokens. `within` ends with them and is no longer than the declared
length. `long` is a text that goes on beyond it. `gap` is the tokens of `within` with a gap in the positions
before those that are changed: as many keys as inside, at distances that the model never saw.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from transformers import DynamicCache

from rope_lib.runs.store import stored

from . import logits
from .geometry import first_singular_value, second_moment, silhouette
from .held import Turn, turned
from .load import LanguageModel
from .logits import ByHead, Fitting, Input, attending_by
from .losses import loss_by_position
from .store import identity
from .turns import turns_by_layer

InputKind = Literal["long", "gap"]

EVERY = 4  # of the changed queries, one in so many is recorded
CLOUD = 128  # keys and queries whose overlap is measured
RANKED = ("dispersed", "overlapping", "outbidding")  # orders of heads: see `chosen`
_HEAD = ["layer", "head"]


@dataclass(frozen=True)
class Plan:
    """How the mechanism is tested on one model: lengths in tokens, and how many heads each dose takes.

    `declared` is the declared length, `within` that of the input inside, `longest` that of the long one,
    whose queries from `first` on are changed; in the others it is the last `changed`. The loss is that of the
    `last` tokens. An earlier copy of the last `context` tokens makes an induction target. `doses` are numbers
    of key heads, chosen in the orders of `ranked` and `draws` times at random; `stretches` is how many inputs
    are read from each text.
    """

    declared: int
    within: int
    longest: int
    first: int
    changed: int
    last: int
    context: int
    doses: tuple[int, ...] = ()
    ranked: tuple[str, ...] = RANKED
    draws: int = 2
    stretches: int = 1


_BYTES = Plan(256, 256, 1_024, 256, 128, 64, context=4, doses=(2, 4, 8), stretches=4)
PLANS: Mapping[str, Plan] = {
    # Twice their declared lengths would take hours without a gap.
    "SmolLM2-135M": Plan(
        8_192, 1_024, 16_384, 16_128, 256, 192, context=2, doses=(9, 45), ranked=("dispersed", "outbidding")
    ),
    "Gemma 3 270M": Plan(32_768, 1_024, 65_536, 65_280, 256, 192, context=2),
    "byte RoPE": _BYTES,
    "byte RoPE-ID": _BYTES,
}
KINDS: Mapping[str, tuple[InputKind, ...]] = {
    "SmolLM2-135M": ("gap",),
    "Gemma 3 270M": ("gap",),
    "byte RoPE": ("gap", "long"),
    "byte RoPE-ID": ("gap", "long"),
}


@dataclass(frozen=True)
class Reading:
    """What one pass gives: the mean loss of the last tokens of each stretch, and a table of heads."""

    losses: list[float]
    heads: pd.DataFrame

    def by_head(self, column: str) -> ByHead:
        """A column of the table of heads as a tensor `(heads,)` for each layer."""
        return {
            int(layer): torch.tensor(own[column].to_numpy()) for layer, own in self.heads.groupby("layer")
        }


@dataclass(frozen=True, eq=False)
class Reader:
    """A model about to read one input under one change after another: what comes before is read once."""

    model: LanguageModel
    given: Input
    last: int
    turns: Mapping[int, Turn]
    before: DynamicCache

    def read(self, fitting: Fitting = logits.unchanged) -> Reading:
        """One pass under a change."""
        network, given = self.model.network, self.given
        recorder = _Recorder(self.turns, given.positions)
        if extra := self.before.get_seq_length() - given.first:  # of the reading before this one
            self.before.crop(-extra)
        with (
            torch.inference_mode(),
            attending_by(network, given, fitting, self.turns, recorder.scores, recorder.vectors),
        ):
            outputs = network.get_decoder()(
                given.tokens[:, given.first :],
                position_ids=given.positions[None, given.first :],
                past_key_values=self.before,
                use_cache=True,
            )
            end = outputs.last_hidden_state[:, -self.last - 1 :]
            losses = [
                loss_by_position(network, replace(outputs, last_hidden_state=own[None]), tokens).nll.mean()
                for own, tokens in zip(end, given.tokens[:, -self.last - 1 :], strict=True)
            ]
        return Reading([float(loss) for loss in losses], recorder.table())


def reader(model: LanguageModel, given: Input, last: int, turns: Mapping[int, Turn]) -> Reader:
    """A `Reader` that has read what comes before the first changed query."""
    cache = DynamicCache()  # without a config it keeps every key, those that left a window too
    with torch.inference_mode():
        model.network.get_decoder()(
            given.tokens[:, : given.first],
            position_ids=given.positions[None, : given.first],
            past_key_values=cache,
            use_cache=True,
        )
    return Reader(model, given, last, turns, cache)


def inputs(tokens: torch.Tensor, plan: Plan) -> dict[str, Input]:
    """The inputs of each kind, by name, from `tokens` `(stretches, length)`, at least `plan.within` long.

    The long input is among them where `tokens` reach to `plan.longest`.
    """
    end, counted = tokens[:, -plan.within :], torch.arange(plan.longest)
    first = plan.within - plan.changed
    jumped = counted[: plan.within] + (counted[: plan.within] >= first) * (plan.longest - plan.within)
    found = {
        "within": Input(end, counted[: plan.within], first, plan.declared, plan.context),
        "gap": Input(end, jumped, first, plan.declared, plan.context),
    }
    if tokens.shape[1] == plan.longest:
        found["long"] = Input(tokens, counted, plan.first, plan.declared, plan.context)
    return found


def stretches(tokens: torch.Tensor, plan: Plan, kinds: Iterable[InputKind]) -> torch.Tensor:
    """`plan.stretches` inputs `(stretches, length)` of a text's tokens, evenly spaced; the first begins it.

    They are as long as the longest of the `kinds` needs. Raises ValueError for a text that is shorter.
    """
    length = plan.longest if "long" in kinds else plan.within
    if len(tokens) < length:
        raise ValueError(f"tokens must be at least {length}, got {len(tokens)}")
    starts = torch.linspace(0, len(tokens) - length, plan.stretches).long().tolist()
    return torch.stack([tokens[start : start + length] for start in starts])


def try_mechanism(
    model: LanguageModel, tokens: torch.Tensor, plan: Plan, kind: InputKind
) -> dict[str, pd.DataFrame]:
    """Every intervention on one kind of input, from `tokens` `(stretches, length)`: tables losses and heads.

    Columns of both: input, intervention, dose (key heads, where some are chosen), draw. `losses` has stretch
    and loss, nats; `heads` what `Reading` holds, of the readings without a dose. Kept: see `store`.
    """
    key = identity([__name__], model, tokens.flatten(), plan=plan, kind=kind)
    return stored("mechanism", key, lambda: _tables(_readings(model, tokens, plan, kind)))


def _readings(
    model: LanguageModel, tokens: torch.Tensor, plan: Plan, kind: InputKind
) -> Iterator[tuple[dict[str, object], Reading]]:
    """Each reading with what identifies it."""
    turns, given = turns_by_layer(model.network), inputs(tokens, plan)
    inside = reader(model, given["within"], plan.last, turns)
    healthy = inside.read()
    yield _where("within", "unchanged"), healthy
    beyond = reader(model, given[kind], plan.last, turns)
    broken = beyond.read()
    yield _where(kind, "unchanged"), broken
    for name, fitting in {
        "sink_lowered": logits.sink_given(broken.by_head("sink_attention")),
        "sink_gone": logits.sink_gone,
        "warmed": logits.with_entropy(broken.by_head("entropy")),
    }.items():
        yield _where("within", name), inside.read(fitting)
    levels, every = healthy.by_head("older_score"), broken.by_head("sink_attention")
    for name, fitting in {
        "clipped": logits.clipped_in({layer: torch.ones(len(each)) for layer, each in every.items()}),
        "sink_returned": logits.sink_given(healthy.by_head("sink_attention")),
        "sink_fixed": logits.sink_fixed(healthy.by_head("sink_attention")),
        "unmatched": logits.lowered(levels, lambda view: view.unmatched),
        "matched": logits.lowered(levels, lambda view: view.matched),
        "far": logits.lowered(levels, lambda view: view.matched | view.unmatched),
        "unmatched_removed": logits.removed(lambda view: view.unmatched),
        "matched_removed": logits.removed(lambda view: view.matched),
        "capped": logits.others_capped(healthy.by_head("largest_score_99")),
        "capped_at_most": logits.others_capped(healthy.by_head("largest_score_max")),
        "cooled": logits.with_entropy(healthy.by_head("entropy")),
    }.items():
        yield _where(kind, name), beyond.read(fitting)
    for name, dose, draw, heads in chosen(healthy.heads, broken.heads, plan):
        yield _where(kind, name, dose, draw), beyond.read(logits.clipped_in(heads))


def chosen(inside: pd.DataFrame, beyond: pd.DataFrame, plan: Plan) -> Iterator[tuple[str, int, int, ByHead]]:
    """The heads of each dose: (name, number of key heads, draw, mask of query heads by layer).

    `inside` and `beyond` are the tables of the unchanged model. `dispersed` takes the key heads whose first
    singular value the rotation shrinks most, `overlapping` those with the lowest silhouette, both beyond, and
    `outbidding` those whose largest score among older keys rises most from inside.
    """
    found = beyond.assign(rise=inside.older_score - beyond.older_score)
    own = found.groupby(["layer", "key_head"])[["fsv_ratio", "silhouette", "rise"]].mean()
    columns = dict(zip(RANKED, own, strict=True))
    orders = [(name, 0, np.argsort(own[columns[name]].to_numpy())) for name in plan.ranked]
    random = np.random.default_rng(0)
    orders += [("random", draw, random.permutation(len(own))) for draw in range(plan.draws)]
    keys = beyond.set_index(["layer", "key_head"]).index
    for name, draw, order in orders:
        for dose in plan.doses:
            taken = pd.Series(keys.isin(own.index[order[:dose]]), beyond.layer)
            masks = {int(layer): torch.tensor(each.to_numpy()) for layer, each in taken.groupby(level=0)}
            yield name, dose, draw, masks


def _where(kind: str, intervention: str, dose: int = -1, draw: int = 0) -> dict[str, object]:
    return {"input": kind, "intervention": intervention, "dose": dose, "draw": draw}


def _tables(readings: Iterator[tuple[dict[str, object], Reading]]) -> dict[str, pd.DataFrame]:
    losses, heads = [], []
    for where, reading in readings:
        losses.append(
            pd.DataFrame({"stretch": range(len(reading.losses)), "loss": reading.losses}).assign(**where)
        )
        if where["dose"] == -1:
            heads.append(reading.heads.assign(**where))
    tables = {"losses": pd.concat(losses), "heads": pd.concat(heads)}
    front = list(_where("", ""))
    return {
        name: table[[*front, *table.columns.drop(front)]].reset_index(drop=True)
        for name, table in tables.items()
    }


class _Recorder:
    """Reduces what the changed queries of each layer attend to, to one row for each head."""

    def __init__(self, turns: Mapping[int, Turn], positions: torch.Tensor) -> None:
        self.turns, self.positions = turns, positions
        self.queries: dict[int, list[torch.Tensor]] = {}
        self.geometry: dict[int, dict[str, torch.Tensor]] = {}

    def scores(self, layer: int, scores: torch.Tensor, shares: torch.Tensor) -> None:
        """Record a chunk of a layer's queries: `(columns, batch, heads, queries)`."""
        scores, shares = scores[:, :, ::EVERY], shares[:, :, ::EVERY]
        others = scores[..., 1:]
        found = (
            shares[..., 0],
            logits.mean_entropy(shares),
            others.amax(-1),
            others[..., : others.shape[-1] // 2].amax(-1),
        )
        self.queries.setdefault(layer, []).append(torch.stack(found))

    def vectors(self, layer: int, key: torch.Tensor, query: torch.Tensor) -> None:
        """Record the geometry of a layer's keys and changed queries."""
        group = query.shape[1] // key.shape[1]
        clouds = [
            x[:, :, torch.linspace(0, x.shape[2] - 1, min(CLOUD, x.shape[2])).long()] for x in (key, query)
        ]
        overlap = silhouette(clouds[0].repeat_interleave(group, dim=1), clouds[1]).mean(0)
        ratio = torch.full((key.shape[1],), torch.nan)
        if layer in self.turns:
            before = turned(key, -self.positions[: key.shape[2]], self.turns[layer])
            after, before = (first_singular_value(second_moment(x)).mean(0) for x in (key, before))
            ratio = after / before
        self.geometry[layer] = {
            "key_head": torch.arange(query.shape[1]) // group,
            "silhouette": overlap,
            "fsv_ratio": ratio.repeat_interleave(group),
        }

    def table(self) -> pd.DataFrame:
        """One row for each layer and head."""
        rows = []
        for layer, parts in self.queries.items():
            sink, entropy, largest, older = torch.cat(parts, dim=-1).transpose(1, 2).flatten(2).double()
            columns = {
                "sink_attention": sink.mean(-1),
                "entropy": entropy.mean(-1),
                "largest_score": largest.mean(-1),
                "largest_score_99": largest.quantile(0.99, dim=-1),
                "largest_score_max": largest.amax(-1),
                "older_score": older.mean(-1),
            } | self.geometry[layer]
            rows.append(
                pd.DataFrame({name: each.numpy() for name, each in columns.items()}).assign(layer=layer)
            )
        table = pd.concat(rows, ignore_index=True)
        table["head"] = table.groupby("layer").cumcount()
        return table[[*_HEAD, *table.columns.drop(_HEAD)]]
