"""SearchCV with a store: going on after a kill, refusing what is another search."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from search_cv_samples import (
    FOLDS,
    Choosy,
    X,
    assert_same_results,
    plain_results,
    stored_search,
    y,
)
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from hpo import Float, SearchCV, Space
from hpo.api.search_cv_identity import fingerprint, text_of
from hpo.errors import SpecError, StoreError, StudyBusyError, StudyError
from hpo.store import Store

SAMPLES = Path(__file__).parent / "search_cv_samples.py"
C_SPACE = {"C": Float(0.01, 100, log=True), "kernel": ["rbf", "linear"]}

# That some C cannot be fitted is as intended.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'hpo.db'}"


@pytest.fixture
def stored(url):
    """Reads the trials of a study, for as long as the test."""
    store = Store(url)
    yield store.trials
    store.close()


def search(url=None, name=None, **options):
    space = options.pop("space", C_SPACE)
    options = {"n_iter": 14, "cv": FOLDS} | options
    return SearchCV(
        options.pop("estimator", Choosy()), space, store=url, name=name, **options
    )


class Counting(SVC):
    """Counts the fits of this process."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian"])
def test_a_search_that_stopped_anywhere_ends_as_one_that_did_not(url, strategy):
    # Of the grid, the last round of 2 trials cannot be fitted at all.
    options = {"strategy": strategy, "return_train_score": True, "width": 2}
    space = {"C": Float(0.01, 100, log=True, points=6), "kernel": ["rbf", "linear"]}
    whole = search(space=space, n_iter=16, **options).fit(X, y)
    assert np.isnan(whole.cv_results_["mean_test_score"]).any()
    # A Bayesian search is past its random trials, and in the midst of a round, at 11.
    for n_iter in (3, 11, 16, 16):
        found = search(url, "s", space=space, n_iter=n_iter, **options).fit(X, y)
        if strategy == "grid" or n_iter == 16:
            assert_same_results(found.cv_results_, whole.cv_results_)
    assert found.best_params_ == whole.best_params_
    np.testing.assert_array_equal(found.predict(X), whole.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["grid", "bayesian"])
