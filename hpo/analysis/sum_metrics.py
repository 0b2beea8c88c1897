"""Metrics from weighted sums: of classes, of their probabilities, and of values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.analysis.class_sums import LABEL_SUMS
from hpo.analysis.row_metrics import brier_scores, log_likelihoods
from hpo.analysis.weighted import Floats, SumMetric, Weighted, ratio

__all__ = ["LABEL_SUMS", "PROBABILITY_SUMS", "VALUE_SUMS"]

# Probabilities: losses relative to those of the classes' shares alone.


def _log_columns(y: NDArray[Any], given: NDArray[Any], n_classes: int) -> Floats:
    return -log_likelihoods(y, given)[:, :, None]


def _brier_columns(y: NDArray[Any], given: NDArray[Any], n_classes: int) -> Floats:
    halved = 2 if n_classes == 2 else 1
    return -halved * brier_scores(y, given)[:, :, None]


def _d2_log_loss(sums: Floats, weighted: Weighted) -> Floats:
    from scipy.special import xlogy

    classes = weighted.classes()
    plain = -xlogy(classes, ratio(classes, weighted.total, 1.0)).sum(axis=1)
    return 1 - ratio(sums[:, :, 0], plain[:, None], np.nan)


def _d2_brier(sums: Floats, weighted: Weighted) -> Floats:
    shares = ratio(weighted.classes(), weighted.total, 0.0)
    plain = weighted.total * (1 - (shares**2).sum(axis=1, keepdims=True))
    return 1 - ratio(sums[:, :, 0], plain, np.nan)


# Regression: sums for each target, and the mean of what the targets score.


def _errors(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    return np.asarray(values - y, dtype=np.float64).reshape(*values.shape[:2], -1)


def _square_columns(y: NDArray[Any], values: NDArray[Any], n_classes: int) -> Floats:
    return _errors(y, values) ** 2


def _moment_columns(y: NDArray[Any], values: NDArray[Any], n_classes: int) -> Floats:
    errors = _errors(y, values)
    return np.concatenate([errors, errors**2], axis=2)


def _absolute_columns(y: NDArray[Any], values: NDArray[Any], n_classes: int) -> Floats:
    return np.abs(_errors(y, values))


def _log_square_columns(
    y: NDArray[Any], values: NDArray[Any], n_classes: int
) -> Floats:
    return _errors(np.log1p(y), np.log1p(values)) ** 2


def _root(sums: Floats, weighted: Weighted) -> Floats:
    means = ratio(sums, weighted.total[:, :, None], np.nan)
    return np.asarray(-np.sqrt(means).mean(axis=2))


def _r2(sums: Floats, weighted: Weighted) -> Floats:
    return _one_less(sums, _scatter(weighted))


def _explained_variance(sums: Floats, weighted: Weighted) -> Floats:
    errors, squares = np.split(sums, 2, axis=2)
    shift = ratio(errors**2, weighted.total[:, :, None], 0.0)
    return _one_less(squares - shift, _scatter(weighted))


def _d2_absolute(sums: Floats, weighted: Weighted) -> Floats:
    return _one_less(sums, _absolute_scatter(weighted))


def _one_less(losses: Floats, plain: Floats) -> Floats:
    return np.asarray((1 - ratio(losses, plain[:, None, :], np.nan)).mean(axis=2))


def _scatter(weighted: Weighted) -> Floats:
    """Return the weighted squared distances of each target from its mean."""
    y = weighted.outputs()
    centred = y - y.mean(axis=0)
    linear, squared = weighted.weights @ centred, weighted.weights @ centred**2
    scatter = squared - ratio(linear**2, weighted.total, 0.0)
    # One row, drawn ever so often, does not differ from itself but by rounding.
    smallest = 1e-12 * squared
    return np.where(scatter > smallest, scatter, 0.0)


def _absolute_scatter(weighted: Weighted) -> Floats:
    """Return the weighted absolute distances of each target from its median."""
    return np.stack(
        [_around_median(y, weighted.weights) for y in weighted.outputs().T], axis=1
    )


def _around_median(y: Floats, weights: Floats) -> Floats:
    order = np.argsort(y)
    y, weights = y[order] - y.mean(), weights[:, order]
    below, sums = weights.cumsum(axis=1), (weights * y).cumsum(axis=1)
    middle = (below >= below[:, -1:] / 2).argmax(axis=1)
    at = np.arange(len(weights)), middle
    left = y[middle] * below[at] - sums[at]
    right = (sums[:, -1] - sums[at]) - y[middle] * (below[:, -1] - below[at])
    return np.asarray(left + right)


PROBABILITY_SUMS: dict[str, SumMetric] = {
    "d2_log_loss_score": SumMetric(_log_columns, _d2_log_loss),
    "d2_brier_score": SumMetric(_brier_columns, _d2_brier),
}
VALUE_SUMS: dict[str, SumMetric] = {
    "r2": SumMetric(_square_columns, _r2),
    "explained_variance": SumMetric(_moment_columns, _explained_variance),
    "neg_root_mean_squared_error": SumMetric(_square_columns, _root),
    "neg_root_mean_squared_log_error": SumMetric(_log_square_columns, _root),
    "d2_absolute_error_score": SumMetric(_absolute_columns, _d2_absolute),
}
