"""The n-gram floor, against counts by hand and against plain Python that counts in dicts."""

from collections import Counter

import numpy as np
import pytest

from rope_lib.train.ngrams import MOST_CONTEXT, runs, witten_bell


def as_bytes(text):
    return np.frombuffer(text, np.uint8)


def test_a_count_by_hand():
    """In "abacab", `a` occurs 3 times among 6 bytes of 3 kinds, and is followed by b, c and b."""
    found = np.exp(-witten_bell(as_bytes(b"abacab"), as_bytes(b"ab"), 1))
    p_a = (3 + 3 / 256) / (6 + 3)
    p_b = (2 + 3 / 256) / (6 + 3)
    assert found[0] == pytest.approx([p_a, p_b])
    assert found[1] == pytest.approx([p_a, (2 + 2 * p_b) / (3 + 2)])


def counted(read, text, context):
    """The same by the formula, byte by byte."""
    grams = [Counter(read[i : i + n + 1] for i in range(len(read) - n)) for n in range(context + 1)]

    def probability(before, byte):
        lower = probability(before[1:], byte) if before else 1 / 256
        followers = {gram[-1]: m for gram, m in grams[len(before)].items() if gram[:-1] == before}
        n, kinds = sum(followers.values()), len(followers)
        return (followers.get(byte, 0) + kinds * lower) / (n + kinds) if n else lower

    return [
        [probability(text[max(0, i - n) : i], text[i]) for i in range(len(text))] for n in range(context + 1)
    ]


def test_every_order_is_that_of_plain_counting():
    read, text = b"the cat sat on the mat; the rat sat on that cat", b"the rat sat on the hat\xff"
    found = np.exp(-witten_bell(as_bytes(read), as_bytes(text), 4))
    assert found == pytest.approx(np.array(counted(read, text, 4)))


def test_probabilities_of_all_bytes_add_up_to_one():
    read = as_bytes(b"abracadabra")
    for before in (b"", b"a", b"ra", b"xr", b"dab"):
        texts = [as_bytes(before + bytes([byte])) for byte in range(256)]
        total = sum(np.exp(-witten_bell(read, text, 3))[-1, -1] for text in texts)
        assert total == pytest.approx(1)


def test_a_run_is_its_bytes_in_order():
    assert runs(as_bytes(b"\x01\x02\x03"), 3).tolist() == [0x010203]
    assert runs(as_bytes(b"\x01"), 2).tolist() == []


@pytest.mark.parametrize("context", [-1, MOST_CONTEXT + 1])
def test_a_context_that_no_number_holds_is_refused(context):
    with pytest.raises(ValueError, match=f"context must be from 0 to 7 for 9 bytes to read, got {context}"):
        witten_bell(as_bytes(b"abcdefghi"), as_bytes(b"a"), context)


def test_a_text_shorter_than_the_context_is_refused():
    with pytest.raises(ValueError, match="from 0 to 2 for 3 bytes to read, got 3"):
        witten_bell(as_bytes(b"abc"), as_bytes(b"a"), 3)
