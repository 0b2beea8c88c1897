"""The figure of one hyperparameter at a time: the score against each, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.records import Trial
from hpo.report.figures.axes import Axis, make_axis, varying
from hpo.report.figures.scores import (
    in_view,
    notes_on,
    padded,
    ranged,
    scored,
    scores_of,
)
from hpo.report.look import (
    ACCENT,
    MUTED,
    SCALE,
    axis,
    color_bar,
    escaped,
    label,
    new_figure,
    noted,
    only_note,
    score_text,
    shortened,
    written,
)
from hpo.report.tables import best_trial
from hpo.space import Space

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_PANELS = 24
WIDE_COLUMNS, NARROW_COLUMNS = 3, 2
WIDE_ROOM, NARROW_ROOM = 42, 20
"""Characters that fit side by side below a panel."""
MIN_CHOICE = 5
"""Characters that are left of a choice when there is little room."""
PANEL_HEIGHT, GAP, EDGES = 200, 62, 20
"""Pixels: of a panel, between rows of panels, and above and below all of them."""


def slices(
    trials: Sequence[Trial],
    metric: str,
    space: Space | None = None,
    order: Sequence[str] = (),
    sign: int = 1,
) -> go.Figure:
    """Draw, for each hyperparameter that varied, the score against its values.

    Later trials are darker, the best one stands out. A trial is absent where the
    hyperparameter was not active. ``layout.meta["narrow"]`` has the changes of the
    layout that fit a phone.

    Args:
        trials: Of one study.
        metric: The name of the score.
        space: Tells which axes are logarithmic, and the order of choices.
        order: Names to put first, such as the most important ones.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    judged = scored(trials)
    if len(judged) < 2:
        return only_note("Fewer than two trials have a score.")
    names = varying(judged, space, order)
    if not names:
        return only_note("No hyperparameter had more than one value.")
    axes = [make_axis(name, judged, space) for name in names[:MAX_PANELS]]
    low, high = in_view(scores_of(judged))
    figure = new_figure(PANEL_HEIGHT, margin={"l": 58, "r": 70, "t": 14, "b": 6})
    for index, one in enumerate(axes):
        _add_panel(figure, index, one, judged, metric, low, sign)
    figure.update_layout(_looks(axes, padded(*ranged(low, high, sign), 0.1)))
    figure.update_layout(_placed(len(axes), WIDE_COLUMNS, metric))
    figure.update_layout(
        coloraxis=_trial_colors(judged), meta={"narrow": _narrow(axes, metric)}
    )
    notes = notes_on(len(names) - len(axes), scores_of(judged), low, sign)
    return noted(figure, notes)


def _add_panel(
    figure: go.Figure,
    index: int,
    one: Axis,
    trials: Sequence[Trial],
    metric: str,
    low: float,
    sign: int,
) -> None:
    """Draw one hyperparameter; scores below ``low`` lie on it."""
    active = [
        (trial, at, trial.score)
        for trial, at in zip(trials, one.positions, strict=True)
        if at is not None and trial.score is not None
    ]
    edge = "triangle-down" if sign > 0 else "triangle-up"
    symbols = ["circle" if score >= low else edge for *_, score in active]
    best = best_trial(trials)
    axes = {"xaxis": f"x{index + 1}", "yaxis": f"y{index + 1}"}
    figure.add_scatter(
        x=[at for _, at, _ in active],
        y=[sign * max(score, low) for _, _, score in active],
        mode="markers",
        marker={
            "size": 7,
            "opacity": 0.85,
            "color": [trial.number for trial, _, _ in active],
            "coloraxis": "coloraxis",
            "symbol": symbols if edge in symbols else "circle",
        },
        hoverinfo="text",
        hovertext=[_hover(trial, one.name, metric, sign) for trial, _, _ in active],
        **axes,
    )
    at_best = [(at, score) for trial, at, score in active if trial is best]
    figure.add_scatter(
        x=[at for at, _ in at_best],
        y=[sign * score for _, score in at_best],
        mode="markers",
        marker={"size": 13, "color": ACCENT, "symbol": "circle-open"}
        | {"line": {"width": 2.5, "color": ACCENT}},
        hoverinfo="skip",
        **axes,
    )


