"""Trials and studies as plain rows, with the column names of scikit-learn's searches.

Rows hold only what JSON can; how they are laid out is for whoever shows them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hpo.analysis.choosing import MEAN, best_by_mean, chosen, defaults_trial
from hpo.records import StudySummary, Trial

Row = dict[str, Any]


def counted(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that count: all but those beyond the stop."""
    return [trial for trial in trials if not trial.beyond_stop]


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial with the greatest score, the earliest of equals."""
    return best_by_mean(trials)


def trial_rows(trials: Sequence[Trial], n_folds: int) -> list[Row]:
    """Return a row for each trial, ordered by number; names as in ``cv_results_``."""
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    return [_trial_row(trial, list(names), n_folds) for trial in trials]


def _trial_row(trial: Trial, names: Sequence[str], n_folds: int) -> Row:
    scores = {fold.fold: fold.score for fold in trial.folds}
    return {
        "number": trial.number,
        "state": trial.state,
        "params": dict(trial.params),
        **{f"param_{name}": trial.params.get(name) for name in names},
        "mean_test_score": trial.score,
        "std_test_score": trial.std,
        **{f"split{fold}_test_score": scores.get(fold) for fold in range(n_folds)},
        "mean_train_score": trial.train_score,
        "mean_fit_time": trial.fit_seconds,
        "failure": trial.failure,
    }


def manual_row(
    trial: Trial, n_folds: int, best: Trial | None, defaults: Trial | None
) -> Row:
    """Return a manual trial, and the scores of the search to compare it with."""
    return _trial_row(trial, list(trial.params), n_folds) | {
        "best_score": best.score if best else None,
        "defaults_score": defaults.score if defaults else None,
    }


def best_row(
    trials: Sequence[Trial], origin: Mapping[str, Any], rule: str = MEAN
) -> Row | None:
    """Return what is known about the trial to take, or None if none is complete.

    Args:
        trials: Of one study.
        origin: The study document that trial 0 was proposed by.
        rule: How it is chosen: ``mean`` or ``one-se``.
    """
    best = chosen(trials, rule)
    if best is None:
        return None
    first = defaults_trial(origin, trials)
    defaults = first.score if first else None
    return {
        "number": best.number,
        "params": dict(best.params),
        "mean_test_score": best.score,
        "std_test_score": best.std,
        "corrected_score": None,
        "corrected_interval": None,
        "test_score": None,
        "defaults_score": defaults,
    }


def study_row(summary: StudySummary) -> Row:
    """Return one line of the list of studies."""
    return {
        "name": summary.name,
        "state": summary.state,
        "n_trials": summary.n_trials,
        "best_score": summary.best_score,
        "owner": summary.owner,
        "metric": summary.metric,
        "strategy": summary.strategy,
        "family": summary.family,
        "created_at": summary.created_at.isoformat(timespec="seconds"),
    }


def csv_cell(value: object) -> object:
    """Return a value for a cell of a CSV file that people open in a spreadsheet."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    # A spreadsheet runs a text that begins like a formula.
    starts_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@")
    return f"'{value}" if starts_formula else value
