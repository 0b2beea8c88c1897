"""Cross-validation: how a group of (trial, fold) pairs becomes fold results.

It runs in workers. Preprocessing is fitted on the training rows of each fold only, and
a family is never shown a validation row, so nothing can leak into a score. It knows no
store, no strategy and no study file.
"""

from __future__ import annotations

import math
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models import get_family
from hpo.models.family import Family, FitRequest, Fitted
from hpo.records import Dataset, FoldResult, Params
from hpo.seeds import TRAIN, derived_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHED_BYTES = 512 * 2**20
MAX_ERROR_CHARACTERS = 20_000


@dataclass(frozen=True)
class Pair:
    """One fold of one trial: the smallest piece of work."""

    number: int
    fold: int
    params: Params


Group = tuple[Pair, ...]
"""Pairs that one call of the family trains together."""


@dataclass(frozen=True)
class Plan:
    """What all folds of a study share; sent once to every worker.

    Args:
        family: Name of the family of models.
        data: The rows that may be trained on; the test part is not among them.
        folds: (training rows, validation rows) of each fold, positions in ``data``.
        seed: The study's seed.
        metric: The score.
        metrics: Other metrics to record.
    """

    family: str
    data: Dataset
    folds: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    seed: int
    metric: str
    metrics: tuple[str, ...] = ()


def make_runner(plan: Plan) -> Callable[[Group], list[tuple[int, FoldResult]]]:
    """Return what trains groups in this process; engines call this in each worker."""
    family = get_family(plan.family)
    family.warm_up()
    return Evaluator(plan, family).run


