"""HTML of what pages have besides tables and figures; every text is escaped here."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hpo.report.page import figure_part, table

if TYPE_CHECKING:
    import plotly.graph_objects as go


def cards(facts: Mapping[str, str]) -> str:
    """Return the numbers that matter most, each with a word about it below."""
    items = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{items}</dl>\n'


def answers(entries: Sequence[tuple[str, str]]) -> str:
    """Return what is asked, each with its answer in a sentence or two."""
    items = "".join(
        f"<dt>{html.escape(asked)}</dt><dd>{html.escape(answer)}</dd>\n"
        for asked, answer in entries
    )
    return f'<dl class="answers">{items}</dl>\n'


def warning(text: str) -> str:
    """Return a paragraph that must not be overlooked."""
    return f'<p class="warning" role="note">{html.escape(text)}</p>\n'


def subheading(text: str) -> str:
    """Return a heading within a part."""
    return f"<h3>{html.escape(text)}</h3>\n"


def items(texts: Sequence[str]) -> str:
    """Return a list of sentences."""
    lines = "".join(f"<li>{html.escape(text)}</li>\n" for text in texts)
    return f'<ul class="items">{lines}</ul>\n'


def verbatim(text: str, label: str) -> str:
    """Return a text as it stands, such as a file or commands.

    Args:
        text: Shown in type of one width.
        label: What it is, for whoever has it read aloud.
    """
    # It scrolls by itself where it is too wide, so the keyboard must reach it.
    return (
        f'<pre tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f"{html.escape(text)}</pre>\n"
    )


def named_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose rows begin with names, which get the room they need."""
    return f'<div class="named">{table(columns, rows)}</div>\n'


def wordy_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose last column is of longer texts."""
    return f'<div class="wordy">{table(columns, rows)}</div>\n'


def folded(summary: str, body: str) -> str:
    """Return HTML that is shown when it is asked for, and on paper."""
    return f"<details><summary>{html.escape(summary)}</summary>{body}</details>\n"


def drawing(label: str, figure: go.Figure) -> str:
    """Return the HTML of one figure; ``label`` is for whoever cannot see it."""
    return figure_part(label, figure).body


def side_by_side(drawings: Sequence[str], width: int = 320) -> str:
    """Put figures beside each other where each gets ``width`` pixels, else below."""
    return f'<div class="views" style="--least:{width}px">\n{"".join(drawings)}</div>\n'
