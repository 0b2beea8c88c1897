"""Train the chosen trial once more on all training rows, in a worker process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hpo.engines.engine import WorkerLostError
from hpo.engines.local import LocalEngine
from hpo.errors import StudyError, TrialError
from hpo.evaluation.refit import RefitResult, RefitTask, make_refitter
from hpo.records import Params, TestLook, Trial, TrialKind
from hpo.store.writer import MANUAL, SEARCH
from hpo.study.backend import variables
from hpo.study.prepare import Prepared
from hpo.study.workers import shared_plan
from hpo.user_code import OBJECTIVE, kind_of


@dataclass(frozen=True)
class Refitted:
    """A trial's model, trained on all rows but the test part.

    Args:
        params: It was trained with: those of the trial, but for ``epochs`` and
            ``patience`` where its folds stopped early.
        model_file: Name of the model in the folder: ``model.keras`` or ``model.skops``;
            empty if no files were kept.
        preprocessing_file: Name of the fitted transformer of the features in the
            folder, for `hpo.models.saving.load_preprocessing`; None if no files were
            kept.
        target_shift: Predictions are ``model(X) * target_spread + target_shift``, a
            number for each target; None if targets were not scaled.
        target_spread: See there.
        engine: What trained it, as in `hpo.records.FoldResult`.
        n_rows: How many rows it was trained on.
        n_epochs: Epochs trained, or None.
        n_parameters: Trained weights, or None.
        fit_seconds: Wall time of preprocessing and training.
        train_score: The study's metric on the rows that it was trained on.
        curves: Learning curves, as in `hpo.records.FoldResult`.
        look: Its score on the test part, if that was asked for; not stored yet.
        notes: What the user should know, one sentence each, for example that loading
            it takes the builder's module.
    """

    params: Params
    model_file: str
    preprocessing_file: str | None
    target_shift: tuple[float, ...] | None
    target_spread: tuple[float, ...] | None
    engine: str
    n_rows: int
    n_epochs: int | None
    n_parameters: int | None
    fit_seconds: float
    train_score: float
    curves: Mapping[str, tuple[float, ...]]
    look: TestLook | None = None
    notes: tuple[str, ...] = ()


def refit(
    prepared: Prepared,
    trial: Trial,
    folder: Path | None,
    *,
    manual: bool = False,
    with_test: bool = False,
    n_trials: int = 0,
) -> Refitted:
    """Train a trial's params on all training rows and save the model.

    Its seed is a stream of its own of the study's: the same trial gives the same model.

    Args:
        prepared: The study.
        trial: Complete, with its folds: their best epochs say how long to train.
        folder: Where the files go, made if it is missing; None to keep none of them.
            A training that fails or is killed leaves nothing there.
        manual: Whether the trial is one of `hpo try`.
        with_test: Score it on the test part too.
        n_trials: How many trials of the study have finished, for the look.

    Raises:
        StudyError: The model is an objective, which has no model to fit; or there is no
            test part.
        TrialError: Training failed.
        EngineError: No worker can be started.
    """
    _refuse(prepared, with_test=with_test)
    kind: TrialKind = MANUAL if manual else SEARCH
    params, notes = refit_params(trial, is_users_code=":" in prepared.spec.model)
    test = prepared.test if with_test else None
    with _place(folder) as place:
        task = RefitTask(params, kind, trial.number, place, test)
        result = _train(prepared, task)
    return Refitted(
        params=params,
        model_file=result.model_file,
        preprocessing_file=result.preprocessing_file,
        target_shift=result.target_shift,
        target_spread=result.target_spread,
        engine=result.engine,
        n_rows=prepared.plan.data.n_rows,
        n_epochs=result.n_epochs,
        n_parameters=result.n_parameters,
        fit_seconds=result.fit_seconds,
        train_score=result.train_score,
        curves=result.curves,
        look=_look(prepared, task, result, n_trials),
        notes=(*notes, *result.notes),
    )


def refit_params(
    trial: Trial, *, is_users_code: bool
) -> tuple[Params, tuple[str, ...]]:
    """Return what a trial is trained with on all rows, and what to say of it.

    With all rows there are none to watch: where the folds stopped early, training takes
    the median of their best epochs, rounded, and does not stop before.

    Args:
        trial: With its folds.
        is_users_code: Whether the model is code of the user's, which may read
            ``patience``: it stays, and is None.
    """
    best = [fold.best_epoch for fold in trial.folds if fold.best_epoch is not None]
    if trial.params.get("patience") is None or not best:
        return trial.params, ()
    epochs = max(1, round(median(best)))
    params = {**trial.params, "epochs": epochs, "patience": None}
    if not is_users_code:
        del params["patience"]
    listed = ", ".join(map(str, best))
    trained = f"trained for {epochs} epoch{'s' if epochs > 1 else ''}"
    return params, (f"{trained}, the median of the folds' best ones ({listed})",)


def _refuse(prepared: Prepared, *, with_test: bool) -> None:
    name = prepared.spec.name
    if kind_of(prepared.spec.model) == OBJECTIVE:
        raise StudyError(
            f"study {name!r}: an objective gives a score and no model, so there is "
            "none to train on all rows; train one with the best params yourself"
        )
    if with_test and prepared.n_test == 0:
        raise StudyError(
            f"study {name!r} has no test part (data.test_size is 0), so there is "
            "nothing to score; hold rows out from the start in a new study"
        )


def _train(prepared: Prepared, task: RefitTask) -> RefitResult:
    """Train in a worker process of its own, as folds are trained."""
    engine = prepared.spec.engine
    plan, tidy_up = shared_plan(prepared.plan)
    with LocalEngine(
        make_refitter,
        (plan,),
        n_workers=1,
        threads=engine.threads,
        environment=variables(engine.backend, engine.threads),
        on_close=tidy_up,
    ) as worker:
        try:
            result: RefitResult = worker.submit(task).result()
        except WorkerLostError as error:
            what = f"training on all rows failed: its worker process is gone ({error})"
            raise TrialError("worker-lost", what) from error
    return result


def _look(
    prepared: Prepared, task: RefitTask, result: RefitResult, n_trials: int
) -> TestLook | None:
    if task.test is None or result.test_metrics is None:
        return None
    return TestLook(
        kind=task.kind,
        number=task.number,
        score=result.test_metrics[prepared.plan.metric],
        metrics=result.test_metrics,
        n_trials=n_trials,
        y=task.test.y,
        predictions=result.test_predictions,
    )


@contextmanager
def _place(folder: Path | None) -> Iterator[Path | None]:
    """Give a folder for files, which are moved to ``folder`` once they are whole.

    Raises:
        StudyError: On entering: there can be no such folder.
    """
    if folder is None:
        yield None
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Inside of a folder that is there, so that what a kill leaves is in one place.
        where = folder if folder.is_dir() else folder.parent
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=where))
    except OSError as error:
        what = f"{folder}: files cannot be written there: {error.strerror}"
        raise StudyError(what) from error
    try:
        yield made
        folder.mkdir(exist_ok=True)
        for file in sorted(made.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)
