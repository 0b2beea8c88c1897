"""Compiled epochs against Keras' own ``fit``: layers, optimizers and weights."""

from __future__ import annotations

import numpy as np
import pytest

from hpo.models.traced_step import Batch

pytestmark = pytest.mark.keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 16)).astype("float32")
y = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0.5)
N = len(X)
BATCH = 32  # 75 rows: two whole batches and one of 11


def layers(*texts):
    return lambda L: [eval(text, {"L": L, "attend": attend}) for text in texts]


def attend(L):
    """Return a layer that attends to its own input."""

    class Attend(L.Layer):
        def __init__(self):
            super().__init__()
            self.attention = L.MultiHeadAttention(2, 4)

        def call(self, x):
            return self.attention(x, x)

    return Attend()


HIDDEN = "L.Dense(8, 'relu')"
NETWORKS = {
    "dense": layers(HIDDEN, HIDDEN),
    "penalties": layers(
        "L.Dense(8, kernel_regularizer='l2', activity_regularizer='l2')",
        "L.Dense(8, 'relu', kernel_constraint='max_norm')",
    ),
    "batch normalization": layers("L.Dense(8)", "L.BatchNormalization()", "L.ReLU()"),
    "layer normalization": layers("L.Dense(8)", "L.LayerNormalization()", "L.PReLU()"),
    "convolution": layers(
        "L.Reshape((4, 4, 1))",
        "L.Conv2D(4, 2, activation='relu')",
        "L.MaxPooling2D()",
        "L.Flatten()",
    ),
    "embedding": layers(
        "L.Lambda(lambda x: abs(x * 5) % 7)", "L.Embedding(7, 3)", "L.Flatten()"
    ),
    "dropout": layers(HIDDEN, "L.Dropout(0.3)", "L.GaussianNoise(0.1)", HIDDEN),
    "attention": layers("L.Reshape((4, 4))", "attend(L)", "L.Flatten()"),
}
OPTIMIZERS = {
    "nadam": lambda optimizers: optimizers.Nadam(0.01),
    "adamw": lambda optimizers: optimizers.AdamW(0.01),
    "muon": lambda optimizers: optimizers.Muon(0.01),
    "lamb": lambda optimizers: optimizers.Lamb(0.01),
    "adafactor": lambda optimizers: optimizers.Adafactor(0.01),
    "clipped": lambda optimizers: optimizers.Adam(0.01, clipnorm=0.01),
    "clipped together": lambda optimizers: optimizers.SGD(
        0.1, momentum=0.9, global_clipnorm=0.01
    ),
    "schedule": lambda optimizers: optimizers.SGD(
        optimizers.schedules.ExponentialDecay(0.1, 3, 0.5), 0.9, True
    ),
}


def built(network="dense", optimizer=None):
    import keras

    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    parts = NETWORKS[network](keras.layers)
    last = keras.layers.Dense(3, "softmax")
    model = keras.Sequential([keras.Input((16,)), *parts, last])
    model.compile(
        "adam" if optimizer is None else OPTIMIZERS[optimizer](keras.optimizers),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def by_fit(model, n=N, weight=None):
    """Train two epochs; return all weights, and what it reports of the last one."""
    history = model.fit(
        X[:n],
        y[:n],
        sample_weight=None if weight is None else weight[:n],
        batch_size=BATCH,
        epochs=2,
        validation_data=(X, y),
        verbose=0,
    ).history
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [v.numpy() for v in variables], {k: v[-1] for k, v in history.items()}


def by_program(model, n=N, weight=None):
    from hpo.models import traced_tensorflow as backend

    orders = backend.orders(n, 2)
    rows = Batch(X[:n], y[:n], None if weight is None else weight[:n])
    epochs = backend.Epochs(model, rows)
    state = backend.on_device(epochs.step.state_of(model))
    data, watched = backend.on_device((rows, Batch(X, y)))
    for order in orders:
        state, logs = epochs.train(state, data, backend.on_device(order), BATCH)
        state, seen = epochs.test(state, watched, BATCH)
    logs |= {f"val_{name}": value for name, value in seen.items()}
    return [np.asarray(v) for v in (*state.trainable, *state.others)], logs


def assert_alike(found, expected, tolerance=1e-6):
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    assert set(found[1]) == set(expected[1])
    for name, value in expected[1].items():
        assert float(found[1][name]) == pytest.approx(value, rel=1e-5), name


# Keras gives the program and ``fit`` the same seeds, so masks and noise are equal too.
@pytest.mark.parametrize("network", NETWORKS)
def test_two_epochs_of_a_network_are_those_of_fit(network):
    assert_alike(by_program(built(network)), by_fit(built(network)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_epochs_of_an_optimizer_are_those_of_fit(optimizer):
    found = by_program(built("dense", optimizer))
    assert_alike(found, by_fit(built("dense", optimizer)))


@pytest.mark.parametrize("n_rows", [75, 64, 20])
def test_weights_of_rows_count_as_in_fit_in_the_last_batch_too(n_rows):
    weight = RNG.uniform(0.1, 2, size=len(X)).astype("float32")
    found = by_program(built(), n_rows, weight)
    assert_alike(found, by_fit(built(), n_rows, weight))
