"""Training of scikit-learn estimators that a builder returned.

It seeds what has no seed, hands on the weights of rows, and makes the predictions
those of every other family. It chooses no hyperparameters.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_info import DataInfo
from hpo.models.family import FitRequest, Fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fit(
    estimator: Any, code: BuilderCode, request: FitRequest, info: DataInfo
) -> Fitted:
    """Train one estimator.

    Raises:
        TrialError: It does not fit the task, or its training fails.
    """
    import sklearn
    from sklearn.exceptions import ConvergenceWarning

    check(estimator, code.name, info)
    seed_parts(estimator, info.seed)
    options = {}
    if request.sample_weight is not None:
        options = {weight_option(estimator, code.name): request.sample_weight}
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            # The score says what stopping early cost; a search tries many of these.
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(as_table(request.X), request.y, **options)
    except TrialError:
        raise
    except Exception as error:
        raise _hinted(code.failed(error, " in fit"), estimator, info) from error
    curve = getattr(last_step(estimator), "loss_curve_", None)
    return Fitted(
        model=SklearnModel(estimator, info),
        fit_seconds=time.perf_counter() - started,
        n_epochs=len(curve) if curve is not None else None,
        curves={"loss": [float(v) for v in curve]} if curve is not None else {},
        engine=f"scikit-learn {sklearn.__version__}",
    )


def check(estimator: Any, name: str, info: DataInfo) -> None:
    """Refuse an estimator of the other task.

    Raises:
        TrialError: It cannot be used, with the way out.
    """
    from sklearn.base import is_classifier, is_regressor

    own = type(estimator).__name__
    right = is_classifier if info.task == "classification" else is_regressor
    if not right(estimator):
        wanted = "classifier" if info.task == "classification" else "regressor"
        raise TrialError(
            "error",
            f"{name} returned {own}, which is no {wanted}, and the task is {info.task}",
        )


def _hinted(error: TrialError, estimator: Any, info: DataInfo) -> TrialError:
    """Say how several targets are predicted, if that may be what is wrong."""
    from sklearn.utils import get_tags

    last = last_step(estimator)
    if info.n_targets == 1 or get_tags(last).target_tags.multi_output:
        return error
    return TrialError(
        error.kind,
        f"{error}; there are {info.n_targets} targets: if {type(last).__name__} "
        "predicts one, wrap it in sklearn.multioutput.MultiOutputRegressor",
    )


def seed_parts(estimator: Any, seed: int) -> None:
    """Give ``seed`` to every part that has a ``random_state`` of None."""
    parts = estimator.get_params(deep=True)
    without = [
        name
        for name, value in parts.items()
        if name.rpartition("__")[2] == "random_state" and value is None
    ]
    estimator.set_params(**dict.fromkeys(without, seed))


def weight_option(estimator: Any, name: str) -> str:
    """Return the argument of ``fit`` that takes the weights of rows.

    Raises:
        TrialError: There is none.
    """
    from sklearn.utils.validation import has_fit_parameter

    path, last = [], estimator
    while hasattr(last, "steps"):
        step, last = last.steps[-1]
        path.append(step)
    if not has_fit_parameter(last, "sample_weight"):
        raise TrialError(
            "error",
            f"{name} returned {type(estimator).__name__}: {type(last).__name__} takes "
            "no weights of rows, and the params ask for class_weight",
        )
    return "__".join([*path, "sample_weight"])


def last_step(estimator: Any) -> Any:
    """Return the model at the end of a pipeline, or the estimator itself."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def as_table(X: NDArray[Any]) -> NDArray[Any]:
    """Flatten rows of more axes to shape (n, n_features), which scikit-learn takes."""
    return X if X.ndim == 2 else X.reshape(len(X), -1)


class SklearnModel:
    """A trained estimator that takes rows of any shape and knows every class.

    Args:
        estimator: The fitted one, trained on flat rows.
        info: What it was built for.
    """

    def __init__(self, estimator: Any, info: DataInfo) -> None:
        self.estimator, self._info = estimator, info

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes (int64), or values (float64) shaped as the targets."""
        predicted = self.estimator.predict(as_table(X))
        if self._info.task == "classification":
            codes: NDArray[Any] = predicted.astype("int64").reshape(len(X))
            return codes
        shape = (len(X), self._info.n_targets)[: 2 if self._info.n_targets > 1 else 1]
        values: NDArray[Any] = predicted.astype("float64").reshape(shape)
        return values

    def __getattr__(self, name: str) -> Any:
        # Only there if the estimator has it, as the contract of a predictor says.
        if name == "predict_proba" and hasattr(self.estimator, name):
            return self._probabilities
        if name == "decision_function" and self._knows_all_classes:
            decide = getattr(self.estimator, name)
            return lambda X: decide(as_table(X))
        raise AttributeError(name)

    @property
    def _knows_all_classes(self) -> bool:
        classes = getattr(self.__dict__["estimator"], "classes_", ())
        return len(classes) == int(self.__dict__["_info"].n_classes) > 0

    def _probabilities(self, X: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        known = self.estimator.predict_proba(as_table(X))
        probabilities = np.zeros((len(known), self._info.n_classes))
        probabilities[:, self.estimator.classes_.astype(int)] = known
        return probabilities
