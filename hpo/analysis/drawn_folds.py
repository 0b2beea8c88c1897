"""The corrected score from draws of folds, by their scores alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpo.analysis.choosing import fold_scores
from hpo.analysis.drawing import Draws
from hpo.analysis.repeated_choice import N_DRAWS, Corrected, Rule, summed_up
from hpo.records import StudyRecord, Trial

LEAST_FOLDS = 5


def from_folds(
    study: StudyRecord, trials: Sequence[Trial], rule: Rule
) -> Corrected | str:
    """Return the estimate from the folds' scores, or why folds cannot be drawn.

    Folds of different repeats score the same rows, so that each draw is of the folds of
    one repeat, the repeats in turn.
    """
    table = np.array([fold_scores(trial) for trial in trials]).T
    evaluation = study.document.get("evaluation") or {}
    k = int(evaluation.get("folds") or len(table))
    if k < LEAST_FOLDS:
        there = "is 1" if k == 1 else f"are {k}"
        return f"drawing folds takes at least {LEAST_FOLDS} of them; there {there}"
    n_repeats = len(table) // k
    scores = np.full(N_DRAWS, np.nan)
    for few, weights in Draws(k, N_DRAWS, study.seed).blocks():
        turns = np.arange(few.start, few.stop) % n_repeats
        for repeat in range(n_repeats):
            mine = np.flatnonzero(turns == repeat)
            own = table[repeat * k : (repeat + 1) * k]
            drawn, left = weights[mine], weights[len(turns) + mine]
            choices = rule.choices(drawn @ own / k)
            with np.errstate(invalid="ignore"):
                means = (left @ own) / left.sum(axis=1, keepdims=True)
            scores[few.start + mine] = means[np.arange(len(mine)), choices]
    found = summed_up(scores)
    if found is None:
        return "too many draws leave no fold out"
    return Corrected(*found, "folds", len(trials))
