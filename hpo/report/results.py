"""The result of a study as programs get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo.analysis.result import Difference, StudyResult
from hpo.records import TestLook
from hpo.report.tables import Row

if TYPE_CHECKING:
    from hpo.study.nested import NestedScore


def result_row(result: StudyResult, nested: NestedScore | None = None) -> Row:
    """Return the result of a study as `hpo best` gives it to programs.

    ``test_trial`` is the trial that the test part was looked at with: the chosen one if
    that is scored there, and else the first of all looks, whose score is not told as
    the ``test_score`` of the chosen one.

    Args:
        result: Of the study.
        nested: Of its nested cross-validation, if that has ended.
    """
    chosen, corrected, gain = result.chosen, result.corrected, result.gain
    over = result.over_baseline
    look, shown = result.first_look(chosen.number), result.shown_look
    return {
        "number": chosen.number,
        "params": dict(chosen.params),
        "mean_test_score": chosen.score,
        "std_test_score": chosen.std,
        "corrected_score": corrected.score if corrected else None,
        "corrected_interval": [corrected.low, corrected.high] if corrected else None,
        "nested_score": nested.mean if nested else None,
        "nested_std": nested.std if nested else None,
        "test_score": None if look is None else look.score,
        "test_trial": None if shown is None else shown.number,
        "test_looks": [_look(look) for look in result.looks],
        "defaults_score": result.defaults.score if result.defaults else None,
        "gain": gain.mean if gain else None,
        "gain_interval": [gain.low, gain.high] if gain else None,
        "baseline_score": result.baseline.score if result.baseline else None,
        "gain_over_baseline": over.mean if over else None,
        "gain_over_baseline_interval": [over.low, over.high] if over else None,
        "rivals": [_rival(rival) for rival in result.rivals],
    }


def _look(look: TestLook) -> Row:
    """Return one look at the test part."""
    return {
        "number": look.number,
        "kind": look.kind,
        "score": look.score,
        "n_trials": look.n_trials,
        "looked_at": look.looked_at.isoformat() if look.looked_at else None,
    }


def _rival(rival: Difference) -> Row:
    """Return how another trial compares with the chosen one."""
    return {
        "number": rival.number,
        "mean_test_score": rival.score,
        "p_worse": rival.worse,
        "p_equal": rival.equal,
        "p_better": rival.better,
    }
