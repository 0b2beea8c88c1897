"""What every family of models must do, whichever library trains."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from hpo.models import FitRequest, get_family

X_iris, y_iris = load_iris(return_X_y=True)
X_iris = (X_iris - X_iris.mean(axis=0)) / X_iris.std(axis=0)
X_values, y_values = load_diabetes(return_X_y=True)
X_values, y_values = X_values[:120] * 20, (y_values[:120] - 150) / 80

TASKS = {
    "binary": (X_iris[:100], y_iris[:100], "classification", 2),
    "multiclass": (X_iris, y_iris, "classification", 3),
    "regression": (X_values, y_values, "regression", 0),
    "targets": (
        X_values[:, 1:],
        np.column_stack([y_values, X_values[:, 0]]),
        "regression",
        0,
    ),
}
SHORT = {"epochs": 3, "units": 8}
# Name, params of a short training, whether those depend on the seed.
FAMILIES = {
    "sklearn-mlp": SHORT,
    "sklearn-mlp with patience": {**SHORT, "patience": 2},
    "sklearn-mlp linear": {"epochs": 3, "hidden_layers": 0},
    "sklearn-mlp lbfgs": {**SHORT, "optimizer": "lbfgs"},
    "keras-mlp": {**SHORT, "dropout": 0.2},
    "keras-mlp with patience": {**SHORT, "patience": 2},
    "keras-mlp linear": {"epochs": 3, "hidden_layers": 0},
    "keras-mlp normalised": {**SHORT, "batch_norm": True, "optimizer": "sgd"},
    "sklearn.ensemble.RandomForest": {"n_estimators": 5, "max_depth": 2},
}


def some(*names):
    """Return families as parameters of a fixture."""
    return [
        pytest.param(name, marks=pytest.mark.keras if "keras" in name else ())
        for name in names
    ]


@pytest.fixture(params=some(*FAMILIES))
def train(request):
    return trainer(request.param.split()[0], FAMILIES[request.param])


@pytest.fixture(params=some("sklearn-mlp", "keras-mlp", "sklearn-mlp lbfgs"))
def train_whole(request):
    """As `train`, with all rows in one batch of a network without dropout."""
    own = {"epochs": 10, "units": 4, "batch_size": 1000, "l2": 1e-3}
    own["optimizer"] = "lbfgs" if "lbfgs" in request.param else "adam"
    return trainer(request.param.split()[0], own)


def trainer(name, own):
    """Return what trains one group: params over its own, by task, seed, weights."""

    def train(task, *changes, X=None, y=None):
        given_X, given_y, kind, n_classes = TASKS[task]
        path = name
        if name.startswith("sklearn."):
            path += "Classifier" if n_classes else "Regressor"
        requests = [
            FitRequest(
                params={**own, **change.get("params", {})},
                X=given_X if X is None else X,
                y=given_y if y is None else y,
                task=kind,
                n_classes=n_classes,
                seed=change.get("seed", 1),
                sample_weight=change.get("sample_weight"),
            )
            for change in changes
        ]
        return get_family(path).fit_group(requests)

    return train


def outputs(fitted, task):
    X = TASKS[task][0]
    return (
        fitted.model.predict(X)
        if TASKS[task][2] == "regression"
        else fitted.model.predict_proba(X)
    )


@pytest.mark.parametrize("task", TASKS)
def test_predictions_have_the_promised_form(train, task):
    (fitted,) = train(task, {})
    X, y, kind, n_classes = TASKS[task]
    predicted = fitted.model.predict(X)
    assert predicted.shape == y.shape
    assert fitted.fit_seconds > 0
    if kind == "regression":
        assert predicted.dtype == np.float64
        return
    probabilities = fitted.model.predict_proba(X)
    assert probabilities.shape == (len(X), n_classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert predicted.dtype == np.int64
    assert np.array_equal(predicted, probabilities.argmax(axis=1))


@pytest.mark.parametrize("task", TASKS)
def test_the_same_request_gives_the_same_bits_and_another_seed_does_not(train, task):
    first, again, other = train(task, {}, {}, {"seed": 2})
    assert np.array_equal(outputs(first, task), outputs(again, task))
    assert first.curves == again.curves
    assert not np.array_equal(outputs(first, task), outputs(other, task))


@pytest.mark.parametrize("task", TASKS)
def test_weights_change_what_is_learned_and_are_repeatable(train, task):
    weight = np.linspace(0.1, 1.9, len(TASKS[task][1]))
    plain, weighted, again = train(
        task, {}, {"sample_weight": weight}, {"sample_weight": weight.copy()}
    )
    assert np.array_equal(outputs(weighted, task), outputs(again, task))
    assert weighted.curves == again.curves
    assert not np.array_equal(outputs(plain, task), outputs(weighted, task))


@pytest.mark.parametrize("task", TASKS)
def test_rows_of_weight_0_are_as_if_they_were_not_there(train_whole, task):
    # With all rows in one batch, the mean over the rest is what is left of the loss.
    X, y, _, _ = TASKS[task]
    kept = np.arange(len(y)) % 3 > 0
    weight = np.where(kept, len(y) / kept.sum(), 0)
    (weighted,) = train_whole(task, {"sample_weight": weight})
    (fewer,) = train_whole(task, {}, X=X[kept], y=y[kept])
    np.testing.assert_allclose(
        outputs(weighted, task), outputs(fewer, task), rtol=1e-3, atol=1e-5
    )


def test_a_failing_network_leaves_its_neighbours_untouched(train):
    names = ("batch_size", "epochs", "n_estimators")
    broken = {"params": dict.fromkeys(names, "no number")}
    (alone,) = train("multiclass", {})
    before, failed, after = train("multiclass", {}, broken, {})
    assert isinstance(failed, Exception)
    for fitted in (before, after):
        assert np.array_equal(
            outputs(fitted, "multiclass"), outputs(alone, "multiclass")
        )


def test_a_class_missing_from_the_training_part_keeps_its_column(train):
    (fitted,) = train("multiclass", {}, X=X_iris[:100], y=y_iris[:100])
    probabilities = fitted.model.predict_proba(X_iris)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    (fitted,) = train("multiclass", {}, X=X_iris[50:], y=y_iris[50:])
    assert set(fitted.model.predict(X_iris[50:])) <= {0, 1, 2}
    assert fitted.model.predict_proba(X_iris).shape == (150, 3)
