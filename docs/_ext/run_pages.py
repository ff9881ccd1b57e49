"""Python in the pages runs as they are built: below each block stands what it prints, and what it draws."""

import contextlib
import io
import warnings
from pathlib import Path

import matplotlib
from docutils import nodes
from sklearn.exceptions import ConvergenceWarning
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata

matplotlib.use("agg")
from matplotlib import pyplot as plt

FOLDER = "_pictures"  # below the sources, since Sphinx looks for images there


class RunPage(SphinxTransform):
    """Run the blocks of a Markdown page one after the other, in one namespace, and show what comes out."""

    default_priority = 200  # before Sphinx collects the images

    def apply(self, **kwargs) -> None:
        if self.env.doc2path(self.env.docname).suffix != ".md":
            return
        namespace = {"__name__": "__main__"}
        for k, block in enumerate(self.document.findall(nodes.literal_block)):
            # included source, which stands there to be read, knows the file that it comes from
            if block.get("language") == "python" and "source" not in block:
                printed = run(block.astext(), self.env.docname, namespace)
                results = [*self.output(printed), *self.pictures(k)]
                block.parent[
                    block.parent.index(block) + 1 : block.parent.index(block) + 1
                ] = results

    def output(self, printed: str) -> list[nodes.Node]:
        text = printed.rstrip()
        return (
            [nodes.literal_block(text, text, language="none", classes=["output"])]
            if text
            else []
        )

    def pictures(self, k: int) -> list[nodes.Node]:
        folder = Path(self.env.srcdir) / FOLDER
        folder.mkdir(exist_ok=True)
        found: list[nodes.Node] = []
        for number in plt.get_fignums():
            name = f"{self.env.docname}-{k}-{number}.png"
            plt.figure(number).savefig(folder / name, dpi=120)
            found.append(
                nodes.image(uri=f"/{FOLDER}/{name}", alt="What the code above draws")
            )
        plt.close("all")
        return found


def run(code: str, page: str, namespace: dict) -> str:
    """What the code prints; an exception of it ends the build."""
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a page may show one
        exec(compile(code, f"{page}.md", "exec"), namespace)
    return printed.getvalue()


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_transform(RunPage)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
