"""The few things that TensorFlow and JAX do differently when stacks are trained.

Everything else is written in `keras.ops`, which means the same on both. Compiled
functions take and return trees (dicts and lists) of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from hpo.models.jax_jitted import Jitted

if TYPE_CHECKING:
    from numpy.typing import NDArray

GHOST_SIZES = (1, 5, 10, 20, 40)
"""Sizes that JAX compiles for when a stack gets smaller; others are filled up with
ghosts."""


class Backend(Protocol):
    """What a backend of Keras offers to `hpo.models.stack_program`.

    Attributes:
        sees_logits: Whether Keras' losses find the logits behind an activation. If not,
            they take probabilities, clipped, and a saturated one has no gradient.
        compiles_sizes: Whether each size of arrays takes a program of its own.
    """

    sees_logits: bool
    compiles_sizes: bool

    def compiled(self, function: Callable[..., Any], example: Sequence[Any]) -> Any:
        """Return ``function`` compiled for arguments like ``example``.

        Only ranks and types of ``example`` count where the backend allows it.
        """

    def gradients(
        self, function: Callable[[Any], tuple[Any, Any]], weights: Any
    ) -> tuple[Any, Any]:
        """Return what ``function`` says besides its total, and the total's gradients.

        ``function(weights)`` returns (a scalar, anything).
        """

    def loop(
        self, body: Callable[..., Any], state: Any, xs: Sequence[Any], n_steps: Any
    ) -> Any:
        """Carry ``state = body(state, *slices)`` along the first axis of trees ``xs``.

        ``n_steps``, an integer of the backend's, says how far.
        """

    def stack_size(self, n_networks: int) -> int:
        """Return the size, at least ``n_networks``, that a stack should have."""

    def to_device(self, array: NDArray[Any]) -> Any:
        """Move an array to where programs run; nobody may write to it any more."""

    def to_numpy(self, tensor: Any) -> NDArray[Any]:
        """Copy a tensor to memory that nothing else writes to."""

    def take(self, tree: Any, rows: Sequence[int]) -> Any:
        """Keep some rows of the first axis of every array with axes."""


class TensorFlowBackend:
    """Graphs without XLA: one graph serves stacks of any size and width."""

    sees_logits = True
    compiles_sizes = False

    def compiled(self, function: Callable[..., Any], example: Sequence[Any]) -> Any:
        import tensorflow as tf

        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec((None,) * array.ndim, array.dtype),
            list(example),
        )
        # The concrete function: many tf.functions of one line make TensorFlow warn.
        # Arguments only, as a signature has to name every default otherwise.
        traced = tf.function(
            lambda *arguments: function(*arguments),
            input_signature=signature,
            autograph=False,
        )
        return traced.get_concrete_function()

    def gradients(
        self, function: Callable[[Any], tuple[Any, Any]], weights: Any
    ) -> tuple[Any, Any]:
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            total, more = function(weights)
        return more, tape.gradient(total, weights)

    def loop(
        self, body: Callable[..., Any], state: Any, xs: Sequence[Any], n_steps: Any
    ) -> Any:
        import tensorflow as tf

        n_steps = tf.cast(n_steps, "int32")

        def step(index: Any, state: Any) -> Any:
            slices = tf.nest.map_structure(lambda x: x[index], list(xs))
            carried = body(state, *slices)
            # Graphs lose shapes on the way that the loop insists on.
            return index + 1, tf.nest.map_structure(
                lambda new, old: tf.ensure_shape(new, old.shape), carried, state
            )

        # One step at a time: each reads the weights that the last one wrote.
        return tf.while_loop(
            lambda index, _: index < n_steps,
            step,
            (tf.constant(0), state),
            parallel_iterations=1,
        )[1]

    def stack_size(self, n_networks: int) -> int:
        return max(n_networks, self._least_size)

    @cached_property
    def _least_size(self) -> int:
        """Return 2 where a single product is rounded otherwise than one of several.

        TensorFlow without oneDNN has another algorithm for it. A ghost then keeps a
        network's last bits the same alone and in a stack.
        """
        import keras
        import numpy as np

        rng = np.random.default_rng(0)
        left = rng.normal(size=(2, 8, 13)).astype("float32")
        right = rng.normal(size=(2, 13, 16)).astype("float32")
        both = keras.ops.matmul(left, right)
        alone = keras.ops.matmul(left[:1], right[:1])
        return 1 if np.array_equal(both[:1], alone) else 2

    def to_device(self, array: NDArray[Any]) -> Any:
        import tensorflow as tf

        return tf.constant(array)

    def to_numpy(self, tensor: Any) -> NDArray[Any]:
        import numpy as np

        return np.array(tensor)

    def take(self, tree: Any, rows: Sequence[int]) -> Any:
        import tensorflow as tf

        return tf.nest.map_structure(
            lambda x: tf.gather(x, list(rows)) if x.shape.rank else x, tree
        )


class JaxBackend:
    """XLA programs, one for each size and width; ghosts keep the sizes few."""

    sees_logits = False
    compiles_sizes = True

    def compiled(self, function: Callable[..., Any], example: Sequence[Any]) -> Any:
        return Jitted(function)

    def gradients(
        self, function: Callable[[Any], tuple[Any, Any]], weights: Any
    ) -> tuple[Any, Any]:
        import jax

        (_, more), found = jax.value_and_grad(function, has_aux=True)(weights)
        return more, found

    def loop(
        self, body: Callable[..., Any], state: Any, xs: Sequence[Any], n_steps: Any
    ) -> Any:
        import jax

        def step(index: Any, state: Any) -> Any:
            return body(state, *jax.tree.map(lambda x: x[index], tuple(xs)))

        # Not a scan: how far it goes is data, and no program of its own.
        return jax.lax.fori_loop(0, n_steps, step, state)

    def stack_size(self, n_networks: int) -> int:
        return next((s for s in GHOST_SIZES if s >= n_networks), n_networks)

    def to_device(self, array: NDArray[Any]) -> Any:
        import jax

        # Not jnp.asarray, which compiles a copy for each shape.
        return jax.device_put(array)

    def to_numpy(self, tensor: Any) -> NDArray[Any]:
        import numpy as np

        return np.array(tensor)

    def take(self, tree: Any, rows: Sequence[int]) -> Any:
        import jax
        import numpy as np

        kept = np.asarray(rows)
        return jax.tree.map(lambda x: x[kept] if x.ndim else x, tree)


def make_backend(name: str) -> Backend:
    """Return the backend that Keras runs on: ``tensorflow`` or ``jax``."""
    return JaxBackend() if name == "jax" else TensorFlowBackend()
