"""Hypermodels of Keras Tuner, written as its users do, trained as it trains them."""

from __future__ import annotations

import sys

import keras
import keras_tuner
import numpy as np
import pytest
from builder_samples import X_images, X_iris, fit, request, y_iris

from hpo.errors import SpecError, TrialError
from hpo.models import get_family
from hpo.models.builder_check import describe_model
from hpo.models.builder_info import DataInfo
from hpo.models.family import HandedBack
from hpo.models.keras_tuner_discovery import discover
from hpo.models.keras_tuner_family import KerasTunerFamily
from hpo.models.stopping import inner_split
from hpo.space import Categorical, Float, Int, Space
from hpo.user_code import Home

pytestmark = pytest.mark.keras

BUILD = """
import keras

def build(hp):
    model = keras.Sequential([
        keras.Input((4,)),
        keras.layers.Dense(hp.Int("units", 4, 16, step=4), hp.Choice("act", ["relu"])),
        keras.layers.Dense(3, "softmax"),
    ])
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Float("lr", 1e-3, 1e-1, sampling="log")),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
"""
OWN_FIT = """
import keras, keras_tuner

class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, **kwargs):
        CALLS.append((args, kwargs, dict(hp.values)))
        return model.fit(
            *args,
            batch_size=hp.Choice("batch_size", [16, 32]),
            shuffle=hp.Boolean("shuffle"),
            **kwargs,
        )

CALLS = []
"""
OWN_LOOP = """
import keras, keras_tuner, numpy as np, tensorflow as tf

class Loop(keras_tuner.HyperModel):
    def build(self, hp):
        units = hp.Int("units", 4, 8)
        return keras.Sequential([
            keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(3)
        ])

    def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
        rows = hp.Int("batch_size", 8, 32, step=8, default=16)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(rows)
        optimizer = keras.optimizers.Adam(hp.Float("lr", 1e-3, 1e-1, sampling="log"))
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for callback in callbacks:
            callback.set_model(model)
        best = np.inf
        for epoch in range(kwargs["epochs"]):
            for some, codes in batches:
                with tf.GradientTape() as tape:
                    loss = loss_of(codes, model(some, training=True))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            held, wanted = validation_data
            best = min(best, float(loss_of(wanted, model(held))))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"val_loss": best})
        return best
"""


def family(code, text, name="build"):
    module = code.write(text).partition(":")[0]
    return get_family(f"keras_tuner:{module}:{name}", home=code.home)


def module_of(family):
    return sys.modules[family.name.split(":")[1]]


def test_a_build_function_is_trained_as_by_hand(code):
    params = {"units": 8, "act": "relu", "lr": 0.02, "epochs": 4, "batch_size": 16}
    trained = fit(family(code, BUILD), "multiclass", seed=5, **params)
    keras.utils.set_random_seed(5)
    namespace: dict = {}
    exec(BUILD, namespace)
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 8, "act": "relu", "lr": 0.02}
    model = namespace["build"](hp)
    X = X_iris.astype("float32")
    history = model.fit(X, y_iris, epochs=4, batch_size=16, verbose=0).history
    np.testing.assert_allclose(trained.curves["loss"], history["loss"], rtol=1e-6)
    np.testing.assert_allclose(
        trained.model.predict_proba(X_iris), model.predict(X, verbose=0), atol=1e-6
    )
    assert trained.n_parameters == 4 * 8 + 8 + 8 * 3 + 3


@pytest.mark.parametrize(
    ("task", "end", "loss"),
    [
        ("multiclass", "3, 'softmax'", "categorical_crossentropy"),
        ("multiclass", "3", "CategoricalCrossentropy(from_logits=True)"),
        ("binary", "1, 'sigmoid'", "binary_crossentropy"),
        ("binary", "2, 'softmax'", "sparse_categorical_crossentropy"),
        ("regression", "1", "mean_absolute_error"),
        ("two targets", "2", "mse"),
    ],
)
def test_targets_have_the_form_that_the_loss_of_the_user_wants(code, task, end, loss):
    made = f"keras.losses.{loss}" if "(" in loss else repr(loss)
    text = f"""
import keras

def build(hp):
    model = keras.Sequential([keras.layers.Dense({end})])
    rate = hp.Float("lr", 0.01, 1)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss={made})
    return model
"""
    trained = fit(family(code, text), task, lr=0.1, epochs=15)
    losses = trained.curves["loss"]
    assert losses[-1] < 0.9 * losses[0]
    predicted = trained.model.predict(request(task).X)
    assert predicted.shape == request(task).y.shape


