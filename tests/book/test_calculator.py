"""The calculator's page in a real browser: its fields, its address and its results do what they say."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, quote

import numpy as np
import pytest
from calculator_answers import CLOSE, assert_same, judged

from rope_lib.models import atlas, judge
from rope_lib.models.record import record
from rope_lib.theory.bounds import SIGNIFICAND_BITS, max_context
from rope_lib.theory.rivals import men_first_negative

pytest_plugins = ["calculator_page"]

DTYPES = tuple(SIGNIFICAND_BITS)


@pytest.fixture
def fresh(page):
    """The page, not opened yet, with an empty log; afterwards, the browser must have had no complaint."""
    page.driver.get_log("browser")
    yield page
    assert page.driver.get_log("browser") == []


# The data


def test_the_data_is_the_atlas_and_always_the_same_text(calculator_data, folder, root):
    text = (folder / "atlas.js").read_text(encoding="utf-8")
    assert text == calculator_data.atlas_script(atlas())
    models = text.removeprefix("globalThis.ropeAtlas = {models: ").split(",\ncases: ")[0]
    rows = json.loads(models)
    assert [row["name"] for row in rows] == [model.name for model in atlas()]
    assert {row["confidence"] for row in rows} <= {"read", "memory"}
    assert str(root) not in text


def test_a_number_that_json_cannot_hold_is_refused(calculator_data):
    model = replace(row("Llama 3.1 8B"), num_layers=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        calculator_data.atlas_script([model])


def test_the_page_names_every_script_that_there_is(calculator_data, root):
    there = {path.name for path in (root / "book" / "_static" / "calculator").glob("*.js")}
    assert set(calculator_data.SCRIPTS) == there | {"atlas.js"}


# The page


def row(name):
    return next(model for model in atlas() if model.name == name)


def test_opens_with_a_model_and_its_verdict(fresh):
    values = fresh.open().values()
    model = row(values["model"])
    found = judged(model, model.declared_context)
    [rotary] = found["rotaries"]
    assert fresh.verdict() == found["verdict"]
    bounds = fresh.bounds()
    assert bounds["aliasing"][0] == pytest.approx(rotary["bounds"]["aliasing"], rel=CLOSE)
    assert bounds["DC stability"][0] == pytest.approx(rotary["bounds"]["stability"], rel=CLOSE)
    layers = len(rotary["layers"])
    longest = max_context(rotary["effective_base"], layers=layers)
    expected = [rotary["bounds"]["depth"], longest]
    assert bounds[f"depth, {layers} layers"] == pytest.approx(expected, rel=CLOSE)
    assert bounds["precision, float32"] == [2.0**23, None]
    assert fresh.men() > 0
    pairs = fresh.driver.find_elements("css selector", "#calc-spectrum circle.pair:not(.unscaled)")
    assert len(pairs) == len(rotary["inv_freq"])


def test_a_verdict_stands_beside_its_record_and_the_angles_seen(fresh):
    model = row("Llama 3.1 8B")
    for query, options in {
        "": {},
        "&epsilon=0.5&dtype=float64": {"epsilon": 0.5, "dtype": "float64"},
    }.items():
        summary = record(judge(model, **options))["summary"]
        lines = fresh.open(f"model={quote(model.name)}{query}").element("verdict").text.splitlines()
        assert summary["opinion"][-1] in lines
        assert summary["known"][1] in lines


def test_the_original_training_is_what_the_fields_tell(fresh):
    """Typed, of the weights whose rotation was changed, or unknown."""
    told = (
        "return calculatorState.evaluate(calculatorState.fromQuery(location.search).values)"
        ".verdict.training.shown"
    )
    llama = f"model={quote('Llama 2 7B')}"
    assert fresh.open(f"{llama}&scaling=linear&factor=4").run(told)["length"] == 4096
    assert "18 of 64" not in fresh.element("verdict").text
    typed = fresh.open(f"{llama}&scaling=yarn&factor=4&original=2048").run(told)
    assert (typed["length"], typed["source"]) == (2048, "typed")
    assert fresh.open(f"{llama}&head_dim=64").run(told) is None
    assert fresh.open("base=10000&context=4096").run(told) is None
    assert "nothing states its length" in fresh.element("verdict").text


def test_own_numbers_typed_field_by_field(fresh):
    fresh.open("base=10000")
    for name, text in {"base": "500,000", "context": "8192", "layers": "32", "head_dim": "128"}.items():
        fresh.type(name, text)
    assert fresh.verdict() == "stable"
    assert fresh.men() is None  # none within twice the context
    fresh.type("context", "131072")
    assert fresh.verdict() == "unstable_at_depth"
    assert fresh.men() == men_first_negative(500_000, 128)
    fresh.choose("scaling", "yarn")
    fresh.type("factor", "8")
    fresh.type("original", "8192")
    assert fresh.verdict() == "stable"
    assert "Without the retrofit: unstable_at_depth" in fresh.element("verdict").text
    fresh.choose("dtype", "bfloat16")
    assert fresh.verdict() == "infeasible"
    fresh.choose("dtype", "float64")
    fresh.type("epsilon", "0.99")
    assert fresh.verdict() == "unstable_at_depth"
    assert fresh.query() == {
        "base": "500,000", "context": "131072", "layers": "32", "head_dim": "128", "scaling": "yarn",
        "factor": "8", "original": "8192", "epsilon": "0.99", "dtype": "float64",
    }  # fmt: skip


def test_the_address_holds_everything(fresh):
    queries = [
        "context=9000&base=20000&layers=40&head_dim=96&scaling=llama3&factor=4&original=4096&epsilon=0.9&dtype=float64",
        f"model={quote(row('Gemma 3 27B').name)}&rotary=0&epsilon=0.5",
        f"model={quote(row('Llama 3.1 8B').name)}&context=9000&factor=16",
        f"model={quote(row('Llama 3.1 8B').name)}&scaling=ntk&factor=2",
    ]
    for query in queries:
        values, text = fresh.open(query).values(), fresh.element("verdict").text
        assert fresh.verdict() is not None
        asked = {key: value for key, [value] in parse_qs(query).items()}
        assert {key: values[key] for key in asked} == asked
        again = fresh.run("return calculatorState.toQuery(calculatorState.fromQuery(location.search).values)")
        assert parse_qs(again) == parse_qs(query)
        fresh.open(again)
        assert fresh.values() == values
        assert fresh.element("verdict").text == text


def test_back_and_forward_go_from_change_to_change(fresh):
    fresh.open("base=10000&context=4096")
    fresh.type("base", "20000")
    fresh.type("context", "2048")
    fresh.choose("dtype", "float64")
    seen = []
    for _ in range(3):
        fresh.driver.back()
        seen.append((fresh.values()["base"], fresh.values()["context"], fresh.values()["dtype"]))
    assert seen == [("20000", "2048", "float32"), ("20000", "4096", "float32"), ("10000", "4096", "float32")]
    fresh.driver.forward()
    assert fresh.values()["base"] == fresh.query()["base"] == "20000"


@pytest.mark.parametrize(
    ("field", "text", "line"),
    [
        ("base", "0", "base must be a finite number > 1, got 0"),
        ("base", "", "base must be a finite number > 1, got nothing"),
        ("base", "1e400", "base must be a finite number > 1, got 1e400"),
        ("context", "-1", "context must be a finite number > 0, got -1"),
        ("context", "128k", "context must be a finite number > 0, got 128k: write 128000 or 131072"),
        ("context", "8.192", "context must be a finite number > 0, got 8.192: write 8192"),
        ("base", "1M", "base must be a finite number > 1, got 1M: write 1000000 or 1048576"),
        ("epsilon", "0,95", "epsilon must be a number in (0, 1), got 0,95: write 0.95"),
        ("layers", "2.5", "layers must be a whole number from 1 to 10,000, got 2.5"),
        ("layers", "1000000000", "layers must be a whole number from 1 to 10,000, got 1000000000"),
        ("head_dim", "127", "head_dim must be an even number from 2 to 1,024, got 127"),
        ("epsilon", "1", "epsilon must be a number in (0, 1), got 1"),
        ("epsilon", "NaN", "epsilon must be a number in (0, 1), got NaN"),
        ("factor", "0.5", "factor must be a finite number of at least 1, got 0.5"),
        ("factor", "1e37", "factor must be between 1e-36 and 1e36, got 1e+37"),
        ("original", "1", "original_max_position_embeddings must be a finite number > 1, got 1"),
    ],
)
def test_bad_input_has_one_line_beside_its_field_and_no_result(fresh, field, text, line):
    fresh.go("base=10000&scaling=yarn&factor=4&original=4096")
    assert fresh.verdict() is not None
    fresh.type(field, text)
    assert fresh.errors() == [line]
    assert fresh.element(f"{field}-error").text == line
    assert fresh.element(field).get_attribute("aria-invalid") == "true"
    assert fresh.verdict() is None
    assert not fresh.element("results").is_displayed()
    fresh.type(field, {"layers": "4", "head_dim": "64", "epsilon": "0.5"}.get(field, "5000"))
    assert fresh.errors() == []
    assert fresh.verdict() is not None


TYPED = "default, linear, ntk, dynamic, yarn, llama3"  # the retrofits that need no model of the atlas


def test_bad_input_is_in_the_address_too(fresh):
    fresh.open("base=10000")
    fresh.type("base", "x")
    fresh.driver.refresh()
    assert fresh.errors() == ["base must be a finite number > 1, got x"]
    assert fresh.values()["base"] == fresh.query()["base"] == "x"


@pytest.mark.parametrize(
    ("query", "line", "has_result"),
    [
        ("base=10000&bse=5", "The address has an unknown parameter, bse: it is ignored.", True),
        ("base=10000&base=5", "The address must give base once, got 10000 and 5.", False),
        ("dtype=float8", "dtype must be one of bfloat16, float16, float32, float64, got float8.", False),
        ("scaling=magic", f"scaling must be one of {TYPED}, got magic.", False),
        ("scaling=longrope", f"scaling must be one of {TYPED}, got longrope.", False),
        ("rotary=3", "rotary must be one of 0, got 3.", False),
        ("scaling=linear", "factor must be a finite number of at least 1, got nothing", False),
        ("base=%3Cb%3E", "base must be a finite number > 1, got <b>", False),
        ("head_dim=2&scaling=ntk&factor=2", "dim must be an even number from 4 to 2^53, got 2", False),
        ("base=1e307&scaling=ntk&factor=1e36",
         "base must be small enough for a result below 1.8e308, got 1e+307", False),
    ],
)  # fmt: skip
def test_a_bad_address_has_one_line(fresh, query, line, has_result):
    fresh.go(query)
    assert fresh.errors() == [line]
    assert (fresh.verdict() is not None) == has_result
    if "must be one of" in line:
        fresh.type("context", "5000")
        assert fresh.errors() == []
        assert fresh.verdict() is not None


def test_an_unknown_model_has_one_line(fresh):
    fresh.go("model=HAL%209000")
    assert fresh.errors() == [f"model must be one of the {len(atlas())} of the atlas, got HAL 9000"]
    assert fresh.verdict() is None


def test_a_model_is_found_by_a_part_of_its_name_with_the_keyboard(fresh):
    field = fresh.open().element("model")
    fresh.type("model", "gemma 3 27")
    options = fresh.driver.find_elements("css selector", "#calc-models li")
    assert options[0].text.startswith("Gemma 3 27B")
    assert field.get_attribute("aria-expanded") == "true"
    field.send_keys("\ue015")  # arrow down
    assert field.get_attribute("aria-activedescendant") == options[0].get_attribute("id")
    field.send_keys("\ue007")  # enter
    assert fresh.values()["model"] == fresh.query()["model"] == "Gemma 3 27B"
    assert field.get_attribute("aria-expanded") == "false"
    assert fresh.verdict() == judge(row("Gemma 3 27B")).verdict


def test_a_click_takes_a_model_and_escape_takes_none(fresh):
    fresh.open().element("model").click()
    options = fresh.driver.find_elements("css selector", "#calc-models li")
    assert len(options) == len(atlas()) + 1
    fresh.type("model", "xyzzy")
    fresh.element("model").send_keys("\ue00c")  # escape: with nothing offered, the text stays
    fresh.type("model", "mistral")
    fresh.element("model").send_keys("\ue00c")
    assert fresh.values()["model"] != "mistral"
    fresh.type("model", "own numb")
    fresh.driver.find_element("css selector", "#calc-models li").click()
    assert "model" not in fresh.query()
    assert fresh.verdict() is not None


def test_a_name_that_is_no_models_is_refused_when_the_field_is_left(fresh):
    fresh.open().type("model", "xyzzy")
    fresh.element("model").send_keys("\ue004")  # tab
    assert fresh.errors() == [f"model must be one of the {len(atlas())} of the atlas, got xyzzy"]
    assert fresh.verdict() is None


def test_each_kind_of_layers_and_the_models_verdict_of_the_worst(fresh):
    model = row("Gemma 3 27B")
    expected = judge(model)
    fresh.open(f"model={quote(model.name)}")
    for index, rotary in enumerate(expected.rotaries):
        fresh.choose("rotary", str(index))
        assert fresh.verdict() == expected.verdict
        assert float(fresh.values()["base"]) == rotary.rotary.base
        assert fresh.bounds()["aliasing"][0] == pytest.approx(float(rotary.bounds["aliasing"]), rel=CLOSE)
        assert f"{rotary.rotary.kind} layers {rotary.verdict}" in fresh.element("verdict").text


def test_every_model_of_the_atlas_can_be_shown(fresh):
    """Any fault of the page would be in the console's log."""
    found = fresh.open().run(
        """return calculatorState.models.map((model) => {
             history.replaceState(null, "", "?model=" + encodeURIComponent(model.name));
             dispatchEvent(new PopStateEvent("popstate"));
             return [model.name, document.querySelector("#calc-verdict .calc-word")?.textContent ?? null,
               /NaN|undefined|Infinity|null/.test(document.getElementById("calc-page").innerHTML),
               document.getElementById("calc-source").textContent.includes("from memory")];
           })"""
    )
    for model, [name, verdict, is_broken, is_marked] in zip(atlas(), found, strict=True):
        assert name == model.name
        assert not is_broken, name
        assert verdict == (judge(model).verdict if model.declared_context else None), name
        assert is_marked == (model.confidence == "memory"), name


