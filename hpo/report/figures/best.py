"""The figure of the search itself: every trial's score, and the best one so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hpo.records import Trial
from hpo.report.figures.scores import (
    has_score,
    hover_text,
    in_view,
    padded,
    ranged,
    scored,
    scores_of,
)
from hpo.report.look import ACCENT, DOT, MUTED, axis, label, new_figure, only_note
from hpo.report.tables import counted

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_TICKS = 14
"""Up to so many trials each has a tick; no number between two of them is a trial."""


def best_so_far(trials: Sequence[Trial], metric: str, sign: int = 1) -> go.Figure:
    """Draw each trial as a dot and the best score so far as a line, in trial order.

    Trials without a score are crosses on the axis, and those far below the others
    triangles at the lower edge, as they would squeeze the rest into a line.

    Args:
        trials: Of one study.
        metric: The name of the score.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    finished = sorted(
        (trial for trial in counted(trials) if trial.finished), key=lambda t: t.number
    )
    if not finished:
        return only_note("No trial has finished yet.")
    judged = scored(finished)
    failed = [trial for trial in finished if not has_score(trial)]
    figure = new_figure(400, legend=_legend(), showlegend=True)
    low, high = in_view(scores_of(judged)) if judged else (0.0, 1.0)
    shown = [trial for trial in judged if (trial.score or 0.0) >= low]
    far_out = [trial for trial in judged if (trial.score or 0.0) < low]
    if judged:
        _add_best(figure, judged, finished[-1].number, low, sign)
    dot = {"color": DOT, "size": 8, "opacity": 0.75}
    _add_trials(figure, shown, metric, "trial", dot, "y", sign)
    way, where = ("down", "below") if sign > 0 else ("up", "above")
    triangle = {"color": DOT, "size": 9, "symbol": f"triangle-{way}"}
    _add_trials(figure, far_out, metric, f"far {where}", triangle, "y2", sign)
    cross = {"color": MUTED, "size": 9, "symbol": "x-thin", "line": {"width": 2}}
    cross["line"] = {"width": 2, "color": MUTED}
    _add_trials(figure, failed, metric, "failed", cross, "y2")
    return figure.update_layout(
        xaxis=axis("trial", range=_numbers(finished), showgrid=False)
        | whole_ticks(finished[-1].number),
        yaxis=axis(
            label(metric),
            range=padded(*ranged(low, high, sign), 0.08),
            showticklabels=bool(judged),
        ),
        # What lies on the axis has a height of its own, whatever the scores are.
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False}
        | {"fixedrange": True},
    )


def _add_best(
    figure: go.Figure, judged: Sequence[Trial], last: int, low: float, sign: int
) -> None:
    best = list(accumulate(scores_of(judged), max))
    xs = [trial.number for trial in judged]
    if last > xs[-1]:
        xs, best = [*xs, last], [*best, best[-1]]
    figure.add_scatter(
        x=xs,
        y=[sign * score if score >= low else None for score in best],
        mode="lines",
        name="best so far",
        line={"color": ACCENT, "width": 2.5, "shape": "hv"},
        hoverinfo="skip",
    )


def _add_trials(
    figure: go.Figure,
    trials: Sequence[Trial],
    metric: str,
    name: str,
    marker: dict[str, Any],
    yaxis: str,
    sign: int = 1,
) -> None:
    """Add trials to one of the axes: of scores, or ``y2``, which has only edges."""
    edge = 0.0 if sign > 0 else 1.0
    if trials:
        figure.add_scatter(
            x=[trial.number for trial in trials],
            y=[sign * score for score in scores_of(trials)]
            if yaxis == "y"
            else [edge] * len(trials),
            yaxis=yaxis,
            mode="markers",
            name=name,
            marker=marker,
            cliponaxis=False,
            hoverinfo="text",
            hovertext=[hover_text(trial, metric, sign) for trial in trials],
        )


def _numbers(trials: Sequence[Trial]) -> list[float]:
    low, high = trials[0].number, trials[-1].number
    pad = max((high - low) * 0.02, 0.5)
    return [low - pad, high + pad]


def whole_ticks(last: int) -> dict[str, Any]:
    """Return what keeps ticks of trial numbers up to ``last`` at whole numbers."""
    chosen = {"nticks": 12} if last > MOST_TICKS else {"dtick": 1}
    return {"tickformat": "d", "minor": {"ticks": ""}, **chosen}


def _legend() -> dict[str, Any]:
    return {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
