"""Whole epochs of a training step in TensorFlow graphs.

Every function here takes and returns tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from hpo.models.traced_random import draw_without_loops
from hpo.models.traced_step import Batch, Segment, State, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray


EAGER_IS_FASTER = True
"""Whether a few steps are faster op by op than compiled."""


STACKED_UPDATES = 0
"""A stack of networks with fewer updates takes longer to compile than it saves."""


class Epochs:
    """Compiled epochs of one `Step`; each is traced when it is first called.

    Args:
        model: Compiled and built; see `Step`.
        batch: A few rows, arrays; they say types and shapes of all others.
    """

    def __init__(self, model: Any, batch: Batch) -> None:
        self.step = Step(model, batch, differentiate)
        self._batch, self._unweighted = batch, batch._replace(weight=None)
        self._traced: dict[tuple[str, bool], Any] = {}

    def train(
        self, state: State, data: Batch, order: Any, batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Train one network for one epoch.

        Args:
            state: Of the network.
            data: All its rows, on the device.
            order: Positions of rows in the order to train them, shape (n,), int64.
            batch_size: Rows of one update; the last batch has what is left.

        Returns:
            The new state, and what ``fit`` would report of the epoch.
        """
        import tensorflow as tf

        run = self._get(self._train, data, order=True)
        found: tuple[State, dict[str, Any]] = run(
            state, data, order, tf.constant(batch_size)
        )
        return found

    def test(
        self, state: State, data: Batch, batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Measure one network; of the state, only that of seeds may change."""
        import tensorflow as tf

        run = self._get(self._test, data)
        found: tuple[State, dict[str, Any]] = run(state, data, tf.constant(batch_size))
        return found

    def _get(
        self, body: Callable[..., Any], data: Batch, *, order: bool = False
    ) -> Any:
        # The rows that are watched have no weights.
        batch = self._batch if data.weight is not None else self._unweighted
        key = (body.__name__, data.weight is None)
        if key not in self._traced:
            self._traced[key] = _traced(body, self._signature(batch, order))
        return self._traced[key]

    def _signature(self, batch: Batch, order: bool) -> list[Any]:
        """Return the arguments of a function, with `tf.TensorSpec` for tensors."""
        import tensorflow as tf

        def of_rows(array: Any) -> Any:
            return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

        def of_state(array: Any) -> Any:
            return tf.TensorSpec(array.shape, array.dtype)

        state = self.step.state_of(self.step.model)
        flat, rebuild = _packed(batch)
        signature: list[Any] = [
            tf.nest.map_structure(of_state, state),
            rebuild([of_rows(array) for array in flat]),
        ]
        if order:
            signature.append(tf.TensorSpec((None,), tf.int64))
        return [*signature, tf.TensorSpec((), tf.int32)]

    def _fresh(self) -> tuple[Any, ...]:
        import tensorflow as tf

        return tuple(tf.constant(value) for value in self.step.fresh_metrics)

    def _train(
        self, state: State, data: Batch, order: Any, batch_size: Any
    ) -> tuple[State, dict[str, Any]]:
        import tensorflow as tf

        size = tf.shape(order)[0]

        def body(at: Any, state: State, metrics: Any) -> tuple[Any, State, Any]:
            rows = order[at : tf.minimum(at + batch_size, size)]
            state, metrics = self.step.train(state, metrics, _gathered(data, rows))
            return at + batch_size, state, metrics

        state, metrics = _loop(body, size, state, self._fresh())
        return state, self.step.results(metrics)

    def _test(
        self, state: State, data: Batch, batch_size: Any
    ) -> tuple[State, dict[str, Any]]:
        import keras
        import tensorflow as tf

        size = tf.shape(keras.tree.flatten(data.x)[0])[0]

        def body(at: Any, state: State, metrics: Any) -> tuple[Any, State, Any]:
            rows = tf.range(at, tf.minimum(at + batch_size, size))
            state, metrics = self.step.test(state, metrics, _gathered(data, rows))
            return at + batch_size, state, metrics

        state, metrics = _loop(body, size, state, self._fresh())
        return state, self.step.results(metrics)


class Stack:
    """Compiled steps of several networks, all of which take each step at once.

    Args:
        step: Of one of them.
        batch: A few rows of a network, arrays; see `Epochs`.
        size: How many networks.
    """

    def __init__(self, step: Step, batch: Batch, size: int) -> None:
        self._step, self._batch, self._size = step, batch, size
        self._run: Callable[..., Any] | None = None

    def train(
        self, state: State, data: Batch, segments: list[Segment], batch_size: int
    ) -> tuple[State, dict[str, Any]]:
        """Train all networks for one epoch.

        Args:
            state: Of all, stacked along a first axis.
            data: Rows of each, stacked, on the device.
            segments: Of the epoch.
            batch_size: Rows of one update.

        Returns:
            The new state, and what ``fit`` would report of the epoch, shape (networks,)
            each.
        """
        import tensorflow as tf

        if self._run is None:
            draw_without_loops()
            self._run = _traced(self._segment, self._signature())
        metrics = tuple(
            tf.stack([value] * self._size) for value in self._step.fresh_metrics
        )
        logs: dict[str, Any] = {}
        for rows, trained in segments:
            given = (tf.constant(rows), tf.constant(trained), tf.constant(batch_size))
            state, metrics, logs = self._run(state, metrics, data, *given)
        return state, logs

    def _signature(self) -> list[Any]:
        import tensorflow as tf

        def stacked(array: Any) -> Any:
            return tf.TensorSpec((self._size, *array.shape), array.dtype)

        def of_rows(array: Any) -> Any:
            return tf.TensorSpec((self._size, None, *array.shape[1:]), array.dtype)

        flat, rebuild = _packed(self._batch)
        return [
            tf.nest.map_structure(stacked, self._step.state_of(self._step.model)),
            tuple(stacked(value) for value in self._step.fresh_metrics),
            rebuild([of_rows(array) for array in flat]),
            tf.TensorSpec((self._size, None), tf.int64),
            tf.TensorSpec((self._size,), tf.bool),
            tf.TensorSpec((), tf.int32),
        ]

    def _segment(
        self,
        state: State,
        metrics: Any,
        data: Batch,
        rows: Any,
        trained: Any,
        batch_size: Any,
    ) -> tuple[State, Any, dict[str, Any]]:
        import tensorflow as tf

        end = tf.shape(rows)[1]
        given, rebuild = _packed((state, metrics))
        _, rebuild_with_rows = _packed((state, metrics, data))

        def one(tensors: Any) -> Any:
            stepped = self._step.train(*rebuild_with_rows(tensors))
            return _packed(stepped)[0]

        def body(at: Any, state: State, metrics: Any) -> tuple[Any, State, Any]:
            now = rows[:, at : tf.minimum(at + batch_size, end)]
            batch = _gathered(data, now, batch_dims=1)
            stepped = _mapped(one, _packed((state, metrics, batch))[0])
            # What is mapped does not know its size for sure; loops insist on it.
            forms = [tensor.shape for tensor in given]
            state, metrics = rebuild(list(map(tf.ensure_shape, stepped, forms)))
            return at + batch_size, state, metrics

        stepped, _ = _packed(_loop(body, end, state, metrics))
        state, metrics = rebuild(
            [
                tf.where(_aligned(trained, new), new, old)
                for new, old in zip(stepped, given, strict=True)
            ]
        )
        return state, metrics, _mapped(self._step.results, metrics)


def _mapped(function: Callable[..., Any], stacked: Any) -> Any:
    """Return what a function returns for each network, stacked."""
    import tensorflow as tf

    return tf.vectorized_map(function, stacked, warn=False)


def _aligned(trained: Any, tensor: Any) -> Any:
    """Give a mask of networks as many axes as a stacked tensor has."""
    import tensorflow as tf

    return tf.reshape(trained, (-1, *[1] * (len(tensor.shape) - 1)))


def on_device(structure: Any) -> Any:
    """Return tensors for the arrays of a structure, None among them."""
    import tensorflow as tf

    flat, rebuild = _packed(structure)
    return rebuild([tf.constant(array) for array in flat])


def rows_on_device(data: Batch) -> Batch:
    """Return rows to train on as tensors."""
    rows: Batch = on_device(data)
    return rows


def differentiate(loss: Callable[..., Any], variables: Any) -> tuple[Any, Any]:
    """Return what ``loss`` returns, and its gradients; see `Step`."""
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        value, more = loss(variables)
    gradients = tape.gradient(value, variables)
    return (value, more), gradients


def orders(n_rows: int, n_epochs: int) -> Iterator[NDArray[Any]]:
    """Return the orders of rows that ``fit`` would take now, one (rows,) an epoch.

    They follow from TensorFlow's global seed. All epochs have the same: Keras starts
    the generator of its data set anew with each.

    Source:
        Keras 3.15, keras/src/trainers/data_adapters/array_data_adapter.py.
    """
    import tensorflow as tf

    def permutation(_: Any) -> Any:
        indices = tf.range(n_rows, dtype=tf.int64)
        return tf.random.shuffle(indices)

    drawn = next(iter(tf.data.Dataset.range(1).map(permutation).prefetch(1)))
    return repeat(drawn.numpy(), n_epochs)


def _traced(body: Callable[..., Any], signature: list[Any]) -> Callable[..., Any]:
    """Trace ``body`` for arguments of one form, None among them."""
    import tensorflow as tf

    flat, rebuild = _packed(signature)

    def of_tensors(*tensors: Any) -> Any:
        return body(*rebuild(tensors))

    traced = tf.function(of_tensors, input_signature=flat, autograph=False)
    # The concrete function: many tf.functions of one line make TensorFlow warn.
    concrete = traced.get_concrete_function()
    if any(tensor.dtype == tf.resource for tensor in concrete.captured_inputs):
        raise ValueError("it has variables or tables that Keras does not know of")

    def call(*arguments: Any) -> Any:
        return concrete(*_packed(arguments)[0])

    return call


def _gathered(data: Batch, rows: Any, *, batch_dims: int = 0) -> Batch:
    import tensorflow as tf

    flat, rebuild = _packed(data)
    take = partial(tf.gather, indices=rows, batch_dims=batch_dims)
    gathered: Batch = rebuild([take(tensor) for tensor in flat])
    return gathered


def _packed(structure: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return the tensors of a structure, and what puts others in their places."""
    import tensorflow as tf

    flat = [tensor for tensor in tf.nest.flatten(structure) if tensor is not None]

    def rebuild(tensors: Any) -> Any:
        given = iter(tensors)
        return tf.nest.map_structure(
            lambda old: None if old is None else next(given), structure
        )

    return flat, rebuild


def _loop(
    body: Callable[..., Any], end: Any, state: State, metrics: Any
) -> tuple[State, Any]:
    """Run ``body`` from position 0 until ``end``, one iteration at a time."""
    import tensorflow as tf

    flat, rebuild = _packed((state, metrics))

    def step(at: Any, *tensors: Any) -> Any:
        at, state, metrics = body(at, *rebuild(tensors))
        return (at, *_packed((state, metrics))[0])

    _, *tensors = tf.while_loop(
        lambda at, *_: at < end,
        step,
        (tf.constant(0), *flat),
        parallel_iterations=1,
    )
    state, metrics = rebuild(tensors)
    return state, metrics
