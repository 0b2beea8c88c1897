"""The coordinator's picture of a study: its trials, what is in, and what counts.

It mirrors what the store holds, or will after the next commit, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpo.records import FoldResult, Trial, judge
from hpo.study.verdict import Verdict


class Ledger:
    """Trials by number, with the folds of unfinished ones.

    Args:
        trials: As stored, numbered 0, 1, 2, ... without a gap.
        n_folds: Folds of each trial.
        verdict: Is fed the finished trials in order.

    Attributes:
        prefix: How many leading trials are finished.
        n_finished: How many trials are finished.
        n_failed: How many of those failed.
        n_folds_done: How many folds are in.
    """

    def __init__(self, trials: Sequence[Trial], n_folds: int, verdict: Verdict) -> None:
        self.trials = list(trials)
        self.verdict = verdict
        self._n_folds = n_folds
        # The same object for a trial's whole life: strategies recognise it by identity.
        self._as_running = [Trial(trial.number, trial.params) for trial in trials]
        self._folds = {
            trial.number: {fold.fold: fold for fold in trial.folds}
            for trial in trials
            if not trial.finished
        }
        self.prefix = 0
        self.n_finished = sum(trial.finished for trial in trials)
        self.n_failed = sum(trial.state == "failed" for trial in trials)
        self.n_folds_done = sum(len(trial.folds) for trial in trials)
        self._advance()

    @property
    def n_folds_open(self) -> int:
        """How many folds of unfinished trials are in."""
        return sum(map(len, self._folds.values()))

    def __len__(self) -> int:
        return len(self.trials)

    def history(self, n_visible: int) -> list[Trial]:
        """Return all trials, those from ``n_visible`` on as if they were running."""
        return self.trials[:n_visible] + self._as_running[n_visible:]

    def start(self, trial: Trial) -> None:
        """Add the next trial."""
        self.trials.append(trial)
        self._as_running.append(trial)
        self._folds[trial.number] = {}

    def is_open(self, number: int, fold: int) -> bool:
        """Tell whether a result of this fold would still change anything."""
        return number in self._folds and fold not in self._folds[number]

    def needs(self, number: int, fold: int) -> bool:
        """Tell whether the fold is still to be trained: not above a failed one."""
        return self.is_open(number, fold) and not any(
            result.failure is not None and done < fold
            for done, result in self._folds[number].items()
        )

    def add(self, number: int, result: FoldResult) -> None:
        """Note a fold's result; `settle` draws the consequences."""
        self._folds[number][result.fold] = result
        self.n_folds_done += 1

    def settle(self, numbers: Sequence[int]) -> list[Trial]:
        """Finish those of the trials that can be, and return them."""
        finished: list[Trial] = []
        for number in numbers:
            trial = judge(self.trials[number], self._folds[number], self._n_folds)
            if trial.finished:
                self.trials[number] = trial
                del self._folds[number]
                finished.append(trial)
                self.n_finished += 1
                self.n_failed += trial.state == "failed"
        self._advance()
        return finished

    def unfinished(self) -> list[int]:
        """Return the numbers of the trials that are begun but not finished."""
        return sorted(self._folds)

    def remarked(self) -> dict[int, bool]:
        """Return finished trials whose mark of being beyond the stop must change."""
        stop = self.verdict.stop
        changed: dict[int, bool] = {}
        for number, trial in enumerate(self.trials):
            beyond = stop is not None and number > stop
            if trial.finished and trial.beyond_stop != beyond:
                changed[number] = beyond
                self.trials[number] = replace(trial, beyond_stop=beyond)
        return changed

    def _advance(self) -> None:
        while self.prefix < len(self.trials) and self.trials[self.prefix].finished:
            self.verdict.add(self.trials[self.prefix])
            self.prefix += 1
