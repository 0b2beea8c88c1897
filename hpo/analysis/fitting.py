"""Whether a trial's networks are over- or underfitted, in words with figures.

Verdicts are rules of thumb about scores and learning curves that were stored; each is
stated with the figures that it rests on, and its thresholds are the constants here and
in `hpo.analysis.curves`.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from hpo.analysis.choosing import fold_scores, scored
from hpo.analysis.comparing import BOUNDED_METRICS
from hpo.analysis.curves import Fit, diverging, figure, n_curves, unfinished
from hpo.metrics import METRICS
from hpo.records import Trial

__all__ = ["Fit", "Surroundings", "judged_fit", "perfect_score"]

GAP_SPREADS = 2.0
"""Overfitted takes a gap of so many standard deviations of the folds' scores."""
GAP_SHARE = 0.5
"""And one that is this share of what is missing to a perfect score, or of what the
training rows gain over the baseline."""
LEARNT_SHARE = 0.1
"""Underfitted is what covers less than this share of the way from the baseline to a
perfect score, even on the rows that it was trained on."""


@dataclass(frozen=True)
class Surroundings:
    """What a trial is judged against.

    Args:
        metric: Of the study; see `hpo.analysis.comparing.known_metric`.
        rope: Differences up to this are practically none.
        best: The trial with the greatest mean score.
        baseline: Score of a model without features, if it is known.
    """

    metric: str
    rope: float
    best: Trial
    baseline: float | None


def judged_fit(trial: Trial, around: Surroundings) -> Fit:
    """Return whether a complete trial is over- or underfitted, or of no use at all.

    The first of these that holds:

    * useless: on the rows left out the baseline is better by more than the rope; the
      words go on with which of the others holds too
    * diverging: in most folds the training loss ends far above what it had come to
    * overfit: the score on training rows is above that on the rows left out by more
      than the rope and than the spread of the folds explains, and the gap is half or
      more of what is missing to a perfect score, or of what the training rows gain
      over the baseline
    * unfinished: in most folds the loss on watched rows was least in the last epochs;
      without watched rows, the training loss still fell
    * underfit: hardly better than the baseline on the training rows themselves, or
      practically worse there than the best trial is on rows left out
    * good: none of these; unknown: there is neither a training score nor a curve
    """
    fit = _trained(trial, around)
    return _useless(trial, around, fit) or fit


def _useless(trial: Trial, around: Surroundings, fit: Fit) -> Fit | None:
    score, lowest = scored(trial), around.baseline
    if lowest is None or score >= lowest - around.rope:
        return None
    words = (
        f"No better than a model without features: {figure(score)} on rows left out, "
        f"and that has {figure(lowest)}"
    )
    cause = "" if fit.kind in ("good", "unknown") else f". {fit.words}"
    return Fit("useless", words + cause)


def _trained(trial: Trial, around: Surroundings) -> Fit:
    """Return what the training of a trial shows."""
    diverged = diverging(trial)
    if diverged is not None:
        return diverged
    train = trial.train_score
    if train is None and n_curves(trial) == 0:
        what = "Unknown: neither scores on the training rows nor curves are kept"
        return Fit("unknown", what)
    checks = [unfinished(trial)]
    if train is not None:
        overfit = _overfit(trial, train, around)
        checks = [overfit, *checks, _underfit(trial, train, around)]
    return next((fit for fit in checks if fit is not None), _good(trial, train, around))


def _gap_words(trial: Trial, train: float) -> str:
    score, spread = scored(trial), _spread(trial)
    gap = f"gap {figure(train - score)}"
    if spread is not None:
        gap += f", folds spread {figure(spread)}"
    return (
        f"{figure(train)} on the rows it was trained on, {figure(score)} on those "
        f"left out ({gap})"
    )


def _spread(trial: Trial) -> float | None:
    scores = fold_scores(trial)
    return statistics.stdev(scores) if len(scores) > 1 else None


def perfect_score(metric: str) -> float | None:
    """Return the score that nothing can beat, None where there is none or unknown."""
    if metric in BOUNDED_METRICS:
        return 1.0
    if metric in METRICS and metric.startswith("neg_"):
        return 0.0
    return None


def _is_above_noise(trial: Trial, train: float, around: Surroundings) -> bool:
    """Tell whether training rows are scored better by more than the folds explain."""
    gap = train - scored(trial)
    return gap > around.rope and gap >= GAP_SPREADS * (_spread(trial) or 0.0)


def _overfit(trial: Trial, train: float, around: Surroundings) -> Fit | None:
    if not _is_above_noise(trial, train, around):
        return None
    score = scored(trial)
    gap = train - score
    perfect, lowest = perfect_score(around.metric), around.baseline
    much = perfect is None and lowest is None
    much |= perfect is not None and gap >= GAP_SHARE * (perfect - score)
    much |= lowest is not None and 0 < GAP_SHARE * (train - lowest) <= gap
    return Fit("overfit", f"Overfitted: {_gap_words(trial, train)}") if much else None


def _underfit(trial: Trial, train: float, around: Surroundings) -> Fit | None:
    lowest, perfect = around.baseline, perfect_score(around.metric)
    if lowest is not None:
        way = around.rope
        if perfect is not None:
            way = max(way, LEARNT_SHARE * (perfect - lowest))
        if train - lowest < way:
            words = (
                f"Underfitted: only {figure(train)} even on the rows it was trained "
                f"on, and a model without features has {figure(lowest)}"
            )
            return Fit("underfit", words)
    best = around.best
    if best.number != trial.number and train < scored(best) - around.rope:
        words = (
            f"Underfitted: {figure(train)} on the rows it was trained on, less than "
            f"the {figure(scored(best))} of trial {best.number} on rows left out"
        )
        return Fit("underfit", words)
    return None


def _good(trial: Trial, train: float | None, around: Surroundings) -> Fit:
    if train is None:
        return Fit(
            "good",
            "No sign of a fault in its curves; its scores on the training rows are "
            "not kept",
        )
    said = "No sign of over- or underfitting"
    if _is_above_noise(trial, train, around):
        said = "Somewhat better where it was trained, as most networks are"
    return Fit("good", f"{said}: {_gap_words(trial, train)}")
