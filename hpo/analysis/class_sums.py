"""Metrics of classes from the weights of what is right and what is predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.analysis.weighted import Floats, Score, SumMetric, Weighted, ratio


def _label_columns(y: NDArray[Any], labels: NDArray[Any], n_classes: int) -> Floats:
    predicted = labels[:, :, None] == np.arange(n_classes)
    right = predicted & (y[:, None] == np.arange(n_classes))
    return np.concatenate([right, predicted], axis=2).astype(np.float64)


@dataclass(frozen=True)
class _Counts:
    """Weights by class: right, predicted so, truly so; (.., n_trials, n_classes)."""

    right: Floats
    predicted: Floats
    true: Floats
    total: Floats


def _counts(sums: Floats, weighted: Weighted) -> _Counts:
    right, predicted = np.split(sums, 2, axis=2)
    return _Counts(right, predicted, weighted.classes()[:, None, :], weighted.total)


def _precision(c: _Counts) -> Floats:
    return ratio(c.right, c.predicted, 0.0)


def _recall(c: _Counts) -> Floats:
    return ratio(c.right, c.true, 0.0)


def _f1(c: _Counts) -> Floats:
    return ratio(2 * c.right, c.predicted + c.true, 0.0)


def _jaccard(c: _Counts) -> Floats:
    return ratio(c.right, c.predicted + c.true - c.right, 0.0)


def _of_second_class(by_class: Callable[[_Counts], Floats]) -> Score:
    def score(sums: Floats, weighted: Weighted) -> Floats:
        counts = _counts(sums, weighted)
        known = counts.true[:, :, 1] > 0
        return np.where(known, by_class(counts)[:, :, 1], np.nan)

    return score


def _macro(by_class: Callable[[_Counts], Floats]) -> Score:
    def score(sums: Floats, weighted: Weighted) -> Floats:
        counts = _counts(sums, weighted)
        met = (counts.predicted + counts.true) > 0
        return ratio((by_class(counts) * met).sum(axis=2), met.sum(axis=2), np.nan)

    return score


def _by_share(by_class: Callable[[_Counts], Floats]) -> Score:
    def score(sums: Floats, weighted: Weighted) -> Floats:
        counts = _counts(sums, weighted)
        summed = (by_class(counts) * counts.true).sum(axis=2)
        return ratio(summed, counts.total, np.nan)

    return score


def _jaccard_micro(sums: Floats, weighted: Weighted) -> Floats:
    right = _counts(sums, weighted).right.sum(axis=2)
    return ratio(right, 2 * weighted.total - right, np.nan)


def _balanced_accuracy(sums: Floats, weighted: Weighted) -> Floats:
    counts = _counts(sums, weighted)
    n_present = (counts.true > 0).sum(axis=2)
    return ratio(_recall(counts).sum(axis=2), n_present, np.nan)


def _matthews(sums: Floats, weighted: Weighted) -> Floats:
    counts = _counts(sums, weighted)
    total = counts.total
    both = counts.right.sum(axis=2) * total
    both = both - (counts.predicted * counts.true).sum(axis=2)
    of_predicted = total**2 - (counts.predicted**2).sum(axis=2)
    of_true = total**2 - (counts.true**2).sum(axis=2)
    return np.where(
        total > 0, ratio(both, np.sqrt(of_predicted * of_true), 0.0), np.nan
    )


LABEL_SUMS: dict[str, SumMetric] = {
    name: SumMetric(_label_columns, score)
    for name, score in {
        "balanced_accuracy": _balanced_accuracy,
        "jaccard_micro": _jaccard_micro,
        "matthews_corrcoef": _matthews,
        **{
            f"{name}{ending}": averaged(by_class)
            for name, by_class in {
                "precision": _precision,
                "recall": _recall,
                "f1": _f1,
                "jaccard": _jaccard,
            }.items()
            for ending, averaged in {
                "": _of_second_class,
                "_macro": _macro,
                "_weighted": _by_share,
            }.items()
        },
    }.items()
}
