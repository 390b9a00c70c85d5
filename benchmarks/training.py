"""What it costs to train a model until it can do its task: today's loop against the two before it.

    python benchmarks/training.py

The first loop took 400 steps of AdamW, whatever the model had learned by then. The second took AdamW's steps
until the criterion was met. The present one steps by Muon and tries the average of its weights.
"""

import os
import tempfile
import time

from harness import keep  # before numpy: it sets the number of threads

# isort: split
import pandas as pd
import torch

from rope_lib.train.config import Config
from rope_lib.train.converge import train_until
from rope_lib.train.criterion import Criterion
from rope_lib.train.criterion import train_until as by_adamw
from rope_lib.train.draws import draw
from rope_lib.train.evaluate import answers
from rope_lib.train.loop import generator_for, train

TASKS = {"recall": {"fused": True}, "look_back": {}, "copy": {}}
SEEDS = range(5)
ENOUGH = 0.99  # of the answers to fresh questions


def config_of(task, seed, **training):
    return Config.from_dict(
        {
            "seed": seed,
            "model": {"layers": 2, "width": 64, "heads": 2, "head_dim": 32},
            "task": {"name": task, "parameters": TASKS[task]},
            "training": {"batch": 32, "length": 32, "learning_rate": 3e-3} | training,
            "convergence": {"beyond": 1, "accuracy": ENOUGH},
        }
    )


def to_the_criterion(task, seed):
    with tempfile.TemporaryDirectory() as folder:
        _, tries, _ = train_until(config_of(task, seed, steps=1_000), folder)
    return tries.accuracy.iloc[-1], tries.steps.iloc[-1]


def adamw_to_the_criterion(task, seed):
    config = config_of(task, seed, steps=1_000, warmup=0.05)
    _, tries = by_adamw(config, Criterion(accuracy=ENOUGH, every=50))
    return tries.accuracy.iloc[-1], tries.steps.iloc[-1]


def fixed_steps(task, seed):
    config = config_of(task, seed, steps=400, warmup=0.05)
    with tempfile.TemporaryDirectory() as folder:
        model, losses = train(config, folder)
    fresh = draw(config.task.make(), generator_for(seed, "fresh"), 256, config.training.length)
    rotation = config.spectrum.at(config.training.length, config.training.length, config.model.head_dim)
    with torch.inference_mode():
        return answers(model.eval(), fresh, rotation).correct.mean(), len(losses)


CONTESTANTS = {
    "Muon and an average, to the criterion": to_the_criterion,
    "AdamW, to the criterion": adamw_to_the_criterion,
    "AdamW, 400 steps": fixed_steps,
}


def main():
    torch.set_num_threads(1)
    load = os.getloadavg()
    to_the_criterion("look_back", 99)  # what is imported at the first step
    rows = []
    for task in TASKS:
        for seed in SEEDS:
            for name, train_one in CONTESTANTS.items():
                cpu, wall = time.process_time(), time.perf_counter()
                accuracy, steps = train_one(task, seed)
                spent = time.process_time() - cpu, time.perf_counter() - wall
                rows.append((task, name, seed, *spent, 1.0, int(steps), bool(accuracy >= ENOUGH)))
                print(*rows[-1], flush=True)
    columns = ["task", "contestant", "round", "cpu", "wall", "scale", "steps", "learned"]
    keep("training", load, ["torch", "numpy"], runs=pd.DataFrame(rows, columns=columns))


if __name__ == "__main__":
    main()
