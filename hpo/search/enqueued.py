"""Params of a person's own at the start of a search, before those of a strategy."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.records import Params, Trial
from hpo.search.strategy import Strategy


class Enqueued:
    """Proposes given params first; see `hpo.search.Strategy`.

    Args:
        strategy: Proposes all others, and sees these in its history.
        params: To be proposed, in this order.
        start: Number of the trial that has the first of them.
    """

    def __init__(
        self, strategy: Strategy, params: Sequence[Params], *, start: int = 0
    ) -> None:
        self._strategy, self._params, self._start = strategy, params, start
        self.sees_scores = strategy.sees_scores

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        index = number - self._start
        if 0 <= index < len(self._params):
            return self._params[index]
        return self._strategy.propose(number, history)