def test_an_own_fit_is_called_as_keras_tuner_calls_it(code):
    mine = family(code, OWN_FIT, "Mine")
    params = {"batch_size": 32, "shuffle": True, "epochs": 3, "patience": 50}
    trained = fit(mine, "multiclass", seed=2, **params)
    tried, *_, (args, kwargs, values) = module_of(mine).CALLS
    assert len(tried[0][0]) == 8  # tried out first, on a few rows
    # Epochs is the study's, patience too; the hypermodel is told of what it asks for.
    assert values == {"batch_size": 32, "shuffle": True, "epochs": 3}
    rows, held = inner_split(y_iris, "classification", 2)
    np.testing.assert_array_equal(args[0], X_iris[rows].astype("float32"))
    np.testing.assert_array_equal(args[1], y_iris[rows])
    np.testing.assert_array_equal(kwargs["validation_data"][1], y_iris[held])
    assert kwargs["epochs"] == 3
    assert {*kwargs} == {"validation_data", "epochs", "callbacks", "verbose"}
    assert {*trained.curves} == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert trained.n_epochs == 3
    assert trained.best_epoch == 1 + int(np.argmin(trained.curves["val_loss"]))
    assert trained.engine.endswith("own fit")


def test_an_own_fit_gives_the_same_bits_again_and_in_another_process_order(code):
    first, again = family(code, OWN_FIT, "Mine"), family(code, OWN_FIT, "Mine")
    params = {"batch_size": 16, "shuffle": True, "epochs": 2}
    fit(again, "multiclass", seed=9, **params)
    outputs = [
        fit(each, "multiclass", seed=3, **params).model.predict_proba(X_iris)
        for each in (first, again)
    ]
    np.testing.assert_array_equal(*outputs)


def test_early_stopping_keeps_the_best_epoch_of_an_own_fit(code):
    text = OWN_FIT.replace('"adam"', "keras.optimizers.Adam(5.0)")
    params = {"batch_size": 16, "shuffle": True, "epochs": 60, "patience": 3}
    trained = fit(family(code, text, "Mine"), "multiclass", **params)
    assert trained.n_epochs == trained.best_epoch + 3 < 60
    held = inner_split(y_iris, "classification", 1)[1]
    model = trained.model.model
    model.compile(loss="sparse_categorical_crossentropy")
    loss, _ = model.evaluate(X_iris[held].astype("float32"), y_iris[held], verbose=0)
    assert loss == pytest.approx(min(trained.curves["val_loss"]), rel=1e-5)


def test_a_loop_of_the_users_own_trains_a_model_that_is_not_compiled(code):
    loop = family(code, OWN_LOOP, "Loop")
    params = {"units": 8, "batch_size": 8, "lr": 0.05, "epochs": 12}
    trained = fit(loop, "multiclass", **params)
    assert (trained.model.predict(X_iris) == y_iris).mean() > 0.9
    # Its last layer has no softmax, and nobody said so.
    np.testing.assert_allclose(trained.model.predict_proba(X_iris).sum(axis=1), 1)
    assert len(trained.curves["val_loss"]) == 12
    stopped = fit(loop, "multiclass", **params, patience=2)
    assert stopped.best_epoch >= 1


def test_patience_needs_a_fit_that_tells_of_its_validation_loss(code):
    text = OWN_FIT.replace("**kwargs,\n        )", "epochs=1)")
    params = {"batch_size": 16, "shuffle": True, "patience": 3}
    with pytest.raises(TrialError, match=r"patience: the fit of .* told its callbacks"):
        fit(family(code, text, "Mine"), "multiclass", **params)


def test_a_failure_begins_with_the_line_of_the_user(code):
    text = BUILD.replace(
        "    model.compile(",
        '    if hp.get("units") == 8: raise ValueError("too few")\n    model.compile(',
        1,
    )
    made = family(code, text)
    params = {"act": "relu", "lr": 0.01}
    fit(made, "multiclass", units=4, **params)
    line = (
        text.splitlines().index(
            '    if hp.get("units") == 8: raise ValueError("too few")'
        )
        + 1
    )
    with pytest.raises(TrialError, match=rf"^user_\w+\.py:{line}: ValueError: too few"):
        fit(made, "multiclass", units=8, **params)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Dense(3, "softmax")', "Dense(5)", r"got \(None, 5\); end it with .*\(3, 'so"),
        ("return model", "return 3", "returned int; expected a keras.Model"),
        ("return model", "return", "returned nothing"),
        ("model.compile(", "dict(", "not compiled; end it with model.compile"),
    ],
)
def test_a_model_that_cannot_be_used_says_why(code, old, new, message):
    with pytest.raises(TrialError, match=message):
        fit(family(code, BUILD.replace(old, new)), "multiclass", units=4, act="relu")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("def build(hp, x): ...", "build", r"expected build\(hp\); got build\(hp, x\)"),
        ("class Mine: ...", "Mine", "expected a keras_tuner.HyperModel"),
        (
            "import keras_tuner\nclass Mine(keras_tuner.HyperModel):\n"
            "    def __init__(self, n): ...\n    def build(self, hp): ...",
            "Mine",
            r"Mine needs arguments .*hypermodel = Mine\(\.\.\.\)",
        ),
        ("x = 3", "x", "expected a function; .* is int"),
        ("1 / 0", "build", r"cannot be imported: user_\w+\.py:1: ZeroDivisionError"),
    ],
)
def test_what_is_no_hypermodel_is_a_mistake_of_the_file(code, text, name, message):
    with pytest.raises(SpecError, match=message):
        family(code, text, name).warm_up()


