"""Train one set of params on all training rows, in a worker.

What is done around the model is what is done in every fold, fitted on all training rows
this time. The rows of the test part come with the task if they are to be scored, and
are looked at after training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import ExportError, TrialError
from hpo.evaluation.answers import Answers, Scorers
from hpo.evaluation.failures import kind_of_failure
from hpo.evaluation.folds import Columns
from hpo.evaluation.plan import Plan
from hpo.evaluation.sharing import SharedPlan
from hpo.models import get_family
from hpo.models.family import Family, FitRequest, Fitted
from hpo.models.preparation import Surroundings, TargetScaler, sample_weight
from hpo.models.saving import (
    PREPROCESSING_FILE,
    load_model,
    load_preprocessing,
    needed_modules,
    save_model,
    save_preprocessing,
)
from hpo.records import Dataset, Params, Task, TrialKind
from hpo.seeds import PREPARE, REFIT, derived_seed
from hpo.user_code import kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS: tuple[TrialKind, ...] = ("search", "manual")
CHECKED_ROWS = 256
"""Rows for which a saved model must predict what the trained one does."""
TOLERANCE = 1e-5
"""How far, in single precision, predictions of a loaded model may be off."""


@dataclass(frozen=True)
class RefitTask:
    """What a worker is asked for.

    Args:
        params: To train with.
        kind: Of the trial.
        number: Of the trial.
        folder: There already, for the files; None to save none.
        test: The test part, to be scored; None if it is not to be looked at.
    """

    params: Params
    kind: TrialKind
    number: int
    folder: Path | None = None
    test: Dataset | None = None


@dataclass(frozen=True)
class RefitResult:
    """What came of a `RefitTask`; see `hpo.study.refit.Refitted` for the names."""

    model_file: str
    preprocessing_file: str | None
    target_shift: tuple[float, ...] | None
    target_spread: tuple[float, ...] | None
    engine: str
    n_epochs: int | None
    n_parameters: int | None
    fit_seconds: float
    train_score: float
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)
    test_metrics: dict[str, float] | None = None
    test_predictions: Any = None
    notes: tuple[str, ...] = ()


def make_refitter(plan: Plan | SharedPlan) -> Callable[[RefitTask], RefitResult]:
    """Return what trains on all rows in this process; for an engine to call."""
    if isinstance(plan, SharedPlan):
        plan = plan.open()
    family = get_family(plan.family, home=plan.home)
    family.warm_up()
    return Refitter(plan, family).run


class Refitter:
    """Trains params of a study on all of its training rows.

    Args:
        plan: The study.
        family: Trains the network.
    """

    def __init__(self, plan: Plan, family: Family) -> None:
        self._plan, self._family = plan, family
        self._scorers = Scorers((plan.metric, *plan.metrics))

    def run(self, task: RefitTask) -> RefitResult:
        """Train, save, and score.

        Raises:
            TrialError: One of that failed.
            ExportError: The disk does not take the files.
        """
        try:
            return self._run(task)
        except (TrialError, ExportError):
            raise
        except Exception as error:  # whatever a library or the user's code raises
            said = str(error).partition("\n")[0]
            what = f"training on all rows failed: {type(error).__name__}: {said}"
            raise TrialError(kind_of_failure(error), what) from error

    def _run(self, task: RefitTask) -> RefitResult:
        plan, data = self._plan, self._plan.data
        started = time.perf_counter()
        around = Surroundings.of(self._family, task.params, data.task)
        columns = Columns(data, takes_arrays=self._family.takes_arrays)
        preprocessor = columns.preprocessor(
            around.features,
            task=data.task,
            # After those of the folds, which are 0, 1, 2, ...
            seed=derived_seed(plan.seed, PREPARE, len(plan.folds)),
            imputes=True,
        )
        X = preprocessor.fit_transform(_all_rows(columns, data), data.y)
        scaler = TargetScaler.fit(data.y, around.target_scale)
        prepared_seconds = time.perf_counter() - started
        X.setflags(write=False)
        fitted = self._fit(
            FitRequest(
                params=task.params,
                X=X,
                y=data.y if scaler is None else scaler.scale(data.y),
                task=data.task,
                n_classes=data.n_classes,
                seed=refit_seed(plan.seed, task.kind, task.number),
                sample_weight=sample_weight(data.y, around.class_weight),
            )
        )
        answers = Answers(fitted.model, data, scaler)
        train_metrics = self._scorers.score(answers.about(X), data.y)
        model_file, notes = "", _notes(fitted)
        if task.folder is not None:
            model_file, own = self._save(fitted, preprocessor, task.folder, columns, X)
            notes += own
        metrics = predictions = None
        if task.test is not None:
            test = Columns(task.test, takes_arrays=self._family.takes_arrays)
            rows = preprocessor.transform(_all_rows(test, task.test))
            metrics = self._scorers.score(answers.about(rows), task.test.y)
            predictions = answers.out_of_fold()
        return RefitResult(
            model_file=model_file,
            preprocessing_file=PREPROCESSING_FILE if task.folder is not None else None,
            target_shift=None if scaler is None else _numbers(scaler.shift),
            target_spread=None if scaler is None else _numbers(scaler.spread),
            engine=fitted.engine,
            n_epochs=fitted.n_epochs,
            n_parameters=fitted.n_parameters,
            fit_seconds=prepared_seconds + fitted.fit_seconds,
            train_score=train_metrics[plan.metric],
            curves={name: tuple(map(float, c)) for name, c in fitted.curves.items()},
            test_metrics=metrics,
            test_predictions=predictions,
            notes=notes,
        )

    def _fit(self, request: FitRequest) -> Fitted:
        (fitted,) = self._family.fit_group([request])
        if isinstance(fitted, Exception):
            raise fitted
        return fitted

    def _save(
        self,
        fitted: Fitted,
        preprocessor: Any,
        folder: Path,
        columns: Columns,
        X: NDArray[Any],
    ) -> tuple[str, tuple[str, ...]]:
        """Save model and preprocessing; load them again to see that they are whole.

        Returns:
            Name of the model's file, and what the user should know.
        """
        import numpy as np

        plan, module = self._plan, _module(self._plan.family)
        try:
            name = save_model(fitted.model, folder, module=module)
            file = save_preprocessing(preprocessor, folder)
        except OSError as error:
            reason = error.strerror or error
            raise ExportError(
                f"the model cannot be written ({reason}); make room on the disk, or "
                "name another folder"
            ) from error
        few = np.arange(min(CHECKED_ROWS, plan.data.n_rows))
        try:
            loaded = load_model(
                folder / name, n_classes=plan.data.n_classes, home=plan.home
            )
            rows = load_preprocessing(folder / file).transform(columns.rows(few))
        except ExportError as error:
            what = str(error).replace(f"{folder}/", "")
            raise TrialError(
                "error", f"the saved model is of no use: {what}"
            ) from error
        _check_same(fitted.model, loaded, X[: len(few)], rows, plan.data.task)
        modules = needed_modules(folder / name)
        if not modules:
            return name, ()
        what = f"loading the model takes your own code: {', '.join(modules)}"
        return name, (what,)


def refit_seed(seed: int, kind: TrialKind, number: int) -> int:
    """Return the seed that a trial is trained on all rows with."""
    return derived_seed(seed, REFIT, KINDS.index(kind), number)


def _all_rows(columns: Columns, data: Dataset) -> Any:
    import numpy as np

    return columns.rows(np.arange(data.n_rows))


def _numbers(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values.ravel())


def _module(family: str) -> str | None:
    """Return the module of the user's code that a family is."""
    if ":" not in family:
        return None
    name = family.partition(":")[2] if kind_of(family) else family
    return name.partition(":")[0]


def _notes(fitted: Fitted) -> tuple[str, ...]:
    if fitted.engine.endswith("own fit"):
        return ("the model's own fit watches a tenth of the rows, as in every fold",)
    return ()


def _check_same(
    model: Any, loaded: Any, X: NDArray[Any], X_loaded: NDArray[Any], task: Task
) -> None:
    """Refuse a saved model that does not predict what the trained one does.

    Raises:
        TrialError: It does not.
    """
    import numpy as np

    # Codes may differ where two classes are as good as equally probable.
    names = ("predict_proba", "decision_function") if task == "classification" else ()
    method = next((name for name in names if hasattr(model, name)), "predict")
    expected = np.asarray(getattr(model, method)(X), dtype=float)
    got = np.asarray(getattr(loaded, method)(X_loaded), dtype=float)
    size = max(1.0, float(np.abs(expected).max(initial=0.0)))
    if expected.shape != got.shape or np.abs(expected - got).max() > TOLERANCE * size:
        raise TrialError(
            "error",
            "the saved model predicts something else than the trained one; layers of "
            "your own need a get_config that tells all of what they were made with",
        )
