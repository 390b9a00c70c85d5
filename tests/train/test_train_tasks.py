"""Generated tasks: programs that only read the tokens answer every question; guesses by place do not."""

from collections import Counter

import pytest
import torch

from rope_lib.train.corpus import corpus
from rope_lib.train.draws import draw, draw_evaluation
from rope_lib.train.questions import IGNORE, NOWHERE
from rope_lib.train.tasks import TASKS, Bytes, Recall, Variables, make_task

GENERATED = [name for name in TASKS if name != "bytes"]
SIZES = {  # of each generated task, more than one
    "recall": [{}, {"fused": True}, {"pairs": 3, "queries": 2, "noise": 1}],
    "needle": [{}, {"fused": True}],
    "multi_key": [{}, {"fused": True, "keys": 32, "pairs": 32}],
    "variables": [{}, {"chains": 3, "hops": 3, "noise": 1}],
    "common_words": [{}, {"words": 3, "lead": 3}],
    "copy": [{}, {"symbols": 2}],
    "order": [{}, {"events": 2, "queries": 1}],
    "look_back": [{}, {"width": 1, "symbols": 2}],
}
CASES = [(name, sizes) for name, several in SIZES.items() for sizes in several]
LENGTHS = [137, 256]


def drawn(name, sizes, length, batch=64, seed=0):
    task = make_task(name, sizes)
    return task, draw(task, torch.Generator().manual_seed(seed), batch, length)


def recall(task, tokens, position):
    """The value that followed the key the first time; the answer and where it stands."""
    key = tokens[position]
    if not task.fused:
        first = tokens.index(key)
        return tokens[first + 1], first + 1
    base = task.noise + task.keys + task.values
    for at, token in enumerate(tokens[:position]):
        if token >= base and (token - base) // task.values == key - task.noise:
            return task.noise + task.keys + (token - base) % task.values, at
    raise AssertionError("no such key")


def variables(task, tokens, position):
    """Follow the assignments back to a value."""
    marker, name = task.vocabulary - 2, tokens[position]
    sources = {tokens[at + 1]: (tokens[at + 2], at + 2) for at, token in enumerate(tokens) if token == marker}
    for _ in range(task.hops + 1):
        name, where = sources[name]
    return name, where


def common_words(task, tokens, position):
    (word, count), (_, second) = Counter(tokens[:position]).most_common(2)
    assert count >= task.lead * second
    return word, None


def copy(task, tokens, position):
    begin, again = tokens.index(task.symbols), tokens.index(task.symbols + 1)
    where = begin + 1 + position - again
    assert where < again
    return tokens[where], where


def order(task, tokens, position):
    events = [tokens.index(event) for event in (tokens[position - 1], tokens[position])]
    return tokens[min(events)], min(events)


def look_back(task, tokens, position):
    return tokens[position - task.width], position - task.width


