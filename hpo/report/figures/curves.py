"""The figures of how a trial's networks were trained: their learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.records import FoldResult, Trial
from hpo.report.figures.axes import log_ticks
from hpo.report.look import ACCENT, DOT, axis, label, new_figure, written

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_POINTS = 200
"""Epochs of a curve that are drawn; of longer ones every so manieth."""
MAX_FOLDS = 20
LOG_FROM = 50.0
"""Greatest by least value from which on the axis is logarithmic."""
VALIDATION = "val_"


def curve_names(trials: Sequence[Trial], n: int = 2) -> list[str]:
    """Return what the curves of trials are of, the loss first, without ``val_``.

    Args:
        trials: Those to be drawn.
        n: How many at most.
    """
    found = dict.fromkeys(
        name.removeprefix(VALIDATION)
        for trial in trials
        for fold in trial.folds
        for name in fold.curves
    )
    return sorted(found, key=lambda name: name != "loss")[:n]


def learning_curves(trial: Trial, name: str) -> go.Figure:
    """Draw one curve of every fold, thin, and their mean, thick, while all folds run.

    Curves on the training rows are blue, on rows kept aside orange. A diamond marks the
    epoch whose weights a fold kept.

    Args:
        trial: Complete.
        name: Of the curve on the training rows, such as ``loss``.
    """
    figure = new_figure(
        320,
        margin={"l": 56, "r": 12, "t": 30, "b": 48},
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
        | {"font": {"size": 12}},
    )
    folds = trial.folds[:MAX_FOLDS]
    drawn: list[float] = []
    for key, what, color in (
        (name, "training", DOT),
        (VALIDATION + name, "validation", ACCENT),
    ):
        drawn += _add_curves(figure, folds, key, what, color)
    _add_best_epochs(figure, folds, name)
    return figure.update_layout(
        xaxis=axis("epoch", showgrid=False, tickformat="d", nticks=8),
        yaxis=axis(label(name), **_scale(drawn)),
    )


def _scale(drawn: Sequence[float]) -> dict[str, Any]:
    """Return how the axis of these values goes."""
    if not drawn or min(drawn) <= 0 or max(drawn) / min(drawn) < LOG_FROM:
        return {"type": "linear", "nticks": 6}
    ticks = [at for _, at in log_ticks(math.log10(min(drawn)), math.log10(max(drawn)))]
    texts = [written(at) for at in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts}


def _add_curves(
    figure: go.Figure, folds: Sequence[FoldResult], key: str, what: str, color: str
) -> list[float]:
    """Add the curves of one kind; return the values that are drawn."""
    curves = [(fold.fold, fold.curves[key]) for fold in folds if fold.curves.get(key)]
    drawn: list[float] = []
    for fold, curve in curves:
        epochs, values = _thinned(curve)
        drawn += [value for value in values if value is not None]
        figure.add_scatter(
            x=epochs,
            y=values,
            mode="lines" if len(values) > 1 else "markers",
            line={"color": color, "width": 1},
            opacity=0.4 if len(curves) > 1 else 1.0,
            showlegend=len(curves) == 1,
            name=what,
            hoverinfo="text",
            hovertext=f"{what}, fold {fold}",
        )
    if len(curves) > 1:
        epochs, values = _thinned(_mean([curve for _, curve in curves]))
        figure.add_scatter(
            x=epochs,
            y=values,
            mode="lines" if len(values) > 1 else "markers",
            line={"color": color, "width": 3},
            name=f"{what}, mean",
            hoverinfo="skip",
        )
    return drawn


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _mean(curves: Sequence[Sequence[Any]]) -> list[float | None]:
    """Return the mean of all curves as far as the shortest goes."""
    return [
        sum(values) / len(values) if all(map(_known, values)) else None
        for values in zip(*curves, strict=False)
    ]


def _thinned(curve: Sequence[float | None]) -> tuple[list[int], list[float | None]]:
    """Return epochs, from 1, and values of a curve, the last one among them."""
    every = math.ceil(len(curve) / MAX_POINTS) or 1
    places = sorted({*range(0, len(curve), every), len(curve) - 1})
    return (
        [place + 1 for place in places],
        [_rounded(curve[place]) for place in places],
    )


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.5g}") if value is not None and _known(value) else None


def _add_best_epochs(figure: go.Figure, folds: Sequence[FoldResult], name: str) -> None:
    marked = []
    for fold in folds:
        curve = fold.curves.get(VALIDATION + name) or fold.curves.get(name) or ()
        epoch = fold.best_epoch
        if epoch is not None and 1 <= epoch <= len(curve):
            marked.append((epoch, _rounded(curve[epoch - 1]), fold.fold))
    if marked:
        figure.add_scatter(
            x=[epoch for epoch, *_ in marked],
            y=[value for _, value, _ in marked],
            mode="markers",
            marker={"symbol": "diamond", "size": 9, "color": "white"}
            | {"line": {"width": 2, "color": ACCENT}},
            name="kept epoch",
            hoverinfo="text",
            hovertext=[f"fold {fold}: epoch {epoch} kept" for epoch, _, fold in marked],
        )
