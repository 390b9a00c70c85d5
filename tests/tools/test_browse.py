"""The walk through the built book: what it finds in a page without a browser, and with one."""

import pytest

pytest_plugins = ["calculator_page"]  # its browser


@pytest.fixture
def browse(monkeypatch, root, tmp_path):
    monkeypatch.syspath_prepend(root / "tools")
    import browse

    monkeypatch.setattr(browse, "SITE", tmp_path)
    browse.names.cache_clear()
    return browse


@pytest.fixture
def page(tmp_path):
    def write(body, name="a.html"):
        file = tmp_path / name
        file.write_text(f"<!doctype html><title>A</title><body>{body}</body>", encoding="utf-8")
        return file

    return write


def test_links_that_lead_nowhere_are_found(browse, page):
    page('<p id="there">x</p>', "b.html")
    links = ("b.html", "b.html#there", "b.html#gone", "c.html", "#here", "https://elsewhere/x", "mailto:a@b")
    text = "".join(f'<a class="x" href="{link}">x</a>' for link in links)
    assert list(browse.dead_links(page(f'<p id="here"></p>{text}'))) == [
        "a link leads to no place of b.html: b.html#gone",
        "a link leads nowhere: c.html",
    ]


def test_an_id_that_stands_twice_is_found(browse, page):
    assert list(browse.doubled_names(page('<p id="a"></p><p id="b"></p><p id="a"></p>'))) == [
        "an id stands 2 times: a"
    ]


def test_a_page_weighs_what_it_loads_once(browse, page, tmp_path):
    (tmp_path / "a b.png").write_bytes(bytes(1000))
    file = page("")
    address = (tmp_path / "a b.png").as_uri()
    script = tmp_path / "a.js"
    script.write_text("let a = 1;\n" * 1000)
    loaded = [address, f"{address}?v=1", "data:,x", script.as_uri(), file.as_uri()]
    whole = browse.weight(file, loaded)
    assert whole == 1000 + browse.sent(file) + browse.sent(script)
    assert browse.sent(script) < 200  # a host compresses text


def test_what_a_page_asked_for_is_read_from_the_network(browse):
    sent = {"method": "Network.requestWillBeSent", "params": {"request": {"url": "file:///a.js"}}}
    assert browse.asked([{"method": "Network.dataReceived", "params": {}}, sent]) == ["file:///a.js"]


def test_without_axe_a_line_says_what_to_install(browse, monkeypatch):
    monkeypatch.delenv("AXE", raising=False)
    monkeypatch.setattr(browse, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="no axe-core: pip install --no-deps axe-playwright-python"):
        browse.axe()


@pytest.mark.parametrize("arguments", [[], ["fly"]])
def test_an_unknown_command_is_told_the_known_ones(browse, arguments, capsys):
    assert browse.main(arguments) == 2
    assert "check [PAGE ...]" in capsys.readouterr().err


def test_an_unknown_page_is_one_line(browse, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(browse, "SITE", tmp_path)
    monkeypatch.setattr(browse, "ROOT", tmp_path.parent)
    assert browse.main(["check", "none.html"]) == 2
    assert capsys.readouterr().err == f"none.html must be a page of {tmp_path.name}\n"


def test_a_browser_sees_errors_wide_pages_and_equations_that_are_not_set(browse, driver, page):
    for log in ("browser", "performance"):
        driver.get_log(log)
    file = page(
        '<span class="math">x</span><div style="width: 5000px">x</div><a href="gone.html">x</a>'
        '<script>console.error("broken")</script><img src="gone.png" alt="x">'
    )
    rules = "globalThis.axe = {run: async () => ({violations: [{id: 'name', nodes: [{html: '<p>'}]}]})}"
    found = list(browse.faults(driver, file, rules))
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for part in (
        "a link leads nowhere: gone.html", "broken", "a request failed", "is wider than a phone by",
        "an equation is not set: x", "axe, light: name: 1 × <p>", "axe, dark: name: 1 × <p>",
    ):  # fmt: skip
        assert any(part in line for line in found), part
