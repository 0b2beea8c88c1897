"""The corrected score from draws of rows, by the predictions that are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpo.analysis.choosing import scored
from hpo.analysis.comparing import BOUNDED_METRICS
from hpo.analysis.drawing import Draws
from hpo.analysis.measures import Measure, Validated, measure_of, stacked
from hpo.analysis.repeated_choice import (
    N_DRAWS,
    Corrected,
    Floats,
    Gain,
    Rule,
    summed_up,
)
from hpo.records import StudyRecord, StudyRows, Trial

LEAST_DRAWS = 200
"""Enough for ends of an interval that are 0.025 and 0.975 quantiles."""
MOST_WORK = 2 * 10**10
"""Rows times trials times columns times draws; beyond it there are fewer draws."""
CHUNK_BYTES = 2**26
"""Of what is held for the trials that are in memory at once."""
LEAST_ROWS_PER_FOLD = 20
"""A third of them is left out; an r2 or f1 of fewer than 7 rows says nothing."""
LEAST_GROUPS = 5
"""As of folds: of fewer, most draws have the same few."""
AGREEMENT = 0.01
"""How far scores from stored predictions may be from those that were stored: so much
where 1 is perfect, and such a share of the score elsewhere."""
NEAR_ZERO = 1e-6
"""Scores this near to each other agree, however small they are."""
LAST_DIGITS = 1e-9
"""Scores this near to each other are the same, so that equal ones stay equal."""
LEAST_AGREEING = 0.5
"""Share of the trials that must take part: the best of few is less lucky."""

Predicted: TypeAlias = Callable[[Sequence[int]], Iterable[Trial]]
"""Reads trials of the search, by number, with their out-of-fold predictions."""


def from_rows(
    study: StudyRecord,
    trials: Sequence[Trial],
    rows: StudyRows | None,
    predicted: Predicted,
    rule: Rule,
    defaults: Trial | None = None,
) -> Corrected | str:
    """Return the estimate from rows, or why rows cannot be drawn."""
    if rows is None or not rows.folds or not len(rows.y):
        return "no predictions of its rows are stored"
    validated = Validated(rows)
    measure = measure_of(study.metric, validated)
    if measure is None:
        return f"{study.metric} is not computed from drawn rows"
    if measure.within_folds and validated.rows_per_fold < LEAST_ROWS_PER_FOLD:
        return (
            f"a fold scores {validated.rows_per_fold:.3g} rows on average, too few to "
            f"draw {study.metric} from"
        )
    groups = validated.groups
    if groups is not None and (n_groups := len(np.unique(groups))) < LEAST_GROUPS:
        return f"the rows are of {n_groups} groups, and drawing takes {LEAST_GROUPS}"
    work = validated.n_rows * len(trials) * measure.n_columns
    n_draws = max(LEAST_DRAWS, min(N_DRAWS, MOST_WORK // work))
    draws = Draws(validated.n_rows, n_draws, study.seed, groups)
    table = _table(study.metric, trials, predicted, measure, validated, draws)
    if isinstance(table, str):
        return table
    if not table.holds(trials, rule):
        return "the stored predictions do not give the stored scores"
    what = "rows" if groups is None else "groups"
    found = table.estimate(rule, what)
    if found is None:
        return f"{study.metric} is not defined for most draws of {what}"
    if defaults is None:
        return found
    place = [trial.number for trial in trials].index(defaults.number)
    return replace(found, gain=table.gain(rule, place))


@dataclass(frozen=True)
class _Table:
    """Scores of every trial in every draw, shape (n_draws, n_trials).

    Args:
        drawn: On what was drawn.
        left_out: On what was not.
        agreeing: Whose predictions give their stored scores, shape (n_trials,); the
            scores of the others are NaN.
    """

    drawn: Floats
    left_out: Floats
    agreeing: NDArray[np.bool_]

    def holds(self, trials: Sequence[Trial], rule: Rule) -> bool:
        """Tell whether the chosen trial, the best and enough of the others agree."""
        stored = np.array([[scored(trial) for trial in trials]])
        needed = [*rule.choices(stored), *Rule().choices(stored)]
        return bool(
            self.agreeing[needed].all() and self.agreeing.mean() >= LEAST_AGREEING
        )

    def left_out_of(self, rule: Rule) -> Floats:
        """Return what is chosen in each draw scores on the rows left out of it."""
        choices = rule.choices(self.drawn)
        return np.asarray(self.left_out[np.arange(len(choices)), choices])

    def estimate(self, rule: Rule, resampled: str) -> Corrected | None:
        found = summed_up(self.left_out_of(rule))
        n, n_apart = int(self.agreeing.sum()), int((~self.agreeing).sum())
        return None if found is None else Corrected(*found, resampled, n, n_apart)

    def gain(self, rule: Rule, place: int) -> Gain | None:
        """Return how much better the choices are than the trial at a place."""
        found = summed_up(self.left_out_of(rule) - self.left_out[:, place])
        return None if found is None else Gain(*found, corrected=True)


def _table(
    metric: str,
    trials: Sequence[Trial],
    predicted: Predicted,
    measure: Measure,
    validated: Validated,
    draws: Draws,
) -> _Table | str:
    """Score every trial in every draw, a few trials at a time; or say why not."""
    shape = draws.n_draws, len(trials)
    drawn, left_out = np.empty(shape), np.empty(shape)
    agreeing = np.empty(len(trials), dtype=bool)
    size = _trials_at_once(measure, validated, draws)
    for start in range(0, len(trials), size):
        chunk = trials[start : start + size]
        place = slice(start, start + len(chunk))
        stacks = _stacks(chunk, predicted, measure, validated)
        if stacks is None:
            return "not every complete trial has the predictions that it takes"
        judge = measure.judge(stacks)
        with np.errstate(all="ignore"):
            whole = judge(np.ones((1, validated.n_rows)))[0]
            for few, weights in draws.blocks():
                scores = judge(weights)
                n = len(scores) // 2
                drawn[few, place], left_out[few, place] = scores[:n], scores[n:]
        stored = np.array([scored(trial) for trial in chunk])
        agreeing[place] = _agree(whole, stored, metric)
        lost = stored - whole
        lost[np.abs(lost) <= LAST_DIGITS] = 0.0
        drawn[:, place] += lost
        if measure.within_folds or not validated.is_even:
            # Few rows may score lower, or higher, than many; see `corrected`.
            lost = stored - _mean_of_draws(left_out[:, place])
        left_out[:, place] += lost
    drawn[:, ~agreeing] = left_out[:, ~agreeing] = np.nan
    return _Table(drawn, left_out, agreeing)


def _trials_at_once(measure: Measure, validated: Validated, draws: Draws) -> int:
    widest = max(measure.n_columns, validated.n_classes + 1)
    of_rows = 8 * validated.n_rows * widest
    of_scores = 16 * draws.block * measure.n_columns
    return max(1, CHUNK_BYTES // max(of_rows, of_scores))


def _stacks(
    chunk: Sequence[Trial],
    predicted: Predicted,
    measure: Measure,
    validated: Validated,
) -> list[NDArray[Any]] | None:
    numbers = [trial.number for trial in chunk]
    read = {trial.number: trial for trial in predicted(numbers)}
    if not set(numbers) <= set(read):
        return None
    return stacked([read[number] for number in numbers], measure.needs, validated)


def _agree(whole: Floats, stored: Floats, metric: str) -> NDArray[np.bool_]:
    """Return which predictions give the scores that were stored, digits aside.

    They do not where a network's classes are not the likeliest ones, or its scorer
    ranks by something else than its probabilities.
    """
    scale = 1.0 if metric in BOUNDED_METRICS else np.abs(stored)
    allowed = NEAR_ZERO + AGREEMENT * scale
    return np.asarray(np.abs(whole - stored) <= allowed)


def _mean_of_draws(scores: Floats) -> Floats:
    known = ~np.isnan(scores)
    return np.asarray(np.nansum(scores, axis=0) / np.maximum(known.sum(axis=0), 1))
