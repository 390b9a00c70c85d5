"""Slides: where their figures come from, what becomes of a page, and the built decks in a real browser."""

import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from docutils import nodes
from extensions import extension
from sphinx.errors import ExtensionError

pytest_plugins = ["calculator_page"]  # its browser

SETTINGS = {
    "extensions": [
        "sphinx.ext.mathjax", "myst_parser", "chapter_parts", "decks", "local_mathjax", "lean_pages",
        "numbers_in_prose",
    ],
    "master_doc": "book/slides/session_1",
    "include_patterns": ["book/slides/*.md"],
    "html_theme": "basic",
    "project": "Slides",
    "myst_enable_extensions": ["amsmath", "dollarmath"],
}  # fmt: skip
PRINTED = """const done = arguments[0];
const look = () => document.querySelector('.pdf-page') ? done() : setTimeout(look, 50);
look();"""


@pytest.fixture
def decks(root):
    return extension(root, "decks")


def sources(root):
    return {
        file.stem: file.read_text(encoding="utf-8") for file in sorted((root / "book/slides").glob("*.md"))
    }


def figures_on(text):
    return re.findall(r"\{slide-figure\} (\S+)", text)


# Where they come from.


def test_a_deck_shows_figures_of_its_chapters_and_every_tagged_one_is_shown(decks, root):
    from chapter_parts import all_figures

    page_of = {figure.name: figure.page for figure in all_figures(root)}
    chapters = decks.decks_of(root)
    assert len(chapters) == 6
    shown = set()
    for deck, text in sources(root).items():
        figures = figures_on(text)
        shown.update(figures)
        assert {page_of[figure] for figure in figures} <= set(chapters[f"book/slides/{deck}"])
    assert shown == decks.tagged(root)


def test_chapters_lead_to_their_deck(decks, root):
    assert decks.decks_with("01_oscillator_bank", root) == ["book/slides/session_1"]
    assert decks.decks_with("atlas", root) == []
    names = {file.stem for file in (root / "notebooks").glob("*.ipynb")}
    assert names >= {chapter for chapters in decks.decks_of(root).values() for chapter in chapters}


def test_every_slide_has_notes_and_one_thing_to_look_at(root):
    for deck, text in sources(root).items():
        for slide in re.split(r"\n#{1,2} ", text)[1:]:
            assert slide.count("```{notes}") == 1, f"{deck}: {slide[:40]}"
            assert slide.count("{slide-figure}") <= 1
        assert text.rstrip().split("\n## ")[-1].startswith("Exit question")


def test_a_deck_without_chapters_is_refused(decks, tmp_path):
    (tmp_path / "book" / "slides").mkdir(parents=True)
    (tmp_path / "book" / "slides" / "mine.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(ExtensionError, match=r"mine\.md must name its chapters"):
        decks.decks_of(tmp_path)


def test_decks_are_read_though_no_contents_name_them(decks, root):
    config = SimpleNamespace(exclude_patterns=["_build", "book/slides/session_1.md", "book/draft.md"])
    decks.include_decks(SimpleNamespace(srcdir=root), config)
    assert config.exclude_patterns == ["_build", "book/draft.md"]


def test_a_missing_wheel_is_named(decks, monkeypatch):
    monkeypatch.setattr(decks, "find_spec", lambda name: None)
    with pytest.raises(ExtensionError, match=r"make setup.*sphinx-revealjs"):
        decks.reveal_folder()


# What becomes of a page.


def test_sections_become_slides_side_by_side(decks):
    page = '<section id="a">\n<h1>A</h1>\n<section id="b">\n<h2>B</h2>\n<p>b</p>\n</section>\n'
    page += '<section id="c">\n<h2>C</h2></section>\n</section>\n'
    assert decks.as_slides(page).splitlines() == [
        '<section id="a"><div class="frame"><h1>A</h1></div></section>',
        '<section id="b"><div class="frame"><h2>B</h2>',
        "<p>b</p></div></section>",
        '<section id="c"><div class="frame"><h2>C</h2></div></section>',
    ]
    with pytest.raises(ExtensionError, match="slides of one level"):
        decks.as_slides("<section><h1>A</h1><section><h2>B</h2><section><h3>C</h3></section>")


def test_text_stands_beside_a_figure_and_not_below_it(decks):
    figure, text, notes = nodes.figure(), nodes.paragraph("", "text"), decks.speaker_notes()
    body = decks.slide_body([figure, text, notes])
    assert body["classes"] == ["slide-body", "with-figure"]
    assert body[-1]["classes"] == ["slide-text"]
    assert list(body[-1]) == [text]
    assert decks.slide_body([text, notes])["classes"] == ["slide-body"]
    assert len(decks.slide_body([nodes.figure()])) == 1


# The built decks.


@pytest.fixture(scope="session")
def built(root, tmp_path_factory):
    """The decks alone, as the book builds them: references to chapters, which are not built, stay text."""
    folder = tmp_path_factory.mktemp("decks")
    shutil.copytree(
        root / "book" / "_templates", folder / "templates", ignore=shutil.ignore_patterns("l*", "4*")
    )
    settings = SETTINGS | {
        "templates_path": [str(folder / "templates")],
        "html_static_path": [str(root / "book" / "_static")],
    }
    lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
    (folder / "conf.py").write_text("".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-c",
        folder,
        "-d",
        folder / "read",
        root,
        folder / "html",
    ]
    path = os.pathsep.join([str(root / "book" / "_ext"), str(root)])
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
def test_every_deck_is_built_and_asks_no_other_place(built, root):
    for deck, text in sources(root).items():
        html = (built / "book" / "slides" / f"{deck}.html").read_text(encoding="utf-8")
        assert html.count("<section") == len(re.findall(r"^#{1,2} ", text, re.MULTILINE))
        assert html.count('<aside class="notes">') == html.count("<section")
        images = re.findall(r"<img [^>]*>", html)
        assert len(images) == len(figures_on(text))
        assert all(re.search(r'alt="[^"]{20,}"', image) and 'loading="eager"' in image for image in images)
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]+)"', html)
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)]
        assert any("mathjax" in address for address in loaded) == ('class="math' in html)
        folder = built / "book" / "slides"
        assert all((folder / address.partition("?")[0]).resolve().is_file() for address in loaded)
    license_text = (built / "_static" / "reveal" / "LICENSE").read_text(encoding="utf-8")
    assert "Permission is hereby granted" in license_text


def test_a_slide_holds_what_is_on_it_and_prints(built, root, driver, monkeypatch):
    """Of the longest deck; `make look` walks through all of them."""
    monkeypatch.syspath_prepend(root / "tools")
    import browse

    page = built / "book" / "slides" / "session_5.html"
    assert browse.beyond_slides(driver, page) == []
    sent = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"] == page.as_uri()
    ]
    assert len(asked) > 10
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert driver.execute_script(browse.UNSET) == []
    # A slide that is too full is noticed.
    driver.execute_script(
        "Reveal.getSlides()[2].querySelector('.frame').append("
        "Object.assign(document.createElement('p'), {style: 'flex: none; height: 900px'}))"
    )
    (line,) = driver.execute_async_script(browse.BEYOND)
    assert re.fullmatch(r"slide 3 is too tall, by \d+ px: \w+", line)
    slides = driver.execute_script("return Reveal.getTotalSlides()")
    driver.get(page.as_uri() + "?print-pdf")
    driver.execute_async_script(PRINTED)
    assert len(driver.find_elements("css selector", ".pdf-page")) == slides
