"""Training that ends when it is done: at a criterion, once its loss is level, or at a generous limit.

Models that took as many steps need not have learned as much. Here each takes the steps that it needs, and how
many those were is a result too. Two things make that cheap at the size of these models. The matrices of the
layers learn by Muon (Jordan et al., 2024), which needs about half the steps of AdamW. And the model that is
tried, and returned, is an exponential average of the weights of the steps: it answers as well as one whose
learning rate was brought down, without a plan of when to bring it down.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from .checkpoint import CHECKPOINT, KEPT, damaged, load_tensors, save_tensors
from .config import Config, Convergence
from .draws import draw_evaluation
from .evaluate import answers
from .loop import autocast, build, follow_gradient, generator_for
from .transformer import Transformer

WARM_UP = 20  # steps in which the learning rates rise to their values
MET, LEVEL, LIMIT = "criterion", "level", "limit"  # why training ended

Tries = list[tuple[int, float, float, float]]  # steps, mean loss since the try before, fresh loss, accuracy
_COLUMNS = ("steps", "loss", "fresh_loss", "accuracy")


def optimizers_of(model: Transformer, config: Config) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices of the layers, AdamW for the embedding, the head and the scales of norms."""
    plan, matrix_rate = config.training, _convergence(config).matrix_rate
    matrices = [weights for weights in model.blocks.parameters() if weights.ndim > 1]
    inside = {id(weights) for weights in matrices}
    rest = [weights for weights in model.parameters() if id(weights) not in inside]
    return (
        torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=plan.weight_decay),
        torch.optim.AdamW(rest, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2), weight_decay=0.0),
    )


def train_until(
    config: Config, folder: str | Path, *, device: str = "cpu", checkpoint_every: int = 500
) -> tuple[Transformer, pd.DataFrame, pd.DataFrame]:
    """Train the model of a `Config` that has `convergence`: the averaged model and two tables.

    The first has a row for each try: steps, loss (of training, the mean since the try before, in nats),
    fresh_loss and accuracy of the average on fresh inputs. The second is the last of them, with `ended`
    ("criterion", "level" or "limit") and `met`, the steps at which the criterion was first met. A checkpoint
    is kept in `folder` every `checkpoint_every` steps and at the end; a run that finds one continues from it,
    and ends on a CPU in the same bits as one that was never stopped. Raises ValueError for a checkpoint of
    another config or a damaged one, FloatingPointError where the loss is no longer finite.
    """
    plan, stop, task = config.training, _convergence(config), config.task.make()
    model, average = build(config).to(device), build(config).to(device).requires_grad_(False)
    rotation = config.spectrum.at(plan.length, plan.length, config.model.head_dim)
    optimizers = optimizers_of(model, config)
    rates = [[group["lr"] for group in each.param_groups] for each in optimizers]
    follow = get_ema_multi_avg_fn(stop.average)
    now, mean = list(model.parameters()), list(average.parameters())
    path = Path(folder) / CHECKPOINT
    kept = path.with_name(KEPT)
    tries = _resume(kept if kept.exists() else path, config, model, average, optimizers)
    step = int(tries[-1][0]) if tries else 0
    losses: list[float] = []  # since the last try
    with tqdm(total=plan.steps, initial=step, desc="training", unit="step", disable=None) as progress:
        while (ended := why_ended(tries, stop, plan.steps)) is None:
            for each, first in zip(optimizers, rates, strict=True):
                for group, rate in zip(each.param_groups, first, strict=True):
                    group["lr"] = rate * min(1.0, (step + 1) / WARM_UP)
            losses.append(follow_gradient(config, task, model, optimizers, rotation, step))
            step += 1
            follow(mean, now, step)
            progress.update()
            if step % stop.every and step < plan.steps:
                continue
            fresh = draw_evaluation(
                task, generator_for(config.seed, "try", step), stop.examples, plan.length, plan.length
            )
            with torch.inference_mode(), autocast(plan.dtype, device):
                found = answers(average, fresh, rotation)
            tries.append((step, sum(losses) / len(losses), found.nll.mean(), found.correct.mean()))
            losses.clear()
            progress.set_postfix(accuracy=f"{tries[-1][3]:.3f}", refresh=False)
            if step % checkpoint_every == 0:
                _save(path, config, model, average, optimizers, tries)
    if not kept.exists():
        _save(path, config, model, average, optimizers, tries)
    table = pd.DataFrame(tries, columns=_COLUMNS)
    done = table.tail(1).reset_index(drop=True).drop(columns="loss")
    met = steps_to_criterion(tries, stop)
    done = done.assign(ended=ended, met=math.nan if met is None else met)
    return average.eval(), table, done


