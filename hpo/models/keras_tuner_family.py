"""The families ``keras_tuner:module:name``: hypermodels of Keras Tuner, unchanged.

It trains what ``build(hp)`` returns for the values of a trial. Which hyperparameters
there are is found out before, by `hpo.models.keras_tuner_discovery`: here any name that
is not a setting of training is the hypermodel's.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from hpo.errors import Problem, TrialError, near_match
from hpo.models import builder_keras
from hpo.models.builder import LOCK, wrong_settings
from hpo.models.builder_info import DataInfo
from hpo.models.builder_training import fit_each
from hpo.models.checks import pipeline_problems
from hpo.models.family import FitRequest, Fitted
from hpo.models.keras_tuner_code import HypermodelCode
from hpo.models.keras_tuner_fit import OwnFit
from hpo.models.keras_tuner_space import (
    OWN_NAMES,
    SEED,
    SETTINGS,
    hypermodel_name,
)
from hpo.models.vocabulary import ENTRIES, pipeline_defaults
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Space
from hpo.user_code import Home, why_not_found


class KerasTunerFamily:
    """Models of a hypermodel; see `hpo.models.family.Family`.

    Args:
        name: ``keras_tuner:module:name``.
        home: Where the module may be found; it is imported to train, not before.
        discovered: Default of each hyperparameter of the hypermodel, if known.
    """

    group_limit = 1
    group_matters = False
    whole_trials = True
    takes_arrays = True
    keeps: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        home: Home,
        discovered: Mapping[str, ParamValue] | None = None,
    ) -> None:
        self.name = name
        self._code = HypermodelCode(name, home)
        self._own_fit = OwnFit(self._code)
        self._discovered = discovered or {}

    def warm_up(self) -> None:
        """Import the user's module.

        Raises:
            SpecError: It cannot be imported, or has no such hypermodel.
        """
        self._code.load()

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        own = hypermodel_name(self.name)
        if what := why_not_found(own, self._code.home):
            return [Problem("model", what)]
        found = pipeline_problems(own, space, task)
        for name, given in space.declared.items():
            if name in (SEED, *SETTINGS):
                found += [Problem(name, what) for what in wrong_settings(name, given)]
        return [*found, *self._unknown(space)]

    def _unknown(self, space: Space) -> Iterator[Problem]:
        """Find names that the hypermodel does not ask for, once that is known."""
        known = (*self._discovered, *OWN_NAMES)
        for name in space.declared if self._discovered else ():
            if name not in known:
                what = f"the hypermodel asks for no hyperparameter {name!r}"
                yield Problem(name, what + near_match(name, known))

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        settings = {name: ENTRIES[name].default for name in SETTINGS}
        # Targets stay as they are: what the output can reach only the model knows.
        around = pipeline_defaults(task, target_scale="none")
        known = {name: v for name, v in settings.items() if v is not None}
        return {**around, **known, **self._discovered}

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        with LOCK:
            return fit_each(self._begin, requests)

    def _begin(self, request: FitRequest) -> builder_keras.Training | Fitted:
        """Build a model; train it if the hypermodel has a fit of its own."""
        own = request.params.get(SEED)
        seed = int(own) if isinstance(own, int | float) else request.seed
        info = DataInfo.of(request, seed)
        self._code.load()
        builder_keras.make_room()
        if self._code.has_own_fit:
            return self._own_fit.fit(request, info)
        model = self._code.build(request.params, info)
        if not model.compiled:
            raise TrialError(
                "error",
                f"{self._code.name} returned a model that is not compiled; end it with "
                "model.compile(optimizer=..., loss=...)",
            )
        network = builder_keras.prepared(
            model, self._code, request.params, info, request.X
        )
        return builder_keras.Training(network, self._code, request)