def test_a_changed_model_is_no_longer_called_by_its_name(fresh):
    fresh.open(f"model={quote('Llama 3.1 8B')}")
    fresh.type("base", "10000")
    assert "no longer this model: base" in fresh.element("source").text
    assert fresh.query() == {"model": "Llama 3.1 8B", "base": "10000"}
    copied = copied_by(fresh, "copy-json")
    assert json.loads(copied)["model"] == "Llama 3.1 8B, with another base"


def copied_by(page, button):
    """What a click on a button gives to the clipboard, which a browser without a window may not have."""
    page.run("Object.defineProperty(navigator, 'clipboard', {configurable: true, value: "
             "{writeText: async (text) => { globalThis.copied = text; }}})")  # fmt: skip
    page.element(button).click()
    page.wait("document.getElementById('calc-copied').textContent.endsWith('copied.')")
    return page.run("return copied")


def test_the_verdict_is_copied_as_the_commands_json(fresh):
    model = row("Llama 3.1 8B")
    copied = copied_by(fresh.open(f"model={quote(model.name)}"), "copy-json")
    assert_same(json.loads(copied), judged(model, 131_072))


def test_the_link_is_copied_and_leads_back(fresh):
    link = copied_by(fresh.open("base=77777"), "copy-link")
    fresh.driver.get(link)
    assert fresh.values()["base"] == "77777"


