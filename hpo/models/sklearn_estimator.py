"""The families ``sklearn.<class>``: any classifier or regressor of scikit-learn.

Hyperparameters have the estimator's own names, and scikit-learn itself says which
values it takes. Only public classes that need no arguments are accepted.
"""

from __future__ import annotations

import importlib
import inspect
import re
import time
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, SpecError, near_match
from hpo.models.checks import wrong_values
from hpo.models.family import FitRequest, Fitted
from hpo.models.vocabulary import ENTRIES
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = ENTRIES["scale"]
_DOTTED = re.compile(r"sklearn(\.[A-Za-z][A-Za-z0-9_]*)+")
_NO_MODELS = ("conftest", "externals", "tests")


class SklearnEstimator:
    """One estimator class; see `hpo.models.family.Family`.

    Args:
        name: Its import path, for example ``sklearn.ensemble.RandomForestClassifier``.

    Raises:
        SpecError: There is no such class, or it cannot be used here.
    """

    group_limit = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self._class = find_class(name)

    def warm_up(self) -> None:
        """Do nothing: the class was imported to be found."""

    def problems(self, space: Space, task: Task | None) -> list[Problem]:
        problems = self._wrong_task(task)
        for name, given in space.declared.items():
            if given.repeat is not None:
                problems.append(
                    Problem(name, f"{self.name} has no layers to repeat for")
                )
            why_not = self._checker(name)
            if why_not is None:
                refusal = f"{self.name} has no hyperparameter {name!r}"
                hint = near_match(name, self._names)
                problems.append(Problem(name, refusal + hint))
            else:
                problems += [
                    Problem(name, what) for what in wrong_values(given, why_not)
                ]
        return problems

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        own = {
            name: value
            for name, value in self._class().get_params(deep=False).items()
            if isinstance(value, str | int | float | bool)
        }
        return own if "scale" in self._names else {**own, "scale": SCALE.default}

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        results: list[Fitted | Exception] = []
        for request in requests:
            try:
                results.append(self._fit(request))
            except Exception as error:  # the contract: a failure is a result
                results.append(error)
        return results

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._class().get_params(deep=False))

    def _checker(self, name: str) -> Any:
        """Return what says why a value of ``name`` is wrong; None if unknown."""
        if name in self._names:
            return lambda value: self._why_not(name, value)
        if name == "scale":
            return lambda value: SCALE.why_not(value, self.name)
        return None

    def _why_not(self, name: str, value: ParamValue) -> str | None:
        from sklearn.utils._param_validation import InvalidParameterError

        try:
            self._class(**{name: value})._validate_params()
        except InvalidParameterError as error:
            return _reworded(str(error), value)
        return None

    def _wrong_task(self, task: Task | None) -> list[Problem]:
        kind = "classifier" if _is_classifier(self._class) else "regressor"
        wanted = {"classification": "classifier", "regression": "regressor"}
        if task is None or wanted[task] == kind:
            return []
        hint = _counterpart(self._class, self.name, wanted[task])
        what = f"{self.name} is a {kind}, and the task is {task}{hint}"
        return [Problem("model", what)]

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
            estimator.fit(request.X, request.y)
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


def find_class(name: str) -> Any:
    """Return the estimator class of this import path, a public one of scikit-learn.

    Raises:
        SpecError: It is not there, no classifier or regressor, or needs arguments.
    """
    from sklearn.base import BaseEstimator

    parts = name.split(".")
    if not _DOTTED.fullmatch(name) or any(part in _NO_MODELS for part in parts):
        raise _refused(f"expected sklearn.<module>.<class>; got {name!r}")
    module = _find_module(".".join(parts[:-1]), name)
    found = getattr(module, parts[-1], None)
    if found is None:
        hint = near_match(parts[-1], _models_in(module))
        raise _refused(f"{module.__name__} has no class {parts[-1]!r}{hint}")
    if not (inspect.isclass(found) and issubclass(found, BaseEstimator)):
        raise _refused(f"{name} is not an estimator class")
    needed = [
        parameter.name
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
    ]
    if needed:
        raise _refused(
            f"{name} needs {', '.join(needed)}, which a study file cannot give; name "
            "the estimator itself, or write a builder in Python"
        )
    if not _is_model(found) or inspect.isabstract(found):
        raise _refused(f"{name} is neither a classifier nor a regressor")
    return found


def _find_module(path: str, name: str) -> Any:
    import sklearn

    try:
        return importlib.import_module(path)
    except ImportError:
        known = [f"sklearn.{module}" for module in sklearn.__all__]
        hint = near_match(path, known)
        raise _refused(
            f"scikit-learn has no module {path!r}, named by {name!r}{hint}"
        ) from None


def _is_model(found: object) -> bool:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    return (
        inspect.isclass(found)
        and issubclass(found, BaseEstimator)
        and issubclass(found, ClassifierMixin | RegressorMixin)
        and found.__module__.startswith("sklearn.")
    )


def _is_classifier(found: Any) -> bool:
    from sklearn.base import ClassifierMixin

    return issubclass(found, ClassifierMixin)


def _models_in(module: Any) -> list[str]:
    return [name for name in dir(module) if _is_model(getattr(module, name, None))]


def _counterpart(found: Any, name: str, wanted: str) -> str:
    """Suggest the class of the ``wanted`` kind in the same module, if names agree."""
    path, _, own = name.rpartition(".")
    module = importlib.import_module(path)
    others = [
        other
        for other in _models_in(module)
        if _is_classifier(getattr(module, other)) == (wanted == "classifier")
    ]
    stem = re.sub(r"(Classifier|Regressor|C|R)$", "", own)
    for suffix in ("Classifier", "Regressor", "C", "R"):
        if stem + suffix in others:
            return f"; did you mean '{path}.{stem}{suffix}'?"
    return ""


def _refused(what: str) -> SpecError:
    return SpecError([Problem("model", what)])


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
