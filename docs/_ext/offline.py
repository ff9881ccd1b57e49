"""Animations without a network: matplotlib's player asks a server for icons that the theme brings along."""

import re

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

FOREIGN = re.compile(r'<link rel="stylesheet"\s+href="https?://[^"]*">')


def remove_foreign_styles(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    if "body" in context:
        context["body"] = FOREIGN.sub("", context["body"])


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("html-page-context", remove_foreign_styles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