def test_a_killed_search_goes_on_where_it_was(url, tmp_path, strategy):
    def command(seconds):
        words = [sys.executable, str(SAMPLES), url, "killed", strategy, str(seconds)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    for n_stored in (4, 8):
        process = command(0.05)
        wait_for_trials(url, "killed", n_stored, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    n_kept = len(trials_of(url, "killed"))
    assert 8 <= n_kept < 18
    process = command(0.0)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    whole = stored_search(None, None, strategy).fit(X, y)
    assert json.loads(printed) == plain_results(whole.cv_results_)


def trials_of(url, name):
    store = Store(url)
    try:
        return store.trials(name)
    finally:
        store.close()


def wait_for_trials(url, name, n_trials, process):
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if Store.exists(url):
            # It may not have begun.
            with contextlib.suppress(StudyError, StoreError):
                if len(trials_of(url, name)) >= n_trials:
                    return
        time.sleep(0.1)
    raise AssertionError(f"no {n_trials} trials; exit status {process.poll()}")


def test_what_is_stored_is_not_trained_again(url):
    options = {"strategy": "random", "estimator": Counting(), "refit": False}
    Counting.n_fits = 0
    search(url, "s", n_iter=6, **options).fit(X, y)
    assert Counting.n_fits == 6 * 3
    search(url, "s", n_iter=10, **options).fit(X, y)
    assert Counting.n_fits == 10 * 3
    # A search that is complete trains one trial, as scikit-learn cannot end without.
    search(url, "s", n_iter=10, **options).fit(X, y)
    assert Counting.n_fits == 11 * 3


def test_the_store_has_what_cv_results_has(url, stored):
    found = search(url, "s", return_train_score=True, scoring="accuracy").fit(X, y)
    results = found.cv_results_
    for trial in stored("s"):
        assert dict(trial.params) == results["params"][trial.number]
        mean = results["mean_test_score"][trial.number]
        if trial.state == "failed":
            assert np.isnan(mean)
            assert "is too large" in trial.error or "far too large" in trial.error
            continue
        assert trial.score == pytest.approx(mean, rel=1e-15)
        assert trial.fit_seconds > 0
        for fold in trial.folds:
            split = f"split{fold.fold}"
            assert fold.score == results[f"{split}_test_score"][trial.number]
            assert fold.train_score == results[f"{split}_train_score"][trial.number]
            assert fold.metrics == {"accuracy": fold.score}


def test_the_command_lists_its_trials_and_says_what_it_was(url):
    search(url, "s", n_iter=5).fit(X, y)

    def hpo(*words):
        command = [sys.executable, "-m", "hpo", *words, "--store", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout

    listed = json.loads(hpo("trials", "s", "--format", "json"))
    assert [row["number"] for row in listed] == [0, 1, 2, 3, 4]
    assert json.loads(hpo("list", "--format", "json"))[0]["state"] == "complete"
    shown = hpo("show", "s")
    for words in ("bayesian, seed 0, width 4", "3-fold", "0.01 to 100, log", "Choosy"):
        assert words in shown
    best = json.loads(hpo("best", "s", "--format", "json"))
    assert best["mean_test_score"] == max(
        row["mean_test_score"] or -1 for row in listed
    )


def test_objects_and_drawn_values_come_back_as_they_were(url):
    space = {
        "minmaxscaler": [MinMaxScaler(), StandardScaler(), None],
        "svc__kernel": [linear_kernel, "rbf"],
        "svc__C": stats.expon(scale=2),
    }
    options = {"space": space, "estimator": make_pipeline(MinMaxScaler(), SVC())}
    options |= {"strategy": "random"}
    whole = search(**options).fit(X, y)
    search(url, "s", n_iter=5, **options).fit(X, y)
    found = search(url, "s", **options).fit(X, y)
    objects = ["param_minmaxscaler", "param_svc__kernel"]
    assert_same_results(found.cv_results_, whole.cv_results_, objects=objects)


def linear_kernel(a, b):
    return a @ b.T


def several(estimator, X, y):
    score = estimator.score(X, y)
    return {"z": score, "a": score / 2, "odd": np.nan if score < 0.95 else score}


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_several_metrics_keep_their_order_and_their_gaps(url, error_score):
    options = {"scoring": several, "refit": "z", "return_train_score": True}
    # Rounds of one trial: where all of a round fails, the names are not known from it.
    options |= {"error_score": error_score, "width": 1, "random_state": 2}
    whole = search(**options).fit(X, y)
    assert (whole.cv_results_["param_C"][:10] > 50).any()
    search(url, "s", n_iter=10, **options).fit(X, y)
    found = search(url, "s", **options).fit(X, y)
    assert_same_results(found.cv_results_, whole.cv_results_)


def test_a_stored_list_of_grids_has_the_results_of_gridsearchcv(url):
    grid = [{"kernel": ["rbf"], "gamma": [0.1, 1]}, {"kernel": ["poly"], "C": [2, 3]}]
    expected = GridSearchCV(SVC(), grid, cv=FOLDS).fit(X, y)
    for _ in range(2):
        found = search(url, "s", estimator=SVC(), space=grid, strategy="grid", width=3)
        found.fit(X, y)
        assert_same_results(found.cv_results_, expected.cv_results_)


CHANGES = [
    ({"estimator": Choosy(gamma=2.0)}, "another estimator: expected .* got .*2.0"),
    ({"space": {"C": Float(0.01, 50, log=True)}}, "another space"),
    ({"cv": KFold(3)}, "another cv: expected StratifiedKFold.*; got KFold"),
    ({"scoring": "f1_macro"}, "another scoring: expected None; got 'f1_macro'"),
    ({"random_state": 1}, "another random_state: expected 0; got 1"),
    ({"strategy": "random"}, "another strategy"),
    ({"width": 3}, "another width: expected 4; got 3"),
    ({"return_train_score": True}, "another return_train_score"),
    ({"error_score": 0.0}, "another error_score"),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The address of a store in which a search named s has 4 trials."""
    address = f"sqlite:///{tmp_path_factory.mktemp('begun') / 'hpo.db'}"
    search(address, "s", n_iter=4, refit=False).fit(X, y)
    return address


@pytest.mark.parametrize(("changed", "message"), CHANGES)
def test_another_search_is_refused_with_the_difference(begun, changed, message):
    with pytest.raises(StudyError, match=f"study 's' in .* {message}"):
        search(begun, "s", **changed).fit(X, y)
    assert len(trials_of(begun, "s")) == 4


def test_other_data_or_weights_are_refused(begun):
    other = X.copy()
    other[3, 1] += 1e-9
    for arguments in ({"X": other, "y": y}, {"X": X, "y": y[::-1]}):
        with pytest.raises(StudyError, match="begun with other data"):
            search(begun, "s").fit(**arguments)
    with pytest.raises(StudyError, match="begun with other data"):
        search(begun, "s").fit(X, y, sample_weight=np.ones(len(y)))


def test_folds_that_are_drawn_anew_each_time_are_refused(url):
    with pytest.raises(SpecError, match=r"cv: .* give it a random_state"):
        search(url, "s", cv=ShuffleSplit(2)).fit(X, y)


def test_a_search_that_another_process_runs_is_refused(begun):
    store = Store(begun)
    writer = store.own("s")
    try:
        with pytest.raises(StudyBusyError, match="'s' is being run by"):
            search(begun, "s").fit(X, y)
    finally:
        writer.release()
        store.close()


def test_a_failing_search_is_interrupted_and_gives_its_lease_back(url):
    def interrupt(estimator, X, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(url, "s", scoring=interrupt).fit(X, y)
    store = Store(url)
    try:
        assert store.summary("s").state == "interrupted"
        store.own("s").release()
    finally:
        store.close()


# --- what makes two searches the same -------------------------------------------------


def test_the_fingerprint_sees_every_form_of_data_and_every_change():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    renamed = frame.rename(columns={"b": "c"})
    forms = [
        np.array([[1.0], [2.0]]),
        np.array([[1.0], [3.0]]),
        np.array([[1.0], [2.0]], np.float32),
        [[1], [2]],
        sparse.csr_matrix([[1.0], [2.0]]),
        frame,
        renamed,
        np.array(["a", "b"], object),
        np.array(["a", "c"], object),
    ]
    splits = [(np.array([0]), np.array([1]))]
    made = [fingerprint(form, y[:2], {}, splits) for form in forms]
    assert len(set(made)) == len(forms)
    copies = [fingerprint(f.copy(), y[:2], {}, splits) for f in (forms[0], frame)]
    assert copies == [made[0], made[5]]
    assert fingerprint(forms[0], y[:2], {"groups": [0, 1]}, splits) != made[0]
    assert fingerprint(forms[0], y[:2], {}, [(np.array([1]), np.array([0]))]) != made[0]


def test_texts_of_settings_hold_no_addresses_and_every_parameter():
    pipe = make_pipeline(StandardScaler(), SVC(kernel=linear_kernel, C=0.1 + 0.2))
    text = text_of(pipe)
    assert "0x" not in text
    assert "linear_kernel" in text
    assert "C=0.30000000000000004" in text
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1
    assert text_of({"class_prior": long}) != text_of({"class_prior": other})
    assert text_of(Space(C=Float(0, 1))) == text_of(Space(C=Float(0, 1)))
    assert text_of(stats.norm(0, 2)) == "norm(0, 2)"
