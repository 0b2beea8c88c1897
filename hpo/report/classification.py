"""What a report shows of predicted classes: confusions, and more of two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.report.elements import drawing, folded, side_by_side
from hpo.report.figures.binary import calibration_curve, roc_curve
from hpo.report.figures.confusion import VIEWS, confusion_map
from hpo.report.look import written
from hpo.report.out_of_fold import Predicted, area_under, confusion_counts, roc_points
from hpo.report.page import paragraphs, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LISTED = 20
"""Classes up to which all are listed at once."""
COLUMNS = (
    "class",
    "true rows",
    "predicted",
    "precision",
    "recall",
    "F1",
    "most often taken for",
)


def confusion_body(found: Predicted, classes: Sequence[object]) -> str:
    """Return HTML of the confusion matrix in three views, and the scores by class.

    Args:
        found: Predictions of classes.
        classes: Labels by class code.
    """
    counts = confusion_counts(found.y, found.codes, len(classes))
    right = int(counts.trace())
    words = f"{found.words} {right} of {len(found.y)} predictions are right"
    maps = [
        drawing(f"Confusion matrix: {words}", confusion_map(counts, classes, view))
        for view, words in VIEWS.items()
    ]
    width = 310 if len(classes) <= 10 else 500 if len(classes) <= 16 else 900
    return (
        paragraphs([f"{words} ({100 * right / max(len(found.y), 1):.1f} %)."])
        + side_by_side(maps, width)
        + _class_tables(counts, classes)
    )


def _class_tables(counts: NDArray[Any], classes: Sequence[object]) -> str:
    """Return the scores of each class; of many classes first those least recognised."""
    rows = [_class_row(counts, classes, code) for code in range(len(classes))]
    if len(rows) <= MAX_LISTED:
        return table(COLUMNS, [cells for _, cells in rows])
    worst = sorted(rows, key=lambda row: row[0])[:MAX_LISTED]
    note = f"The {MAX_LISTED} classes that were recognised least:"
    return (
        paragraphs([note])
        + table(COLUMNS, [cells for _, cells in worst])
        + folded(
            f"All {len(rows)} classes", table(COLUMNS, [cells for _, cells in rows])
        )
    )


def _class_row(
    counts: NDArray[Any], classes: Sequence[object], code: int
) -> tuple[float, list[str]]:
    """Return the recall of a class, to sort by, and its row of the table."""
    hits = int(counts[code, code])
    n_true, n_predicted = int(counts[code].sum()), int(counts[:, code].sum())
    recall = hits / n_true if n_true else None
    precision = hits / n_predicted if n_predicted else None
    f1 = 2 * hits / (n_true + n_predicted) if n_true + n_predicted else None
    others = counts[code].copy()
    others[code] = 0
    taken = ""
    if others.any():
        other = int(others.argmax())
        taken = f"{written(classes[other], 40)} ({int(others[other])})"
    cells = [written(classes[code], 60), str(n_true), str(n_predicted)]
    cells += [_share(precision), _share(recall), _share(f1), taken]
    return (2.0 if recall is None else recall), cells


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _of_folds(found: Predicted) -> str:
    if len(set(found.folds.tolist())) < 2:
        return ""
    return (
        " The mean of the folds can differ a little, as every fold has a model of its "
        "own."
    )


def binary_body(found: Predicted, classes: Sequence[object]) -> str:
    """Return HTML of the ROC and calibration curves; empty where there are none.

    Args:
        found: Predictions of two classes.
        classes: Both labels; the second is the positive one.
    """
    positive = found.y == 1
    if found.predictions.ndim == 1 or positive.all() or not positive.any():
        return ""
    probability = found.predictions[:, 1].astype(float)
    area = area_under(*roc_points(positive, probability))
    name = written(classes[1], 40)
    notes = [
        f"The positive class is {name}. Over all predictions together the area under "
        f"the ROC curve is {area:.4f}: so often a row that is {name} was given a "
        f"higher probability than one that is not.{_of_folds(found)}",
        "Calibration: of all rows that were given about the same probability, how "
        f"many were {name}? On the dashed line probabilities mean what they say; "
        "below it they are too high. Bins with few predictions say little.",
    ]
    return paragraphs(notes) + side_by_side(
        [
            drawing(
                f"ROC curve, area {area:.4f}",
                roc_curve(positive, probability, found.folds),
            ),
            drawing("Calibration curve", calibration_curve(positive, probability)),
        ],
        440,
    )
