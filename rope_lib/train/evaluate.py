"""What a trained model knows, and how its keys are arranged: plain tables, one row per observation.

Losses are in nats; lengths, positions and distances in tokens, positions counted from 0. `variant` names the
rotation under which a model was tested.
"""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from rope_lib.theory.dispersal import stable_rank

from .config import TRAINED, Config, Variant
from .draws import draw_evaluation
from .loop import TOKENS_AT_ONCE, autocast, generator_for
from .questions import IGNORE, Batch
from .schemes import Computed
from .spectrum import Rotation, Turning
from .transformer import Transformer

# Queries whose attention to the first token is averaged: the last ones of an input.
SINK_QUERIES = 64


def evaluate(config: Config, model: Transformer) -> dict[str, pd.DataFrame]:
    """The tables of a trained model by name; `run` describes each.

    The inputs of one length are the same under every variant, so that variants can be compared in pairs.
    """
    model.eval()
    parts: dict[str, list[pd.DataFrame]] = {"losses": [], "answers": [], "geometry": []}
    variants = {TRAINED: Variant(), **config.evaluation.variants}
    for length in config.lengths:
        batch = evaluation_batch(config, length)
        for name, variant in variants.items():
            rotation = variant.at(config.spectrum, length, config.training.length, config.model.head_dim)
            own = model if variant.dtype is None else held(model, variant.dtype)
            numbers = config.training.dtype if variant.dtype is None else "float32"  # nothing cast again
            with torch.inference_mode(), autocast(numbers, model.embedding.weight.device):
                found = {
                    "answers": answers(own, batch, rotation, shift=variant.shift),
                    "geometry": geometry(
                        own, batch.tokens[: config.evaluation.geometry], rotation, shift=variant.shift
                    ),
                }
            found["losses"] = binned(found["answers"], length, config.evaluation.bin)
            for table, frame in found.items():
                frame.insert(0, "variant", name)
                frame.insert(1, "length", length)
                parts[table].append(frame)
    tables = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    tables["summary"] = summary(tables["answers"])
    if config.task.name == "bytes":  # every byte is an answer: the bins of `losses` sum them up
        del tables["answers"]
    return tables


def held(model: Transformer, dtype: str) -> Transformer:
    """A copy of a model with its weights in a type, in which it computes all else too."""
    return copy.deepcopy(model).to(getattr(torch, dtype))


def evaluation_batch(config: Config, length: int) -> Batch:
    """The inputs of `length` tokens that evaluate a config's model, on the CPU: the same for any device."""
    longest = max(config.lengths)
    task = config.task.make()
    # Real text is drawn once, at the longest length, and cut up for the others.
    purpose = ("evaluation",) if config.task.name == "bytes" else ("evaluation", length)
    generator = generator_for(config.seed, *purpose)
    return draw_evaluation(task, generator, config.evaluation.examples, length, longest)


def answers(model: Transformer, batch: Batch, rotation: Turning, *, shift: int = 0) -> pd.DataFrame:
    """One row for each question of a batch: example, position, distance, nll, correct.

    A distance of -1 means that the answer has no single place. `correct`: no other token was more likely.
    """
    device = model.embedding.weight.device
    step = max(1, TOKENS_AT_ONCE // batch.tokens.shape[1])
    rows = []
    for start in range(0, len(batch), step):
        part = batch.rows(start, start + step)
        asked = part.targets != IGNORE
        stream = model.stream(part.tokens.to(device), rotation, shift=shift)
        logits = model.read_out(stream[asked.to(device)]).float()
        targets = part.targets[asked]
        nll = torch.nn.functional.cross_entropy(logits, targets.to(device), reduction="none")
        example, position = asked.nonzero().T
        rows.append(
            {
                "example": example.numpy() + start,
                "position": position.numpy(),
                "distance": part.distance[asked].numpy(),
                "nll": nll.cpu().numpy().astype(np.float64),
                "correct": (logits.argmax(-1).cpu() == targets).numpy(),
            }
        )
    return pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})


