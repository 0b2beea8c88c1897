"""What a report shows of predicted numbers: errors, and figures of each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.report.elements import drawing, side_by_side, subheading
from hpo.report.figures.regression import (
    MAX_POINTS,
    drawn_rows,
    predicted_and_true,
    residuals,
)
from hpo.report.look import written
from hpo.report.out_of_fold import Predicted
from hpo.report.page import paragraphs, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_TARGETS = 8
COLUMNS = (
    "target",
    "mean absolute error",
    "root mean squared error",
    "R²",
    "mean residual",
)


def regression_body(found: Predicted, targets: Sequence[str]) -> str:
    """Return HTML of predicted against true values and of residuals, by target.

    Args:
        found: Predictions of numbers.
        targets: Names of the targets.
    """
    truth = found.y.reshape(len(found.y), -1).astype(float)
    predicted = found.predictions.reshape(truth.shape).astype(float)
    n_drawn = len(drawn_rows(truth[:, 0], predicted[:, 0]))
    notes = [found.words, "On the dashed lines predictions are right."]
    if n_drawn < len(truth):
        notes.append(
            f"Of {len(truth)} predictions about {MAX_POINTS} are drawn for each "
            "target, always the same ones, among them the 20 worst; the table is of "
            "all of them."
        )
    names = [written(name, 60) for name in targets]
    names += [f"target {place}" for place in range(len(names), truth.shape[1])]
    rows = [
        [name, *_errors(truth[:, place], predicted[:, place])]
        for place, name in enumerate(names[: truth.shape[1]])
    ]
    hidden = len(rows) - MAX_TARGETS
    if hidden > 0:
        notes.append(f"The last {hidden} targets are in the table alone.")
    figures = [
        (subheading(name) if len(rows) > 1 else "")
        + side_by_side(
            [
                drawing(
                    f"Predicted against true values of {name}",
                    predicted_and_true(truth[:, place], predicted[:, place]),
                ),
                drawing(
                    f"Residuals of {name} against its predicted values",
                    residuals(truth[:, place], predicted[:, place]),
                ),
            ],
            440,
        )
        for place, (name, *_) in enumerate(rows[:MAX_TARGETS])
    ]
    return paragraphs(notes) + table(COLUMNS, rows) + "".join(figures)


def _errors(truth: NDArray[Any], predicted: NDArray[Any]) -> list[str]:
    import numpy as np

    residual = predicted - truth
    squares = float(np.square(truth - truth.mean()).sum())
    r2 = 1 - float(np.square(residual).sum()) / squares if squares else None
    numbers = (
        float(np.abs(residual).mean()),
        float(np.sqrt(np.square(residual).mean())),
        r2,
        float(residual.mean()),
    )
    return ["-" if number is None else f"{number:.4g}" for number in numbers]
