"""Fixtures: the calculator's page in a real browser."""

import os
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from extensions import extension

from rope_lib.models import atlas


@pytest.fixture(scope="session")
def calculator_data(root):
    """The module that writes the page's data when the book is built."""
    return extension(root, "calculator_data")


@pytest.fixture(scope="session")
def folder(root, calculator_data, tmp_path_factory):
    """A page with the calculator in it and nothing else of the book, beside the scripts that it needs."""
    folder = tmp_path_factory.mktemp("calculator")
    shutil.copytree(root / "book" / "_static" / "calculator", folder, dirs_exist_ok=True)
    (folder / "atlas.js").write_text(calculator_data.atlas_script(atlas()), encoding="utf-8")
    scripts = "".join(f'<script src="{name}"></script>' for name in calculator_data.SCRIPTS)
    (folder / "page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Calculator</title>'
        f'<link rel="stylesheet" href="{calculator_data.STYLE}">'
        f"<body>{(folder / 'form.html').read_text(encoding='utf-8')}{scripts}</body></html>",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """Debian's Chromium, without a window; selenium fetches nothing and reports nothing."""
    if os.environ.get("ROPE_LIB_NO_BROWSER") == "1":
        pytest.skip("ROPE_LIB_NO_BROWSER=1: the calculator's page is not tested")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.fail(
            f"{' and '.join(missing)} not found: on Debian, apt-get install chromium chromium-driver; "
            "or set ROPE_LIB_NO_BROWSER=1 to leave the calculator's page untested",
            pytrace=False,
        )
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1200,900", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("perfLoggingPrefs", {"enableNetwork": True, "enablePage": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_AVOID_STATS", "true")
        patch.setenv("SE_OFFLINE", "true")
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        driver = webdriver.Chrome(options=options, service=Service(executable_path=programs["chromedriver"]))
        driver.set_script_timeout(60)
        yield driver
        driver.quit()


class Page:
    """The calculator as a reader uses it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def open(self, query=""):
        self.driver.get(self.address + (f"?{query}" if query else ""))
        return self

    def go(self, query):
        """As if the reader went back or forward to this query: quicker than loading the page."""
        arrive = (
            "history.replaceState(null, '', '?' + arguments[0]); dispatchEvent(new PopStateEvent('popstate'))"
        )
        self.run(arrive, query)
        return self

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def element(self, name):
        return self.driver.find_element("id", f"calc-{name}")

    def type(self, name, text):
        from selenium.webdriver.common.keys import Keys

        field = self.element(name)
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, text or Keys.BACKSPACE)

    def choose(self, name, value):
        from selenium.webdriver.support.select import Select

        Select(self.element(name)).select_by_value(value)

    def values(self):
        names = self.run("return calculatorState.FIELDS")
        return {name: self.element(name).get_attribute("value") for name in names}

    def verdict(self):
        return self.run("return document.querySelector('#calc-verdict .calc-word')?.textContent ?? null")

    def errors(self):
        """The lines that complain, in the order of the page."""
        lines = "[...document.querySelectorAll('.calc-error')].filter((line) => !line.hidden)"
        return self.run(f"return {lines}.map((line) => line.textContent)")

    def bounds(self):
        """The numbers of the table, by row: bound and longest context, None where there is none."""
        script = """return [...document.querySelectorAll('#calc-rows tr')].map(row =>
            [row.children[0].textContent, ...[1, 2].map(i => row.children[i].dataset.value ?? null)])"""
        return {name: [cell and float(cell) for cell in cells] for name, *cells in self.run(script)}

    def men(self):
        self.wait("!document.getElementById('calc-men').textContent.includes('searching')")
        return self.bounds()["Men et al., distance"][1]

    def query(self):
        return {key: value for key, [value] in parse_qs(urlsplit(self.driver.current_url).query).items()}

    def wait(self, condition):
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: self.run(f"return {condition}"))


@pytest.fixture(scope="session")
def page(driver, folder):
    return Page(driver, (folder / "page.html").as_uri()).open()
