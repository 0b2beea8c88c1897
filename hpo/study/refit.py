"""Train the chosen trial once more on all training rows, in a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpo.records import Params, TestLook, Trial
from hpo.study.prepare import Prepared


@dataclass(frozen=True)
class Refitted:
    """A trial's model, trained on all rows but the test part.

    Args:
        params: It was trained with: those of the trial, but for ``epochs`` and
            ``patience`` where its folds stopped early.
        model_file: Name of the model in the folder: ``model.keras`` or ``model.skops``.
        preprocessing_file: Name of the fitted transformer of the features in the
            folder, for `hpo.models.saving.load_preprocessing`; None if there is none.
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

    Args:
        prepared: The study.
        trial: Complete, with its folds: their best epochs say how long to train.
        folder: Where the files go, made if it is missing; None to keep none of them.
        manual: Whether the trial is one of `hpo try`.
        with_test: Score it on the test part too.
        n_trials: How many trials of the study have finished, for the look.

    Raises:
        StudyError: The model is an objective, which has no model to fit; or there is no
            test part.
        TrialError: Training failed.
        EngineError: No worker can be started.
    """
    raise NotImplementedError
