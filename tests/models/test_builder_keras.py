"""Keras models from a builder: checked, compiled if need be, trained as by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import psutil
import pytest
from builder_samples import (
    KERAS,
    TASKS,
    X_images,
    X_iris,
    X_values,
    fit,
    y_images,
    y_iris,
    y_values,
)
from sklearn.metrics import log_loss, mean_absolute_error

from hpo.errors import TrialError
from hpo.models import FitRequest, get_family
from hpo.models.stopping import inner_split

pytestmark = pytest.mark.keras


def stack(*layers, then="model"):
    """Return a builder of a Sequential model; ``then`` is what it returns of it."""
    lines = "\n        ".join(f"{layer}," for layer in layers)
    return f"""
import keras
from keras.layers import *

def build(params, data):
    model = keras.Sequential([
        {lines}
    ])
    return {then}
"""


def compiled(*layers, loss, **options):
    text = ", ".join([f"loss={loss!r}", *(f"{k}={v!r}" for k, v in options.items())])
    return stack(*layers, then=f"model.compile({text}) or model")


INPUT, HIDDEN = "Input(data.feature_shape)", "Dense(8, 'relu')"
LAST = "Dense(data.output_units, data.output_activation)"


@pytest.mark.parametrize("task", TASKS)
def test_predictions_have_the_promised_form(code, task):
    X, y, kind, n_classes = TASKS[task]
    fitted = fit(code.family(KERAS), task, patience=2)
    predicted = fitted.model.predict(X)
    assert predicted.shape == y.shape
    assert fitted.n_epochs == len(fitted.curves["loss"]) == 3
    assert fitted.best_epoch in (1, 2, 3)
    if kind == "regression":
        assert predicted.dtype == np.float64
        assert set(fitted.curves) == {"loss", "val_loss", "mae", "val_mae"}
        return
    assert predicted.dtype == np.int64
    probabilities = fitted.model.predict_proba(X)
    assert probabilities.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(predicted, probabilities.argmax(axis=1))
    assert set(fitted.curves) == {"loss", "val_loss", "accuracy", "val_accuracy"}


def by_hand(seed=1, **sgd):
    """The network of KERAS on iris, as a person would train it in plain Keras."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(**sgd), "sparse_categorical_crossentropy")
    history = model.fit(X_iris, y_iris, batch_size=50, epochs=3, verbose=0)
    return model.predict(X_iris, verbose=0), history.history["loss"]


def test_an_uncompiled_model_is_trained_as_by_hand_with_the_params_and_the_seed(code):
    params = {"optimizer": "sgd", "learning_rate": 0.2, "momentum": 0.5}
    fitted = fit(
        code.family(KERAS), "multiclass", batch_size=50, nesterov=True, **params
    )
    expected, losses = by_hand(learning_rate=0.2, momentum=0.5, nesterov=True)
    np.testing.assert_allclose(fitted.curves["loss"], losses, rtol=1e-6)
    np.testing.assert_allclose(
        fitted.model.predict_proba(X_iris), expected, rtol=1e-5, atol=1e-7
    )
    assert fitted.n_parameters == 4 * 8 + 8 + 8 * 3 + 3


def digest(fitted):
    return hashlib.sha256(fitted.model.predict_proba(X_iris).tobytes()).hexdigest()


CHILD = """
import sys
from pathlib import Path
from builder_samples import fit
from hpo.models.builder import Builder
from hpo.user_code import Home
import test_builder_keras as here

family = Builder(sys.argv[1], Home(Path(sys.argv[2])))
if "before" in sys.argv:
    fit(family, "binary", units=3)
print(here.digest(fit(family, "multiclass")))
"""


@pytest.mark.slow
def test_the_same_request_gives_the_same_bits_in_any_process(code):
    family = code.family(KERAS)
    first = digest(fit(family, "multiclass"))
    assert first != digest(fit(family, "multiclass", seed=2))
    assert first == digest(fit(family, "multiclass"))
    lazy = KERAS.replace("import keras\n", "").replace(
        "    return keras", "    import keras\n    return keras"
    )
    path = [str(code.folder), "tests", "tests/models"]
    for name, *options in (
        (family.name,),
        (family.name, "before"),
        (code.write(lazy),),
    ):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, name, str(code.folder), *options],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": ":".join(path)},
        )
        assert done.stdout.split()[-1:] == [first], done.stderr[-2000:]


