"""Training until a criterion: when it stops, and what it learns on the way."""

import pytest

from rope_lib.train.config import Config
from rope_lib.train.criterion import Criterion, train_until

PLAN = {"steps": 3, "batch": 2, "length": 32}
SMALL = Config.from_dict({"task": {"name": "copy"}, "training": PLAN})


def test_it_stops_where_the_criterion_is_met():
    _, tries = train_until(SMALL, Criterion(accuracy=1e-9, every=1, examples=64))
    assert tries.accuracy.iloc[-1] > 0
    assert len(tries) <= 3


def test_it_ends_with_the_plan_and_tries_once_more_there():
    _, tries = train_until(SMALL, Criterion(every=2, examples=2))
    assert tries.steps.tolist() == [2, 3]


def test_the_same_config_takes_the_same_way():
    one, two = (train_until(SMALL, Criterion(every=1, examples=2))[1] for _ in range(2))
    assert one.equals(two)


@pytest.mark.parametrize("wrong", [{"accuracy": 1.5}, {"every": 0}, {"examples": 0}])
def test_criteria_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Criterion(**wrong)
