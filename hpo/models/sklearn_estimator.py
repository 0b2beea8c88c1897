"""The families ``sklearn.<class>``: any classifier or regressor of scikit-learn.

Hyperparameters have the estimator's own names, and scikit-learn itself says which
values it takes. Only public classes that need no arguments are accepted.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, near_match
from hpo.models.checks import pipeline_problems, wrong_values
from hpo.models.family import FitRequest, Fitted, one_by_one
from hpo.models.sklearn_classes import (
    counterpart,
    find_class,
    is_classifier,
    takes_several_targets,
)
from hpo.models.vocabulary import PIPELINE, pipeline_defaults
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Categorical, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SklearnEstimator:
    """One estimator class; see `hpo.models.family.Family`.

    Args:
        name: Its import path, for example ``sklearn.ensemble.RandomForestClassifier``.

    Raises:
        SpecError: There is no such class, or it cannot be used here.
    """

    group_limit = 1
    group_matters = False
    whole_trials = False
    takes_arrays = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._class = find_class(name)

    def warm_up(self) -> None:
        """Do nothing: the class was imported to be found."""

    @property
    def keeps(self) -> frozenset[str]:
        """Names around the model that this class has a parameter for."""
        return frozenset(self._names) & frozenset(PIPELINE)

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        problems = [*self._wrong_task(task), *self._wrong_targets(n_outputs)]
        for name, given in space.declared.items():
            if name in PIPELINE and name not in self.keeps:
                continue
            if given.repeat is not None:
                problems.append(
                    Problem(name, f"{self.name} has no layers to repeat for")
                )
            if name not in self._names:
                refusal = f"{self.name} has no hyperparameter {name!r}"
                hint = near_match(name, self._names)
                problems.append(Problem(name, refusal + hint))
            else:
                check = partial(self._why_not, name)
                problems += [Problem(name, what) for what in wrong_values(given, check)]
        around = pipeline_problems(self.name, space, task, keeps=self.keeps)
        return [*problems, *around, *self._unweighable(space, task)]

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        own = {
            name: value
            for name, value in self._class().get_params(deep=False).items()
            if isinstance(value, str | int | float | bool)
        }
        return pipeline_defaults(task, target_scale="none") | own

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        return one_by_one(self._fit, requests)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._class().get_params(deep=False))

    def _why_not(self, name: str, value: ParamValue) -> str | None:
        from sklearn.utils._param_validation import (
            InvalidParameterError,
            validate_parameter_constraints,
        )

        # Of this one alone: a study file may list thousands of choices.
        constraints = self._class._parameter_constraints
        if name not in constraints:
            return None
        try:
            validate_parameter_constraints(
                {name: constraints[name]}, {name: value}, self._class.__name__
            )
        except InvalidParameterError as error:
            return _reworded(str(error), value)
        return None

    def _wrong_task(self, task: Task | None) -> list[Problem]:
        kind = "classifier" if is_classifier(self._class) else "regressor"
        wanted = {"classification": "classifier", "regression": "regressor"}
        if task is None or wanted[task] == kind:
            return []
        hint = counterpart(self._class, self.name, wanted[task])
        what = f"{self.name} is a {kind}, and the task is {task}{hint}"
        return [Problem("model", what)]

    def _wrong_targets(self, n_outputs: int | None) -> list[Problem]:
        """Refuse a number of targets that this class cannot be trained on."""
        if n_outputs is None or is_classifier(self._class):
            return []
        if (
            n_outputs == 1
            and not self._class().__sklearn_tags__().target_tags.single_output
        ):
            what = f"{self.name} is for several targets, and the study has one"
            return [Problem("model", what)]
        if n_outputs > 1 and not takes_several_targets(self._class):
            what = (
                f"{self.name} predicts one target, and the study has {n_outputs}; name "
                "one in data.target, or take a model that predicts several, such as "
                "sklearn.ensemble.RandomForestRegressor"
            )
            return [Problem("model", what)]
        return []

    def _unweighable(self, space: Space, task: Task | None) -> list[Problem]:
        """Refuse class weights where training cannot weigh rows."""
        name = "class_weight"
        given = space.declared.get(name)
        asked = isinstance(given, Categorical) and "balanced" in given.choices
        if not asked or name in self.keeps or task == "regression" or self._weighs:
            return []
        what = f"{self.name} cannot weigh rows (its fit takes no sample_weight)"
        return [Problem(name, f"{what}; leave it out")]

    @property
    def _weighs(self) -> bool:
        from sklearn.utils.validation import has_fit_parameter

        return bool(has_fit_parameter(self._class, "sample_weight"))

    def _fit(self, request: FitRequest) -> Fitted:
        import sklearn
        from sklearn.exceptions import ConvergenceWarning

        own = {k: v for k, v in request.params.items() if k in self._names}
        if "random_state" in self._names:
            own.setdefault("random_state", request.seed)
        estimator = self._class(**own)
        started = time.perf_counter()
        with warnings.catch_warnings():
            # The score says what stopping early cost, and a search tries many of these.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if request.sample_weight is None:
                estimator.fit(request.X, request.y)
            else:
                estimator.fit(request.X, request.y, sample_weight=request.sample_weight)
        seconds = time.perf_counter() - started
        curve = getattr(estimator, "loss_curve_", None)
        return Fitted(
            model=_with_all_classes(estimator, request.n_classes),
            fit_seconds=seconds,
            n_epochs=len(curve) if curve is not None else None,
            curves={"loss": [float(loss) for loss in curve]}
            if curve is not None
            else {},
            engine=f"scikit-learn {sklearn.__version__}",
        )


class AllClasses:
    """A classifier that was trained without some class, answering for all of them.

    Args:
        estimator: The fitted classifier.
        n_classes: Classes of the whole data set.
    """

    def __init__(self, estimator: Any, n_classes: int) -> None:
        self.estimator, self.n_classes = estimator, n_classes

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes, shape (n,)."""
        codes: NDArray[Any] = self.estimator.predict(X)
        return codes

    def __getattr__(self, name: str) -> Any:
        # Only there if the estimator has it, as the contract of a predictor says.
        if name == "predict_proba" and hasattr(self.estimator, name):
            return self._probabilities
        raise AttributeError(name)

    def _probabilities(self, X: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        known = self.estimator.predict_proba(X)
        probabilities = np.zeros((len(known), self.n_classes))
        probabilities[:, self.estimator.classes_] = known
        return probabilities


def _with_all_classes(estimator: Any, n_classes: int) -> Any:
    classes = getattr(estimator, "classes_", None)
    if n_classes == 0 or classes is None or len(classes) == n_classes:
        return estimator
    return AllClasses(estimator, n_classes)


def _reworded(message: str, value: ParamValue) -> str:
    """Take the class and the parameter out of scikit-learn's sentence."""
    found = re.fullmatch(
        r"The '.*?' parameter of \w+ must be (.*?)\.? Got (.*?) instead\.?",
        message,
        re.DOTALL,
    )
    expected = found.group(1) if found else message
    # scikit-learn prints a set, whose order changes from process to process.
    expected = re.sub(r"a str among \{(.*?)\}", _listed, expected)
    return f"expected {expected}; got {value!r}"


def _listed(found: re.Match[str]) -> str:
    return "one of " + ", ".join(sorted(found.group(1).split(", ")))