# --- what a model looks like --------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        (
            "multiclass",
            stack(INPUT, "Dense(1, 'sigmoid')"),
            r"expected output \(None, 3\) for 3 classes; got \(None, 1\); end it with",
        ),
        (
            "binary",
            stack(INPUT, "Dense(3, 'softmax')"),
            r"\(None, 1\) or \(None, 2\) for 2 classes; got \(None, 3\)",
        ),
        ("two targets", stack(INPUT, "Dense(1)"), r"\(None, 2\) for 2 targets; got"),
        ("images", stack(INPUT, LAST), r"got \(None, 8, 10\)"),
        ("multiclass", stack(INPUT, "Dense(3)"), "expected probabilities; the outputs"),
        ("multiclass", stack(INPUT, "Dense(3, 'sigmoid')"), "expected probabilities"),
        (
            "multiclass",
            stack("Input((7,))", HIDDEN, LAST),
            r"does not take rows of shape \(4,\): ValueError: ",
        ),
        (
            "multiclass",
            stack("Input((4,))", then="keras.Model([Input((4,)), Input((4,))], 3)"),
            r"user_\w+.py:9: ",
        ),
        (
            "multiclass",
            stack(
                INPUT,
                HIDDEN,
                then="keras.Model(model.inputs, [model.layers[0].output] * 2)",
            ),
            "expected outputs of the width for 3 classes each; got 8, 8",
        ),
        (
            "multiclass",
            """
            import keras

            def build(params, data):
                one, two = keras.Input((5,)), keras.Input((5,))
                out = keras.layers.Dense(3, "softmax")(one + two)
                return keras.Model([one, two], out)
            """,
            r"expected inputs of shape \(4,\) each, or widths that add up to the 4",
        ),
        (
            "multiclass",
            """
            import keras

            class Twice(keras.Model):
                def call(self, X):
                    return {"a": X, "b": X}

            def build(params, data):
                return Twice()
            """,
            "expected outputs of the width for 3 classes each; got 4, 4",
        ),
        (
            "multiclass",
            """
            import keras

            class Mine(keras.Model):
                def call(self, X):
                    raise RuntimeError("no way")

            def build(params, data):
                return Mine()
            """,
            r"does not take rows of shape \(4,\): user_\w+.py:6: RuntimeError: .*way",
        ),
        (
            "multiclass",
            compiled(INPUT, LAST, loss="sparse_crossentropy"),
            "in training: ValueError: ",
        ),
    ],
)
def test_a_model_that_does_not_fit_the_task_is_told_before_training(
    code, task, text, message
):
    with pytest.raises(TrialError, match=message) as error:
        fit(code.family(text), task)
    assert error.value.kind == "error"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        stack(HIDDEN, LAST),
        """
        import keras

        class Mine(keras.Model):
            def __init__(self, units):
                super().__init__()
                self.last = keras.layers.Dense(units, "softmax")

            def call(self, X):
                return self.last(X)

        def build(params, data):
            return Mine(data.output_units)
        """,
    ],
)
def test_a_model_that_does_not_know_its_input_yet_is_built_from_the_rows(code, text):
    fitted = fit(code.family(text), "multiclass")
    assert fitted.model.predict_proba(X_iris).shape == (150, 3)
    assert fitted.n_parameters in (4 * 8 + 8 + 8 * 3 + 3, 4 * 3 + 3)


def test_two_outputs_for_two_classes_are_as_good_as_one(code):
    fitted = fit(
        code.family(stack(INPUT, "Dense(2, 'softmax')")), "binary", learning_rate=0.1
    )
    X, y, _, _ = TASKS["binary"]
    assert (fitted.model.predict(X) == y).mean() > 0.9


def test_images_reach_the_network_in_their_shape(code):
    family = code.family(
        stack(
            INPUT,
            "Reshape((*data.feature_shape, 1))",
            "Conv2D(params['filters'], 3, activation='relu')",
            "Flatten()",
            LAST,
        )
    )
    fitted = fit(family, "images", filters=6, epochs=15, learning_rate=0.01)
    assert (fitted.model.predict(X_images) == y_images).mean() > 0.9


# --- what a model was compiled with -------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "mean_squared_error",
    ],
)
def test_labels_have_the_form_that_the_loss_of_a_compiled_model_takes(code, loss):
    text = compiled(INPUT, LAST, loss=loss, optimizer="sgd", metrics=["accuracy"])
    fitted = fit(code.family(text), "multiclass", epochs=1, batch_size=150)
    # One batch: the loss of the first epoch is that of the untrained network.
    start = fit(
        code.family(compiled(INPUT, LAST, loss=loss).replace("'rmsprop'", "'sgd'")),
        "multiclass",
        epochs=1,
        batch_size=150,
    )
    assert fitted.curves["loss"] == start.curves["loss"]
    assert 0 <= fitted.curves["accuracy"][0] <= 1
    network = untrained()
    if loss == "mean_squared_error":
        expected = ((network - np.eye(3)[y_iris]) ** 2).mean()
    else:
        expected = log_loss(y_iris, network)
    assert fitted.curves["loss"][0] == pytest.approx(expected, rel=1e-5)


def untrained():
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    outputs = np.asarray(model(X_iris), dtype="float64")
    return outputs / outputs.sum(axis=1, keepdims=True)


