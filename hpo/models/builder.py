"""The families ``module:function``: a function of the user builds the network.

``build(params, data)`` returns a `keras.Model`, compiled or not, or a scikit-learn
estimator; see `DataInfo` for ``data``. This module judges the space without importing
the user's code, and hands each fit to the library that the model is from.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence

from hpo.errors import Problem, one_of
from hpo.models import builder_keras, builder_sklearn
from hpo.models.builder_code import BuilderCode, kind_of
from hpo.models.builder_info import DataInfo
from hpo.models.builder_keras import COURSE, OPTIMIZER
from hpo.models.builder_training import fit_each
from hpo.models.checks import pipeline_problems, wrong_values
from hpo.models.family import FitRequest, Fitted
from hpo.models.vocabulary import ENTRIES, KERAS, PIPELINE, pipeline_defaults
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Float, Hyperparameter, Space
from hpo.user_code import Home, why_not_found

__all__ = ["OWN_NAMES", "Builder", "DataInfo"]

SEED = "random_state"
OWN_NAMES = (*PIPELINE, SEED, *COURSE, *OPTIMIZER)
"""Hyperparameters with a meaning of their own; all others are the builder's."""

LOCK = threading.RLock()
"""Held while a builder works: its seeds are those of the whole process."""


class Builder:
    """Networks built by the user's code; see `hpo.models.family.Family`.

    Args:
        name: ``module:function``.
        home: Where the module may be found; it is imported to train, not before.
    """

    group_limit = 1
    group_matters = False
    whole_trials = True
    takes_arrays = True
    keeps: frozenset[str] = frozenset()

    def __init__(self, name: str, home: Home) -> None:
        self.name = name
        self._code = BuilderCode(name, home)

    def warm_up(self) -> None:
        """Import the user's module.

        Raises:
            SpecError: It cannot be imported, or has no such function.
        """
        self._code.load()

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        found: list[Problem] = []
        if what := why_not_found(self.name, self._code.home):
            found.append(Problem("model", what))
        found += pipeline_problems(self.name, space, task)
        for name, given in space.declared.items():
            if name in (SEED, *COURSE, *OPTIMIZER):
                found += [Problem(name, what) for what in wrong_settings(name, given)]
        return found

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        own = {name: ENTRIES[name].default for name in (*COURSE, *OPTIMIZER)}
        # Targets stay as they are: what the output can reach only the builder knows.
        around = pipeline_defaults(task, target_scale="none")
        return around | {name: v for name, v in own.items() if v is not None}

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        with LOCK:
            return fit_each(self._begin, requests)

    def _begin(self, request: FitRequest) -> builder_keras.Training | Fitted:
        """Build a model; train it if that needs no Keras."""
        own = request.params.get("random_state")
        seed = int(own) if isinstance(own, int | float) else request.seed
        info = DataInfo.of(request, seed)
        builder_keras.make_room()
        built = self._code.build(request.params, info)
        if kind_of(built) == "keras":
            network = builder_keras.prepared(
                built, self._code, request.params, info, request.X
            )
            return builder_keras.Training(network, self._code, request)
        return builder_sklearn.fit(built, self._code, request, info)


def wrong_settings(name: str, given: Hyperparameter) -> Iterator[str]:
    """Yield what is wrong with a hyperparameter of training."""
    entry = ENTRIES[name]

    def why_not(value: ParamValue) -> str | None:
        what = entry.why_not(value, KERAS)
        if what is None:
            return None
        if entry.kind == "choice":
            what = one_of(value, entry.choices_of(KERAS))
        return f"{what} (it is {entry.meaning}; name the builder's own differently)"

    if given.repeat is not None:
        yield f"has one value for the whole network; got `repeat: {given.repeat}`"
    yield from wrong_values(given, why_not)
    if isinstance(given, Float) and entry.kind == "int" and given.values is None:
        yield "expected whole numbers; write {int: [low, high]}; got {float: ...}"
