"""Training of Keras models that a builder returned.

It owns loss and optimizer of a model that has none, which rows a network trains on and
which ones early stopping watches, and how each network is trained: in a compiled
program (`hpo.models.traced_fit`) where that is known to be what ``fit`` does, else by
Keras' own ``fit``. What the model itself says stands.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models import traced_choice
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_info import DataInfo
from hpo.models.builder_network import Network, examine, labels_for, loss_for
from hpo.models.builder_progress import METRIC, Progress
from hpo.models.family import FitRequest, Fitted, one_by_one
from hpo.models.keras_runtime import prepare
from hpo.models.stopping import inner_split, lacks_memory, require_finite
from hpo.models.traced_fit import Run, n_rows, train
from hpo.models.traced_program import Programs
from hpo.models.traced_step import Batch
from hpo.models.vocabulary import ENTRIES, KERAS
from hpo.records import Params, ParamValue, params_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_OPTIMIZER = str(ENTRIES["optimizer"].default)

COURSE = ("batch_size", "epochs", "patience")
"""Hyperparameters of the training of every Keras model."""

OPTIMIZER = (
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "beta_1",
    "beta_2",
    "epsilon",
    "rho",
)
"""Hyperparameters of a Keras model that comes without an optimizer."""

PROGRAMS = Programs()
SCAN = "scan"
"""One network after the other, in a compiled program."""


@dataclass(frozen=True)
class Course:
    """How a network is trained; the fields are hyperparameters of `keras-mlp` too.

    Args:
        batch_size: Rows of one update.
        epochs: Passes over the rows, at most.
        patience: Epochs without gain before the end, or None.
    """

    batch_size: int
    epochs: int
    patience: int | None

    @classmethod
    def of(cls, params: Params) -> Course:
        """Read ``params``; what is missing has its default."""
        patience = _value(params, "patience")
        return cls(
            batch_size=int(_value(params, "batch_size") or 0),
            epochs=int(_value(params, "epochs") or 0),
            patience=None if patience is None else int(patience),
        )


@dataclass(eq=False)
class Training:
    """One network that is about to be trained; make it right after its model.

    Args:
        network: With its model, compiled.
        code: Who built it.
        request: What for.
    """

    network: Network
    code: BuilderCode
    request: FitRequest
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.course = Course.of(self.request.params)
        with self.code.worded(" in training"):
            self.data, self.watched = rows_of(self)
        self.batch_size = min(self.course.batch_size, n_rows(self.data))
        self.progress = Progress(self.course.patience)

    @property
    def key(self) -> Hashable:
        """What two networks share only if one program can train both."""
        # Seed included: code of the user's may hold numbers that it has drawn.
        facts = repr(asdict(self.network.info))
        built_from = (self.code, params_key(self.request.params), facts)
        return traced_choice.key_of(self.network.model, self.data, built_from)

    def run(self) -> Run:
        """Return it as a compiled program takes it."""
        return Run(
            self.network.model,
            self.data,
            self.watched,
            self.batch_size,
            self.course.epochs,
            self.progress,
        )

    def engine(self, kind: str) -> str:
        """Say what trains it: packages with their versions, and in what way."""
        return f"{prepare()} {kind}"

    def fitted(self, kind: str) -> Fitted:
        """Return the network, trained now."""
        return Fitted(
            model=self.network,
            fit_seconds=time.perf_counter() - self.started,
            n_epochs=self.progress.n_epochs,
            best_epoch=self.progress.best_epoch,
            n_parameters=n_trainable(self.network.model),
            curves=self.progress.curves,
            engine=self.engine(kind),
        )


def fit_each(
    begin: Callable[[FitRequest], Training | Fitted], requests: Sequence[FitRequest]
) -> list[Fitted | Exception]:
    """Train a network for each request, one after the other.

    Args:
        begin: Builds a network; a fitted one is a result already. It gives an equal one
            when it is called again.
        requests: In any order.

    Returns:
        For each request the trained network, the same bits for the same requests on one
        thread, or why there is none: `TrialError` if the model does not fit the task,
        its loss became NaN or infinite, or its training fails.
    """

    def fit(request: FitRequest) -> Fitted:
        begun = begin(request)
        return begun if isinstance(begun, Fitted) else _train(begun, begin)

    return one_by_one(fit, requests)


def _train(
    training: Training, begin: Callable[[FitRequest], Training | Fitted]
) -> Fitted:
    """Train one network, in a program if it has one."""
    reason = traced_choice.why_fit(training.network.model)
    if reason is not None:
        return _fit(training, reason)
    key = training.key
    reason = PROGRAMS.why_not(key)
    if reason is None:
        try:
            run = training.run()
            train(PROGRAMS.get(key, run.model, run.data), run)
        except TrialError as error:
            error.engine = training.engine(SCAN)
            raise
        except Exception as error:  # whatever the model does inside of a trace
            if lacks_memory(error):
                raise  # of this trial, not of its program
            reason = PROGRAMS.refuse(key, error)
            training = _again(training, begin)
        else:
            return training.fitted(SCAN)
    return _fit(training, reason)


def _again(
    training: Training, begin: Callable[[FitRequest], Training | Fitted]
) -> Training:
    """Build a network anew; what was tried with it has changed it."""
    fresh = begin(training.request)
    assert isinstance(fresh, Training)
    fresh.started = training.started
    return fresh


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


def prepared(
    model: Any, code: BuilderCode, params: Params, info: DataInfo, X: NDArray[Any]
) -> Network:
    """Check a model against the task and compile it if it is not.

    Raises:
        TrialError: It does not fit the task.
    """
    network = examine(model, code, info, X)
    if not model.compiled:
        # A training step of the user's may not tell metrics that it never asked for.
        own = traced_choice.own_method(model) is not None
        metrics = None if own else [METRIC[info.task]]
        model.compile(
            optimizer=make_optimizer(params),
            loss=network.ends.repeated(loss_for(info, network.n_units)),
            metrics=None if metrics is None else network.ends.repeated(metrics),
        )
    free_optimizer(model)
    return network


def free_optimizer(model: Any) -> None:
    """Let a compiled model be forgotten when it has been trained."""
    optimizer: Any = getattr(model, "optimizer", None)
    if hasattr(optimizer, "_all_reduce_sum_gradients"):
        # As in hpo.models.traced_optimizer: there is one replica, and the sum over
        # replicas would keep the graph of every network in memory for ever.
        optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars


def make_optimizer(params: Params) -> Any:
    """Return the optimizer that ``params`` ask for, Adam by default."""
    import keras

    name = str(_value(params, "optimizer"))
    options = {option: _value(params, option) for option in options_of(name)}
    given = {option: v for option, v in options.items() if v is not None}
    return type(keras.optimizers.get(name))(**given)


def options_of(optimizer: str) -> tuple[str, ...]:
    """Return the hyperparameters that an optimizer reads."""
    return tuple(name for name in OPTIMIZER if optimizer in ENTRIES[name].optimizers)


def n_trainable(model: Any) -> int:
    """Count the numbers that training changes."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def make_room() -> None:
    """Let go of what Keras keeps of earlier models, if it is there at all."""
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.clear_session(free_memory=False)


def rows_of(training: Training) -> tuple[Batch, Batch | None]:
    """Return the rows to train on and those that early stopping watches, as arrays."""
    network, request = training.network, training.request
    X, weights = request.X.astype("float32"), request.sample_weight

    def given(rows: Any, weight: Any = None) -> Batch:
        x, y = network.ends.feed(X[rows]), labels_for(network, request.y[rows])
        each = None if weight is None else weight[rows].astype("float32")
        return Batch(x, y, None if each is None else network.ends.repeated(each))

    if training.course.patience is None:
        return given(slice(None), weights), None
    rows, held = inner_split(request.y, request.task, network.info.seed)
    return given(rows, weights), given(held)


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


def _value(params: Params, name: str) -> ParamValue:
    """Return the value of a hyperparameter of the vocabulary, typed and checked.

    Raises:
        TrialError: A value that the vocabulary does not know.
    """
    entry = ENTRIES[name]
    value = params.get(name, entry.default)
    if value is None and entry.default is None:
        return None
    if what := entry.why_not(value, KERAS):
        raise TrialError("error", f"{name}: {what}")
    if entry.kind == "int" and isinstance(value, int | float):
        return int(value)
    return value
