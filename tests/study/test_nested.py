"""Nested cross-validation: outer rows stay outside, the mean is the one by hand."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from refit_samples import document, prepared
from sklearn.model_selection import StratifiedKFold, train_test_split

from hpo.errors import SpecError, StudyError
from hpo.records import mean
from hpo.spec import parse_study
from hpo.store import Store
from hpo.study import StudyRun, prepare
from hpo.study.nested import NestedRun, nested_score, outer_study
from hpo.study.stored import stored_study

NESTED = {"folds": 2, "nested": 3}


def best(trials):
    done = [trial for trial in trials if trial.score is not None]
    return max(done, key=lambda t: (t.score, -t.number), default=None)


def opened(folder):
    return Store(f"sqlite:///{folder / 'hpo.db'}")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nested")
    study, store = prepared(folder, evaluation=NESTED), opened(folder)
    StudyRun(study, store).execute()
    before = nested_score(store, "iris")
    return study, store, before, NestedRun(study, store, best).execute()


def test_outer_folds_are_those_of_scikit_learn_and_no_row_is_in_both_parts():
    study = prepared(evaluation=NESTED)
    y = study.data.y
    rows = np.arange(len(y))
    train, _ = train_test_split(rows, test_size=0.2, random_state=1, stratify=y)
    train = np.sort(train)
    folds = StratifiedKFold(3, shuffle=True, random_state=1).split(train, y[train])
    for index, (inner, outer) in enumerate(folds):
        part = outer_study(study, index)
        np.testing.assert_array_equal(part.test_rows, train[outer])
        X = study.data.X.to_numpy()
        np.testing.assert_array_equal(part.plan.data.X.to_numpy(), X[train[inner]])
        assert part.plan.data.n_rows + part.n_test == len(train)
        assert not set(part.test_rows) & set(study.test_rows)
        assert len(part.plan.folds) == 2


def test_the_estimate_is_the_mean_of_the_outer_folds_by_hand(ran):
    study, store, before, score = ran
    assert before is None
    scores = []
    for fold in range(3):
        name = f"iris outer {fold + 1}"
        (look,) = store.test_looks(name)
        assert look.number == best(store.trials(name)).number
        np.testing.assert_array_equal(look.y, outer_study(study, fold).test.y)
        assert look.score == (look.predictions.argmax(axis=1) == look.y).mean()
        scores.append(look.score)
    assert score.scores == tuple(scores)
    assert score.mean == mean(scores)
    assert score.std == pytest.approx(np.std(scores))
    assert score.studies == ("iris outer 1", "iris outer 2", "iris outer 3")
    assert math.isfinite(score.mean)
    # The search's own test part has not been looked at.
    assert store.test_looks("iris") == []


def test_the_store_alone_gives_the_estimate(ran):
    _, store, _, score = ran
    assert nested_score(store, "iris") == score
    assert nested_score(store, "iris outer 1") is None


def test_outer_studies_are_ordinary_and_made_again_from_what_is_stored(ran):
    study, store, _, _ = ran
    lines = [(line.name, line.state, line.n_trials) for line in store.summaries()]
    assert lines == [
        ("iris", "complete", 2),
        *((f"iris outer {n}", "complete", 2) for n in (1, 2, 3)),
    ]
    again = stored_study(store, "iris outer 2")
    mine = outer_study(study, 1)
    assert again.spec == mine.spec
    assert again.spec.evaluation.outer == "2/3"
    np.testing.assert_array_equal(again.test_rows, mine.test_rows)


def test_running_again_trains_nothing(ran, monkeypatch):
    study, store, _, score = ran

    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("hpo.study.run.local_engine", refuse)
    monkeypatch.setattr("hpo.study.test_part.refit", refuse)
    assert NestedRun(study, store, best).execute() == score


def test_once_the_search_goes_on_the_outer_studies_of_less_do_not_hold(ran, tmp_path):
    _, old, _, _ = ran
    (tmp_path / "hpo.db").write_bytes(
        Path(old.url.removeprefix("sqlite:///")).read_bytes()
    )
    store = opened(tmp_path)
    longer = document(evaluation=NESTED, search__trials=3)
    study = prepare(parse_study(longer, folder=Path(old.study("iris").folder)))
    StudyRun(study, store).execute()
    assert nested_score(store, "iris") is None
    now = NestedRun(study, store, best).execute()
    assert nested_score(store, "iris") == now
    assert [line.n_trials for line in store.summaries()] == [3, 3, 3, 3]


def test_a_stop_between_outer_studies_is_taken_up_again(ran, tmp_path):
    _, _, _, score = ran
    study, store = prepared(evaluation=NESTED), opened(tmp_path)
    StudyRun(study, store).execute()
    run = NestedRun(study, store, best)
    choices = []

    def stops(trials):
        choices.append(trials)
        run.request_stop()
        return best(trials)

    run._choose = stops
    assert run.execute() is None
    assert len(choices) == 1
    assert [s.name for s in store.summaries()] == ["iris", "iris outer 1"]
    assert nested_score(store, "iris") is None
    assert NestedRun(study, store, best).execute().scores == score.scores


YAML = """
name: iris
data: {source: sklearn.iris, test_size: 0.2}
model: sklearn-mlp
space:
  units: [4, 8]
  hidden_layers: 1
  learning_rate: {float: [0.001, 0.1], log: true}
  epochs: 8