def why_ended(tries: Sequence[Sequence[float]], stop: Convergence, limit: int) -> str | None:
    """Why training ends after these tries (steps, loss, fresh loss, accuracy); None if it goes on.

    >>> falling = [(step, 0, 1 / step, 0.5) for step in range(100, 2_100, 100)]
    >>> why_ended(falling, Convergence(), 10_000), why_ended(falling, Convergence(), 2_000)
    (None, 'limit')
    >>> why_ended([(step, 0, 1.0, 0.5) for step in (500, 1_000)], Convergence(), 10_000)
    'level'
    >>> learned = [(50, 0, 0.01, 0.995), (100, 0, 0.01, 0.993)]
    >>> why_ended(learned[:1], Convergence(), 10_000), why_ended(learned, Convergence(), 10_000)
    (None, 'criterion')
    """
    if not tries:
        return None
    step = tries[-1][0]
    met = steps_to_criterion(tries, stop)
    if met is not None:
        if step >= stop.beyond * met:
            return MET
    elif step >= stop.patience:
        before = min((loss for at, _, loss, _ in tries if at <= step / 2), default=math.inf)
        if min(loss for _, _, loss, _ in tries) > (1 - stop.level) * before:
            return LEVEL
    return LIMIT if step >= limit else None


def steps_to_criterion(tries: Sequence[Sequence[float]], stop: Convergence) -> float | None:
    """The steps of the first of these tries that met the criterion; None if none did or there is none."""
    if stop.accuracy is None:
        return None
    return next((step for step, *_, accuracy in tries if accuracy >= stop.accuracy), None)


def _convergence(config: Config) -> Convergence:
    if config.convergence is None:
        raise ValueError("convergence must be a table that says when training ends, got none")
    return config.convergence


def _save(
    path: Path,
    config: Config,
    model: Transformer,
    average: Transformer,
    optimizers: Sequence[torch.optim.Optimizer],
    tries: Tries,
) -> None:
    """Write a checkpoint: weights under `weights/`, their average, and what the optimizers keep of each."""
    tensors = {f"weights/{name}": value.detach() for name, value in model.named_parameters()}
    tensors |= {f"average/{name}": value for name, value in average.named_parameters()}
    states = {weights: state for each in optimizers for weights, state in each.state.items()}
    for name, value in model.named_parameters():
        tensors |= {f"{key}/{name}": kept for key, kept in states[value].items()}
    save_tensors(path, tensors, {"config": config.digest, "tries": json.dumps(tries)})


def _resume(
    path: Path,
    config: Config,
    model: Transformer,
    average: Transformer,
    optimizers: Sequence[torch.optim.Optimizer],
) -> Tries:
    """Load a checkpoint, if there is one: the tries so far. A checkpoint is made right after a try."""
    if not path.exists():
        return []
    tensors, metadata = load_tensors(path, config.digest)
    try:
        tries = [tuple(each) for each in json.loads(metadata["tries"])]
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(tensors.pop(f"weights/{name}"))
            for name, value in average.named_parameters():
                value.copy_(tensors.pop(f"average/{name}"))
        named = dict(model.named_parameters())
        owner = {id(weights): each for each in optimizers for group in each.param_groups
                 for weights in group["params"]}  # fmt: skip
        for place, kept in tensors.items():
            key, _, name = place.partition("/")
            weights = named[name]
            state = owner[id(weights)].state[weights]
            state[key] = kept if key == "step" else kept.to(weights.device)
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from None
    return tries
