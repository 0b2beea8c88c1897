"""The family ``objective:module:function``: code of the user's that scores params.

Whatever it trains, if it trains anything, is its own affair, so any hyperparameter is
right. It is run by `hpo.evaluation.objective`, not through `fit_group`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from hpo.errors import Problem
from hpo.models.family import FitRequest, Fitted
from hpo.models.vocabulary import PIPELINE
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Space
from hpo.user_code import Home, why_not_found


class ObjectiveFamily:
    """Scores of the user's own code; see `hpo.models.family.Family`.

    Args:
        name: ``objective:module:function``.
        home: Where the module may be found; None for a function that is at hand.
    """

    group_limit = 1
    group_matters = False
    whole_trials = False
    takes_arrays = True
    keeps = frozenset(PIPELINE)

    def __init__(self, name: str, home: Home | None) -> None:
        self.name, self._home = name, home

    def warm_up(self) -> None:
        """Do nothing: the code is imported by whoever calls it."""

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        if self._home is None:
            return []
        what = why_not_found(self.name.partition(":")[2], self._home)
        return [Problem("model", what)] if what else []

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        return {}

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        raise NotImplementedError("an objective fits nothing for others")