class Evaluator:
    """Trains and scores groups of one study, keeping what folds have in common.

    Args:
        plan: The study.
        family: Trains the networks.
    """

    def __init__(self, plan: Plan, family: Family) -> None:
        from sklearn.metrics import get_scorer

        self._plan, self._family = plan, family
        names = dict.fromkeys((plan.metric, *plan.metrics))
        self._scorers = {name: get_scorer(name) for name in names}
        self._prepared = _PreparedFolds(plan)

    def run(self, group: Group) -> list[tuple[int, FoldResult]]:
        """Train and score every pair of ``group``; a failed pair is a failed result."""
        prepared: list[_Fold | None] = []
        results: dict[int, FoldResult] = {}
        for index, pair in enumerate(group):
            try:
                prepared.append(self._prepared.get(pair.fold, _scale(pair.params)))
            except Exception as error:
                prepared.append(None)
                results[index] = _failed(pair, error)
        trained = [index for index, fold in enumerate(prepared) if fold is not None]
        requests = [self._request(group[i], prepared[i]) for i in trained]
        for index, fitted in zip(trained, self._fit(requests), strict=True):
            fold = prepared[index]
            assert fold is not None
            results[index] = self._result(group[index], fold, fitted)
        return [(pair.number, results[index]) for index, pair in enumerate(group)]

    def _request(self, pair: Pair, fold: _Fold | None) -> FitRequest:
        assert fold is not None
        data = self._plan.data
        return FitRequest(
            params=pair.params,
            X=fold.X_train,
            y=fold.y_train,
            task=data.task,
            n_classes=data.n_classes,
            seed=derived_seed(self._plan.seed, TRAIN, pair.number, pair.fold),
        )

    def _fit(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        if not requests:
            return []
        try:
            return self._family.fit_group(requests)
        except Exception as error:
            if len(requests) == 1:
                return [error]
        # The group failed as a whole: find out whose fault it is.
        return [self._fit([request])[0] for request in requests]

    def _result(
        self, pair: Pair, fold: _Fold, fitted: Fitted | Exception
    ) -> FoldResult:
        try:
            if isinstance(fitted, Exception):
                raise fitted
            return self._scored(pair, fold, fitted)
        except Exception as error:
            return _failed(pair, error)

    def _scored(self, pair: Pair, fold: _Fold, fitted: Fitted) -> FoldResult:
        started = time.perf_counter()
        answers = _Answers(fitted.model, self._plan.data)
        metrics = self._score(answers.about(fold.X_val), fold.y_val)
        predictions = answers.out_of_fold()
        train_metrics = self._score(answers.about(fold.X_train), fold.y_train)
        return FoldResult(
            fold=pair.fold,
            score=metrics[self._plan.metric],
            train_score=train_metrics[self._plan.metric],
            metrics=metrics,
            train_metrics=train_metrics,
            fit_seconds=fitted.fit_seconds,
            score_seconds=time.perf_counter() - started,
            n_epochs=fitted.n_epochs,
            best_epoch=fitted.best_epoch,
            n_parameters=fitted.n_parameters,
            curves=fitted.curves,
            predictions=predictions,
            engine=fitted.engine,
        )

    def _score(self, answers: Any, y: NDArray[Any]) -> dict[str, float]:
        scores = {name: float(s(answers, None, y)) for name, s in self._scorers.items()}
        for name, score in scores.items():
            if not math.isfinite(score):
                raise TrialError("nan", f"{name} is {score}, not a finite number")
        return scores


@dataclass(frozen=True)
class _Fold:
    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_val: NDArray[Any]
    y_val: NDArray[Any]

    @property
    def n_bytes(self) -> int:
        return int(self.X_train.nbytes + self.X_val.nbytes)


class _PreparedFolds:
    """Preprocessed folds, kept because every trial trains on the same ones."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kept: OrderedDict[tuple[int, str], _Fold] = OrderedDict()
        data = plan.data
        positions = {name: index for index, name in enumerate(data.X.columns)}
        self._numeric = [positions[name] for name in data.numeric]
        self._categorical = [positions[name] for name in data.categorical]
        self._X: Any = data.X if data.categorical else data.X.to_numpy(dtype="float64")
        self._has_missing = bool(data.X[list(data.numeric)].isna().to_numpy().any())

    def get(self, fold: int, scale: str) -> _Fold:
        key = (fold, scale)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        prepared = self._kept[key] = self._prepare(fold, scale)
        while (
            len(self._kept) > 1
            and sum(f.n_bytes for f in self._kept.values()) > CACHED_BYTES
        ):
            self._kept.popitem(last=False)
        return prepared

    def _prepare(self, fold: int, scale: str) -> _Fold:
        from hpo.models.preprocessing import make_preprocessor

        train, val = self._plan.folds[fold]
        y = self._plan.data.y
        preprocessor = make_preprocessor(
            self._numeric, self._categorical, scale=scale, has_missing=self._has_missing
        )
        X_train = preprocessor.fit_transform(self._rows(train))
        X_val = preprocessor.transform(self._rows(val))
        return _Fold(X_train, y[train], X_val, y[val])

    def _rows(self, rows: NDArray[Any]) -> Any:
        return self._X.iloc[rows] if self._plan.data.categorical else self._X[rows]


class _Answers:
    """A fitted model as scikit-learn's scorers want it, asked only once for each thing.

    Scorers look at the tags, at ``classes_`` and at which methods there are; the rows
    to predict are given by `about`, not by them.
    """

    def __init__(self, model: Any, data: Dataset) -> None:
        self._model, self._data = model, data

    def about(self, X: NDArray[Any]) -> _Answers:
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
                self._asked[name] = method(self._X)
            return self._asked[name]

        answer.__name__ = name  # scikit-learn asks by which method a scorer goes
        return answer

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


def _scale(params: Params) -> str:
    return str(params.get("scale", "standard"))


def _failed(pair: Pair, error: Exception) -> FoldResult:
    """Word a failure: its kind, and the traceback for whoever has to mend it."""
    kind = error.kind if isinstance(error, TrialError) else "error"
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        kind = "memory"
    text = "".join(traceback.format_exception(error))
    if len(text) > MAX_ERROR_CHARACTERS:
        half = MAX_ERROR_CHARACTERS // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return FoldResult(fold=pair.fold, failure=kind, error=text)
