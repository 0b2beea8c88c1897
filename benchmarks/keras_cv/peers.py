"""What a user would write without hpo: the plain loop, and the best loop.

The plain loop is the one of every tutorial. The best loop is what somebody careful
gets out of ``fit`` alone: one compiled model for all trials of the same widths, whose
weights, optimizer, learning rate, dropout and L2 are set anew for each fold; a cached
`tf.data` pipeline; sixteen steps a call. It runs on the TensorFlow backend only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import shared

STEPS_PER_CALL = 16


def warm_up() -> None:
    """Bring Keras and its backend up by training something else."""
    plain_trial(shared.NETWORK | shared.OTHER, shared.digits(0)[:1])


def plain_trial(
    params: Mapping[str, Any], folds: Sequence[shared.Fold], build: Any = None
) -> tuple[float, list[float]]:
    """Cross-validate as tutorials do; return seconds and the accuracies.

    Args:
        params: Hyperparameters of `keras-mlp`.
        folds: What to train and judge by.
        build: Makes another network of the params and the folds' shape than dense
            layers.
    """
    import keras

    started, scores = time.perf_counter(), []
    for X, y, X_rest, y_rest in folds:
        keras.backend.clear_session()
        n_classes = len(set(y.tolist()))
        network = (build or dense)(params, X.shape[1:], n_classes)
        network.compile(
            optimizer=keras.optimizers.Adam(params["learning_rate"]),
            loss=loss(n_classes),
            metrics=["accuracy"],
        )
        network.fit(
            X, y, batch_size=params["batch_size"], epochs=params["epochs"], verbose=0
        )
        scores.append(float(network.evaluate(X_rest, y_rest, verbose=0)[1]))
    return time.perf_counter() - started, scores


def dense(params: Mapping[str, Any], shape: tuple[int, ...], n_classes: int) -> Any:
    """Return dense layers with dropout and L2, not compiled."""
    import keras
    from keras import layers

    network = keras.Sequential([keras.Input(shape)])
    regularizer = keras.regularizers.L2(params["l2"])
    for _ in range(params["hidden_layers"]):
        network.add(
            layers.Dense(
                params["units"], activation="relu", kernel_regularizer=regularizer
            )
        )
        network.add(layers.Dropout(params["dropout"]))
    network.add(
        layers.Dense(
            1 if n_classes == 2 else n_classes,
            activation="sigmoid" if n_classes == 2 else "softmax",
            kernel_regularizer=regularizer,
        )
    )
    return network


def loss(n_classes: int) -> str:
    return (
        "binary_crossentropy" if n_classes == 2 else "sparse_categorical_crossentropy"
    )


class BestLoop:
    """Networks that are compiled once for each widths, and reset for each fold."""

    def __init__(self) -> None:
        self._compiled: dict[Any, Any] = {}

    def trial(
        self, params: Mapping[str, Any], folds: Sequence[shared.Fold]
    ) -> tuple[float, list[float]]:
        """Cross-validate; return seconds and the accuracies."""
        started, scores = time.perf_counter(), []
        n_features, n_classes = folds[0][0].shape[1], len(set(folds[0][1].tolist()))
        key = params["hidden_layers"], params["units"], n_features, n_classes
        if key not in self._compiled:
            self._compiled[key] = compiled(*key)
        network, knobs = self._compiled[key]
        for X, y, X_rest, y_rest in folds:
            reset(network, knobs, params)
            network.fit(
                batches(X, y, params["batch_size"], shuffle=True),
                epochs=params["epochs"],
                verbose=0,
            )
            rest = batches(X_rest, y_rest, 256)
            scores.append(float(network.evaluate(rest, verbose=0)[1]))
        return time.perf_counter() - started, scores


def compiled(n_layers: int, units: int, n_features: int, n_classes: int) -> Any:
    """Return a compiled network, and the variables for its dropout rate and its L2."""
    import keras
    from keras import layers, ops

    rate, amount = (keras.Variable(0.0, trainable=False) for _ in range(2))

    class Dropout(keras.layers.Layer):
        """Keras' dropout, with a rate that can be set after compiling."""

        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator()

        def call(self, inputs: Any, training: bool = False) -> Any:
            if not training:
                return inputs
            drawn = keras.random.uniform(ops.shape(inputs), seed=self.seeds)
            kept = ops.cast(drawn >= rate, inputs.dtype)
            return inputs * kept / (1.0 - rate)

    def penalty(kernel: Any) -> Any:
        return amount * ops.sum(ops.square(kernel))

    network = keras.Sequential([keras.Input((n_features,))])
    for _ in range(n_layers):
        network.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        network.add(Dropout())
    network.add(
        layers.Dense(
            1 if n_classes == 2 else n_classes,
            activation="sigmoid" if n_classes == 2 else "softmax",
            kernel_regularizer=penalty,
        )
    )
    network.compile(
        optimizer=keras.optimizers.Adam(),
        loss=loss(n_classes),
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_CALL,
    )
    network.optimizer.build(network.trainable_variables)
    return network, (rate, amount)


def reset(network: Any, knobs: tuple[Any, Any], params: Mapping[str, Any]) -> None:
    """Give a compiled network new weights, a new optimizer and its hyperparameters."""
    import numpy as np

    for layer in network.layers:
        if hasattr(layer, "kernel"):
            # The layer's own initializer draws the same weights at every call.
            drawn = type(layer.kernel_initializer)()(layer.kernel.shape)
            layer.kernel.assign(drawn)
            layer.bias.assign(np.zeros(layer.bias.shape))
    for variable in network.optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    network.optimizer.learning_rate = params["learning_rate"]
    knobs[0].assign(params["dropout"])
    knobs[1].assign(params["l2"])


def batches(X: Any, y: Any, batch_size: int, *, shuffle: bool = False) -> Any:
    """Return a cached pipeline of float32 batches."""
    import tensorflow as tf

    made = tf.data.Dataset.from_tensor_slices((X.astype("float32"), y)).cache()
    if shuffle:
        made = made.shuffle(len(y))
    return made.batch(batch_size).prefetch(tf.data.AUTOTUNE)