def test_extreme_input_never_shows_what_is_no_number(fresh):
    extremes = {
        "base": ["1.0000001", "1e12", "1e308"], "context": ["1e-300", "0.5", "1", "1e300"],
        "layers": ["1", "10000"], "head_dim": ["2", "1024"], "epsilon": ["1e-300", "0.9999999999999999"],
        "factor": ["1", "1e36"], "original": ["1.0000001", "1e36"],
    }  # fmt: skip
    random = np.random.default_rng(7)
    fresh.open()
    for _ in range(40):
        chosen = {name: str(random.choice(values)) for name, values in extremes.items()}
        chosen |= {"scaling": str(random.choice(["default", "linear", "ntk", "dynamic", "yarn", "llama3"]))}
        chosen |= {"dtype": str(random.choice(DTYPES))}
        if chosen["scaling"] == "default":
            del chosen["factor"], chosen["original"]
        fresh.go("&".join(f"{name}={value}" for name, value in chosen.items()))
        assert (fresh.verdict() is None) == bool(fresh.errors()), chosen
        shown = fresh.run("return document.getElementById('calc-page').innerHTML")
        assert not [word for word in ("NaN", "undefined", "Infinity", ">null") if word in shown], chosen


def test_nothing_is_asked_of_the_network(fresh):
    fresh.driver.get_log("performance")  # empties it
    fresh.open("base=10000")
    fresh.type("base", "20000")
    fresh.men()
    messages = [json.loads(entry["message"])["message"] for entry in fresh.driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith("/rope.js") for url in asked)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert [url for url in fresh.run("return performance.getEntriesByType('resource').map((e) => e.name)")
            if not url.startswith(("file:", "data:"))] == []  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fits_a_phone_and_its_text_can_be_read(fresh, theme):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    fresh.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        fresh.open(f"model={quote('Gemma 3 27B')}")
        fresh.run("document.documentElement.dataset.theme = arguments[0]", theme)
        assert fresh.run("return document.documentElement.scrollWidth") <= 390
        outside = fresh.run(
            """return [...document.querySelectorAll("#calc-page svg text")].filter((text) => {
                 const box = text.getBoundingClientRect();
                 const frame = text.ownerSVGElement.getBoundingClientRect();
                 return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1;
               }).map((text) => text.textContent)"""
        )
        assert outside == []
        names = {name.text for name in fresh.driver.find_elements("css selector", "#calc-zone .label")}
        assert {"aliasing", "DC stability", "precision wall, float32"} <= names
    finally:
        fresh.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_field_has_a_label_and_results_are_announced(fresh):
    unnamed = fresh.open().run(
        "return [...document.querySelectorAll('#calc-page input, #calc-page select')]"
        ".filter((field) => field.labels.length !== 1).map((field) => field.id)"
    )
    assert unnamed == []
    assert fresh.element("verdict").get_attribute("aria-live") == "polite"
    figures = fresh.driver.find_elements("css selector", "#calc-page svg")
    assert len(figures) == 2
    assert all(len(figure.get_attribute("aria-label")) > 40 for figure in figures)
