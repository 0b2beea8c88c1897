"""Whole epochs of a training step compiled by JAX.

The functions are those of `hpo.models.traced_tensorflow`, with the same arguments. JAX
compiles for sizes of arrays, so full batches run in a loop of fixed length, and what is
left of the rows in a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from hpo.models.jax_jitted import Jitted
from hpo.models.traced_step import Batch, Segment, State, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray


EAGER_IS_FASTER = False
"""Whether a few steps are faster op by op than compiled."""

ROUNDED_TO = 256
"""Rows are filled up to a multiple of it."""

STACKED_UPDATES = 50_000
"""A stack of networks with fewer updates takes longer to compile than it saves."""

FEW = 4
"""So many batches run one by one."""


class Epochs:
    """Compiled epochs of one `Step`; see `hpo.models.traced_tensorflow.Epochs`."""

    def __init__(self, model: Any, batch: Batch) -> None:
        import jax

        self.step = Step(model, batch, differentiate)
        each = {"train": self.step.train, "test": self.step.test}
        self._full = {
            name: Jitted(partial(_scanned, step)) for name, step in each.items()
        }
        self._rest = {
            name: Jitted(partial(_stepped, step)) for name, step in each.items()
        }
        self._results = jax.jit(self.step.results)

    def train(
        self, state: State, data: Batch, order: Any, batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Train one network for one epoch."""
        return self._run("train", state, data, order, batch_size)

    def test(
        self, state: State, data: Batch, batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Measure one network; of the state, only that of seeds may change."""
        return self._run("test", state, data, _counted(data), batch_size)

    def _fresh(self) -> tuple[Any, ...]:
        import jax.numpy as jnp

        return tuple(jnp.asarray(value) for value in self.step.fresh_metrics)

    def _run(
        self, name: str, state: State, data: Batch, order: Any, batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        metrics = self._fresh()
        n_full = len(order) // batch_size * batch_size
        if n_full <= FEW * batch_size:
            # A loop of another length would have to be compiled for it.
            for start in range(0, n_full, batch_size):
                rows = order[start : start + batch_size]
                state, metrics = self._rest[name](state, metrics, data, rows)
        else:
            rows = order[:n_full].reshape(-1, batch_size)
            state, metrics = self._full[name](state, metrics, data, rows)
        if n_full < len(order):
            rows = order[n_full:]
            state, metrics = self._rest[name](state, metrics, data, rows)
        return state, self._results(metrics)


class Stack:
    """Compiled steps of several networks; see `hpo.models.traced_tensorflow.Stack`."""

    def __init__(self, step: Step, batch: Batch, size: int) -> None:
        import jax

        del batch  # JAX sees what it is called with
        self._step, self._size = step, size
        self._full = Jitted(jax.vmap(partial(_scanned, step.train)))
        self._rest = Jitted(jax.vmap(partial(_stepped, step.train)))
        self._results = jax.jit(jax.vmap(step.results))

    def train(
        self, state: State, data: Batch, segments: list[Segment], batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Train all networks for one epoch."""
        import jax.numpy as jnp
        import numpy as np

        metrics = tuple(
            jnp.asarray(np.stack([value] * self._size))
            for value in self._step.fresh_metrics
        )
        for rows, trained in segments:
            before = state, metrics
            state, metrics = self._steps(*before, data, rows, batch_size)
            if not trained.all():
                state, metrics = _chosen(trained, (state, metrics), before)
        return state, self._results(metrics)

    def _steps(
        self, state: State, metrics: Any, data: Batch, rows: Any, batch_size: int
    ) -> Any:
        import jax.numpy as jnp

        full = rows.shape[1] // batch_size * batch_size
        few = full <= FEW * batch_size
        if not few:
            whole = jnp.asarray(rows[:, :full].reshape(self._size, -1, batch_size))
            state, metrics = self._full(state, metrics, data, whole)
        for start in range(0 if few else full, rows.shape[1], batch_size):
            part = jnp.asarray(rows[:, start : start + batch_size])
            state, metrics = self._rest(state, metrics, data, part)
        return state, metrics


def _chosen(trained: Any, new: Any, old: Any) -> Any:
    """Take some networks from one stack and the others from another.

    By numpy: there is little to do, and nothing to compile for it.
    """
    import jax
    import numpy as np

    def choose(new: Any, old: Any) -> Any:
        mask = trained.reshape((-1, *[1] * (new.ndim - 1)))
        return jax.numpy.asarray(np.where(mask, new, old))

    return jax.tree.map(choose, new, old)


def differentiate(loss: Callable[..., Any], variables: Any) -> tuple[Any, Any]:
    """Return what ``loss`` returns, and its gradients; see `Step`."""
    import jax

    found: tuple[Any, Any] = jax.value_and_grad(loss, has_aux=True)(variables)
    return found


def orders(n_rows: int, n_epochs: int) -> Iterator[NDArray[Any]]:
    """Return the orders of rows that ``fit`` would take now, one (rows,) an epoch.

    They follow from numpy's global state, which stays as it is. ``fit`` draws one order
    more, before the first epoch, to see a batch of it when it builds metrics.

    Source:
        Keras 3.15, keras/src/trainers/data_adapters/array_data_adapter.py.
    """
    import numpy as np

    drawn = np.random.RandomState()  # the generator that Keras uses
    drawn.set_state(np.random.get_state())  # noqa: NPY002
    drawn.permutation(n_rows)
    return (drawn.permutation(n_rows) for _ in range(n_epochs))


def on_device(structure: Any) -> Any:
    """Return tensors for the arrays of a structure, None among them."""
    import jax
    import jax.numpy as jnp

    return jax.tree.map(jnp.asarray, structure)


def rows_on_device(data: Batch) -> Batch:
    """Return rows to train on as tensors, with some more that no order names.

    So folds that differ by a few rows use one compiled program.
    """
    import jax
    import numpy as np

    def padded(rows: NDArray[Any]) -> NDArray[Any]:
        more = -len(rows) % ROUNDED_TO
        return np.pad(rows, [(0, more)] + [(0, 0)] * (rows.ndim - 1))

    rows: Batch = on_device(jax.tree.map(padded, data))
    return rows


def _stepped(
    step: Callable[..., Any], state: State, metrics: Any, data: Batch, rows: Any
) -> tuple[State, Any]:
    stepped: tuple[State, Any] = step(state, metrics, _gathered(data, rows))
    return stepped


def _scanned(
    step: Callable[..., Any], state: State, metrics: Any, data: Batch, rows: Any
) -> tuple[State, Any]:
    import jax

    def body(carried: Any, rows: Any) -> tuple[Any, None]:
        return step(*carried, _gathered(data, rows)), None

    (state, metrics), _ = jax.lax.scan(body, (state, metrics), rows)
    return state, metrics


def _gathered(data: Batch, rows: Any) -> Batch:
    import jax

    gathered: Batch = jax.tree.map(lambda array: array[rows], data)
    return gathered


def _counted(data: Batch) -> Any:
    import jax
    import jax.numpy as jnp

    return jnp.arange(len(jax.tree.leaves(data.x)[0]))
