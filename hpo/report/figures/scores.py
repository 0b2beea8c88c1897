"""What figures show of trials: which have a score, what they say, the range in view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hpo.records import Trial
from hpo.report.look import escaped, label, score_text
from hpo.report.tables import counted

MAX_PARAMS = 14
"""Params that are listed when the pointer is over a trial."""

MIN_FENCED = 8
"""Scores from which on one of them can be called far out."""


def scored(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that count and have a score, by number."""
    ordered = sorted(counted(trials), key=lambda trial: trial.number)
    return [trial for trial in ordered if has_score(trial)]


def has_score(trial: Trial) -> bool:
    """Tell whether a trial has a score that is a number."""
    return trial.score is not None and math.isfinite(trial.score)


def scores_of(trials: Sequence[Trial]) -> list[float]:
    """Return the scores of trials that all have one."""
    return [trial.score for trial in trials if trial.score is not None]


def in_view(scores: Sequence[float]) -> tuple[float, float]:
    """Return the range of scores worth showing: all but those far below the others.

    A network that diverged may score a million times worse than the rest, which would
    all lie on one line. Scores more than three times the interquartile range below the
    lower quartile are far out (Tukey); the best score is never.
    """
    ordered = sorted(scores)
    low, high = ordered[0], ordered[-1]
    if len(ordered) < MIN_FENCED:
        return low, high
    lower, upper = (ordered[round((len(ordered) - 1) * q)] for q in (0.25, 0.75))
    fence = lower - 3 * (upper - lower)
    if upper > lower and fence > low:
        low = next(score for score in ordered if score >= fence)
    return low, high


def padded(low: float, high: float, share: float = 0.06) -> list[float]:
    """Return a range a little wider, so that nothing lies on the edge of a figure."""
    pad = (high - low) * share or abs(high) * share or 1.0
    return [low - pad, high + pad]


def ranged(low: float, high: float, sign: int) -> tuple[float, float]:
    """Return a range of stored scores as it is shown; see `hpo.report.units`."""
    return (low, high) if sign > 0 else (-high, -low)


CELLS = [[0.0, "#eff5fa"], [1.0, "#5fa2d4"]]
"""Colours of cells in which dark numbers stay readable."""


def scale_of(sign: int) -> list[list[Any]]:
    """Return the colours of scores: the darker, the better, whatever their sign."""
    if sign > 0:
        return CELLS
    return [[at, color] for (at, _), (_, color) in zip(CELLS, CELLS[::-1], strict=True)]


def notes_on(
    n_hidden: int, scores: Sequence[float], low: float, sign: int = 1
) -> list[str]:
    """Say how many hyperparameters are not shown, and how many scores are not in place.

    Args:
        n_hidden: Hyperparameters for which there is no room.
        scores: Of all trials.
        low: The least score in view.
        sign: -1 if scores are shown with their sign changed.
    """
    n_far_out = sum(score < low for score in scores)
    notes = []
    if n_hidden:
        notes.append(f"{n_hidden} more hyperparameters are not shown")
    if n_far_out:
        what = "score lies" if n_far_out == 1 else "scores lie"
        far = "lower" if sign > 0 else "higher"
        notes.append(f"{n_far_out} far {far} {what} on the edge")
    return notes


def hover_text(trial: Trial, metric: str, sign: int = 1) -> str:
    """Say, escaped, what came of a trial and which params it had.

    Args:
        trial: With its score as it is stored.
        metric: The name of the score.
        sign: -1 if the score is shown with its sign changed; see `hpo.report.units`.
    """
    lines = [f"<b>trial {trial.number}</b>"]
    if has_score(trial):
        std = f" ± {score_text(trial.std or 0.0)}" if trial.folds else ""
        score = score_text(sign * (trial.score or 0.0))
        lines.append(f"{label(metric)} {score}{std}")
    elif trial.finished:
        lines.append(escaped(f"failed: {trial.failure or 'no score'}"))
    params = list(trial.params.items())
    lines += [f"{label(name)} = {label(value)}" for name, value in params[:MAX_PARAMS]]
    if len(params) > MAX_PARAMS:
        lines.append(f"… and {len(params) - MAX_PARAMS} more")
    return "<br>".join(lines)
