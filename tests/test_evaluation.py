"""Cross-validation: honest, equal to scikit-learn's, and failing one pair at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stacked_family import StackedLinear

from hpo.errors import TrialError
from hpo.evaluation import Evaluator, Pair, Plan, make_runner
from hpo.models import get_family
from hpo.models.family import Fitted
from hpo.records import Dataset


def mixed_table(n_rows=60, seed=0):
    """Two numeric columns with gaps, one of categories with gaps, and two classes."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.normal(size=n_rows), "b": rng.normal(size=n_rows)})
    X.loc[rng.choice(n_rows, 8, replace=False), "a"] = np.nan
    X["c"] = pd.Series(rng.choice(["red", "green", "blue"], n_rows), dtype=object)
    X.loc[rng.choice(n_rows, 5, replace=False), "c"] = None
    y = (rng.random(n_rows) < 0.5).astype(np.int64)
    classes = np.array(["no", "yes"])
    return Dataset(X, y, "classification", classes, ("a", "b"), ("c",))


def numeric(loader, n_classes):
    X, y = loader(return_X_y=True)
    names = tuple(f"f{i}" for i in range(X.shape[1]))
    frame = pd.DataFrame(X, columns=list(names))
    if n_classes:
        classes = np.arange(n_classes)
        return Dataset(frame, y.astype(np.int64), "classification", classes, names, ())
    return Dataset(frame, y, "regression", None, names, ())


def plan_of(data, *, family="sklearn-mlp", metric=None, metrics=(), n_folds=3):
    stratify = data.task == "classification"
    splitter = (StratifiedKFold if stratify else KFold)(
        n_folds, shuffle=True, random_state=0
    )
    folds = tuple(splitter.split(data.X, data.y))
    metric = metric or ("accuracy" if stratify else "r2")
    return Plan(family, data, folds, seed=0, metric=metric, metrics=metrics)


class Recorder:
    """A family that keeps what it is given to train on."""

    name, group_limit, group_matters = "recorder", 1, True
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def __init__(self, outcome=None):
        self.requests = []
        self.outcome = outcome

    def defaults(self, task):
        return {}

    def fit_group(self, requests):
        self.requests += requests
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return [
            Fitted(LogisticRegression().fit(request.X, request.y), 0.0)
            for request in requests
        ]


def spoil(data, rows):
    """Return the data with other values, gaps and a new category in these rows."""
    X = data.X.copy()
    X.loc[rows, "a"] = 1e9
    X.loc[rows, "b"] = np.nan
    X.loc[rows, "c"] = "ultraviolet"
    y = data.y.copy()
    y[rows] = 1 - y[rows]
    return replace(data, X=X, y=y)


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
def test_nothing_that_is_fitted_sees_a_validation_row(scale):
    data = mixed_table()
    plan = plan_of(data)
    for fold, (_, val) in enumerate(plan.folds):
        seen = []
        for rows in (data, spoil(data, val)):
            family = Recorder()
            Evaluator(replace(plan, data=rows), family).run(
                (Pair(0, fold, {"scale": scale}),)
            )
            seen.append(family.requests[0])
        np.testing.assert_array_equal(seen[0].X, seen[1].X)
        np.testing.assert_array_equal(seen[0].y, seen[1].y)
        assert np.isfinite(seen[0].X).all()


@pytest.mark.parametrize(
    "family",
    ["sklearn-mlp", pytest.param("keras-mlp", marks=[pytest.mark.keras])],
)
def test_early_stopping_never_sees_the_scored_fold(family):
    """The fold's labels are turned round: the network must come out the same."""
    data = numeric(load_breast_cancer, 2)
    plan = plan_of(data, family=family)
    _, val = plan.folds[0]
    y = data.y.copy()
    y[val] = 1 - y[val]
    params = {"epochs": 15, "patience": 2, "units": 8}
    results = []
    for rows in (data, replace(data, y=y)):
        runner = make_runner(replace(plan, data=rows))
        results.append(runner((Pair(0, 0, params),))[0][1])
    kept, turned = results
    assert kept.best_epoch == turned.best_epoch
    np.testing.assert_array_equal(kept.predictions, turned.predictions)
    assert kept.train_score == turned.train_score
    assert kept.score == pytest.approx(1 - turned.score)


def test_scores_equal_scikit_learns_to_the_last_digit():
    data = numeric(load_breast_cancer, 2)
    plan = plan_of(data, metrics=("roc_auc", "neg_log_loss", "f1"))
    params = {"epochs": 12, "units": 16, "random_state": 3, "batch_size": 32}
    runner = make_runner(plan)
    ours = [runner((Pair(0, fold, params),))[0][1] for fold in range(3)]
    network = MLPClassifier(
        (16,), alpha=0, batch_size=32, max_iter=12, n_iter_no_change=99, random_state=3
    )
    with pytest.warns(match="Maximum iterations"):
        theirs = cross_validate(
            make_pipeline(StandardScaler(), network),
            data.X.to_numpy(),
            data.y,
            cv=plan.folds,
            scoring=["accuracy", "roc_auc", "neg_log_loss", "f1"],
            return_train_score=True,
        )
    for fold, result in enumerate(ours):
        assert result.score == theirs["test_accuracy"][fold]
        assert result.train_score == theirs["train_accuracy"][fold]
        for name in ("roc_auc", "neg_log_loss", "f1"):
            assert result.metrics[name] == theirs[f"test_{name}"][fold]
            assert result.train_metrics[name] == theirs[f"train_{name}"][fold]


