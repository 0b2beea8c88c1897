"""What the loop tells its observers after each commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hpo.records import Trial

MAX_ATTEMPTS = 3
"""How often a fold is tried whose worker ended."""


@dataclass(frozen=True)
class Progress:
    """A study at one moment; everything in it is already in the store.

    Args:
        n_finished: Trials that are complete or failed.
        n_failed: Those of them that failed.
        n_running: Trials that are begun but not finished.
        budget: How many trials there will be, or None if nobody knows.
        n_folds_done: Folds that are in, over all trials.
        n_folds: Folds of each trial.
        best: The best trial so far.
        active_seconds: How long the study has been running, over all runs.
        eta_seconds: How much longer it will take, or None if nobody knows.
        finished: Trials that finished with this commit.
        lost: (trial number, fold, reason) of what was in training when a worker ended,
            and came to nothing, with this commit.
    """

    n_finished: int
    n_failed: int
    n_running: int
    budget: int | None
    n_folds_done: int
    n_folds: int
    best: Trial | None
    active_seconds: float
    eta_seconds: float | None
    finished: Sequence[Trial] = ()
    lost: Sequence[tuple[int, int, str]] = ()


class Pace:
    """How fast folds come in, from the first one on: starting workers is no part of it.

    Attributes:
        fold_seconds: Seconds from one fold to the next, or None before the second.
    """

    def __init__(self) -> None:
        self.fold_seconds: float | None = None
        self._first: tuple[int, float] | None = None

    def note(self, n_folds: int, seconds: float) -> None:
        """Take in that ``n_folds`` are done, ``seconds`` after the start."""
        if self._first is None:
            self._first = n_folds, seconds
        n_first, since = self._first
        if n_folds > n_first:
            self.fold_seconds = (seconds - since) / (n_folds - n_first)


Observer = Callable[[Progress], None]
