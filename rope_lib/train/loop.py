"""Training that a kill at any moment does not change.

What happens at a step depends only on the seed, the number of the step and the state before it: the inputs of
step n come from a generator seeded for n. A checkpoint therefore holds the weights, the optimizer's moments
and the number of the step. On a CPU, with the same number of threads, a run that was killed and resumed ends
in the same bits as one that was not.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from .checkpoint import CHECKPOINT, KEPT, damaged, load_tensors, save_tensors
from .config import Config, Training
from .draws import draw
from .questions import IGNORE, Batch
from .spectrum import Turning
from .tasks import Task
from .transformer import Transformer

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps of each weight

# A model is evaluated on parts of at most this many tokens.
TOKENS_AT_ONCE = 16_384


def generator_for(seed: int, *purpose: str | int) -> torch.Generator:
    """A torch generator for one purpose of a run: "weights", "step" 17, "evaluation" 256, …

    >>> first, again = (generator_for(0, "step", 17) for _ in range(2))
    >>> torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=again))
    True
    """
    text = json.dumps([seed, *purpose])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1  # torch takes 63 bits
    return torch.Generator().manual_seed(number)


def learning_rate(training: Training, step: int) -> float:
    """The learning rate of a step, counted from 0: a rise, then half a cosine.

    >>> plan = Training(steps=100, warmup=0.1, learning_rate=1.0, final_rate=0.1)
    >>> [round(learning_rate(plan, step), 3) for step in (0, 9, 54, 99)]
    [0.1, 1.0, 0.55, 0.1]
    """
    rising = max(1, round(training.warmup * training.steps))
    if step < rising:
        return training.learning_rate * (step + 1) / rising
    share = (step - rising + 1) / (training.steps - rising)
    lowest = training.final_rate
    return training.learning_rate * (lowest + (1 - lowest) * (1 + math.cos(math.pi * share)) / 2)


def build(config: Config) -> Transformer:
    """The untrained model of a config, its weights drawn from the seed."""
    return Transformer(config.model, config.task.make().vocabulary, generator_for(config.seed, "weights"))


def train(
    config: Config, folder: str | Path, *, device: str = "cpu", checkpoint_every: int = 100
) -> tuple[Transformer, pd.DataFrame]:
    """Train the model of a `Config`: the model, and a table of the loss (nats) and learning rate by step.

    A checkpoint is kept in `folder` every `checkpoint_every` steps and at the end; a run that finds one, or
    the weights that an earlier run kept, continues from it. Only one process at a time may use a folder.
    Raises ValueError for a checkpoint of another config or a damaged one, FloatingPointError where the loss
    is no longer finite.
    """
    folder, plan = Path(folder), config.training
    kept = folder / KEPT
    task, model = config.task.make(), build(config).to(device)
    rotation = config.spectrum.at(plan.length, plan.length, config.model.head_dim)
    optimizer = optimizer_of(model, plan)
    losses = _resume(kept if kept.exists() else folder / CHECKPOINT, config, model, optimizer)
    with tqdm(total=plan.steps, initial=len(losses), desc="training", unit="step", disable=None) as progress:
        for step in range(len(losses), plan.steps):
            losses.append(take_step(config, task, model, optimizer, rotation, step))
            if (step + 1) % checkpoint_every == 0 or step + 1 == plan.steps:
                _save(folder / CHECKPOINT, config, model, optimizer, losses)
            progress.update()
            progress.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    rates = [learning_rate(plan, step) for step in range(plan.steps)]
    return model, pd.DataFrame({"step": range(plan.steps), "loss": losses, "learning_rate": rates})


def take_step(
    config: Config, task: Task, model: Transformer, optimizer: torch.optim.AdamW, rotation: Turning, step: int
) -> float:
    """Change the model's weights by step number `step`, counted from 0: the loss before it, in nats.

    The inputs and the learning rate depend on the config and the number alone. Raises FloatingPointError
    where the loss is not finite.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config.training, step)
    return follow_gradient(config, task, model, (optimizer,), rotation, step)


def follow_gradient(
    config: Config,
    task: Task,
    model: Transformer,
    optimizers: Sequence[torch.optim.Optimizer],
    rotation: Turning,
    step: int,
) -> float:
    """Let the optimizers, at the rates that they have, take step number `step`: the loss before it, in nats.

    Raises FloatingPointError where the loss is not finite.
    """
    plan, device = config.training, model.embedding.weight.device
    inputs = draw(task, generator_for(config.seed, "step", step), plan.batch, plan.length)
    with autocast(plan.dtype, device):
        loss = loss_of(model, inputs.to(device), rotation)
    for each in optimizers:
        each.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
    for each in optimizers:
        each.step()
    found = loss.item()
    if not math.isfinite(found):
        raise FloatingPointError(f"the loss must stay finite, got {found} at step {step}")
    return found


def loss_of(model: Transformer, batch: Batch, rotation: Turning) -> torch.Tensor:
    """Mean cross-entropy, in nats, over the positions at which something is asked."""
    asked = batch.targets != IGNORE
    logits = model.read_out(model.stream(batch.tokens, rotation)[asked])
    return torch.nn.functional.cross_entropy(logits.float(), batch.targets[asked])


def autocast(dtype: str, device: str | torch.device) -> AbstractContextManager:
    """The context in which matrix products have the given `dtype`; for float32 it changes nothing."""
    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, dtype))


def optimizer_of(model: Transformer, plan: Training) -> torch.optim.AdamW:
    """AdamW, which shrinks matrices but not the scales of norms."""
    matrices = [weights for weights in model.parameters() if weights.ndim > 1]
    scales = [weights for weights in model.parameters() if weights.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": scales, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2))


def _save(
    path: Path, config: Config, model: Transformer, optimizer: torch.optim.AdamW, losses: list[float]
) -> None:
    """Write a checkpoint: the weights under `weights/`, and what AdamW keeps of each."""
    tensors = {f"weights/{name}": value.detach() for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        tensors |= {f"{moment}/{name}": optimizer.state[value][moment] for moment in _MOMENTS}
    # JSON writes each float64 with enough digits to restore it exactly.
    save_tensors(path, tensors, {"config": config.digest, "losses": json.dumps(losses)})


def _resume(path: Path, config: Config, model: Transformer, optimizer: torch.optim.AdamW) -> list[float]:
    """Load a checkpoint's state into model and optimizer; returns the losses of the steps made so far."""
    if not path.exists():
        return []
    tensors, metadata = load_tensors(path, config.digest)
    try:
        losses = json.loads(metadata["losses"])
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(tensors[f"weights/{name}"])
                optimizer.state[value] = {moment: tensors[f"{moment}/{name}"] for moment in _MOMENTS}
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from None
    # AdamW keeps its moments on the weights' device, and its number of steps on the CPU.
    for weights, state in optimizer.state.items():
        state |= {moment: state[moment].to(weights.device) for moment in ("exp_avg", "exp_avg_sq")}
    return losses
