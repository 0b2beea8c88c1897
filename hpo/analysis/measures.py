"""The study's metric, computed from stored predictions for any weighting of the rows.

Scores of a trial under weights that are all 1 are those that it was stored with. It
owns which rows take part, how predictions are stacked, and which metric is computed in
which of three ways: by rows, by sums within folds, by ranks within folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpo.analysis.rank_metrics import RANKED, TWO_CLASSES_ONLY, Area, class_areas
from hpo.analysis.row_metrics import LABEL_ROWS, PROBABILITY_ROWS, VALUE_ROWS, RowScore
from hpo.analysis.sum_metrics import LABEL_SUMS, PROBABILITY_SUMS, VALUE_SUMS
from hpo.analysis.weighted import SumMetric, Weighted
from hpo.records import StudyRows, Trial

Floats = NDArray[np.float64]
Judge: TypeAlias = Callable[[Floats], Floats]
"""From weights of the rows, (n_weightings, n_rows), to (n_weightings, n_trials)."""
Needs: TypeAlias = Literal["labels", "probabilities", "values"]


class Validated:
    """The rows that folds score, each once, however many folds score it.

    Args:
        rows: Of the study.

    Attributes:
        y: What they had to be predicted as.
        folds: For each fold the positions, in ``y``, of the rows that it scores.
        groups: Codes from 0 of the groups that they belong to, (n_rows,); None if they
            belong to none, or that is not known.
        n_classes: 0 for a regression.
    """

    def __init__(self, rows: StudyRows) -> None:
        scored = [np.asarray(validation) for _, validation in rows.folds]
        kept = np.unique(np.concatenate(scored))
        self.y = np.asarray(rows.y)[kept]
        self.folds = [np.searchsorted(kept, validation) for validation in scored]
        self.groups: NDArray[np.intp] | None = None
        if rows.groups is not None:
            _, self.groups = np.unique(
                np.asarray(rows.groups)[kept], return_inverse=True
            )
        self.n_classes = rows.n_classes

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def is_even(self) -> bool:
        """Whether all rows count alike: folds differ by one row at most."""
        sizes = [len(fold) for fold in self.folds]
        return max(sizes) - min(sizes) <= 1

    @property
    def rows_per_fold(self) -> float:
        return float(np.mean([len(fold) for fold in self.folds]))


class Measure(Protocol):
    """A metric of trials whose predictions are known."""

    @property
    def needs(self) -> Needs:
        """What the metric is computed from."""

    @property
    def within_folds(self) -> bool:
        """Whether it is a mean over folds of what is no mean over their rows."""

    @property
    def n_columns(self) -> int:
        """Numbers for each row and trial that it takes to compute it."""

    def judge(self, stacks: Sequence[NDArray[Any]]) -> Judge:
        """Return what gives the scores of some trials for weights of the rows.

        Args:
            stacks: Predictions of each fold, shape (n_trials, n_val, ...).
        """


def measure_of(metric: str, validated: Validated) -> Measure | None:
    """Return how a metric is computed; None if it is not known how."""
    two = validated.n_classes == 2
    ranked = RANKED | TWO_CLASSES_ONLY if two else RANKED
    by_rows: list[tuple[Needs, dict[str, RowScore]]] = [
        ("labels", LABEL_ROWS),
        ("probabilities", PROBABILITY_ROWS),
        ("values", VALUE_ROWS),
    ]
    by_sums: list[tuple[Needs, dict[str, SumMetric]]] = [
        ("labels", LABEL_SUMS),
        ("probabilities", PROBABILITY_SUMS),
        ("values", VALUE_SUMS),
    ]
    for needs, row_scores in by_rows:
        if metric in row_scores:
            return _ByRows(needs, validated, row_scores[metric])
    for needs, sum_metrics in by_sums:
        if metric in sum_metrics:
            return _BySums(needs, validated, sum_metrics[metric])
    return _ByRanks(validated, *ranked[metric]) if metric in ranked else None


def stacked(
    trials: Sequence[Trial], needs: Needs, validated: Validated
) -> list[NDArray[Any]] | None:
    """Return the predictions of each fold, shape (n_trials, n_val, ...).

    None if they are not there, or not what the metric is computed from.
    """
    stacks = []
    for fold, rows in enumerate(validated.folds):
        parts = [_wanted(trial, fold, needs, validated) for trial in trials]
        given = [part for part in parts if part is not None]
        if len(given) < len(parts) or any(len(part) != len(rows) for part in given):
            return None
        stacks.append(np.stack(given))
    return stacks


def _wanted(
    trial: Trial, fold: int, needs: Needs, validated: Validated
) -> NDArray[Any] | None:
    if fold >= len(trial.folds) or trial.folds[fold].predictions is None:
        return None
    given = np.asarray(trial.folds[fold].predictions)
    if needs == "values":
        shape = (len(given), *validated.y.shape[1:])
        return given.reshape(shape) if given.size == np.prod(shape) else None
    has_probabilities = given.ndim == 2
    if has_probabilities and given.shape[1] != validated.n_classes:
        return None
    if needs == "probabilities":
        return given if has_probabilities else None
    return given.argmax(axis=1) if has_probabilities else given


@dataclass(frozen=True)
class _ByRows:
    """A mean over rows; rows of a small fold count more, as folds count alike."""

    needs: Needs
    validated: Validated
    row_scores: RowScore
    within_folds: bool = False
    n_columns: int = 1

    def judge(self, stacks: Sequence[NDArray[Any]]) -> Judge:
        validated = self.validated
        n_rows, folds = validated.n_rows, validated.folds
        values = np.zeros((n_rows, len(stacks[0])))
        counts = np.zeros(n_rows)
        largest = max(len(fold) for fold in folds)
        for stack, fold in zip(stacks, folds, strict=True):
            share = largest / len(fold)
            values[fold] += share * self.row_scores(validated.y[fold], stack).T
            counts[fold] += share

        def scores(weights: Floats) -> Floats:
            whole = (weights @ counts)[:, None]
            result = np.full((len(weights), values.shape[1]), np.nan)
            np.divide(weights @ values, whole, out=result, where=whole > 0)
            return result

        return scores


@dataclass(frozen=True)
class _BySums:
    needs: Needs
    validated: Validated
    metric: SumMetric
    within_folds: bool = True

    @property
    def n_columns(self) -> int:
        y = self.validated.y
        return 2 * max(self.validated.n_classes, y.shape[1] if y.ndim > 1 else 1)

    def judge(self, stacks: Sequence[NDArray[Any]]) -> Judge:
        validated = self.validated
        parts = [
            (fold, self._columns(validated.y[fold], stack))
            for stack, fold in zip(stacks, validated.folds, strict=True)
        ]

        def scores(weights: Floats) -> Floats:
            return _mean_of_known(
                [self._scores(weights[:, fold], fold, part) for fold, part in parts]
            )

        return scores

    def _columns(self, y: NDArray[Any], stack: NDArray[Any]) -> Floats:
        """Return the columns of all trials, shape (n, n_trials, n_sums)."""
        columns = self.metric.columns(y, stack, self.validated.n_classes)
        return columns.transpose(1, 0, 2)

    def _scores(self, weights: Floats, fold: NDArray[Any], columns: Floats) -> Floats:
        n, n_trials, n_sums = columns.shape
        sums = weights @ columns.reshape(n, n_trials * n_sums)
        weighted = Weighted(self.validated.y[fold], weights, self.validated.n_classes)
        return self.metric.score(sums.reshape(-1, n_trials, n_sums), weighted)


@dataclass(frozen=True)
class _ByRanks:
    validated: Validated
    area: Area
    by_share: bool
    needs: Needs = "probabilities"
    within_folds: bool = True

    @property
    def n_columns(self) -> int:
        n_classes = self.validated.n_classes
        # An area takes some ten times as long as a column of a matrix product.
        return 10 * (1 if n_classes == 2 else n_classes)

    def judge(self, stacks: Sequence[NDArray[Any]]) -> Judge:
        folds = list(zip(stacks, self.validated.folds, strict=True))

        def scores(weights: Floats) -> Floats:
            return _mean_of_known([self._scores(weights, *fold) for fold in folds])

        return scores

    def _scores(
        self, weights: Floats, stack: NDArray[Any], fold: NDArray[Any]
    ) -> Floats:
        own, y = weights[:, fold], self.validated.y[fold]
        areas = [
            class_areas(self.area, own, y, probabilities, by_share=self.by_share)
            for probabilities in stack
        ]
        return np.stack(areas, axis=1)


def _mean_of_known(by_fold: Sequence[Floats]) -> Floats:
    """Average over the folds that the metric says something about; NaN if none."""
    total, known = np.zeros_like(by_fold[0]), np.zeros_like(by_fold[0])
    for scores in by_fold:
        is_known = ~np.isnan(scores)
        total += np.where(is_known, scores, 0.0)
        known += is_known
    result = np.full_like(total, np.nan)
    np.divide(total, known, out=result, where=known > 0)
    return result
