"""One self-contained page of figures: parts, how they are put together, and its looks.

A page works offline and asks for nothing: plotly's code is in it once, and its own
content security policy forbids every request and all code but that of the page.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hpo.report.page_assets import SCRIPT, STYLE

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Part:
    """A section of a page.

    Args:
        heading: Plain text; a part without one is no entry in the table of contents.
        body: HTML, with everything of a user's escaped.
    """

    heading: str
    body: str


def figures_page(
    title: str, notes: Sequence[str], figures: Mapping[str, go.Figure]
) -> str:
    """Return one HTML document with figures.

    Args:
        title: Of the page; plain text.
        notes: Paragraphs below it; plain text.
        figures: By heading, in order.
    """
    parts = [figure_part(heading, figure) for heading, figure in figures.items()]
    return page(title, [Part("", paragraphs(notes)), *parts])


def page(title: str, parts: Sequence[Part]) -> str:
    """Put parts together as one HTML document."""
    headed = [part for part in parts if part.heading]
    with_figures = any('class="figure"' in part.body for part in parts)
    # Parallel coordinates are drawn by code that plotly makes while the page is open.
    needs_eval = any('"type":"parcoords"' in part.body for part in parts)
    scripts = [_plotly_code(), SCRIPT] if with_figures else []
    anchors = {id(part): f"part-{index}" for index, part in enumerate(headed, 1)}
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta http-equiv="Content-Security-Policy" content="',
            _policy(scripts, needs_eval=needs_eval),
            '">\n<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n",
            f"</head>\n<body>\n<main>\n<h1>{html.escape(title)}</h1>\n",
            contents([(anchors[id(part)], part.heading) for part in headed]),
            *(_section(part, anchors.get(id(part))) for part in parts),
            "</main>\n",
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body>\n</html>\n",
        ]
    )


def figure_part(heading: str, figure: go.Figure, notes: Sequence[str] = ()) -> Part:
    """Return a part with a figure, and notes above it."""
    # This engine writes < and > as escapes, so nothing ends the element that it is in.
    data = figure.to_json(validate=False, engine="json")
    height = int(figure.layout.height or 400)
    width = int((figure.layout.meta or {}).get("minimum_width", 0))
    size = f"height:{height}px;min-width:{width}px" if width else f"height:{height}px"
    return Part(
        heading,
        f'{paragraphs(notes)}<div class="scroll"><div class="figure" role="img" '
        f'aria-label="{html.escape(heading)}" style="{size}">'
        f'<script type="application/json">{data}</script>'
        "<noscript>This figure needs JavaScript.</noscript></div></div>\n",
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table of plain texts; the first cell of a row heads it."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>\n"
        for first, *rest in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def paragraphs(notes: Sequence[str]) -> str:
    """Return plain texts as paragraphs."""
    return "".join(f"<p>{html.escape(note)}</p>\n" for note in notes if note)


def contents(entries: Sequence[tuple[str, str]]) -> str:
    """Return a table of contents of (anchor, heading), if there are several."""
    if len(entries) < 2:
        return ""
    items = "".join(
        f'<li><a href="#{anchor}">{html.escape(heading)}</a></li>'
        for anchor, heading in entries
    )
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>\n'


def _section(part: Part, anchor: str | None) -> str:
    if anchor is None:
        return part.body
    heading = f"<h2>{html.escape(part.heading)}</h2>"
    return f'<section id="{anchor}">{heading}\n{part.body}</section>\n'


@cache
def _plotly_code() -> str:
    from plotly.offline import get_plotlyjs

    code: str = get_plotlyjs()
    return code


def _policy(scripts: Sequence[str], *, needs_eval: bool) -> str:
    """Return the content security policy of a page with these scripts."""
    allowed = [f"'sha256-{_digest(script)}'" for script in scripts]
    if needs_eval:
        allowed.append("'unsafe-eval'")
    code = " ".join(allowed) or "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {code}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


@cache
def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
