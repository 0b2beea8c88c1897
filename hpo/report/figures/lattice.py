"""Figures of a full lattice: a map of two hyperparameters, a line along one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.records import ParamValue, Trial
from hpo.report.figures.axes import log_ticks, varying
from hpo.report.figures.scores import (
    has_score,
    hover_text,
    in_view,
    padded,
    ranged,
    scale_of,
    scored,
    scores_of,
)
from hpo.report.look import (
    ACCENT,
    DOT,
    INK,
    axis,
    color_bar,
    label,
    new_figure,
    noted,
    score_text,
    written,
)
from hpo.report.tables import best_trial, counted
from hpo.space import Space
from hpo.space.values import identity, is_number

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_SIDE = 60
CELL_WIDTH, CELL_HEIGHT = 50, 34
"""Pixels that a score written in a cell needs."""
LOG_FROM = 20.0
"""Greatest by least value from which on a scale is logarithmic."""


@dataclass(frozen=True)
class Lattice:
    """Trials of every combination of the values of two hyperparameters.

    Args:
        across: Name of the hyperparameter along the columns.
        down: Name of that along the rows.
        columns: Its values, numbers by size.
        rows: The same of the other.
        cells: The best trial at (row, column), counted from 0; a cell that was not
            tried yet is absent.
    """

    across: str
    down: str
    columns: tuple[ParamValue, ...]
    rows: tuple[ParamValue, ...]
    cells: Mapping[tuple[int, int], Trial]


def make_lattice(
    trials: Sequence[Trial], space: Space | None, *, grid: bool
) -> Lattice | None:
    """Return the lattice that trials lie on; None if they do not.

    Args:
        trials: Of one study.
        space: Gives the order of hyperparameters and choices.
        grid: Whether a grid was searched, whose cells may still be empty.
    """
    finished = [trial for trial in counted(trials) if trial.finished]
    names = varying(finished, space)
    if len(names) != 2 or not scored(finished):
        return None
    down, across = names
    if any(name not in trial.params for trial in finished for name in names):
        return None
    rows, columns = (_values(name, finished, space, grid=grid) for name in names)
    if max(len(rows), len(columns)) > MAX_SIDE:
        return None
    row_of, column_of = (
        {identity(v): i for i, v in enumerate(vs)} for vs in (rows, columns)
    )
    cells: dict[tuple[int, int], Trial] = {}
    for trial in sorted(finished, key=lambda trial: trial.number):
        place = (
            row_of[identity(trial.params[down])],
            column_of[identity(trial.params[across])],
        )
        if place not in cells or _better(trial, cells[place]):
            cells[place] = trial
    full = len(cells) == len(rows) * len(columns)
    return Lattice(across, down, columns, rows, cells) if full or grid else None


def _better(one: Trial, other: Trial) -> bool:
    return has_score(one) and (
        not has_score(other) or (one.score or 0.0) > (other.score or 0.0)
    )


def _values(
    name: str, trials: Sequence[Trial], space: Space | None, *, grid: bool
) -> tuple[ParamValue, ...]:
    hyperparameter = space.hyperparameters.get(name) if space else None
    choices = getattr(hyperparameter, "choices", None)
    known = (choices or getattr(hyperparameter, "values", None) or ()) if grid else ()
    taken = [trial.params[name] for trial in trials]
    distinct = {identity(value): value for value in (*known, *taken)}
    if choices and not grid:
        order = {identity(value): place for place, value in enumerate(choices)}
        keys = sorted(distinct, key=lambda key: order.get(key, len(order)))
        distinct = {key: distinct[key] for key in keys}
    values: list[Any] = list(distinct.values())
    return tuple(sorted(values) if all(map(is_number, values)) else values)


def heat_map(lattice: Lattice, metric: str, sign: int = 1) -> go.Figure:
    """Draw the mean score of each pair of values as a colour, the best one framed.

    Args:
        lattice: What to draw.
        metric: The name of the score.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    trials = list(lattice.cells.values())
    scores = scores_of(scored(trials))
    low, high = ranged(*in_view(scores), sign)
    places = [
        [lattice.cells.get((row, column)) for column in range(len(lattice.columns))]
        for row in range(len(lattice.rows))
    ]
    written_in = len(lattice.columns) <= 20
    width = 96 + (CELL_WIDTH if written_in else 12) * len(lattice.columns) + 70
    figure = new_figure(
        130 + CELL_HEIGHT * len(lattice.rows),
        margin={"l": 70, "r": 20, "t": 14, "b": 56},
        meta={"minimum_width": width},
    )
    figure.add_heatmap(
        z=[[_shown(trial, sign) for trial in row] for row in places],
        text=[
            [_cell(trial, sign) if written_in else "" for trial in row]
            for row in places
        ],
        hovertext=[
            [
                hover_text(trial, metric, sign) if trial else "not tried yet"
                for trial in row
            ]
            for row in places
        ],
        texttemplate="%{text}" if written_in else None,
        textfont={"size": 11, "color": INK},
        hoverinfo="text",
        hoverongaps=True,
        colorscale=scale_of(sign),
        zmin=low,
        zmax=high if high > low else low + 1,
        xgap=2,
        ygap=2,
        colorbar=color_bar(label(metric, 16)),
    )
    notes = ["The best cell is framed."]
    if any(
        trial is not None and not has_score(trial) for row in places for trial in row
    ):
        notes.append("A cross stands for a trial that failed.")
    _add_failed(figure, places)
    _frame(figure, lattice, best_trial(scored(trials)))
    figure.update_layout(
        xaxis=_side(lattice.across, lattice.columns),
        yaxis=_side(lattice.down, lattice.rows),
    )
    return noted(figure, notes)


