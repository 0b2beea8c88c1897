"""Fold results for groups that never came back."""

from __future__ import annotations

import traceback

from hpo.evaluation import Group
from hpo.records import FoldResult


def failed_results(group: Group, kind: str, error: str) -> list[tuple[int, FoldResult]]:
    """Return a failed result for every pair of the group."""
    return [
        (pair.number, FoldResult(fold=pair.fold, failure=kind, error=error))
        for pair in group
    ]


def unexpected(error: BaseException) -> str:
    """Word an exception that came out of the engine instead of a result."""
    return "".join(traceback.format_exception(error))
