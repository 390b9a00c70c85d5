"""Explorables as a reader uses them, and what the build makes of their directive."""

import json
import re
import shutil

import pytest

pytest_plugins = ["calculator_page", "explorable_page"]


@pytest.fixture
def fresh(shown):
    """The page as it opens; afterwards, the browser must have had no complaint."""
    shown.driver.get_log("browser")
    yield shown
    assert shown.driver.get_log("browser") == []


# What the build makes


def test_the_library_of_drawing_is_the_recorded_one(explorables, tmp_path, monkeypatch):
    text = explorables.bundle()
    assert text.startswith("/*! Copyright")
    assert "Permission to use" in text[:300]
    assert not {word for word in ("eval(", "new Function") if word in text}
    shutil.copytree(explorables.VENDOR, tmp_path / "d3")
    (tmp_path / "d3" / "d3-axis.min.js").write_text("changed", encoding="utf-8")
    monkeypatch.setattr(explorables, "VENDOR", tmp_path / "d3")
    with pytest.raises(explorables.ExtensionError, match=r"d3-axis\.min\.js must be d3-axis 3\.\d"):
        explorables.bundle()


def test_every_script_is_there_and_used(explorables, root):
    static = root / "book" / "_static"
    used = {script for name in explorables.EXPLORABLES for script in explorables.scripts_of(name)}
    made = {f"explore/{explorables.BUNDLE}"} | {
        f"explore/{name}-data.js" for name, each in explorables.EXPLORABLES.items() if each.data
    }
    assert {script for script in used - made if not (static / script).is_file()} == set()
    assert {f"explore/{path.name}" for path in (static / "explore").glob("*.js")} <= used


