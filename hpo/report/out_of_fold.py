"""Predictions set against what they should have been, and what is counted of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.records import StudyRows, TestLook, Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of rows; a row that was predicted several times is there as often.

    Args:
        y: Class codes or targets; shape (n,), or (n, n_outputs).
        predictions: Probabilities, shape (n, n_classes), class codes, or values shaped
            as ``y``.
        folds: Index of the fold of each, shape (n,); zeros for a test part.
        words: Where the predictions are from, one sentence.
    """

    y: NDArray[Any]
    predictions: NDArray[Any]
    folds: NDArray[Any]
    words: str

    @property
    def codes(self) -> NDArray[np.int64]:
        """Predicted class codes: of the greatest probability, the first of equals."""
        import numpy as np

        if self.predictions.ndim == 1:
            return self.predictions.astype(np.int64)
        codes: NDArray[np.int64] = self.predictions.argmax(axis=1)
        return codes


def out_of_fold(trial: Trial, rows: StudyRows) -> Predicted | None:
    """Return the out-of-fold predictions of a trial; None if they were not kept.

    Args:
        trial: Complete, read with its predictions.
        rows: Of its study.
    """
    import numpy as np

    y, predictions, folds, places = [], [], [], []
    for fold in trial.folds:
        if fold.predictions is None or fold.fold >= len(rows.folds):
            return None
        _, validation = rows.folds[fold.fold]
        if len(validation) != len(fold.predictions):
            return None
        places.append(validation)
        y.append(rows.y[validation])
        predictions.append(fold.predictions)
        folds.append(np.full(len(validation), fold.fold))
    if not y:
        return None
    times = np.bincount(np.concatenate(places), minlength=len(rows.y))
    return _checked(
        Predicted(
            np.concatenate(y),
            np.concatenate(predictions),
            np.concatenate(folds),
            _words(times),
        ),
        rows.n_classes,
    )


def on_test_part(look: TestLook, n_classes: int) -> Predicted | None:
    """Return what was predicted of the test part; None if it cannot be drawn."""
    import numpy as np

    words = f"Predictions of the {len(look.y)} rows that were held out from the start."
    zeros = np.zeros(len(look.y), int)
    return _checked(Predicted(look.y, look.predictions, zeros, words), n_classes)


def _checked(found: Predicted, n_classes: int) -> Predicted | None:
    """Return predictions if they can be what they should be."""
    import numpy as np

    given = found.predictions
    if n_classes:
        fits = given.ndim == 1 or given.shape[1:] == (n_classes,)
        # Codes that are none would be counted as others.
        if given.ndim == 1 and len(given):
            fits = given.min() >= 0 and given.max() < n_classes
    else:
        fits = given.size == found.y.size
    return found if fits and np.isfinite(given).all() else None


def _words(times: NDArray[Any]) -> str:
    """Say how often rows were predicted, from the count of each row."""
    n_rows, n_never = len(times), int((times == 0).sum())
    predicted = times[times > 0]
    most = int(predicted.max())
    if most == 1:
        by = "by a model that had not been trained on it"
        if not n_never:
            return f"Each of the {n_rows} rows was predicted once, {by}."
        return (
            f"{n_rows - n_never} of the {n_rows} rows were predicted, each once and "
            f"{by}; the other {n_never} are in no validation part."
        )
    often = f"{most} times" if int(predicted.min()) == most else f"up to {most} times"
    rest = f"; {n_never} rows were never predicted" if n_never else ""
    return (
        f"Rows were predicted {often}, each time by a model that had not been trained "
        f"on them; all {int(times.sum())} predictions of {len(predicted)} rows count"
        f"{rest}."
    )


def confusion_counts(
    truth: NDArray[Any], codes: NDArray[Any], n_classes: int
) -> NDArray[np.int64]:
    """Count predictions by true class (rows) and predicted class (columns)."""
    import numpy as np

    pairs = truth.astype(np.int64) * n_classes + codes
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def shares(counts: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Divide counts by the sums along an axis; NaN where there is nothing to share."""
    import numpy as np

    sums = counts.sum(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        divided: NDArray[np.float64] = counts / sums
    return divided


def roc_points(
    positive: NDArray[np.bool_], probability: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return false and true positive rates for every threshold, from (0, 0) to (1, 1).

    Args:
        positive: Whether each row is of the positive class; both kinds occur.
        probability: Of the positive class.
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(positive[order])
    # Rows of one probability pass the threshold together.
    ends = np.flatnonzero(np.diff(probability[order], append=np.nan) != 0)
    true_rate = np.concatenate([[0.0], hits[ends] / positive.sum()])
    misses = ends + 1 - hits[ends]
    false_rate = np.concatenate([[0.0], misses / (~positive).sum()])
    return false_rate, true_rate


def area_under(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the area under a line of points, by trapezoids."""
    import numpy as np

    return float(np.trapezoid(y, x))


def calibration_bins(
    positive: NDArray[np.bool_], probability: NDArray[Any], n_bins: int = 10
) -> list[tuple[float, float, int]]:
    """Return mean probability, share of positives, and count of each bin with rows.

    Bins are of equal width from 0 to 1; a probability on an edge is of the bin below.
    """
    import numpy as np

    edges = np.linspace(0.0, 1.0, n_bins + 1)
    place = np.searchsorted(edges[1:-1], probability)
    bins = []
    for index in range(n_bins):
        inside = place == index
        if inside.any():
            bins.append(
                (
                    float(probability[inside].mean()),
                    float(positive[inside].mean()),
                    int(inside.sum()),
                )
            )
    return bins


def thinned(n: int, keep: int, always: Sequence[int] = ()) -> NDArray[np.intp]:
    """Return ``keep`` of ``n`` places, the same ones whenever it is asked, in order.

    Args:
        n: How many there are.
        keep: How many to keep; all if there are no more.
        always: Places that are kept besides.
    """
    import numpy as np

    if n <= keep:
        return np.arange(n)
    drawn = np.random.default_rng(0).choice(n, keep, replace=False)
    return np.unique(np.concatenate([drawn, np.asarray(always, dtype=drawn.dtype)]))
