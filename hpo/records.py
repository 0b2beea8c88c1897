"""Frozen values that cross the boundaries between modules.

They hold data and answer questions about themselves; they read no file, no database and
no clock, and nobody changes them after they are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ParamValue: TypeAlias = str | int | float | bool | None
Params: TypeAlias = Mapping[str, ParamValue]
"""Active hyperparameters by name; inactive ones are absent, constants present."""

Task: TypeAlias = Literal["classification", "regression"]
TrialState: TypeAlias = Literal["running", "complete", "stopped", "failed"]
TrialKind: TypeAlias = Literal["search", "manual"]
StudyState: TypeAlias = Literal[
    "queued", "running", "interrupted", "complete", "failed", "cancelled"
]
FAILURE_KINDS = ("error", "nan", "timeout", "memory", "worker-lost")
STOPPED = "stopped"
"""In place of a kind of failure for a fold that was stopped as hopeless."""


def params_key(params: Params) -> str:
    """Return a text that two params share only if they are the same trial.

    Unlike ``==`` it tells 1, 1.0 and True apart, which are different choices.
    """
    return repr(sorted(params.items()))


def mean(values: Sequence[float]) -> float:
    """Add from left to right and divide, to the last digit what numpy does for few."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


@dataclass(frozen=True)
class Dataset:
    """Rows ready for cross-validation.

    Args:
        X: Features. A DataFrame, shape (n_rows, n_features), whose numeric columns are
            float64 with NaN for a missing value and whose categorical ones are text
            (dtype object) with None; or a float64 array, shape (n_rows, ...), of
            examples that are no rows of a table, such as images.
        y: Class codes 0..n_classes-1 (int64), or float64 targets; shape (n_rows,), and
            (n_rows, n_outputs) for a regression of several targets.
        task: What ``y`` is.
        classes: Labels by class code as the user wrote them; None for regression.
        numeric: Names of the numeric columns, in the order of ``X``; none if ``X`` is
            an array.
        categorical: Names of the categorical columns, in the order of ``X``.
        targets: Names of the targets, for messages and tables.
        groups: Codes (int64) of the groups that rows belong to, shape (n_rows,), or
            None; rows of one group are never trained on and scored in one fold.
        notes: What was decided while reading, one sentence each, for the user.
        dates: The column that each numeric one was made of, where it is a part of
            dates: ``{"day_hour": "day"}``.
    """

    X: pd.DataFrame | NDArray[Any]
    y: NDArray[Any]
    task: Task
    classes: NDArray[Any] | None
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    targets: tuple[str, ...] = ("target",)
    groups: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Number of targets."""
        return 1 if self.y.ndim == 1 else int(self.y.shape[1])

    @property
    def is_table(self) -> bool:
        """Whether ``X`` is a DataFrame."""
        return hasattr(self.X, "iloc")

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of one row of ``X``."""
        return tuple(self.X.shape[1:])

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Return the given rows, an array of positions, as a data set of their own."""
        X: Any = self.X
        return replace(
            self,
            X=X.iloc[rows].reset_index(drop=True) if self.is_table else X[rows],
            y=self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
        )


@dataclass(frozen=True)
class FoldResult:
    """How one fold of one trial ended.

    Args:
        fold: Index of the fold, from 0.
        score: The study's metric on the fold's validation rows; None if it failed.
        train_score: The same metric on the rows that were trained on.
        metrics: Every metric of the study on the validation rows, by name.
        train_metrics: The same on the training rows.
        fit_seconds: Wall time of preprocessing and training.
        score_seconds: Wall time of predicting and scoring.
        n_epochs: Epochs trained, or None where the family has none.
        best_epoch: Epoch (from 1) whose weights were kept, or None.
        n_parameters: Trained weights of the network, or None where that says nothing.
        curves: Learning curves by name (``loss``, ``val_loss``, ...), a value an epoch;
            where targets are scaled for training, in the units of the scaled targets.
        predictions: Out-of-fold predictions on the validation rows, in the order of the
            fold: probabilities, shape (n_val, n_classes), or values in the units of the
            data, shape (n_val,) or (n_val, n_outputs).
        failure: One of `FAILURE_KINDS`, or `STOPPED`; None if the fold ended well.
        error: The traceback of a failed fold.
        engine: What trained it, for example ``keras 3.15.1 tensorflow 2.21.0 fit``.
        finished_at: When it was written, aware UTC; None until the store has done so.
            No part of what a fold is: folds that differ in it alone are equal.
    """

    fold: int
    score: float | None = None
    train_score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    train_metrics: Mapping[str, float] = field(default_factory=dict)
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    n_epochs: int | None = None
    best_epoch: int | None = None
    n_parameters: int | None = None
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    predictions: NDArray[Any] | None = None
    failure: str | None = None
    error: str | None = None
    engine: str = ""
    finished_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Trial:
    """One set of params and what came of it.

    Args:
        number: 0, 1, 2, ... within its study.
        params: Its active hyperparameters.
        state: ``running`` until every fold is in, or one has failed.
        score: Mean of the folds' scores; None unless complete.
        folds: Results in, ordered by fold. Those after a failed fold do not count.
        failure: Kind of the lowest failed fold.
        error: Its traceback.
        beyond_stop: Finished after the trial that ended the study: kept, not counted.
        created_at: When it was first written, aware UTC; None until the store has done
            so. No part of what a trial is: trials that differ in times alone are equal.
        finished_at: When its end was written, likewise; None while it runs.
    """

    number: int
    params: Params
    state: TrialState = "running"
    score: float | None = None
    folds: tuple[FoldResult, ...] = ()
    failure: str | None = None
    error: str | None = None
    beyond_stop: bool = False
    created_at: datetime | None = field(default=None, compare=False)
    finished_at: datetime | None = field(default=None, compare=False)

    @property
    def finished(self) -> bool:
        return self.state != "running"

    @property
    def std(self) -> float | None:
        """Standard deviation of the folds' scores, as scikit-learn's (ddof 0)."""
        if self.score is None:
            return None
        scores = [fold.score for fold in self.folds if fold.score is not None]
        return math.sqrt(mean([(score - self.score) ** 2 for score in scores]))

    @property
    def train_score(self) -> float | None:
        """Mean training score of a complete trial."""
        scores = [f.train_score for f in self.folds if f.train_score is not None]
        return mean(scores) if self.state == "complete" and scores else None

    @property
    def fit_seconds(self) -> float | None:
        """Mean training time of the folds that are in."""
        return mean([f.fit_seconds for f in self.folds]) if self.folds else None


def judge(trial: Trial, folds: Mapping[int, FoldResult], n_folds: int) -> Trial:
    """Return ``trial`` with the state that the ``folds`` which are in give it.

    A trial fails with its lowest failed fold, once every fold below that is in; folds
    above it do not count, however many happened to be trained. So the outcome does not
    depend on how many workers there were.
    """
    counted: list[FoldResult] = []
    for index in range(n_folds):
        if index not in folds:
            return _with(trial, "running", [folds[fold] for fold in sorted(folds)])
        counted.append(folds[index])
        if folds[index].failure is not None:
            stopped = folds[index].failure == STOPPED
            return _with(trial, "stopped" if stopped else "failed", counted)
    return _with(trial, "complete", counted)


def _with(trial: Trial, state: TrialState, folds: Sequence[FoldResult]) -> Trial:
    failed = folds[-1] if state == "failed" else None
    scores = [fold.score for fold in folds if fold.score is not None]
    score = mean(scores) if state == "complete" else None
    return Trial(
        number=trial.number,
        params=trial.params,
        state=state,
        score=score,
        folds=tuple(folds),
        failure=failed.failure if failed else None,
        error=failed.error if failed else None,
        beyond_stop=trial.beyond_stop,
        created_at=trial.created_at,
        finished_at=trial.finished_at,
    )


@dataclass(frozen=True, eq=False)
class StudyRows:
    """What the rows of a study are: enough to judge stored predictions without data.

    Args:
        y: Class codes (int64) or float64 targets of the rows that folds are made of;
            shape (n_rows,), or (n_rows, n_outputs) for several targets.
        classes: Labels by class code, as texts, numbers or truth values; None for
            regression.
        targets: Names of the targets.
        folds: (training rows, validation rows) of each fold, positions in ``y``.
        n_test: How many rows were held out, which are not among these.
        code: SHA-256 of the file with the model's code as it was when the study began;
            empty if no file of the user's makes the model.
        groups: Codes of the groups that rows belong to, shape (n_rows,); None if they
            belong to none, or that was not kept.
    """

    y: NDArray[Any]
    classes: tuple[Any, ...] | None
    targets: tuple[str, ...]
    folds: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    n_test: int = 0
    code: str = ""
    groups: NDArray[Any] | None = None

    @property
    def task(self) -> Task:
        return "regression" if self.classes is None else "classification"

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return 0 if self.classes is None else len(self.classes)


@dataclass(frozen=True, eq=False)
class TestLook:
    """One look at the held-out rows: what a refitted trial scored there.

    Args:
        kind: Of the trial.
        number: Of the trial.
        score: The study's metric on the test part.
        metrics: Every metric of the study there, by name.
        n_trials: How many trials had finished by then.
        y: What the test rows had to be predicted as; see `StudyRows`.
        predictions: Probabilities, shape (n_test, n_classes), or values shaped as
            ``y``, as in `FoldResult`.
        looked_at: Aware UTC; None until the store has written it.
    """

    __test__ = False  # no test of pytest's

    kind: TrialKind
    number: int
    score: float
    metrics: Mapping[str, float]
    n_trials: int
    y: NDArray[Any]
    predictions: NDArray[Any]
    looked_at: datetime | None = None


@dataclass(frozen=True)
class TrialOutline:
    """What a glance at the store tells about a trial.

    Args:
        kind: ``search``, or ``manual`` for params of a person's own.
        number: Within its study and kind.
        state: As stored.
        beyond_stop: Whether it is kept but not counted.
        n_folds: How many of its folds are in.
    """

    kind: TrialKind
    number: int
    state: TrialState
    beyond_stop: bool
    n_folds: int


@dataclass(frozen=True)
class StudyRecord:
    """A study as the store knows it.

    Args:
        name: Unique in its store.
        state: What is happening to it.
        reason: Why it ended, in words; empty while it has not.
        document: The study file in canonical form, every default filled in.
        text: The study file as the user wrote it.
        folder: Where the study file lies; its paths are relative to this.
        fingerprint: Of the data set.
        family: Name of the family of models.
        strategy: Name of the strategy.
        metric: The score.
        task: What the target is.
        n_folds: Folds of every trial.
        seed: Of everything random.
        engine: Kind of engine that trains it.
        backend: What trains the networks, for example ``tensorflow``.
        active_seconds: How long it has been running, over all runs.
        created_at: Aware UTC.
        finished_at: Aware UTC; None while it has not ended.
    """

    name: str
    state: StudyState
    document: Mapping[str, Any]
    text: str
    folder: str
    fingerprint: str
    family: str
    strategy: str
    metric: str
    task: Task
    n_folds: int
    seed: int
    engine: str
    backend: str
    created_at: datetime
    finished_at: datetime | None = None
    active_seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class StudySummary:
    """One line of `hpo list`.

    ``n_trials`` counts finished trials that count; ``owner`` is who runs it now.
    """

    name: str
    state: StudyState
    n_trials: int
    best_score: float | None
    owner: str | None
    strategy: str
    family: str
    metric: str
    created_at: datetime
