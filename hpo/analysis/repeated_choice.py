"""The choice of a trial, made again in every draw, and what the draws come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hpo.analysis.choosing import ONE_SE, simplicity, standard_error
from hpo.records import Trial

Floats = NDArray[np.float64]

N_DRAWS = 1000
LEAST_KNOWN = 0.9
"""Share of the draws about which the metric must say something."""
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Gain:
    """How much better the chosen trial is than that of the family's defaults.

    Args:
        mean: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end.
        corrected: Whether the trial was chosen again in every draw. If not, it is the
            mean difference over the folds with the interval of a correlated t test,
            which does not know that the trial was chosen as the best of many.
    """

    mean: float
    low: float
    high: float
    corrected: bool


@dataclass(frozen=True)
class Corrected:
    """The chosen trial's score without the optimism of having chosen it.

    Args:
        score: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end.
        resampled: What was drawn again and again: ``rows``, the ``groups`` that rows
            belong to, or ``folds``.
        n_trials: Trials that took part.
        n_apart: Complete trials that did not, as their stored predictions do not give
            their stored scores.
        gain: Of the choice over the family's defaults in the same draws of rows; None
            if folds were drawn, or if the defaults took no part.
    """

    score: float
    low: float
    high: float
    resampled: str
    n_trials: int
    n_apart: int = 0
    gain: Gain | None = None


@dataclass(frozen=True)
class Rule:
    """How a trial is chosen, of trials in a fixed order.

    Args:
        margin: How far below the best a trial may be.
        ranks: Of the trials by simplicity, from 0; None goes by the mean alone.
    """

    margin: float = 0.0
    ranks: NDArray[np.float64] | None = None

    def choices(self, scores: Floats) -> NDArray[np.intp]:
        """Return the position chosen for each row of scores, (n_draws, n_trials)."""
        known = np.where(np.isnan(scores), -np.inf, scores)
        if self.ranks is None:
            return np.asarray(known.argmax(axis=1))
        near = known >= known.max(axis=1, keepdims=True) - self.margin
        ranks = np.where(near, self.ranks, np.inf)
        simplest = ranks == ranks.min(axis=1, keepdims=True)
        # As simple ones are told apart by the draw: all rows would tell too much.
        return np.asarray(np.where(simplest, known, -np.inf).argmax(axis=1))


def rule_of(trials: Sequence[Trial], best: Trial, rule: str) -> Rule:
    """Return how trials are chosen under ``mean`` or ``one-se``."""
    error = standard_error(best)
    if rule != ONE_SE or error is None:
        return Rule()
    sizes = [simplicity(trial)[:2] for trial in trials]
    places = {size: place for place, size in enumerate(sorted(set(sizes)))}
    return Rule(error, np.array([places[size] for size in sizes], dtype=np.float64))


def summed_up(scores: Floats) -> tuple[float, float, float] | None:
    """Return mean and ends of what was scored on what was left out of each draw.

    None if that was nothing, which is NaN, in too many draws.
    """
    known = scores[~np.isnan(scores)]
    if len(known) < LEAST_KNOWN * len(scores):
        return None
    low, high = np.quantile(known, ENDS)
    return float(known.mean()), float(low), float(high)


def within(corrected: Corrected, perfect: float | None) -> Corrected:
    """Return the same without what no model can reach; None for no such score.

    What is added for few rows, and a last digit, can lead beyond it.
    """
    if perfect is None:
        return corrected
    score, high = min(corrected.score, perfect), min(corrected.high, perfect)
    return replace(corrected, score=score, low=min(corrected.low, perfect), high=high)
