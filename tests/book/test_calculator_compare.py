"""Two models side by side on the calculator's page: the library's comparison, in a real browser."""

from random import Random

import pytest
from calculator_answers import CLOSE

from rope_lib.models import atlas
from rope_lib.models.compare import compare
from rope_lib.theory.comparison import phase_difference

pytest_plugins = ["calculator_page"]

NAMES = [model.name for model in atlas()]


def pairs(number, seed=0):
    draw = Random(seed)
    models = [model for model in atlas() if model.rotaries]
    return [
        (draw.choice(models), draw.choice(models), draw.choice([2048, 8192, 131_072])) for _ in range(number)
    ]


def compared(page, pairs):
    script = """return arguments[0].map(([a, b, context]) =>
        ropeCompare.compare(ropeAtlas.models[a], ropeAtlas.models[b], context))"""
    places = [(NAMES.index(a.name), NAMES.index(b.name), context) for a, b, context in pairs]
    return page.run(script, places)


def test_drawn_pairs_are_compared_as_the_library_does(page):
    drawn = pairs(150) + [(model, model, 4096) for model, _, _ in pairs(20, seed=1)]
    for (a, b, context), found in zip(drawn, compared(page, drawn), strict=True):
        expected = compare(a, b, context)
        where = f"{a.name} and {b.name} at {context}"
        assert found["same"] == expected.is_same, where
        assert len(found["groups"]) == len(expected.groups), where
        for group, other in zip(found["groups"], expected.groups, strict=True):
            assert group["layers"] == list(other.layers), where
            assert (group["a"], group["b"], group["only_in"]) == (other.a, other.b, other.only_in), where
            assert group["same"] == other.is_same, where
            assert (group["phase"] is None) == (other.phase is None), where
            if other.phase is not None:
                assert group["phase"]["worst"] == pytest.approx(other.phase.worst, rel=CLOSE, abs=1e-12), (
                    where
                )
                for name in ("first_beyond_tenth", "first_beyond_pi"):
                    near = getattr(other.phase, name)
                    assert group["phase"][name] == (near and pytest.approx(near, rel=CLOSE, abs=1)), where


def test_a_phase_difference_is_the_librarys(page):
    one, other = [1.0, 0.1, 0.0, 0.25], [0.5, 0.1, 0.125, 0.25]
    found = page.run("return ropeCompare.phaseDifference(...arguments)", one, other, 100)
    expected = phase_difference(one, other, 100)
    assert found == {name: getattr(expected, name) for name in found}
    assert page.run("return ropeCompare.phaseDifference([1], [1], 9).first_beyond_pi") is None


def test_another_model_is_set_beside_and_stands_in_the_address(page):
    page.open("model=Llama+3.1+8B")
    assert page.run("return document.getElementById('calc-compared').hidden")
    page.type("beside", "Llama 3 8B\n")
    assert page.run("return document.getElementById('calc-compared-word').textContent") == "another rotation"
    assert page.query()["beside"] == "Llama 3 8B"
    rows = page.run(
        "return [...document.querySelectorAll('#calc-compared-rows tr')].map(row => row.textContent)"
    )
    assert len(rows) == 1
    assert "frequencies" in rows[0]
    page.open("model=Llama+3.1+8B&beside=Llama+3.1+70B")
    cells = page.run(
        "return [...document.querySelectorAll('#calc-compared-rows th')].map(cell => cell.textContent)"
    )
    assert cells == ["0–31", "32–79"]


def test_a_model_beside_itself_is_the_same_until_its_base_is_changed(page):
    page.open("model=Llama+3.1+8B&beside=Llama+3.1+8B")
    assert page.run("return document.getElementById('calc-compared-word').textContent") == "the same rotation"
    page.type("base", "10000")
    assert page.run("return document.getElementById('calc-compared-word').textContent") == "another rotation"


def test_a_name_that_no_model_has_is_refused_in_a_line(page):
    page.open("model=Llama+3.1+8B&beside=Nobody")
    assert page.errors() == [f"beside must be one of the {len(NAMES)} of the atlas, got Nobody"]
