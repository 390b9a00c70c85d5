"""The book's tables to look things up in: what the extension writes, and the table in a real browser."""

import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from extensions import extension
from sphinx.errors import ExtensionError

pytest_plugins = ["calculator_page"]  # its browser

HTML = """<table class="lookup"><thead><tr><th>model</th><th>context</th></tr></thead><tbody>
<tr><th>B long</th><td data-order="1048576">1,048,576</td></tr>
<tr><th>A short</th><td data-order="8192">8,192</td></tr>
<tr><th>C none</th><td data-order="-1">–</td></tr></tbody></table>"""


@pytest.fixture
def local_tables(root):
    return extension(root, "local_tables")


def test_the_script_holds_the_module_unchanged(local_tables, tmp_path):
    local_tables.write_bundle(SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html")))
    folder = tmp_path / "_static" / local_tables.FOLDER
    start, _, text = (folder / local_tables.BUNDLE).read_text(encoding="utf-8").partition(" = ")
    assert start == "globalThis.dataTablesModule"
    module = (local_tables.bundle_folder() / "dt_bundle.js").read_text(encoding="utf-8")
    assert json.loads(text.removesuffix(";\n")) == module
    # What the book's own script takes from it, by these names.
    exports = module[module.rindex("export{") :]
    assert " as default" in exports
    assert "set_or_remove_dark_class" in exports
    assert (folder / local_tables.STYLE).stat().st_size > 10_000


def test_no_other_builder_gets_a_bundle(local_tables, tmp_path):
    local_tables.write_bundle(SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="latex")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("html", "loaded"), [('<table class="lookup">', 4), ("<table>", 0), (None, 0)])
def test_only_a_page_with_a_lookup_table_loads_it(local_tables, root, html, loaded):
    files = []
    app = SimpleNamespace(
        add_css_file=lambda name, **_: files.append(name), add_js_file=lambda name, **_: files.append(name)
    )
    page = None  # a page that has no source, such as the search page
    if html:
        page = new_document("page")
        page += nodes.raw("", html, format="html")
    local_tables.add_bundle(app, "page", "page.html", {}, page)
    assert len(files) == loaded
    ours = [name for name in files if local_tables.OURS in name]
    assert all((root / "book" / "_static" / name).is_file() for name in ours)
    assert len(ours) == loaded // 2


def test_a_missing_wheel_is_named(local_tables, monkeypatch):
    monkeypatch.setattr(local_tables, "find_spec", lambda name: None)
    with pytest.raises(ExtensionError, match=r"make setup.*itables"):
        local_tables.bundle_folder()


