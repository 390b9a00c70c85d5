"""The fragment that the calculator's page writes rotates as its fields say, read by the library."""

import json

import numpy as np
import pytest
from calculator_answers import CLOSE

from rope_lib.models import atlas, read_model

pytest_plugins = ["calculator_page"]


def shown(page):
    """What the page's fields come to: the model and the first spectrum."""
    found = page.run("return calculatorState.evaluate(calculatorState.fromQuery(location.search).values)")
    return found["model"], found["shown"], found["verdict"]["context"]


def reading(fragment, shown, layers):
    """The spectrum that the library reads from a config with this fragment."""
    config = {"num_hidden_layers": layers, "head_dim": shown["head_dim"], **fragment}
    return read_model(config).rotaries[0]


PLAIN = [
    model.name
    for model in atlas()
    if len(model.rotaries) == 1
    and model.rotaries[0].window is None
    and model.rotaries[0].rotary_dim == model.rotaries[0].head_dim
]


def test_a_fragment_says_the_rotation_of_every_plain_model_of_the_atlas(page):
    script = """return ropeAtlas.models.filter((model) => arguments[0].includes(model.name)).map((model) =>
        [model.name, ropeFragment.fragment(model, model.declared_context ?? 4096)])"""
    written = dict(page.run(script, PLAIN))
    assert written.keys() == set(PLAIN)
    models = {model.name: model for model in atlas()}
    said = {name: fragment for name, fragment in written.items() if fragment is not None}
    assert len(said) > len(PLAIN) // 2
    for name, fragment in said.items():
        rotary, context = models[name].rotaries[0], models[name].declared_context or 4096
        config = {"num_hidden_layers": len(rotary.layers), "head_dim": rotary.head_dim, **fragment}
        again = read_model(config).rotaries[0]
        for one, other in zip(again.spectrum(context), rotary.spectrum(context), strict=True):
            np.testing.assert_allclose(one, other, rtol=CLOSE, err_msg=name)


@pytest.mark.parametrize("scaling", ["linear", "ntk", "dynamic", "yarn", "llama3"])
def test_a_chosen_retrofit_is_written_from_the_original_length(page, scaling):
    page.open("model=Llama+3+8B&context=65536")
    page.choose("scaling", scaling)
    page.type("factor", "8")
    _, spectrum, context = shown(page)
    fragment = json.loads(page.element("fragment").text)
    rotary = reading(fragment, spectrum, 32)
    inv_freq, attention_factor = rotary.spectrum(context)
    np.testing.assert_allclose(inv_freq, spectrum["inv_freq"], rtol=CLOSE)
    assert attention_factor == pytest.approx(spectrum["attention_factor"], rel=CLOSE)
    assert f"--context 65536 --method {scaling}" in page.element("fragment-note").text


def test_a_model_with_two_spectra_is_left_to_the_command(page):
    page.open("model=Gemma+3+27B")
    assert "does not say all" in page.element("fragment").text
    assert not page.element("copy-fragment").is_enabled()
    assert 'rope-lib extend "atlas:Gemma 3 27B"' in page.element("fragment-note").text


def test_own_numbers_have_a_fragment_and_no_model_to_name(page):
    page.open("context=8192&base=500000&layers=32&head_dim=128&scaling=default")
    fragment = json.loads(page.element("fragment").text)
    assert fragment == {
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500_000},
    }
    assert "atlas:" not in page.element("fragment-note").text
