"""What surrounds the model in cross-validation: targets, weights, selected features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils.class_weight import compute_sample_weight

from hpo.evaluation import Evaluator, Pair, Plan, make_runner
from hpo.models.family import Fitted
from hpo.records import Dataset

FOLDS = KFold(3, shuffle=True, random_state=0)
SCALERS = {"standard": StandardScaler(), "minmax": MinMaxScaler()}


def dataset(X, y, task="regression"):
    names = tuple(f"f{i}" for i in range(X.shape[1]))
    frame = pd.DataFrame(X, columns=list(names))
    classes = np.unique(y) if task == "classification" else None
    return Dataset(frame, y, task, classes, names, ())


def diabetes(n_outputs=1):
    X, y = load_diabetes(return_X_y=True)
    if n_outputs > 1:
        more = [1000 * X[:, 2] + np.arange(len(y)) % 7, np.sqrt(y)]
        y = np.column_stack([y, *more])[:, :n_outputs]
    return dataset(X, y)


def plan_of(data, family, metric=None, metrics=()):
    folds = tuple(FOLDS.split(data.X))
    metric = metric or ("r2" if data.task == "regression" else "accuracy")
    return Plan(family, data, folds, seed=0, metric=metric, metrics=metrics)


def result_of(data, family, params, fold=0, **more):
    ((_, result),) = make_runner(plan_of(data, family, **more))(
        (Pair(0, fold, params),)
    )
    assert result.failure is None, result.error
    return result


class Recorder:
    """A family that keeps its requests and predicts the mean of what it was given."""

    name, group_limit, group_matters = "recorder", 5, True
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def __init__(self):
        self.requests = []

    def defaults(self, task):
        return {}

    def fit_group(self, requests):
        self.requests += requests
        return [Fitted(DummyRegressor().fit(r.X, r.y), 0.0) for r in requests]


def request_of(data, params, fold=0):
    family = Recorder()
    plan = plan_of(data, "recorder")
    Evaluator(plan, family).run((Pair(0, fold, params),))
    return family.requests[0]


# --- nothing leaks --------------------------------------------------------------------

EVERYTHING = [
    {},
    {"scale": "minmax", "impute": "mean"},
    {"scale": "none", "impute": "zero"},
    {"select_k": 2, "select_by": "f_test"},
    {"select_k": 2, "select_by": "mutual_info"},
    {"target_scale": "standard"},
    {"target_scale": "minmax", "select_k": 3},
]


def mixed(n_outputs=1):
    """Gaps, 130 categories, targets that depend on some columns."""
    rng = np.random.default_rng(0)
    n = 300
    X = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    y = np.column_stack([X["a"] * 3 + rng.normal(size=n), X["b"] * 900] * 2)
    X.loc[rng.choice(n, 30, replace=False), "a"] = np.nan
    X["c"] = pd.Series([f"c{v}" for v in rng.integers(0, 130, n)], dtype=object)
    X.loc[rng.choice(n, 9, replace=False), "c"] = None
    y = y[:, 0] if n_outputs == 1 else y[:, :n_outputs]
    return Dataset(X, y, "regression", None, ("a", "b"), ("c",))


def spoiled(data, rows):
    """Return the data wildly different in these rows."""
    X = data.X.copy()
    X.loc[rows, "a"] = np.where(np.arange(len(rows)) % 2, 1e9, np.nan)
    X.loc[rows, "b"] = np.nan
    X.loc[rows, "c"] = [f"new{i % 40}" for i in range(len(rows))]
    y = data.y.copy()
    y[rows] = -1e7 * (1 + y[rows] ** 2)
    return replace(data, X=X, y=y)


@pytest.mark.parametrize("params", EVERYTHING)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_nothing_that_is_fitted_sees_a_validation_row(params, n_outputs):
    data = mixed(n_outputs)
    if params.get("select_by") == "mutual_info":
        # It takes its time for each column: ten categories are enough.
        data = replace(data, X=data.X.assign(c=data.X["c"].str[:2].astype(object)))
    for fold, (_, val) in enumerate(FOLDS.split(data.X)):
        honest = request_of(data, params, fold)
        after = request_of(spoiled(data, val), params, fold)
        np.testing.assert_array_equal(honest.X, after.X)
        np.testing.assert_array_equal(honest.y, after.y)
        assert np.isfinite(honest.X).all()


def test_class_weights_see_no_validation_row():
    X, y = load_wine(return_X_y=True)
    data = dataset(X, y, "classification")
    train, val = plan_of(data, "recorder").folds[0]
    turned = y.copy()
    turned[val] = 0
    for labels in (y, turned):
        weights = request_of(
            replace(data, y=labels), {"class_weight": "balanced"}
        ).sample_weight
        expected = compute_sample_weight("balanced", y[train])
        np.testing.assert_allclose(weights, expected, rtol=1e-12)
        assert weights.mean() == pytest.approx(1, rel=1e-12)
    assert request_of(data, {}).sample_weight is None


# --- targets are scaled and scaled back -----------------------------------------------


@pytest.mark.parametrize("how", SCALERS)
@pytest.mark.parametrize("fold", [0, 2])
def test_scores_and_predictions_are_those_of_a_transformed_target(how, fold):
    """A support vector machine, as its result depends on the units of the target."""
    data = diabetes()
    family = "sklearn.svm.SVR"
    error = "neg_mean_absolute_error"
    result = result_of(data, family, {"target_scale": how}, fold, metrics=(error,))
    theirs = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SVR()), transformer=SCALERS[how]
    )
    X, folds = data.X.to_numpy(), list(FOLDS.split(data.X))
    train, val = folds[fold]
    predicted = theirs.fit(X[train], data.y[train]).predict(X[val])
    np.testing.assert_allclose(result.predictions, predicted, rtol=1e-9)
    scores = cross_validate(
        theirs, X, data.y, cv=folds, scoring=("r2", error), return_train_score=True
    )
    assert result.score == pytest.approx(scores["test_r2"][fold], rel=1e-9)
    assert result.train_score == pytest.approx(scores["train_r2"][fold], rel=1e-9)
    assert result.metrics[error] == pytest.approx(
        scores[f"test_{error}"][fold], rel=1e-9
    )
    plain = result_of(data, family, {}, fold)
    assert abs(plain.score - result.score) > 0.05


def test_each_of_several_targets_is_scaled_by_itself():
    data = diabetes(3)
    train = plan_of(data, "recorder").folds[0][0]
    request = request_of(data, {"target_scale": "standard"})
    np.testing.assert_allclose(request.y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(request.y.std(axis=0), 1, rtol=1e-12)
    result = result_of(
        data, "sklearn.neighbors.KNeighborsRegressor", {"target_scale": "minmax"}
    )
    X, val = data.X.to_numpy(), plan_of(data, "recorder").folds[0][1]
    model = make_pipeline(StandardScaler(), KNeighborsRegressor())
    expected = model.fit(X[train], data.y[train]).predict(X[val])
    assert result.predictions.shape == (len(val), 3)
    np.testing.assert_allclose(result.predictions, expected, rtol=1e-10)


@pytest.mark.parametrize("how", SCALERS)
def test_a_target_that_is_constant_in_a_fold_is_no_obstacle(how):
    data = diabetes()
    train, val = plan_of(data, "recorder").folds[0]
    y = data.y.copy()
    y[train] = 4.2
    error = "neg_mean_absolute_error"
    result = result_of(
        replace(data, y=y),
        "sklearn.linear_model.Ridge",
        {"target_scale": how},
        metric=error,
    )
    np.testing.assert_allclose(result.predictions, 4.2, rtol=1e-12)
    assert result.score == pytest.approx(-np.abs(y[val] - 4.2).mean(), rel=1e-12)


def test_targets_stay_as_they_are_where_nobody_asks():
    data = diabetes()
    train, val = plan_of(data, "recorder").folds[0]
    assert np.array_equal(request_of(data, {}).y, data.y[train])
    result = result_of(data, "sklearn.linear_model.Ridge", {"alpha": 0.5})
    X = data.X.to_numpy()
    model = make_pipeline(StandardScaler(), Ridge(alpha=0.5))
    expected = model.fit(X[train], data.y[train]).predict(X[val])
    np.testing.assert_array_equal(result.predictions, expected)


def test_the_network_is_trained_on_standardised_targets():
    """Targets of about 1e6 are learnt only if they are scaled."""
    data = diabetes()
    far = replace(data, y=data.y * 1e4 + 1e6)
    params = {"epochs": 40, "learning_rate": 0.01, "units": 8}
    near, scaled = (result_of(d, "sklearn-mlp", params) for d in (data, far))
    assert near.score > 0.3
    assert scaled.score == pytest.approx(near.score, abs=1e-6)
    unscaled = result_of(far, "sklearn-mlp", {**params, "target_scale": "none"})
    assert unscaled.score < 0


# --- several targets ------------------------------------------------------------------


def test_several_targets_are_scored_by_scikit_learns_average():
    data = diabetes(3)
    error = "neg_mean_absolute_error"
    params = {"n_estimators": 5, "random_state": 3}
    family = "sklearn.ensemble.RandomForestRegressor"
    result = result_of(data, family, params, metrics=(error,))
    model = make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=3))
    theirs = cross_validate(
        model,
        data.X.to_numpy(),
        data.y,
        cv=list(FOLDS.split(data.X)),
        scoring=("r2", error),
        return_train_score=True,
    )
    assert result.score == theirs["test_r2"][0]
    assert result.train_score == theirs["train_r2"][0]
    assert result.metrics[error] == theirs[f"test_{error}"][0]


@pytest.mark.parametrize(
    "family",
    ["sklearn-mlp", pytest.param("keras-mlp", marks=[pytest.mark.keras])],
)
def test_networks_predict_several_targets(family):
    data = diabetes(2)
    result = result_of(data, family, {"epochs": 60, "learning_rate": 0.01, "units": 16})
    assert result.predictions.shape == (len(plan_of(data, family).folds[0][1]), 2)
    assert result.score > 0.4


class Shaped(Recorder):
    """Answers in another shape than that of the targets."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def fit_group(self, requests):
        shape = self.shape

        class Model:
            def predict(self, X):
                return np.full((len(X), *shape), 0.5)

        return [Fitted(Model(), 0.0) for _ in requests]


