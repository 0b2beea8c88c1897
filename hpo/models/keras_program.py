"""Compiled training of `keras-mlp` networks: a whole epoch is one call.

`Model.fit` spends most of its time outside the network when networks are small. Here
an epoch runs in one TensorFlow graph: a loop over batches of rows that stay in memory,
with Keras' own layers, losses and optimizers inside, so the numbers are those of `fit`.
A program is compiled once for each architecture and serves all networks that have it;
what differs between them (weights, settings of the optimizer, L1, L2, dropout, seeds)
is data. Nothing is left over from one network to the next.

It knows no params and no early stopping (`hpo.models.keras_mlp` does).
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.models.keras_network import (
    Architecture,
    build,
    draw_kernels,
    kernels,
    loss_function,
    stream,
)
from hpo.models.keras_optimizers import Tuning, make_optimizer
from hpo.models.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PROGRAMS = 16
"""Programs kept per process; each takes a few MB."""

ROWS_AT_ONCE = 16384
"""Rows of one forward pass in prediction, which bounds its memory."""


class Program:
    """The compiled training of one architecture.

    Call `reset` first, then `epoch` as often as wanted. Not for two threads at once.

    Args:
        architecture: What to compile.
    """

    def __init__(self, architecture: Architecture) -> None:
        import tensorflow as tf

        self.architecture = architecture
        self.network = build(architecture)
        self._loss = loss_function(architecture.loss)
        # Otherwise y is what the outputs should be.
        self._codes = architecture.loss == "sparse_categorical_crossentropy"
        self._data = {
            name: tf.Variable(0.0, trainable=False) for name in ("l1", "l2", "dropout")
        }
        self._dropout_seed = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._tuning = Tuning()
        self._optimizer = make_optimizer(
            architecture.optimizer, architecture.nesterov, self._tuning
        )
        self._optimizer.build(self.network.trainable_variables)
        self._fresh_weights = self.network.get_weights()
        self._fresh_state = [v.numpy() for v in self._optimizer.variables]
        self._compile()

    def _compile(self) -> None:
        import tensorflow as tf

        X = tf.TensorSpec((None, self.architecture.n_features), tf.float32)
        y = tf.TensorSpec((None, self.architecture.n_outputs), tf.float32)
        if self._codes:
            y = tf.TensorSpec((None,), tf.int64)
        order, size = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        self._epoch = self._traced(self._run_epoch, X, y, order, size)
        self._evaluate = self._traced(self._run_evaluate, X, y)
        self._forward = self._traced(self._run_forward, X)
        self._weighted_signature = (X, y, order, size, tf.TensorSpec((None,)))

    @cached_property
    def _weighted_epoch(self) -> Any:
        # Traced when it is first called: many studies weigh no rows.
        return self._traced(self._run_epoch, *self._weighted_signature)

    @staticmethod
    def _traced(function: Any, *signature: Any) -> Any:
        import tensorflow as tf

        # The concrete function: many tf.functions of one line make TensorFlow warn.
        traced = tf.function(function, input_signature=signature, autograph=False)
        return traced.get_concrete_function()

    def reset(self, settings: Settings, seed: int) -> None:
        """Begin a new network: everything that training changed is as at its start.

        Args:
            settings: Its hyperparameters; the architecture must be that of the program.
            seed: Seeds initial weights and dropout.
        """
        self.network.set_weights(self._fresh_weights)
        layers = kernels(self.network)
        shapes = [tuple(kernel.shape) for kernel in layers]
        drawn = draw_kernels(shapes, settings.initializer, seed)
        for kernel, value in zip(layers, drawn, strict=True):
            kernel.assign(value)
        for variable, value in zip(
            self._optimizer.variables, self._fresh_state, strict=True
        ):
            variable.assign(value)
        self._optimizer.learning_rate.assign(settings.learning_rate)
        self._tuning.assign(settings)
        for name, variable in self._data.items():
            variable.assign(getattr(settings, name))
        self._dropout_seed.assign(stream(seed, 2))

    def tensors(self, X: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
        """Move rows to where the program runs, in the types it takes."""
        import tensorflow as tf

        if self._codes:
            return tf.constant(X, tf.float32), tf.constant(y, tf.int64)
        y = y.reshape(len(y), self.architecture.n_outputs)
        return tf.constant(X, tf.float32), tf.constant(y, tf.float32)

    def epoch(
        self,
        X: Any,
        y: Any,
        order: NDArray[Any],
        batch_size: int,
        weight: NDArray[Any] | None = None,
    ) -> tuple[float, float]:
        """Train one epoch.

        Args:
            X: Features, a tensor from `tensors`.
            y: Targets, likewise.
            order: Positions of the rows in the order to train them, shape (n,), int32.
            batch_size: Rows of one update; the last batch has what is left.
            weight: How much each row's loss counts, shape (n,); None for 1 each.

        Returns:
            Mean of the weighted losses over the rows, penalty included, each measured
            before its update (as `fit` does), and the unweighted share of rows
            classified right (0 in regression).
        """
        import tensorflow as tf

        rows, size = tf.constant(order, tf.int32), tf.constant(batch_size, tf.int32)
        if weight is None:
            loss, accuracy = self._epoch(X, y, rows, size)
        else:
            weights = tf.constant(weight, tf.float32)
            loss, accuracy = self._weighted_epoch(X, y, rows, size, weights)
        return float(loss), float(accuracy)

    def evaluate(self, X: Any, y: Any) -> tuple[float, float]:
        """Return the mean loss without penalty, and the accuracy (0 in regression)."""
        loss, accuracy = self._evaluate(X, y)
        return float(loss), float(accuracy)

    def forward(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for rows of ``X``, shape (n, n_outputs), float64."""
        import numpy as np
        import tensorflow as tf

        parts = [
            self._forward(
                tf.constant(X[start : start + ROWS_AT_ONCE], tf.float32)
            ).numpy()
            for start in range(0, max(len(X), 1), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts).astype(np.float64)

    def _run_epoch(
        self, X: Any, y: Any, order: Any, batch_size: Any, weight: Any = None
    ) -> tuple[Any, Any]:
        import tensorflow as tf

        n_rows = tf.shape(order)[0]

        def body(start: Any, losses: Any, hits: Any) -> tuple[Any, Any, Any]:
            rows = order[start : start + batch_size]
            loss, accuracy = self._step(
                tf.gather(X, rows),
                tf.gather(y, rows),
                None if weight is None else tf.gather(weight, rows),
            )
            count = tf.cast(tf.shape(rows)[0], tf.float32)
            return start + batch_size, losses + count * loss, hits + count * accuracy

        # One iteration at a time: every step reads the weights that the last one wrote.
        _, losses, hits = tf.while_loop(
            lambda start, losses, hits: start < n_rows,
            body,
            (tf.constant(0), tf.constant(0.0), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return losses / tf.cast(n_rows, tf.float32), hits / tf.cast(n_rows, tf.float32)

    def _step(self, X: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = self._run(X, training=True)
            loss = self._loss(y, outputs, sample_weight=weight)
            if self.architecture.has_penalty:
                loss += self._penalty()
        variables = self.network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss, self._accuracy(y, outputs)

    def _run_forward(self, X: Any) -> Any:
        return self._run(X, training=False)

    def _run_evaluate(self, X: Any, y: Any) -> tuple[Any, Any]:
        outputs = self._run(X, training=False)
        return self._loss(y, outputs), self._accuracy(y, outputs)

    def _run(self, X: Any, *, training: bool) -> Any:
        """Run the layers in turn; the dropout rate is a variable, unlike in Keras."""
        import keras

        for index, layer in enumerate(self.network.layers[1:]):
            if isinstance(layer, keras.layers.Dropout):
                X = self._drop(X, index) if training else X
            elif isinstance(layer, keras.layers.BatchNormalization):
                X = layer(X, training=training)
            else:
                X = layer(X)
        return X

    def _drop(self, X: Any, layer: int) -> Any:
        """Drop outputs and scale up the rest, by seed, layer and number of the update.

        Source:
            N. Srivastava et al., "Dropout", JMLR 15, 2014 (inverted, as in Keras).
        """
        import tensorflow as tf

        step = tf.cast(self._optimizer.iterations.value, tf.int64)
        seed = tf.stack([self._dropout_seed + layer, step])
        rate = self._data["dropout"]
        kept = tf.random.stateless_uniform(tf.shape(X), seed) >= rate
        return tf.where(kept, X / (1.0 - rate), 0.0)

    def _penalty(self) -> Any:
        import tensorflow as tf

        weights = [tf.convert_to_tensor(kernel) for kernel in kernels(self.network)]
        absolute = tf.add_n([tf.reduce_sum(tf.abs(w)) for w in weights])
        squared = tf.add_n([tf.reduce_sum(tf.square(w)) for w in weights])
        return self._data["l1"] * absolute + self._data["l2"] * squared

    def _accuracy(self, y: Any, outputs: Any) -> Any:
        import tensorflow as tf

        if self.architecture.loss == "mean_squared_error":
            return tf.constant(0.0)
        if self._codes:
            right = tf.equal(tf.argmax(outputs, axis=1), y)
        else:
            right = tf.equal(outputs > 0.5, y > 0.5)
        return tf.reduce_mean(tf.cast(right, tf.float32))


class Programs:
    """The programs of this process; the less recently used half goes when it is full.

    Args:
        limit: How many to keep.
    """

    def __init__(self, limit: int = MAX_PROGRAMS) -> None:
        self._limit = limit
        self._programs: OrderedDict[Architecture, Program] = OrderedDict()

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, architecture: Architecture) -> Program:
        """Return the program of ``architecture``, compiled if it is new."""
        if architecture not in self._programs:
            if len(self._programs) >= self._limit:
                self._make_room()
            self._programs[architecture] = Program(architecture)
        self._programs.move_to_end(architecture)
        return self._programs[architecture]

    def _make_room(self) -> None:
        for _ in range((self._limit + 1) // 2):
            self._programs.popitem(last=False)
        # A program and its graphs refer to each other in circles. Half of the programs
        # at once, because a collection takes as long as tracing one.
        gc.collect()
