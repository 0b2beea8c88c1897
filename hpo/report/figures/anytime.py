"""Anytime curves: the best score so far of several searches, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from hpo.report.comparing import Comparison
from hpo.report.figures.best import whole_ticks
from hpo.report.figures.scores import in_view, padded
from hpo.report.groups import Group, Spread
from hpo.report.look import (
    ACCENT,
    DOT,
    MUTED,
    axis,
    label,
    new_figure,
    noted,
    only_note,
    score_text,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLORS = (DOT, ACCENT, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2933")
"""Okabe and Ito's, but for their yellow, which is too light for a line."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

Against = Literal["trials", "seconds"]
Point = tuple[float, Spread]


def anytime(comparison: Comparison, against: Against) -> go.Figure:
    """Draw the best score so far of each group against trials or running time.

    A group of several searches is the median of them, in a band from the worst to the
    best of them. A search that has ended keeps its best score to the end of the band.

    Args:
        comparison: What is drawn.
        against: What is on the axis below.
    """
    if against == "seconds" and not all(group.timed for group in comparison.groups):
        return only_note("The running time of some trials is not known.")
    curves = {group.label: curve(group, against) for group in comparison.groups}
    shown = [_scores(points) for points in curves.values()]
    if not any(shown):
        return only_note("No trial has a score yet.")
    figure = new_figure(420, legend=_legend(), showlegend=True)
    for place, points in enumerate(curves.values()):
        _add_band(figure, points, COLORS[place % len(COLORS)])
    for place, (name, points) in enumerate(curves.items()):
        _add_line(figure, name, points, place)
    view = _range(comparison, curves)
    notes = [_out_of_view(comparison, curves, view)]
    if comparison.to_reach is not None:
        goal = comparison.to_reach
        figure.add_hline(y=goal, line={"color": MUTED, "width": 1, "dash": "dot"})
        notes.append(f"dotted: {score_text(goal)}, the score to reach")
    noted(figure, notes)
    words = "trials" if against == "trials" else "seconds of running time"
    # A step at the very end is to be seen, so there is room behind it.
    last = max(points[-1][0] for points in curves.values() if points)
    below = axis(words, range=[0, last * 1.02])
    if against == "trials":
        below |= whole_ticks(int(last))
    beside = axis(f"best {label(comparison.metric)} so far", range=view)
    return figure.update_layout(xaxis=below, yaxis=beside)


def curve(group: Group, against: Against) -> list[Point]:
    """Return where the best score so far of a group changes, and what it is there.

    Against trials there is a point after each; against seconds one for each trial of
    any of its searches that ended.
    """
    courses = group.courses
    if against == "trials":
        longest = max(course.n_trials for course in courses)
        return [
            (float(n), group.scores(lambda c, n=n: c.after(n)))  # type: ignore[misc]
            for n in range(1, longest + 1)
        ]
    moments = sorted({moment for course in courses for moment in course.ended})
    return [
        (moment, group.scores(lambda c, at=moment: c.at(at)))  # type: ignore[misc]
        for moment in moments
    ]


def _add_band(figure: go.Figure, points: Sequence[Point], color: str) -> None:
    """Draw the range of a group, from where all its searches have a score."""
    whole = [(x, s.low, s.high) for x, s in points if None not in (s.low, s.high)]
    if not any(low != high for _, low, high in whole):
        return
    hidden = {
        "mode": "lines",
        "line": {"width": 0, "shape": "hv"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    xs = [x for x, _, _ in whole]
    figure.add_scatter(x=xs, y=[low for _, low, _ in whole], **hidden)
    figure.add_scatter(
        x=xs,
        y=[high for _, _, high in whole],
        fill="tonexty",
        fillcolor=_faint(color),
        **hidden,
    )


def _add_line(
    figure: go.Figure, name: str, points: Sequence[Point], place: int
) -> None:
    known = [(x, s.middle) for x, s in points if s.middle is not None]
    figure.add_scatter(
        x=[x for x, _ in known],
        y=[y for _, y in known],
        mode="lines" if len(known) > 1 else "markers",
        name=label(name),
        line={
            "color": COLORS[place % len(COLORS)],
            "width": 2.5,
            "shape": "hv",
            "dash": DASHES[place // len(COLORS) % len(DASHES)],
        },
        hovertemplate="%{x:.4~g}: %{y:.4f}<extra>%{fullData.name}</extra>",
    )


def _range(comparison: Comparison, curves: dict[str, list[Point]]) -> list[float]:
    """Return the scores in view: a bad start must not squeeze what came of it."""
    sign = -1.0 if comparison.minimize else 1.0
    scores = [sign * score for points in curves.values() for score in _scores(points)]
    if comparison.to_reach is not None:
        scores.append(sign * comparison.to_reach)
    low, high = padded(*in_view(scores), 0.08)
    return sorted([sign * low, sign * high])


def _out_of_view(
    comparison: Comparison, curves: dict[str, list[Point]], view: list[float]
) -> str:
    """Say where curves begin that begin out of view; an empty text if none does."""
    worst, edge = (max, view[1]) if comparison.minimize else (min, view[0])
    middles = [s.middle for points in curves.values() for _, s in points]
    reached = worst((middle for middle in middles if middle is not None), default=edge)
    if worst(reached, edge) == edge:
        return ""
    return f"curves begin as far off as {score_text(reached)}, out of view"


def _scores(points: Sequence[Point]) -> list[float]:
    return [
        score
        for _, s in points
        for score in (s.low, s.middle, s.high)
        if score is not None
    ]


def _faint(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _legend() -> dict[str, Any]:
    place = {"x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
    # Plotly turns the order around where a trace is filled to the one before.
    return {"orientation": "h", "traceorder": "normal", **place}
