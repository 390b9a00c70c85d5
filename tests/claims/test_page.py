"""The page of claims: every claim has its line, its fold and its history, and nothing is left unescaped."""

import re

from rope_lib.claims import claims
from rope_lib.claims.claim import CAVEAT, HOLDS, REFUTED, Claim, Earlier, Finding, Findings, Row
from rope_lib.claims.page import anchor, evidence, glance

ROW = Row(measure=dict, judge=lambda numbers: Finding(HOLDS, ""), refuted_by={})
CLAIM = Claim(
    id="A9",
    statement="a < b & c",
    place="<script>",
    standing="stated",
    chapter="02_aliasing",
    in_short="short",
    formula=ROW,
    practice=ROW,
    history=(
        Earlier(until="2026-11-25", rule="Old.", why="Too lax.", row="formula", judge=lambda _: CAVEAT),
    ),
)
FOUND = {CLAIM: Findings({"formula": Finding(HOLDS, "one"), "practice": Finding(REFUTED, "two")}, (CAVEAT,))}


def test_every_claim_has_a_line_and_a_fold_that_belong_together():
    found = {
        claim: Findings({name: Finding(HOLDS, "") for name in claim.rows})
        for claim in claims()
        if not claim.history
    }
    links = re.findall(r'href="#([^"]+)"', glance(found))
    assert links == [anchor(claim) for claim in found]
    assert re.findall(r'<p id="([^"]+)"', evidence(found)) == links


def test_the_fold_tells_rows_place_and_history():
    page = evidence(FOUND)
    assert "formula: holds" in page
    assert "practice: does not hold as stated" in page
    assert 'href="02_aliasing.html">chapter 2</a>' in page
    assert (
        "Until 2026-11-25: Old. On today's data this rule gives <strong>holds with a caveat</strong>" in page
    )
    assert "Why it was changed: Too lax." in page


def test_texts_are_escaped():
    for page in (glance(FOUND), evidence(FOUND)):
        assert "<script>" not in page
        assert "a &lt; b &amp; c" in page
