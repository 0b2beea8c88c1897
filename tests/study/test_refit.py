"""The chosen trial trained on all training rows: by hand, saved, killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from refit_samples import prepared, searched
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpo.errors import StudyError, TrialError
from hpo.evaluation.refit import refit_seed
from hpo.models.saving import load_model, load_preprocessing
from hpo.records import FoldResult, Trial
from hpo.study.refit import refit, refit_params


def parts(loader, *, stratify):
    """Return the rows to learn from and those held out, as the study has them."""
    X, y = loader(return_X_y=True)
    rows = np.arange(len(y))
    train, test = train_test_split(
        rows, test_size=0.2, random_state=1, stratify=y if stratify else None
    )
    return X[np.sort(train)], y[np.sort(train)], X[np.sort(test)], y[np.sort(test)]


def loaded(folder, made, n_classes):
    """Return what predicts rows of raw features, from files alone."""
    transformer = load_preprocessing(folder / made.preprocessing_file)
    model = load_model(folder / made.model_file, n_classes=n_classes)
    return transformer, model


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    study, store = searched(tmp_path_factory.mktemp("iris"))
    return study, store.trials("iris")[1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_is_to_the_last_digit_what_scikit_learn_trains_by_hand(iris, tmp_path):
    study, trial = iris
    made = refit(study, trial, tmp_path / "model", with_test=True, n_trials=2)
    X, y, X_test, y_test = parts(load_iris, stratify=True)
    units, rate = trial.params["units"], trial.params["learning_rate"]
    by_hand = make_pipeline(
        StandardScaler(),
        MLPClassifier(
            (units,),
            learning_rate_init=rate,
            alpha=0.0,
            batch_size=32,
            max_iter=8,
            n_iter_no_change=9,
            random_state=refit_seed(1, "search", 1),
        ),
    ).fit(X, y)
    transformer, model = loaded(tmp_path / "model", made, 3)
    expected = by_hand.predict_proba(X_test)
    np.testing.assert_array_equal(
        model.predict_proba(transformer.transform(X_test)), expected
    )
    assert made.look is not None
    np.testing.assert_array_equal(made.look.predictions, expected.astype("float32"))
    np.testing.assert_array_equal(made.look.y, y_test)
    assert made.look.score == accuracy_score(y_test, by_hand.predict(X_test))
    assert set(made.look.metrics) == {"accuracy", "f1_macro"}
    assert made.train_score == accuracy_score(y, by_hand.predict(X))
    assert made.n_rows == len(y) == 120
    assert made.n_epochs == 8
    assert list(made.curves["loss"]) == by_hand[-1].loss_curve_
    assert made.params == trial.params
    assert sorted(p.name for p in tmp_path.rglob("*.skops")) == [
        "model.skops",
        "preprocessing.skops",
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scaled_targets_come_back_in_the_units_of_the_data(tmp_path):
    study, store = searched(
        tmp_path,
        data__source="sklearn.diabetes",
        space={"units": [8], "hidden_layers": 1, "epochs": 5},
        search__trials=1,
        evaluation={"folds": 2},
    )
    (trial,) = store.trials("iris")
    made = refit(study, trial, tmp_path / "model", with_test=True)
    X, y, X_test, y_test = parts(load_diabetes, stratify=False)
    assert made.target_shift == (pytest.approx(y.mean(), rel=1e-12),)
    assert made.target_spread == (pytest.approx(y.std(), rel=1e-12),)
    by_hand = MLPRegressor(
        hidden_layer_sizes=(8,),
        alpha=0.0,
        batch_size=32,
        max_iter=5,
        n_iter_no_change=6,
        random_state=refit_seed(1, "search", 0),
    )
    scaler = StandardScaler().fit(X)
    shift, spread = made.target_shift[0], made.target_spread[0]
    by_hand.fit(scaler.transform(X), (y - shift) / spread)
    expected = by_hand.predict(scaler.transform(X_test)) * spread + shift
    transformer, model = loaded(tmp_path / "model", made, 0)
    predicted = model.predict(transformer.transform(X_test)) * spread + shift
    np.testing.assert_allclose(predicted, expected, rtol=1e-12)
    assert made.look.score == pytest.approx(r2_score(y_test, expected), rel=1e-12)


def ended(params, *best_epochs):
    folds = [FoldResult(i, score=0.5, best_epoch=b) for i, b in enumerate(best_epochs)]
    return Trial(0, params, "complete", 0.5, tuple(folds))


@pytest.mark.parametrize(
    ("best", "epochs"),
    [((4, 9, 30), 9), ((4, 7), 6), ((1, 1, 1), 1), ((3, 4, 6, 9), 5)],
)
def test_epochs_are_the_median_of_the_folds_best_ones(best, epochs):
    params, notes = refit_params(
        ended({"epochs": 50, "patience": 5, "units": 8}, *best), is_users_code=False
    )
    assert params == {"epochs": epochs, "units": 8}
    assert f"trained for {epochs} epoch" in notes[0]
    assert ", ".join(map(str, best)) in notes[0]


def test_code_of_the_users_still_finds_patience_in_its_params():
    trial = ended({"epochs": 50, "patience": 5}, 4, 5, 9)
    params, _ = refit_params(trial, is_users_code=True)
    assert params == {"epochs": 5, "patience": None}


@pytest.mark.parametrize(
    "trial", [ended({"epochs": 50}, 4, 5), ended({"epochs": 50, "patience": 3}, None)]
)
def test_params_stay_where_the_folds_did_not_stop_early(trial):
    assert refit_params(trial, is_users_code=False) == (trial.params, ())


@pytest.mark.keras
@pytest.mark.slow
def test_a_network_of_keras_that_stopped_early_is_saved_and_predicts(tmp_path):
    study, store = searched(
        tmp_path,
        model="keras-mlp",
        space={"units": [8], "epochs": 12, "patience": 1, "learning_rate": 0.05},
        search__trials=1,
    )
    (trial,) = store.trials("iris")
    best = sorted(fold.best_epoch for fold in trial.folds)
    made = refit(study, trial, tmp_path / "model", with_test=True)
    assert made.n_epochs == made.params["epochs"] == best[1]
    assert "patience" not in made.params
    assert made.model_file == "model.keras"
    _, _, X_test, _ = parts(load_iris, stratify=True)
    transformer, model = loaded(tmp_path / "model", made, 3)
    np.testing.assert_array_equal(
        model.predict_proba(transformer.transform(X_test)).astype("float32"),
        made.look.predictions,
    )
    again = refit(study, trial, None, with_test=True)
    np.testing.assert_array_equal(again.look.predictions, made.look.predictions)


BUILDER = """
from sklearn.naive_bayes import GaussianNB

