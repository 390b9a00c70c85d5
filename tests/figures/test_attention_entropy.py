"""The figure of collapsed attention shows the models that it was given."""

import pandas as pd

from rope_lib import figures


def test_every_model_is_a_dot_and_lines_are_the_means_of_a_base():
    rows = [
        ("order", 4.0, 0.2, 0.9),
        ("order", 4.0, 0.4, 0.7),
        ("order", 100.0, 0.5, 0.1),
        ("recall", 4.0, 0.1, 0.2),
    ]
    models = pd.DataFrame(rows, columns=["task", "base", "entropy", "top"])
    tasks = {"order": "which came first?", "recall": "what stood there?"}
    figure = figures.attention_entropy.by_base(models, 50.0, 0.8, tasks, "Nothing collapses")
    left, right = figure.axes
    bound, entropy, dots, *_ = left.lines
    assert bound.get_xdata() == [50, 50]
    assert entropy.get_ydata().tolist() == [0.30000000000000004, 0.5]
    assert len(dots.get_xdata()) == 3
    assert [axes.get_title(loc="left") for axes in (left, right)] == list(tasks.values())
    assert figure.get_suptitle() == "Nothing collapses"
