"""Where models break on several texts, for losses that are known."""

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import breaks_by_text as by_text
from rope_lib.findings.break_rules import DECLARED

MODEL, SIZE, BINS = "byte RoPE", 32, 32


def losses_of(at, text, intervention="unchanged", inside=2.0):
    """Losses of 1,024 bytes that rise at a bin, or not where it is None."""
    nll = np.full(BINS, inside)
    if at is not None:
        nll[at:] += 1
    first = SIZE * np.arange(BINS)
    return pd.DataFrame(
        {"model": MODEL, "text": text, "intervention": intervention, "first": first, "nll": nll}
    )


def test_the_break_is_the_median_over_texts_and_no_break_the_latest():
    parts = [losses_of(at, text) for text, at in zip("abcd", (10, 16, 12, None), strict=True)]
    ((name, unit),) = by_text.units(pd.concat(parts), epsilon=0.95, readable=0.25)
    assert (name, unit["seeds"]) == (MODEL, 4)
    assert (unit["low"], unit["high"]) == (11 * SIZE, 12 * SIZE)
    assert (unit["earliest"], unit["latest"]) == (10 * SIZE, np.inf)
    assert (unit["shortest"], unit["longest"]) == (SIZE, 1_024)
    assert unit["seen angles"] == 256


def test_a_rise_in_the_last_bins_is_too_little_evidence():
    assert by_text.break_on_text(losses_of(BINS - 4, "a"), 256) == SIZE * (BINS - 4)
    assert by_text.break_on_text(losses_of(BINS - 3, "a"), 256) == np.inf
    assert by_text.break_on_text(losses_of(8, "a"), 256) == 256
    assert by_text.break_on_text(losses_of(None, "a"), 1_000_000) == np.inf


def test_only_retrofits_that_the_weights_can_read_are_units():
    parts = [losses_of(8, "a"), losses_of(16, "a", "yarn_2", 2.2), losses_of(16, "a", "linear_2", 2.3)]
    found = dict(by_text.units(pd.concat(parts), epsilon=0.95, readable=0.25))
    assert list(found) == [MODEL, f"{MODEL}, yarn ×2"]
    assert (found[f"{MODEL}, yarn ×2"][DECLARED], found[f"{MODEL}, yarn ×2"]["high"]) == (512, 512)


def test_a_retrofit_stretches_the_slowest_pair():
    subject = by_text.SUBJECTS[MODEL]
    for name in by_text.RETROFITS:
        inv_freq, _ = by_text.retrofit(name, 2, subject)
        assert inv_freq[-1] == pytest.approx(subject.inv_freq[-1] / 2)
    with pytest.raises(ValueError, match="must rotate by plain RoPE"):
        by_text.retrofit("yarn", 2, by_text.SUBJECTS["byte RoPE-ID"])
