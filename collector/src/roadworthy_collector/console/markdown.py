"""Markdown as HTML that cannot do harm: nothing of its own HTML, no pictures, links to here or to http(s) only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from roadworthy_collector.security.access import parts_of


class _Markdown(MarkdownIt):
    """CommonMark without HTML and pictures; a link that is not kept stays the text it was written as."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.disable("image")

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name, which it calls
        scheme, host = parts_of(url)
        # Browsers read three slashes as two: another host without its scheme.
        return scheme in {"http", "https"} or ((scheme, host) == ("", "") and not url.startswith("//"))


def sections(text: str) -> list[Markup]:
    """Return Markdown as HTML, cut before every heading of the second level; the first piece is what stands before.

    The heading of piece n has the id `part-n`, to name the piece by.
    """
    parser = _Markdown()
    tokens = parser.parse(text)
    starts = [at for at, token in enumerate(tokens) if _is_cut(token)]
    for number, at in enumerate(starts, start=1):
        tokens[at].attrSet("id", f"part-{number}")
    edges = [0, *starts, len(tokens)]
    return [_render(parser, tokens[begin:end]) for begin, end in pairwise(edges)]


def _is_cut(token: Token) -> bool:
    return token.type == "heading_open" and token.tag == "h2" and token.level == 0


def _render(parser: MarkdownIt, tokens: Sequence[Token]) -> Markup:
    made = parser.renderer.render(tokens, parser.options, {})
    return Markup(made)  # noqa: S704 - the renderer escapes all text, and HTML is off
