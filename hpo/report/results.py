"""The result of a study as programs get it."""

from __future__ import annotations

from hpo.analysis.result import StudyResult
from hpo.report.tables import Row


def result_row(result: StudyResult) -> Row:
    """Return the result of a study as `hpo best` gives it to programs."""
    chosen, corrected = result.chosen, result.corrected
    look = result.first_look(chosen.number)
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