@pytest.fixture
def browser(local_tables, driver, root, tmp_path):
    """The table on a page opened from a folder; afterwards, the browser must have had no complaint."""
    local_tables.write_bundle(SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html")))
    folder = tmp_path / "_static" / local_tables.FOLDER
    shutil.copytree(root / "book" / "_static" / local_tables.FOLDER, folder, dirs_exist_ok=True)
    scripts = "".join(
        f'<script defer src="{name}"></script>' for name in (local_tables.BUNDLE, f"{local_tables.OURS}.js")
    )
    (folder / "page.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<title>Table</title>{scripts}<body>{HTML}</body></html>",
        encoding="utf-8",
    )
    for log in ("browser", "performance"):
        driver.get_log(log)
    driver.get((folder / "page.html").as_uri())
    driver.implicitly_wait(10)
    driver.find_element("css selector", ".dt-search input")
    yield driver
    driver.implicitly_wait(0)
    assert driver.get_log("browser") == []


FIRST_CELLS = "return [...document.querySelectorAll('tbody tr > :first-child')].map(cell => cell.textContent)"


def shows(browser, *expected):
    """Assert that the table comes to hold these rows, by their first cells.

    DataTables sorts in a task of its own (`setTimeout` around sorting and redrawing), so that a table read
    right after a click may be the one before it.
    """
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.wait import WebDriverWait

    waiting = WebDriverWait(browser, 10, poll_frequency=0.02)
    with contextlib.suppress(TimeoutException):
        waiting.until(lambda _: browser.execute_script(FIRST_CELLS) == list(expected))
    assert browser.execute_script(FIRST_CELLS) == list(expected)


def test_typing_filters(browser):
    shows(browser, "B long", "A short", "C none")  # as written, until a reader sorts
    browser.find_element("css selector", ".dt-search input").send_keys("short")
    shows(browser, "A short")
    assert browser.find_element("css selector", ".dt-info").text == "1 to 1 of 1 (of 3 in all)"


def test_a_heading_sorts_by_value_when_clicked(browser):
    heading = browser.find_elements("css selector", "thead th")[1]
    heading.click()
    shows(browser, "C none", "A short", "B long")
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.click()
    shows(browser, "B long", "A short", "C none")


def test_a_heading_sorts_by_keyboard(browser):
    from selenium.webdriver.common.keys import Keys

    field = browser.find_element("css selector", ".dt-search input")
    field.send_keys(Keys.TAB)  # to the button
    browser.switch_to.active_element.send_keys(Keys.TAB)  # to the first heading
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    shows(browser, "A short", "B long", "C none")


LONG_HTML = """<table class="lookup"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"""
WORDS = ("stable", "unstable", "unstable at depth")


def long_table():
    """Thirty models in eight columns; the name of one begins with a verdict."""
    head = "".join(
        f"<th>{name}</th>" for name in ("model", "verdict", "context", "a", "b", "c", "d", "source")
    )
    rows = "".join(
        f"<tr><th>{'StableLM' if i == 1 else 'Model'} {i}</th><td>{WORDS[i % 3]}</td>"
        f'<td class="number" data-order="{1024 * i}">{1024 * i:,}</td>'
        f"{'<td>x, y</td>' * 4}<td>from {i}</td></tr>"
        for i in range(30)
    )
    return LONG_HTML.format(head=head, rows=rows)


@pytest.fixture
def long(browser, tmp_path):
    page = tmp_path / "_static" / "tables" / "page.html"
    text = page.read_text(encoding="utf-8").replace(HTML, f'<div class="bd-article">{long_table()}</div>')
    page.write_text(text, encoding="utf-8")
    browser.get(page.as_uri())
    browser.find_element("css selector", ".dt-search select")
    return browser


def total(browser):
    return int(browser.find_element("css selector", ".dt-info").text.split(" of ")[1].split(" ")[0])


def waits_for(browser, count):
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: total(browser) == count)


def test_a_verdict_that_is_typed_is_not_found_in_a_longer_one(long):
    field = long.find_element("css selector", ".dt-search input")
    field.send_keys("stable")
    waits_for(long, 10)
    assert long.find_element("css selector", ".dt-search select").get_property("value") == "stable"
    field.send_keys("lm")
    waits_for(long, 1)
    assert long.find_element("css selector", ".dt-search select").get_property("value") == ""


def test_a_verdict_is_chosen_from_a_list(long):
    from selenium.webdriver.support.select import Select

    Select(long.find_element("css selector", ".dt-search select")).select_by_value("unstable at depth")
    waits_for(long, 10)


def test_the_rest_of_a_row_unfolds_below_it(long):
    shown = "return document.querySelectorAll('thead th').length"
    assert long.execute_script(shown) == 6
    more = long.find_element("css selector", ".lookup-more")
    more.click()
    assert more.get_attribute("aria-expanded") == "true"
    assert long.find_element("css selector", ".lookup-rest").text.split() == [
        "d",
        "x,",
        "y",
        "source",
        "from",
        "0",
    ]
    more.click()
    assert more.get_attribute("aria-expanded") == "false"


def test_a_row_leads_to_the_calculator(long):
    link = long.find_elements("css selector", "tbody th a")[1]
    assert link.get_attribute("href").endswith("book/calculator.html?model=StableLM+1")


def test_the_rows_that_are_shown_are_saved_as_csv(long):
    long.execute_script("URL.createObjectURL = (blob) => { globalThis.saved = blob; return '#'; }")
    long.find_element("css selector", ".dt-search input").send_keys("stablelm")
    waits_for(long, 1)
    long.find_element("css selector", ".lookup-csv").click()
    text = long.execute_async_script("globalThis.saved.text().then(arguments[0])")
    assert text.splitlines() == [
        "model,verdict,context,a,b,c,d,source",
        'StableLM 1,unstable,1024,"x, y","x, y","x, y","x, y",from 1',
    ]


def test_the_page_asks_nothing_of_any_other_place(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    assert sent
    for message in sent:
        assert message["params"]["request"]["url"].startswith(("file:", "blob:", "data:"))
