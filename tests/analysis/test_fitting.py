"""Verdicts on over- and underfitting, and what a model without features scores."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_samples import make_rows, scored_trial
from sklearn.metrics import f1_score

from hpo.analysis.baseline import baseline
from hpo.analysis.fitting import Surroundings, judged_fit
from hpo.records import FoldResult, StudyRows, Trial, judge

BEST = scored_trial(99, [0.95] * 3, train_score=0.97)


def around(metric="accuracy", baseline=0.5, best=BEST, rope=0.01):
    return Surroundings(metric, rope, best, baseline)


def with_curves(loss, val_loss=None, scores=(0.9, 0.9, 0.9), train=0.92):
    """Make a trial of the same curves in every fold."""
    curves = {"loss": loss} | ({} if val_loss is None else {"val_loss": val_loss})
    best_epoch = None if val_loss is None else int(np.argmin(val_loss)) + 1
    folds = {
        fold: FoldResult(
            fold,
            score=score,
            train_score=train,
            curves=curves,
            best_epoch=best_epoch,
            n_epochs=len(loss),
        )
        for fold, score in enumerate(scores)
    }
    return judge(Trial(0, {}), folds, len(scores))


def falling(n, rate=0.9, to=0.0):
    return [to + rate**epoch for epoch in range(n)]


def test_a_gap_beyond_the_spread_of_the_folds_is_overfitting():
    trial = scored_trial(0, [0.929, 0.941, 0.953], train_score=0.998)
    fit = judged_fit(trial, around())
    assert fit.kind == "overfit"
    assert fit.words == (
        "Overfitted: 0.998 on the rows it was trained on, 0.941 on those left out "
        "(gap 0.057, folds spread 0.012)"
    )


def test_a_gap_within_the_spread_of_the_folds_is_none():
    trial = scored_trial(0, [0.90, 0.94, 0.983], train_score=0.998)
    fit = judged_fit(trial, around())
    assert fit.kind == "good"
    assert fit.words.startswith("No sign of over- or underfitting: 0.998 on")


def test_a_gap_that_is_little_of_what_is_missing_is_none():
    trial = scored_trial(0, [0.70, 0.70, 0.70], train_score=0.74)
    fit = judged_fit(trial, around(best=trial))
    assert fit.kind == "good"
    assert fit.words.startswith("Somewhat better where it was trained")
    assert "0.740 on the rows it was trained on, 0.700" in fit.words


def test_learning_what_does_not_last_is_overfitting_even_far_from_perfect():
    trial = scored_trial(0, [0.50, 0.51, 0.49], train_score=0.70)
    assert judged_fit(trial, around(best=trial)).kind == "overfit"


def test_errors_are_judged_by_their_distance_to_nought():
    trial = scored_trial(0, [-100.0, -102.0, -98.0], train_score=-20.0)
    fit = judged_fit(
        trial, around("neg_mean_squared_error", -400.0, best=trial, rope=1.0)
    )
    assert fit.kind == "overfit"
    assert "-20.000 on the rows" in fit.words
    assert "-100 on those" in fit.words


def test_what_is_worse_than_a_model_without_features_is_useless():
    trial = scored_trial(0, [0.42, 0.44, 0.43], train_score=0.45)
    fit = judged_fit(trial, around(best=trial))
    assert fit.kind == "useless"
    assert fit.words.startswith(
        "No better than a model without features: 0.430 on rows left out, and that has "
        "0.500. Underfitted: "
    )
    unknown = judged_fit(scored_trial(0, [0.42, 0.44, 0.43]), around(best=trial))
    assert unknown.kind == "useless"
    assert unknown.words.endswith("and that has 0.500")


def test_what_is_within_the_rope_of_the_baseline_is_not_called_useless():
    trial = scored_trial(0, [0.495] * 3, train_score=0.8)
    assert judged_fit(trial, around(best=trial)).kind == "overfit"
    assert judged_fit(trial, around(best=trial, baseline=None)).kind == "overfit"


def test_hardly_above_the_baseline_on_training_rows_is_underfitting():
    trial = scored_trial(0, [0.52, 0.51, 0.53], train_score=0.53)
    fit = judged_fit(trial, around(best=trial))
    assert fit.kind == "underfit"
    assert "0.530" in fit.words
    assert "without features has 0.500" in fit.words


def test_worse_on_training_rows_than_another_on_rows_left_out_is_underfitting():
    trial = scored_trial(0, [0.90, 0.89, 0.91], train_score=0.91)
    fit = judged_fit(trial, around())
    assert fit.kind == "underfit"
    assert "less than the 0.950 of trial 99" in fit.words
    assert judged_fit(trial, around(best=trial)).kind == "good"


def test_without_scores_and_curves_nothing_is_known():
    assert judged_fit(scored_trial(0, [0.5, 0.6]), around()).kind == "unknown"


def test_a_watched_loss_that_was_least_at_the_end_is_unfinished():
    trial = with_curves(falling(30), falling(30))
    fit = judged_fit(trial, around(best=trial))
    assert fit.kind == "unfinished"
    assert "least in epoch 30 of 30 in every fold" in fit.words


def test_a_watched_loss_that_was_least_before_is_finished():
    rising = [*falling(20), *[0.13 + i / 100 for i in range(10)]]
    trial = with_curves(falling(30), rising)
    assert judged_fit(trial, around(best=trial)).kind == "good"


def test_a_watched_loss_that_has_settled_is_finished_wherever_it_was_least():
    trial = with_curves(falling(40), falling(40, rate=0.7, to=0.3))
    assert judged_fit(trial, around(best=trial)).kind == "good"


def test_without_watched_rows_a_training_loss_that_falls_is_unfinished():
    falls = with_curves(falling(40))
    fit = judged_fit(falls, around(best=falls))
    assert fit.kind == "unfinished"
    assert "34% over the last 4 epochs" in fit.words  # 1 - 0.9**4
    settled = with_curves(falling(40, rate=0.7, to=0.3))
    assert judged_fit(settled, around(best=settled)).kind == "good"


def test_a_training_loss_that_rises_is_diverging():
    trial = with_curves([*falling(10), 0.9, 1.5, 2.0, 4.0])
    fit = judged_fit(trial, around(best=trial))
    assert fit.kind == "diverging"
    assert "ended at 4.000 in every fold" in fit.words
    jump = with_curves([*falling(20, rate=0.7, to=0.3), 0.5, 0.3, 0.3, 0.3])
    assert judged_fit(jump, around(best=jump)).kind == "good"


def test_a_training_loss_that_falls_to_its_end_is_not_diverging():
    steep = with_curves([0.884, 0.225, 0.116, 0.041, 0.0165, 0.0116, 0.0066])
    assert judged_fit(steep, around(best=steep)).kind == "unfinished"
    # A rise within the last epochs is one all the same.
    late = with_curves([*falling(10), 0.1, 0.1, 4.0])
    assert judged_fit(late, around(best=late)).kind == "diverging"


def test_curves_of_few_epochs_tell_nothing():
    trial = with_curves([1.0, 0.5, 0.2])
    assert judged_fit(trial, around(best=trial)).kind == "good"


# The baseline


def shares(y, rows):
    """Return the score of always the most frequent class of the training rows."""
    scores = []
    for train, scored in rows.folds:
        codes, counts = np.unique(y[train], return_counts=True)
        scores.append(np.mean(y[scored] == codes[counts.argmax()]))
    return scores


def classes(share=0.3, n=200):
    random = np.random.default_rng(0)
    return make_rows((random.random(n) < share).astype(int), 5)


def test_the_accuracy_without_features_is_the_share_of_the_majority():
    rows = classes()
    found = baseline("accuracy", rows)
    assert found.words == "always the most frequent class"
    assert found.score == pytest.approx(np.mean(shares(rows.y, rows)))
    assert found.std == pytest.approx(np.std(shares(rows.y, rows)))


def test_an_f1_without_features_is_that_of_the_rare_class_always():
    rows = classes()
    found = baseline("f1", rows)
    ones = [f1_score(rows.y[s], np.ones(len(s))) for _, s in rows.folds]
    assert found.score == pytest.approx(np.mean(ones))
    assert found.words == "always class 1"


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("roc_auc", 0.5),
        ("balanced_accuracy", 0.5),
        ("matthews_corrcoef", 0.0),
        ("roc_auc_ovr", 0.5),
    ],
)
def test_metrics_that_allow_for_chance_have_their_chance_level(metric, score):
    assert baseline(metric, classes()).score == pytest.approx(score)


def test_probabilities_without_features_are_the_shares_of_the_classes():
    rows = classes()
    losses = []
    for train, scored in rows.folds:
        p = rows.y[train].mean()
        losses.append(np.log(np.where(rows.y[scored] == 1, p, 1 - p)).mean())
    found = baseline("neg_log_loss", rows)
    assert found.score == pytest.approx(np.mean(losses))
    assert found.words == "always the shares of the classes as probabilities"


def test_values_without_features_are_the_mean_or_the_median():
    y = np.random.default_rng(1).gamma(1.0, size=100)
    rows = make_rows(y, 4)

    def loss(middle, distance):
        per = [distance(y[s] - middle(y[t])).mean() for t, s in rows.folds]
        return -np.mean(per)

    squares = baseline("neg_mean_squared_error", rows)
    assert squares.score == pytest.approx(loss(np.mean, np.square))
    assert squares.words == "always the mean of the training rows"
    absolute = baseline("neg_mean_absolute_error", rows)
    assert absolute.score == pytest.approx(loss(np.median, np.abs))
    assert absolute.words == "always the median of the training rows"
    assert baseline("r2", rows).score == pytest.approx(0.0, abs=0.1)


def test_several_targets_have_a_baseline():
    y = np.random.default_rng(2).normal(size=(60, 2))
    rows = make_rows(y, 3)
    means = [np.mean((y[s] - y[t].mean(axis=0)) ** 2) for t, s in rows.folds]
    assert baseline("neg_mean_squared_error", rows).score == pytest.approx(
        -np.mean(means)
    )


def test_there_is_no_baseline_where_the_metric_or_the_rows_are_not_known():
    rows = classes()
    assert baseline("accuracy", None) is None
    assert baseline("my_score", rows) is None
    assert baseline("neg_my_loss", rows) is None
    # Objectives without data have folds of nothing.
    nothing = StudyRows(np.empty(0), None, ("t",), ((np.empty(0), np.empty(0)),) * 3)
    assert baseline("r2", nothing) is None


def test_a_deviance_that_refuses_a_median_of_nought_takes_the_mean():
    y = np.where(np.arange(60) % 3 == 0, 3.0, 0.0)
    found = baseline("neg_mean_poisson_deviance", make_rows(y, 3))
    assert found.words == "always the mean of the training rows"
