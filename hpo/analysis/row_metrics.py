"""Metrics that are means over rows: what each row of a fold adds to the score.

Predictions come as a stack, shape (n_trials, n, ...), next to what ``n`` rows had to be
predicted as; what comes back has shape (n_trials, n), and greater is better. Means of
it over a fold are scikit-learn's scorers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RowScore = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]

TINY = float(np.finfo(np.float64).eps)
"""scikit-learn keeps probabilities, and targets that are divided by, away from 0."""


def hits(y: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Return whether the class is right."""
    return np.asarray(labels == y)


def second_guesses(y: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return whether the class is among the two likeliest."""
    # As scikit-learn: of equal probabilities the later class counts as the likelier.
    ranks = np.argsort(probabilities, axis=2, kind="stable")[:, :, -2:]
    return np.asarray((ranks == y[:, None]).any(axis=2))


def log_likelihoods(y: NDArray[Any], probabilities: NDArray[Any]) -> Floats:
    """Return the logarithm of the probability that the true class was given."""
    given = probabilities[:, np.arange(len(y)), y].astype(np.float64)
    return np.log(np.clip(given, TINY, 1 - TINY))


def brier_scores(y: NDArray[Any], probabilities: NDArray[Any]) -> Floats:
    """Return the squared distance to certainty, negative; halved for two classes."""
    n_classes = probabilities.shape[2]
    truth = np.eye(n_classes)[y]
    distances = ((probabilities - truth) ** 2).sum(axis=2)
    return np.asarray(-distances / (2 if n_classes == 2 else 1))


def squared_errors(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the squared errors, negative; the mean of several targets."""
    return _over_outputs(-((values - y) ** 2))


def absolute_errors(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the absolute errors, negative; the mean of several targets."""
    return _over_outputs(-np.abs(values - y))


def percentage_errors(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the errors as shares of the target, negative; means as above."""
    return _over_outputs(-np.abs(values - y) / np.maximum(np.abs(y), TINY))


def squared_log_errors(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the squared errors of ``log(1 + value)``, negative; means as above."""
    return _over_outputs(-((np.log1p(values) - np.log1p(y)) ** 2))


def poisson_deviances(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the Poisson deviances, negative."""
    from scipy.special import xlogy

    return np.asarray(-2 * (xlogy(y, y / values) - y + values))


def gamma_deviances(y: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the gamma deviances, negative."""
    return np.asarray(-2 * (np.log(values / y) + y / values - 1))


def _over_outputs(scores: NDArray[Any]) -> Floats:
    return np.asarray(scores.mean(axis=2) if scores.ndim == 3 else scores)


LABEL_ROWS: dict[str, RowScore] = dict.fromkeys(
    ("accuracy", "f1_micro", "precision_micro", "recall_micro"), hits
)
PROBABILITY_ROWS: dict[str, RowScore] = {
    "top_k_accuracy": second_guesses,
    "neg_log_loss": log_likelihoods,
    "neg_brier_score": brier_scores,
}
VALUE_ROWS: dict[str, RowScore] = {
    "neg_mean_squared_error": squared_errors,
    "neg_mean_absolute_error": absolute_errors,
    "neg_mean_absolute_percentage_error": percentage_errors,
    "neg_mean_squared_log_error": squared_log_errors,
    "neg_mean_poisson_deviance": poisson_deviances,
    "neg_mean_gamma_deviance": gamma_deviances,
}
