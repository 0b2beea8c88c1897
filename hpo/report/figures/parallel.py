"""The figure of whole sets of params: a line a trial, across an axis for each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.records import Trial
from hpo.report.figures.axes import Axis, even_ticks, make_axis, varying
from hpo.report.figures.scores import (
    in_view,
    notes_on,
    padded,
    ranged,
    scored,
    scores_of,
)
from hpo.report.look import (
    FONT,
    INK,
    MUTED,
    SCALE,
    label,
    new_figure,
    noted,
    only_note,
    shortened,
    written,
)
from hpo.space import Space

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_AXES = 16
MAX_TICK_TEXT = 14
AXIS_WIDTH = 96
"""Pixels that an axis and its labels need."""


def parallel_coordinates(
    trials: Sequence[Trial],
    metric: str,
    space: Space | None = None,
    order: Sequence[str] = (),
    sign: int = 1,
) -> go.Figure:
    """Draw each trial with a score as a line through its params, the score last.

    Hyperparameters that all trials have alike are left out. Where one was not active,
    the line passes below the axis. The figure asks for the width that its axes need
    in ``layout.meta["minimum_width"]``, in pixels.

    Args:
        trials: Of one study.
        metric: The name of the score.
        space: Tells which axes are logarithmic, and the order of choices.
        order: Names to put first, such as the most important ones.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    # The last lines lie on top.
    judged = sorted(scored(trials), key=lambda trial: trial.score or 0.0)
    if len(judged) < 2:
        return only_note("Fewer than two trials have a score.")
    names = varying(judged, space, order)
    if not names:
        return only_note("No hyperparameter had more than one value.")
    axes = [make_axis(name, judged, space) for name in names[:MAX_AXES]]
    scores = scores_of(judged)
    low, high = in_view(scores)
    figure = new_figure(
        460,
        margin={"l": 92, "r": 72, "t": 62, "b": 30},
        meta={"minimum_width": AXIS_WIDTH * (len(axes) + 1) + 60},
    )
    figure.add_parcoords(
        dimensions=[
            *map(_dimension, axes),
            _score_dimension(scores, metric, low, high, sign),
        ],
        line={
            "color": [max(score, low) for score in scores],
            "colorscale": SCALE,
            "cmin": padded(low, high)[0],
            "cmax": high,
        },
        labelfont={"family": FONT, "size": 13, "color": INK},
        tickfont={"family": FONT, "size": 11, "color": INK},
        rangefont={"family": FONT, "size": 1, "color": "rgba(0,0,0,0)"},
        labelangle=-18,
        unselected={"line": {"color": MUTED, "opacity": 0.08}},
    )
    return noted(figure, notes_on(len(names) - len(axes), scores, low, sign))


def _dimension(axis: Axis) -> dict[str, Any]:
    span = axis.high - axis.low or 1.0
    inactive = axis.low - 0.14 * span
    low, ticks = axis.low, list(axis.ticks)
    labels = [shortened(text, MAX_TICK_TEXT) for text in axis.labels]
    if None in axis.positions:
        low, ticks, labels = inactive, [inactive, *ticks], ["not active", *labels]
    high = axis.high if axis.high > axis.low else axis.low + span
    return {
        "label": label(axis.name, 16),
        "values": [inactive if at is None else at for at in axis.positions],
        "range": [low, high],
        **_ticks(ticks, labels, low, high),
    }


def _score_dimension(
    scores: Sequence[float], metric: str, low: float, high: float, sign: int
) -> dict[str, Any]:
    values = [sign * max(score, low) for score in scores]
    low, high = ranged(low, high, sign)
    ticks = [at for at, _ in even_ticks(low, high, whole=False)]
    return {
        "label": label(metric, 16),
        "values": values,
        "range": [low, high] if high > low else padded(low, high),
        **_ticks(ticks, list(map(written, ticks)), low, high),
    }


def _ticks(
    at: Sequence[float], labels: Sequence[str], low: float, high: float
) -> dict[str, Any]:
    """Return ticks, unlabelled ones at the ends: an axis is drawn from tick to tick.

    Unlike all other texts, plotly takes these labels as they are.
    """
    ticks = {low: "", high: ""} | dict(zip(at, labels, strict=True))
    return {"tickvals": list(ticks), "ticktext": list(ticks.values())}
