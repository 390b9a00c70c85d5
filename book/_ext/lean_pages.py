"""Less for each page to load, and what a page says of itself to those who link to it.

Sphinx's extensions add their scripts to every page, some twice, which is an error in the console. The ones
that the book does not use are left out. Each page gets a description: its first paragraph, or the one in its
front matter.
"""

import re

from docutils import nodes

UNUSED = ("sphinx-thebe", "THEBE_JS_URL", "design-tabs")  # no page runs code, and none has tabs
LIMIT = 160  # characters of a description, about as many as a search engine shows


def without_unused(files: list) -> list:
    """Scripts or style sheets, each once, and only those that the book uses."""
    kept, seen = [], set()
    for file in files:
        text = f"{getattr(file, 'filename', '') or ''} {getattr(file, 'attributes', {}).get('body') or ''}"
        if text not in seen and not any(name in text for name in UNUSED):
            kept.append(file)
        if text.strip():
            seen.add(text)
    return kept


# How paragraphs begin that say what is on a page, and not what it is about.
BEFORE = ("What you will learn", "The text is written for the defaults")


def description(doctree, limit: int = LIMIT) -> str:
    """The first paragraph of a page's prose, cut after a word; empty for a page without one.

    What stands in a table or in a box, such as the head of a chapter, is no prose.
    """
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        if not isinstance(paragraph.parent, nodes.section):
            continue
        text = re.sub(r"\s+", " ", paragraph.astext()).strip().removeprefix("The question. ")
        if len(text) > 40 and not text.startswith(BEFORE):
            return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    return ""


def needs_mathjax(body: str) -> bool:
    return 'class="math' in body or "amsmath" in body


def make_lean(app, pagename, templatename, context, doctree) -> None:
    context["script_files"] = without_unused(context.get("script_files", []))
    context["css_files"] = without_unused(context.get("css_files", []))
    if not needs_mathjax(context.get("body", "")):
        context["script_files"] = [
            file
            for file in context["script_files"]
            if "mathjax" not in str(getattr(file, "filename", ""))
            and "window.MathJax" not in str(getattr(file, "attributes", {}).get("body"))
        ]
    meta = context.get("meta") or {}
    context["page_description"] = meta.get("description") or description(doctree) or app.config.description


def setup(app) -> dict:
    app.add_config_value("description", "", "html")  # of a page that has no prose of its own
    app.connect("html-page-context", make_lean, priority=900)  # after those who add
    return {"parallel_read_safe": True, "parallel_write_safe": True}
