"""Studies whose rows, folds and predictions are simulated, for their conclusions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hpo.records import FoldResult, StudyRecord, StudyRows, Trial, judge


def make_record(metric: str = "accuracy", k: int = 5, **values: Any) -> StudyRecord:
    evaluation = {"folds": k, "repeats": values.pop("repeats", 1)}
    evaluation["split"] = values.pop("split", None)
    document = {"evaluation": evaluation, "select": values.pop("select", "mean")}
    given = {
        "name": "sample",
        "state": "complete",
        "document": document,
        "text": "",
        "folder": "",
        "fingerprint": "",
        "family": "sklearn-mlp",
        "strategy": "random",
        "metric": metric,
        "task": "classification",
        "n_folds": k * evaluation["repeats"],
        "seed": 0,
        "engine": "local",
        "backend": "",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return StudyRecord(**(given | values))


def make_rows(y: Any, k: int, *, repeats: int = 1, seed: int = 0) -> StudyRows:
    """Shuffle the rows into folds; ``y`` of integers is of classes."""
    y = np.asarray(y)
    random = np.random.default_rng(seed)
    folds = []
    for _ in range(repeats):
        order = random.permutation(len(y))
        for part in np.array_split(order, k):
            scored = np.sort(part)
            folds.append((np.setdiff1d(order, scored), scored))
    is_class = np.issubdtype(y.dtype, np.integer)
    classes = tuple(range(int(y.max()) + 1)) if is_class else None
    targets = tuple(f"target_{i}" for i in range(1 if y.ndim == 1 else y.shape[1]))
    return StudyRows(y, classes, targets, tuple(folds))


def make_trial(
    number: int,
    rows: StudyRows,
    predictions: Sequence[Any],
    score: Callable[[Any, Any], float],
) -> Trial:
    """Make a complete trial of the predictions of each fold."""
    folds = {
        fold: FoldResult(
            fold, score=float(score(rows.y[scored], given)), predictions=given
        )
        for fold, ((_, scored), given) in enumerate(
            zip(rows.folds, predictions, strict=True)
        )
    }
    return judge(Trial(number, {}), folds, len(rows.folds))


def scored_trial(number: int, scores: Sequence[float], **fold: Any) -> Trial:
    """Make a complete trial of the scores of its folds alone."""
    folds = {
        index: FoldResult(index, score=score, **fold)
        for index, score in enumerate(scores)
    }
    return judge(Trial(number, {}), folds, len(scores))


def reader(trials: Sequence[Trial]) -> Callable[[Sequence[int]], list[Trial]]:
    return lambda numbers: [trials[number] for number in numbers]


def no_predictions(numbers: Sequence[int]) -> list[Trial]:
    return []


def share_right(y: Any, given: Any) -> float:
    return float(np.mean(y == given))


def guessing_trials(
    rows: StudyRows, accuracies: Sequence[float], random: np.random.Generator
) -> list[Trial]:
    """Make a trial for each accuracy, right in each row with that probability.

    Every repeat predicts a row the same, as repeats of one network nearly do.
    """
    n_classes = rows.n_classes
    trials = []
    for number, accuracy in enumerate(accuracies):
        right = random.random(len(rows.y)) < accuracy
        codes = np.where(right, rows.y, (rows.y + 1) % n_classes)
        given = [codes[scored] for _, scored in rows.folds]
        trials.append(make_trial(number, rows, given, share_right))
    return trials
