"""Below each figure of a page a link to the numbers that it draws, as CSV.

While the book is built, a figure that a notebook shows leaves its numbers in a file named by the hash of its
image (`rope_lib.figures.style`), beside the cached execution: both are made together and vanish together. A
finished page finds the numbers of a figure by the image that it shows, so they belong to each other for sure.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

FIGURE = re.compile(r'(?s)<figure\b[^>]*\bid="(?P<id>[^"]+)"[^>]*>.*?</figure>')
IMAGE = re.compile(r'<img\b[^>]*\bsrc="([^"]*_images/[^"]+\.png)"')
KEPT = "figure_data"  # below the folder of cached executions
SERVED = "_static/figure_data"
NO_NAME = re.compile(r"id\d+")  # the id of a figure that a page shows again, whose image has its name
MARK = "figure-data"
DECK = 'class="reveal"'  # of slides, which have no room for a link


def with_data(html: str, numbers_of: Callable[[str, str], str | None]) -> str:
    """The page with links to the numbers of its figures; doing it twice changes nothing.

    `numbers_of` takes a figure's id and the address of its image, and returns the address of its numbers, or
    None if there are none. Slides stay as they are.
    """
    if DECK in html:
        return html

    def link(found: re.Match[str]) -> str:
        figure = found[0]
        image = IMAGE.search(figure)
        address = numbers_of(found["id"], image[1]) if image and MARK not in figure else None
        if address is None:
            return figure
        line = f'<p class="{MARK}"><a href="{address}" download>Data of this figure (CSV)</a></p>'
        head, end, tail = figure.rpartition("</figcaption>")
        return f"{head}{line}\n{end}{tail}" if end else figure.replace("</figure>", f"{line}</figure>")

    return FIGURE.sub(link, html)


def keep_numbers(app, config) -> None:
    from rope_lib.figures.style import DATA_FOLDER

    os.environ[DATA_FOLDER] = str(Path(config.nb_execution_cache_path) / KEPT)  # notebooks inherit it


def serve(page: Path, site: Path, kept: Path) -> Callable[[str, str], str | None]:
    """For a page of a site: how to find the numbers of a figure in `kept`, and to put them on the site."""

    def numbers_of(name: str, image: str) -> str | None:
        digest = hashlib.sha256((page.parent / image).read_bytes()).hexdigest()
        if not (kept / f"{digest}.csv").is_file():
            return None
        own = Path(image).stem if NO_NAME.fullmatch(name) else name
        target = site / SERVED / f"{own}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept / f"{digest}.csv", target)
        return Path(os.path.relpath(target, page.parent)).as_posix()

    return numbers_of


def offer_all(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        site, kept = Path(app.outdir), Path(app.config.nb_execution_cache_path) / KEPT
        for page in site.rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            if (changed := with_data(text, serve(page, site, kept))) != text:
                page.write_text(changed, encoding="utf-8")


def setup(app) -> dict:
    app.connect("config-inited", keep_numbers, priority=900)  # after the folder is named
    app.connect("build-finished", offer_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
