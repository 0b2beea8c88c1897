"""Early stopping on an inner split of the training rows, the same for both families.

It owns the split, the rule and the loss that it watches. It never sees the rows of a
fold that is scored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.records import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INNER_SHARE = 0.1
"""Share of the training rows that early stopping watches."""

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1, as Keras does."""


def inner_split(
    y: NDArray[Any], task: Task, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split the training rows in two: to train on, and to watch.

    Classes keep their shares as far as they have the rows for it.

    Args:
        y: Class codes or targets of the training rows, shape (n,) or (n, n_outputs).
        task: What ``y`` is.
        seed: Seeds the split.

    Returns:
        Sorted positions to train on and to watch, about 90 % and 10 % of the rows.

    Raises:
        TrialError: There is only one row.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    if len(y) < 2:
        raise TrialError(
            "error",
            f"patience: expected at least 2 training rows, to watch some; got {len(y)}",
        )
    n_watched = math.ceil(INNER_SHARE * len(y))
    stratify = None
    if task == "classification":
        counts = np.unique(y, return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(n_watched, len(y) - n_watched):
            stratify = y
    train, watched = train_test_split(
        np.arange(len(y)), test_size=n_watched, random_state=seed, stratify=stratify
    )
    return np.sort(train), np.sort(watched)


def log_loss(y: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Return the mean cross-entropy of class codes, without any penalty.

    Args:
        y: Class codes, shape (n,).
        probabilities: Shape (n, n_classes).

    Source:
        C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, eq. 4.108.
    """
    import numpy as np

    of_true = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.clip(of_true, EPSILON, 1 - EPSILON)).mean())


def lacks_memory(error: Exception) -> bool:
    """Tell whether memory ran out: of the process, or of TensorFlow or JAX."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
        or "RESOURCE_EXHAUSTED" in str(error)
    )


class EarlyStopping:
    """Remembers the best epoch and says when to stop.

    As Keras' callback of that name: only a strictly smaller loss is better, and
    training stops after ``patience`` epochs in a row without one.

    Args:
        patience: Epochs to wait, at least 1.
    """

    def __init__(self, patience: int) -> None:
        self.best_epoch = 0
        self.best_loss = math.inf
        self._patience = patience

    def improves(self, epoch: int, loss: float) -> bool:
        """Take in the loss of ``epoch`` (from 1); tell whether it is the best."""
        better = loss < self.best_loss
        if better:
            self.best_epoch, self.best_loss = epoch, loss
        return better

    def stops_after(self, epoch: int) -> bool:
        """Tell whether ``epoch`` was the last one to train."""
        return epoch - self.best_epoch >= self._patience


def require_finite(loss: float, epoch: int, what: str = "loss") -> None:
    """Fail the network if its loss is no number any more.

    Raises:
        TrialError: Of kind ``nan``, naming the epoch (from 1) and the way out.
    """
    if not math.isfinite(loss):
        became = "NaN" if math.isnan(loss) else "infinite"
        raise TrialError(
            "nan",
            f"{what} became {became} at epoch {epoch}: lower the learning rate, or "
            "scale the features and the target",
        )
