"""The contract between the study loop and a search strategy.

A strategy chooses params and nothing else: it never trains, reads data or touches the
store, and it is told about direction, seed and space once, when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hpo.records import Params, ParamValue, Trial, params_key


class Strategy(Protocol):
    """A pure function from what is known to what to try next.

    ``sees_scores`` is False for a strategy whose proposals do not depend on scores, so
    that the loop need not wait for them.
    """

    sees_scores: bool

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        """Return the params of trial ``number``, or None if nothing new is left.

        Args:
            number: The trial's number; there are exactly this many in ``history``.
            history: Trials 0 to ``number`` - 1. Those that this proposal may not know
                the outcome of are given as running, whatever became of them since.

        A strategy may remember what it worked out from an earlier history, but the same
        arguments give the same answer from a fresh instance.
        """


def visit_key(params: Params) -> str:
    """Return a text that two params share if a search need not try both.

    Unlike `hpo.records.params_key` it takes 2.0 for 2: a whole number that was drawn
    from a range of real numbers is no other choice once the range has become one of
    whole numbers. True stays apart from 1.
    """
    return params_key({name: _whole(value) for name, value in params.items()})


def _whole(value: ParamValue) -> ParamValue:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Visited:
    """The keys of the params in a history, remembered from one call to the next.

    ``epoch`` counts the histories that did not continue the one before.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self._params: list[Params] = []
        self._keys: set[str] = set()

    def update(self, history: Sequence[Trial]) -> set[str]:
        """Return the keys of every params in ``history``; see `visit_key`."""
        given = [trial.params for trial in history]
        known = len(self._params)
        if len(given) < known or any(
            a is not b for a, b in zip(self._params, given, strict=False)
        ):
            self._params, self._keys, known = [], set(), 0
            self.epoch += 1
        self._keys.update(visit_key(params) for params in given[known:])
        self._params = given
        return self._keys
