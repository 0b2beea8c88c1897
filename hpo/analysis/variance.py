"""How much of what differs between the folds of a trial is the same for all trials."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.choosing import complete, fold_scores, scored
from hpo.records import Trial

LEAST_TRIALS, LEAST_FOLDS = 3, 2


def fold_share(trials: Sequence[Trial]) -> float | None:
    """Return the share of the variance between a trial's folds that all trials share.

    Some folds are harder than others for every network. The score of a trial in a fold
    is taken as a trial's effect, plus a fold's effect, plus the rest; the estimated
    variance of the folds' effects is divided by its sum with that of the rest. How much
    trials differ as a whole is no part of it. Only the better half of the trials takes
    part (three at least), as bad networks fail in ways of their own.

    Args:
        trials: Of a study; those that are not complete do not count.

    Returns:
        From 0 to 1; None if there are fewer than 3 trials or 2 folds, or if no score
        differs from another.

    Source: two-way analysis of variance without replication, with random effects;
    Searle, Casella, McCulloch, Variance Components, 1992, chapter 4.
    """
    import numpy as np

    ranked = sorted(complete(trials), key=lambda t: (-scored(t), t.number))
    better = ranked[: max(LEAST_TRIALS, (len(ranked) + 1) // 2)]
    if len(better) < LEAST_TRIALS:
        return None
    table = np.array([fold_scores(trial) for trial in better])
    if table.shape[1] < LEAST_FOLDS or np.ptp(table) == 0:
        return None
    n, k = table.shape
    of_folds = table.mean(axis=0) - float(table.mean())
    rest = table - table.mean(axis=1, keepdims=True) - of_folds
    noise = float((rest**2).sum()) / ((n - 1) * (k - 1))
    shared = max(0.0, float((of_folds**2).sum()) / (k - 1) - noise / n)
    return float(shared / (shared + noise))
