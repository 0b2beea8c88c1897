"""Metrics of a fold that go by the order of its rows: areas under curves.

Rows are put in order once for each trial; cumulative sums then have the metric for all
weightings of the rows. Scores are those of scikit-learn with ``sample_weight``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Area = Callable[[Floats, NDArray[np.bool_], NDArray[Any]], Floats]
"""From (weights, which rows are of the class, their scores for it) to areas."""


def roc_areas(
    weights: Floats, positive: NDArray[np.bool_], scores: NDArray[Any]
) -> Floats:
    """Return the area under the ROC curve for each weighting.

    It is the weighted share of pairs, one row of the class and one of the others, in
    which the first has the greater score; equal ones count half.

    Args:
        weights: Shape (n_weightings, n).
        positive: Which rows are of the class, shape (n,).
        scores: Of the rows for the class, shape (n,).

    Returns:
        Shape (n_weightings,); NaN where the rows of weight are all of one kind.
    """
    others = np.flatnonzero(~positive)
    others = others[np.argsort(scores[others])]
    beaten = np.zeros((len(weights), len(others) + 1))
    weights[:, others].cumsum(axis=1, out=beaten[:, 1:])
    low = np.searchsorted(scores[others], scores[positive], side="left")
    high = np.searchsorted(scores[others], scores[positive], side="right")
    own = weights[:, positive]
    won = np.einsum("bi,bi->b", own, beaten[:, low])
    won += np.einsum("bi,bi->b", own, beaten[:, high])
    pairs = 2 * own.sum(axis=1) * beaten[:, -1]
    return _ratio(won, pairs)


def average_precisions(
    weights: Floats, positive: NDArray[np.bool_], scores: NDArray[Any]
) -> Floats:
    """Return the average precision for each weighting.

    It is the sum over thresholds of the precision there, times what the recall gains
    there; see `roc_areas` for the arguments and the result.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    taken = weights[:, order]
    found = (taken * positive[order]).cumsum(axis=1)[:, ends]
    taken = taken.cumsum(axis=1)[:, ends]
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    gained = np.diff(found, axis=1, prepend=0.0)
    return _ratio((gained * precision).sum(axis=1), found[:, -1])


def _ratio(above: Floats, below: Floats) -> Floats:
    result = np.full(len(below), np.nan)
    np.divide(above, below, out=result, where=below > 0)
    return result


def class_areas(
    area: Area,
    weights: Floats,
    y: NDArray[Any],
    probabilities: NDArray[Any],
    *,
    by_share: bool,
) -> Floats:
    """Return the area of one trial for each weighting, over all classes.

    Of two classes it is that of the second. Of more it is the mean over the classes,
    each against the rest; classes of which no row has weight are left out.

    Args:
        area: Of one class against the rest.
        weights: Shape (n_weightings, n).
        y: Class codes, shape (n,).
        probabilities: Shape (n, n_classes).
        by_share: Whether classes count by the weight of their rows.
    """
    n_classes = probabilities.shape[1]
    if n_classes == 2:
        return area(weights, y == 1, _of_the_second(probabilities))
    codes = range(n_classes)
    areas = [area(weights, y == code, probabilities[:, code]) for code in codes]
    by_class = np.stack(areas, axis=1)
    known = ~np.isnan(by_class)
    counts = weights @ np.eye(n_classes)[y] if by_share else np.ones(by_class.shape)
    counts = counts * known
    return _ratio((np.nan_to_num(by_class) * counts).sum(axis=1), counts.sum(axis=1))


def _of_the_second(probabilities: NDArray[Any]) -> Floats:
    """Return the probability of the second of two classes, near 1 by the first one's.

    In single precision, in which they are stored, those within 6e-8 of 1 become equal,
    while what is missing to 1 keeps its digits.
    """
    first, second = probabilities.T.astype(np.float64)
    return np.asarray(np.where(second > 0.5, 1 - first, second))


RANKED: dict[str, tuple[Area, bool]] = {
    "roc_auc": (roc_areas, False),
    "roc_auc_ovr": (roc_areas, False),
    "roc_auc_ovr_weighted": (roc_areas, True),
    "average_precision": (average_precisions, False),
}
"""Metrics as areas, and whether classes count by their shares."""
TWO_CLASSES_ONLY: dict[str, tuple[Area, bool]] = {
    "roc_auc_ovo": (roc_areas, False),
    "roc_auc_ovo_weighted": (roc_areas, False),
}
"""For more classes these compare classes in pairs, which is not done here."""