ORACLES = {
    "recall": recall,
    "needle": recall,
    "multi_key": recall,
    "variables": variables,
    "common_words": common_words,
    "copy": copy,
    "order": order,
    "look_back": look_back,
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_a_program_that_reads_the_tokens_answers_every_question(name, sizes, length):
    task, batch = drawn(name, sizes, length)
    assert batch.tokens.shape == batch.targets.shape == batch.distance.shape == (64, length)
    assert batch.tokens.min() >= 0
    assert batch.tokens.max() < task.vocabulary
    asked = batch.targets != IGNORE
    assert asked.any(dim=1).all()
    assert (batch.distance[~asked] == NOWHERE).all()
    for tokens, row, targets, distance in zip(
        batch.tokens.tolist(), asked, batch.targets, batch.distance, strict=True
    ):
        for position in row.nonzero().flatten().tolist():
            seen = tokens[: position + 1]  # the future is not needed
            answer, where = ORACLES[name](task, seen, position)
            assert answer == targets[position]
            assert distance[position] == (NOWHERE if where is None else position - where)


@pytest.mark.parametrize(("name", "sizes"), [case for case in CASES if case[0] != "look_back"])
def test_the_answer_is_at_no_fixed_place_and_is_no_favorite(name, sizes):
    """The best constant, and the best of "the token so many places before", fitted on these very inputs."""
    task, batch = drawn(name, sizes, 137, batch=512)
    asked = batch.targets != IGNORE
    answers = batch.targets[asked]
    chances = {"variables": task_values, "common_words": lambda t: t.words, "copy": lambda t: t.symbols}
    chances |= {"order": lambda t: 2 if t.events == 2 else t.events}
    chance = 1 / chances.get(name, task_values)(task)
    slack = 4 * (chance * (1 - chance) / len(answers)) ** 0.5 + 0.02
    assert answers.bincount().max() / len(answers) < chance + slack
    example, position = asked.nonzero().T
    hits = [
        (batch.tokens[example, (position - back).clamp(min=0)] == answers).float().mean().item()
        for back in range(137)
    ]
    # Half of two events came first; a log-uniform distance is 1 more often than any other.
    limit = {"order": 0.5 + slack, "common_words": 2.5 * chance + slack, "copy": chance + 0.1}
    limit = limit.get(name, 0.3)
    assert max(hits) < limit


def task_values(task):
    return task.values


def test_distances_are_log_uniform_up_to_the_whole_input():
    _, batch = drawn("needle", {"fused": True}, 1024, batch=2000)
    distance = batch.distance[batch.targets != IGNORE]
    counts = torch.histogram(distance.double().log2(), bins=5, range=(0, 10)).hist / len(distance)
    assert ((counts - 0.2).abs() < 0.05).all()
    assert distance.max() > 900


@pytest.mark.parametrize("name", list(TASKS))
def test_a_draw_depends_on_the_generator_alone(name):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, again, other = (drawn(name, {}, 100, seed=seed)[1] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for part in ("tokens", "targets", "distance"):
        assert torch.equal(getattr(first, part), getattr(again, part))
    assert not torch.equal(first.tokens, other.tokens)


@pytest.mark.parametrize("name", GENERATED)
def test_the_shortest_length_works_and_a_shorter_one_is_refused(name):
    generator = torch.Generator().manual_seed(0)
    task = make_task(name)
    shortest = next(length for length in range(1, 200) if _draws(task, generator, length))
    assert shortest == task.shortest
    assert len(draw(task, generator, 100, shortest)) == 100
    with pytest.raises(ValueError, match=f"length must be at least {shortest} for .*, got {shortest - 1}"):
        draw(task, generator, 1, shortest - 1)


def _draws(task, generator, length):
    try:
        draw(task, generator, 1, length)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_guessing_among_the_allowed_answers_is_right_as_often_as_chance_says(name, sizes):
    task, batch = drawn(name, sizes, 137, batch=512)
    asked = batch.targets != IGNORE
    answers = batch.targets[asked]
    if name == "order":  # one of the two events of the question
        example, position = asked.nonzero().T
        guesses = batch.tokens[example, position]
    elif name == "variables":  # what the chains hold, in the order of the questions: the answer of the last
        guesses = answers.view(-1, task.chains)[:, -1:].expand(-1, task.chains).flatten()
    else:
        guesses = answers.roll(len(answers) // 2)
    slack = 4 * (task.chance * (1 - task.chance) / len(answers)) ** 0.5 + 0.02
    assert (guesses == answers).float().mean().item() == pytest.approx(task.chance, abs=slack)


def test_what_does_not_fit_is_refused_in_one_line(refuses):
    refuses(lambda: Recall(pairs=17), "pairs must be at most keys (16), got 17")
    refuses(lambda: Recall(queries=9), "queries must be at most pairs (8), got 9")
    refuses(lambda: Recall(fused=1), "fused must be true or false, got 1")
    refuses(lambda: Recall(noise=0), "noise must be a whole number from 1 to 2^53, got 0")
    refuses(lambda: Variables(hops=8), "variables must be at least chains × (hops + 1) = 18, got 16")
    refuses(lambda: make_task("copy", {"words": 3}), "parameters of copy must be among symbols, got 'words'")
    known = "recall, needle, multi_key, variables, common_words, copy, look_back, order, bytes"
    refuses(lambda: make_task("recal"), f"task must be one of {known}, got 'recal'")


def test_no_file_is_in_both_parts_of_the_text():
    text = corpus()
    train, validation = (set(text.files[part]) for part in ("train", "validation"))
    assert not train & validation
    assert "pydoc_data/topics.py" in train
    assert any(name.endswith(".py") for name in validation)
    assert 0.02 < len(text.validation) / len(text.train) < 0.3
    corpus.cache_clear()
    assert corpus().sha256 == text.sha256
    # Two files may say the same: what is held out must not be found in what is trained on.
    held_out, learned = (bytes(part.numpy()) for part in (text.validation, text.train))
    pieces = [held_out[at : at + 200] for at in range(0, len(held_out) - 200, 7001)]
    assert sum(piece in learned for piece in pieces) <= 0.03 * len(pieces)


def test_bytes_are_asked_for_what_follows_them_in_their_own_part():
    generator = torch.Generator().manual_seed(0)
    text = corpus()
    for batch, part in (
        (draw(Bytes(), generator, 3, 50), text.train),
        (draw_evaluation(Bytes(), generator, 3, 50, 50), text.validation),
    ):
        assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
        for row, targets in zip(batch.tokens, batch.targets, strict=True):
            assert bytes([*row.tolist(), targets[-1].item()]) in bytes(part.numpy())


def test_every_length_is_asked_for_the_same_bytes():
    batches = [
        draw_evaluation(Bytes(), torch.Generator().manual_seed(0), 2, length, 96) for length in (12, 48, 96)
    ]
    assert [len(batch) for batch in batches] == [16, 4, 2]
    for batch in batches:
        assert torch.equal(batch.targets.flatten(), batches[-1].targets.flatten())
