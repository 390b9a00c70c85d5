"""Texts to measure on: kinds that differ, long enough, without repetition for any model that reads them."""

from itertools import combinations

import pytest

from rope_lib.measure.load import load_model, token_ids
from rope_lib.measure.subjects import load_subject
from rope_lib.measure.texts import RUN, TEXTS, held_out, repeated_runs, text, without_repetition
from rope_lib.train.corpus import corpus

NEEDED = 16_384  # tokens of each text
LONG = 65_536  # of some


@pytest.mark.parametrize("name", TEXTS)
def test_no_run_of_characters_stands_twice(name):
    assert repeated_runs(text(name), RUN) == 0


@pytest.mark.parametrize("name", TEXTS)
def test_bytes_repeat_as_little(name):
    read = text(name).encode()
    assert repeated_runs(read, RUN if text(name).isascii() else 2 * RUN) == 0


def test_one_passage_that_repeats_anything_is_left_out_and_the_next_one_is_not():
    passages = ["abcd", "", "  efgh ", "xxbcdxx", "aaaa", "ijkl"]
    assert list(without_repetition(passages, 3, joint=" ")) == ["abcd", "efgh", "ijkl"]


def test_a_repetition_across_a_joint_is_one():
    assert list(without_repetition(["ab", "cd", "ab", "cd"], 4, joint=" ")) == ["ab", "cd", "ab"]


def test_texts_share_little():
    runs = {name: {text(name)[at : at + RUN] for at in range(len(text(name)))} for name in TEXTS}
    shared = [len(runs[one] & runs[other]) / len(runs[one]) for one, other in combinations(TEXTS, 2)]
    assert max(shared) < 0.01


def test_held_out_files_are_those_that_the_byte_models_are_validated_on():
    files = corpus().files
    assert all(map(held_out, files["validation"]))
    assert not any(map(held_out, files["train"]))


def test_an_unknown_text_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"must be one of language reference, source code, .* got 'poems'"):
        text("poems")


def check_tokens(model, runs=32):
    lengths = {}
    for name in TEXTS:
        ids = token_ids(model, text(name)).tolist()
        lengths[name] = len(ids)
        assert repeated_runs(ids, runs) == 0, name
    assert min(lengths.values()) >= NEEDED, lengths
    assert sum(length >= LONG for length in lengths.values()) >= 3, lengths


@pytest.mark.model
def test_no_run_of_32_tokens_stands_twice_for_smollm2():
    check_tokens(load_model())


@pytest.mark.model
@pytest.mark.slow
def test_no_run_of_32_tokens_stands_twice_for_gemma():
    try:
        model = load_subject("Gemma 3 270M")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    check_tokens(model)
    assert token_ids(model, "a")[0] == 2  # BOS
