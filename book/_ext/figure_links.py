"""Figures of a finished page: each links to itself at full size, and loads when a reader comes near it.

On a phone a figure shrinks below what can be read, and the link is how to enlarge it. Its width and height
are written beside it, so that a page does not jump when it arrives.
"""

import re
import struct
from pathlib import Path

IMAGE = re.compile(r"(<a\b[^>]*>\s*)?<img\b([^>]*?)\s*/?>")
SOURCE = re.compile(r'\bsrc="([^"]*_images/[^"]+\.png)"')
ALT = re.compile(r'\balt="([^"]*)"')


def png_size(file: Path) -> tuple[int, int]:
    """Width and height of a PNG image, in pixels.

    Raises ValueError for another file.
    """
    head = file.read_bytes()[:24]
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{file.name} must be a PNG image")
    return struct.unpack(">II", head[16:24])


def with_links(html: str, folder: Path) -> str:
    """The page, which lies in `folder`, with its figures linked; doing it twice changes nothing."""

    def link(found: re.Match[str]) -> str:
        around, attributes = found.groups()
        source = SOURCE.search(attributes)
        if source is None or "loading=" in attributes:
            return found[0]
        width, height = png_size(folder / source[1])
        image = f'<img{attributes} width="{width}" height="{height}" loading="lazy" decoding="async" />'
        if around:
            return around + image
        alt = ALT.search(attributes)
        label = f"Enlarge: {alt[1]}" if alt and alt[1] else "Enlarge this figure"
        return f'<a class="enlarge" href="{source[1]}" aria-label="{label}">{image}</a>'

    return IMAGE.sub(link, html)


def link_all(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            if (changed := with_links(text, page.parent)) != text:
                page.write_text(changed, encoding="utf-8")


def setup(app) -> dict:
    app.connect("build-finished", link_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
