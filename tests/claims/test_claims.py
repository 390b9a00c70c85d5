"""The claims are complete and found by themselves; objects, chapters and README agree."""

import json
from pathlib import Path

import pytest

import rope_lib.claims
from rope_lib.claims import claims
from rope_lib.claims.claim import HOLDS, REFUTED, VERDICTS, Finding, Findings, place_of
from rope_lib.claims.summary import END, START, summary, with_summary

BY_ID = {claim.id: claim for claim in claims()}


def test_every_claim_is_here_once_and_in_order():
    ids = [claim.id for claim in claims()]
    assert ids == sorted(set(ids), key=place_of)
    assert [name for name in ids if "-" not in name] == [
        *(f"A{number}" for number in range(1, 9)),
        *(f"B{number}" for number in range(1, 11)),
    ]
    # What the theory of paper A predicts of trained models is tested beside the theory.
    assert {name.partition("-")[0] for name in ids if "-" in name} <= set(ids)
    assert {f"A{number}-trained" for number in range(2, 6)} <= set(ids)


@pytest.fixture(scope="module")
def findings():
    """What the check of each claim finds."""
    return {claim: claim.check() for claim in claims()}


def with_values(text, notebook):
    """The text of a notebook with what its cells glued in the places where the page shows it."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        value = output.get("data", {}).get("application/papermill.record/text/plain", "")
        text = text.replace(f"{{glue:text}}`{name}`", "".join(value).strip("'"))
    return text


@pytest.mark.model
@pytest.mark.parametrize("name", BY_ID)
def test_a_chapter_closes_with_the_verdict_of_the_check(name, findings, root):
    claim = BY_ID[name]
    notebook = json.loads((root / "notebooks" / f"{claim.chapter}.ipynb").read_text(encoding="utf-8"))
    closing = with_values("".join(notebook["cells"][-1]["source"]), notebook).partition("## Verdict")[2]
    # The verdict stands in the first row or paragraph that names the claim and a verdict.
    units = closing.replace("*", "").replace("|\n", "|\n\n").split("\n\n")
    flat = [" ".join(unit.split()) for unit in units]
    stated = [max((v for v in VERDICTS if v in unit), key=len, default=None) for unit in flat if name in unit]
    assert next((verdict for verdict in stated if verdict), None) == findings[claim].verdict


@pytest.mark.model
def test_the_readme_holds_the_table_that_the_claims_give(findings, root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert with_summary(readme, summary(findings)) == readme, "run tools/claims_table.py"


def test_a_stale_table_is_seen():
    table = summary({BY_ID["A1"]: Findings({"formula": Finding(HOLDS, "")})})
    assert with_summary(f"{START}\n\n{table}\n\n{END}\n", table) == f"{START}\n\n{table}\n\n{END}\n"
    other = summary({BY_ID["A1"]: Findings({"formula": Finding(REFUTED, "")})})
    assert with_summary(f"{START}\n\n{table}\n\n{END}\n", other) != f"{START}\n\n{table}\n\n{END}\n"


def test_a_text_without_the_marks_is_refused(refuses):
    line = "text must hold the lines <!-- claims --> and <!-- end of claims -->, in this order"
    for text in ("nothing", f"{END} {START}", START):
        refuses(lambda text=text: with_summary(text, "table"), line)


@pytest.mark.slow
def test_a_claim_needs_what_it_says(monkeypatch):
    """Without the packaged model, and without kept results, those claims fail that say they need them."""

    def missing(*_arguments, **_options):
        raise FileNotFoundError("it is not here")

    monkeypatch.setattr("rope_lib.measure.load.packaged_model", missing)
    monkeypatch.setattr("rope_lib.measure.rounded.reference_rounding", missing)
    monkeypatch.setattr("rope_lib.findings.kept.RESULTS", Path("nowhere"))
    failed = set()
    for claim in claims():
        for name, row in claim.rows.items():
            try:
                row.measure()
            except FileNotFoundError:
                failed.add((claim.id, name))
    assert failed == {(claim.id, name) for claim in claims() for name, row in claim.rows.items() if row.needs}


def test_a_module_with_claims_is_found_by_itself(tmp_path, monkeypatch):
    source = (
        "from rope_lib.claims.claim import HOLDS, Claim, Finding, Row\n"
        "ROW = Row(measure=dict, judge=lambda numbers: Finding(HOLDS, ''), refuted_by={})\n"
        "CLAIMS = (Claim(id='B11', statement='', place='', standing='stated', chapter='', in_short='',\n"
        "                formula=ROW),)\n"
    )
    (tmp_path / "b11_new.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr("rope_lib.claims.__path__", [*rope_lib.claims.__path__, str(tmp_path)])
    assert [claim.id for claim in claims()][-1] == "B11"


def test_a_finding_has_one_of_the_four_verdicts():
    with pytest.raises(ValueError, match=r"verdict must be one of holds, .*, got 'proved'"):
        Finding("proved", "")
