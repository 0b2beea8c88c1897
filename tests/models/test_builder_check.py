"""What is found out about a builder without training: in a child process, once."""

from __future__ import annotations

import sys

import pytest
from builder_samples import KERAS, SKLEARN, info

from hpo.models.builder_check import describe_model

PARAMS = {"epochs": 3, "scale": "none", "trees": 7, "tree": 8, "units": 4}


def test_a_scikit_learn_builder_is_described_and_not_imported_here(code):
    text = f"print('hello')\n{SKLEARN}"
    found = describe_model(code.write(text), code.home, PARAMS, info("multiclass"))
    assert found["errors"] == []
    assert (found["kind"], found["class"]) == ("scikit-learn", "RandomForestClassifier")
    assert found["layers"] == ["RandomForestClassifier(max_depth=3, n_estimators=7)"]
    # No epochs are trained, and the builder reads trees only.
    assert found["unread"] == ["epochs", "tree", "units"]
    assert not any(name.startswith(code.label) for name in sys.modules)


@pytest.mark.keras
@pytest.mark.slow
def test_a_keras_builder_is_described_layer_by_layer(code):
    params = {**PARAMS, "momentum": 0.5, "learning_rate": 0.1}
    name = code.write(KERAS)
    found = describe_model(name, code.home, params, info("multiclass"))
    assert found["errors"] == []
    assert (found["kind"], found["class"]) == ("keras", "Sequential")
    assert found["n_parameters"] == 4 * 4 + 4 + 4 * 3 + 3
    assert found["output_shape"] == [None, 3]
    assert found["layers"][1:] == [
        "Dense relu: (None, 4), 20 parameters",
        "Dropout: (None, 4), 0 parameters",
        "Dense softmax: (None, 3), 15 parameters",
    ]
    # Adam has no momentum; what trains the model is read by training.
    assert found["unread"] == ["trees", "tree", "momentum"]
    scan = "a whole epoch per compiled call (scan: {})".format
    assert found["training"] == scan("a fold at a time")
    given = code.home, params, info("multiclass")
    found = describe_model(name, *given, whole_trials=True)
    assert found["training"] == "the folds of a trial together in one program (stacked)"
    params["patience"] = 3
    found = describe_model(name, *given, whole_trials=True)
    assert found["training"] == scan("early stopping ends its folds apart")
    dropout = "keras.layers.Dropout(0.2)"
    layer = "keras.layers.SpectralNormalization(keras.layers.Dense(3))"
    assigns = KERAS.replace(dropout, layer)
    found = describe_model(code.write(assigns), code.home, params, info("multiclass"))
    # Only a try shows that: the layer assigns weights in its call.
    assert found["training"] == (
        "one by one by Keras' own fit (self-check: weights differ from those of fit)"
    )
    wrong = KERAS.replace("data.output_units", "7")
    found = describe_model(code.write(wrong), code.home, PARAMS, info("multiclass"))
    assert len(found["errors"]) == 1
    assert (
        "expected output (None, 3) for 3 classes; got (None, 7)" in found["errors"][0]
    )


OWN_FIT = """
import keras, keras_tuner

class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model
"""


@pytest.mark.keras
@pytest.mark.slow
def test_a_hypermodel_that_has_a_fit_of_its_own_is_trained_by_it(code):
    for more, training in (
        ("", "a whole epoch per compiled call (scan: a fold at a time)"),
        (
            "    def fit(self, hp, model, *args, **kwargs):\n"
            "        return model.fit(*args, **kwargs)\n",
            "one by one by the hypermodel's own fit (own fit)",
        ),
    ):
        module = code.write(OWN_FIT + more).partition(":")[0]
        name = f"keras_tuner:{module}:Mine"
        found = describe_model(name, code.home, {}, info("multiclass"))
        assert found["errors"] == []
        assert found["training"] == training


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library", "cannot be imported: "),
        (
            "def build(params, data):\n    return params['nothing']",
            "'nothing' is not in",
        ),
        ("import os\nos._exit(7)", "ended Python (exit code 7)"),
        ("import time\ntime.sleep(60)", "took longer than 4 s to build"),
    ],
)
def test_what_is_wrong_with_a_builder_is_one_line(code, text, message):
    name = code.write(text)
    data = info("binary")
    seconds = 4 if "sleep" in text else 60
    found = describe_model(name, code.home, {}, data, timeout_seconds=seconds)
    (error,) = found["errors"]
    assert message in error
    assert "\n" not in error
    assert found["kind"] is None
