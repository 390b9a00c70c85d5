"""The book as one page, which is printed: links from page to page stay within it."""

import pytest


@pytest.fixture
def pdf(monkeypatch, root):
    monkeypatch.syspath_prepend(root / "tools")
    import pdf

    return pdf


def test_ids_and_addresses_are_those_of_the_whole(pdf):
    known = ["book/intro.html", "notebooks/a.html"]
    article = (
        '<h1 id="top">A</h1><a class="x" href="../book/intro.html#end">x</a><a class="x" href="#top">x</a>'
        '<a class="x" href="https://elsewhere/">x</a><a class="x" href="../_static/z.zip">x</a>'
        '<a class="x" href="../book/api/a.html#b">x</a><img alt="" src="../_images/f.png">'
    )
    assert pdf.moved(article, "notebooks/a.html", known) == (
        '<section id="notebooks-a-html" class="of-whole"><h1 id="notebooks-a-html--top">A</h1>'
        '<a class="x" href="#book-intro-html--end">x</a><a class="x" href="#notebooks-a-html--top">x</a>'
        '<a class="x" href="https://elsewhere/">x</a><a class="x" >x</a>'
        '<a class="x" >x</a><img alt="" src="_images/f.png"></section>'
    )


def test_the_pages_stand_once_in_the_order_of_the_contents(pdf):
    links = "".join(
        f'<a class="reference internal" href="{link}">x</a>'
        for link in ("#", "how.html", "../notebooks/b.html", "how.html", "api/c.html")
    )
    assert pdf.pages(links) == ["book/intro.html", "book/how.html", "notebooks/b.html", "book/api/c.html"]


def test_what_explorables_load_is_loaded_once_and_styles_come_first(pdf):
    other = '<script src="../_static/a.js"></script>'
    one = f'<script defer="defer" src="../_static/explore/d3.js?v=1"></script>{other}'
    two = one + '<link rel="stylesheet" href="../_static/explore/explore.css?v=2" />'
    assert pdf.drawing([one, two]) == (
        '<link rel="stylesheet" href="_static/explore/explore.css">'
        '<script defer src="_static/explore/d3.js"></script>'
    )


@pytest.mark.parametrize(
    ("page", "left"),
    [("book/calculator.html", True), ("book/api/theory.html", True), ("book/library.html", False)],
)
def test_what_is_for_a_screen_stays_out(pdf, page, left):
    assert bool(pdf.LEFT_OUT.fullmatch(page)) is left


def test_without_a_built_book_a_line_says_what_to_do(pdf, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf, "SITE", tmp_path / "html")
    monkeypatch.setattr(pdf, "ROOT", tmp_path)
    assert pdf.main() == 2
    assert "html is not there: make book" in capsys.readouterr().err
