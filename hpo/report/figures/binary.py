"""Figures of two classes: the ROC curve, and whether probabilities can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.report.look import ACCENT, DOT, GRID, MUTED, axis, new_figure
from hpo.report.out_of_fold import area_under, calibration_bins, roc_points

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import NDArray

MAX_FOLDS = 10
MAX_POINTS = 300
LINE = {"color": MUTED, "width": 1.5, "dash": "dash"}


def roc_curve(
    positive: NDArray[Any], probability: NDArray[Any], folds: NDArray[Any]
) -> go.Figure:
    """Draw the ROC curve of all predictions, and thin that of each fold.

    Args:
        positive: Whether each row is of the positive class; both kinds occur.
        probability: Of the positive class.
        folds: Index of the fold of each row.
    """
    figure = new_figure(360, margin={"l": 58, "r": 12, "t": 30, "b": 50})
    numbers = sorted(set(folds.tolist()))
    for fold in numbers if 1 < len(numbers) <= MAX_FOLDS else []:
        inside = folds == fold
        if 0 < positive[inside].sum() < inside.sum():
            x, y = roc_points(positive[inside], probability[inside])
            _add(figure, x, y, {"color": DOT, "width": 1}, f"fold {fold}", 0.4)
    x, y = roc_points(positive, probability)
    area = f"area {area_under(x, y):.4f}"
    _add(figure, x, y, {"color": DOT, "width": 3}, "all predictions", 1.0)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=LINE, hoverinfo="skip")
    figure.add_annotation(text=area, x=0.97, y=0.08, showarrow=False, xanchor="right")
    return figure.update_layout(
        title=_title("ROC curve"),
        xaxis=axis("false positive rate", range=[-0.02, 1.02], nticks=6),
        yaxis=axis("true positive rate", range=[-0.02, 1.02], nticks=6),
    )


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 13}, "x": 0, "xref": "paper"} | {
        "xanchor": "left",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 8},
    }


def _add(
    figure: go.Figure,
    x: NDArray[Any],
    y: NDArray[Any],
    line: dict[str, Any],
    name: str,
    opacity: float,
) -> None:
    places = _corners(x, y)
    area = f"{name}, area {area_under(x, y):.4f}"
    figure.add_scatter(
        x=[round(float(x[place]), 5) for place in places],
        y=[round(float(y[place]), 5) for place in places],
        mode="lines",
        line=line,
        opacity=opacity,
        hoverinfo="text",
        hovertext=area,
    )


def _corners(x: NDArray[Any], y: NDArray[Any]) -> Sequence[int]:
    """Return the places where the curve turns, and of very many of them some."""
    import numpy as np

    dx, dy = np.diff(x), np.diff(y)
    turns = np.flatnonzero(dx[1:] * dy[:-1] != dy[1:] * dx[:-1]) + 1
    places = np.concatenate([[0], turns, [len(x) - 1]])
    if len(places) > MAX_POINTS:
        kept = np.linspace(0, len(places) - 1, MAX_POINTS).round().astype(int)
        places = places[np.unique(kept)]
    return [int(place) for place in places]


def calibration_curve(positive: NDArray[Any], probability: NDArray[Any]) -> go.Figure:
    """Draw how often what was predicted with some probability was so, with counts.

    Args:
        positive: Whether each row is of the positive class.
        probability: Of the positive class.
    """
    bins = calibration_bins(positive, probability)
    figure = new_figure(360, margin={"l": 58, "r": 12, "t": 30, "b": 50}, bargap=0.1)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=LINE, hoverinfo="skip")
    figure.add_scatter(
        x=[round(mean, 5) for mean, *_ in bins],
        y=[round(share, 5) for _, share, _ in bins],
        mode="lines+markers",
        line={"color": DOT, "width": 2},
        marker={"color": DOT, "size": 8},
        hoverinfo="text",
        hovertext=[
            f"predicted {mean:.3f}<br>was so {share:.3f}<br>{count} predictions"
            for mean, share, count in bins
        ],
    )
    figure.add_bar(
        x=[round(mean, 5) for mean, *_ in bins],
        y=[count for *_, count in bins],
        width=0.06,
        yaxis="y2",
        marker={"color": ACCENT, "opacity": 0.75},
        text=[str(count) for *_, count in bins],
        textposition="outside",
        textfont={"size": 10},
        cliponaxis=False,
        hoverinfo="skip",
    )
    most = max(count for *_, count in bins)
    return figure.update_layout(
        title=_title("Calibration; below, predictions in each bin"),
        xaxis=axis("predicted probability", range=[-0.04, 1.04], nticks=6)
        | {"anchor": "y2"},
        yaxis=axis("share that was so", range=[-0.02, 1.02], nticks=6)
        | {"domain": [0.32, 1.0]},
        yaxis2=axis("", range=[0, 1.35 * most], nticks=3, gridcolor=GRID)
        | {"domain": [0.0, 0.22], "anchor": "x"},
    )