def _shown(trial: Trial | None, sign: int) -> float | None:
    return (
        None if trial is None or not has_score(trial) else sign * (trial.score or 0.0)
    )


def _cell(trial: Trial | None, sign: int) -> str:
    score = _shown(trial, sign)
    return "" if score is None else score_text(score)


def _add_failed(figure: go.Figure, places: list[list[Trial | None]]) -> None:
    failed = [
        (column, row)
        for row, trials in enumerate(places)
        for column, trial in enumerate(trials)
        if trial is not None and not has_score(trial)
    ]
    if failed:
        figure.add_scatter(
            x=[column for column, _ in failed],
            y=[row for _, row in failed],
            mode="markers",
            marker={"symbol": "x-thin", "size": 10, "line": {"width": 2}},
            hoverinfo="skip",
        )


def _frame(figure: go.Figure, lattice: Lattice, best: Trial | None) -> None:
    for (row, column), trial in lattice.cells.items():
        if trial is best:
            figure.add_shape(
                type="rect",
                x0=column - 0.5,
                x1=column + 0.5,
                y0=row - 0.5,
                y1=row + 0.5,
                line={"color": ACCENT, "width": 3},
            )


def _side(name: str, values: Sequence[ParamValue]) -> dict[str, Any]:
    every = -(-len(values) // 30)
    places = range(0, len(values), every)
    return axis(label(name), range=[-0.5, len(values) - 0.5]) | {
        "tickvals": list(places),
        "ticktext": [label(values[place], 14) for place in places],
        "showgrid": False,
        "ticks": "",
        "showline": False,
    }


def line_name(trials: Sequence[Trial], space: Space | None) -> str | None:
    """Return the hyperparameter that alone varied, if its values are numbers."""
    judged = scored(trials)
    names = varying(judged, space)
    if len(names) != 1:
        return None
    values = [trial.params.get(names[0]) for trial in judged]
    return names[0] if all(map(is_number, values)) else None


def score_line(
    trials: Sequence[Trial],
    name: str,
    metric: str,
    space: Space | None = None,
    sign: int = 1,
) -> go.Figure:
    """Draw mean and standard deviation of the folds along one hyperparameter.

    Args:
        trials: Of one study, all with numbers for this hyperparameter.
        name: Of the hyperparameter.
        metric: The name of the score.
        space: Tells whether the axis is logarithmic.
        sign: -1 if scores are shown with their sign changed; see `hpo.report.units`.
    """
    judged: list[Any] = sorted(scored(trials), key=lambda t: (t.params[name], t.number))
    values = [trial.params[name] for trial in judged]
    log = _is_log(values, space.hyperparameters.get(name) if space else None)
    means = [sign * score for score in scores_of(judged)]
    deviations = [trial.std or 0.0 for trial in judged]
    best = best_trial(judged)
    figure = new_figure(380, margin={"t": 14})
    figure.add_scatter(
        x=values,
        y=means,
        error_y={"type": "data", "array": deviations, "color": DOT, "thickness": 1.5},
        mode="lines+markers",
        line={"color": DOT, "width": 2},
        marker={"color": DOT, "size": 8},
        hoverinfo="text",
        hovertext=[hover_text(trial, metric, sign) for trial in judged],
    )
    at_best = [
        (x, y) for x, y, t in zip(values, means, judged, strict=True) if t is best
    ]
    figure.add_scatter(
        x=[x for x, _ in at_best],
        y=[y for _, y in at_best],
        mode="markers",
        marker={"size": 15, "color": ACCENT, "symbol": "circle-open"}
        | {"line": {"width": 2.5, "color": ACCENT}},
        hoverinfo="skip",
    )
    ends = [m + d for m, d in zip(means, deviations, strict=True)]
    ends += [m - d for m, d in zip(means, deviations, strict=True)]
    ticks = _ticks(sorted(set(values)), log=log)
    x_axis = axis(
        label(name) + (" (log)" if log else ""), type="log" if log else "linear"
    )
    if ticks:
        x_axis |= {"tickvals": ticks, "ticktext": [written(value) for value in ticks]}
    return noted(
        figure.update_layout(
            xaxis=x_axis, yaxis=axis(label(metric), range=padded(min(ends), max(ends)))
        ),
        ["Bars are one standard deviation of the folds.", "The best one is circled."],
    )


def _ticks(values: Sequence[float], *, log: bool) -> list[float]:
    """Return where labels stand; none to leave that to plotly."""
    if len(values) <= 14:
        return list(values)
    if log:
        low, high = math.log10(values[0]), math.log10(values[-1])
        return [value for _, value in log_ticks(low, high)]
    return []


def _is_log(values: Sequence[float], hyperparameter: object) -> bool:
    if min(values) <= 0:
        return False
    return bool(getattr(hyperparameter, "log", False)) or (
        max(values) / min(values) >= LOG_FROM
    )
