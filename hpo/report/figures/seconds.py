"""The figure of what the search has cost: the best score so far against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from hpo.records import Trial
from hpo.report.figures.scores import (
    has_score,
    hover_text,
    in_view,
    padded,
    ranged,
    scores_of,
)
from hpo.report.look import ACCENT, DOT, axis, label, new_figure, noted, only_note

if TYPE_CHECKING:
    import plotly.graph_objects as go


def best_by_seconds(
    ended: Sequence[tuple[Trial, float]], metric: str, what: str, sign: int = 1
) -> go.Figure:
    """Draw the best score so far against seconds.

    Args:
        ended: Finished trials, each with the seconds after which it ended, in order.
        metric: The name of the score.
        what: Which seconds they are, such as ``of training``; follows the unit.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    judged = [(trial, at) for trial, at in ended if has_score(trial)]
    if not judged:
        return only_note("No trial with a score has been timed.")
    scores = scores_of([trial for trial, _ in judged])
    low, high = in_view(scores)
    unit, per_unit = _unit(ended[-1][1])
    times = [round(at / per_unit, 4) for _, at in judged]
    best = list(accumulate(scores, max))
    figure = new_figure(340, margin={"t": 14})
    figure.add_scatter(
        x=[*times, round(ended[-1][1] / per_unit, 4)],
        y=[sign * score if score >= low else None for score in [*best, best[-1]]],
        mode="lines",
        name="best so far",
        line={"color": ACCENT, "width": 2.5, "shape": "hv"},
        hoverinfo="skip",
    )
    shown = [one for one in zip(times, judged, strict=True) if _score(one[1][0]) >= low]
    figure.add_scatter(
        x=[at for at, _ in shown],
        y=[sign * _score(trial) for _, (trial, _) in shown],
        mode="markers",
        name="trial",
        marker={"color": DOT, "size": 7, "opacity": 0.6},
        hoverinfo="text",
        hovertext=[
            f"{hover_text(trial, metric, sign)}<br>after {at:.4g} {unit}"
            for at, (trial, _) in shown
        ],
    )
    figure.update_layout(
        xaxis=axis(f"{unit} {what}", rangemode="tozero") | {"showgrid": False},
        yaxis=axis(label(metric), range=padded(*ranged(low, high, sign), 0.08)),
    )
    n_hidden = len(judged) - len(shown)
    far = "lower" if sign > 0 else "higher"
    return noted(
        figure, [f"{n_hidden} far {far} scores are left out"] if n_hidden else []
    )


def _score(trial: Trial) -> float:
    return trial.score or 0.0


def _unit(seconds: float) -> tuple[str, float]:
    """Return the unit that a time is easily read in, and its seconds."""
    if seconds < 600:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)
