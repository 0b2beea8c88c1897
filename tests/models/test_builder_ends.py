"""Keras models of several inputs and outputs, built by the user's own code."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris

from hpo.errors import TrialError
from hpo.models import FitRequest
from hpo.models.builder import Builder
from hpo.models.builder_ends import Ends, input_parts, output_parts
from hpo.models.builder_info import DataInfo
from hpo.user_code import Home

pytestmark = pytest.mark.keras

CODE = """
import keras
from keras.layers import Concatenate, Dense


def output(data, name="main", units=None):
    return Dense(units or data.output_units, data.output_activation, name=name)


def whole(params, data):
    a, b = (keras.Input(data.feature_shape) for _ in range(2))
    joined = Concatenate()([a, Dense(8, "relu")(b)])
    return keras.Model([a, b], output(data)(joined))


def blocks(params, data):
    a, b = keras.Input((1,)), keras.Input((data.n_features - 1,))
    joined = Concatenate()([Dense(4, "relu")(a), Dense(8, "relu")(b)])
    return keras.Model([a, b], [output(data)(joined), output(data, "aux")(a)])


def compiled(params, data):
    model = blocks(params, data)
    losses = {
        "main": "sparse_categorical_crossentropy",
        "aux": "categorical_crossentropy",
    }
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, loss=losses, loss_weights={"main": 1.0, "aux": 0.0})
    return model


def by_target(params, data):
    a = keras.Input(data.feature_shape)
    hidden = Dense(16, "relu")(a)
    return keras.Model(a, [Dense(1)(hidden), Dense(data.n_targets - 1)(hidden)])


def strange_inputs(params, data):
    a, b = keras.Input((2,)), keras.Input((7,))
    return keras.Model([a, b], output(data)(Concatenate()([a, b])))


def strange_outputs(params, data):
    a = keras.Input(data.feature_shape)
    return keras.Model(a, [output(data)(a), output(data, "aux", 7)(a)])
"""
X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
PARAMS = {"epochs": 30, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    (folder / "several.py").write_text(CODE)

    def run(function, y=Y, **params):
        request = FitRequest(
            params=PARAMS | params,
            X=X,
            y=y,
            task="classification" if y is Y else "regression",
            n_classes=3 if y is Y else 0,
            seed=1,
            sample_weight=np.full(len(X), 1.0),
        )
        (fitted,) = Builder(f"several:{function}", Home(folder)).fit_group([request])
        if isinstance(fitted, Exception):
            raise fitted
        return fitted

    return run


@pytest.mark.parametrize("function", ["whole", "blocks", "compiled"])
@pytest.mark.parametrize("patience", [None, 5])
def test_several_inputs_and_outputs_learn(fit, function, patience):
    fitted = fit(function, patience=patience)
    probabilities = fitted.model.predict_proba(X)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (fitted.model.predict(X) == Y).mean() > 0.9
    assert len(fitted.curves["loss"]) == fitted.n_epochs


def test_the_first_of_several_like_outputs_is_the_answer(fit):
    model = fit("compiled").model
    main, aux = model.model.predict([X[:, :1], X[:, 1:]], verbose=0)
    np.testing.assert_allclose(model.predict_proba(X), main, atol=1e-6)
    assert np.abs(main - aux).max() > 0.1


def test_targets_go_to_the_outputs_in_blocks(fit):
    targets = np.column_stack([X[:, 0] * 2, X[:, 1] - 1, -X[:, 2]])
    model = fit("by_target", y=targets, epochs=60).model
    predicted = model.predict(X)
    assert predicted.shape == (150, 3)
    for column in range(3):
        assert np.corrcoef(predicted[:, column], targets[:, column])[0, 1] > 0.95
    first, others = model.model.predict(X, verbose=0)
    np.testing.assert_allclose(predicted, np.hstack([first, others]), atol=1e-5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            "strange_inputs",
            r"expected inputs of shape \(4,\) each, or widths that add up to the 4 "
            r"columns of a table; got \(2,\), \(7,\)",
        ),
        (
            "strange_outputs",
            "expected outputs of the width for 3 classes each; got 3, 7",
        ),
    ],
)
def test_ends_that_fit_nothing_are_named(fit, function, words):
    with pytest.raises(TrialError, match=words):
        fit(function)


def test_columns_are_divided_in_order():
    info = DataInfo((5,), "regression", n_targets=2)
    inputs = [keras.Input((2,)), keras.Input((3,))]
    parts = input_parts("m:f", keras.Model(inputs, inputs), info)
    assert parts == ((0, 2), (2, 5))
    fed = Ends(inputs=parts).feed(np.arange(10).reshape(2, 5))
    assert [rows.tolist() for rows in fed] == [[[0, 1], [5, 6]], [[2, 3, 4], [7, 8, 9]]]
    assert output_parts("m:f", [1, 1], info) == ((0, 1), (1, 2))
    assert output_parts("m:f", [2, 2], info) == (None, None)
    with pytest.raises(TrialError, match="width 2 each, or widths that add up to the"):
        output_parts("m:f", [1, 2], info)
