"""What MLflow should hold of a study, with every value worked out by hand."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hpo.records import FoldResult, StudyRecord, Trial, judge
from hpo.tracking.content import (
    Point,
    RunContent,
    best_points,
    first_in,
    identity,
    milliseconds,
    study_content,
    trial_content,
    trial_told,
)

BEGAN = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
BEGAN_MS = 1_772_366_400_123  # date -u -d '2026-03-01 12:00:00' +%s, and 123 ms
STUDY = StudyRecord(
    name="digits",
    state="running",
    document={"name": "digits", "data": {"source": "sklearn.digits"}},
    text="name: digits\n",
    folder="/home/someone",
    fingerprint="sha256:0123",
    family="keras-mlp",
    strategy="random",
    metric="accuracy",
    task="classification",
    n_folds=3,
    seed=7,
    engine="local",
    backend="tensorflow",
    created_at=BEGAN,
)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def fold(index: int, score: float | None = 0.5, **values: Any) -> FoldResult:
    """A fold that came in so many seconds after the beginning as its index."""
    given = {"train_score": 0.75, "finished_at": after(index), **values}
    return FoldResult(index, score=score, **given)


def trial(*folds: FoldResult, number: int = 4, **values: Any) -> Trial:
    """A trial with these folds, judged as the store does."""
    given = Trial(number, values.pop("params", {"units": 8}), created_at=BEGAN)
    judged = judge(given, {f.fold: f for f in folds}, STUDY.n_folds)
    ended = after(10) if judged.finished else None
    return dataclasses.replace(judged, finished_at=ended, **values)


def content(of: Trial, *, live: bool = True, **study: Any) -> RunContent:
    return trial_content(dataclasses.replace(STUDY, **study), "search", of, live=live)


def values(run: RunContent) -> dict[tuple[str, int], float]:
    """The values by metric and step, each of which must be there once."""
    found = {(p.key, p.step): p.value for p in run.points}
    assert len(found) == len(run.points)
    return found


GOOD = (fold(0, 0.25), fold(1, 0.5), fold(2, 0.75))


# Trials


def test_a_complete_trial_has_every_fold_and_what_they_make_together():
    run = content(trial(*GOOD))
    assert (run.name, run.status) == ("trial 4", "FINISHED")
    assert (run.start, run.end) == (BEGAN_MS, BEGAN_MS + 10_000)
    assert run.params == {"units": "8"}
    assert values(run) == {
        ("fold_test_score", 0): 0.25,
        ("fold_test_score", 1): 0.5,
        ("fold_test_score", 2): 0.75,
        ("mean_test_score", 0): 0.5,
        ("std_test_score", 0): pytest.approx(0.20412414523193154),  # sqrt(1/24)
        ("mean_train_score", 0): 0.75,
        ("mean_fit_seconds", 0): 0.0,
        ("mean_score_seconds", 0): 0.0,
    }


def test_folds_have_the_time_they_came_in_and_means_that_of_the_trials_end():
    times = {(p.key, p.step): p.timestamp for p in content(trial(*GOOD)).points}
    assert times["fold_test_score", 0] == BEGAN_MS
    assert times["fold_test_score", 2] == BEGAN_MS + 2000
    assert times["mean_test_score", 0] == BEGAN_MS + 10_000


def test_tags_say_what_the_trial_is():
    run = content(trial(*GOOD))
    expected = {
        "hpo.study": "digits",
        "hpo.trial": "4",
        "hpo.kind": "search",
        "hpo.state": "complete",
        "hpo.family": "keras-mlp",
        "hpo.strategy": "random",
        "hpo.metric": "accuracy",
        "hpo.seed": "7",
        "hpo.data_fingerprint": "sha256:0123",
        "hpo.beyond_stop": "false",
    }
    assert expected.items() <= run.tags.items()
    assert set(run.tags) - set(expected) == {"hpo.version"}


def test_a_trial_beyond_the_stop_says_so():
    run = content(trial(*GOOD, beyond_stop=True))
    assert run.tags["hpo.beyond_stop"] == "true"
    assert run.status == "FINISHED"
    assert content(trial(*GOOD)).tags["hpo.beyond_stop"] == "false"


def test_a_manual_trial_is_told_from_those_of_the_search():
    run = trial_content(STUDY, "manual", trial(*GOOD), live=False)
    assert run.name == "try 4"
    assert run.tags["hpo.kind"] == "manual"


def test_a_failed_trial_has_its_good_folds_its_traceback_and_no_mean():
    bad = fold(1, None, train_score=None, failure="error", error="Boom\nat line 3")
    run = content(trial(fold(0, 0.25), bad, fold(2, 0.75)))
    assert (run.status, run.end) == ("FAILED", BEGAN_MS + 10_000)
    assert values(run) == {("fold_test_score", 0): 0.25}
    assert run.texts == {"traceback.txt": "Boom\nat line 3"}
    assert run.tags["hpo.failure"] == "error"
    assert run.tags["hpo.state"] == "failed"


def test_a_stopped_trial_is_killed():
    stopped = dataclasses.replace(trial(fold(0)), state="stopped", finished_at=after(3))
    run = content(stopped, live=False)
    assert (run.status, run.end) == ("KILLED", BEGAN_MS + 3000)
    assert values(run) == {("fold_test_score", 0): 0.5}


@pytest.mark.parametrize(("live", "status"), [(True, "RUNNING"), (False, "SCHEDULED")])
def test_an_unfinished_trial_runs_only_while_somebody_runs_it(live: bool, status: str):
    run = content(trial(fold(0)), live=live)
    assert (run.status, run.end) == (status, None)
    assert values(run) == {("fold_test_score", 0): 0.5}


def test_a_fold_is_not_sent_before_those_below_it_are_in():
    bad = fold(1, None, failure="nan", error="")
    assert [f.fold for f in first_in((fold(0), fold(2)))] == [0]
    assert [f.fold for f in first_in((fold(1), fold(2)))] == []
    assert [f.fold for f in first_in((fold(0), bad, fold(2)))] == [0]
    assert values(content(trial(fold(1, 0.5), fold(2, 0.5)))) == {}


def test_further_metrics_have_their_means_and_the_score_is_not_said_twice():
    folds = [
        fold(
            i,
            metrics={"accuracy": 0.5, "f1_macro": 0.25 * i, "roc auc": 1.0},
            train_metrics={"accuracy": 0.75, "f1_macro": 0.5},
        )
        for i in range(3)
    ]
    found = values(content(trial(*folds)))
    assert found["mean_test_f1_macro", 0] == 0.25
    assert found["mean_train_f1_macro", 0] == 0.5
    assert found["mean_test_roc auc", 0] == 1.0
    assert not {"mean_test_accuracy", "mean_train_accuracy"} & {k for k, _ in found}
    assert ("mean_train_roc auc", 0) not in found


def test_a_metric_named_like_the_score_does_not_take_its_place():
    further: dict[str, Any] = {
        "metrics": {"score": 9.0},
        "train_metrics": {"score": 8.0},
    }
    folds = [fold(i, **further) for i in range(3)]
    found = values(content(trial(*folds)))
    assert found["mean_test_score", 0] == 0.5
    assert found["mean_train_score", 0] == 0.75


def test_epochs_and_weights_are_there_where_the_family_has_them():
    folds = [fold(i, n_epochs=10 + i, n_parameters=100 + i) for i in range(3)]
    found = values(content(trial(*folds)))
    assert found["mean_epochs", 0] == 11.0
    assert found["n_parameters", 0] == 102.0


def test_a_curve_is_the_mean_of_the_folds_that_came_so_far():
    folds = [
        fold(0, curves={"loss": [1.0, 0.5, 0.25], "val_loss": [2.0]}),
        fold(1, curves={"loss": [0.5]}),
        fold(2, curves={"loss": [0.75, 0.25]}),
    ]
    found = values(content(trial(*folds)))
    assert found["loss", 1] == 0.75
    assert found["loss", 2] == 0.375
    assert found["loss", 3] == 0.25
    assert found["val_loss", 1] == 2.0
    assert ("val_loss", 2) not in found


def test_nothing_that_is_no_number_is_sent():
    nan, inf = float("nan"), float("inf")
    folds = [
        fold(
            i,
            train_score=inf,
            metrics={"r2": nan},
            train_metrics={"r2": -inf},
            fit_seconds=nan,
            curves={"loss": [nan, inf, 1.0 if i else None], "all": [None]},  # type: ignore[list-item]
        )
        for i in range(3)
    ]
    found = values(content(trial(*folds)))
    assert {key for key, _ in found} == {
        *("fold_test_score", "mean_test_score", "std_test_score"),
        *("mean_score_seconds", "loss"),
    }
    assert [step for key, step in found if key == "loss"] == [3]


def test_a_trial_without_folds_has_params_and_no_metrics():
    run = content(trial(params={"a": 1, "b": 2.5, "c": None, "d": True, "e": "x"}))
    assert run.points == []
    assert run.params == {"a": "1", "b": "2.5", "c": "None", "d": "True", "e": "x"}
    assert run.texts == {}


def test_params_that_mlflow_would_not_take_are_kept_whole_in_a_file():
    given = {"units[0]": 4, "text": "x" * 6001, "plain": 0.1}
    run = content(trial(params=given))
    assert run.params["plain"] == "0.1"
    assert run.params["units_0_.a6d4d120"] == "4"
    assert len(run.params["text"]) == 6000
    assert run.params["text"].endswith("x ... (6001 characters)")
    assert json.loads(run.texts["params.json"]) == given


def test_a_value_at_the_limit_needs_no_file():
    assert content(trial(params={"text": "x" * 6000})).texts == {}


def test_hundreds_of_params_are_all_there():
    given = {f"units_{i}": i for i in range(700)}
    run = content(trial(params=given))
    assert run.params == {name: str(value) for name, value in given.items()}


def test_no_password_is_in_any_part_of_a_trial():
    address = "postgresql://me:canary@db/x?password=canary"
    bad = fold(0, None, failure="error", error=f"cannot reach {address}")
    run = content(
        trial(bad, params={"source": address, "long": f"{address} " + "x" * 7000}),
        family=address,
    )
    assert "canary" not in repr(run)
    assert run.params["source"] == "postgresql://***@db/x?password=***"


def test_marks_differ_where_a_trial_has_more_to_tell():
    said = [
        trial_told("running", False, 0, live=True),
        trial_told("running", False, 1, live=True),
        trial_told("running", False, 1, live=False),
        trial_told("complete", False, 3, live=True),
        trial_told("complete", True, 3, live=True),
        trial_told("failed", False, 3, live=True),
    ]
    assert len(set(said)) == len(said)
    assert said[3] == trial_told("complete", False, 3, live=False)


# The study itself


@pytest.mark.parametrize(
    ("state", "status"),
    [
        *(("queued", "SCHEDULED"), ("running", "RUNNING"), ("interrupted", "KILLED")),
        *(("complete", "FINISHED"), ("failed", "FAILED"), ("cancelled", "KILLED")),
    ],
)
def test_every_state_of_a_study_has_its_status(state: str, status: str):
    ended = dataclasses.replace(STUDY, finished_at=after(60))
    run = study_content(ended, state=state)
    assert run.status == status
    going = status in ("RUNNING", "SCHEDULED")
    assert run.end == (None if going else BEGAN_MS + 60_000)


def test_the_run_of_a_study_says_what_it_is():
    run = study_content(STUDY, state="running")
    assert (run.name, run.start) == ("digits", BEGAN_MS)
    assert run.params == {
        "model": "keras-mlp",
        "data": "sklearn.digits",
        "task": "classification",
        "metric": "accuracy",
        "n_folds": "3",
        "seed": "7",
    }
    assert run.tags["hpo.state"] == "running"
    assert run.tags["hpo.reason"] == "not ended"
    assert identity(STUDY).items() <= run.tags.items()
    assert run.texts == {"study.yaml": "name: digits\n"}


def test_two_studies_of_one_name_are_told_apart():
    again = dataclasses.replace(STUDY, created_at=after(0.000001))
    assert identity(again) != identity(STUDY)


def test_no_password_is_in_any_part_of_a_study():
    address = "https://me:canary@data/x.csv?token=canary"
    run = study_content(
        dataclasses.replace(
            STUDY,
            document={"data": {"source": address}},
            text=f"data: {{source: '{address}'}}\n",
            reason=f"cannot read {address}",
        ),
        state="failed",
    )
    assert "canary" not in repr(run)


def test_milliseconds_are_cut_and_never_off_by_one():
    for thousandth in range(1000):
        instant = BEGAN.replace(microsecond=thousandth * 1000 + 999)
        assert milliseconds(instant) == BEGAN_MS - 123 + thousandth
        instant = BEGAN.replace(microsecond=thousandth * 1000)
        assert milliseconds(instant) == BEGAN_MS - 123 + thousandth


# The best so far


def scored(number: int, score: float | None) -> Trial:
    state = "failed" if score is None else "complete"
    return Trial(number, {}, state, score, finished_at=after(number))  # type: ignore[arg-type]


def test_the_best_so_far_begins_with_the_first_success_and_never_falls():
    scores = [None, 0.5, 0.25, 0.75, None]
    points, best = best_points([scored(i, s) for i, s in enumerate(scores)], None)
    assert points == [
        Point("best_so_far", 0.5, 1, BEGAN_MS + 1000),
        Point("best_so_far", 0.5, 2, BEGAN_MS + 2000),
        Point("best_so_far", 0.75, 3, BEGAN_MS + 3000),
        Point("best_so_far", 0.75, 4, BEGAN_MS + 4000),
    ]
    assert best is not None
    assert best.number == 3


def test_of_equal_scores_the_earlier_trial_is_the_best():
    points, best = best_points([scored(0, 0.5), scored(1, 0.5)], None)
    assert [p.value for p in points] == [0.5, 0.5]
    assert best is not None
    assert best.number == 0


def test_the_best_goes_on_from_what_was_known():
    points, best = best_points([scored(7, 0.25), scored(8, None)], 0.5)
    assert [(p.step, p.value) for p in points] == [(7, 0.5), (8, 0.5)]
    assert best is None