def test_a_single_column_of_predictions_is_taken_for_one_target():
    plan = plan_of(diabetes(), "shaped", metric="neg_mean_absolute_error")
    ((_, result),) = Evaluator(plan, Shaped(1)).run((Pair(0, 0, {}),))
    assert result.failure is None
    assert result.predictions.shape == (len(plan.folds[0][1]),)


def test_predictions_of_another_shape_fail_the_fold_and_say_so():
    plan = plan_of(diabetes(2), "shaped")
    ((_, result),) = Evaluator(plan, Shaped(3)).run((Pair(0, 0, {}),))
    n_val = len(plan.folds[0][1])
    assert result.failure == "error"
    assert (
        f"expected predictions of shape ({n_val}, 2); got ({n_val}, 3) from the model"
        in result.error
    )


# --- classes --------------------------------------------------------------------------


def test_class_weights_change_the_training_and_not_the_score():
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    rare = np.flatnonzero((y == 1) | (np.arange(len(y)) % 4 == 0))
    data = dataset(X[rare] + rng.normal(0, 8, X[rare].shape), y[rare], "classification")
    family, params = "sklearn.svm.LinearSVC", {"class_weight": "balanced"}
    # LinearSVC keeps the name; naive Bayes has none, and its rows are weighted.
    result_of(data, family, params)
    family = "sklearn.naive_bayes.GaussianNB"
    balanced, plain = (result_of(data, family, p) for p in (params, {}))
    assert not np.allclose(balanced.predictions, plain.predictions)
    val = plan_of(data, family).folds[0][1]
    right = balanced.predictions.argmax(axis=1) == data.y[val]
    assert balanced.score == right.mean()


def test_a_class_that_a_training_part_lacks_does_not_upset_the_balance():
    X, y = load_wine(return_X_y=True)
    data = dataset(X, y, "classification")
    train, val = np.flatnonzero(y != 2), np.flatnonzero(y == 2)
    plan = replace(
        plan_of(data, "sklearn.naive_bayes.GaussianNB"), folds=((train, val),)
    )
    pair = Pair(0, 0, {"class_weight": "balanced"})
    ((_, result),) = make_runner(plan)((pair,))
    assert result.failure is None, result.error
    assert result.predictions.shape == (len(val), 3)
    assert result.score == 0


def test_selected_features_give_the_scores_of_scikit_learns_pipeline():
    X, y = load_wine(return_X_y=True)
    data = dataset(X, y, "classification")
    result = result_of(data, "sklearn.svm.SVC", {"select_k": 3})
    model = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=3), SVC())
    scores = cross_validate(model, X, y, cv=list(FOLDS.split(X)))
    assert result.score == scores["test_score"][0]
    assert result.score != result_of(data, "sklearn.svm.SVC", {}).score
