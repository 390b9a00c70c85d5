"""What the extensions make of a page: what it loads, what is said of it, where its code and figures go."""

import hashlib
import re
import struct
import zlib
from functools import partial
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from extensions import extension
from sphinx.errors import ExtensionError


@pytest.fixture
def module(root):
    """A module of the book's extensions, by its name."""
    return partial(extension, root)


def paragraph_page(*texts):
    page = new_document("page")
    section = nodes.section("", nodes.title("", "Title"), *(nodes.paragraph("", text) for text in texts))
    page += section
    return page


# The address of the repository.


def test_an_address_of_a_repository_is_taken_without_its_slash(module):
    repository = module("repository")
    assert repository.address("SITE", " https://host/owner/name/ ") == "https://host/owner/name"
    assert repository.address("SITE", "") == ""


@pytest.mark.parametrize("value", ["host/owner/name", "ftp://host/name", "https://"])
def test_what_is_no_address_is_refused(module, value):
    repository = module("repository")
    with pytest.raises(ExtensionError, match="REPOSITORY must be an address"):
        repository.address("REPOSITORY", value)


def test_a_notebook_of_a_repository_on_github_can_be_run_elsewhere(module):
    repository = module("repository")
    found = repository.launchers("https://github.com/owner/name", "notebooks/atlas.ipynb")
    assert found == {
        "Colab": "https://colab.research.google.com/github/owner/name/blob/colab/notebooks/atlas.ipynb",
        "Binder": "https://mybinder.org/v2/gh/owner/name/HEAD?labpath=notebooks%2Fatlas.ipynb",
    }
    assert repository.launchers("https://github.com/owner/name", "") == {}  # a page that is no notebook
    assert repository.launchers("https://host/owner/name", "notebooks/atlas.ipynb") == {}
    assert repository.launchers("", "notebooks/atlas.ipynb") == {}


def test_a_sitemap_names_whole_addresses(module):
    repository = module("repository")
    text = repository.sitemap("https://host/book/", ["book/intro.html", "notebooks/claims.html"])
    assert re.findall("<loc>(.*)</loc>", text) == [
        "https://host/book/book/intro.html", "https://host/book/notebooks/claims.html",
    ]  # fmt: skip


def test_what_the_theme_gets_wrong_is_mended_once(module):
    accessible = module("accessible")
    labels = 'title="Search" aria-label="Search"'
    page = f'<button class="btn search-button-field x" {labels} data-bs-toggle="tooltip"><summary>'
    page += '<span class="toctree-toggle"></span></summary>'
    page += '<div class="proof admonition" id="proof"><section class="lemma-content" id="proof-content">'
    page += '<div role="list" class="citation-list"><div class="citation" id="a" role="doc-biblioentry">'
    better = accessible.mended(page)
    assert better == (
        '<button class="btn search-button-field x" data-bs-toggle="tooltip">'
        '<summary aria-label="Chapters below this one"><span class="toctree-toggle"></span></summary>'
        '<div class="proof admonition"><section class="lemma-content">'
        '<div class="citation-list"><div class="citation" id="a">'
    )
    assert accessible.mended(better) == better


def test_the_parameters_of_a_long_signature_are_lines(module):
    accessible = module("accessible")
    opened, closed = '<span class="sig-paren">(</span>\n', '\n<span class="sig-paren">)</span>'
    page = f"<dt>{opened}<dl><dd>a,</dd><dd>b</dd></dl>{closed}</dt><dd><dl><dt>c</dt><dd>d</dd></dl></dd>"
    lines = '<span class="sig-line">a,</span><span class="sig-line">b</span>'
    better = accessible.mended(page)
    assert better == page.replace("<dl><dd>a,</dd><dd>b</dd></dl>", f'<span class="sig-lines">{lines}</span>')
    assert accessible.mended(better) == better


# Lean pages.


def test_a_script_is_loaded_once_and_only_if_the_book_uses_it(module):
    lean_pages = module("lean_pages")

    def script(name, body=None):
        return SimpleNamespace(filename=name, attributes={"body": body})

    used, inline = script("a.js"), script(None, "let a = 1")
    doubled = [used, used, inline, inline, script("sphinx-thebe.js"), script(None, "const THEBE_JS_URL = 1")]
    assert lean_pages.without_unused(doubled) == [used, inline]


def test_a_page_without_mathematics_loads_no_mathjax(module):
    lean_pages = module("lean_pages")
    for body, count in (('<span class="math notranslate">', 2), ("<p>word</p>", 0)):
        scripts = [
            SimpleNamespace(filename="_static/mathjax/startup.js", attributes={}),
            SimpleNamespace(filename=None, attributes={"body": "window.MathJax = {}"}),
        ]
        context = {"script_files": scripts, "css_files": [], "body": body}
        lean_pages.make_lean(
            SimpleNamespace(config=SimpleNamespace(description="")), "page", "page.html", context, None
        )
        assert len(context["script_files"]) == count


