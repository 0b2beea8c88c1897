"""Any estimator of scikit-learn as a family, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

from hpo.errors import SpecError
from hpo.models import FitRequest, get_family
from hpo.space import Categorical, Float, Int, Space

FOREST = "sklearn.ensemble.RandomForestClassifier"
X, y = load_iris(return_X_y=True)


def told(name, task="classification", /, **space):
    return [str(problem) for problem in get_family(name).problems(Space(**space), task)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("keras-mpl", "expected one of keras-mlp, .*; did you mean 'keras-mlp'?"),
        ("sklearn.os:system", "expected sklearn.<module>.<class>; got"),
        ("sklearn.utils.os.system", "no module 'sklearn.utils.os'"),
        ("sklearn.base.warnings", "is not an estimator class"),
        ("sklearn.metrics.accuracy_score", "is not an estimator class"),
        ("sklearn.tests.test_base.MyEstimator", "expected sklearn.<module>.<class>"),
        ("sklearn.linear_model._base.LinearModel", "expected sklearn.<module>.<class>"),
        ("sklearn.cluster.KMeans", "is neither a classifier nor a regressor"),
        (
            "sklearn.model_selection.GridSearchCV",
            "needs estimator, param_grid, which a study file cannot give",
        ),
        (
            "sklearn.ensemble.RandomForestClasifier",
            "did you mean 'RandomForestClassifier'?",
        ),
        ("sklearn.ensmble.RandomForestClassifier", "did you mean 'sklearn.ensemble'?"),
        ("os.system", "sklearn-mlp, sklearn.<class> or module:function; got"),
    ],
)
def test_a_name_that_is_no_model_is_refused(name, message):
    with pytest.raises(SpecError, match=message) as error:
        get_family(name)
    assert [problem.where for problem in error.value.problems] == ["model"]


def test_scikit_learn_says_which_values_it_takes():
    assert told(
        FOREST,
        max_depth=Int(0, 5),
        criterion=["gini", "ginny"],
        max_features=Float(0.5, 2.0),
        max_dept=3,
        forest__depth=3,
        scale=["x"],
    ) == [
        "max_depth: expected an int in the range [1, inf) or None; got 0",
        "criterion: expected one of 'entropy', 'gini', 'log_loss'; got 'ginny'",
        "max_features: expected an int in the range [1, inf), a float in the range "
        "(0.0, 1.0], one of 'log2', 'sqrt' or None; got 2.0",
        f"max_dept: {FOREST} has no hyperparameter 'max_dept'; "
        "did you mean 'max_depth'?",
        f"forest__depth: {FOREST} has no hyperparameter 'forest__depth'",
        "scale: expected one of standard, minmax, none; got 'x'",
    ]


def test_right_spaces_have_no_problems():
    space = {"max_depth": Categorical((None, 3)), "scale": "none", "n_jobs": 2}
    assert told(FOREST, **space) == []
    defaults = get_family(FOREST).defaults("classification")
    assert told(FOREST, **defaults) == []
    assert defaults["n_estimators"] == 100
    assert "max_depth" not in defaults


@pytest.mark.parametrize(
    ("name", "task", "instead"),
    [
        (FOREST, "regression", "sklearn.ensemble.RandomForestRegressor"),
        ("sklearn.svm.SVR", "classification", "sklearn.svm.SVC"),
    ],
)
def test_the_wrong_kind_for_the_task_is_told_with_the_right_one(name, task, instead):
    (problem,) = get_family(name).problems(Space(), task)
    assert problem.where == "model"
    assert problem.what.endswith(f"the task is {task}; did you mean '{instead}'?")
    assert get_family(name).problems(Space(), None) == []


def test_it_is_the_estimator_with_the_seed_as_random_state():
    requests = [
        FitRequest({"n_estimators": 4, **more}, X, y, "classification", 3, seed=9)
        for more in ({}, {"random_state": 4, "scale": "none"})
    ]
    for fitted, seed in zip(
        get_family(FOREST).fit_group(requests), (9, 4), strict=True
    ):
        expected = RandomForestClassifier(4, random_state=seed).fit(X, y)
        assert np.array_equal(fitted.model.predict_proba(X), expected.predict_proba(X))


def test_an_estimator_without_probabilities_claims_none():
    request = FitRequest({}, X[:100], y[:100], "classification", 3, seed=0)
    (fitted,) = get_family("sklearn.svm.LinearSVC").fit_group([request])
    assert not hasattr(fitted.model, "predict_proba")
    assert set(fitted.model.predict(X)) == {0, 1}


def test_the_loss_curve_of_an_estimator_that_has_one_is_kept():
    name = "sklearn.neural_network.MLPClassifier"
    request = FitRequest({"max_iter": 4}, X, y, "classification", 3, seed=0)
    (fitted,) = get_family(name).fit_group([request])
    assert fitted.n_epochs == len(fitted.curves["loss"]) == 4


# --- several targets, weights of rows -------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "svm.SVR",
        "ensemble.GradientBoostingRegressor",
        "ensemble.HistGradientBoostingRegressor",
        "linear_model.BayesianRidge",
        "linear_model.SGDRegressor",
    ],
)
def test_a_model_of_one_target_is_refused_for_several(name):
    family = get_family(f"sklearn.{name}")
    assert family.problems(Space(), "regression", 1) == []
    assert family.problems(Space(), "regression") == []
    (problem,) = family.problems(Space(), "regression", 2)
    assert problem.where == "model"
    assert problem.what.startswith(
        f"sklearn.{name} predicts one target, and the study has 2; name one in "
        "data.target, or take a model that predicts several"
    )


@pytest.mark.parametrize(
    "name",
    [
        "ensemble.RandomForestRegressor",
        "linear_model.Ridge",
        "neighbors.KNeighborsRegressor",
        "neural_network.MLPRegressor",  # its tag says that it cannot
    ],
)
def test_a_model_of_several_targets_is_not_refused(name):
    family = get_family(f"sklearn.{name}")
    assert family.problems(Space(), "regression", 2) == []
    assert family.problems(Space(), "regression", 1) == []


def test_a_model_of_several_targets_alone_is_refused_for_one():
    family = get_family("sklearn.linear_model.MultiTaskLasso")
    assert family.problems(Space(), "regression", 2) == []
    (problem,) = family.problems(Space(), "regression", 1)
    assert problem.what == (
        "sklearn.linear_model.MultiTaskLasso is for several targets, and the study has "
        "one"
    )


def test_class_weights_are_refused_where_training_cannot_weigh_rows():
    knn = "sklearn.neighbors.KNeighborsClassifier"
    for given in ("balanced", Categorical((None, "balanced"))):
        assert told(knn, class_weight=given) == [
            f"class_weight: {knn} cannot weigh rows (its fit takes no sample_weight); "
            "leave it out"
        ]
    assert told(knn, class_weight=None) == []


def test_an_own_class_weight_goes_to_the_estimator():
    svc = "sklearn.svm.SVC"
    assert told(svc, class_weight=Categorical((None, "balanced"))) == []
    (refusal,) = told(svc, class_weight="even")
    assert refusal.startswith("class_weight: expected")
    rare = np.flatnonzero((y != 1) | (np.arange(150) % 10 == 0))
    params = {"class_weight": "balanced"}
    request = FitRequest(params, X[rare], y[rare], "classification", 3, seed=0)
    (fitted,) = get_family(svc).fit_group([request])
    assert fitted.model.class_weight == "balanced"


def test_rows_are_trained_with_their_weights():
    weights = np.linspace(0.1, 1.9, 150)
    request = FitRequest({}, X, y, "classification", 3, seed=9, sample_weight=weights)
    (fitted,) = get_family("sklearn.naive_bayes.GaussianNB").fit_group([request])
    expected = GaussianNB().fit(X, y, sample_weight=weights)
    assert np.array_equal(fitted.model.predict_proba(X), expected.predict_proba(X))
    assert not np.allclose(expected.theta_, GaussianNB().fit(X, y).theta_)
