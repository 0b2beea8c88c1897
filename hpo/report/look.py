"""The one look of all figures and pages: colours, type, and how values are written.

Colours are Okabe and Ito's, and scales of one hue, which colour-blind people tell apart
and a grey printer keeps in order. Whatever comes from a user is escaped here, as plotly
takes text for HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK = "#1f2933"
MUTED = "#616e7c"
GRID = "#e4e7eb"
DOT = "#0072b2"
ACCENT = "#d55e00"
SCALE = [[0.0, "#c3d7ea"], [0.5, "#4f93c6"], [1.0, "#08306b"]]
"""From low to high scores, or early to late trials: light to dark blue."""

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif'

MAX_LABEL = 28
MAX_TEXT = 60


def shortened(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def written(value: object, limit: int = MAX_TEXT) -> str:
    """Write a value of a hyperparameter, or a name, as a person reads it; not escaped.

    Numbers have four digits, nothing is ``none``, and what cannot be printed shows as
    its escape sequence.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.4g}")
    text = str(value) if isinstance(value, str | int) else repr(value)
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shortened(text, limit) or '""'


def escaped(text: str) -> str:
    """Return a text that plotly shows as it is, whatever signs it has.

    Plotly takes tags and entities for HTML, and what is between dollars for a formula.
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def label(value: object, limit: int = MAX_LABEL) -> str:
    """Write a value or a name for a figure, escaped and short."""
    return escaped(written(value, limit))


def score_text(score: float) -> str:
    """Write a score with four decimals, or four digits where that says too little."""
    text = f"{score:.4f}"
    small = score != 0 and not re.search("[1-9]", text[:-1])
    return f"{score:.4g}" if small or abs(score) >= 1000 else text


def new_figure(height: int, **layout: Any) -> go.Figure:
    """Return an empty figure of the given height in pixels, as wide as its place."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template=None,
        height=height,
        autosize=True,
        font={"family": FONT, "size": 13, "color": INK},
        colorway=[DOT, ACCENT],
        paper_bgcolor="white",
        plot_bgcolor="white",
        margin={"l": 60, "r": 24, "t": 34, "b": 52},
        hoverlabel={
            "align": "left",
            "bgcolor": "white",
            "bordercolor": MUTED,
            "font": {"family": FONT, "size": 12, "color": INK},
        },
        showlegend=False,
        dragmode="zoom",
    )
    return figure.update_layout(layout)


def axis(title: str = "", **options: Any) -> dict[str, Any]:
    """Return the looks of one axis; ``title`` is shown as it is."""
    return {
        "title": {"text": title, "font": {"size": 13, "color": MUTED}, "standoff": 8},
        "showgrid": True,
        "gridcolor": GRID,
        "zeroline": False,
        "showline": True,
        "linecolor": MUTED,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": MUTED,
        "automargin": True,
        "exponentformat": "power",
        **options,
    }


def color_bar(title: str, **options: Any) -> dict[str, Any]:
    """Return the looks of a bar that explains colours, beside the figure."""
    return {
        "title": {"text": title, "side": "top", "font": {"size": 12, "color": MUTED}},
        "thickness": 10,
        "outlinewidth": 0,
        "tickfont": {"size": 11},
        "nticks": 5,
        **options,
    }


def noted(figure: go.Figure, notes: Sequence[str]) -> go.Figure:
    """Put lines above the figure that say what it does not show.

    Args:
        figure: Its margin grows by the room that they need.
        notes: Of at most 50 characters, to fit a phone; empty ones are left out.
    """
    lines = [escaped(note) for note in notes if note]
    if lines:
        figure.layout.margin.t += 17 * len(lines) + 8
        figure.update_layout(
            title={
                "text": "<br>".join(lines),
                "font": {"size": 12, "color": MUTED},
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                # A title of several lines is centred where one line would begin.
                "pad": {"t": 6 + 10 * (len(lines) - 1)},
            }
        )
    return figure


def only_note(note: str) -> go.Figure:
    """Return a figure that says why there is nothing to draw."""
    figure = new_figure(56, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    figure.add_annotation(
        text=escaped(note),
        x=0,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 15, "color": MUTED},
    )
    hidden = {"visible": False, "fixedrange": True}
    return figure.update_layout(xaxis=hidden, yaxis=hidden)
