"""Fixtures: a page with every explorable in a real browser, as the book loads them."""

import json
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from extensions import extension

TITLE = '<p class="explore-title">{title}</p>'


@pytest.fixture(scope="session")
def explorables(root):
    """The module of the directive, with the registry of explorables."""
    return extension(root, "explorables")


@pytest.fixture(scope="session")
def drawn_data(root, explorables):
    """What each explorable that draws measured data is given, by name."""
    data = extension(root, "explorable_data")
    return {name: getattr(data, name)() for name, each in explorables.EXPLORABLES.items() if each.data}


@pytest.fixture(scope="session")
def explorable_folder(root, explorables, drawn_data, tmp_path_factory):
    """A folder with `page.html`, which holds all explorables and nothing else of the book."""
    folder = tmp_path_factory.mktemp("explorables")
    static = folder / "_static"
    for name in ("calculator", "explore"):
        shutil.copytree(root / "book" / "_static" / name, static / name)
    (static / "explore" / explorables.BUNDLE).write_text(explorables.bundle(), encoding="utf-8")
    for name, data in drawn_data.items():
        text = explorables.data_script(name, data)
        (static / "explore" / f"{name}-data.js").write_text(text, encoding="utf-8")
    names = list(explorables.EXPLORABLES)
    scripts = dict.fromkeys(script for name in names for script in explorables.scripts_of(name))
    places = "".join(
        f'<div class="explorable" data-explorable="{name}" id="explorable-{name}">'
        f"{TITLE.format(title=each.title)}</div>"
        for name, each in explorables.EXPLORABLES.items()
    )
    (folder / "page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Explorables</title>'
        f'<link rel="stylesheet" href="_static/explore/{explorables.STYLE}"><body>{places}'
        + "".join(f'<script src="_static/{script}"></script>' for script in scripts)
        + "</body></html>",
        encoding="utf-8",
    )
    return folder


class Explorables:
    """The page as a reader uses it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def open(self, query=""):
        self.driver.get(self.address + (f"?{query}" if query else ""))
        self.wait("document.querySelectorAll('.explore-says:not(:empty)').length", "explore.specs")
        return self

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def compute(self, name, views):
        """What an explorable computes for each of some views: its first values, changed by a dict."""
        return json.loads(
            self.run(
                """const {controls, compute} = explore.specs[arguments[0]];
                const first = Object.fromEntries(controls.map(({name, value}) => [name, value]));
                return JSON.stringify(arguments[1].map((view) => compute({...first, ...view})));""",
                name,
                views,
            )
        )

    def field(self, name, control):
        return self.driver.find_element("id", f"explore-{name}-{control}")

    def slider(self, name, control):
        return self.run(
            "return arguments[0].closest('.explore-field').querySelector('input[type=range]')",
            self.field(name, control),
        )

    def find(self, name, css):
        return self.driver.find_elements("css selector", f"#explorable-{name} {css}")

    def says(self, name):
        self.settle()
        return self.find(name, ".explore-says")[0].text

    def settle(self):
        """Let a frame pass, in which a change is drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def type(self, name, control, text):
        from selenium.webdriver.common.keys import Keys

        self.field(name, control).send_keys(Keys.CONTROL, "a", Keys.NULL, text, Keys.TAB)

    def query(self):
        return {key: value for key, [value] in parse_qs(urlsplit(self.driver.current_url).query).items()}

    def wait(self, *conditions):
        from selenium.webdriver.support.wait import WebDriverWait

        for condition in conditions:
            WebDriverWait(self.driver, 20, poll_frequency=0.02).until(
                lambda _, condition=condition: self.run(f"return Boolean({condition})")
            )


@pytest.fixture(scope="session")
def shown(driver, explorable_folder):
    return Explorables(driver, (explorable_folder / "page.html").as_uri()).open()
