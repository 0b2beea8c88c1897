"""What a model that looks at no feature scores in the same folds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpo.metrics import METRICS
from hpo.records import StudyRows, mean

MOST_CONSTANTS = 20
"""Of more classes, not each is tried as the only answer."""


@dataclass(frozen=True)
class Baseline:
    """What a model that looks at no feature scores in the same folds.

    Args:
        score: Mean over the folds.
        std: Standard deviation over the folds.
        words: What it does, for example ``always the most frequent class``.
    """

    score: float
    std: float
    words: str


def baseline(metric: str, rows: StudyRows | None) -> Baseline | None:
    """Return what the best model without features scores, by scikit-learn's dummies.

    Each is fitted to the training targets of each fold and judged by the study's
    scorer. For classes they are the shares of the classes as probabilities, whose
    class is always the most frequent one, and each class always (an f1 may be better
    off with the rare one); for a regression the mean, and the median. The one with the
    best mean over the folds is the baseline, the earliest of equals.

    Args:
        metric: Of the study; see `hpo.analysis.comparing.known_metric`.
        rows: What its rows are; None if that is not known.

    Returns:
        The baseline; None if the rows are not known, or if the metric is none of
        scikit-learn's or says nothing of a model that ignores its features.
    """
    fits = rows is not None and len(rows.y) and rows.folds
    if rows is None or not fits or metric not in METRICS:
        return None
    found = [
        judged
        for model, words in _models(rows)
        if (judged := _judged(metric, rows, model, words)) is not None
    ]
    return max(found, key=lambda each: each.score, default=None)


def _models(rows: StudyRows) -> Iterator[tuple[Any, str]]:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if rows.classes is None:
        yield DummyRegressor(strategy="mean"), "always the mean of the training rows"
        yield (
            DummyRegressor(strategy="median"),
            "always the median of the training rows",
        )
        return
    yield DummyClassifier(strategy="prior"), "always the most frequent class"
    if rows.n_classes <= MOST_CONSTANTS:
        for code, label in enumerate(rows.classes):
            yield (
                DummyClassifier(strategy="constant", constant=code),
                f"always class {label!r}",
            )


SHARES = "always the shares of the classes as probabilities"


def _judged(metric: str, rows: StudyRows, model: Any, words: str) -> Baseline | None:
    """Score a dummy in every fold; None where the metric refuses it."""
    import numpy as np
    from sklearn.metrics import get_scorer

    scorer = get_scorer(metric)
    by_probability = "predict_proba" in str(scorer)
    if by_probability and getattr(model, "strategy", "") == "constant":
        return None
    scores = []
    for train, validation in rows.folds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.fit(np.zeros((len(train), 1)), rows.y[train])
                score = scorer(
                    model, np.zeros((len(validation), 1)), rows.y[validation]
                )
            except ValueError:
                return None
        scores.append(float(score))
    if not all(math.isfinite(score) for score in scores):
        return None
    middle = mean(scores)
    std = math.sqrt(mean([(score - middle) ** 2 for score in scores]))
    return Baseline(middle, std, SHARES if by_probability else words)
