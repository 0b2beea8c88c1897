"""Manual trials: which params are judged, that they are kept apart, and repeatable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import ThreadEngine, score_group
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from hpo.errors import SpecError, StudyBusyError, StudyError
from hpo.evaluation import Plan, make_runner
from hpo.models import get_family
from hpo.models.family import FitRequest
from hpo.records import Dataset
from hpo.seeds import TRY, derived_seed
from hpo.space import Categorical, Float, Int, Space
from hpo.spec import parse_study
from hpo.store import MANUAL, Store
from hpo.study import Prepared, StudyRun
from hpo.study.manual import ManualTry, manual_params

FAMILY = get_family("sklearn-mlp")
SPACE = Space(
    hidden_layers=Int(1, 3),
    units=Int(16, 256, log=True, repeat="hidden_layers"),
    optimizer=["adam", "sgd"],
    momentum=Float(0, 0.99, when={"optimizer": "sgd"}),
    learning_rate=Categorical([0.01, 0.1]),
    epochs=5,
)


def params_of(space: Space = SPACE, **given: Any) -> dict[str, Any]:
    return dict(manual_params(space, FAMILY, "classification", given))


def test_what_is_not_given_is_as_in_trial_0():
    defaults = SPACE.defaults(FAMILY.defaults("classification"))
    assert params_of() == defaults
    # The family's default of 0.001 is moved into the space, as trial 0 does.
    assert defaults["learning_rate"] == 0.01
    assert params_of(learning_rate=0.1) == defaults | {"learning_rate": 0.1}


def test_a_value_may_lie_outside_the_space_and_replace_a_constant():
    assert params_of(units=1000, epochs=7, learning_rate=0.5) == {
        "hidden_layers": 1,
        "units_0": 1000,
        "optimizer": "adam",
        "learning_rate": 0.5,
        "epochs": 7,
    }


def test_a_name_that_the_space_lacks_and_the_family_has_is_taken():
    assert params_of(l2=0.1)["l2"] == 0.1


def test_one_value_of_a_repeated_hyperparameter_is_for_all_of_its_repeats():
    params = params_of(hidden_layers=3, units=32, units_1=8)
    assert [params[f"units_{layer}"] for layer in range(3)] == [32, 8, 32]


def test_more_layers_than_the_space_has_get_their_units_too():
    params = params_of(hidden_layers=5, units_4=20)
    assert [params[f"units_{layer}"] for layer in range(5)] == [64, 64, 64, 64, 20]


def test_fewer_layers_than_a_constant_of_the_space_leave_none_over():
    space = Space(hidden_layers=3, units=Int(1, 9, repeat="hidden_layers"))
    assert params_of(space, hidden_layers=1) == {"hidden_layers": 1, "units_0": 9}
    assert params_of(space, hidden_layers=0) == {"hidden_layers": 0}


def test_a_given_parent_makes_its_child_active():
    assert params_of(optimizer="sgd")["momentum"] == 0.9
    assert params_of(optimizer="sgd", momentum=0.5)["momentum"] == 0.5


def test_numbers_get_the_type_that_a_search_gives_them():
    params = params_of(units_0=32.0, optimizer="sgd", momentum=0)
    assert (type(params["units_0"]), type(params["momentum"])) == (int, float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unitss": 3}, r"^-p unitss: .*did you mean 'units'"),
        ({"units": 0}, r"^-p units: must be at least 1; got 0$"),
        ({"units": 2.5}, r"^-p units: expected a whole number; got 2\.5$"),
        ({"optimizer": "adm"}, r"^-p optimizer: .*did you mean 'adam'"),
        (
            {"learning_rate": "fast"},
            r"^-p learning_rate: expected a number; got 'fast'",
        ),
        (
            {"momentum": 0.5},
            r"^-p momentum: is only used if optimizer is sgd, and here it is adam$",
        ),
        ({"hidden_layers": 3 * 10**8}, r"^-p hidden_layers: must be at most 64"),
        ({"units_1": 4}, r"^-p units_1: there is none, because hidden_layers is 1$"),
        ({"dropout": 0.1}, r"^-p dropout: .*keras-mlp has it"),
    ],
)
def test_params_that_cannot_be_judged_are_refused(given, message):
    with pytest.raises(SpecError, match=message):
        params_of(**given)


def test_every_mistake_is_reported_at_once():
    with pytest.raises(SpecError, match=r"-p units: .*\n-p epochs: "):
        params_of(units=-1, epochs="many")


# Running


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    X, y = load_wine(return_X_y=True, as_frame=True)
    data = Dataset(
        X=X,
        y=y.to_numpy("int64"),
        task="classification",
        classes=y.unique(),
        numeric=tuple(X.columns),
        categorical=(),
    )
    document = {
        "name": "wine",
        "data": {"source": "sklearn.wine", "test_size": 0},
        "model": "sklearn-mlp",
        "space": {"units": {"int": [4, 16]}, "epochs": 3, "learning_rate": 0.01},
        "search": {"strategy": "random", "trials": 3, "seed": 11},
        "evaluation": {"folds": 3},
    }
    folds = StratifiedKFold(3, shuffle=True, random_state=11).split(X, y)
    spec = parse_study(document, folder=Path())
    return Prepared(
        spec=spec,
        data=data,
        n_test=0,
        fingerprint="same",
        family=FAMILY,
        plan=Plan("sklearn-mlp", data, tuple(folds), 11, "accuracy"),
        defaults=spec.space.defaults(FAMILY.defaults("classification")),
    )


@pytest.fixture
def open_store(tmp_path):
    opened = []

    def make(label="hpo"):
        opened.append(Store(f"sqlite:///{tmp_path / label}.db"))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


PARAMS = {"units": 8, "epochs": 3, "learning_rate": 0.01}


def attempt(prepared, store, params=PARAMS, *, run=None, stop_after=None):
    """Try params in threads of this process; ``run`` stands for the real training."""

    def stop(progress):
        if progress.n_folds_done == stop_after:
            trying.request_stop()

    trying = ManualTry(
        prepared,
        store,
        params,
        make_engine=lambda prepared: ThreadEngine(run or make_runner(prepared.plan), 1),
        observers=[stop],
    )
    return trying.execute()


def search(prepared, store):
    run = make_runner(prepared.plan)
    StudyRun(prepared, store, make_engine=lambda: ThreadEngine(run, 1)).execute()
    return store.trials("wine")


def scores(trial):
    return [fold.score for fold in trial.folds]


def test_a_fold_is_trained_on_scaled_rows_with_a_seed_of_its_own(prepared, open_store):
    tried = attempt(prepared, open_store()).trial
    X, y = prepared.data.X.to_numpy(), prepared.data.y
    expected = []
    for fold, (train_rows, val_rows) in enumerate(prepared.plan.folds):
        scaler = StandardScaler().fit(X[train_rows])
        request = FitRequest(
            params=PARAMS,
            X=scaler.transform(X[train_rows]),
            y=y[train_rows],
            task="classification",
            n_classes=3,
            seed=derived_seed(11, TRY, 0, fold),
        )
        (fitted,) = FAMILY.fit_group([request])
        guesses = fitted.model.predict(scaler.transform(X[val_rows]))
        expected.append(float(np.mean(guesses == y[val_rows])))
    assert scores(tried) == expected


def test_scores_depend_neither_on_other_tries_nor_on_the_search(prepared, open_store):
    lonely, busy = open_store("lonely"), open_store("busy")
    first = attempt(prepared, lonely)
    search(prepared, busy)
    attempt(prepared, busy, PARAMS | {"units": 5})
    later = attempt(prepared, busy)
    assert (first.trial.number, later.trial.number) == (0, 1)
    assert scores(first.trial) == scores(later.trial)


def test_a_try_changes_nothing_in_the_search(prepared, open_store):
    alone, beside = open_store("alone"), open_store("beside")
    attempt(prepared, beside)
    attempt(prepared, beside, PARAMS | {"units": 5})
    table, other = search(prepared, alone), search(prepared, beside)
    assert [(t.params, scores(t)) for t in table] == [
        (t.params, scores(t)) for t in other
    ]
    assert len(table) == 3
    before = beside.study("wine")
    attempt(prepared, beside, PARAMS | {"units": 6})
    assert beside.study("wine") == before
    assert beside.summary("wine").n_trials == 3


def test_the_study_is_created_if_there_is_none(prepared, open_store):
    store = open_store()
    attempt(prepared, store, run=score_group)
    assert store.study("wine").state == "queued"
    assert store.trials("wine") == []
    assert store.summary("wine").owner is None


def test_params_that_were_tried_before_are_not_trained_again(prepared, open_store):
    store = open_store()
    first = attempt(prepared, store, run=score_group)
    again = attempt(prepared, store, run=lambda group: 1 / 0)
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert scores(again.trial) == scores(first.trial)
    assert len(store.trials("wine", kind=MANUAL)) == 1


def test_a_failed_try_may_be_tried_again(prepared, open_store):
    store = open_store()
    failed = attempt(prepared, store, run=lambda group: 1 / 0)
    assert (failed.trial.state, failed.trial.failure) == ("failed", "error")
    assert "ZeroDivisionError" in failed.trial.error
    again = attempt(prepared, store, run=score_group)
    assert (again.trial.number, again.trial.state) == (1, "complete")


def test_a_try_that_was_stopped_is_completed_by_the_same_try(prepared, open_store):
    store, calm = open_store(), open_store("calm")
    stopped = attempt(prepared, store, stop_after=1)
    n_done = len(stopped.trial.folds)
    assert stopped.trial.state == "running"
    assert 0 < n_done < 3
    other = attempt(prepared, store, PARAMS | {"units": 5})
    assert other.trial.number == 1
    trained, run = [], make_runner(replace(prepared.plan, purpose=TRY))

    def count(group):
        trained.append(group)
        return run(group)

    completed = attempt(prepared, store, run=count)
    assert completed.trial.number == 0
    assert len(trained) == 3 - n_done
    assert scores(completed.trial) == scores(attempt(prepared, calm).trial)
    assert [t.state for t in store.trials("wine", kind=MANUAL)] == ["complete"] * 2


def test_a_study_that_is_being_run_cannot_be_tried(prepared, open_store):
    store = open_store()
    attempt(prepared, store, run=score_group)
    writer = store.own("wine")
    with pytest.raises(StudyBusyError, match="is being run by"):
        attempt(prepared, store, PARAMS | {"units": 5})
    writer.release()
    assert attempt(prepared, store, PARAMS | {"units": 5}, run=score_group)


def test_a_study_begun_with_something_else_cannot_be_tried(prepared, open_store):
    store = open_store()
    attempt(prepared, store, run=score_group)
    with pytest.raises(StudyError, match=r"the content of sklearn\.wine has changed"):
        attempt(replace(prepared, fingerprint="other"), store, run=score_group)
    assert store.summary("wine").owner is None
