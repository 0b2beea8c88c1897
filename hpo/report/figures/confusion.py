"""The figure of which classes were taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.report.look import INK, MUTED, axis, label, new_figure
from hpo.report.out_of_fold import shares

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import NDArray

VIEWS = {
    "counts": "Counts",
    "rows": "Of each true class, % (recall)",
    "columns": "Of each predicted class, % (precision)",
}
MAX_WRITTEN = 30
"""Classes up to which numbers are written in the cells."""
MAX_TICKS = 30
PAPER = [[0.0, "#ffffff"], [0.001, "#eff5fa"], [1.0, "#5fa2d4"]]


def confusion_map(
    counts: NDArray[Any], classes: Sequence[object], view: str
) -> go.Figure:
    """Draw a confusion matrix; true classes are rows, predicted ones columns.

    Colours go by the root of the numbers, so that few confusions are seen beside many
    right answers.

    Args:
        counts: Shape (n_classes, n_classes).
        classes: Labels by class code.
        view: ``counts``, ``rows`` (shares of each row) or ``columns``.
    """
    import numpy as np

    n = len(classes)
    by_axis = {"rows": 1, "columns": 0}
    numbers: Any = counts
    if view in by_axis:
        numbers = np.round(100 * shares(counts, by_axis[view]), 2)
    writes = n <= MAX_WRITTEN
    side = 300 if n <= 10 else 30 * n if writes else 640
    figure = new_figure(
        side + 96,
        margin={"l": 70, "r": 8, "t": 34, "b": 62},
        # On a phone more cells than these are not narrowed but scrolled.
        meta={"minimum_width": 80 + 28 * n if writes and n > 10 else 0},
    )
    figure.add_heatmap(
        z=np.sqrt(np.nan_to_num(numbers)).round(3).tolist(),
        text=[[_cell(number, view) for number in row] for row in numbers]
        if writes
        else None,
        texttemplate="%{text}" if writes else None,
        textfont={"size": 12 if n <= 6 else 10, "color": INK},
        hoverinfo="text",
        hovertext=_hovers(counts, classes),
        colorscale=PAPER,
        zmin=0,
        zmax=max(float(np.sqrt(np.nanmax(numbers, initial=0.0))), 1.0),
        showscale=False,
        xgap=1 if n <= 40 else 0,
        ygap=1 if n <= 40 else 0,
    )
    looks = {"showgrid": False, "ticks": "", "showline": False, "ticklabelstandoff": 4}
    return figure.update_layout(
        title={"text": VIEWS[view], "x": 0, "xref": "paper", "xanchor": "left"}
        | {"font": {"size": 13}, "y": 1, "yref": "container", "yanchor": "top"}
        | {"pad": {"t": 8}},
        xaxis=axis("predicted class", **looks) | _labels(classes, 10),
        yaxis=axis("true class", autorange="reversed", **looks) | _labels(classes, 14),
    )


def _labels(classes: Sequence[object], limit: int) -> dict[str, Any]:
    every = -(-len(classes) // MAX_TICKS)
    places = list(range(0, len(classes), every))
    small = {"tickfont": {"size": 11 if len(classes) <= 20 else 10, "color": MUTED}}
    texts = [label(classes[place], limit) for place in places]
    return {"tickvals": places, "ticktext": texts} | small


def _cell(number: float, view: str) -> str:
    if view == "counts":
        return str(int(number))
    return "" if number != number else "0" if number == 0 else f"{number:.1f}"


def _hovers(counts: NDArray[Any], classes: Sequence[object]) -> list[list[str]]:
    """Return a text for each cell; none for those without a prediction."""
    by_row, by_column = (100 * shares(counts, axis) for axis in (1, 0))
    names = [label(name, 20) for name in classes]
    texts = [[""] * len(names) for _ in names]
    for i, j in zip(*counts.nonzero(), strict=True):
        recall, precision = f"{by_row[i, j]:.1f} %", f"{by_column[i, j]:.1f} %"
        if i == j:
            text = f"{names[i]} recognised: {counts[i, j]}"
            text += f"<br>recall {recall}, precision {precision}"
        else:
            text = f"{names[i]} taken for {names[j]}: {counts[i, j]}<br>{recall} of "
            text += f"{names[i]}, {precision} of what was taken for {names[j]}"
        texts[i][j] = text
    return texts
