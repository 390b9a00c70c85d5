"""What the calculator shows of a model that has several kinds of layers, before a reader chooses one."""

import pytest

from rope_lib.models import atlas, judge

pytest_plugins = ["calculator_page"]


@pytest.mark.slow
def test_a_model_opens_on_the_layers_that_decide_its_verdict(page):
    """A table of nothing but "yes" below a verdict that is not stable would puzzle a reader."""
    for model in atlas():
        if len(model.rotaries) > 1:
            page.go(f"model={model.name}")
            verdict = judge(model)
            deciding = int(page.values()["rotary"])
            assert verdict.rotaries[deciding].verdict == verdict.verdict == page.verdict()
            broken = page.run("return document.querySelectorAll('#calc-rows .broken').length")
            assert broken > 0 or verdict.verdict == "stable", model.name


def test_another_kind_of_layers_stays_chosen_in_the_address(page):
    page.go("model=Gemma 3 27B")
    other = "1" if page.values()["rotary"] == "0" else "0"
    page.choose("rotary", other)
    assert page.query()["rotary"] == other
    assert page.go(f"model=Gemma 3 27B&rotary={other}").values()["rotary"] == other
