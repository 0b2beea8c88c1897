"""Metrics of weighted rows are scikit-learn's for the same rows, repeated as often."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from analysis_samples import make_rows, make_trial
from sklearn import metrics as sk

import hpo
from hpo.analysis.measures import Validated, measure_of, stacked
from hpo.store import Store

N, K, N_TRIALS, N_WEIGHTINGS = 120, 4, 2, 2


def second(probabilities):
    return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def on_labels(function, **options):
    return lambda y, given: function(y, given.argmax(axis=1), **options)


def on_probabilities(function, **options):
    return lambda y, given: function(y, second(given.astype(float)), **options)


def by_averaging(name, function):
    averages = ("macro", "micro", "weighted")
    return {f"{name}_{a}": on_labels(function, average=a) for a in averages}


LABELS = {
    "accuracy": on_labels(sk.accuracy_score),
    "balanced_accuracy": on_labels(sk.balanced_accuracy_score),
    "matthews_corrcoef": on_labels(sk.matthews_corrcoef),
    **by_averaging("f1", sk.f1_score),
    **by_averaging("precision", sk.precision_score),
    **by_averaging("recall", sk.recall_score),
    **by_averaging("jaccard", sk.jaccard_score),
}
PROBABILITIES = {
    "neg_log_loss": lambda y, p: -sk.log_loss(y, p.astype(float)),
    "neg_brier_score": lambda y, p: -sk.brier_score_loss(y, second(p.astype(float))),
    "d2_log_loss_score": lambda y, p: sk.d2_log_loss_score(y, p.astype(float)),
    "d2_brier_score": on_probabilities(sk.d2_brier_score),
    "average_precision": on_probabilities(sk.average_precision_score),
    "roc_auc_ovr": on_probabilities(sk.roc_auc_score, multi_class="ovr"),
    "roc_auc_ovr_weighted": on_probabilities(
        sk.roc_auc_score, multi_class="ovr", average="weighted"
    ),
}
TWO_CLASSES = {
    "f1": on_labels(sk.f1_score),
    "precision": on_labels(sk.precision_score),
    "recall": on_labels(sk.recall_score),
    "jaccard": on_labels(sk.jaccard_score),
    "roc_auc": on_probabilities(sk.roc_auc_score),
    "roc_auc_ovo": on_probabilities(sk.roc_auc_score),
    "roc_auc_ovo_weighted": on_probabilities(sk.roc_auc_score),
}
THREE_CLASSES = {
    "top_k_accuracy": lambda y, p: sk.top_k_accuracy_score(y, p, labels=[0, 1, 2])
}


def negative(function, **options):
    return lambda y, given: -function(y, given, **options)


VALUES = {
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "d2_absolute_error_score": sk.d2_absolute_error_score,
    "neg_mean_squared_error": negative(sk.mean_squared_error),
    "neg_mean_absolute_error": negative(sk.mean_absolute_error),
    "neg_mean_absolute_percentage_error": negative(sk.mean_absolute_percentage_error),
    "neg_mean_squared_log_error": negative(sk.mean_squared_log_error),
    "neg_root_mean_squared_error": negative(sk.root_mean_squared_error),
    "neg_root_mean_squared_log_error": negative(sk.root_mean_squared_log_error),
}
ONE_VALUE = {
    "neg_mean_poisson_deviance": negative(sk.mean_poisson_deviance),
    "neg_mean_gamma_deviance": negative(sk.mean_gamma_deviance),
}


def classified(n_classes, seed=0):
    """Rows and trials whose probabilities tell a little, with many equal ones."""
    random = np.random.default_rng(seed)
    y = random.integers(n_classes, size=N)
    trials = []
    rows = make_rows(y, K)
    for number in range(N_TRIALS):
        odds = random.random((N, n_classes)) + 0.7 * np.eye(n_classes)[y]
        odds = np.ceil(8 * odds)
        p = (odds / odds.sum(axis=1, keepdims=True)).astype("float32")
        given = [p[scored] for _, scored in rows.folds]
        trials.append(make_trial(number, rows, given, lambda y, p: 0.0))
    return rows, trials


def regressed(n_outputs, seed=0):
    random = np.random.default_rng(seed)
    y = random.gamma(3.0, size=(N, n_outputs) if n_outputs > 1 else N)
    rows = make_rows(y, K)
    trials = []
    for number in range(N_TRIALS):
        values = y * random.uniform(0.4, 1.7, size=y.shape) + 0.1
        given = [values[scored] for _, scored in rows.folds]
        trials.append(make_trial(number, rows, given, lambda y, p: 0.0))
    return rows, trials


def repeated(rows, trial, fold, weights, function):
    """Score a fold by scikit-learn with every row as often as it weighs."""
    scored = rows.folds[fold][1]
    often = np.repeat(np.arange(len(scored)), weights[scored].astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that nobody predicts
        given = trial.folds[fold].predictions[often]
        return function(rows.y[scored][often], given)


def check(metric, function, rows, trials):
    random = np.random.default_rng(1)
    validated = Validated(rows)
    measure = measure_of(metric, validated)
    judge = measure.judge(stacked(trials, measure.needs, validated))
    counts = random.multinomial(N, np.full(N, 1 / N), size=N_WEIGHTINGS)
    weights = np.vstack([np.ones(N), counts, counts == 0]).astype(float)
    got = judge(weights)
    assert got.shape == (2 * N_WEIGHTINGS + 1, N_TRIALS)
    for row, own in zip(got, weights, strict=True):
        totals = [own[scored].sum() for _, scored in rows.folds]
        shares = totals if not measure.within_folds else None
        for score, trial in zip(row, trials, strict=True):
            by_fold = [repeated(rows, trial, f, own, function) for f in range(K)]
            expected = np.average(by_fold, weights=shares)
            assert score == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("metric", [*LABELS, *PROBABILITIES, *TWO_CLASSES])
def test_a_metric_of_two_classes_is_scikit_learns_on_repeated_rows(metric):
    function = (LABELS | PROBABILITIES | TWO_CLASSES)[metric]
    check(metric, function, *classified(2))


@pytest.mark.parametrize("metric", [*LABELS, *PROBABILITIES, *THREE_CLASSES])
def test_a_metric_of_three_classes_is_scikit_learns_on_repeated_rows(metric):
    function = (LABELS | PROBABILITIES | THREE_CLASSES)[metric]
    check(metric, function, *classified(3))


@pytest.mark.parametrize("metric", [*VALUES, *ONE_VALUE])
def test_a_metric_of_values_is_scikit_learns_on_repeated_rows(metric):
    check(metric, (VALUES | ONE_VALUE)[metric], *regressed(1))


@pytest.mark.parametrize("metric", VALUES)
def test_a_metric_of_several_targets_is_scikit_learns_on_repeated_rows(metric):
    check(metric, VALUES[metric], *regressed(2))


@pytest.mark.parametrize(
    "metric",
    ["neg_max_error", "neg_median_absolute_error", "positive_likelihood_ratio", "mine"],
)
def test_other_metrics_are_not_computed(metric):
    assert measure_of(metric, Validated(classified(2)[0])) is None


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_probabilities_near_1_keep_their_order_in_single_precision(metric):
    random = np.random.default_rng(2)
    y = random.integers(2, size=N)
    rows = make_rows(y, K)
    # Of a network that is too sure: half of all rows have more than 1 - 6e-8.
    second = 1 / (1 + np.exp(-random.normal(18 + 3 * y, 3)))
    exact = np.stack([1 - second, second], axis=1)
    given = [exact[scored].astype("float32") for _, scored in rows.folds]
    assert np.mean(np.concatenate(given)[:, 1] == 1) > 0.5
    trial = make_trial(0, rows, given, lambda y, p: 0.0)
    validated = Validated(rows)
    measure = measure_of(metric, validated)
    judge = measure.judge(stacked([trial], measure.needs, validated))
    function = (LABELS | PROBABILITIES | TWO_CLASSES)[metric]
    stored = [function(y[scored], exact[scored]) for _, scored in rows.folds]
    assert judge(np.ones((1, N)))[0, 0] == pytest.approx(np.mean(stored), abs=1e-12)


def test_pairs_of_classes_are_not_compared_for_more_than_two():
    assert measure_of("roc_auc_ovo", Validated(classified(3)[0])) is None


def test_what_a_metric_cannot_be_computed_from_is_refused():
    rows, trials = classified(2)
    validated = Validated(rows)
    codes = [
        make_trial(
            t.number, rows, [f.predictions.argmax(1) for f in t.folds], lambda y, p: 0.0
        )
        for t in trials
    ]
    assert stacked(codes, "probabilities", validated) is None
    assert stacked(codes, "labels", validated) is not None
    missing = make_trial(0, rows, [None] * K, lambda y, p: 0.0)
    assert stacked([trials[1], missing], "labels", validated) is None


@pytest.mark.parametrize(
    ("metric", "weights"),
    [("roc_auc", "y == 1"), ("r2", "one row"), ("f1", "y == 0"), ("accuracy", "none")],
)
def test_a_metric_of_rows_that_say_nothing_is_not_a_number(metric, weights):
    rows, trials = regressed(1) if metric == "r2" else classified(2)
    y, row = rows.y, np.zeros((1, N))
    if weights == "one row":
        row[0, [scored[0] for _, scored in rows.folds]] = 3
    elif weights != "none":
        row[0] = y == int(weights[-1])
    validated = Validated(rows)
    measure = measure_of(metric, validated)
    judge = measure.judge(stacked(trials, measure.needs, validated))
    with np.errstate(all="raise"):
        assert np.isnan(judge(row)).all()


STUDIES = {
    "sklearn.breast_cancer": ("roc_auc", [*LABELS, *PROBABILITIES, *TWO_CLASSES]),
    "sklearn.wine": ("accuracy", [*LABELS, *PROBABILITIES, *THREE_CLASSES]),
    "sklearn.diabetes": (
        "r2",
        [m for m in (*VALUES, *ONE_VALUE) if "log" not in m and "dev" not in m],
    ),
}


@pytest.mark.parametrize("source", STUDIES)
def test_stored_predictions_give_the_stored_scores(source, tmp_path):
    metric, names = STUDIES[source]
    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    document = {
        "name": "real",
        "data": {"source": source},
        "model": "sklearn-mlp",
        "space": {"units": [4, 9], "epochs": 15},
        "search": {"strategy": "grid"},
        "evaluation": {
            "folds": 3,
            "metric": metric,
            "metrics": [name for name in names if name != metric],
        },
    }
    hpo.run(document, store=url, tracking="none", jobs=1)
    store = Store(url)
    trials = store.trials("real", predictions=True)
    rows = store.rows("real")
    store.close()
    assert len(trials) == 2
    assert rows is not None
    validated = Validated(rows)
    for name in names:
        measure = measure_of(name, validated)
        stacks = stacked(trials, measure.needs, validated)
        got = measure.judge(stacks)(np.ones((1, validated.n_rows)))[0]
        stored = [np.mean([f.metrics[name] for f in t.folds]) for t in trials]
        assert got == pytest.approx(stored, rel=1e-4, abs=1e-5), name
