"""The compiled trainings of this process: which there are, and whether they are right.

A program is checked before its first use, against Keras' own ``train_on_batch``. It
knows no early stopping and no params.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hpo.models.builder_code import one_line
from hpo.models.traced_group import member, segments, stacked_states
from hpo.models.traced_step import Batch, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PROGRAMS = 16
"""Programs kept per process; each takes a few MB."""

MAX_REFUSALS = 1024
CHECKED_STEPS = 3
CHECKED_ROWS = 8
CHECKED_RATE = 1e-3
TOLERANCE = 1e-5
UPDATE_TOLERANCE = 1e-2
"""Of the largest update of a variable: where updates are small, all of one could be
wrong within the other tolerance."""
ROUNDING = 1e-6
LOOSE_TOLERANCE = 1e-2
"""For weights whose true gradient is 0, as a bias before a normalization has: what
moves them is rounding, which Adam scales up to whole steps of the learning rate."""

_LOOSENS = ("Normalization", "Attention")
_LOOSE = ("bias", "moving_mean", "moving_variance")


class NotTraceableError(Exception):
    """A model trains otherwise in a program, or not at all; says why."""


class Program:
    """The compiled training of all models with one key.

    Args:
        model: One of them; its variables are placeholders from now on.
        batch: A few rows as they get them, arrays.
    """

    def __init__(self, model: Any, batch: Batch) -> None:
        self.backend = backend_module()
        # A few rows tell types and shapes: a program outlives the data.
        self._few = batch.take(slice(0, 2))
        self.epochs = self.backend.Epochs(model, self._few)
        self._stacks: dict[int, Any] = {}
        self._checked: set[int] = set()

    def start(self, model: Any) -> State:
        """Return the state that a new model starts from, arrays."""
        state: State = self.epochs.step.state_of(model)
        return state

    def stack(self, size: int) -> Any:
        """Return what trains ``size`` networks at once, made when first asked for."""
        if size not in self._stacks:
            self._stacks[size] = self.backend.Stack(self.epochs.step, self._few, size)
        return self._stacks[size]

    def check(
        self, model: Any, data: Batch, order: NDArray[Any], batch_size: int
    ) -> None:
        """Train a few steps here and by ``train_on_batch``, once per program.

        Their learning rate is a small one, whatever the trial's: large steps scale up
        rounding, and the verdict must not depend on the trial that comes first.

        Args:
            model: A new one; its weights are others afterwards.
            data: Its rows, arrays.
            order: Positions of rows to train on.
            batch_size: Rows of one update.

        Raises:
            NotTraceableError: The weights differ.
        """
        if 1 in self._checked:
            return
        size = _checked_size([order], batch_size)
        few = order[: CHECKED_STEPS * size]
        device = self.backend.on_device
        with self._calm([model]):
            start = self.start(model)
            state, logs = self.epochs.train(
                device(start), self.backend.rows_on_device(data), device(few), size
            )
            compare(model, data.take(few), size, start, state, logs)
        self._checked.add(1)

    def check_stack(
        self,
        models: Sequence[Any],
        data: Sequence[Batch],
        rows: Batch,
        orders: Sequence[NDArray[Any]],
        batch_size: int,
    ) -> None:
        """Do the same for the last network of a stack; see `check`.

        It is the one that shows if all of them had what belongs to the first.

        Args:
            models: New ones; the last one's weights are others afterwards.
            data: Rows of each, arrays.
            rows: The same, stacked, on the device.
            orders: Positions of rows of each.
            batch_size: Rows of one update.

        Raises:
            NotTraceableError: The weights differ.
        """
        if len(models) in self._checked:
            return
        size = _checked_size(orders, batch_size)
        few = [order[: CHECKED_STEPS * size] for order in orders]
        with self._calm(models):
            starts = [self.start(model) for model in models]
            state, logs = self.stack(len(models)).train(
                self.backend.on_device(stacked_states(starts)),
                rows,
                segments(few, size),
                size,
            )
            seen = {name: values[-1] for name, values in logs.items()}
            last, found = data[-1].take(few[-1]), member(state, -1)
            compare(models[-1], last, size, starts[-1], found, seen)
        self._checked.add(len(models))

    @contextmanager
    def _calm(self, models: Sequence[Any]) -> Iterator[None]:
        """Set small learning rates, but for schedules, which are compiled in.

        Optimizers get back what they had: a network is saved with its own.
        """
        import keras

        rates = [getattr(model.optimizer, "_learning_rate", None) for model in models]
        variables = [rate for rate in rates if isinstance(rate, keras.Variable)]
        given = _arrays(variables)
        for variable in variables:
            variable.assign(CHECKED_RATE)
        try:
            yield
        finally:
            for variable, value in zip(variables, given, strict=True):
                variable.assign(value)
            for model in models:
                if model.optimizer.built:
                    remembered = model.optimizer.variables
                    fresh = self.start(model).optimizer
                    for variable, value in zip(remembered, fresh, strict=True):
                        variable.assign(value)


class Programs:
    """The programs of this process; the less recently used half goes when it is full.

    Args:
        limit: How many to keep.
    """

    def __init__(self, limit: int = MAX_PROGRAMS) -> None:
        self._limit = limit
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._refused: dict[Hashable, str] = {}

    def __len__(self) -> int:
        return len(self._programs)

    def why_not(self, key: Hashable) -> str | None:
        """Say why the models of a key have no program; None if they may have one."""
        return self._refused.get(key)

    def refuse(self, key: Hashable, error: Exception) -> str:
        """Remember that there is no program for ``key``; return why, on one line."""
        self._programs.pop(key, None)
        if len(self._refused) >= MAX_REFUSALS:
            self._refused.clear()
        self._refused[key] = _why(error)
        return self._refused[key]

    def get(self, key: Hashable, model: Any, batch: Batch) -> Program:
        """Return the program of ``key``; a new one is made from ``model``."""
        if key not in self._programs:
            if len(self._programs) >= self._limit:
                self._make_room()
            self._programs[key] = Program(model, batch)
        self._programs.move_to_end(key)
        return self._programs[key]

    def _make_room(self) -> None:
        for _ in range((self._limit + 1) // 2):
            self._programs.popitem(last=False)
        # Graphs and models refer to each other in circles.
        gc.collect()


def backend_module() -> ModuleType:
    """Return the module with the compiled epochs of the backend that Keras has."""
    import keras

    if keras.backend.backend() == "jax":
        from hpo.models import traced_jax

        return traced_jax
    from hpo.models import traced_tensorflow

    return traced_tensorflow


def _checked_size(orders: Sequence[NDArray[Any]], batch_size: int) -> int:
    """Return the rows of a step of the check: what an epoch leaves over, if enough.

    What is compiled for it has a use afterwards.
    """
    left = min(len(order) % batch_size for order in orders)
    return left if left >= CHECKED_ROWS else batch_size


def compare(
    model: Any, rows: Batch, batch_size: int, start: State, state: State, logs: Any
) -> None:
    """Train a model by ``train_on_batch`` and compare it with one trained here.

    Args:
        model: In its ``start``.
        rows: To train on, in order.
        batch_size: Rows of one update.
        start: Where both begin.
        state: Where the other one is.
        logs: What is known of its training.

    Raises:
        NotTraceableError: The two differ.
    """
    model.run_eagerly = backend_module().EAGER_IS_FASTER
    loss = 0.0
    try:
        for first in range(0, rows.n_rows, batch_size):
            part = rows.take(slice(first, first + batch_size))
            model.reset_metrics()
            seen = model.train_on_batch(*part, return_dict=True)
            loss += float(seen["loss"]) * part.n_rows / rows.n_rows
    finally:
        model.run_eagerly = False
        model.train_function = None
    if not _near(loss, float(logs["loss"])) or not _all_alike(model, start, state):
        raise NotTraceableError("self-check: weights differ from those of fit")


def _why(error: Exception) -> str:
    """Return why a model has no program, on one line."""
    said = one_line(str(error))
    return said if isinstance(error, NotTraceableError) else f"cannot be traced: {said}"


def _arrays(tensors: Any) -> list[Any]:
    import keras

    return [keras.ops.convert_to_numpy(tensor) for tensor in tensors]


def _has_rounding_weights(model: Any) -> bool:
    return any(
        word in type(layer).__name__
        for layer in model._flatten_layers()
        for word in _LOOSENS
    )


def _all_alike(model: Any, start: State, state: State) -> bool:
    """Tell whether a model, trained by Keras, has the weights of ``state``."""
    loosens = _has_rounding_weights(model)
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    begun = [*start.trainable, *start.others]
    found = _arrays([*state.trainable, *state.others])
    return all(
        _near(expected, other, LOOSE_TOLERANCE)
        if loosens and variable.name in _LOOSE
        else _near(expected, other) and _moved_alike(before, expected, other)
        for variable, before, expected, other in zip(
            variables, begun, _arrays(variables), found, strict=True
        )
    )


def _near(one: Any, other: Any, tolerance: float = TOLERANCE) -> bool:
    import numpy as np

    return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))


def _moved_alike(before: Any, one: Any, other: Any) -> bool:
    """Tell whether two updates of a variable differ by little beside the largest."""
    import numpy as np

    before, one, other = (np.asarray(a, dtype=float) for a in (before, one, other))
    if not before.size:
        return True
    update = np.nanmax(np.abs(one - before), initial=0.0)
    rounding = ROUNDING * np.nanmax(np.abs(one), initial=0.0)
    allowed = UPDATE_TOLERANCE * update + rounding
    return bool(np.allclose(one, other, rtol=0.0, atol=allowed, equal_nan=True))
