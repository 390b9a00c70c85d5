"""What a report says of a break and of the fixes, for losses that are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_tables import losses_of

from rope_lib import report


@pytest.fixture
def found():
    """A model that breaks at 32 tokens, and three fixes."""
    past = {"mended": 1.9, "better": 3.0, "worse": 6.0}
    fixes = {label: losses_of(np.repeat([2.0, nll], 4), 8) for label, nll in past.items()}
    found = SimpleNamespace(
        losses=losses_of(np.repeat([2.0, 5.0], 4), 8),
        fixes=fixes,
        declared=32,
        break_point=32,
        band=(2.0, 2.0),
    )
    found.broken = (found,)
    return found


def test_the_effect_of_a_fix_is_said_by_the_loss_past_the_break(found):
    said = report.text.remedies(found).data.splitlines()[3:]
    assert [line.split(" | ")[-1].removesuffix(" |") for line in said] == [
        "restores the loss",
        "lowers the loss, not back into its band",
        "does not help",
    ]


def test_without_a_break_or_a_fix_that_applies_the_report_says_so(found):
    found.fixes, found.untried = {}, "model must rotate by one spectrum"
    assert (
        report.text.remedies(found).data == "None of the three was tried: model must rotate by one spectrum."
    )
    found.broken, found.longest = (), 64
    assert report.text.remedies(found).data == "Within 64 tokens nothing needs fixing."


def test_of_two_texts_the_losses_are_ranges_and_the_effects_counted(found):
    other = SimpleNamespace(**vars(found))
    other.fixes = found.fixes | {"mended": losses_of(np.repeat([2.0, 2.9], 4), 8)}
    other.break_point = 40
    found.broken = (found, other)
    heading, _, unchanged, mended, *_ = report.text.remedies(found).data.splitlines()
    assert "loss from 32 to 40 on" in heading
    assert "5.00 (5.00 to 5.00)" in unchanged
    assert "2.40 (1.90 to 2.90)" in mended
    assert "restores the loss (1 text); lowers the loss, not back into its band (1 text)" in mended
