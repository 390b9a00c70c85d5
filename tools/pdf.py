"""The built book as one PDF, _build/rope-companion.pdf: its pages put into one, and printed.

A link from page to page becomes one within the PDF. What is for a screen stays out: the calculator, and the
reference of the library, which would be nearly half of the book. Explorables are drawn as they open.
"""

import base64
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from posixpath import join, normpath

from browse import READY, ROOT, SITE, open_browser, resize

WHOLE = "whole.html"  # written beside the pages, for as long as it is printed
TARGET = ROOT / "_build" / "rope-companion.pdf"
LEFT_OUT = re.compile(r"book/(calculator\.html|api/.*)")
WIDTH = 740  # pixels of a printed page's text, for which explorables are drawn
PATIENCE = 3_600  # seconds for each step: minutes in all on a free machine, and many more on one that is busy
ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)
DRAWN = re.compile(r'(?:<link|<script)[^>]*"\.\./(_static/(?:explore|calculator)/[^"?]+)[^>]*>(?:</script>)?')
ADDRESS = re.compile(r'(?<= )(href|src|id)="([^"]*)"')
LOAD_FIGURES = """const done = arguments[0];
for (const image of document.images) image.loading = "eager";
Promise.allSettled([...document.images].map((image) => image.decode())).then(() => done())"""


def pages(contents: str) -> list[str]:
    """The pages in the order of a page's table of contents, the front page first.

    >>> pages('<a class="reference internal" href="../a/b.html">B</a>')
    ['book/intro.html', 'a/b.html']
    """
    found = re.findall(r'<a class="reference internal" href="([^"#]+\.html)"', contents)
    return list(dict.fromkeys(["book/intro.html", *(normpath(join("book", address)) for address in found)]))


def place(page: str, fragment: str) -> str:
    """The id, in the whole, of a place in a page."""
    return re.sub(r"\W", "-", page) + (f"--{fragment}" if fragment else "")


def moved(article: str, page: str, known: list[str]) -> str:
    """A page's article with its ids and addresses as they are in the whole, which lies at the site's root.

    A link to what is not in the whole is none: it would lead to a file of whoever prints.
    """

    def address(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name == "id":
            return f'id="{place(page, value)}"'
        if re.match(r"[a-z]+:", value):
            return found[0]
        path, _, fragment = value.partition("#")
        target = normpath(join(page, "..", path)) if path else page
        if target in known:
            return f'href="#{place(target, fragment)}"'
        return "" if name == "href" else f'{name}="{target}"'

    return f'<section id="{place(page, "")}" class="of-whole">{ADDRESS.sub(address, article)}</section>'


def drawing(texts: Iterable[str]) -> str:
    """What the explorables of some pages load, once each and in their order, as the site's root has it."""
    files = dict.fromkeys(file for text in texts for file in DRAWN.findall(text))
    styles = [f'<link rel="stylesheet" href="{file}">' for file in files if file.endswith(".css")]
    scripts = [f'<script defer src="{file}"></script>' for file in files if file.endswith(".js")]
    return "".join(styles + scripts)


def whole(site: Path) -> str:
    """All pages as one."""
    front = (site / "book" / "intro.html").read_text(encoding="utf-8")
    contents = front[front.index('<nav class="bd-links') :].partition("</nav>")[0]
    known = [page for page in pages(contents) if not LEFT_OUT.fullmatch(page)]
    texts = {page: (site / page).read_text(encoding="utf-8") for page in known}
    articles = "".join(moved(ARTICLE.search(text)[1], page, known) for page, text in texts.items())
    model = next(
        text for page, text in texts.items() if "mathjax/startup.js" in text and page.count("/") == 1
    )
    head = DRAWN.sub("", model[model.index("<head") : model.index("</head>")]).replace('="../', '="')
    head += drawing(texts.values())
    title = ".of-whole h1 { display: block !important; }"  # the theme prints a page's title elsewhere
    wide = "body, .bd-main, .bd-content, .bd-article-container"
    blocks = f"{wide} {{ display: block !important; }}"  # or a wide table would widen all
    style = f"<style>.of-whole {{ break-before: page; }} {blocks} {title}</style>"
    return (
        f'<!doctype html><html lang="en" data-theme="light" data-content_root="./">{head}{style}</head>'
        f'<body><main class="bd-main"><div class="bd-article-container"><div class="bd-content">'
        f'<article class="bd-article">{articles}</article></div></div></main></body></html>'
    )


def main() -> int:
    if not SITE.is_dir():
        print(f"{SITE.relative_to(ROOT)} is not there: make book", file=sys.stderr)
        return 2
    file = SITE / WHOLE
    file.write_text(whole(SITE), encoding="utf-8")
    driver = open_browser()
    driver.command_executor.client_config.timeout = PATIENCE
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    try:
        resize(driver, WIDTH, 1_000)
        driver.get(file.as_uri())
        driver.execute_async_script(READY)
        driver.execute_async_script(LOAD_FIGURES)
        options = {"preferCSSPageSize": True, "printBackground": True, "generateDocumentOutline": True}
        printed = driver.execute_cdp_cmd("Page.printToPDF", {**options, "generateTaggedPDF": True})
    finally:
        driver.quit()
        file.unlink()
    TARGET.write_bytes(base64.b64decode(printed["data"]))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
