"""What a chapter says of its experiment: how large the model is, how it is trained, what it is asked."""

from .config import Config
from .loop import build
from .tasks import Recall


def facts(config: Config) -> dict[str, str]:
    """Sizes of a run, as a chapter prints them, by name; `pairs`, `questions` and `chance` where it recalls.

    `weights` is the number of parameters, `length` that of the training inputs in tokens, `batch` the inputs
    of a step, `questions` their number at each length, `chance` the share that guessing gets right.

    >>> found = facts(Config())
    >>> found["layers"], found["length"]
    ('2', '128')
    """
    found = {
        "weights": f"{sum(each.numel() for each in build(config).parameters()):,}",
        "layers": f"{config.model.layers}",
        "heads": f"{config.model.heads}",
        "head-dim": f"{config.model.head_dim}",
        "steps": f"{config.training.steps}",
        "batch": f"{config.training.batch}",
        "length": f"{config.training.length}",
    }
    task = config.task.make()
    if not isinstance(task, Recall):
        return found
    return found | {
        "pairs": f"{task.pairs}",
        "questions": f"{config.evaluation.examples * task.queries}",
        "chance": f"{1 / task.values:.3f}",
    }
