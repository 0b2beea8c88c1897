"""What goes into a store comes out of it, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import dataclasses
import json
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from store_samples import (
    CREATED,
    N_FOLDS,
    a_look,
    assert_same_array,
    assert_same_fold,
    assert_same_looks,
    assert_same_rows,
    assert_same_trials,
    dump,
    failed_fold,
    full_folds,
    judged,
    make_fold,
    make_study,
    rows,
    score_of,
    study_rows,
    write_trial,
)

from hpo.errors import LeaseLostError, StoreError, StudyBusyError, StudyNotFoundError
from hpo.records import FoldResult, StudyRecord, StudyState, Trial
from hpo.store import MANUAL, Changes, Store, StudyWriter

ODD_NAMES = [
    "it's",
    'say "hi"',
    "x'; DROP TABLE studies; --",
    "100%s %(name)s :name ?",
    "naïve 🦊 研究",
    "back\\slash\ttab\nline",
    " spaces ",
    "../../etc/passwd",
    "\x1b[31mred",
    "n" * 10_000,
]
PARAMS = {
    "zeta": 0.1 * 3,
    "tiny": 1e-300,
    "huge": 1.7976931348623157e308,
    "zero": 0.0,
    "negative_zero": -0.0,
    "whole": 1.0,
    "one": 1,
    "true": True,
    "false": False,
    "nothing": None,
    "big_int": 2**70,
    "negative": -(2**63) - 1,
    "text": "relu",
    "number_like": "1",
    "null_like": "null",
    "lines": "a\nb\r\n\tc",
    "nul": "a\x00b",
    "surrogate": "\udcff",
    "quotes": "'\"\\",
    "emoji 🦊 key": "🦊",
    "it's; DROP TABLE params": "",
    "alpha": 5e-324,
}


@pytest.fixture
def writer(store: Store) -> StudyWriter:
    store.create(make_study())
    return store.own("digits")


# Studies


def test_a_name_can_be_created_once(store: Store):
    assert store.create(make_study(seed=1)) is True
    assert store.create(make_study(seed=2)) is False
    assert store.study("digits").seed == 1


def test_a_taken_name_leaves_nothing_behind(store: Store, url: str):
    store.create(make_study())
    before = dump(url)
    store.create(make_study(text="other"))
    assert dump(url) == before


def test_four_threads_creating_one_name_make_one_study(store: Store, url: str):
    made: list[bool] = []
    barrier = threading.Barrier(4)

    def create() -> None:
        barrier.wait()
        made.append(store.create(make_study()))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]
    assert rows(url, "SELECT count(*) FROM studies") == [(1,)]


def test_a_study_comes_back_field_by_field(store: Store):
    study = make_study(
        state="complete",
        reason="all 20 trials are done: 100 % 🦊\nand a line",
        document={"name": "digits", "n": 2**53 + 1, "x": 0.1 * 3, "nested": [{"a": 1}]},
        text="# a comment\nname: digits\n\tü\n",
        task="regression",
        n_folds=10,
        seed=2**63 - 1,
        finished_at=CREATED + timedelta(days=400, microseconds=1),
        active_seconds=0.1 * 3,
    )
    store.create(study)
    got = store.study("digits")
    for field in dataclasses.fields(StudyRecord):
        wanted = getattr(study, field.name)
        assert getattr(got, field.name) == wanted, field.name
        assert type(getattr(got, field.name)) is type(wanted), field.name


def test_instants_come_back_as_aware_utc(store: Store):
    # The test databases of PostgreSQL have a time zone of their own, not UTC.
    east = datetime(2026, 3, 1, 5, 29, 59, tzinfo=timezone(timedelta(hours=5.5)))
    store.create(make_study(created_at=east, finished_at=CREATED))
    study = store.study("digits")
    instants = (
        study.created_at,
        study.finished_at,
        store.summary("digits").created_at,
    )
    assert instants == (east, CREATED, east)
    assert [instant.utcoffset() for instant in instants if instant] == [
        timedelta(0)
    ] * 3


def test_the_document_keeps_the_order_of_its_keys(store: Store):
    document = {"z": 1, "a": {"y": [3, 1, 2], "b": {"d": 0, "c": 1.0}}, "m": None}
    store.create(make_study(document=document))
    got = store.study("digits").document
    assert json.dumps(got) == json.dumps(document)


def test_odd_names_are_just_names(store: Store):
    for number, name in enumerate(ODD_NAMES):
        assert store.create(make_study(name)) is True
        assert store.create(make_study(name)) is False
        write_trial(store.own(name), number, full_folds(number))
    for number, name in enumerate(ODD_NAMES):
        assert store.study(name).name == name
        expected = judged(number, {"number": number}, full_folds(number))
        assert_same_trials(store.trials(name), [expected])
    assert [line.name for line in store.summaries()] == ODD_NAMES


def test_names_differ_by_case_and_by_unicode_form(store: Store):
    names = ["A", "a", "\u00e9", "e\u0301", "a "]
    assert [store.create(make_study(name)) for name in names] == [True] * 5


def test_an_unknown_study_is_named_with_a_near_match(store: Store):
    store.create(make_study("digits-bayesian"))
    for method in (store.study, store.trials, store.summary, store.changes, store.own):
        with pytest.raises(StudyNotFoundError, match="did you mean 'digits-bayesian'"):
            method("digits-bayesain")


def test_an_unknown_study_without_a_near_match_says_where_to_look(store: Store):
    with pytest.raises(StudyNotFoundError, match=r"'x' in .*; hpo list shows"):
        store.study("x")


def test_states_are_set_with_their_reason_and_end(store: Store, writer: StudyWriter):
    writer.set_state("running")
    assert (store.study("digits").state, store.study("digits").finished_at) == (
        "running",
        None,
    )
    before = datetime.now(UTC)
    writer.set_state("complete", "all 20 trials are done")
    study = store.study("digits")
    assert (study.state, study.reason) == ("complete", "all 20 trials are done")
    assert study.finished_at is not None
    assert before <= study.finished_at <= datetime.now(UTC)
    writer.set_state("running")
    assert (store.study("digits").reason, store.study("digits").finished_at) == (
        "",
        None,
    )


def test_only_an_end_has_an_instant(store: Store, writer: StudyWriter):
    going: list[StudyState] = ["queued", "running", "interrupted"]
    ended: list[StudyState] = ["complete", "failed", "cancelled"]
    for state in [*ended, *going, *ended]:
        writer.set_state(state)
        assert store.study("digits").state == state
        assert (store.study("digits").finished_at is not None) == (state in ended)


def test_edits_are_kept_with_the_trial_from_which_they_hold(
    store: Store, writer: StudyWriter
):
    second = make_study(document={"b": 1, "a": 2}, text="two", strategy="grid")
    third = make_study(document={"c": [1.0, None]}, text="three")
    writer.change(second, 4)
    assert (store.study("digits").text, store.study("digits").strategy) == (
        "two",
        "grid",
    )
    writer.change(third, 9)
    assert json.dumps(store.changes("digits")) == json.dumps(
        [[4, second.document], [9, third.document]]
    )
    assert store.study("digits").document == third.document
    store.create(make_study("other"))
    assert store.changes("other") == []


# Deleting


def test_deleting_a_study_leaves_nothing_of_it_and_all_of_the_others(
    store: Store, writer: StudyWriter, url: str
):
    store.create(make_study("other"))
    other = store.own("other")
    write_trial(other, 0, full_folds(0))
    writer.release()
    other.release()
    before = dump(url), rows(url, "SELECT * FROM leases")
    store.create(make_study("third"))
    third = store.own("third")
    result = make_fold(
        0, metrics={"f1": 0.5}, predictions=np.zeros(3), curves={"loss": [1.0]}
    )
    third.commit(Changes(started=[Trial(0, PARAMS)], folds=[(0, result)]))
    third.commit(Changes(lost=[(0, 1, "killed")]))
    third.change(make_study("third", text="edited"), 1)
    third.release()
    tries = store.own("third", kind=MANUAL)
    tries.commit(Changes(started=[Trial(0, PARAMS)], folds=[(0, result)]))
    tries.release()
    store.delete("third")
    assert (dump(url), rows(url, "SELECT * FROM leases")) == before
    with pytest.raises(StudyNotFoundError, match="no study 'third'"):
        store.trials("third")


def test_a_study_that_is_being_run_is_not_deleted(
    store: Store, writer: StudyWriter, url: str
):
    write_trial(writer, 0, full_folds(0))
    before = dump(url)
    with pytest.raises(StudyBusyError, match="is being run by"):
        store.delete("digits")
    assert dump(url) == before
    writer.release()
    store.delete("digits")
    assert store.summaries() == []


def test_whoever_held_a_study_that_is_deleted_can_write_nothing(
    store: Store, writer: StudyWriter
):
    writer.delete()
    with pytest.raises(LeaseLostError, match="taken the study over"):
        writer.commit(Changes(started=[Trial(0, {})]))
    writer.release()
    assert store.create(make_study("digits"))
    assert store.trials("digits") == []


def test_a_sleeping_owner_cannot_write_into_the_next_study_of_that_name(
    store: Store, writer: StudyWriter
):
    writer.delete()
    store.create(make_study("digits"))
    other = store.own("digits")
    other.commit(Changes(started=[Trial(0, {"units": 9})]))
    with pytest.raises(LeaseLostError, match="taken the study over"):
        writer.commit(Changes(folds=full_folds(0)))
    assert store.trials("digits") == [Trial(0, {"units": 9})]
    other.release()


def test_deleting_an_unknown_study_names_a_near_match(
    store: Store, writer: StudyWriter
):
    with pytest.raises(StudyNotFoundError, match="did you mean 'digits'"):
        store.delete("digts")


# Manual trials


def test_manual_trials_are_numbered_and_kept_apart(store: Store, writer: StudyWriter):
    search = write_trial(writer, 0, full_folds(0))
    writer.release()
    tries = store.own("digits", kind=MANUAL)
    first, second = (write_trial(tries, n, full_folds(n + 5)) for n in (0, 1))
    tries.release()
    assert_same_trials(store.trials("digits"), [search])
    assert_same_trials(store.trials("digits", kind=MANUAL), [first, second])
    line = store.summary("digits")
    assert (line.n_trials, line.best_score) == (1, search.score)


def test_lost_attempts_of_manual_trials_are_not_charged_to_the_search(
    store: Store, writer: StudyWriter
):
    writer.commit(Changes(started=[Trial(0, {})], lost=[(0, 1, "killed")]))
    writer.release()
    tries = store.own("digits", kind=MANUAL)
    tries.commit(Changes(started=[Trial(0, {})], lost=[(0, 2, "killed")]))
    assert tries.lost_attempts() == {(0, 2): 1}
    tries.release()
    writer = store.own("digits")
    assert writer.lost_attempts() == {(0, 1): 1}
    writer.release()


# Trials and folds


def test_params_come_back_with_value_type_and_order(store: Store, writer: StudyWriter):
    writer.commit(Changes(started=[Trial(0, PARAMS), Trial(1, {})]))
    got = store.trials("digits")
    assert_same_trials(got, [Trial(0, PARAMS), Trial(1, {})])
    for name, value in PARAMS.items():
        assert type(got[0].params[name]) is type(value), name


def test_a_fold_comes_back_field_by_field(store: Store, writer: StudyWriter):
    result = FoldResult(
        fold=1,
        score=0.1 * 3,
        train_score=1e-300,
        metrics={"accuracy": 0.1 * 3, "neg_log_loss": -5e-324, "it's 🦊": 0.0},
        train_metrics={"accuracy": 1 / 3, "neg_log_loss": -0.25},
        fit_seconds=0.1 + 0.2,
        score_seconds=1e-9,
        n_epochs=50,
        best_epoch=0,
        n_parameters=2**62,
        curves={"val_loss": [0.1 * 3, 1e-300, -0.0], "loss": [1.0], "none": []},
        predictions=np.array([[0.25, 0.75], [1.0, 0.0]]),
        engine="keras 3.15.1 tensorflow 2.21.0 fit",
    )
    writer.commit(Changes(started=[Trial(0, {})], folds=[(0, result)]))
    got = store.trials("digits", predictions=True)[0].folds[0]
    assert_same_fold(got, result)
    assert got.curves["loss"] == [1.0]
    assert isinstance(got.curves["loss"][0], float)
    assert math.copysign(1, got.curves["val_loss"][2]) == -1
    assert store.trials("digits")[0].folds[0].predictions is None


def test_a_training_metric_needs_no_partner_among_the_metrics(
    store: Store, writer: StudyWriter
):
    fold = make_fold(0, metrics={"accuracy": 0.5}, train_metrics={"f1_macro": 0.25})
    writer.commit(Changes(started=[Trial(0, {})], folds=[(0, fold)]))
    assert_same_fold(store.trials("digits")[0].folds[0], fold)


def test_predictions_come_back_exactly(store: Store, writer: StudyWriter):
    given: list[Any] = [
        np.linspace(0, 1, 21, dtype=np.float32).reshape(7, 3),
        np.array([0.1 * 3, np.nan, np.inf, -0.0]),
        np.array([1, -(2**62)]),
        np.zeros((0, 10)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([[True], [False]]),
        np.arange(200_000, dtype=np.float64).reshape(-1, 10),
        None,
    ]
    folds = [(n, make_fold(0, predictions=array)) for n, array in enumerate(given)]
    started = [Trial(n, {}) for n in range(len(given))]
    writer.commit(Changes(started=started, folds=folds))
    got = store.trials("digits", predictions=True)
    for trial, array in zip(got, given, strict=True):
        assert_same_array(trial.folds[0].predictions, array)


def test_a_curve_that_blew_up_has_null_where_it_did(
    store: Store, writer: StudyWriter, url: str
):
    curve = [0.5, math.nan, math.inf, -math.inf]
    fold = FoldResult(0, failure="nan", error="loss is nan", curves={"loss": curve})
    writer.commit(Changes(started=[Trial(0, {})], folds=[(0, fold)]))
    assert store.trials("digits")[0].folds[0].curves == {
        "loss": [0.5, None, None, None]
    }
    text = str(rows(url, "SELECT CAST(curves AS TEXT) FROM folds")[0][0])
    assert json.loads(text, parse_constant=pytest.fail)


def test_trials_come_back_as_they_were_judged(store: Store, writer: StudyWriter):
    kinds = ["error", "nan", "timeout", "memory", "worker-lost"]
    given = [
        full_folds(0),
        [make_fold(0), failed_fold(1, "Traceback\n  ü 🦊\n")],
        [failed_fold(0), make_fold(2)],
        [make_fold(0), make_fold(2)],
        [failed_fold(2), make_fold(0)],
        [],
        list(reversed(full_folds(6))),
        *([FoldResult(0, failure=kind, error=kind)] for kind in kinds),
    ]
    trials = [write_trial(writer, n, folds) for n, folds in enumerate(given)]
    states = ["complete", "failed", "failed", "running", "running", "running"]
    assert [trial.state for trial in trials[:6]] == states
    assert_same_trials(store.trials("digits"), trials)


def test_scores_come_back_bit_by_bit(store: Store, writer: StudyWriter):
    odd = [0.1 * 3, 5e-324, 1 - 2**-53, -1.7976931348623157e308, 1e16 + 2, 0.0]
    for number, score in enumerate(odd):
        folds = [make_fold(fold, score) for fold in range(N_FOLDS)]
        write_trial(writer, number, folds)
    for trial, score in zip(store.trials("digits"), odd, strict=True):
        assert [fold.score.hex() for fold in trial.folds] == [score.hex()] * N_FOLDS


def test_folds_that_come_one_by_one_make_the_same_trial(
    store: Store, writer: StudyWriter, url: str, open_store: Callable[..., Store]
):
    writer.commit(Changes(started=[Trial(n, {"n": n}) for n in range(3)]))
    for fold in (2, 0, 1):
        results = [(n, make_fold(fold, score_of(n, fold))) for n in range(3)]
        writer.commit(Changes(folds=results))
    expected = [judged(n, {"n": n}, full_folds(n)) for n in range(3)]
    writer.commit(Changes(finished=expected))
    assert_same_trials(store.trials("digits"), expected)
    assert_same_trials(open_store(url).trials("digits"), expected)


def test_a_later_owner_goes_on_with_the_trials_that_are_there(
    store: Store, writer: StudyWriter
):
    write_trial(writer, 0, [make_fold(0, score_of(0, 0))])
    writer.release()
    later = store.own("digits")
    folds = [make_fold(fold, score_of(0, fold)) for fold in (1, 2)]
    trial = judged(0, {"number": 0}, full_folds(0))
    later.commit(Changes(folds=[(0, fold) for fold in folds], finished=[trial]))
    assert_same_trials(store.trials("digits"), [trial])


def test_trials_are_ordered_by_number_and_kept_apart_by_study(
    store: Store, writer: StudyWriter
):
    store.create(make_study("other"))
    other = store.own("other")
    write_trial(other, 0, full_folds(5))
    for number in (2, 0, 1):
        write_trial(writer, number, full_folds(number))
    assert [trial.number for trial in store.trials("digits")] == [0, 1, 2]
    assert [trial.number for trial in store.trials("other")] == [0]
    assert store.trials("other")[0].score == judged(0, {}, full_folds(5)).score


def test_trials_beyond_the_stop_are_marked_and_unmarked(
    store: Store, writer: StudyWriter
):
    for number in range(3):
        write_trial(writer, number, full_folds(number))
    writer.commit(Changes(beyond_stop={1: True, 2: True}))
    writer.commit(Changes(beyond_stop={1: False}))
    marks = [trial.beyond_stop for trial in store.trials("digits")]
    assert marks == [False, False, True]


def test_a_dropped_trial_takes_everything_with_it(
    store: Store, writer: StudyWriter, url: str
):
    kept = write_trial(writer, 0, full_folds(0))
    before = dump(url)
    fold = make_fold(0, metrics={"a": 1.0}, predictions=np.zeros(2))
    writer.commit(Changes(started=[Trial(1, {"a": 1})], folds=[(1, fold)]))
    writer.commit(Changes(lost=[(1, 1, "killed")]))
    writer.commit(Changes(dropped=[1]))
    assert dump(url) == before
    assert_same_trials(store.trials("digits"), [kept])
    assert writer.lost_attempts() == {}
    again = write_trial(writer, 1, full_folds(1))
    assert_same_trials(store.trials("digits"), [kept, again])


def test_a_late_fold_of_a_dropped_trial_lands_in_no_other(
    store: Store, writer: StudyWriter
):
    writer.commit(Changes(started=[Trial(0, {}), Trial(1, {})]))
    writer.commit(Changes(dropped=[1]))
    writer.commit(Changes(started=[Trial(2, {})]))
    with pytest.raises((StoreError, LookupError, RuntimeError)):
        writer.commit(Changes(folds=[(1, make_fold(0))]))
    assert_same_trials(store.trials("digits"), [Trial(0, {}), Trial(2, {})])


def test_lost_attempts_are_counted_by_trial_and_fold(store: Store, writer: StudyWriter):
    store.create(make_study("other"))
    writer.commit(Changes(started=[Trial(0, {}), Trial(1, {})]))
    assert writer.lost_attempts() == {}
    writer.commit(Changes(lost=[(0, 1, "killed"), (1, 0, "it's gone 🦊")]))
    writer.commit(Changes(lost=[(0, 1, "killed")]))
    expected = {(0, 1): 2, (1, 0): 1}
    assert writer.lost_attempts() == expected
    writer.release()
    assert store.own("digits").lost_attempts() == expected
    assert store.own("other").lost_attempts() == {}


def test_active_seconds_are_left_alone_unless_given(store: Store, writer: StudyWriter):
    writer.commit(Changes(active_seconds=0.1 * 3))
    writer.commit(Changes(started=[Trial(0, {})]))
    assert store.study("digits").active_seconds == 0.1 * 3
    writer.commit(Changes(active_seconds=0.0))
    assert store.study("digits").active_seconds == 0.0


# All or nothing


@pytest.mark.parametrize("bad", ["duplicate fold", "same fold twice", "number taken"])
def test_a_commit_that_fails_leaves_nothing(
    store: Store, writer: StudyWriter, url: str, bad: str
):
    write_trial(writer, 0, [make_fold(0)])
    before = dump(url)
    good = Changes(
        started=[Trial(1, {"a": 1})],
        folds=[(1, make_fold(0, metrics={"a": 0.5}, predictions=np.zeros(3)))],
        lost=[(0, 2, "killed")],
        active_seconds=99.0,
    )
    broken = {
        "duplicate fold": dataclasses.replace(
            good, folds=[*good.folds, (0, make_fold(0, 0.75))]
        ),
        "same fold twice": dataclasses.replace(good, folds=[*good.folds, *good.folds]),
        "number taken": dataclasses.replace(
            good, started=[*good.started, Trial(0, {"a": 2})]
        ),
    }
    with pytest.raises(StoreError, match=r"(?i)unique"):
        writer.commit(broken[bad])
    assert dump(url) == before
    writer.commit(good)
    assert [trial.number for trial in store.trials("digits")] == [0, 1]


def test_a_trial_is_finished_once(store: Store, writer: StudyWriter, url: str):
    trial = write_trial(writer, 0, full_folds(0))
    before = dump(url)
    other = dataclasses.replace(trial, score=0.0, state="failed")
    with pytest.raises(RuntimeError, match="the others are immutable"):
        writer.commit(Changes(started=[Trial(1, {})], finished=[other]))
    assert dump(url) == before


@pytest.mark.parametrize("change", ["a fold", "dropping it"])
def test_a_finished_trial_is_immutable(
    store: Store, writer: StudyWriter, url: str, change: str
):
    trial = write_trial(writer, 0, [make_fold(0), failed_fold(1)])
    before = dump(url)
    changes = {
        "a fold": Changes(folds=[(0, make_fold(2))]),
        "dropping it": Changes(dropped=[0]),
    }
    with pytest.raises((StoreError, RuntimeError)):
        writer.commit(changes[change])
    assert dump(url) == before
    assert_same_trials(store.trials("digits"), [trial])


@pytest.mark.parametrize("text", ["a\x00b", "caf\udce9.py"], ids=["nul", "surrogate"])
def test_any_traceback_can_be_stored(store: Store, writer: StudyWriter, text: str):
    # An exception may quote bytes of a file, or a path that is no UTF-8.
    trial = write_trial(writer, 0, [failed_fold(0, f"ValueError: {text}")])
    got = store.trials("digits")
    assert [one.state for one in got] == [trial.state]
    assert str(got[0].error).startswith("ValueError: ")
    assert got[0].failure == "error"


@pytest.mark.parametrize("text", ["a\x00b", "caf\udce9.py"], ids=["nul", "surrogate"])
def test_text_that_cannot_be_stored_is_a_store_error_at_worst(
    store: Store, url: str, text: str
):
    try:
        assert store.create(make_study(text=text)) is True
    except StoreError:
        assert rows(url, "SELECT count(*) FROM studies") == [(0,)]
        assert rows(url, "SELECT count(*) FROM leases") == [(0,)]


def test_a_writer_is_safe_to_use_from_two_threads(store: Store, writer: StudyWriter):
    stop, errors = threading.Event(), []

    def beat() -> None:
        while not stop.is_set():
            try:
                writer.beat()
            except Exception as error:
                errors.append(error)

    heart = threading.Thread(target=beat)
    heart.start()
    expected = [write_trial(writer, n, full_folds(n)) for n in range(30)]
    stop.set()
    heart.join()
    assert errors == []
    assert_same_trials(store.trials("digits"), expected)


def test_whoever_reads_meanwhile_sees_only_whole_commits(
    writer: StudyWriter, url: str, open_store: Callable[..., Store]
):
    reader = open_store(url)
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            seen.append(reader.trials("digits"))

    thread = threading.Thread(target=read)
    thread.start()
    number, end = 0, time.monotonic() + 20
    while (len(seen) < 3 or number < 10) and time.monotonic() < end:
        write_trial(writer, number, full_folds(number))
        number += 1
    stop.set()
    thread.join()
    assert len(seen) >= 3
    for trials in seen:
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert {trial.state for trial in trials} <= {"complete"}


# Summaries


def test_a_summary_counts_finished_trials_that_count(store: Store, writer: StudyWriter):
    write_trial(writer, 0, full_folds(0))
    write_trial(writer, 1, [failed_fold(0)])
    best = write_trial(writer, 2, full_folds(2))
    write_trial(writer, 3, full_folds(3))
    write_trial(writer, 4, [make_fold(0, 0.99)])
    writer.commit(Changes(beyond_stop={3: True}))
    line = store.summary("digits")
    assert (line.n_trials, line.best_score) == (3, best.score)
    assert (line.strategy, line.family, line.metric, line.created_at) == (
        "random",
        "keras-mlp",
        "accuracy",
        CREATED,
    )


def test_summaries_are_oldest_first_and_empty_without_studies(store: Store):
    assert store.summaries() == []
    for name in ("b", "c", "a"):
        store.create(make_study(name))
    lines = store.summaries()
    assert [line.name for line in lines] == ["b", "c", "a"]
    assert [(line.n_trials, line.best_score, line.owner) for line in lines] == [
        (0, None, None)
    ] * 3
    assert store.summary("c") == lines[1]


# Plain SQL


def test_a_query_by_hand_returns_params_and_scores(
    store: Store, writer: StudyWriter, url: str
):
    trial = judged(0, {"lr": 0.5, "act": "relu"}, full_folds(0))
    writer.commit(
        Changes(
            started=[Trial(0, trial.params)],
            folds=[(0, fold) for fold in trial.folds],
            finished=[trial],
        )
    )
    got = rows(
        url,
        "SELECT s.name, t.number, t.state, t.score, t.std, p.name, p.value "
        "FROM studies s JOIN trials t ON t.study_id = s.id "
        "JOIN params p ON p.trial_id = t.id ORDER BY p.position",
    )
    head = ("digits", 0, "complete", trial.score, trial.std)
    assert got == [(*head, "lr", "0.5"), (*head, "act", '"relu"')]
    got = rows(
        url,
        "SELECT f.fold, f.score FROM folds f JOIN trials t ON t.id = f.trial_id "
        "WHERE t.number = 0 ORDER BY f.fold",
    )
    assert got == [(fold, score_of(0, fold)) for fold in range(N_FOLDS)]
    # avg() in SQL is the score that was stored: to the last bits, summed otherwise.
    [(mean,)] = rows(url, "SELECT avg(score) FROM folds")
    assert mean == pytest.approx(trial.score, rel=1e-15)


# What the rows are, and looks at the test part


def test_rows_come_back_as_they_were_given(store: Store):
    store.create(make_study("with"), study_rows())
    store.create(make_study("without"))
    assert_same_rows(store.rows("with"), study_rows())
    assert store.rows("without") is None


def test_rows_that_are_known_are_not_replaced(store: Store):
    store.create(make_study(), study_rows())
    writer = store.own("digits")
    other = dataclasses.replace(study_rows(), targets=("other",), n_test=99)
    writer.keep_rows(other)
    assert_same_rows(store.rows("digits"), study_rows())


def test_looks_are_kept_in_their_order(store: Store):
    store.create(make_study())
    writer = store.own("digits")
    assert store.test_looks("digits") == []
    first, second = a_look(3), a_look(1, kind="manual", score=-1e300, n_trials=9)
    writer.add_test_look(first)
    writer.add_test_look(second)
    assert_same_looks(store.test_looks("digits"), [first, second])


def test_only_the_owner_writes_rows_and_looks(store: Store, url: str):
    store.create(make_study())
    former = store.own("digits")
    rows(url, "UPDATE leases SET token = token + 1")
    with pytest.raises(LeaseLostError):
        former.keep_rows(study_rows())
    with pytest.raises(LeaseLostError):
        former.add_test_look(a_look())
    assert (store.rows("digits"), store.test_looks("digits")) == (None, [])


def test_deleting_a_study_removes_its_rows_and_looks(store: Store, url: str):
    store.create(make_study(), study_rows())
    writer = store.own("digits")
    writer.add_test_look(a_look())
    writer.release()
    store.delete("digits")
    for table in ("study_rows", "study_folds", "test_looks"):
        assert rows(url, f"SELECT count(*) FROM {table}") == [(0,)]
