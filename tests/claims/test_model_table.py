"""Which claims about heads hold in which models, and on which texts."""

import numpy as np
from small_tables import small_geometry

from rope_lib.claims import claims
from rope_lib.claims.claim import NOT_TESTABLE, REFUTED
from rope_lib.claims.model_table import RULES, model_verdicts, text_verdicts
from rope_lib.findings.by_text import cluster_parts


def test_every_rule_is_that_of_a_claim():
    assert set(RULES) <= {claim.id for claim in claims()}


def test_numbers_that_refute_a_claim_refute_it_in_their_model():
    measured = {claim.id: claim.consequence.refuted_by for claim in claims() if claim.id in RULES}
    assert model_verdicts(measured) == {name: {"SmolLM2-135M": REFUTED} for name in measured}


def test_a_text_alone_is_judged_by_the_rule_of_one_model():
    tables = small_geometry(np.random.default_rng(0), ("SmolLM2-135M", "byte RoPE"))
    found = text_verdicts(tables)
    assert list(found.columns) == ["one", "two"]
    parts = cluster_parts(tables).loc[("byte RoPE", "two")].to_dict()
    assert found.loc[("B1", "byte RoPE"), "two"] == RULES["B1"](parts)
    assert found.loc[("B3", "SmolLM2-135M"), "one"] == NOT_TESTABLE  # no input beyond its declared length
    assert set(found.index.unique("claim")) == set(RULES)
