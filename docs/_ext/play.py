"""The page play.md gets its style and its scripts, of which one is made of skgd's sources."""

from play_script import script
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata


def add_scripts(app: Sphinx, name: str, template: str, context: dict, document) -> None:
    if name == "play":
        app.add_css_file("play.css")
        app.add_js_file(None, body=script())
        app.add_js_file("play_axes.js", loading_method="defer")
        app.add_js_file("play.js", loading_method="defer")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("html-page-context", add_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
