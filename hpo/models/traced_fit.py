"""Training of Keras networks in compiled programs: one by itself, or a stack of them.

It owns the epochs of a network, its early stopping and its end. Which model may train
here `hpo.models.traced_choice` says; what a program is, `hpo.models.traced_program`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
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
    orders: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.orders = backend_module().orders(n_rows(self.data), self.epochs)

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


def train_alone(program: Program, run: Run) -> None:
    """Train one network; its model has the weights in the end.

    Raises:
        NotTraceableError: The first steps are not those of ``fit``.
        TrialError: A loss or a weight became NaN or infinite.
    """
    backend, epochs, size = program.backend, program.epochs, run.batch_size
    start = program.start(run.model)
    program.check(run.model, run.data, run.orders[0], size)
    state = backend.on_device(start)
    data, watched = backend.rows_on_device(run.data), backend.on_device(run.watched)
    best = None
    for epoch, order in enumerate(run.orders, start=1):
        state, logs = epochs.train_one(state, data, backend.on_device(order), size)
        if watched is not None:
            state, seen = epochs.test_one(state, watched, size)
            logs = logs | {f"val_{name}": value for name, value in seen.items()}
        if run.progress.see(epoch, logs):
            best = state
        if run.progress.stops_after(epoch):
            break
    run.end(state if best is None else best)


def train_together(program: Program, runs: Sequence[Run]) -> list[TrialError | None]:
    """Train networks side by side; those that have ended are left out of the stack.

    Args:
        program: Of all of them.
        runs: Of equal batch size and numbers of epochs.

    Returns:
        For each network why it failed, or None; models have their weights in the end.

    Raises:
        NotTraceableError: The first steps are not those of networks by themselves.
    """
    stack = _Stack(program, runs)
    failed: list[TrialError | None] = [None] * len(runs)
    best: dict[int, tuple[State, int]] = {}
    for epoch in range(1, runs[0].epochs + 1):
        logs = stack.epoch(epoch)
        going: list[int] = []
        ended: list[int] = []
        for place, index in enumerate(stack.members):
            progress = runs[index].progress
            try:
                if progress.see(epoch, {name: v[place] for name, v in logs.items()}):
                    best[index] = (stack.state, place)
            except TrialError as error:
                failed[index] = error
                continue
            is_last = progress.stops_after(epoch) or epoch == runs[index].epochs
            (ended if is_last else going).append(place)
        for place in ended:
            index = stack.members[place]
            state = program.backend.taken(*best.get(index, (stack.state, place)))
            try:
                runs[index].end(state)
            except TrialError as error:
                failed[index] = error
        stack.keep(going)
        if not going:
            break
    return failed


class _Stack:
    """The networks of a stack that train on.

    Args:
        program: Of all of them.
        runs: All networks.
    """

    def __init__(self, program: Program, runs: Sequence[Run]) -> None:
        import numpy as np

        self._program, self._backend = program, program.backend
        self._batch_size = runs[0].batch_size
        self.members = list(range(len(runs)))
        starts = [program.start(run.model) for run in runs]
        program.check(
            runs[0].model, runs[0].data, runs[0].orders[0], runs[0].batch_size
        )
        device = self._backend.on_device
        self.state: State = device(_stacked(starts))
        self._rows = device(_padded([run.data for run in runs]))
        self._watched = self._watched_sizes = None
        if runs[0].watched is not None:
            watched = [run.watched for run in runs if run.watched is not None]
            self._watched = device(_padded(watched))
            self._watched_sizes = device(_sizes(watched))
        self._sizes = device(_sizes([run.data for run in runs]))
        longest = max(run.orders.shape[1] for run in runs)
        self._orders = np.stack([_pad(run.orders.T, longest).T for run in runs])
        program.check_stack(
            runs[0].model,
            self.state,
            self._rows,
            device(self._orders[:, 0]),
            self._sizes,
            self._batch_size,
        )

    def epoch(self, epoch: int) -> dict[str, NDArray[Any]]:
        """Train epoch ``epoch`` (from 1); return what ``fit`` would report of each."""
        import keras

        epochs, size = self._program.epochs, self._batch_size
        order = self._backend.on_device(self._orders[self.members, epoch - 1])
        self.state, logs = epochs.train_many(
            self.state, self._rows, order, self._sizes, size
        )
        if self._watched is not None:
            self.state, seen = epochs.test_many(
                self.state, self._watched, self._watched_sizes, size
            )
            logs = logs | {f"val_{name}": value for name, value in seen.items()}
        return {name: keras.ops.convert_to_numpy(v) for name, v in logs.items()}

    def keep(self, places: list[int]) -> None:
        """Leave all networks out but those at ``places``."""
        if len(places) == len(self.members) or not places:
            return
        self.members = [self.members[place] for place in places]
        self.state, self._rows, self._sizes = self._backend.taken(
            (self.state, self._rows, self._sizes), places
        )
        if self._watched is not None:
            self._watched, self._watched_sizes = self._backend.taken(
                (self._watched, self._watched_sizes), places
            )


def n_rows(data: Batch) -> int:
    """Count rows."""
    return len(data.x[0] if isinstance(data.x, list) else data.x)


def _sizes(batches: Sequence[Batch]) -> NDArray[Any]:
    import numpy as np

    return np.array([n_rows(batch) for batch in batches], dtype="int32")


def _stacked(structures: Sequence[Any]) -> Any:
    import keras
    import numpy as np

    return keras.tree.map_structure(
        lambda *each: None if each[0] is None else np.stack(each), *structures
    )


def _padded(batches: Sequence[Batch]) -> Batch:
    """Stack rows of networks; short ones are filled up with zeros, which none reads."""
    import keras

    longest = max(map(n_rows, batches))
    stacked: Batch = _stacked(
        [
            keras.tree.map_structure(
                lambda rows: None if rows is None else _pad(rows, longest), batch
            )
            for batch in batches
        ]
    )
    return stacked


def _pad(rows: NDArray[Any], n: int) -> NDArray[Any]:
    import numpy as np

    return np.pad(rows, [(0, n - len(rows))] + [(0, 0)] * (rows.ndim - 1))
