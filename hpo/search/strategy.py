"""The contract between the study loop and a search strategy.

A strategy chooses params and nothing else: it never trains, reads data or touches the
store, and it is told about direction, seed and space once, when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hpo.records import Params, ParamValue, Trial, params_key
from hpo.space import Categorical, Space


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


class Visited:
    """The params of a history, remembered from one call to the next.

    ``params in visited`` tells whether a search need not try them again. Numbers of a
    range count by their value, so that the 2.0 of a range of real numbers is not tried
    again as 2 once the range has become one of whole numbers; choices are told apart as
    written, because 1 and 1.0 may mean different things.

    ``epoch`` counts the histories that did not continue the one before.

    Args:
        space: Where params are searched now.
    """

    def __init__(self, space: Space) -> None:
        self.epoch = 0
        self._ranges = {
            name
            for name, hyperparameter in space.hyperparameters.items()
            if not isinstance(hyperparameter, Categorical)
        }
        self._params: list[Params] = []
        self._keys: set[str] = set()

    def update(self, history: Sequence[Trial]) -> Visited:
        """Take in the trials that are new, and return this."""
        given = [trial.params for trial in history]
        known = len(self._params)
        if len(given) < known or any(
            a is not b for a, b in zip(self._params, given, strict=False)
        ):
            self._params, self._keys, known = [], set(), 0
            self.epoch += 1
        self._keys.update(map(self._key, given[known:]))
        self._params = given
        return self

    def __contains__(self, params: Params) -> bool:
        return self._key(params) in self._keys

    def _key(self, params: Params) -> str:
        return params_key(
            {
                name: _whole(value) if name in self._ranges else value
                for name, value in params.items()
            }
        )


def _whole(value: ParamValue) -> ParamValue:
    return int(value) if isinstance(value, float) and value.is_integer() else value
