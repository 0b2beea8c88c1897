"""`hpo.create_study`: asking for params and telling their scores."""

from __future__ import annotations

import math
import threading

import pytest

import hpo
from hpo.errors import SpecError, StudyBusyError, StudyError

LINE = {"x": hpo.Float(0, 1)}


def score(params):
    return -((params["x"] - 0.3) ** 2)


def run(study, n):
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, score(trial.params))


def table(study):
    return [(t.number, dict(t.params), t.state, t.score) for t in study.trials]


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path / 'hpo.db'}"


def test_told_one_by_one_it_is_the_search_that_sees_every_score():
    study = hpo.create_study(LINE, seed=5)
    run(study, 15)
    same = hpo.optimize(score, LINE, trials=15, seed=5, width=1)
    assert table(study) == table(same)


def test_the_scores_of_several_folds_are_averaged():
    with hpo.create_study(LINE, folds=3, metric="accuracy") as study:
        trial = study.ask()
        told = study.tell(trial, [0.5, {"accuracy": 0.75, "loss": 2.0}, 1.0])
    assert told.score == 0.75
    assert [fold.score for fold in told.folds] == [0.5, 0.75, 1.0]
    assert told.folds[1].metrics["loss"] == 2.0
    assert study.best_score == 0.75


def test_a_minimised_study_is_told_in_its_own_sign():
    study = hpo.create_study(LINE, direction="minimize", strategy="random")
    for value in (3.0, 1.0, 2.0):
        assert study.tell(study.ask(), value).score == value
    assert study.best_score == 1.0
    assert study.best_trial.number == 1


def test_several_can_be_asked_for_and_told_in_any_order():
    study = hpo.create_study(LINE)
    asked = [study.ask() for _ in range(4)]
    assert len({trial.params["x"] for trial in asked}) == 4
    for trial in reversed(asked):
        study.tell(trial.number, score(trial.params))
    assert [t.score for t in study.trials] == [score(t.params) for t in asked]


def test_failures_are_told_by_kind():
    study = hpo.create_study(LINE)
    told = study.tell(study.ask(), failure="memory", error="16 GiB were not enough")
    assert (told.state, told.failure) == ("failed", "memory")
    assert "16 GiB" in told.error
    told = study.tell(study.ask(), math.nan)
    assert (told.state, told.failure) == ("failed", "nan")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.1],), "expected 2 scores, one for each fold; got 1"),
        ((0.1,), "expected 2 scores"),
        (([0.1, "a"],), "expected a number or a dict of them; got 'a'"),
        (([0.1, {"b": 1}],), "expected 'objective' among the metrics; got b"),
        ((), "expected scores, or a failure of error, nan"),
    ],
)
def test_what_is_no_score_is_refused_and_can_be_told_again(arguments, words):
    study = hpo.create_study(LINE, folds=2)
    trial = study.ask()
    with pytest.raises(SpecError, match=words):
        study.tell(trial, *arguments)
    assert study.tell(trial, [1, 2]).score == 1.5


def test_a_trial_is_told_once():
    study = hpo.create_study(LINE)
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(StudyError, match="trial 0 is not waiting"):
        study.tell(trial, 2.0)
    with pytest.raises(StudyError, match="trial 7 is not waiting"):
        study.tell(7, 2.0)
    assert study.best_score == 1.0


def test_a_grid_ends():
    study = hpo.create_study({"a": [1, 2]}, strategy="grid")
    for _ in range(2):
        trial = study.ask()
        study.tell(trial, trial.params["a"])
    with pytest.raises(StudyError, match="every combination"):
        study.ask()


def test_what_was_asked_for_and_not_told_comes_first_again(store):
    with hpo.create_study(LINE, name="s", store=store) as study:
        run(study, 3)
        lost = study.ask()
    assert hpo.load_study("s", store).record.state == "interrupted"
    with hpo.create_study(LINE, name="s", store=store) as study:
        assert study.ask() == lost
        study.tell(lost, 0.5)
        run(study, 2)
    study = hpo.load_study("s", store)
    assert study.record.state == "complete"
    assert [t.number for t in study.trials] == [0, 1, 2, 3, 4, 5]
    assert study.trials[3].score == 0.5


def test_a_stored_study_has_one_owner(store):
    with hpo.create_study(LINE, name="s", store=store) as study:
        with pytest.raises(StudyBusyError, match="is being run by"):
            hpo.create_study(LINE, name="s", store=store)
        run(study, 1)
    with pytest.raises(StudyError, match="is closed"):
        study.ask()
    with hpo.create_study(LINE, name="s", store=store):
        pass


def test_an_edited_space_is_noted_and_keeps_its_history(store):
    with hpo.create_study(LINE, name="s", store=store) as study:
        run(study, 2)
    wider = {"x": hpo.Float(0.0, 2.0)}
    with hpo.create_study(wider, name="s", store=store) as study:
        run(study, 2)
    study = hpo.load_study("s", store)
    assert study.space == hpo.Space(**wider)
    assert len(study.trials) == 4


def test_other_folds_for_a_stored_study_are_refused_and_it_stays_free(store):
    with hpo.create_study(LINE, name="s", store=store) as study:
        run(study, 1)
    with pytest.raises(StudyError, match="folds"):
        hpo.create_study(LINE, name="s", store=store, folds=3)
    with hpo.create_study(LINE, name="s", store=store) as study:
        run(study, 1)


def test_threads_may_share_it():
    study = hpo.create_study(LINE, strategy="random")
    threads = [threading.Thread(target=run, args=(study, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [t.number for t in study.trials] == list(range(20))
    assert all(t.score == score(t.params) for t in study.trials)


def test_a_stored_study_needs_a_name(store):
    with pytest.raises(SpecError, match="name"):
        hpo.create_study(LINE, store=store)


def test_what_waits_and_fits_an_edited_space_no_more_is_not_asked_for(store):
    with hpo.create_study({"x": hpo.Float(0.0, 1.0)}, name="s", store=store) as study:
        study.ask()
    with hpo.create_study({"z": hpo.Int(1, 3)}, name="s", store=store) as study:
        assert "z" in study.ask().params
        assert study.trials[0].failure == "error"


def test_a_study_in_memory_says_how_it_stands():
    study = hpo.create_study(LINE)
    assert study.record.state == "running"
    run(study, 1)
    study.close()
    assert study.record.state == "complete"