def _hover(trial: Trial, name: str, metric: str, sign: int) -> str:
    value = label(trial.params[name])
    score = f"{label(metric)} {score_text(sign * (trial.score or 0.0))}"
    return f"trial {trial.number}: {label(name)} = {value}<br>{score}"


def _x_axis(one: Axis, index: int) -> dict[str, Any]:
    """Return the axis of one panel; its scale is in the positions already."""
    pad = 0.5 if one.categories else 0.06 * (one.high - one.low or 1.0)
    title = f"{written(one.name, 18)} (log)" if one.log else written(one.name, 20)
    return axis(
        escaped(title),
        range=[one.low - pad, one.high + pad],
        **_tick_labels(one, WIDE_ROOM),
        tickangle=0,
        showgrid=not one.categories,
    ) | {"anchor": f"y{index + 1}", "automargin": False}


def _tick_labels(one: Axis, room: int) -> dict[str, Any]:
    """Return as many labels as there is room for, in characters; choices are cut."""
    longest = max(map(len, one.labels), default=0)
    needed = min(longest, MIN_CHOICE) if one.categories else longest
    every = -(-len(one.labels) * (needed + 2) // room) or 1
    labels = one.labels[::every]
    limit = max(room // max(len(labels), 1) - 2, MIN_CHOICE)
    if one.categories:
        labels = tuple(shortened(text, limit) for text in labels)
    return {"tickvals": one.ticks[::every], "ticktext": list(map(escaped, labels))}


def _looks(axes: Sequence[Axis], y_range: Sequence[float]) -> dict[str, Any]:
    """Return the axes of all panels, which share the range of scores."""
    looks: dict[str, Any] = {}
    for index, one in enumerate(axes):
        looks[f"xaxis{index + 1}"] = _x_axis(one, index)
        looks[f"yaxis{index + 1}"] = axis(range=y_range, nticks=5) | {
            "anchor": f"x{index + 1}",
            "matches": None if index == 0 else "y",
        }
    return looks


def _trial_colors(trials: Sequence[Trial]) -> dict[str, Any]:
    bar = color_bar("trial", len=180, lenmode="pixels", y=1, yanchor="top")
    return {
        "colorscale": SCALE,
        "cmin": trials[0].number,
        "cmax": trials[-1].number,
        "colorbar": bar | {"tickformat": "d"},
    }


def _narrow(axes: Sequence[Axis], metric: str) -> dict[str, Any]:
    """Return the changes that fit the figure to a phone, with dotted keys."""
    layout = _placed(len(axes), NARROW_COLUMNS, metric)
    for index, one in enumerate(axes):
        layout[f"xaxis{index + 1}"] |= _tick_labels(one, NARROW_ROOM)
    changes = {"coloraxis.showscale": False, "margin.r": 12, "margin.l": 46}
    return _flat(layout) | changes


def _placed(n_panels: int, n_columns: int, metric: str) -> dict[str, Any]:
    """Return height and the places of all panels, in rows of ``n_columns``."""
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    inner = n_rows * PANEL_HEIGHT + n_rows * GAP
    gap = 0.05 if n_columns > 1 else 0.0
    width = (1 - gap * (n_columns - 1)) / n_columns
    layout: dict[str, Any] = {"height": inner + EDGES}
    for index in range(n_panels):
        row, column = divmod(index, n_columns)
        left = column * (width + gap)
        top = 1 - row * (PANEL_HEIGHT + GAP) / inner
        layout[f"xaxis{index + 1}"] = {"domain": [left, min(left + width, 1.0)]}
        layout[f"yaxis{index + 1}"] = {
            "domain": [top - PANEL_HEIGHT / inner, top],
            "showticklabels": column == 0,
            "title": {
                "text": label(metric) if column == 0 else "",
                "font": {"size": 12, "color": MUTED},
            },
        }
    return layout


def _flat(layout: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a layout with dotted keys, as plotly changes one that is drawn."""
    flat: dict[str, Any] = {}
    for key, value in layout.items():
        # To plotly, the first axes have no number.
        key = {"xaxis1": "xaxis", "yaxis1": "yaxis"}.get(key, key)
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