search: {strategy: random, trials: 2, seed: 1}
evaluation: {folds: 2, nested: 3, metrics: [f1_macro]}
engine: {jobs: 1}
"""


def command(folder, **options):
    environment = {k: v for k, v in os.environ.items() if "MLFLOW" not in k}
    line = [sys.executable, "-m", "hpo", "run", "iris.yaml"]
    line += ["--store", "sqlite:///hpo.db", "--tracking", "none"]
    return subprocess.Popen(
        line,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_the_command_killed_and_run_again_gives_the_same(ran, tmp_path):
    _, _, _, score = ran
    (tmp_path / "iris.yaml").write_text(YAML)
    killed = command(tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (tmp_path / "hpo.db").exists():
            store = opened(tmp_path)
            names = [line.name for line in store.summaries()]
            if "iris outer 2" in names and store.trials("iris outer 2"):
                break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert nested_score(store, "iris") is None
    said, _ = command(tmp_path).communicate(timeout=240)
    found = nested_score(store, "iris")
    assert found.scores == score.scores
    assert f"nested estimate: accuracy {score.mean:.4f} +- {score.std:.4f}" in said


def test_what_cannot_be_nested_is_refused_before_anything_runs(tmp_path):
    store = opened(tmp_path)
    long = prepared(name="x" * 195, evaluation=NESTED)
    with pytest.raises(SpecError, match=r"evaluation\.nested: expected a name short"):
        NestedRun(long, store, best)
    outer = outer_study(prepared(evaluation=NESTED), 0)
    evaluation = outer.spec.evaluation.model_copy(update={"nested": 2})
    nested = outer.spec.model_copy(update={"evaluation": evaluation})
    with pytest.raises(SpecError, match="study of an outer fold already"):
        NestedRun(prepare(nested), store, best)
    assert store.summaries() == []


@pytest.mark.parametrize("given", ["0/3", "4/3", "1/1", "1", "a/b", 3])
def test_an_outer_fold_that_there_is_not_is_refused(given):
    with pytest.raises(SpecError, match=r"evaluation\.outer: expected"):
        prepared(evaluation={"folds": 2, "outer": given})


def test_an_outer_study_begun_with_another_fold_is_refused(ran):
    study, store, _, _ = ran
    other = outer_study(study, 0)
    evaluation = other.spec.evaluation.model_copy(update={"outer": "1/4"})
    spec = other.spec.model_copy(update={"evaluation": evaluation})
    with pytest.raises(StudyError, match="was begun with another outer"):
        StudyRun(prepare(spec), store)