def test_an_instance_is_a_hypermodel_too(code):
    text = OWN_FIT + "\nmine = Mine()\n"
    trained = fit(family(code, text, "mine"), "multiclass", batch_size=16, shuffle=True)
    assert trained.n_epochs == 3


def test_the_settings_of_training_are_checked_and_other_names_are_not(code):
    made = family(code, BUILD)
    problems = made.problems(Space(epochs=0, units=3, scale="big"), "classification")
    assert [problem.where for problem in problems] == ["scale", "epochs"]


def test_names_are_checked_once_it_is_known_what_the_hypermodel_asks_for(code):
    name = family(code, BUILD).name
    known = KerasTunerFamily(name, code.home, {"units": 4, "block/act": "relu"})
    assert known.problems(Space(**{"units": 3, "block/act": "relu"}), None) == []
    (problem,) = known.problems(Space(unit=3, epochs=2), None)
    assert problem.where == "unit"
    assert "no hyperparameter 'unit'; did you mean 'units'?" in problem.what


# --- discovery ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_space_of_a_hypermodel_is_found_without_importing_it_here(code):
    made = family(code, OWN_FIT, "Mine")
    found = discover(made.name, code.home)
    assert dict(found.space.declared) == {
        "batch_size": Categorical((16, 32)),
        "shuffle": Categorical((False, True)),
    }
    assert found.refused == ("batch_size",)
    assert found.notes == ()
    assert made.name.split(":")[1] not in sys.modules


@pytest.mark.slow
def test_what_a_loop_of_the_users_own_asks_for_is_found(code):
    found = discover(family(code, OWN_LOOP, "Loop").name, code.home)
    assert dict(found.space.declared) == {
        "units": Int(4, 8),
        "batch_size": Int(8, 32, step=8),
        "lr": Float(1e-3, 1e-1, log=True),
    }
    assert found.defaults == {"units": 4, "batch_size": 16, "lr": 1e-3}
    assert found.notes == ()


@pytest.mark.slow
def test_a_hypermodel_that_fails_for_its_defaults_is_a_mistake_of_the_file(code):
    text = BUILD.replace("    model.compile(", "    1 / 0\n    model.compile(")
    line = text.splitlines().index("    1 / 0") + 1
    with pytest.raises(SpecError) as caught:
        discover(family(code, text).name, code.home)
    (problem,) = caught.value.problems
    assert problem.where == "model"
    assert f".py:{line}: ZeroDivisionError" in problem.what
    assert problem.what.startswith("user_")


@pytest.mark.slow
def test_a_process_that_dies_is_told(code):
    text = "import os\n\ndef build(hp):\n    os._exit(7)\n"
    with pytest.raises(SpecError, match=r"ended Python \(exit code 7\)"):
        discover(family(code, text).name, code.home)


@pytest.mark.slow
def test_the_layers_of_a_hypermodel_are_described(code):
    params = {"units": 8, "act": "relu", "lr": 0.01, "epochs": 3}
    info = DataInfo((4,), "classification", n_classes=3, n_rows=100)
    found = describe_model(family(code, BUILD).name, code.home, params, info)
    assert (found["errors"], found["unread"]) == ([], [])
    assert found["layers"][0] == "Dense relu: (None, 8), 40 parameters"


def test_a_module_that_is_not_beside_the_study_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"there is no keras_tuner\.py beside"):
        discover("keras_tuner:keras_tuner:HyperModel", Home(tmp_path))


def test_rows_of_images_stay_images(code):
    text = BUILD.replace(
        "keras.Input((4,)),", "keras.Input((8, 8)), keras.layers.Flatten(),"
    ).replace("Dense(3", "Dense(10")
    trained = fit(family(code, text), "images", units=4, act="relu", lr=0.01)
    assert trained.model.predict(X_images).shape == (len(X_images),)


def test_folds_of_a_hypermodel_are_stacked_and_those_with_a_fit_handed_back(code):
    params = {"units": 8, "act": "relu", "lr": 0.02, "epochs": 2}
    trial = [
        request("multiclass", seed=k, X=X_iris[k:], y=y_iris[k:], **params)
        for k in (1, 2, 3)
    ]
    hypermodel = family(code, BUILD)
    together = hypermodel.fit_group(trial)
    for one, alone in zip(together, trial, strict=True):
        assert one.engine.endswith(" stacked")
        (other,) = hypermodel.fit_group([alone])
        np.testing.assert_allclose(
            one.model.predict_proba(X_iris),
            other.model.predict_proba(X_iris),
            atol=1e-5,
        )
    first, *others = family(code, OWN_FIT, "Mine").fit_group(trial)
    assert first.engine.endswith(" own fit")
    assert [type(each) for each in others] == [HandedBack] * 2
