"""What programs make of a model, in a table and in the numbers of the chapter."""

import pandas as pd

from rope_lib.findings.misread import binned, facts, outcomes


def record(loader, outcome, worst=None, first=None):
    phase = None if worst is None else {"worst": worst, "first_beyond_pi": first}
    return {"loader": loader, "outcome": outcome, "worst": worst, "groups": [{"phase": phase}]}


RECORDS = {
    "one": [
        record("transformers-4", "different", 50.0, 30),
        record("transformers-5", "same", 0.0),
        record("vllm", "not_known"),
    ],
    "two": [
        record("transformers-4", "different", 900.0, 20),
        record("transformers-5", "same", 0.0),
        record("vllm", "different", 7.0, 90),
    ],
}


def test_every_reading_is_a_row():
    table = outcomes(RECORDS)
    assert len(table) == 6
    first = table[table.loader == "transformers-4"].first_beyond_pi.tolist()
    assert first == [30, 20]
    assert table[table.loader == "vllm"].worst.isna().tolist() == [True, False]


def test_losses_are_means_of_equal_bins():
    losses = pd.DataFrame(
        {"reading": ["a"] * 4 + ["b"] * 4, "position": [*range(4)] * 2, "nll": [1.0, 2, 3, 4, 2, 3, 5, 6]}
    )
    table = binned(losses, 2)
    assert table.to_dict("list") == {"end": [1, 3], "a": [1.5, 3.5], "b": [2.5, 5.5]}
    found = facts(outcomes(RECORDS), table, "a", "b")
    assert (found["misread-excess-near"], found["misread-excess-far"]) == ("1.00", "2.00")
    assert (found["misread-first"], found["misread-last"]) == ("20", "30")
    assert (found["misread-models"], found["misread-lost"], found["misread-others"]) == ("2", "2", "1")
