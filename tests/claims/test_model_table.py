"""Which claims about heads hold in which models."""

from rope_lib.claims import claims
from rope_lib.claims.claim import REFUTED
from rope_lib.claims.model_table import RULES, model_verdicts


def test_every_rule_is_that_of_a_claim():
    assert set(RULES) <= {claim.id for claim in claims()}


def test_numbers_that_refute_a_claim_refute_it_in_their_model():
    measured = {claim.id: claim.consequence.refuted_by for claim in claims() if claim.id in RULES}
    assert model_verdicts(measured) == {name: {"SmolLM2-135M": REFUTED} for name in measured}