def test_each_stands_in_one_place(explorables, root):
    pages = [*root.glob("notebooks/*.ipynb"), *root.glob("book/*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    for name in explorables.EXPLORABLES:
        places = re.compile(rf"\{{explorable\}} {name}(?:\n|\\n\",)(?!\s*\"?:again:)")
        assert sum(len(places.findall(text)) for text in texts) == 1, name


def test_its_data_is_numbers_and_nothing_else(explorables, drawn_data):
    with pytest.raises(ValueError, match="JSON"):
        explorables.data_script("zone", [float("nan")])
    for name, data in drawn_data.items():
        text = explorables.data_script(name, data)
        assert json.loads(text.partition(" = ")[2].rstrip(";\n")) == data
        assert len(text) < 120_000, name  # of a page that may weigh 1.5 MB


def test_the_directive_gives_a_place_a_still_figure_and_a_label(explorables, root, tmp_path):
    from sphinx.application import Sphinx

    (tmp_path / "notebooks").symlink_to(root / "notebooks")
    (tmp_path / "page.md").write_text(
        "# Page\n\n```{explorable} clocks\nWords *below*.\n```\n\nSee {ref}`explore:clocks`.\n",
        encoding="utf-8",
    )
    (tmp_path / "plain.md").write_text("# Plain\n", encoding="utf-8")
    (tmp_path / "z.md").write_text(
        "# Z\n\n```{explorable} clocks\n:again:\nOnce more.\n```\n", encoding="utf-8"
    )
    settings = {
        "extensions": ["myst_parser", "explorables"], "root_doc": "page", "include_patterns": ["*.md"],
        "html_static_path": [str(root / "book" / "_static")], "html_theme": "basic",
    }  # fmt: skip
    out = tmp_path / "out"
    app = Sphinx(tmp_path, None, out, tmp_path / "trees", "html", settings, status=None, warning=None)
    app.build()
    html = (out / "page.html").read_text(encoding="utf-8")
    place = html[html.index('data-explorable="clocks"') : html.index("Words")]
    still = place[place.index("<noscript>") : place.index("</noscript>")]
    assert not {part for part in ("<img", 'alt="', "_images/fig-bank-circles.png") if part not in still}
    assert not {part for part in ("href", "id") if not re.search(rf'{part}="#?explorable-clocks"', html)}
    again = (out / "z.html").read_text(encoding="utf-8")
    assert 'class="explorable-frame explorable-again docutils container" id="explorable-clocks"' in again
    assert "explorable-again" not in html
    assert "explore/clocks.js" in html
    assert "explore/zone.js" not in html
    assert "explore/" not in (out / "plain.html").read_text(encoding="utf-8")
    assert (out / "_static" / "explore" / "d3.js").is_file()
    assert (out / "_static" / "explore" / "zone-data.js").is_file()


# The page


def test_all_of_them_draw_and_say_what_is_seen(fresh, explorables):
    fresh.open()
    for name, each in explorables.EXPLORABLES.items():
        assert len(fresh.says(name)) > 80, name
        [figure] = fresh.find(name, "svg.explore-figure")
        assert figure.get_attribute("aria-label").startswith(each.title)
        assert len(fresh.find(name, "svg .axis")) >= 1
        for word in ("NaN", "undefined", "null", "Infinity"):
            assert word not in fresh.find(name, "svg")[0].get_attribute("outerHTML"), name
            assert word not in fresh.says(name), name


def test_nothing_is_asked_of_another_place(fresh):
    fresh.driver.get_log("performance")
    fresh.open()
    asked = [json.loads(entry["message"])["message"] for entry in fresh.driver.get_log("performance")]
    asked = [
        each["params"]["request"]["url"] for each in asked if each["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) > 10
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []


def test_a_slider_moves_by_keys_and_a_field_takes_numbers(fresh):
    from selenium.webdriver.common.keys import Keys

    fresh.open()
    before = fresh.says("clocks")
    slider = fresh.slider("clocks", "distance")
    slider.send_keys(Keys.ARROW_RIGHT * 12)
    assert fresh.says("clocks") != before
    assert slider.get_attribute("aria-valuetext").endswith("tokens")
    fresh.type("clocks", "base", "500,000")
    fresh.type("clocks", "distance", "1")
    assert "1 token apart" in fresh.says("clocks")
    assert fresh.field("clocks", "base").get_attribute("value") == "500,000"


def test_a_slow_start_of_a_slider_does_not_hold_it(fresh):
    """Near zero of a logarithmic slider many of its places are one whole number."""
    from selenium.webdriver.common.keys import Keys

    fresh.open("clocks.distance=0")
    fresh.slider("clocks", "distance").send_keys(Keys.ARROW_RIGHT * 80)
    fresh.settle()
    assert int(fresh.field("clocks", "distance").get_attribute("value")) >= 1


def test_what_cannot_be_set_is_refused_in_one_line(fresh):
    fresh.open()
    before = fresh.says("zone")
    fresh.type("zone", "layers", "3.5")
    [line] = [error.text for error in fresh.find("zone", ".explore-error") if error.is_displayed()]
    assert line == "Layers N must be a whole number from 1 to 128, got 3.5"
    assert fresh.field("zone", "layers").get_attribute("aria-invalid") == "true"
    assert fresh.says("zone") == before
    fresh.type("zone", "layers", "80")
    assert "80 layers" in fresh.says("zone")


def test_the_address_holds_a_view_and_reset_clears_it(fresh):
    fresh.open("retrofit.scheme=ntk&retrofit.factor=4&zone.base=nonsense")
    assert fresh.says("retrofit").startswith("NTK by 4")
    assert "Base 100,000" in fresh.says("zone")
    fresh.type("retrofit", "pair", "60")
    fresh.wait("location.search.includes('retrofit.pair=60')")
    assert fresh.query()["retrofit.scheme"] == "ntk"
    [reset] = [button for button in fresh.find("retrofit", "button") if button.text == "Reset"]
    fresh.run("arguments[0].click()", reset)
    assert fresh.says("retrofit").startswith("YaRN by 8")
    fresh.wait("!location.search.includes('retrofit.')")


@pytest.fixture
def unmoving(fresh):
    """The page for a reader who prefers no motion."""
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    fresh.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    yield fresh.open()
    fresh.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_step_to_try_goes_to_its_view_at_once_where_motion_is_minded(unmoving, explorables):
    for name in explorables.EXPLORABLES:
        steps = unmoving.find(name, ".explore-steps button")
        assert len(steps) >= 3
        seen = {unmoving.says(name)}
        for step in steps:
            unmoving.run("arguments[0].click()", step)
            seen.add(unmoving.says(name))
        assert len(seen) >= len(steps), name


def test_a_step_moves_there_and_arrives(fresh):
    fresh.open()
    fresh.run("arguments[0].click()", fresh.find("clocks", ".explore-steps button")[2])
    said = "document.querySelector('#explorable-clocks .explore-says').textContent"
    fresh.wait(f"{said}.includes('4,096 tokens apart')")


def test_what_is_told_aloud_follows_a_change_and_not_the_opening(fresh):
    fresh.open()
    fresh.driver.execute_async_script("setTimeout(arguments[0], 700)")
    [live] = fresh.find("clocks", ".explore-live")
    assert live.get_attribute("textContent") == ""
    fresh.type("clocks", "distance", "7")
    fresh.wait(
        "document.querySelector('#explorable-clocks .explore-live').textContent.includes('7 tokens apart')"
    )


def test_a_point_is_dragged_with_the_mouse(fresh):
    from selenium.webdriver.common.action_chains import ActionChains

    fresh.open()
    before = fresh.says("zone")
    [handle] = fresh.find("zone", ".explore-handle")
    fresh.run("arguments[0].scrollIntoView({block: 'center'})", handle)
    ActionChains(fresh.driver).click_and_hold(handle).move_by_offset(60, -40).release().perform()
    assert fresh.says("zone") != before
    assert float(fresh.field("zone", "base").get_attribute("value").replace(",", "")) > 100_000


@pytest.fixture
def touched(fresh):
    """The page on a screen that is touched."""
    fresh.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    yield fresh.open()
    fresh.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_a_finger_moves_a_token_sideways_and_scrolls_up_and_down(touched):
    fresh = touched
    [figure] = fresh.find("clocks", "svg")
    fresh.run("arguments[0].scrollIntoView({block: 'center'})", figure)
    box = fresh.run(
        "const {x, y, width} = arguments[0].getBoundingClientRect(); return {x, y, width}", figure
    )
    assert fresh.run("return getComputedStyle(arguments[0]).touchAction", figure) == "pan-y"

    def touch(kind, x=0, y=0):
        points = [] if kind == "touchEnd" else [{"x": box["x"] + x, "y": box["y"] + y}]
        fresh.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = fresh.says("clocks")
    touch("touchStart", box["width"] * 0.6, 40)
    for step in range(1, 8):
        touch("touchMove", box["width"] * 0.6 + 15 * step, 40)
    touch("touchEnd")
    assert fresh.says("clocks") != before


@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_window(fresh, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    fresh.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        fresh.open()
        assert fresh.run("return document.documentElement.scrollWidth") <= width
        beyond = """const outside = [];
            for (const svg of document.querySelectorAll('.explore-figure')) {
                const box = svg.getBoundingClientRect();
                for (const text of svg.querySelectorAll('text')) {
                    const {left, right} = text.getBoundingClientRect();
                    if (left < box.left - 2 || right > box.right + 2) outside.push(text.textContent);
                }
            }
            return outside"""
        assert fresh.run(beyond) == []
    finally:
        fresh.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
