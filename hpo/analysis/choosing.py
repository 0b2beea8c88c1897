"""Which trial to take: the best by mean, or the simplest within a standard error."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from hpo.records import StudyRecord, Trial, mean

MEAN, ONE_SE = "mean", "one-se"

Simplicity: TypeAlias = tuple[float, float, float, int]
"""Orders trials, the simplest first."""


def complete(trials: Sequence[Trial]) -> list[Trial]:
    """Return the complete trials that count, by number."""
    return [t for t in trials if t.score is not None and not t.beyond_stop]


def best_by_mean(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial with the greatest score, the earliest of equals."""
    return max(
        complete(trials), key=lambda t: (t.score or 0.0, -t.number), default=None
    )


def chosen(trials: Sequence[Trial], rule: str) -> Trial | None:
    """Return the trial to take; None if no trial is complete.

    With ``one-se`` it is the simplest trial whose mean is at least the best mean less
    the `standard_error` of the best. With one fold there is no standard error, and the
    best is taken.

    Args:
        trials: Of a study; those that are not complete do not count.
        rule: ``mean`` or ``one-se``.

    Source: Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984,
    section 3.4.3. The error itself is uncertain, and a simpler network is often a bit
    worse: Chen, Yang, The one standard error rule for model selection, 2021.
    """
    best = best_by_mean(trials)
    if best is None or rule == MEAN:
        return best
    error = standard_error(best)
    if error is None:
        return best
    least = scored(best) - error
    near = [trial for trial in complete(trials) if scored(trial) >= least]
    return min(near, key=simplicity)


def standard_error(trial: Trial) -> float | None:
    """Return the standard error of a trial's mean over its folds; None for one fold."""
    scores = fold_scores(trial)
    if len(scores) < 2:
        return None
    return statistics.stdev(scores) / math.sqrt(len(scores))


def simplicity(trial: Trial) -> Simplicity:
    """Return what orders trials by simplicity, the least for the simplest.

    That is the mean number of trained weights over the folds, where an unknown one
    comes last; then the mean training time; then the greater mean score.
    """
    counts = [fold.n_parameters for fold in trial.folds]
    known = [count for count in counts if count is not None]
    whole = bool(known) and len(known) == len(counts)
    seconds = trial.fit_seconds
    return (
        mean(known) if whole else math.inf,
        math.inf if seconds is None else seconds,
        -scored(trial),
        trial.number,
    )


def fold_scores(trial: Trial) -> list[float]:
    """Return the scores of a trial's folds, in their order."""
    return [fold.score for fold in trial.folds if fold.score is not None]


def scored(trial: Trial) -> float:
    """Return the score of a complete trial."""
    if trial.score is None:
        raise ValueError(f"trial {trial.number} is not complete")
    return trial.score


def chosen_by(study: StudyRecord) -> str:
    """Return the rule by which a study's trial is chosen, as its file says."""
    return str(study.document.get("select") or MEAN)


def defaults_trial(origin: Mapping[str, Any], trials: Sequence[Trial]) -> Trial | None:
    """Return the trial that has the family's defaults, or None if there is none.

    Args:
        origin: The study document that trial 0 was proposed by.
        trials: Of the search, by number.
    """
    search = origin["search"]
    is_first = search["defaults_first"] and search["strategy"] != "grid"
    return trials[0] if is_first and trials else None
