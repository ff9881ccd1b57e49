"""Equations as MathML, which browsers draw by themselves: without scripts, and without a network."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

SYNONYMS = {r"\dots": r"\ldots"}  # commands of LaTeX that docutils doesn't know

# What browsers need to be told about the spaces around signs
SPACES = [
    (r'<mo class="mathopen">', r'<mo class="mathopen" form="prefix" stretchy="false">'),
    (r"<mo>([|‖])</mo>", r'<mo form="postfix" stretchy="false">\1</mo>'),
    (r"<mo>([a-z ]+)</mo>", r'<mo lspace="0" rspace="0">\1</mo>'),  # max, min and others with limits below
    (r"(<mo>&ApplyFunction;</mo>)(?!\s*<mo)", r'\1<mspace width="0.17em"/>'),  # log p, but log(p)
]

logger = logging.getLogger(__name__)


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(translated(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{translated(node, as_block=True)}</div>')
    raise nodes.SkipNode


def translated(node: nodes.Element, as_block: bool) -> str:
    code = re.sub(r"\\[a-zA-Z]+", lambda command: SYNONYMS.get(command[0], command[0]), node.astext())
    try:
        equation = tex2mathml(code, as_block=as_block)
    except MathError as error:
        logger.warning("equation can't be translated to MathML: %s", error, location=node)
        return f"<code>{html.escape(node.astext())}</code>"
    for found, better in SPACES:
        equation = re.sub(found, better, equation)
    return equation


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