class Mine(GaussianNB):
    pass

def build(params, data):
    return Mine(var_smoothing=params["smoothing"])
"""


def test_a_builders_own_class_is_saved_and_what_loading_it_takes_is_said(tmp_path):
    (tmp_path / "refit_builder.py").write_text(BUILDER)
    study, store = searched(
        tmp_path,
        model="refit_builder:build",
        space={"smoothing": [1e-9, 1e-3]},
        search__trials=2,
    )
    made = refit(study, store.trials("iris")[0], tmp_path / "model")
    assert made.look is None
    assert made.notes == ("loading the model takes your own code: refit_builder",)


def test_the_test_part_is_sent_to_no_worker_unless_it_is_asked_for(iris, monkeypatch):
    study, trial = iris
    sent = []

    def seen(study, task):
        sent.append(task)
        raise TrialError("error", "seen")

    monkeypatch.setattr("hpo.study.refit._train", seen)
    for with_test in (False, True):
        with pytest.raises(TrialError, match="seen"):
            refit(study, trial, None, with_test=with_test)
    assert sent[0].test is None
    assert sent[1].test.n_rows == 30
    # Nor is any row of it among those that every worker gets.
    inner = {tuple(row) for row in study.plan.data.X.to_numpy()}
    outer = {tuple(row) for row in sent[1].test.X.to_numpy()}
    X, _, X_test, _ = parts(load_iris, stratify=True)
    assert inner == {tuple(row) for row in X}
    assert outer == {tuple(row) for row in X_test}


def test_a_trial_by_hand_has_a_seed_of_its_own():
    seeds = {refit_seed(0, kind, n) for kind in ("search", "manual") for n in range(3)}
    assert len(seeds) == 6


def test_a_training_that_fails_leaves_no_file_and_says_why(iris, tmp_path):
    study, trial = iris
    wild = replace(trial, params={**trial.params, "learning_rate": 1e300})
    with pytest.raises(TrialError) as caught:
        refit(study, wild, tmp_path / "model")
    assert caught.value.kind == "nan"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_leaves_no_file(iris, tmp_path):
    study, trial = iris
    long = replace(trial, params={**trial.params, "epochs": 100_000})
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def kill_once_it_trains():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for child in psutil.Process().children(recursive=True):
                busy = child.pid not in before and child.cpu_times().user > 1.5
                if busy and list(tmp_path.iterdir()):
                    time.sleep(1)
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_once_it_trains)
    killer.start()
    with pytest.raises(TrialError, match="its worker process is gone") as caught:
        refit(study, long, tmp_path / "model")
    killer.join()
    assert caught.value.kind == "worker-lost"
    assert list(tmp_path.iterdir()) == []


def test_an_objective_and_a_missing_test_part_are_refused_with_the_way_out(iris):
    _, trial = iris
    study = prepared(data__test_size=0.0)
    with pytest.raises(StudyError, match="has no test part"):
        refit(study, trial, None, with_test=True)
    spec = study.spec.model_copy(update={"model": "objective:m:f"})
    with pytest.raises(StudyError, match="an objective gives a score and no model"):
        refit(replace(study, spec=spec), trial, None)


def test_a_folder_that_cannot_be_made_is_refused_before_training(iris, tmp_path):
    study, trial = iris
    Path(tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="files cannot be written there"):
        refit(study, trial, tmp_path / "file" / "model")
