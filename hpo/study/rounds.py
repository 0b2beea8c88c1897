"""Opening rounds: asking the strategy for params and forming groups from them.

A round is always formed whole. Members that the budget does not reach are proposed and
grouped like the others but never started, so that a later, larger budget finds each
group just as it was.
"""

from __future__ import annotations

from hpo.evaluation import Group
from hpo.records import Trial
from hpo.search import Strategy
from hpo.study.groups import Schedule
from hpo.study.ledger import Ledger


class Rounds:
    """The rounds of a study, opened in order.

    Args:
        strategy: Chooses params.
        schedule: Says what a round is and what its proposals see.
        ledger: Gains the trials that are started.

    Attributes:
        exhausted: Whether the strategy has nothing new left.
    """

    def __init__(self, strategy: Strategy, schedule: Schedule, ledger: Ledger) -> None:
        self._strategy, self._schedule, self._ledger = strategy, schedule, ledger
        self.exhausted = False

    @property
    def next_index(self) -> int:
        """The round that the next trial belongs to."""
        return len(self._ledger) // self._schedule.round_size

    def can_open(self) -> bool:
        """Tell whether everything that the next proposal must see has finished."""
        return self._ledger.prefix >= self._schedule.n_visible(len(self._ledger))

    def unfinished(self) -> list[int]:
        """Return the rounds with trials that were begun and are not finished."""
        size = self._schedule.round_size
        return list(dict.fromkeys(n // size for n in self._ledger.unfinished()))

    def open(self, index: int, limit: int | None) -> tuple[list[Trial], list[Group]]:
        """Propose what the round lacks and group all of it.

        Args:
            index: Of the round, from 0.
            limit: Trials with this number or above are not started; None starts all.

        Returns:
            The trials that are new, and all groups of the round: also those that are
            done, which the loop knows to skip.
        """
        size = self._schedule.round_size
        numbers = range(index * size, (index + 1) * size)
        members = self._ledger.trials[numbers.start : numbers.stop]
        started: list[Trial] = []
        for number in range(numbers.start + len(members), numbers.stop):
            history = self._ledger.history(self._schedule.n_visible(number))
            phantoms = members[len(history) - numbers.start :]
            params = self._strategy.propose(number, [*history, *phantoms])
            if params is None:
                self.exhausted = True
                break
            trial = Trial(number, params)
            members.append(trial)
            if limit is None or number < limit:
                self._ledger.start(trial)
                started.append(trial)
        return started, list(self._schedule.groups(members, self._ledger.trials))