def test_a_description_is_the_first_paragraph_cut_after_a_word(module):
    lean_pages = module("lean_pages")
    page = paragraph_page("Short.", "One slow clock " + "and another " * 30)
    said = lean_pages.description(page)
    assert said.startswith("One slow clock and another")
    assert len(said) <= 162
    assert said.endswith(" …")
    assert lean_pages.description(paragraph_page("Short.")) == ""
    defaults = "The text is written for the defaults. Another page says how to run it with others."
    question = "Where does a model break, and what would have told us before?"
    chapter = paragraph_page(defaults, f"The question. {question}")
    head = nodes.paragraph("", "An earlier chapter, whose long title says what was found in it")
    chapter.children[0].insert(1, nodes.container("", head))
    assert lean_pages.description(chapter) == question


# Icons and styles.


def test_every_icon_is_found_in_the_theme_and_becomes_a_mask(module):
    icons = module("icons")
    sheet = icons.style_sheet(icons.outlines())
    assert all(f".fa-{name} {{ --icon: url(" in sheet for name in icons.ICONS)
    assert len(sheet) < 20_000


def test_an_icon_that_is_not_drawn_is_noticed(module):
    icons = module("icons")
    assert (
        icons.unknown_icons('<i class="fa-solid fa-download"></i><span class="fas fa-lg fa-moon"></span>')
        == set()
    )
    assert icons.unknown_icons('<i class="fa-solid fa-ghost"></i>') == {"ghost"}


def test_a_rule_stays_if_one_of_its_selectors_can_be_met(module):
    trimmed_styles = module("trimmed_styles")
    css = ".used { a: b } .gone { a: b } .gone, p { a: b } p:not(.gone) { a: b } @media print { .gone p { } }"
    kept = trimmed_styles.trimmed(css, {"used"})
    assert kept.replace(" ", "") == ".used{a:b}.gone,p{a:b}p:not(.gone){a:b}@mediaprint{}"


# Figures.


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def test_a_figure_links_to_itself_and_says_its_size(module, tmp_path):
    figure_links = module("figure_links")
    (tmp_path / "_images").mkdir()
    (tmp_path / "_images" / "a.png").write_bytes(png(560, 430))
    page = (
        '<p><img alt="A line" src="_images/a.png" /></p><a href="x"><img src="_images/a.png" alt=""></a>'
        '<img src="b.svg">'
    )
    once = figure_links.with_links(page, tmp_path)
    assert 'href="_images/a.png" aria-label="Enlarge: A line"' in once
    assert once.count('width="560" height="430" loading="lazy"') == 2
    assert once.count("enlarge") == 1  # an image in a link keeps its own
    assert '<img src="b.svg">' in once
    assert figure_links.with_links(once, tmp_path) == once


def test_what_is_no_png_is_refused(module, tmp_path):
    figure_links = module("figure_links")
    (tmp_path / "a.png").write_bytes(b"GIF89a" + bytes(40))
    with pytest.raises(ValueError, match=r"a\.png must be a PNG image"):
        figure_links.png_size(tmp_path / "a.png")


def test_a_figure_offers_the_numbers_of_its_image_once(module, tmp_path):
    figure_data = module("figure_data")
    page, kept = tmp_path / "site" / "notebooks" / "page.html", tmp_path / "kept"
    images = tmp_path / "site" / "_images"
    for folder in (page.parent, images, kept):
        folder.mkdir(parents=True)
    for name in ("a", "b"):
        (images / f"{name}.png").write_bytes(name.encode())
    (kept / f"{hashlib.sha256(b'a').hexdigest()}.csv").write_text("x,y\n")
    image, caption = '<img src="../_images/{0}.png">', "<figcaption>On it.</figcaption>"
    figure = f'<figure class="x" id="fig-{{0}}">{image}{caption}</figure>'
    html = figure.format("a") + "<p></p>" + figure.format("b")
    find = figure_data.serve(page, tmp_path / "site", kept)
    once = figure_data.with_data(html, find)
    link = '<p class="figure-data"><a href="../_static/figure_data/fig-a.csv" download>'
    assert once.count("figure-data") == 1  # the other has none
    assert f"On it.{link}" in once.partition("<p></p>")[0]
    assert (tmp_path / "site" / "_static" / "figure_data" / "fig-a.csv").read_text() == "x,y\n"
    assert figure_data.with_data(once, find) == once
    slide = f'<div class="reveal">{figure.format("a")}</div>'
    assert figure_data.with_data(slide, find) == slide


def test_numbers_of_a_figure_that_pages_show_again_have_its_name_and_not_that_of_a_place(module, tmp_path):
    figure_data = module("figure_data")
    page, images = tmp_path / "page.html", tmp_path / "_images"
    images.mkdir()
    for name in ("fig-a", "fig-b"):
        (images / f"{name}.png").write_bytes(name.encode())
        (tmp_path / f"{hashlib.sha256(name.encode()).hexdigest()}.csv").write_text(name)
    find = figure_data.serve(page, tmp_path, tmp_path)
    for name in ("fig-a", "fig-b"):  # on two pages each is the first without a name
        address = find("id1", f"_images/{name}.png")
        assert address == f"_static/figure_data/{name}.csv"
        assert (tmp_path / address).read_text() == name


