"""`hpo.optimize`: searching the params of a Python function."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import hpo
from hpo.errors import DataError, SpecError, StudyError

LINE = {"x": hpo.Float(-10.0, 10.0)}
X, Y = load_iris(return_X_y=True)


def parabola(params):
    return -((params["x"] - 2) ** 2)


def neighbours(params, fold):
    model = KNeighborsClassifier(params["k"]).fit(fold.X_train, fold.y_train)
    return {"accuracy": model.score(fold.X_val, fold.y_val), "k": params["k"]}


def table(study):
    return [(t.number, dict(t.params), t.state, t.score) for t in study.trials]


# Scores


def test_the_best_params_are_those_of_the_greatest_score():
    study = hpo.optimize(parabola, LINE, trials=30)
    best = max(study.trials, key=lambda trial: trial.score)
    assert study.best_params == dict(best.params)
    assert study.best_score == parabola(study.best_params)
    assert study.best_score > -0.5


def test_minimising_finds_the_smallest_and_keeps_the_sign_of_the_objective():
    up = hpo.optimize(parabola, LINE, trials=20)
    down = hpo.optimize(
        lambda params: -parabola(params), LINE, trials=20, direction="minimize"
    )
    assert down.direction == "minimize"
    assert down.metric == "objective"
    assert [t.params for t in down.trials] == [t.params for t in up.trials]
    assert [t.score for t in down.trials] == [-t.score for t in up.trials]
    assert down.best_score == -up.best_score
    assert down.best_score == min(t.score for t in down.trials)


def test_trial_0_is_the_middle_of_the_space_unless_that_is_turned_off():
    space = {"x": hpo.Float(0, 1), "y": hpo.Float(1e-4, 1, log=True), "z": [3, 1]}
    first = hpo.optimize(lambda p: 0.0, space, trials=1).trials[0]
    assert first.params == {"x": 0.5, "y": pytest.approx(1e-2), "z": 3}
    other = hpo.optimize(lambda p: 0.0, space, trials=1, defaults_first=False)
    assert other.trials[0].params != first.params


def test_a_grid_is_tried_whole():
    space = {"a": [1, 2], "b": [True, False, None]}
    study = hpo.optimize(lambda p: p["a"], space, strategy="grid", trials=None)
    assert len(study.trials) == 6
    assert {tuple(t.params.values()) for t in study.trials} == {
        (a, b) for a in (1, 2) for b in (True, False, None)
    }


def test_the_named_metric_of_a_dict_is_the_score_and_the_first_one_else():
    def scores(params):
        return {"first": params["x"], "second": -params["x"]}

    first = hpo.optimize(scores, LINE, trials=4)
    second = hpo.optimize(scores, LINE, trials=4, metric="second", strategy="random")
    assert [t.score for t in first.trials] == [t.params["x"] for t in first.trials]
    assert [t.score for t in second.trials] == [-t.params["x"] for t in second.trials]
    assert second.metric == "second"
    assert second.trials[0].folds[0].metrics["first"] == second.trials[0].params["x"]


def test_patience_ends_the_search():
    study = hpo.optimize(lambda p: 1.0, LINE, trials=50, patience=3)
    assert len([t for t in study.trials if not t.beyond_stop]) == 4
    assert "patience" in study.record.reason


def test_no_trial_begins_after_the_timeout():
    study = hpo.optimize(parabola, LINE, trials=10**6, timeout=0.3)
    assert 1 <= len(study.trials) < 10**6
    assert "timeout" in study.record.reason


# Folds


def test_folds_are_scikit_learns_and_the_score_is_their_mean():
    study = hpo.optimize(
        neighbours,
        {"k": hpo.Int(1, 20)},
        data=(X, Y),
        folds=4,
        trials=3,
        seed=7,
        strategy="random",
    )
    for trial in study.trials:
        model = KNeighborsClassifier(trial.params["k"])
        cv = StratifiedKFold(4, shuffle=True, random_state=7)
        expected = cross_val_score(model, X, Y, cv=cv)
        assert [fold.score for fold in trial.folds] == list(expected)
        assert trial.score == pytest.approx(expected.mean(), abs=1e-15)


def test_rows_come_as_they_were_given():
    frame = pd.DataFrame(X, columns=list("abcd"))
    labels = pd.Series(np.array(["x", "y", "z"])[Y], name="label")
    seen = []

    def look(params, fold):
        seen.append((fold.X_train, fold.y_train, fold.X_val, fold.y_val))
        return 0.0

    hpo.optimize(look, {"k": [1]}, data=(frame, labels), folds=3, trials=1)
    assert len(seen) == 3
    for X_train, y_train, X_val, y_val in seen:
        assert list(X_train.columns) == list("abcd")
        assert set(y_train) == {"x", "y", "z"}
        assert sorted([*X_train.index, *X_val.index]) == list(range(150))
        assert (labels[X_val.index] == y_val).all()


def test_lists_are_data_too():
    def look(params, fold):
        assert isinstance(fold.X_train, list)
        assert isinstance(fold.y_val, list)
        return float(len(fold.X_val))

    rows = [[float(i), 1.0] for i in range(20)]
    study = hpo.optimize(
        look, {"k": [1]}, data=(rows, [0.5 * i for i in range(20)]), trials=1
    )
    assert study.best_score == 4.0


def test_groups_stay_together():
    groups = np.repeat(np.arange(30), 5)
    expected = {
        frozenset(val) for _, val in GroupKFold(5).split(X, Y, groups)
    }  # only to see that such a split exists
    assert len(expected) == 5

    def look(params, fold):
        marked = np.column_stack([X, groups])
        train, val = ({tuple(r) for r in part} for part in (fold.X_train, fold.X_val))
        of = {tuple(row[:4]): row[4] for row in marked}
        assert not {of[row] for row in train} & {of[row] for row in val} - shared
        return 1.0

    # Two flowers of the table are alike and may be in two groups.
    counts = {}
    for row, group in zip(map(tuple, X), groups, strict=True):
        counts.setdefault(row, set()).add(group)
    shared = {g for found in counts.values() if len(found) > 1 for g in found}
    study = hpo.optimize(look, {"k": [1]}, data=(X, Y), groups=groups, trials=1)
    assert study.best_score == 1.0


def test_each_fold_has_its_own_seed_and_the_same_one_again():
    def seed(params, fold):
        return {"seed": float(fold.seed), "index": fold.index}

    one = hpo.optimize(seed, {"k": [1, 2]}, folds=3, strategy="grid")
    two = hpo.optimize(seed, {"k": [1, 2]}, folds=3, strategy="grid")
    seeds = [[f.score for f in t.folds] for t in one.trials]
    assert len({s for each in seeds for s in each}) == 6
    assert seeds == [[f.score for f in t.folds] for t in two.trials]
    assert [f.metrics["index"] for f in one.trials[0].folds] == [0, 1, 2]


def test_preprocess_is_fitted_on_training_rows_alone():
    frame = pd.DataFrame({"a": X[:, 0], "kind": np.array(["u", "v", "w"])[Y]})
    frame.loc[::7, "a"] = np.nan

    def look(params, fold):
        train, val = fold.preprocess()
        a = fold.X_train["a"]
        filled = a.fillna(a.median())
        expected = (filled - filled.mean()) / filled.std(ddof=0)
        np.testing.assert_allclose(train[:, 0], expected, atol=1e-12)
        assert train.shape[1] == val.shape[1] == 4
        assert len(val) == len(fold.X_val)
        return 1.0

    study = hpo.optimize(look, {"k": [1]}, data=(frame, Y), trials=1)
    assert study.best_score == 1.0


def test_reports_are_learning_curves():
    def learn(params, fold):
        for epoch in range(1, 4):
            fold.report(epoch, epoch * params["x"])
            fold.report(epoch, -epoch, "loss")
        return 1.0

    study = hpo.optimize(learn, {"x": [0.5]}, trials=1, folds=2)
    for fold in study.trials[0].folds:
        assert fold.curves == {"val_score": [0.5, 1.0, 1.5], "loss": [-1, -2, -3]}
        assert fold.n_epochs == 3


def test_a_report_that_is_not_finite_ends_its_fold_at_once():
    reached = []

    def blow_up(params, fold):
        fold.report(1, math.nan)
        reached.append(fold.index)
        return 1.0

    study = hpo.optimize(blow_up, {"x": [1, 2]}, trials=2, folds=3)
    assert reached == []
    assert [t.failure for t in study.trials] == ["nan", "nan"]


def test_an_epoch_is_reported_once_and_in_order():
    def twice(params, fold):
        fold.report(1, 0.1)
        fold.report(1, 0.2)
        return 1.0

    (trial,) = hpo.optimize(twice, {"x": [1]}, trials=1).trials
    assert trial.failure == "error"
    assert "expected epoch 2" in trial.error


# Failures


@pytest.mark.parametrize(
    ("returned", "kind", "words"),
    [
        (math.nan, "nan", "objective is nan"),
        (math.inf, "nan", "objective is inf"),
        ("0.5", "error", "expected a number for objective; got '0.5' (str)"),
        (None, "error", "got None"),
        ({}, "error", "expected a number or a dict of numbers"),
        ({"a": "b"}, "error", "expected a number for a; got 'b'"),
        ([1, 2], "error", "got [1, 2] (list)"),
    ],
)
def test_what_is_no_score_fails_its_trial(returned, kind, words):
    study = hpo.optimize(lambda p: returned, {"x": [1]}, trials=1)
    (trial,) = study.trials
    assert (trial.state, trial.failure) == ("failed", kind)
    assert words in trial.error


def test_an_objective_that_raises_fails_its_trial_and_the_search_goes_on():
    def sometimes(params):
        if params["x"] > 0:
            raise RuntimeError("too far right")
        return params["x"]

    study = hpo.optimize(sometimes, LINE, trials=20, max_failures=20)
    failed = [t for t in study.trials if t.state == "failed"]
    assert 0 < len(failed) < 20
    assert all(t.params["x"] > 0 for t in failed)
    assert "in sometimes" in failed[0].error
    assert failed[0].error.strip().endswith("RuntimeError: too far right")


def test_too_many_failures_in_a_row_end_it_and_say_why():
    def fail(params):
        raise ValueError("no")

    study = hpo.optimize(fail, LINE, trials=50, max_failures=3)
    assert len(study.trials) == 3
    assert study.record.state == "failed"
    with pytest.raises(StudyError, match=r"no complete trial \(3 x error: ValueError"):
        _ = study.best_params


def test_a_missing_metric_is_named():
    study = hpo.optimize(lambda p: {"a": 1.0}, LINE, metric="b", trials=1)
    assert "expected 'b' among what the objective returns; got a" in (
        study.trials[0].error
    )


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"objective": lambda: 1.0}, r"f\(params\) or f\(params, fold\); got <lambda>"),
        ({"objective": lambda a, b, c: 1.0}, r"f\(params, fold\)"),
        ({"objective": parabola, "data": (X, Y)}, "takes no fold"),
        ({"strategy": "bayes"}, "expected one of grid, random, bayesian; got 'bayes'"),
        ({"direction": "max"}, "maximize"),
        ({"trials": 0}, "search.trials: expected a whole number of at least 1; got 0"),
        ({"space": {"x": hpo.Float(0, 1)}, "strategy": "grid"}, "points"),
        ({"space": {}}, "at least one hyperparameter"),
        ({"store": "sqlite://"}, "needs a name"),
        ({"fold_timeout": 3}, "jobs=2"),
        ({"enqueue": [{"y": 1}]}, r"enqueue\[0\]: no hyperparameter 'y'"),
        ({"enqueue": [{"x": 1.0}, {"x": 11.0}]}, r"enqueue\[1\]: x: 11.0 is outside"),
        ({"width": 0}, "width"),
        ({"name": "a/b"}, "name: expected 1 to 200 letters"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_runs(arguments, words):
    given = {"objective": parabola, "space": LINE, **arguments}
    with pytest.raises(SpecError, match=words):
        hpo.optimize(given.pop("objective"), given.pop("space"), **given)


def test_data_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="same number of rows"):
        hpo.optimize(neighbours, {"k": [1]}, data=(X, Y[:-1]))


def test_one_fold_of_data_is_refused():
    with pytest.raises(SpecError, match="at least 2; got 1"):
        hpo.optimize(neighbours, {"k": [1]}, data=(X, Y), folds=1)


# Callbacks, enqueue


def test_callbacks_are_called_after_each_finished_trial():
    seen = []

    def note(study, trial):
        seen.append((trial.number, trial.score, len(study.trials)))

    study = hpo.optimize(
        lambda p: p["x"], LINE, trials=5, direction="minimize", callbacks=[note]
    )
    assert [n for n, _, _ in seen] == [0, 1, 2, 3, 4]
    assert [score for _, score, _ in seen] == [t.score for t in study.trials]


def test_what_is_enqueued_follows_the_defaults_and_is_completed():
    space = {"x": hpo.Float(0, 1), "y": [1, 2, 3]}
    study = hpo.optimize(
        lambda p: p["x"], space, trials=5, enqueue=[{"x": 0.25}, {"y": 3, "x": 1.0}]
    )
    assert [dict(t.params) for t in study.trials[:3]] == [
        {"x": 0.5, "y": 1},
        {"x": 0.25, "y": 1},
        {"x": 1.0, "y": 3},
    ]
    assert len(study.trials) == 5


def test_a_grid_does_not_try_again_what_was_enqueued():
    space = {"a": [1, 2, 3]}
    study = hpo.optimize(
        lambda p: p["a"], space, strategy="grid", trials=None, enqueue=[{"a": 3}]
    )
    assert [t.params["a"] for t in study.trials] == [3, 1, 2]


# The same everywhere


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_the_same_search_twice_is_the_same_table(strategy):
    one = hpo.optimize(parabola, LINE, trials=15, strategy=strategy, seed=3)
    two = hpo.optimize(parabola, LINE, trials=15, strategy=strategy, seed=3)
    other = hpo.optimize(parabola, LINE, trials=15, strategy=strategy, seed=4)
    assert table(one) == table(two)
    assert table(one) != table(other)


@pytest.mark.slow
def test_workers_give_the_table_of_the_calling_process():
    secret = 2.0  # a closure: the function cannot be found by any name

    def objective(params, fold):
        model = KNeighborsClassifier(params["k"]).fit(fold.X_train, fold.y_train)
        return model.score(fold.X_val, fold.y_val) + secret

    arguments = {"data": (X, Y), "trials": 6, "folds": 3}
    space = {"k": hpo.Int(1, 30)}
    here = hpo.optimize(objective, space, **arguments)
    there = hpo.optimize(objective, space, jobs=2, **arguments)
    assert table(here) == table(there)


def test_what_cannot_be_sent_to_workers_is_refused():
    lock = threading.Lock()

    def objective(params):
        with lock:
            return 1.0

    assert hpo.optimize(objective, LINE, trials=1).best_score == 1.0
    with pytest.raises(SpecError, match="cannot be sent to worker processes"):
        hpo.optimize(objective, LINE, trials=1, jobs=2)


SCRIPT = """
    import hpo

    def shift():
        return 2

    def objective(params):
        return -abs(params["x"] - shift())

    study = hpo.optimize(objective, {"x": hpo.Float(-5, 5)}, trials=6, jobs=2)
    print([round(trial.score, 9) for trial in study.trials])
