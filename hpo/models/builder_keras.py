"""Training of Keras models that a builder returned, by Keras' own ``fit``.

It owns loss and optimizer of a model that has none, early stopping on the inner split,
and the curves. What the model itself says stands.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_info import DataInfo
from hpo.models.builder_network import Network, examine, labels_for, loss_for
from hpo.models.family import FitRequest, Fitted
from hpo.models.stopping import EarlyStopping, inner_split, require_finite
from hpo.models.vocabulary import ENTRIES, KERAS
from hpo.records import Params, ParamValue

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

CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")


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


def fit(model: Any, code: BuilderCode, request: FitRequest, info: DataInfo) -> Fitted:
    """Train one model; the same request gives the same bits on one thread.

    Raises:
        TrialError: The model does not fit the task, its loss became NaN or infinite,
            or its training fails.
    """
    import keras
    import tensorflow as tf

    started = time.perf_counter()
    network = prepared(model, code, request.params, info, request.X)
    course = Course.of(request.params)
    watcher = make_watcher(course)
    with code.worded(" in training"):
        _train(network, course, request, watcher)
    return Fitted(
        model=network,
        fit_seconds=time.perf_counter() - started,
        n_epochs=watcher.n_epochs,
        best_epoch=watcher.stopping.best_epoch if watcher.stopping else None,
        n_parameters=n_trainable(model),
        curves=watcher.curves,
        engine=f"keras {keras.__version__} tensorflow {tf.__version__} fit",
    )


def prepared(
    model: Any, code: BuilderCode, params: Params, info: DataInfo, X: NDArray[Any]
) -> Network:
    """Check a model against the task and compile it if it is not.

    Raises:
        TrialError: It does not fit the task.
    """
    network = examine(model, code, info, X)
    if not model.compiled:
        metrics = ["accuracy"] if info.task == "classification" else None
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
        # As in hpo.models.keras_optimizers: there is one replica, and the sum over
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


def _train(network: Network, course: Course, request: FitRequest, watcher: Any) -> None:
    X, weights = request.X.astype("float32"), request.sample_weight
    ends = network.ends

    def given(rows: Any) -> tuple[Any, Any]:
        return ends.feed(X[rows]), labels_for(network, request.y[rows])

    rows: Any = slice(None)
    watched: tuple[Any, ...] | None = None
    if course.patience is not None:
        rows, held = inner_split(request.y, request.task, network.info.seed)
        watched = given(held)
    inputs, labels = given(rows)
    each = None if weights is None else weights[rows].astype("float32")
    network.model.fit(
        inputs,
        labels,
        sample_weight=None if each is None else ends.repeated(each),
        batch_size=min(course.batch_size, len(X[rows])),
        epochs=course.epochs,
        validation_data=watched,
        callbacks=[watcher],
        shuffle=True,
        verbose=0,
    )
    watcher.finish()


def make_watcher(course: Course, *, own_loop: bool = False) -> Any:
    """Return the callback that keeps curves and best weights, and ends a training.

    With ``own_loop`` it is told of epochs by code of the user's, whose logs may have
    other names, or none, and keeps all of them.
    """
    import keras
    import numpy as np

    class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
        """Stops by the rule of every family, and at once if the loss is no number."""

        def __init__(self) -> None:
            super().__init__()
            self.curves: dict[str, list[float]] = {} if own_loop else {"loss": []}
            self.n_epochs = 0
            self.stopping: EarlyStopping | None = None
            if course.patience is not None:
                self.stopping = EarlyStopping(course.patience)
            self._best: list[NDArray[Any]] = []

        def on_epoch_end(
            self, epoch: int, logs: dict[str, float] | None = None
        ) -> None:
            seen = {
                name: float(v)
                for name, v in (logs or {}).items()
                if own_loop or name in CURVES
            }
            self.n_epochs += 1
            if "loss" in seen or not own_loop:
                require_finite(seen["loss"], epoch + 1)
            for name, value in seen.items():
                self.curves.setdefault(name, []).append(value)
            if self.stopping is None or (own_loop and "val_loss" not in seen):
                return
            watched = seen["val_loss"]
            require_finite(watched, epoch + 1, "loss of the inner split")
            if self.stopping.improves(epoch + 1, watched):
                self._best = self.model.get_weights()
            if self.stopping.stops_after(epoch + 1):
                self.model.stop_training = True

        def finish(self) -> None:
            """Go back to the best weights; refuse weights that are no numbers."""
            if self._best:
                self.model.set_weights(self._best)
            weights = self.model.get_weights()
            if not all(np.isfinite(w).all() for w in weights if w.dtype.kind == "f"):
                require_finite(math.nan, self.n_epochs, "weight")

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
