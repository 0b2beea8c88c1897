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
    """How fast folds come in, once those that were begun first are in.

    Starting workers is no part of it, and folds that are trained side by side, and so
    come in together, are taken for no faster ones.

    Args:
        n_folds: Folds that are done before anything is trained.

    Attributes:
        fold_seconds: Seconds from one fold to the next, or None while that is not
            known.
    """

    def __init__(self, n_folds: int = 0) -> None:
        self.fold_seconds: float | None = None
        self._n_before = n_folds
        self._n_begun_first: int | None = None
        self._first: tuple[int, float] | None = None

    def note(self, n_folds: int, seconds: float, n_flying: int = 0) -> None:
        """Take in how many folds are done.

        Args:
            n_folds: Folds that are done.
            seconds: Since the start.
            n_flying: Folds in training.
        """
        if n_folds == self._n_before:
            return
        if self._n_begun_first is None:
            self._n_begun_first = n_folds + n_flying
        if self._first is None:
            if n_folds >= self._n_begun_first:
                self._first = n_folds, seconds
            return
        n_first, since = self._first
        if n_folds > n_first:
            self.fold_seconds = (seconds - since) / (n_folds - n_first)


Observer = Callable[[Progress], None]
