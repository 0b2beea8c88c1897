"""What is concluded from a stored study, read from the store when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.result import StudyResult, study_result
from hpo.records import TestLook, Trial
from hpo.report.tables import Row, defaults_trial
from hpo.store import Store


def stored_result(
    store: Store, name: str, trials: Sequence[Trial] | None = None
) -> StudyResult | None:
    """Return what is concluded from a study; None if no trial is complete.

    Args:
        store: Where it is.
        name: Of the study.
        trials: Its trials, if they have been read.

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
    )


def result_row(result: StudyResult) -> Row:
    """Return the result of a study as `hpo best` gives it to programs."""
    chosen, corrected = result.chosen, result.corrected
    look = chosen_look(result)
    return {
        "number": chosen.number,
        "params": dict(chosen.params),
        "mean_test_score": chosen.score,
        "std_test_score": chosen.std,
        "corrected_score": corrected.score if corrected else None,
        "corrected_interval": [corrected.low, corrected.high] if corrected else None,
        "test_score": None if look is None else look.score,
        "defaults_score": result.defaults.score if result.defaults else None,
    }


def chosen_look(result: StudyResult) -> TestLook | None:
    """Return the first look at the test part with the chosen trial; None without one.

    The first, as it is the one that nothing had been learned from.
    """
    number = result.chosen.number
    looks = [x for x in result.looks if x.kind == "search" and x.number == number]
    return looks[0] if looks else None
