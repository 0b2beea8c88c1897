"""What metrics of a fold have in common that follow from weighted sums over its rows.

Such a metric says what each row adds to each of its sums, and what the score is, given
the sums. A matrix product then has the sums for all weightings of the rows and all
trials at once. Scores are those of scikit-learn for the same rows with
``sample_weight``; a fold that the metric says nothing about has the score NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Weighted:
    """What the true targets of a fold's rows come to under each weighting.

    Args:
        y: Class codes or targets of the rows, shape (n,) or (n, n_outputs).
        weights: Shape (n_weightings, n).
        n_classes: 0 for a regression.
    """

    def __init__(self, y: NDArray[Any], weights: Floats, n_classes: int) -> None:
        self.y, self.weights, self.n_classes = y, weights, n_classes
        self.total = weights.sum(axis=1)[:, None]

    def classes(self) -> Floats:
        """Return the weight of each class, shape (n_weightings, n_classes)."""
        return np.asarray(self.weights @ np.eye(self.n_classes)[self.y])

    def outputs(self) -> Floats:
        """Return the targets, shape (n, n_outputs)."""
        return np.asarray(self.y.reshape(len(self.y), -1), dtype=np.float64)


Columns = Callable[[NDArray[Any], NDArray[Any], int], Floats]
"""From (y, predictions (n_trials, n, ...), n_classes) to (n_trials, n, n_sums)."""
Score = Callable[[Floats, Weighted], Floats]
"""From sums (n_weightings, n_trials, n_sums) to scores (n_weightings, n_trials)."""


@dataclass(frozen=True)
class SumMetric:
    """A metric as a function of sums.

    Args:
        columns: What each row adds to each sum.
        score: What the sums mean.
    """

    columns: Columns
    score: Score


def ratio(above: Floats, below: Floats, otherwise: float) -> Floats:
    """Divide where there is something to divide by."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    result = np.full(shape, otherwise, dtype=np.float64)
    np.divide(above, below, out=result, where=below > 0)
    return result
