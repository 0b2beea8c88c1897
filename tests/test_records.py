"""Frozen values answer questions about themselves: verdicts, means, identity."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from hpo.records import Dataset, FoldResult, Trial, judge, mean, params_key


def good(fold, score=0.5):
    return FoldResult(fold, score=score, train_score=score + 0.1, fit_seconds=fold)


def bad(fold, failure="error"):
    return FoldResult(fold, failure=failure, error=f"Traceback of fold {fold}")


def by_fold(*folds):
    return {fold.fold: fold for fold in folds}


TRIAL = Trial(3, {"units": 8})


# --- judge --------------------------------------------------------------------------


def test_a_trial_with_every_fold_is_complete_with_their_mean():
    judged = judge(TRIAL, by_fold(good(2, 0.9), good(0, 0.1), good(1, 0.5)), 3)
    assert judged.state == "complete"
    assert judged.score == pytest.approx(0.5, abs=1e-15)
    assert [fold.fold for fold in judged.folds] == [0, 1, 2]
    assert (judged.failure, judged.error) == (None, None)


def test_an_unfinished_trial_runs_on_and_keeps_every_fold_that_is_in():
    judged = judge(TRIAL, by_fold(good(4), good(1), good(0)), 5)
    assert judged.state == "running"
    assert not judged.finished
    assert judged.score is None
    assert [fold.fold for fold in judged.folds] == [0, 1, 4]


def test_a_trial_without_folds_runs():
    assert judge(TRIAL, {}, 5) == TRIAL


def test_a_trial_fails_with_its_lowest_failed_fold_and_folds_above_do_not_count():
    judged = judge(TRIAL, by_fold(good(0), bad(1, "nan"), good(2), bad(3, "memory")), 5)
    assert judged.state == "failed"
    assert judged.finished
    assert judged.score is None
    assert [fold.fold for fold in judged.folds] == [0, 1]
    assert (judged.failure, judged.error) == ("nan", "Traceback of fold 1")


def test_a_failed_fold_does_not_end_a_trial_while_a_lower_one_is_out():
    judged = judge(TRIAL, by_fold(good(0), bad(2)), 5)
    assert judged.state == "running"
    assert [fold.fold for fold in judged.folds] == [0, 2]
    assert (judged.failure, judged.error) == (None, None)


@pytest.mark.parametrize("extra", [(), (good(2),), (bad(2),), (good(2), bad(4))])
def test_the_verdict_does_not_depend_on_what_else_was_trained(extra):
    assert judge(TRIAL, by_fold(bad(1), good(0), *extra), 5) == judge(
        TRIAL, by_fold(good(0), bad(1)), 5
    )


def test_judging_keeps_what_a_trial_is_and_leaves_the_given_one_alone():
    beyond = dataclasses.replace(TRIAL, beyond_stop=True)
    judged = judge(beyond, by_fold(good(0)), 1)
    assert (judged.number, judged.params, judged.beyond_stop) == (3, TRIAL.params, True)
    assert beyond.state == "running"


@pytest.mark.parametrize("folds", [(good(0),), (good(0), good(1)), (bad(0),)])
def test_judging_keeps_times_and_times_make_no_difference(folds):
    began, ended = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    timed = dataclasses.replace(TRIAL, created_at=began, finished_at=ended)
    dated = [dataclasses.replace(fold, finished_at=ended) for fold in folds]
    judged = judge(timed, by_fold(*dated), 2)
    assert (judged.created_at, judged.finished_at) == (began, ended)
    assert {fold.finished_at for fold in judged.folds} == {ended}
    assert judged == judge(TRIAL, by_fold(*folds), 2)


def test_judging_twice_changes_nothing():
    folds = by_fold(good(0, 0.3), good(1, 0.4))
    once = judge(TRIAL, folds, 2)
    assert judge(once, folds, 2) == once


# --- numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(200))
def test_mean_and_std_of_five_folds_are_numpys_to_the_last_digit(seed):
    scores = np.random.default_rng(seed).normal(0.9, 0.05, 5).tolist()
    folds = by_fold(*(good(i, score) for i, score in enumerate(scores)))
    judged = judge(TRIAL, folds, 5)
    assert mean(scores) == np.mean(scores)
    assert judged.score == np.mean(scores)
    assert judged.std == np.std(scores)


def test_a_trial_without_a_score_has_no_std_and_no_train_score():
    for trial in (
        TRIAL,
        judge(TRIAL, by_fold(good(0)), 2),
        judge(TRIAL, by_fold(good(0), bad(1)), 2),
    ):
        assert (trial.std, trial.train_score) == (None, None)


def test_the_train_score_is_the_mean_of_the_folds_and_may_be_missing():
    judged = judge(TRIAL, by_fold(good(0, 0.2), good(1, 0.4)), 2)
    assert judged.train_score == pytest.approx(0.4, abs=1e-15)
    objective = judge(TRIAL, by_fold(FoldResult(0, score=1.0)), 1)
    assert objective.train_score is None


def test_the_fit_time_is_the_mean_of_the_folds_that_are_in():
    assert TRIAL.fit_seconds is None
    # Each fold took as many seconds as its index says.
    assert judge(TRIAL, by_fold(good(1), good(4)), 5).fit_seconds == 2.5


# --- params_key ---------------------------------------------------------------------


def test_one_and_one_point_nought_and_true_are_different_params():
    values = [1, 1.0, True, "1", None, "None"]
    assert len({params_key({"a": value}) for value in values}) == len(values)


def test_the_order_of_params_does_not_matter():
    assert params_key({"a": 1, "b": 2}) == params_key({"b": 2, "a": 1})
    assert params_key({"a": 1, "b": 2}) != params_key({"a": 2, "b": 1})
    assert params_key({"a": 1}) != params_key({"a": 1, "b": None})


def test_floats_that_differ_in_the_last_digit_are_different_params():
    assert params_key({"a": 0.3}) != params_key({"a": 0.1 + 0.2})


# --- frozen -------------------------------------------------------------------------


def test_records_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        TRIAL.score = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        good(0).score = 1.0


# --- data sets ----------------------------------------------------------------------


def test_taking_rows_keeps_everything_else_of_a_data_set():
    dataset = Dataset(
        X=pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": ["x", None, "z"]}),
        y=np.array([0, 1, 0]),
        task="classification",
        classes=np.array(["no", "yes"]),
        numeric=("a",),
        categorical=("b",),
        targets=("play",),
        notes=("dropped nothing",),
    )
    taken = dataset.take(np.array([2, 0]))
    assert (taken.n_rows, taken.n_classes) == (2, 2)
    assert taken.X["a"].tolist() == [2.0, 0.0]
    assert taken.X.index.tolist() == [0, 1]
    assert taken.y.tolist() == [0, 0]
    for field in dataclasses.fields(Dataset):
        if field.name not in ("X", "y"):
            assert getattr(taken, field.name) is getattr(dataset, field.name)
    assert dataset.n_rows == 3


def test_regression_has_no_classes():
    X, y = pd.DataFrame({"a": [0.0]}), np.array([1.5])
    assert Dataset(X, y, "regression", None, ("a",), ()).n_classes == 0
