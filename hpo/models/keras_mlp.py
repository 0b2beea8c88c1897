"""The family `keras-mlp`: dense Keras networks, trained by compiled epochs.

It owns the course of a training: seeds, epochs, early stopping, curves, and the trained
model that is handed on. Weights of rows count in the training loss as they do in Keras'
`fit`: the weighted losses of a batch are divided by its rows. Accuracies, and the rows
that early stopping watches, are not weighted. Importing it does not import TensorFlow.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, TrialError
from hpo.models import checks, vocabulary
from hpo.models.family import FitRequest, Fitted, one_by_one
from hpo.models.keras_network import Architecture, build, stream
from hpo.models.keras_program import Program, Programs
from hpo.models.keras_runtime import prepare
from hpo.models.settings import Settings
from hpo.models.stopping import EarlyStopping, inner_split, require_finite
from hpo.records import Params, ParamValue, Task
from hpo.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP_LIMIT = 5
"""Networks handed over at once: the folds of one trial."""

PROGRAMS = Programs()
LOCK = threading.RLock()
"""Held while a program is in use: threads of one process share the programs."""


class KerasMlp:
    """Dense networks in Keras; see `hpo.models.family.Family`."""

    name = vocabulary.KERAS
    group_limit = GROUP_LIMIT
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def warm_up(self) -> None:
        prepare()

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        return checks.problems(self.name, space, task)

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        return vocabulary.defaults(self.name, task)

    def program_key(self, params: Params) -> Hashable:
        settings = Settings.of(params)
        # The data are the same for the whole study; any will do.
        network = Architecture.of(settings, 1, "regression", 0)
        return network, settings.batch_size

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        return [
            _named(result) if isinstance(result, Exception) else result
            for result in one_by_one(fit, requests)
        ]


def fit(request: FitRequest) -> Fitted:
    """Train one network; the same request gives the same bits in any process.

    Raises:
        TrialError: The loss became NaN or infinite, or memory ran out.
    """
    engine = prepare()
    settings = Settings.of(request.params)
    with LOCK:
        started = time.perf_counter()
        architecture = Architecture.of(
            settings,
            request.X.shape[1],
            request.task,
            request.n_classes,
            1 if request.y.ndim == 1 else request.y.shape[1],
        )
        training = Training(PROGRAMS.get(architecture), settings, request)
        training.run()
        seconds = time.perf_counter() - started
    model = KerasModel(architecture, training.weights, request.n_classes, settings)
    return Fitted(
        model=model,
        fit_seconds=seconds,
        n_epochs=len(training.curves["loss"]),
        best_epoch=training.stopping.best_epoch if training.stopping else None,
        n_parameters=training.program.network.count_params()
        - sum(w.numpy().size for w in training.program.network.non_trainable_weights),
        curves=training.curves,
        engine=engine,
    )


class Training:
    """The training of one network, epoch by epoch.

    Args:
        program: The compiled program of its architecture.
        settings: Its hyperparameters.
        request: Its rows and seed.
    """

    def __init__(
        self, program: Program, settings: Settings, request: FitRequest
    ) -> None:
        self.program = program
        self.weights: list[NDArray[Any]] = []
        self.curves: dict[str, list[float]] = {"loss": []}
        self.stopping: EarlyStopping | None = None
        self._settings, self._seed = settings, settings.seed(request.seed)
        self._classify = request.task == "classification"
        X, y, self._weight = request.X, request.y, request.sample_weight
        if settings.patience is not None:
            self.stopping = EarlyStopping(settings.patience)
            train, watched = inner_split(y, request.task, self._seed)
            self._watched = program.tensors(X[watched], y[watched])
            X, y = X[train], y[train]
            if self._weight is not None:
                self._weight = self._weight[train]
        self._n_rows = len(y)
        self._rows = program.tensors(X, y)

    def run(self) -> None:
        """Train to the end; `weights` are those of the best epoch if one was sought."""
        import numpy as np

        self.program.reset(self._settings, self._seed)
        rng = np.random.default_rng(stream(self._seed, 1))
        batch_size = min(self._settings.batch_size, self._n_rows)
        for epoch in range(1, self._settings.epochs + 1):
            order = rng.permutation(self._n_rows).astype(np.int32)
            loss, accuracy = self.program.epoch(
                *self._rows, order, batch_size, self._weight
            )
            require_finite(loss, epoch)
            self._note("", loss, accuracy)
            if self.stopping is not None:
                self._watch(epoch, self.stopping)
                if self.stopping.stops_after(epoch):
                    break
        if self.stopping is None:
            self.weights = self.program.network.get_weights()
        if not all(np.isfinite(weight).all() for weight in self.weights):
            require_finite(math.nan, len(self.curves["loss"]), "weight")

    def _watch(self, epoch: int, stopping: EarlyStopping) -> None:
        loss, accuracy = self.program.evaluate(*self._watched)
        require_finite(loss, epoch, "loss of the inner split")
        self._note("val_", loss, accuracy)
        if stopping.improves(epoch, loss):
            self.weights = self.program.network.get_weights()

    def _note(self, prefix: str, loss: float, accuracy: float) -> None:
        self.curves.setdefault(f"{prefix}loss", []).append(loss)
        if self._classify:
            self.curves.setdefault(f"{prefix}accuracy", []).append(accuracy)


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A trained network: arrays of weights, which any process can run or pickle.

    Args:
        architecture: What it looks like.
        weights: In the order of Keras' ``get_weights``.
        n_classes: 0 for regression.
        settings: What it was trained with.
    """

    architecture: Architecture
    weights: list[NDArray[Any]]
    n_classes: int
    settings: Settings

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes (int64), shape (n,), or values (float64).

        Values have shape (n,), or (n, n_outputs) for several targets.
        """
        if self.n_classes == 0:
            values = self._outputs(X)
            return values[:, 0] if values.shape[1] == 1 else values
        codes: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return codes

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities, shape (n, n_classes); each row sums to 1."""
        import numpy as np

        outputs = self._outputs(X)
        if self.architecture.n_outputs == 1:
            return np.hstack([1 - outputs, outputs])
        # float32 rows sum to 1 only to 7 digits, which scikit-learn's losses notice.
        normalised: NDArray[Any] = outputs / outputs.sum(axis=1, keepdims=True)
        return normalised

    def network(self) -> Any:
        """Return a stand-alone `keras.Model` with these weights, ready to be saved."""
        prepare()
        settings = self.settings
        network = build(
            self.architecture,
            dropout=settings.dropout,
            l1=settings.l1,
            l2=settings.l2,
        )
        network.set_weights(self.weights)
        return network

    def _outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        prepare()
        with LOCK:
            program = PROGRAMS.get(self.architecture)
            program.network.set_weights(self.weights)
            return program.forward(X)


def _named(error: Exception) -> Exception:
    """Give a lack of memory its kind; leave other errors as they are."""
    if (
        isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        return TrialError(
            "memory", "memory ran out in training: lower units or batch_size"
        )
    return error