def test_regression_scores_and_predictions_equal_scikit_learns():
    data = numeric(load_diabetes, 0)
    plan = plan_of(data, family="sklearn.linear_model.Ridge")
    result = make_runner(plan)((Pair(0, 1, {"alpha": 0.5}),))[0][1]
    train, val = plan.folds[1]
    X = data.X.to_numpy()
    model = make_pipeline(StandardScaler(), Ridge(alpha=0.5)).fit(
        X[train], data.y[train]
    )
    np.testing.assert_array_equal(result.predictions, model.predict(X[val]))
    assert result.score == model.score(X[val], data.y[val])


def test_out_of_fold_predictions_are_in_the_order_of_the_fold():
    data = numeric(load_breast_cancer, 2)
    plan = plan_of(data)
    runner = make_runner(plan)
    right = np.zeros(data.n_rows, dtype=bool)
    for fold, (_, val) in enumerate(plan.folds):
        result = runner((Pair(0, fold, {"epochs": 5}),))[0][1]
        assert result.predictions.shape == (len(val), 2)
        right[val] = result.predictions.argmax(axis=1) == data.y[val]
        assert result.score == right[val].mean()


def test_the_seed_of_a_fold_depends_on_study_trial_and_fold_only():
    data = mixed_table()
    family = Recorder()
    evaluator = Evaluator(plan_of(data), family)
    evaluator.run((Pair(0, 0, {}), Pair(0, 1, {}), Pair(1, 0, {})))
    seeds = [request.seed for request in family.requests]
    assert len(set(seeds)) == 3
    evaluator.run((Pair(0, 0, {}),))
    assert family.requests[-1].seed == seeds[0]


def test_a_failed_network_leaves_its_neighbours_alone():
    data = numeric(load_breast_cancer, 2)
    evaluator = Evaluator(plan_of(data), StackedLinear())
    params = {"learning_rate": 0.1, "steps": 5}
    alone = evaluator.run((Pair(0, 0, params),))[0][1]
    bad = Pair(1, 0, {**params, "fails": True})
    (_, kept), (_, failed) = evaluator.run((Pair(0, 0, params), bad))
    assert kept.score == alone.score
    assert failed.failure == "nan"
    assert "TrialError: the loss became NaN" in failed.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("bad shape"), "error"),
        (MemoryError(), "memory"),
        (TrialError("nan", "loss is NaN"), "nan"),
    ],
)
def test_an_exception_fails_the_fold_with_its_traceback(error, kind):
    family = Recorder(error)
    [(number, result)] = Evaluator(plan_of(mixed_table()), family).run(
        (Pair(7, 0, {}),)
    )
    assert (number, result.failure, result.score) == (7, kind, None)
    assert type(error).__name__ in result.error
    assert "fit_group" in result.error


def test_a_group_that_fails_as_a_whole_is_trained_one_by_one():
    class AllOrNothing(Recorder):
        def fit_group(self, requests):
            if len(requests) > 1 or requests[0].params["bad"]:
                raise RuntimeError("out of luck")
            return super().fit_group(requests)

    pairs = tuple(Pair(n, 0, {"bad": n == 1}) for n in range(3))
    results = Evaluator(plan_of(mixed_table()), AllOrNothing()).run(pairs)
    assert [r.failure for _, r in results] == [None, "error", None]


def test_a_score_that_is_no_number_fails_the_fold():
    class Hopeless:
        def predict(self, X):
            return np.full(len(X), 1e200)

    class Family(Recorder):
        def fit_group(self, requests):
            return [Fitted(Hopeless(), 0.0, engine="hope 1.0") for _ in requests]

    plan = plan_of(numeric(load_diabetes, 0), metric="neg_mean_squared_error")
    with np.errstate(over="ignore"):
        [(_, result)] = Evaluator(plan, Family()).run((Pair(0, 0, {}),))
    assert result.failure == "nan"
    assert "neg_mean_squared_error is -inf, not a finite number" in result.error
    assert result.engine == "hope 1.0"


@pytest.mark.parametrize("family", ["sklearn-mlp", "sklearn.svm.LinearSVC"])
def test_metrics_work_with_and_without_probabilities(family):
    data = numeric(load_breast_cancer, 2)
    plan = plan_of(data, family=family, metric="roc_auc")
    params = {"epochs": 5} if family == "sklearn-mlp" else {"dual": False}
    result = make_runner(plan)((Pair(0, 0, params),))[0][1]
    assert result.failure is None, result.error
    assert 0.9 < result.score <= 1
    assert get_family(family).name == family