# Setup code.


def cell(source, *output, tags=(), hidden=None):
    made = nodes.container("", nb_element="cell_code", classes=["cell", *tags])
    if hidden:
        made["hide_mode"] = hidden
    made += nodes.container("", nodes.literal_block(source, source), nb_element="cell_code_source")
    if output:
        made += nodes.container("", *output, nb_element="cell_code_output")
    return made


def test_code_that_shows_nothing_goes_to_one_fold_at_the_end(module):
    setup_fold = module("setup_fold")
    page = paragraph_page()
    parameters = cell("a = 1", tags=["tag_parameters"])
    setup = cell("import numpy", hidden="all")
    shown = cell("figure()", nodes.image(uri="a.png"), hidden="input")
    printed = cell("print()", nodes.literal_block("", "model sha256 12"), nodes.literal_block("", "loss 2"))
    page.children[0].extend([parameters, setup, shown, printed, nodes.paragraph("", "prose")])
    setup_fold.SetupFold(page).run()
    texts = [node.astext() for node in page.children[0].children]
    fold = next(index for index, text in enumerate(texts) if setup_fold.TITLE in text)
    assert texts[:fold] == ["Title", shown.astext(), "print()\n\nloss 2", "prose"]
    assert texts[fold + 1 : -1] == ["a = 1", "import numpy", "model sha256 12"]
    assert parameters["hide_mode"] is None


# The head of a chapter, and parts that come from elsewhere.


def test_minutes_are_counted_from_prose_not_from_code(module):
    chapter_header = module("chapter_header")
    page = paragraph_page("word " * 600)
    page.children[0] += nodes.literal_block("", "code " * 5000)
    assert chapter_header.minutes(page) == 3
    assert chapter_header.minutes(paragraph_page("word")) == 1


def test_exercises_do_not_count_as_reading_time(module):
    chapter_header = module("chapter_header")
    page = paragraph_page(" ".join(["word"] * 400))
    words = nodes.paragraph("", " ".join(["word"] * 400))
    page.children[0] += nodes.section("", nodes.title("", "Exercises"), words, ids=["exercises"])
    assert chapter_header.minutes(page) == 2


def test_what_chapters_build_on_comes_before_them(module, root):
    chapter_header = module("chapter_header")
    names = {file.stem for file in (root / "notebooks").glob("*.ipynb")}
    for chapter, before in chapter_header.builds_on(root).items():
        assert {chapter, *before} <= names
        assert all(earlier < chapter for earlier in before), chapter


def test_the_table_of_verdicts_has_a_line_for_every_claim(module, root):
    chapter_parts = module("chapter_parts")
    from rope_lib.claims import claims

    rows = chapter_parts.verdict_rows((root / "README.md").read_text(encoding="utf-8"))
    assert [claim for claim, _, _ in rows] == [claim.id for claim in claims()]
    with pytest.raises(ExtensionError, match=r"README\.md must hold a table"):
        chapter_parts.verdict_rows("# Nothing")


def test_the_index_holds_every_named_figure_once(module, root):
    chapter_parts = module("chapter_parts")
    figures = chapter_parts.all_figures(root)
    assert len({figure.name for figure in figures}) == len(figures) > 50
    assert all(figure.caption and figure.alt for figure in figures)
    entry = next(chapter_parts.index_entry(figure) for figure in figures if figure.name == "fig:break-loss")
    assert entry.startswith("{numref}`fig:break-loss`: ")
    assert "drawn by `figures." in entry


def test_a_paper_s_entry_is_cited_as_the_bibliography_has_it(module, root):
    citations = module("citations")
    bibliography = (root / "book" / "references.bib").read_text(encoding="utf-8")
    assert citations.entry(bibliography, "liu2026phase").startswith("@misc{liu2026phase,")
    assert citations.entry(bibliography, "liu2026phase").count("@") == 1
    with pytest.raises(ExtensionError, match="'nobody1900'"):
        citations.entry(bibliography, "nobody1900")
    cff = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert "url" not in citations.software_entry(cff, "2026", "")
    assert "url     = {https://host/name}" in citations.software_entry(cff, "2026", "https://host/name")


def test_the_pages_of_words_and_figures_are_in_the_table_of_contents(root):
    contents = (root / "_toc.yml").read_text(encoding="utf-8")
    for page in ("glossary", "teaching", "figures", "cite", "changelog"):
        assert f"file: book/{page}\n" in contents


def test_terms_stand_once_and_in_order(root):
    text = (root / "book" / "glossary.md").read_text(encoding="utf-8").partition("```{glossary}\n")[2]
    terms = [line for line in text.splitlines() if line and not line.startswith((" ", "`"))]
    assert terms == sorted(terms, key=str.casefold)
    assert len(set(terms)) == len(terms) > 50
    for needed in ("silhouette", "RULER", "HoPE", "NoPE", "HalfRoPE", "effective base"):
        assert needed in terms
