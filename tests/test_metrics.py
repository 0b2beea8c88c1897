"""Every metric is a scikit-learn scorer that works for the task it is listed under."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names

from hpo.metrics import (
    BINARY_METRICS,
    CLASSIFICATION_METRICS,
    DEFAULT_METRIC,
    METRICS,
    REGRESSION_METRICS,
    SINGLE_OUTPUT_METRICS,
    why_unfit,
    why_unknown,
)


def classes(n_classes):
    """A noisy problem: each class is confused with the others now and then."""
    X, y = make_classification(
        n_samples=200,
        n_features=6,
        n_informative=4,
        n_classes=n_classes,
        flip_y=0.2,
        random_state=0,
    )
    return LogisticRegression().fit(X, y), X, y


BINARY, TERNARY = classes(2), classes(3)


def regression():
    """Positive targets and predictions, which deviances and logarithms need."""
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 2, (100, 2))
    y = 5 + X @ [1.0, 2.0] + rng.uniform(0, 1, 100)
    return LinearRegression().fit(X, y), X, y


def test_every_metric_is_the_name_of_a_scikit_learn_scorer():
    assert set(get_scorer_names()) >= METRICS


def test_a_metric_is_for_one_task_only_and_defaults_are_metrics_of_theirs():
    assert set() == CLASSIFICATION_METRICS & REGRESSION_METRICS
    assert CLASSIFICATION_METRICS >= BINARY_METRICS
    assert DEFAULT_METRIC["classification"] in CLASSIFICATION_METRICS
    assert DEFAULT_METRIC["regression"] in REGRESSION_METRICS


def test_only_scorers_of_clusterings_or_of_several_labels_are_left_out():
    # By hand, from scikit-learn's table of scorers: clustering, and `samples`
    # averages, which need a target of several labels.
    clustering = {
        "adjusted_mutual_info_score",
        "adjusted_rand_score",
        "completeness_score",
        "fowlkes_mallows_score",
        "homogeneity_score",
        "mutual_info_score",
        "normalized_mutual_info_score",
        "rand_score",
        "v_measure_score",
    }
    samples = {f"{m}_samples" for m in ("f1", "jaccard", "precision", "recall")}
    assert set(get_scorer_names()) - METRICS == clustering | samples


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION_METRICS - {"top_k_accuracy"}))
def test_a_classification_metric_scores_two_classes(metric):
    model, X, y = BINARY
    assert np.isfinite(get_scorer(metric)(model, X, y))
    assert why_unfit(metric, "classification", 2) is None


def test_a_metric_that_is_perfect_for_any_two_classes_is_refused():
    # scikit-learn takes the best two classes, and warns that this is meaningless.
    model, X, y = BINARY
    with pytest.warns(UndefinedMetricWarning, match="meaningless"):
        assert get_scorer("top_k_accuracy")(model, X, y) == 1
    refusal = why_unfit("top_k_accuracy", "classification", 2)
    assert refusal is not None
    assert "top_k_accuracy" in refusal


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION_METRICS - BINARY_METRICS))
def test_a_metric_that_is_not_binary_scores_three_classes(metric):
    model, X, y = TERNARY
    assert np.isfinite(get_scorer(metric)(model, X, y))
    assert why_unfit(metric, "classification", 3) is None


@pytest.mark.parametrize("metric", sorted(BINARY_METRICS))
def test_a_binary_metric_cannot_score_three_classes_and_is_refused(metric):
    model, X, y = TERNARY
    with pytest.raises(ValueError, match=r"(?i)multi.?class"):
        get_scorer(metric)(model, X, y)
    refusal = why_unfit(metric, "classification", 3)
    assert refusal.startswith(f"'{metric}' is for two classes, and the target has 3")


@pytest.mark.parametrize("metric", sorted(REGRESSION_METRICS))
def test_a_regression_metric_scores_positive_targets(metric):
    model, X, y = regression()
    assert np.isfinite(get_scorer(metric)(model, X, y))
    assert why_unfit(metric, "regression", 0) is None


@pytest.mark.parametrize("metric", sorted(REGRESSION_METRICS))
def test_a_metric_judges_several_targets_or_is_refused_for_them(metric):
    model, X, y = regression()
    Y = np.column_stack([y, y[::-1], np.sqrt(y)])
    model = clone(model).fit(X, Y)
    refusal = why_unfit(metric, "regression", 0, 3)
    if metric in SINGLE_OUTPUT_METRICS:
        with pytest.raises(ValueError, match="Multioutput not supported"):
            get_scorer(metric)(model, X, Y)
        assert refusal == (
            f"'{metric}' is for one target, and there are 3; use 'r2', "
            "which averages over them"
        )
    else:
        assert refusal is None
        assert np.isfinite(get_scorer(metric)(model, X, Y))


def test_the_default_metrics_are_those_of_scikit_learns_own_score():
    for metric, (model, X, y) in (("accuracy", TERNARY), ("r2", regression())):
        assert metric in DEFAULT_METRIC.values()
        assert get_scorer(metric)(model, X, y) == model.score(X, y)


def test_a_known_name_is_not_refused():
    assert [metric for metric in METRICS if why_unknown(metric) is not None] == []


@pytest.mark.parametrize(
    ("metric", "refusal"),
    [
        (
            "acuracy",
            "expected the name of a scikit-learn scorer; got 'acuracy'; "
            "did you mean 'accuracy'?",
        ),
        (
            "mean_squared_error",
            "expected a score (greater is better), not an error; got "
            "'mean_squared_error'; did you mean 'neg_mean_squared_error'?",
        ),
        (
            "log_loss",
            "expected a score (greater is better), not an error; got 'log_loss'; "
            "did you mean 'neg_log_loss'?",
        ),
        (
            "",
            f"expected one of {', '.join(sorted(METRICS))}; got ''",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(metric, refusal):
    assert why_unknown(metric) == refusal


@pytest.mark.parametrize(
    ("metric", "task", "n_classes", "refusal"),
    [
        (
            "r2",
            "classification",
            2,
            "expected a metric for classification, such as accuracy; got 'r2'",
        ),
        (
            "accuracy",
            "regression",
            0,
            "expected a metric for regression, such as r2; got 'accuracy'",
        ),
        (
            "f1",
            "classification",
            3,
            "'f1' is for two classes, and the target has 3; use 'f1_macro'",
        ),
        (
            "roc_auc",
            "classification",
            10,
            "'roc_auc' is for two classes, and the target has 10; use 'roc_auc_ovr'",
        ),
        (
            "positive_likelihood_ratio",
            "classification",
            3,
            "'positive_likelihood_ratio' is for two classes, and the target has 3",
        ),
    ],
)
def test_a_metric_that_does_not_fit_the_task_is_refused(
    metric, task, n_classes, refusal
):
    assert why_unfit(metric, task, n_classes) == refusal
