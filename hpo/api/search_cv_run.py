"""The rounds of a search over an estimator: propose, have trained, judge, commit.

It owns which trials are trained together and what a proposal may know. Training itself
is scikit-learn's, handed in as a function.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from sklearn.exceptions import FitFailedWarning

from hpo.api.search_cv_proposals import Proposals
from hpo.api.search_cv_rows import Rows
from hpo.records import Trial

ALL_FAILED = re.compile(r"\s*All the \d+ fits failed\.")
"""How scikit-learn's error begins when nothing that it was handed could be fitted."""

Evaluate = Callable[[list[dict[str, Any]]], object]
Commit = Callable[[Sequence[Trial]], object]


class SearchRun:
    """One run of a search to its end.

    Args:
        proposals: Says what to try.
        rows: Gains the trials.
        n_trials: At most so many; None for as many as the strategy has.
        width: Trials of a round: those of a strategy that sees scores know all rounds
            before their own and nothing else.
        evaluate: Trains some params; `Rows` is told the outcomes meanwhile.
        commit: Called with the finished trials of each round; None to train everything
            together that can be.
    """

    def __init__(
        self,
        proposals: Proposals,
        rows: Rows,
        *,
        n_trials: int | None,
        width: int,
        evaluate: Evaluate,
        commit: Commit | None = None,
    ) -> None:
        self._proposals, self._rows = proposals, rows
        self._n_trials, self._width = n_trials, width
        self._evaluate, self._commit = evaluate, commit
        self._in_rounds = proposals.sees_scores or commit is not None
        self._failures: list[ValueError] = []

    def execute(self, stored: Sequence[Trial] = ()) -> None:
        """Go on after the ``stored`` trials, to the end.

        A stored trial that failed is trained again: what came of its other splits is
        not kept. Where nothing is left to train, the cheapest trial is, because
        scikit-learn cannot end a search without: its stored scores stand.

        Raises:
            ValueError: Nothing could be fitted at all.
        """
        for trial in stored[: self._n_trials]:
            given = self._proposals.decode(trial.number, trial.params)
            self._rows.restore(trial, given)
        if self._rows.lacking:
            self._train(self._rows.lacking)
        while numbers := self._open_round():
            self._train(numbers)
            if self._commit is not None:
                self._commit([self._rows.trials[number] for number in numbers])
        if not self._rows.measured and self._rows.cheapest is not None:
            self._train([self._rows.cheapest])
        if not self._rows.measured:
            raise self._failures[0]
        for failure in self._failures:
            warnings.warn(str(failure), FitFailedWarning, stacklevel=2)

    def _open_round(self) -> list[int]:
        """Propose what the round of the next trial lacks, and return the numbers."""
        trials = self._rows.trials
        first = len(trials)
        begin = first // self._width * self._width
        ends = [begin + self._width] if self._in_rounds else []
        end = min([*ends, *([] if self._n_trials is None else [self._n_trials])] or [0])
        n_visible = begin if self._proposals.sees_scores else 0
        while not end or len(trials) < end:
            params = self._proposals.propose(self._rows.history(n_visible))
            if params is None:
                break
            given = self._proposals.decode(len(trials), params)
            self._rows.add(params, given)
        return list(range(first, len(trials)))

    def _train(self, numbers: Sequence[int]) -> None:
        self._rows.expect(numbers)
        try:
            self._evaluate([self._rows.params[number] for number in numbers])
        except ValueError as error:
            if not ALL_FAILED.match(str(error)):
                raise
            # It would end the whole search for one round; the others may do better.
            self._rows.fail(str(error))
            self._failures.append(error)
