"""Where the source of this book is, as one setting: the environment variable REPOSITORY.

It is empty unless somebody who publishes the book sets it, so that no copy points at an address that is not
its own.
"""

import os
from urllib.parse import urlsplit

from sphinx.errors import ExtensionError


def address(value: str) -> str:
    """The address without a slash at its end; empty for an empty one.

    Raises ExtensionError for what is not an address on the web.
    """
    value = value.strip().rstrip("/")
    if value and (urlsplit(value).scheme not in ("https", "http") or not urlsplit(value).netloc):
        raise ExtensionError(f"REPOSITORY must be an address such as https://host/owner/name, got {value!r}")
    return value


def tell(app, pagename, templatename, context, doctree) -> None:
    context["repository"] = app.config.repository


def read_setting(app, config) -> None:
    config.repository = address(os.environ.get("REPOSITORY", ""))


def setup(app) -> dict:
    app.add_config_value("repository", "", "html")  # pages are written again when it changes
    app.connect("config-inited", read_setting)
    app.connect("html-page-context", tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
