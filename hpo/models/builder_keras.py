"""Keras models that a builder returned, made ready for training.

It owns loss and optimizer of a model that has none, which rows a network trains on and
which ones early stopping watches. What the model itself says stands. How networks are
trained is for `hpo.models.builder_training`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Hashable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models import traced_choice
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_info import DataInfo
from hpo.models.builder_network import Network, examine, labels_for, loss_for
from hpo.models.builder_progress import METRIC, Progress
from hpo.models.family import FitRequest, Fitted
from hpo.models.keras_runtime import prepare
from hpo.models.stopping import inner_split
from hpo.models.traced_fit import Run
from hpo.models.traced_program import backend_module
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

STACKED_BYTES = 64 * 2**20
"""Rows of one fold, which a stack has in memory once for each."""


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
        self.batch_size = min(self.course.batch_size, self.data.n_rows)
        self.progress = Progress(self.course.patience)

    @cached_property
    def key(self) -> Hashable:
        """What two networks share only if one program can train both."""
        # Seed included: code of the user's may hold numbers that it has drawn.
        facts = repr(asdict(self.network.info))
        built_from = (self.code, params_key(self.request.params), facts)
        return traced_choice.key_of(self.network.model, self.data, built_from)

    @property
    def why_alone(self) -> str | None:
        """Why it is not to be stacked with other folds; None if it may be."""
        return why_alone(self.network.model, self.course, self.request.X.shape)

    @cached_property
    def run(self) -> Run:
        """What a compiled program takes.

        Asked for right after the build, since it draws what ``fit`` would draw then.
        """
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

    def fitted(self, kind: str, seconds: float | None = None) -> Fitted:
        """Return the network, trained now.

        Args:
            kind: What trained it.
            seconds: How long that took; None for all since it was begun.
        """
        if seconds is None:
            seconds = time.perf_counter() - self.started
        return Fitted(
            model=self.network,
            fit_seconds=seconds,
            n_epochs=self.progress.n_epochs,
            best_epoch=self.progress.best_epoch,
            n_parameters=traced_choice.n_trainable(self.network.model),
            curves=self.progress.curves,
            engine=self.engine(kind),
        )


def why_alone(model: Any, course: Course, shape: tuple[int, ...]) -> str | None:
    """Say why a network is not to be stacked with other folds; None if it may be.

    Args:
        model: Compiled; see `hpo.models.traced_choice.why_alone`.
        course: How it is trained.
        shape: Of its rows, (n, ...).
    """
    if course.patience is not None:
        return "early stopping ends its folds apart"
    if 4 * math.prod(shape) > STACKED_BYTES:  # as float32
        return "the rows of all folds fill memory"
    n_updates = course.epochs * math.ceil(shape[0] / course.batch_size)
    if n_updates < backend_module().STACKED_UPDATES:
        return "few updates: a stack would take longer to compile than it saves"
    return traced_choice.why_alone(model)


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
