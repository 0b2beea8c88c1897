"""SearchCV against scikit-learn's own searches, on real estimators and data."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from numbers import Integral

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from search_cv_samples import FOLDS, Choosy, Never, X, assert_same_results, y
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from hpo import Categorical, Float, Int, SearchCV, Space
from hpo.errors import SpecError

X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
C_SPACE = {"C": Float(0.01, 100, log=True), "kernel": ["rbf", "linear"]}


def grids(estimator, grid, **options):
    """Fit scikit-learn's grid search and ours with the same options."""
    options = {"cv": FOLDS, "return_train_score": True} | options
    theirs = GridSearchCV(estimator, grid, **options)
    ours = SearchCV(estimator, grid, strategy="grid", **options)
    return theirs, ours


# --- scikit-learn's own checks --------------------------------------------------------


def checked(estimator, space, strategy, error_score):
    return SearchCV(
        estimator, space, strategy=strategy, cv=2, error_score=error_score, n_iter=3
    )


CHECKED = [
    checked(LogisticRegression(), {"C": [0.1, 1.0]}, "bayesian", np.nan),
    checked(KNeighborsClassifier(), Space(n_neighbors=[1, 2]), "random", np.nan),
    checked(Ridge(), Space(alpha=Categorical([0.1, 1.0])), "grid", "raise"),
    checked(
        Pipeline([("pca", PCA()), ("ridge", Ridge())]),
        {"ridge__alpha": Float(0.1, 1.0)},
        "bayesian",
        "raise",
    ),
    checked(
        Pipeline([("scale", StandardScaler()), ("logistic", LogisticRegression())]),
        {"logistic__C": [0.1, 1.0]},
        "grid",
        "raise",
    ),
]
# What scikit-learn declares for GridSearchCV and RandomizedSearchCV themselves.
DECLARED = {
    "check_supervised_y_2d": "DataConversionWarning not caught",
    "check_requires_y_none": "Doesn't fail gracefully",
}


@pytest.mark.slow
@parametrize_with_checks(CHECKED, expected_failed_checks=lambda search: DECLARED)
@pytest.mark.filterwarnings("ignore")
def test_it_is_an_estimator_as_scikit_learn_checks_it(estimator, check):
    check(estimator)


# --- equal to GridSearchCV ------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize(
    "grid",
    [
        {"kernel": ["rbf", "linear"], "C": np.logspace(-1, 1, 3), "gamma": [1, "auto"]},
        {"shrinking": [True, False], "C": [1, 10], "class_weight": [None, "balanced"]},
        [
            {"kernel": ["rbf"], "gamma": [0.1, 1]},
            {"kernel": ["poly"], "degree": [2, 3]},
        ],
        {"C": (0.5, 2.0), "degree": range(2, 4), "tol": np.array([1e-3, 1e-4])},
    ],
    ids=["mixed", "flags", "list of grids", "sequences"],
)
def test_a_grid_has_the_results_of_gridsearchcv(grid, n_jobs):
    theirs, ours = grids(SVC(), grid, n_jobs=n_jobs)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ is theirs.multimetric_
    assert ours.refit_time_ > 0
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_array_equal(
        ours.decision_function(X), theirs.decision_function(X)
    )
    assert ours.score(X, y) == theirs.score(X, y)


def test_choices_may_be_estimators_functions_tuples_and_none():
    pipe = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    grid = [
        {
            "scale": [StandardScaler(), MinMaxScaler(), None, "passthrough"],
            "svc__kernel": [linear_kernel, "rbf"],
        },
        {"svc": [KNeighborsClassifier()], "svc__n_neighbors": [1, 5]},
        {"scale": [MinMaxScaler()], "scale__feature_range": [(0, 1), (-1, 1)]},
    ]
    theirs, ours = grids(pipe, grid)
    theirs.fit(X, y)
    ours.fit(X, y)
    objects = ["param_scale", "param_svc", "param_svc__kernel"]
    objects += ["param_scale__feature_range"]
    assert_same_results(ours.cv_results_, theirs.cv_results_, objects=objects)
    assert repr(ours.best_estimator_) == repr(theirs.best_estimator_)


