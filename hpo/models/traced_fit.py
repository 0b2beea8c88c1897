"""Training of one Keras network in a compiled program.

It owns the epochs of a network, its early stopping and its end. Which model may train
here `hpo.models.traced_choice` says; what a program is, `hpo.models.traced_program`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from hpo.models.builder_progress import Progress
from hpo.models.stopping import require_finite
from hpo.models.traced_program import Program, backend_module
from hpo.models.traced_step import Batch, State

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False)
class Run:
    """One network to train.

    Make it right after the model: it draws what ``fit`` would draw then.

    Args:
        model: Compiled and built, new.
        data: Rows to train on, arrays.
        watched: Rows that early stopping watches, or None.
        batch_size: Rows of one update.
        epochs: Passes over the rows, at most.
        progress: Is told of every epoch.
    """

    model: Any
    data: Batch
    watched: Batch | None
    batch_size: int
    epochs: int
    progress: Progress
    orders: Iterator[NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.orders = backend_module().orders(self.data.n_rows, self.epochs)

    def end(self, state: State) -> None:
        """Give the model its weights.

        Raises:
            TrialError: They are no numbers.
        """
        import keras
        import numpy as np

        model = self.model
        given = [
            *zip(model.trainable_variables, state.trainable, strict=True),
            *zip(model.non_trainable_variables, state.others, strict=True),
        ]
        for variable, value in given:
            array = keras.ops.convert_to_numpy(value)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                require_finite(math.nan, self.progress.n_epochs, "weight")
            variable.assign(array)


def train(program: Program, run: Run) -> None:
    """Train a network; its model has the weights in the end.

    Raises:
        NotTraceableError: The first steps are not those of ``fit``.
        TrialError: A loss or a weight became NaN or infinite.
    """
    backend, epochs, size = program.backend, program.epochs, run.batch_size
    start = program.start(run.model)
    first = next(run.orders)
    program.check(run.model, run.data, first, size)
    state = backend.on_device(start)
    data, watched = backend.rows_on_device(run.data), backend.on_device(run.watched)
    best = None
    for epoch, order in enumerate(chain([first], run.orders), start=1):
        state, logs = epochs.train(state, data, backend.on_device(order), size)
        if watched is not None:
            state, seen = epochs.test(state, watched, size)
            logs = logs | {f"val_{name}": value for name, value in seen.items()}
        if run.progress.see(epoch, logs):
            best = state
        if run.progress.stops_after(epoch):
            break
    run.end(state if best is None else best)
