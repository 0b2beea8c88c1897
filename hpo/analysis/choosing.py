"""Which trial to take: the best by mean, or the simplest within a standard error."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.records import Trial

MEAN, ONE_SE = "mean", "one-se"


def complete(trials: Sequence[Trial]) -> list[Trial]:
    """Return the complete trials that count, by number."""
    return [t for t in trials if t.score is not None and not t.beyond_stop]


def best_by_mean(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial with the greatest score, the earliest of equals."""
    return max(
        complete(trials), key=lambda t: (t.score or 0.0, -t.number), default=None
    )
