"""What is concluded from a stored study, read from the store when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.choosing import defaults_trial
from hpo.analysis.result import N_RIVALS, StudyResult, study_result
from hpo.records import Trial
from hpo.store import Store


def stored_result(
    store: Store,
    name: str,
    trials: Sequence[Trial] | None = None,
    *,
    n_rivals: int = N_RIVALS,
) -> StudyResult | None:
    """Return what is concluded from a study; None if no trial is complete.

    Args:
        store: Where it is.
        name: Of the study.
        trials: Its trials, if they have been read.
        n_rivals: How many other trials are compared with the chosen one.

    Raises:
        StudyNotFoundError: No study has this name.
    """
    if trials is None:
        trials = store.trials(name)
    return study_result(
        store.study(name),
        trials,
        rows=store.rows(name),
        predicted=lambda numbers: store.trials(name, predictions=True, numbers=numbers),
        defaults=defaults_trial(store.origin(name), trials),
        looks=store.test_looks(name),
        n_rivals=n_rivals,
    )