def binned(found: pd.DataFrame, length: int, width: int) -> pd.DataFrame:
    """Mean loss and accuracy by position, in bins of `width`: first, last, nll, accuracy, questions."""
    bins = found.groupby(found.position // width)
    return pd.DataFrame(
        {
            "first": bins.position.min() // width * width,
            "last": np.minimum(bins.position.min() // width * width + width, length) - 1,
            "nll": bins.nll.mean(),
            "accuracy": bins.correct.mean(),
            "questions": bins.size(),
        }
    ).reset_index(drop=True)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Mean loss and accuracy by variant and length: columns nll, accuracy, questions and examples."""
    groups = found.groupby(["variant", "length"], sort=False)
    table = groups.agg(nll=("nll", "mean"), accuracy=("correct", "mean"), questions=("nll", "size"),
                       examples=("example", "nunique"))  # fmt: skip
    return table.reset_index()


def accuracy_by_distance(found: pd.DataFrame, edges: Sequence[int]) -> pd.DataFrame:
    """Accuracy of the table `answers` by distance: variant, length, from, to, accuracy, questions.

    `edges` are the ends of the bins; each bin includes its first end and not its last. A distance outside all
    bins is left out.

    >>> found = pd.DataFrame({"variant": "trained", "length": 8, "distance": [1, 3, 5], "correct": [1, 0, 1]})
    >>> accuracy_by_distance(found, [1, 4, 8]).accuracy.tolist()
    [0.5, 1.0]
    """
    which = np.digitize(found.distance, edges) - 1
    inside = found.assign(bin=which)[(which >= 0) & (which < len(edges) - 1)]
    groups = inside.groupby(["variant", "length", "bin"])
    table = groups.correct.agg(accuracy="mean", questions="size").reset_index()
    table.insert(2, "from", np.asarray(edges)[table["bin"]])
    table.insert(3, "to", np.asarray(edges)[table["bin"] + 1])
    return table.drop(columns="bin")


def geometry(
    model: Transformer, tokens: torch.Tensor, rotation: Rotation | Computed, *, shift: int = 0
) -> pd.DataFrame:
    """How the keys of each head are arranged before and after the rotation, for each input of `tokens`.

    A row has example, layer, head (of keys); `stable_rank_pre` and `stable_rank`, ‖K‖_F²/‖K‖₂² before and
    after; `first_singular_ratio`, ‖K‖₂ after over before, the attention factor left out; `sink_attention`,
    the share of the attention of the last queries that the first token gets, averaged over the query heads
    that the keys serve; and `sink_norm`, the first key's norm over the mean norm. Source: paper B, claims B2,
    B4, B6, B7 and B8.
    """
    rows: list[tuple] = []
    columns = ("example", "layer", "head", "stable_rank_pre", "stable_rank", "first_singular_ratio",
               "sink_attention", "sink_norm")  # fmt: skip

    for example, one in enumerate(tokens.to(model.embedding.weight.device)):

        def observe(layer: int, *vectors: torch.Tensor, example: int = example) -> None:
            heads = enumerate(_geometry_by_head(vectors, rotation.attention_factor))
            rows.extend((example, layer, head, *values) for head, values in heads)

        model.stream(one[None], rotation, shift=shift, observe=observe)
    return pd.DataFrame(rows, columns=columns)


def _geometry_by_head(
    vectors: Sequence[torch.Tensor], attention_factor: float
) -> Iterator[tuple[float, ...]]:
    """The columns of `geometry` for each head of keys, from what an observer sees of a batch of one input."""
    key, query, turned = vectors
    before, after = (singular_values(x[0]) for x in (key, turned))
    norms = key[0].float().norm(dim=-1)
    values = (
        stable_rank(before.numpy()),
        stable_rank(after.numpy()),
        after[:, 0] / before[:, 0] / attention_factor,
        sink_attention(query[0], turned[0]),
        norms[:, 0] / norms.mean(dim=-1),
    )
    return zip(*(value.tolist() for value in values), strict=True)


def singular_values(x: torch.Tensor) -> torch.Tensor:
    """Singular values of clouds `(heads, length, head_dim)` about the origin, largest first, float64."""
    return torch.linalg.svdvals(x.cpu().double())


def sink_attention(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Attention of the last queries to the first key, averaged: `(key heads,)`.

    `query` is `(heads, length, head_dim)` and `key` `(key heads, length, head_dim)`, both rotated.
    """
    _, length, size = query.shape
    last = min(SINK_QUERIES, length)
    query, key = query[:, -last:].float(), key.float()
    scores = torch.einsum("hgqd,hkd->hgqk", query.view(len(key), -1, last, size), key) / size**0.5
    position = torch.arange(length, device=key.device)
    later = position > position[-last:, None]
    return scores.masked_fill(later, -torch.inf).softmax(-1)[..., 0].mean(dim=(1, 2))