def test_a_compiled_model_keeps_its_loss_and_its_optimizer(code):
    text = stack(
        INPUT,
        "Dense(1)",
        then="model.compile(keras.optimizers.SGD(0.0), 'mae') or model",
    )
    fitted = fit(code.family(text), "regression", epochs=2, learning_rate=0.5)
    predicted = fitted.model.predict(X_values)
    # A learning rate of 0 trains nothing, so the loss is that of the end.
    assert fitted.curves["loss"][-1] == pytest.approx(
        mean_absolute_error(y_values, predicted), rel=1e-5
    )


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_logits_become_probabilities_if_the_loss_is_from_logits(code, task):
    X, y, _, _ = TASKS[task]
    name = "Binary" if task == "binary" else "SparseCategorical"
    text = stack(
        INPUT,
        "Dense(data.output_units)",
        then=f"""model.compile(
        keras.optimizers.Adam(0.1), keras.losses.{name}Crossentropy(from_logits=True)
    ) or model""",
    )
    fitted = fit(code.family(text), task, epochs=20)
    probabilities = fitted.model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    # The loss of an epoch is a mean over its updates, so the end is a little below.
    assert log_loss(y, probabilities) == pytest.approx(
        fitted.curves["loss"][-1], rel=0.15
    )


def test_a_loss_of_the_user_gets_class_codes(code):
    text = """
    import keras

    def mine(y, p):
        assert y.shape[1:] in ((), (1,)), y.shape
        return keras.losses.sparse_categorical_crossentropy(y, p)

    def build(params, data):
        model = keras.Sequential([keras.layers.Dense(3, "softmax")])
        model.compile("adam", mine)
        return model
    """
    assert fit(code.family(text), "multiclass").n_epochs == 3


# --- the course of training ---------------------------------------------------------


def test_early_stopping_keeps_the_best_weights_by_the_inner_split(code):
    text = stack(INPUT, "Dense(32, 'relu')", LAST)
    fitted = fit(
        code.family(text), "multiclass", epochs=60, patience=3, learning_rate=0.3
    )
    watched = fitted.curves["val_loss"]
    assert fitted.n_epochs == len(watched) < 60
    assert fitted.best_epoch == int(np.argmin(watched)) + 1 == len(watched) - 3
    rows = inner_split(y_iris, "classification", 1)[1]
    probabilities = fitted.model.predict_proba(X_iris[rows])
    assert log_loss(y_iris[rows], probabilities, labels=[0, 1, 2]) == pytest.approx(
        min(watched), rel=1e-4, abs=1e-6
    )


@pytest.mark.parametrize("patience", [None, 3])
def test_a_loss_that_is_no_number_ends_the_training_at_once(code, patience):
    family = code.family(stack(INPUT, HIDDEN, "Dense(1)"))
    with pytest.raises(TrialError, match=r"at epoch [12]: lower the learning") as error:
        fit(
            family,
            "regression",
            epochs=10**6,
            optimizer="sgd",
            learning_rate=1e30,
            patience=patience,
        )
    assert error.value.kind == "nan"
    assert error.value.engine.partition(" scan: ")[1]


OWN_STEP = """
import keras, tensorflow as tf

class Own(keras.Model):
    def train_step(self, data):
        x, y = data[:2]
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}

def build(params, data):
    rows = keras.Input(data.feature_shape)
    hidden = keras.layers.Dense(8, "relu")(rows)
    outputs = keras.layers.Dense(data.output_units, data.output_activation)(hidden)
    return Own(rows, outputs)
"""


def test_a_step_of_the_users_is_given_no_metrics_that_it_does_not_update(code):
    trained = fit(code.family(OWN_STEP), "multiclass", epochs=2)
    assert trained.engine.endswith(" fit: custom train_step")
    assert list(trained.curves) == ["loss"]


def test_weights_of_rows_count_in_the_loss(code):
    weights = np.where(y_iris == 2, 2.9, 0.05)
    fitted = fit(
        code.family(stack(INPUT, LAST)),
        "multiclass",
        epochs=1,
        batch_size=150,
        sample_weight=weights,
    )
    expected = log_loss(y_iris, untrained(), sample_weight=weights) * weights.mean()
    assert fitted.curves["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_another_family_of_this_process_is_not_disturbed(code):
    X, y, kind, n_classes = TASKS["binary"]
    given = FitRequest({"epochs": 2}, X, y, kind, n_classes, 1)
    dense = get_family("keras-mlp")
    (before,) = dense.fit_group([given])
    expected = before.model.predict_proba(X)
    earlier = fit(code.family(KERAS), "binary")
    kept = earlier.model.predict_proba(X)
    fit(code.family(KERAS), "multiclass")
    np.testing.assert_array_equal(before.model.predict_proba(X), expected)
    (after,) = dense.fit_group([given])
    np.testing.assert_array_equal(after.model.predict_proba(X), expected)
    np.testing.assert_array_equal(earlier.model.predict_proba(X), kept)


@pytest.mark.slow
def test_thirty_networks_leave_no_more_behind_than_a_few(code):
    family = code.family(KERAS)
    process = psutil.Process()

    def grown(n_networks):
        start = process.memory_info().rss
        for units in range(n_networks):
            fit(family, "multiclass", epochs=1, units=8 + units)
        return (process.memory_info().rss - start) / 2**20

    grown(5)
    # A network that stays takes 3 to 5 MiB; what goes is not given back at once.
    assert grown(25) < 60
