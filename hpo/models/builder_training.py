"""How networks of builders are trained: together, in turn, or by Keras' own ``fit``.

The folds of a trial share every step of a program where that gains something
(`hpo.models.traced_stack`); else each network has a program's steps for itself
(`hpo.models.traced_fit`), where that is known to be what ``fit`` does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hpo.errors import TrialError
from hpo.models import traced_choice
from hpo.models.builder_keras import Training
from hpo.models.builder_progress import Progress
from hpo.models.family import FitRequest, Fitted, HandedBack, one_by_one
from hpo.models.stopping import lacks_memory, require_finite
from hpo.models.traced_fit import train
from hpo.models.traced_program import Programs
from hpo.models.traced_stack import train_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROGRAMS = Programs()

STACKED = "stacked"
"""All folds of a trial at once, in a compiled program."""

SCAN = "scan"
"""One network after the other, in a compiled program."""

SINGLE = "a fold at a time"
"""Why a network that might be stacked is not: it came by itself."""

Begin: TypeAlias = Callable[[FitRequest], Training | Fitted]
"""Builds a network, and an equal one when it is called again; a fitted one is a result
already."""


def fit_each(begin: Begin, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
    """Train a network for each request, all of them at once if they can be stacked.

    Args:
        begin: Builds a network.
        requests: One, or the folds of one trial.

    Returns:
        For each request the trained network, the same bits for the same requests on one
        thread, or why there is none: `TrialError` if the model does not fit the task,
        its loss became NaN or infinite, or its training fails; `HandedBack` if it is to
        be trained by itself.
    """
    begun: list[Training] = []
    try:
        for request in requests:
            built = begin(request)
            if isinstance(built, Fitted):
                return _only(0, built, requests)
            begun.append(built)
            if len(requests) == 1 or not _may_be_stacked(built):
                break
            built.run  # noqa: B018 - draws what it is to draw before the next build
    except Exception as error:  # the contract: a failure is a result
        return _only(len(begun), error, requests)
    alike = len({training.key for training in begun}) == 1
    if alike and len(begun) == len(requests) > 1:
        return _train_together(begun, begin)
    (trained,) = one_by_one(lambda _: _train(begun[0], begin), requests[:1])
    return _only(0, trained, requests)


def _only(
    at: int, result: Fitted | Exception, requests: Sequence[FitRequest]
) -> list[Fitted | Exception]:
    """Return one result, and hand all other requests back."""
    results: list[Fitted | Exception] = [HandedBack() for _ in requests]
    results[at] = result
    return results


def _may_be_stacked(training: Training) -> bool:
    return (
        traced_choice.why_fit(training.network.model) is None
        and training.why_alone is None
    )


def _train_together(
    trainings: Sequence[Training], begin: Begin
) -> list[Fitted | Exception]:
    """Train networks in one program, or in turn if there is none."""
    first = trainings[0]
    key = first.key, len(trainings)
    reason = PROGRAMS.why_not(key)
    if reason is None:
        try:
            program = PROGRAMS.get(first.key, first.network.model, first.data)
            failed = train_together(program, [training.run for training in trainings])
        except Exception as error:  # whatever the models do inside of a trace
            if lacks_memory(error):
                raise  # of this trial, not of its program
            reason = PROGRAMS.refuse(key, error)
        else:
            return _results(trainings, failed)
    why = f"not stacked, {reason}"

    def alone(request: FitRequest) -> Fitted:
        return _train(_begun(request, begin), begin, why)

    return one_by_one(alone, [training.request for training in trainings])


def _results(
    trainings: Sequence[Training], failed: Sequence[TrialError | None]
) -> list[Fitted | Exception]:
    """Return the networks of a stack, each with its share of the time."""
    seconds = (time.perf_counter() - trainings[0].started) / len(trainings)
    results: list[Fitted | Exception] = []
    for training, error in zip(trainings, failed, strict=True):
        if error is None:
            results.append(training.fitted(STACKED, seconds))
        else:
            error.engine = training.engine(STACKED)
            results.append(error)
    return results


def _train(training: Training, begin: Begin, alone: str | None = None) -> Fitted:
    """Train one network, in a program if it has one.

    Args:
        training: Of the network.
        begin: Builds it anew.
        alone: Why it is not stacked, if not for what it is.
    """
    reason = traced_choice.why_fit(training.network.model)
    if reason is not None:
        return _fit(training, reason)
    scan = f"{SCAN}: {alone or training.why_alone or SINGLE}"
    key = training.key
    reason = PROGRAMS.why_not(key)
    if reason is None:
        try:
            run = training.run
            train(PROGRAMS.get(key, run.model, run.data), run)
        except TrialError as error:
            error.engine = training.engine(scan)
            raise
        except Exception as error:  # whatever the model does inside of a trace
            if lacks_memory(error):
                raise  # of this trial, not of its program
            reason = PROGRAMS.refuse(key, error)
            started = training.started
            training = _begun(training.request, begin)
            training.started = started
        else:
            return training.fitted(scan)
    return _fit(training, reason)


def _begun(request: FitRequest, begin: Begin) -> Training:
    """Build a network that needs to be trained."""
    training = begin(request)
    assert isinstance(training, Training)
    return training


def _fit(training: Training, reason: str) -> Fitted:
    """Train one network by Keras' own ``fit``."""
    kind = f"fit: {reason}"
    try:
        _run_fit(training)
    except TrialError as error:
        error.engine = training.engine(kind)
        raise
    return training.fitted(kind)


def _run_fit(training: Training) -> None:
    watcher = make_watcher(training.progress)
    data, watched = training.data, training.watched
    with training.code.worded(" in training"):
        training.network.model.fit(
            data.x,
            data.y,
            sample_weight=data.weight,
            batch_size=training.batch_size,
            epochs=training.course.epochs,
            validation_data=None if watched is None else (watched.x, watched.y),
            callbacks=[watcher],
            shuffle=True,
            verbose=0,
        )
        watcher.finish()


def make_watcher(progress: Progress) -> Any:
    """Return the callback that keeps curves and best weights, and ends a training.

    Args:
        progress: Is told of every epoch.
    """
    import keras
    import numpy as np

    class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
        """Stops by the rule of every family, and at once if the loss is no number."""

        def __init__(self) -> None:
            super().__init__()
            self._best: list[NDArray[Any]] = []

        def on_epoch_end(
            self, epoch: int, logs: dict[str, float] | None = None
        ) -> None:
            if progress.see(epoch + 1, logs or {}):
                self._best = self.model.get_weights()
            if progress.stops_after(epoch + 1):
                self.model.stop_training = True

        def finish(self) -> None:
            """Go back to the best weights; refuse weights that are no numbers."""
            if self._best:
                self.model.set_weights(self._best)
            weights = self.model.get_weights()
            if not all(np.isfinite(w).all() for w in weights if w.dtype.kind == "f"):
                require_finite(math.nan, progress.n_epochs, "weight")

    return Watcher()
