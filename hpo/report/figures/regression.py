"""Figures of predicted numbers: against the true ones, and what was left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo.report.figures.scores import padded
from hpo.report.look import DOT, MUTED, axis, new_figure
from hpo.report.out_of_fold import thinned

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import NDArray

MAX_POINTS = 2000
LINE = {"color": MUTED, "width": 1.5, "dash": "dash"}


def drawn_rows(truth: NDArray[Any], predicted: NDArray[Any]) -> NDArray[Any]:
    """Return which rows are drawn: all, or some, among them the ends and worst ones."""
    import numpy as np

    ends = [int(f(v)) for v in (truth, predicted) for f in (np.argmin, np.argmax)]
    worst = np.argsort(-np.abs(predicted - truth), kind="stable")[:20]
    return thinned(len(truth), MAX_POINTS, [*ends, *worst.tolist()])


def predicted_and_true(truth: NDArray[Any], predicted: NDArray[Any]) -> go.Figure:
    """Draw predicted against true values; on the dashed line they are equal.

    Args:
        truth: Shape (n,).
        predicted: The same, in the same units.
    """
    rows = drawn_rows(truth, predicted)
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    figure = _dots(truth[rows], predicted[rows])
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line=LINE, hoverinfo="skip"
    )
    return figure.update_layout(
        xaxis=axis("true", range=padded(low, high, 0.04), nticks=6),
        yaxis=axis("predicted", range=padded(low, high, 0.04), nticks=6),
    )


def residuals(truth: NDArray[Any], predicted: NDArray[Any]) -> go.Figure:
    """Draw predicted minus true values against the predicted ones.

    Args:
        truth: Shape (n,).
        predicted: The same, in the same units.
    """
    rows = drawn_rows(truth, predicted)
    figure = _dots(predicted[rows], (predicted - truth)[rows])
    low, high = float(predicted.min()), float(predicted.max())
    figure.add_scatter(
        x=[low, high], y=[0, 0], mode="lines", line=LINE, hoverinfo="skip"
    )
    return figure.update_layout(
        xaxis=axis("predicted", range=padded(low, high, 0.04), nticks=6),
        yaxis=axis("predicted minus true", nticks=6),
    )


def _dots(x: NDArray[Any], y: NDArray[Any]) -> go.Figure:
    figure = new_figure(360, margin={"l": 62, "r": 12, "t": 12, "b": 50})
    opacity = 0.7 if len(x) < 300 else 0.45
    figure.add_scatter(
        x=[float(f"{value:.5g}") for value in x.tolist()],
        y=[float(f"{value:.5g}") for value in y.tolist()],
        mode="markers",
        marker={"color": DOT, "size": 6, "opacity": opacity},
        hoverinfo="x+y",
    )
    return figure
