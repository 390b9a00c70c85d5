"""What a check says of an answer."""

import math

import numpy as np
import pytest

from rope_lib.exercises import WrongAnswer, check
from rope_lib.exercises.answers import fault_of


@pytest.mark.parametrize(
    ("given", "true"),
    [
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (1 + 1e-9, 1.0),
        (1e-15, 0.0),
        ([1, 2], np.array([1.0, 2.0])),
        (np.array(3.0), 3.0),
        ("aliased", "aliased"),
        (np.True_, True),
        (None, None),
        (math.inf, math.inf),
    ],
)
def test_a_right_answer_has_no_fault(given, true):
    assert fault_of(given, true) is None


@pytest.mark.parametrize(
    ("given", "true", "said"),
    [
        (None, 1.0, "returned None: does it end with a return?"),
        (None, "stable", "returned None: does it end with a return?"),
        ("652", 652.0, "must give numbers, got '652' (str)"),
        ({1: 2}, 652.0, "must give numbers, got {1: 2} (dict)"),
        (True, 1.0, "must give numbers, got True (bool)"),
        ([[1], [1, 2]], 1.0, "must give numbers, got [[1], [1, 2]] (list)"),
        (1j, 1.0, "must give numbers, got 1j (complex)"),
        ([1.0, 2.0], 1.0, "must give a single number, got an array of shape (2,)"),
        (1.0, [1.0, 2.0], "must give an array of shape (2,), got a single number"),
        ([1.0, 3.0], [1.0, 2.0], "gives 3 at index [1], the true value is 2"),
        (math.nan, 2.0, "gives nan, the true value is 2"),
        (652, 651.9, "gives 652, the true value is 651.9"),
        (1.00001, 1.0, "gives 1.00001, the true value is 1"),
        (1.0000015, 1.0, "gives 1.0000015, the true value is 1.0"),
        (-3.0, 3.0, "gives -3, the true value is 3: the sign is wrong"),
        (2 * math.pi, 1.0, "gives 6.28319, the true value is 1: yours is 2π times as large"),
        (0.5, 1.0, "gives 0.5, the true value is 1: the true value is 2 times as large"),
        (0.0, 1.0, "gives 0, the true value is 1"),
        (1.0, 0.0, "gives 1, the true value is 0"),
        ("stable", "aliased", "gives 'stable', the true value is 'aliased'"),
        (False, True, "gives False, the true value is True"),
        (["stable"], "stable", "gives ['stable'], the true value is 'stable'"),
    ],
)
def test_a_wrong_answer_gets_one_useful_line(given, true, said):
    assert fault_of(given, true) == said


def test_a_known_mistake_gets_its_word_also_where_the_shape_is_wrong():
    words = {"one for each pair": lambda n: np.ones(2 * n)}
    with pytest.raises(WrongAnswer) as caught:
        check(lambda n: np.ones(2 * n), [2], lambda n: np.ones(n), mistakes=words)
    assert str(caught.value) == (
        "<lambda>(2) gives [1, 1, 1, 1], the true value is [1, 1]: one for each pair"
    )


def test_the_first_case_that_differs_is_named_by_its_arguments():
    def doubled(x, name):
        return 2 * x

    with pytest.raises(WrongAnswer, match=r"^doubled\(10_000, 'a'\) gives 20,000, the true value is 1e\+08$"):
        check(doubled, [(2, "b"), (10_000, "a")], lambda x, name: x**2 * 1.0)


def test_a_stub_and_a_fault_of_the_reader_pass_through():
    def stub():
        raise NotImplementedError("Hint: add")

    with pytest.raises(NotImplementedError, match="Hint: add"):
        check(stub, [()], lambda: 1)
    with pytest.raises(ZeroDivisionError):
        check(lambda x: 1 / x, [0], lambda x: 1)


def test_a_check_without_cases_is_refused():
    with pytest.raises(ValueError, match="cases must hold at least one case, got none"):
        check(lambda: 1, [], lambda: 1)


def test_a_wrong_answer_shows_in_a_notebook_as_one_line():
    assert WrongAnswer("f() gives 1")._render_traceback_() == ["Not yet: f() gives 1"]
