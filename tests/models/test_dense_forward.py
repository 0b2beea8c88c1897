"""The forward pass in NumPy against Keras' own `predict`."""

from __future__ import annotations

import numpy as np
import pytest

from hpo.models import dense_forward
from hpo.models.keras_mlp import KerasModel
from hpo.models.keras_network import Architecture
from hpo.models.settings import Settings
from hpo.models.vocabulary import ENTRIES

pytestmark = pytest.mark.keras

ACTIVATIONS = ENTRIES["activation"].choices + ENTRIES["activation"].keras_choices
N_FEATURES = 6


def model(params, task="regression", n_classes=0, n_targets=1):
    """Return a model whose weights are all drawn, moving statistics included."""
    settings = Settings.of(params)
    network = Architecture.of(settings, N_FEATURES, task, n_classes, n_targets)
    rng, weights = np.random.default_rng(3), []
    sizes = (N_FEATURES, *network.widths)
    for rows, width in zip(sizes, network.widths, strict=False):
        weights.append(rng.normal(size=(rows, width)))
        n_vectors = 4 if network.batch_norm else 1
        weights += list(rng.normal(size=(n_vectors, width)))
        if network.batch_norm:
            weights[-1] = weights[-1] ** 2  # a variance
    weights.append(rng.normal(size=(sizes[-1], network.n_outputs)))
    weights.append(rng.normal(size=network.n_outputs))
    weights = [w.astype("float32") for w in weights]
    return KerasModel(network, weights, n_classes, settings)


def rows(n=50):
    # Far from zero too, where some of the formulas could overflow.
    return np.random.default_rng(5).normal(size=(n, N_FEATURES)) * 10


def assert_as_keras(tested, X):
    ours = dense_forward.outputs(tested.architecture, tested.weights, X)
    theirs = tested.network()(X.astype("float32"), training=False)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_answers_as_keras_does(activation, batch_norm):
    params = {"activation": activation, "batch_norm": batch_norm, "dropout": 0.5}
    # A narrow one: products of many large numbers differ in the last bits anyway.
    assert_as_keras(model({**params, "hidden_layers": 1, "units": 3}), rows())


@pytest.mark.parametrize("output", ENTRIES["output_activation"].choices)
def test_regression_has_every_activation_of_the_output(output):
    params = {"hidden_layers": 2, "units_0": 5, "units_1": 3}
    tested = model({**params, "output_activation": output}, n_targets=2)
    assert_as_keras(tested, rows() / 10)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("hidden_layers", [0, 1])
def test_classes_are_as_in_predict(n_classes, hidden_layers):
    tested = model(
        {"hidden_layers": hidden_layers, "units": 7}, "classification", n_classes
    )
    X = rows()
    assert_as_keras(tested, X)
    expected = tested.network().predict(X, verbose=0)
    if n_classes == 2:
        expected = np.hstack([1 - expected, expected])
    np.testing.assert_allclose(tested.predict_proba(X), expected, atol=1e-6)
    assert np.array_equal(tested.predict(X), expected.argmax(axis=1))


def test_many_rows_are_answered_in_parts(monkeypatch):
    tested, X = model({"units": 4}), rows(101)
    whole = dense_forward.outputs(tested.architecture, tested.weights, X)
    monkeypatch.setattr(dense_forward, "ROWS_AT_ONCE", 20)
    parts = dense_forward.outputs(tested.architecture, tested.weights, X)
    assert parts.shape == (101, 1)
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
    assert dense_forward.outputs(tested.architecture, tested.weights, X[:0]).size == 0


def test_the_ends_of_activations_do_not_overflow():
    X = np.array([[-200.0, 0.0, 200.0]], "float32")
    for name in (*ACTIVATIONS, "softmax"):
        assert np.isfinite(dense_forward.activated(name, X)).all()
    with pytest.raises(KeyError):
        dense_forward.activated("mish", X)
