"""Training that goes on until a model can do its task, in place of a fixed number of steps.

Models that took as many steps need not have learned as much. Here each takes the steps that it needs, up to
those of its `Training`, and how many that were is a result too.
"""

from dataclasses import dataclass

import pandas as pd
import torch

from rope_lib.theory.arguments import one, open_unit, whole

from .config import Config
from .draws import draw
from .evaluate import answers
from .loop import build, generator_for, optimizer_of, take_step
from .transformer import Transformer


@dataclass(frozen=True)
class Criterion:
    """When training may stop: once the share `accuracy` of questions about fresh inputs is answered.

    It is tried every `every` steps, on `examples` inputs of the trained length that are drawn anew each time.
    """

    accuracy: float = 0.99
    every: int = 100
    examples: int = 256

    def __post_init__(self) -> None:
        one(open_unit, "accuracy", self.accuracy)
        one(whole, "every", self.every, 1)
        one(whole, "examples", self.examples, 1)


def train_until(config: Config, criterion: Criterion) -> tuple[Transformer, pd.DataFrame]:
    """Train the model of a `Config` on a CPU until it meets the criterion, at most `config.training.steps`.

    The table has a row for each try: steps, loss (the mean of the steps since the try before, in nats) and
    accuracy. The model is in evaluation mode. The learning rate follows the plan, of which a model that
    learns early takes the beginning. Raises FloatingPointError where the loss is no longer finite.

    >>> plan = {"steps": 2, "batch": 2, "length": 32}
    >>> small = Config.from_dict({"task": {"name": "copy"}, "training": plan})
    >>> train_until(small, Criterion(every=1, examples=2))[1].steps.tolist()
    [1, 2]
    """
    plan, task, model = config.training, config.task.make(), build(config)
    rotation = config.spectrum.at(plan.length, plan.length, config.model.head_dim)
    optimizer = optimizer_of(model, plan)
    tries: list[tuple[int, float, float]] = []
    losses: list[float] = []
    for step in range(plan.steps):
        losses.append(take_step(config, task, model, optimizer, rotation, step))
        if (step + 1) % criterion.every and step + 1 < plan.steps:
            continue
        fresh = draw(task, generator_for(config.seed, "try", step), criterion.examples, plan.length)
        with torch.inference_mode():
            accuracy = float(answers(model, fresh, rotation).correct.mean())
        tries.append((step + 1, sum(losses) / len(losses), accuracy))
        losses = []
        if accuracy >= criterion.accuracy:
            break
    return model.eval(), pd.DataFrame(tries, columns=["steps", "loss", "accuracy"])