def linear_kernel(a, b):
    return a @ b.T


def test_a_regression_on_a_frame_keeps_the_names_of_its_features():
    frame = pd.DataFrame(X_DIABETES, columns=[f"f{i}" for i in range(10)])
    theirs, ours = grids(Ridge(), {"alpha": [0.01, 0.1, 1.0]}, cv=4, scoring="r2")
    theirs.fit(frame, Y_DIABETES)
    ours.fit(frame, Y_DIABETES)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert ours.n_features_in_ == 10
    assert list(ours.feature_names_in_) == list(frame.columns)
    assert is_regressor(ours)
    assert not is_classifier(ours)


MULTIPLE = {
    "list": ["accuracy", "f1_macro"],
    "dict": {"accuracy": "accuracy", "f1_macro": make_scorer(accuracy_score)},
    "callable": lambda estimator, X, y: {
        "f1_macro": get_scorer("f1_macro")(estimator, X, y),
        "accuracy": get_scorer("accuracy")(estimator, X, y),
    },
}


@pytest.mark.parametrize("scoring", MULTIPLE.values(), ids=MULTIPLE)
@pytest.mark.parametrize("refit", ["f1_macro", False, lambda results: 1])
def test_several_metrics_and_every_kind_of_refit(scoring, refit):
    theirs, ours = grids(SVC(), {"C": [0.1, 1, 9]}, scoring=scoring, refit=refit)
    theirs.fit(X, y)
    ours.fit(X, y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    for attribute in ("best_index_", "best_params_", "best_score_", "best_estimator_"):
        assert hasattr(ours, attribute) == hasattr(theirs, attribute), attribute
    assert ours.multimetric_
    if refit:
        assert ours.best_index_ == theirs.best_index_
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    if isinstance(refit, str):
        assert ours.score(X, y) == theirs.score(X, y)


def test_a_refit_function_that_returns_no_index_is_refused_as_there():
    search = SearchCV(SVC(), {"C": [1, 2]}, strategy="grid", refit=lambda results: 7)
    with pytest.raises(IndexError, match="best_index_ index out of range"):
        search.fit(X, y)


def test_groups_and_weights_reach_folds_and_estimator_without_routing():
    groups, weights = np.arange(len(y)) % 7, np.linspace(0.1, 2, len(y))
    theirs, ours = grids(SVC(), {"C": [0.1, 1, 9]}, cv=GroupKFold(4))
    theirs.fit(X, y, groups=groups, sample_weight=weights)
    ours.fit(X, y, groups=groups, sample_weight=weights)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    np.testing.assert_array_equal(
        ours.best_estimator_.dual_coef_, theirs.best_estimator_.dual_coef_
    )


def test_metadata_is_routed_as_requested():
    groups, weights = np.arange(len(y)) % 7, np.linspace(0.1, 2, len(y))
    with config_context(enable_metadata_routing=True):
        estimator = SVC().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        theirs, ours = grids(
            estimator, {"C": [0.1, 1, 9]}, cv=GroupKFold(4), scoring=scorer
        )
        theirs.fit(X, y, groups=groups, sample_weight=weights)
        ours.fit(X, y, groups=groups, sample_weight=weights)
        assert_same_results(ours.cv_results_, theirs.cv_results_)
        got = ours.score(X, y, sample_weight=weights)
        assert got == theirs.score(X, y, sample_weight=weights)
        unasked = SearchCV(SVC(), {"C": [1]}, strategy="grid")
        with pytest.raises(ValueError, match="sample_weight"):
            unasked.fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("error_score", [np.nan, 0.25])
def test_a_failing_estimator_has_the_results_and_warnings_of_gridsearchcv(error_score):
    grid = {"C": [1.0, 20.0, 60.0], "kernel": ["rbf", "linear"]}
    found = []
    for search in grids(Choosy(), grid, error_score=error_score):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(X, y)
        found.append([(w.category, str(w.message)) for w in caught])
        assert FitFailedWarning in [w.category for w in caught]
    theirs, ours = found
    assert ours == theirs


def test_the_results_of_a_failing_estimator_are_those_of_gridsearchcv():
    theirs, ours = grids(Choosy(), {"C": [1.0, 20.0, 60.0]})
    with pytest.warns((FitFailedWarning, UserWarning)):
        theirs.fit(X, y)
    with pytest.warns((FitFailedWarning, UserWarning)):
        ours.fit(X, y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian"])
def test_an_estimator_that_never_fits_is_an_error_as_there(strategy):
    search = SearchCV(Never(), {"C": [1.0, 2.0]}, strategy=strategy, cv=2)
    with pytest.raises(ValueError, match=r"All the 4 fits failed(.|\n)*never fits"):
        search.fit(X, y)
    search.set_params(error_score="raise")
    with pytest.raises(ValueError, match=r"^never fits"):
        search.fit(X, y)


def test_randomized_search_has_the_same_columns_and_kinds():
    space = {"C": stats.loguniform(0.01, 100), "kernel": ["rbf", "linear"]}
    options = {"n_iter": 6, "cv": FOLDS, "random_state": 3}
    theirs = RandomizedSearchCV(SVC(), space, **options).fit(X, y).cv_results_
    ours = SearchCV(SVC(), space, strategy="random", **options).fit(X, y).cv_results_
    assert list(ours) == list(theirs)
    for column in ours:
        assert type(ours[column]) is type(theirs[column])
        if column != "params":
            assert ours[column].dtype == theirs[column].dtype
            assert ours[column].shape == theirs[column].shape


# --- the search -----------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_the_same_trials_for_any_number_of_jobs_and_any_order_of_names(strategy):
    options = {"strategy": strategy, "n_iter": 14, "random_state": 5, "cv": FOLDS}
    one = SearchCV(SVC(), C_SPACE, **options).fit(X, y)
    backwards = dict(reversed(C_SPACE.items()))
    two = SearchCV(SVC(), backwards, n_jobs=2, **options).fit(X, y)
    assert_same_results(two.cv_results_, one.cv_results_)
    other = SearchCV(SVC(), C_SPACE, **(options | {"random_state": 6})).fit(X, y)
    assert other.cv_results_["params"] != one.cv_results_["params"]


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_more_trials_begin_with_those_of_fewer(strategy):
    options = {"strategy": strategy, "cv": FOLDS}
    few = SearchCV(SVC(), C_SPACE, n_iter=14, **options).fit(X, y)
    more = SearchCV(SVC(), C_SPACE, n_iter=17, **options).fit(X, y)
    assert more.cv_results_["params"][:14] == few.cv_results_["params"]


def test_a_finite_space_is_visited_once_however_many_trials_are_asked_for():
    space = {"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "linear"]}
    for strategy in ("random", "bayesian"):
        search = SearchCV(SVC(), space, strategy=strategy, n_iter=50, cv=2).fit(X, y)
        tried = {(p["C"], p["kernel"]) for p in search.cv_results_["params"]}
        assert len(tried) == len(search.cv_results_["params"]) == 6


class Peak(Ridge):
    """Scores best near alpha = 0.3; nothing is learned from the data."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def score(self, X, y):
        return -((self.alpha - 0.3) ** 2) if self.alpha < 0.9 else np.nan


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_bayesian_search_learns_from_scores_and_leaves_where_trials_fail():
    space = Space(alpha=Float(0, 1))
    search = SearchCV(Peak(), space, n_iter=40, cv=2).fit(X_DIABETES, Y_DIABETES)
    tried = np.array(search.cv_results_["param_alpha"], float)
    early, late = abs(tried[:10] - 0.3).mean(), abs(tried[20:] - 0.3).mean()
    assert late < early / 2
    assert (tried[10:] >= 0.9).mean() < 0.1


def test_a_round_in_which_everything_fails_does_not_end_a_bayesian_search():
    space = Space(C=Float(0.01, 1000, log=True))
    # Rounds of one trial, so that each failure is a round of its own.
    search = SearchCV(Choosy(), space, n_iter=16, width=1, cv=FOLDS)
    with pytest.warns((FitFailedWarning, UserWarning)):
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 16
    assert 0 < np.isnan(scores).sum() < 16
    assert search.best_params_["C"] <= 50


def test_folds_without_a_seed_are_drawn_once_for_all_rounds():
    cv = ShuffleSplit(2, random_state=np.random.RandomState(0))
    seen = set()

    def score(estimator, X, y):
        seen.add(X.tobytes())
        return estimator.score(X, y)

    SearchCV(SVC(), C_SPACE, n_iter=12, cv=cv, scoring=score).fit(X, y)
    assert len(seen) == 2


def test_conditions_and_kinds_of_a_space_hold():
    space = Space(
        kernel=["rbf", "poly"],
        degree=Int(2, 4, when={"kernel": "poly"}),
        C=Float(0.1, 10, log=True),
    )
    search = SearchCV(SVC(), space, strategy="random", n_iter=12, cv=2).fit(X, y)
    for params in search.cv_results_["params"]:
        assert ("degree" in params) == (params["kernel"] == "poly")
        assert 0.1 <= params["C"] <= 10
    degrees = search.cv_results_["param_degree"]
    assert 0 < np.ma.count_masked(degrees) < 12


def test_distributions_that_are_no_range_are_drawn_with_the_seed():
    space = {"C": stats.expon(scale=2), "degree": stats.poisson(3), "kernel": ["rbf"]}
    options = {"strategy": "random", "n_iter": 40, "cv": 2}
    one = SearchCV(SVC(), space, random_state=1, **options).fit(X, y)
    two = SearchCV(SVC(), space, random_state=1, n_jobs=2, **options).fit(X, y)
    assert one.cv_results_["params"] == two.cv_results_["params"]
    drawn = np.array(one.cv_results_["param_C"], float)
    assert len(set(drawn)) == 40
    # Of an exponential distribution; the chance of a value below is 1 in 1000.
    assert stats.kstest(drawn, stats.expon(scale=2).cdf).pvalue > 0.001
    assert all(isinstance(p["degree"], Integral) for p in one.cv_results_["params"])


# --- refusals -------------------------------------------------------------------------


class Untrained(SVC):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("it was trained")


REFUSED = [
    ({"space": {"kernal": ["rbf"]}}, "space.kernal: .*did you mean 'kernel'"),
    ({"space": {}}, "space: expected at least one hyperparameter; got none"),
    ({"space": []}, "space: expected at least one hyperparameter; got none"),
    ({"space": {"C": []}}, "C: expected at least one choice"),
    ({"space": {"C": {1, 2}}}, "C: expected a list of choices, .* got {1, 2}"),
    ({"space": {"C": [1, 1.0]}}, r"C.\[1\]: 1.0 is listed twice"),
    ({"space": 3}, "space: expected an hpo.Space, .* got 3"),
    ({"strategy": "bayes"}, "strategy: .*did you mean 'bayesian'"),
    ({"space": {"C": stats.norm(1, 2)}}, r"C: norm\(1, 2\) cannot .*'random'"),
    ({"space": [C_SPACE, C_SPACE]}, "space: a list of mappings is for strategy 'grid'"),
    ({"strategy": "grid", "space": C_SPACE}, "C: a grid needs finitely many values"),
    ({"store": "sqlite:///x.db"}, "name: `store` and `name` belong together"),
    ({"name": "x"}, "store: `store` and `name` belong together"),
    ({"scoring": ["accuracy"], "refit": False}, r"refit: .*refit='accuracy'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_a_mistake_is_refused_before_anything_is_trained(options, message):
    options = {"space": {"C": [1, 2]}, "error_score": "raise"} | options
    search = SearchCV(Untrained(), **options)
    with pytest.raises(SpecError, match=message):
        search.fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_iter", 0), ("width", 0), ("random_state", None), ("strategy", 1)],
)
def test_settings_out_of_their_range_are_refused_as_scikit_learn_does(name, value):
    search = SearchCV(Untrained(), {"C": [1]}, error_score="raise")
    message = rf"The '{name}' parameter of SearchCV must be .* Got {value} instead"
    with pytest.raises(ValueError, match=message):
        search.set_params(**{name: value}).fit(X, y)


def test_every_wrong_name_is_told_and_those_of_chosen_estimators_are_known():
    pipe = Pipeline([("scale", None), ("model", SVC())])
    space = {
        "model": [SVC(), KNeighborsClassifier()],
        "model__n_neighbors": [1],
        "model__n_neighbours": [1],
        "scala__with_mean": [True],
    }
    with pytest.raises(SpecError) as caught:
        SearchCV(pipe, space, strategy="grid").fit(X, y)
    places = [problem.where for problem in caught.value.problems]
    assert places == ["space.model__n_neighbours", "space.scala__with_mean"]
    assert "did you mean 'model__n_neighbors'" in caught.value.problems[0].what


# --- an estimator like others ---------------------------------------------------------


def test_it_is_cloned_pickled_and_shown_before_and_after_fitting():
    search = SearchCV(SVC(), Space(**C_SPACE), n_iter=5, cv=2, random_state=2)
    assert clone(search).get_params()["space"] == search.space
    assert search.get_params()["estimator__C"] == 1.0
    assert "SearchCV" in repr(search)
    assert "SearchCV" in search._repr_html_()
    with pytest.raises(NotFittedError):
        search.predict(X)
    copy = pickle.loads(pickle.dumps(search)).fit(X, y)
    search.fit(X, y)
    assert_same_results(copy.cv_results_, search.cv_results_)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    left = [name for name in vars(search) if name.startswith("_")]
    assert left == ["_checked_cv_orig"]


def test_it_delegates_what_its_best_estimator_can_do_and_nothing_else():
    search = SearchCV(PCA(), {"n_components": [1, 2]}, strategy="grid").fit(X)
    assert search.transform(X).shape == (len(X), search.best_params_["n_components"])
    assert search.inverse_transform(search.transform(X)).shape == X.shape
    assert not hasattr(search, "predict")


def test_it_searches_inside_cross_validation_in_pipelines_and_in_itself():
    inner = SearchCV(SVC(), C_SPACE, n_iter=3, cv=2)
    scores = cross_val_score(make_pipeline(StandardScaler(), inner), X, y, cv=FOLDS)
    assert scores.min() > 0.8
    outer = SearchCV(inner, {"n_iter": [1, 2]}, strategy="grid", cv=2).fit(X, y)
    assert len(outer.cv_results_["params"]) == 2


def test_verbose_says_how_much_is_trained(capsys):
    search = SearchCV(SVC(), C_SPACE, n_iter=6, cv=KFold(3), verbose=1)
    search.fit(X[50:], y[50:])
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "Fitting 3 folds for each of 4 candidates, totalling 12 fits",
        "Fitting 3 folds for each of 2 candidates, totalling 6 fits",
    ]


def test_it_is_imported_only_when_it_is_used():
    code = "import sys, hpo; assert 'sklearn' not in sys.modules; hpo.SearchCV"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_choice_that_is_a_plain_value_is_a_constant():
    space = {"kernel": "linear", "C": Categorical([0.1, 1.0])}
    search = SearchCV(SVC(), space, strategy="grid", cv=2).fit(X, y)
    assert search.cv_results_["params"] == [
        {"C": 0.1, "kernel": "linear"},
        {"C": 1.0, "kernel": "linear"},
    ]
