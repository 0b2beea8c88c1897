"""Everything that is concluded from a study, put together once for all who show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hpo.records import StudyRecord, StudyRows, TestLook, Trial

Predicted = Callable[[Sequence[int]], Iterable[Trial]]
"""Reads trials of the search, by number, with their out-of-fold predictions."""


@dataclass(frozen=True)
class Corrected:
    """The chosen trial's score without the optimism of having chosen it.

    Args:
        score: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end.
        resampled: ``rows`` or ``folds``: what was drawn again and again.
        n_trials: Trials that took part: all complete ones.
    """

    score: float
    low: float
    high: float
    resampled: str
    n_trials: int


@dataclass(frozen=True)
class Difference:
    """How a trial compares with the chosen one, over the same folds.

    Args:
        number: Of the other trial.
        mean: The other's mean score minus the chosen one's.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        worse: Probability that the other is practically worse.
        equal: That they are practically equal: within the rope.
        better: That the other is practically better.
    """

    number: int
    mean: float
    low: float
    high: float
    worse: float
    equal: float
    better: float


@dataclass(frozen=True)
class Fit:
    """Whether a trial's networks are over- or underfitted.

    Args:
        kind: ``good``, ``overfit``, ``underfit``, ``unfinished`` (it was still getting
            better in its last epochs), ``diverging`` or ``unknown``.
        words: One sentence about it with the figures that it rests on.
    """

    kind: str
    words: str


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


@dataclass(frozen=True)
class StudyResult:
    """What is concluded from a study that has a complete trial.

    Args:
        chosen: The trial to take.
        rule: How it was chosen: ``mean`` or ``one-se``.
        best: The trial with the greatest mean score.
        standard_error: Of the best one's mean over its folds; None for a single fold.
        corrected: How good the choice really is; None if that cannot be told.
        why_not_corrected: Why not, in words; empty if it can.
        defaults: The trial of the family's defaults, if it is complete.
        gain: The chosen trial compared with the defaults: ``mean`` is the gain, from
            the defaults to the chosen trial; None if they are one trial, or if there
            is none.
        baseline: A model without features; None where the rows are not known or the
            metric cannot judge it.
        rope: Half the width of what counts as practically equal, in the metric's units.
        rivals: The next best trials by mean, each compared with the chosen one.
        fold_share: Share of the variance between scores of the better half of the
            trials in the same folds that is due to the folds, from 0 to 1; None if
            there are too few.
        fits: Over- and underfitting of the chosen, the best and the rival trials by
            number.
        looks: What was scored on the test part, oldest first; empty until asked.
    """

    chosen: Trial
    rule: str
    best: Trial
    standard_error: float | None
    corrected: Corrected | None
    why_not_corrected: str
    defaults: Trial | None
    gain: Difference | None
    baseline: Baseline | None
    rope: float
    rivals: tuple[Difference, ...]
    fold_share: float | None
    fits: Mapping[int, Fit]
    looks: tuple[TestLook, ...] = ()


def study_result(
    study: StudyRecord,
    trials: Sequence[Trial],
    *,
    rows: StudyRows | None,
    predicted: Predicted,
    defaults: Trial | None = None,
    looks: Sequence[TestLook] = (),
    n_rivals: int = 9,
) -> StudyResult | None:
    """Return what is concluded from a study; None if no trial is complete.

    Args:
        study: As it is stored; its document's ``select`` says how to choose.
        trials: Of its search, by number; those beyond the stop do not count.
        rows: What its rows are, None if that is not known.
        predicted: Reads their predictions, a few trials at a time.
        defaults: The trial of the family's defaults, if there is one.
        looks: At the test part.
        n_rivals: How many other trials are compared with the chosen one.
    """
    raise NotImplementedError
