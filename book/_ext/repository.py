"""Two addresses, each one setting: of the book's source, REPOSITORY, and of the site itself, SITE.

Both are variables of the environment, or of `make`, and empty unless somebody who publishes the book sets
them: no copy points at a place that is not its own. With SITE the pages name their canonical address and a
picture for those who link to them, and a sitemap is written, all of which need whole addresses.
With a REPOSITORY on GitHub, pages that are notebooks open in Colab and on Binder.
"""

import os
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

from sphinx.errors import ExtensionError


def address(name: str, value: str) -> str:
    """The address without a slash at its end; empty for an empty one.

    Raises ExtensionError for what is not an address on the web.
    """
    value = value.strip().rstrip("/")
    if value and (urlsplit(value).scheme not in ("https", "http") or not urlsplit(value).netloc):
        raise ExtensionError(f"{name} must be an address such as https://host/owner/name, got {value!r}")
    return value


def read_settings(app, config) -> None:
    config.repository = address("REPOSITORY", os.environ.get("REPOSITORY", ""))
    site = address("SITE", os.environ.get("SITE", ""))
    config.html_baseurl = f"{site}/" if site else ""


def launchers(repository: str, notebook: str) -> dict[str, str]:
    """Addresses that run a notebook of a repository, by the names of the services; none outside GitHub.

    Colab opens the copy on the branch `colab`, which installs what is missing there.

    >>> launchers("https://github.com/owner/name", "notebooks/atlas.ipynb")["Colab"]
    'https://colab.research.google.com/github/owner/name/blob/colab/notebooks/atlas.ipynb'
    """
    place = urlsplit(repository)
    if place.netloc != "github.com" or not notebook:
        return {}
    name = place.path.strip("/").removesuffix(".git")
    return {
        "Colab": f"https://colab.research.google.com/github/{name}/blob/colab/{quote(notebook)}",
        "Binder": f"https://mybinder.org/v2/gh/{name}/HEAD?labpath={quote(notebook, safe='')}",
    }


def tell(app, pagename, templatename, context, doctree) -> None:
    context["repository"] = app.config.repository
    context["site"] = app.config.html_baseurl
    is_notebook = app.env.doc2path(pagename, base=False).endswith(".ipynb") if doctree else False
    context["launchers"] = launchers(app.config.repository, f"{pagename}.ipynb" if is_notebook else "")


def sitemap(site: str, pages: list[str]) -> str:
    """A sitemap of pages, by their names below the site's address, which ends in a slash."""
    lines = "".join(f"<url><loc>{escape(site + page)}</loc></url>\n" for page in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{space}">\n{lines}</urlset>\n'


def write_sitemap(app, exception) -> None:
    if exception is None and app.builder.name == "html" and app.config.html_baseurl:
        pages = [app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)]
        text = sitemap(app.config.html_baseurl, pages)
        (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app) -> dict:
    app.add_config_value("repository", "", "html")  # pages are written again when it changes
    app.connect("config-inited", read_settings)
    app.connect("html-page-context", tell)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
