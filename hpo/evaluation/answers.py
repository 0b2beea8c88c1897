"""A fitted model as scikit-learn's scorers want to see it, and what they say."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.preparation import TargetScaler
from hpo.records import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Answers:
    """A fitted model as scikit-learn's scorers want it, asked only once for each thing.

    Scorers look at the tags, at ``classes_`` and at which methods there are; the rows
    to predict are given by `about`, not by them.

    Args:
        model: The predictor.
        data: What it was trained on; gives the task and the number of targets.
        scaler: What the targets were scaled by, undone in every prediction.
    """

    def __init__(
        self, model: Any, data: Dataset, scaler: TargetScaler | None = None
    ) -> None:
        self._model, self._data, self._scaler = model, data, scaler

    def about(self, X: NDArray[Any]) -> Answers:
        self._X = X
        self._asked: dict[str, Any] = {}
        return self

    def out_of_fold(self) -> NDArray[Any]:
        """Return probabilities where the model has them, else values or class codes."""
        if self._data.task == "classification" and hasattr(self, "predict_proba"):
            probabilities: NDArray[Any] = self.predict_proba(None).astype("float32")
            return probabilities
        values: NDArray[Any] = self.predict(None)
        return values

    def __getattr__(self, name: str) -> Any:
        if name not in ("predict", "predict_proba", "decision_function"):
            raise AttributeError(name)
        method = getattr(self._model, name)

        def answer(_: object) -> Any:
            if name not in self._asked:
                given = method(self._X)
                regression = self._data.task == "regression"
                self._asked[name] = self._in_data_units(given) if regression else given
            return self._asked[name]

        answer.__name__ = name  # scikit-learn asks by which method a scorer goes
        return answer

    def _in_data_units(self, values: Any) -> NDArray[Any]:
        """Return predictions as the data has its targets, (n,) or (n, n_outputs)."""
        import numpy as np

        shape = (len(self._X), *self._data.y.shape[1:])
        given = np.asarray(values, dtype=np.float64)
        if given.shape != shape:
            if given.shape != (*shape, 1):
                what = f"predictions of shape {shape}; got {given.shape}"
                raise TrialError("error", f"expected {what} from the model")
            given = given.reshape(shape)
        return given if self._scaler is None else self._scaler.undo(given)

    @property
    def classes_(self) -> NDArray[Any]:
        import numpy as np

        if self._data.task == "regression":
            raise AttributeError("classes_")
        return np.arange(self._data.n_classes)

    def __sklearn_tags__(self) -> Any:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        classifies = self._data.task == "classification"
        return (DummyClassifier if classifies else DummyRegressor)().__sklearn_tags__()


class Scorers:
    """The metrics of a study.

    Args:
        names: Of scikit-learn's scorers; one that is given twice counts once.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from sklearn.metrics import get_scorer

        self._scorers = {name: get_scorer(name) for name in dict.fromkeys(names)}

    def score(self, answers: Answers, y: NDArray[Any]) -> dict[str, float]:
        """Return every metric of a model, by name.

        Args:
            answers: About the rows to score.
            y: Class codes or targets of those rows.

        Raises:
            TrialError: A metric is no finite number.
        """
        scores = {name: float(s(answers, None, y)) for name, s in self._scorers.items()}
        for name, score in scores.items():
            if not math.isfinite(score):
                raise TrialError("nan", f"{name} is {score}, not a finite number")
        return scores

    def without_meaning(self, data: Dataset) -> list[str]:
        """Return the metrics that say nothing of rows in which classes are missing.

        Each is asked about guesses of all classes in turn: what cannot judge these, as
        the area under a ROC curve of a single class, can judge no model there.

        Args:
            data: The rows, of classes.
        """
        answers = Answers(_Guesses(data.n_classes), data)
        return [name for name in self._scorers if not self._judges(name, answers, data)]

    def _judges(self, name: str, answers: Answers, data: Dataset) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is not defined, which is asked
            try:
                score = self._scorers[name](answers.about(data.y), None, data.y)
            except ValueError:
                return False
        return math.isfinite(score)


class _Guesses:
    """Is half sure of one class after the other, row by row."""

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        turns = np.arange(len(X)) % self._n_classes
        return np.asarray((np.eye(self._n_classes)[turns] + 1 / self._n_classes) / 2)

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        codes: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return codes