"""


@pytest.mark.slow
def test_a_script_without_a_guard_and_one_on_stdin_can_use_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    said = [
        subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
        )
        for command, given in (
            ([sys.executable, "script.py"], None),
            ([sys.executable, "-"], script.read_text()),
        )
    ]
    assert [done.stderr for done in said] == ["", ""]
    assert said[0].stdout == said[1].stdout
    study = hpo.optimize(lambda p: -abs(p["x"] - 2), {"x": hpo.Float(-5, 5)}, trials=6)
    assert said[0].stdout.strip() == str([round(t.score, 9) for t in study.trials])


# Stored


def test_a_stored_search_goes_on_where_it_was(tmp_path):
    store = f"sqlite:///{tmp_path / 'hpo.db'}"
    calls = []

    def count(params):
        calls.append(params["x"])
        return parabola(params)

    hpo.optimize(count, LINE, trials=7, name="s", store=store)
    study = hpo.optimize(count, LINE, trials=12, name="s", store=store)
    assert len(calls) == 12
    assert table(study) == table(hpo.optimize(parabola, LINE, trials=12))
    again = hpo.load_study("s", store)
    assert table(again) == table(study)
    assert again.best_params == study.best_params


def test_a_stored_search_that_was_minimised_is_so_when_loaded(tmp_path):
    store = f"sqlite:///{tmp_path / 'hpo.db'}"
    hpo.optimize(
        lambda p: p["x"], LINE, trials=5, name="s", store=store, direction="minimize"
    )
    study = hpo.load_study("s", store)
    assert study.best_score == min(t.params["x"] for t in study.trials)


def test_another_direction_of_a_stored_search_is_refused(tmp_path):
    store = f"sqlite:///{tmp_path / 'hpo.db'}"
    hpo.optimize(parabola, LINE, trials=2, name="s", store=store)
    with pytest.raises(StudyError, match="direction"):
        hpo.optimize(
            parabola, LINE, trials=4, name="s", store=store, direction="minimize"
        )


def test_other_data_for_a_stored_search_are_refused(tmp_path):
    store = f"sqlite:///{tmp_path / 'hpo.db'}"
    space = {"k": hpo.Int(1, 9)}
    hpo.optimize(neighbours, space, data=(X, Y), trials=1, name="s", store=store)
    with pytest.raises(StudyError, match="data"):
        hpo.optimize(
            neighbours, space, data=(X * 2, Y), trials=2, name="s", store=store
        )


# Ctrl-C


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_first_interrupt_returns_what_there_is():
    def interrupt(params):
        if params["x"] == 0.0:
            signal.raise_signal(signal.SIGINT)
        return params["x"]

    with pytest.warns(UserWarning, match="stopping after the running trial"):
        study = hpo.optimize(interrupt, LINE, trials=50)
    assert study.record.state == "interrupted"
    assert study.trials[0].score == 0.0
    assert len(study.trials) < 50
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Views


def test_the_frame_has_scikit_learns_columns():
    study = hpo.optimize(
        neighbours, {"k": [1, 5, 9]}, data=(X, Y), strategy="grid", folds=3
    )
    frame = study.to_frame()
    assert list(frame["number"]) == [0, 1, 2]
    for name in ("params", "param_k", "std_test_score", "split2_test_score"):
        assert name in frame.columns
    folds = frame[[f"split{i}_test_score" for i in range(3)]].to_numpy(dtype=float)
    np.testing.assert_allclose(folds.mean(axis=1), frame["mean_test_score"])
    np.testing.assert_allclose(folds.std(axis=1), frame["std_test_score"], atol=1e-12)
    order = frame["mean_test_score"].rank(ascending=False, method="min")
    assert list(frame["rank_test_score"]) == list(order)


def test_ranks_of_a_minimised_study_begin_at_the_smallest():
    study = hpo.optimize(
        lambda p: p["a"], {"a": [3, 1, 2]}, strategy="grid", direction="minimize"
    )
    frame = study.to_frame()
    assert list(frame["rank_test_score"]) == [3, 1, 2]


def test_optuna_sees_the_same_best_trial():
    study = hpo.optimize(
        lambda p: (p["x"] - 1) ** 2, LINE, trials=12, direction="minimize"
    )
    seen = study.to_optuna()
    assert seen.direction == optuna.study.StudyDirection.MINIMIZE
    assert seen.best_params == study.best_params
    assert seen.best_value == study.best_score


def test_importances_find_what_matters():
    space = {"much": hpo.Float(0, 1), "little": hpo.Float(0, 1)}
    study = hpo.optimize(
        lambda p: 10 * p["much"] + 0.01 * p["little"],
        space,
        trials=40,
        strategy="random",
    )
    shares = study.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == ["much", "little"]


def test_a_study_tells_what_it_is():
    study = hpo.optimize(parabola, LINE, trials=3, name="mine")
    assert repr(study).startswith("<Study 'mine': complete, 3 trials, best objective -")
    assert study.space == hpo.Space(**LINE)


# Racing


def climbing(params, fold):
    """Learn at a rate of ``x``; the rank of params is clear from the first epoch."""
    value = 0.0
    for epoch in range(1, 6):
        value = params["x"] * epoch + 0.01 * fold.index
        fold.report(epoch, value)
    return value


RACE = {"data": None, "folds": 3, "trials": 30, "strategy": "random"}


def test_racing_stops_what_is_behind_half_of_the_others():
    space = {"x": hpo.Float(0.0, 1.0)}
    whole = hpo.optimize(climbing, space, **RACE)
    raced = hpo.optimize(climbing, space, racing="median", width=2, **RACE)
    assert [t.params for t in raced.trials] == [t.params for t in whole.trials]
    assert raced.best_params == whole.best_params
    for trial in raced.trials:
        # By hand: those before it that were complete and that it may have seen.
        seen = [
            t.params["x"]
            for t in raced.trials[: max(0, trial.number - 1)]
            if t.state == "complete"
        ]
        hopeless = len(seen) >= 5 and trial.params["x"] < np.median(seen)
        assert trial.state == ("stopped" if hopeless else "complete")
        if hopeless:
            assert (trial.score, trial.failure) == (None, None)
            assert trial.folds[0].curves["val_score"] == [trial.params["x"]]
            assert len(trial.folds) == 1
    assert sum(t.state == "stopped" for t in raced.trials) >= 8


def test_racing_a_minimised_search_stops_what_is_too_large():
    space = {"x": hpo.Float(0.0, 1.0)}
    raced = hpo.optimize(climbing, space, racing="median", direction="minimize", **RACE)
    stopped = [t.params["x"] for t in raced.trials if t.state == "stopped"]
    complete = [t.params["x"] for t in raced.trials if t.state == "complete"]
    assert len(stopped) >= 8
    assert np.mean(stopped) > np.mean(complete)
    assert raced.best_score == min(t.score for t in raced.trials if t.score is not None)


@pytest.mark.slow
def test_a_race_is_the_same_with_workers_and_when_it_is_taken_up(tmp_path):
    space = {"x": hpo.Float(0.0, 1.0)}
    race = {**RACE, "racing": "median", "strategy": "bayesian", "trials": 16}
    here = hpo.optimize(climbing, space, **race)
    there = hpo.optimize(climbing, space, jobs=2, **race)
    stored = {"name": "s", "store": f"sqlite:///{tmp_path / 'hpo.db'}"}
    hpo.optimize(climbing, space, **{**race, "trials": 9}, **stored)
    resumed = hpo.optimize(climbing, space, **race, **stored)
    assert "stopped" in {t.state for t in here.trials}
    assert table(here) == table(there) == table(resumed)


def test_racing_is_for_objectives_that_report(tmp_path):
    study = {
        "name": "s",
        "data": {"source": "sklearn.iris"},
        "model": "sklearn-mlp",
        "space": {"units": [4, 8]},
        "evaluation": {"racing": "median"},
    }
    with pytest.raises(SpecError, match="only an objective reports how a fold goes"):
        hpo.run(study, store=f"sqlite:///{tmp_path / 'hpo.db'}", tracking="none")


# What a first-time user does


def test_a_missing_target_is_refused_as_rows_would_not_be_told_apart():
    labels = np.array(["a", "b", None] * 20, dtype=object)
    with pytest.raises(DataError, match="20 of 60 targets are missing"):
        hpo.optimize(neighbours, {"k": [1]}, data=(X[:60], labels))


def test_counts_can_be_a_regression():
    counts = np.arange(40) % 13

    def look(params, fold):
        return float(np.mean(fold.y_val))

    rows = np.arange(80.0).reshape(40, 2)
    study = hpo.optimize(look, {"k": [1]}, data=(rows, counts), task="regression")
    assert study.best_score == pytest.approx(counts.mean())
    other = hpo.optimize(look, {"k": [1]}, data=(X, Y), split="kfold", trials=1)
    assert len(other.trials[0].folds) == 5


def test_a_default_is_no_place_for_the_fold():
    study = hpo.optimize(lambda p, noise=2.0: p["x"] * noise, LINE, trials=3)
    assert [t.score for t in study.trials] == [2 * t.params["x"] for t in study.trials]

    def optional(params, fold=None):
        return float(fold.index)

    assert hpo.optimize(optional, LINE, trials=1, folds=2).best_score == 0.5


def test_the_error_of_a_trial_begins_with_the_users_own_line():
    def raises(params):
        return params["y"]

    (trial,) = hpo.optimize(raises, LINE, trials=1).trials
    lines = trial.error.splitlines()
    assert lines[0].startswith("Traceback")
    assert __file__ in lines[1]
    assert "in raises" in lines[1]
    assert lines[-1] == "KeyError: 'y'"
    (trial,) = hpo.optimize(lambda p: "no", LINE, trials=1).trials
    assert trial.error.startswith("hpo.errors.TrialError: expected a number")


def test_numbers_of_numpys_are_numbers(tmp_path):
    space = {"n": hpo.Int(1, 9), "x": hpo.Float(0, 1), "c": np.arange(3)}
    study = hpo.optimize(
        lambda p: p["x"],
        space,
        trials=np.int64(3),
        seed=np.int64(1),
        enqueue=[{"n": np.int64(3), "x": np.float32(0.5), "c": np.int64(2)}],
        name="s",
        store=tmp_path / "hpo.db",
    )
    assert study.trials[1].params == {"n": 3, "x": 0.5, "c": 2}
    assert len(hpo.load_study("s", tmp_path / "hpo.db").trials) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"objective": 3}, r"objective: expected an objective f\(params\)"),
        ({"space": None}, "space: expected a hpo.Space, or a mapping"),
        ({"space": {1: hpo.Float(0, 1)}}, "space: expected a hpo.Space"),
        ({"objective": neighbours, "data": X}, r"data: expected a pair \(X, y\)"),
        ({"objective": neighbours, "data": (X, None)}, "data: expected a pair"),
        ({"enqueue": {"x": 1.0}}, "enqueue: expected a list of params"),
        ({"enqueue": None}, "enqueue: expected a list of params"),
        ({"callbacks": 3}, "callbacks: expected functions"),
    ],
)
def test_an_argument_of_another_type_is_named(arguments, words):
    given = {"objective": parabola, "space": LINE, **arguments}
    with pytest.raises(SpecError, match=words):
        hpo.optimize(given.pop("objective"), given.pop("space"), trials=1, **given)


def test_a_callback_can_stop_the_search():
    def enough(study, trial):
        if trial.number == 3:
            study.stop()

    study = hpo.optimize(parabola, LINE, trials=50, callbacks=enough)
    assert study.record.state == "interrupted"
    assert len([t for t in study.trials if t.finished]) == 4


def test_without_a_number_of_trials_time_and_patience_end_it():
    study = hpo.optimize(lambda p: 1.0, LINE, trials=None, patience=30)
    assert len(study.trials) >= 31


def test_the_metrics_of_a_minimised_study_have_their_own_names():
    def scores(params):
        return {"loss": params["x"] ** 2, "other": 1.0}

    (trial,) = hpo.optimize(scores, LINE, trials=1, direction="minimize").trials
    assert trial.folds[0].metrics["objective"] == trial.score
    assert trial.folds[0].metrics["loss"] == trial.score


def test_completion_shows_the_public_names():
    assert "optimize" in dir(hpo)
    assert set(dir(hpo)) == set(hpo.__all__)
