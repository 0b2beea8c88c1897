"""Reading what is needed and no more: times, chosen trials, outlines, one snapshot."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from store_samples import (
    N_FOLDS,
    assert_same_trials,
    failed_fold,
    full_folds,
    judged,
    make_fold,
    make_study,
    write_trial,
)

from hpo.errors import StudyNotFoundError
from hpo.records import FoldResult, Trial, TrialOutline, judge
from hpo.store import MANUAL, Changes, Store, StudyWriter
from hpo.store.rows import NUMBERS_AT_ONCE


@pytest.fixture
def writer(store: Store) -> StudyWriter:
    store.create(make_study())
    return store.own("digits")


@contextmanager
def fetched(store: Store) -> Iterator[list[tuple[str, list[Any]]]]:
    """Yield a list that gets each statement that reads, with its values."""
    seen: list[tuple[str, list[Any]]] = []

    @sa.event.listens_for(store._engine, "before_cursor_execute")
    def note(connection, cursor, statement, values, *rest):
        if statement.startswith("SELECT"):
            found = values.values() if isinstance(values, dict) else values
            seen.append((statement, list(found)))

    try:
        yield seen
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)


# Times


def test_times_are_those_of_the_commits_and_aware(store: Store, writer: StudyWriter):
    marks = [datetime.now(UTC)]
    trial = judged(0, {}, full_folds(0))
    steps = [
        Changes(started=[Trial(0, {})]),
        Changes(folds=[(0, make_fold(0))]),
        Changes(folds=[(0, make_fold(1)), (0, make_fold(2))], finished=[trial]),
    ]
    for step in steps:
        writer.commit(step)
        marks.append(datetime.now(UTC))
    [got] = store.trials("digits")
    times = [got.created_at, *(fold.finished_at for fold in got.folds), got.finished_at]
    for instant, step in zip(times, [0, 1, 2, 2, 2], strict=True):
        assert instant is not None
        assert instant.utcoffset() == timedelta(0)
        assert marks[step] <= instant <= marks[step + 1]


def test_only_what_has_ended_has_an_end(store: Store, writer: StudyWriter):
    write_trial(writer, 0, [make_fold(0)])
    write_trial(writer, 1, [failed_fold(0)])
    running, failed = store.trials("digits")
    assert (running.state, running.finished_at) == ("running", None)
    assert running.created_at is not None
    assert running.folds[0].finished_at is not None
    assert failed.finished_at is not None


def test_a_trial_that_was_never_stored_has_no_times_and_is_the_same(
    store: Store, writer: StudyWriter
):
    trial = write_trial(writer, 0, full_folds(0))
    assert (trial.created_at, trial.finished_at) == (None, None)
    assert {fold.finished_at for fold in trial.folds} == {None}
    [got] = store.trials("digits")
    assert got == dataclasses.replace(trial, params=got.params)


# Chosen trials


def test_chosen_trials_are_those_of_the_whole(store: Store, writer: StudyWriter):
    for number in range(6):
        array = np.array([number / 7])
        folds = [make_fold(0, predictions=array, metrics={"f1": number / 3})]
        write_trial(writer, number, folds)
    every = store.trials("digits", predictions=True)
    got = store.trials("digits", predictions=True, numbers=[4, 1, 99, 4, -1])
    assert_same_trials(got, [every[1], every[4]])
    assert got[0].finished_at == every[1].finished_at
    assert store.trials("digits", numbers={2})[0].folds[0].predictions is None
    assert store.trials("digits", numbers=()) == []


def test_chosen_trials_are_of_one_kind_and_study(store: Store, writer: StudyWriter):
    write_trial(writer, 0, full_folds(0))
    writer.release()
    by_hand = store.own("digits", kind=MANUAL)
    write_trial(by_hand, 0, [failed_fold(0)])
    store.create(make_study("wine"))
    write_trial(store.own("wine"), 0, [make_fold(0)])
    states = [
        [trial.state for trial in store.trials(*name, **kind, numbers=[0])]
        for name, kind in (
            (["digits"], {}),
            (["digits"], {"kind": MANUAL}),
            (["wine"], {}),
        )
    ]
    assert states == [["complete"], ["failed"], ["running"]]
    with pytest.raises(StudyNotFoundError, match="wind"):
        store.trials("wind", numbers=[0])


def test_only_the_rows_of_chosen_trials_are_fetched(store: Store, writer: StudyWriter):
    for number in range(4):
        write_trial(writer, number, [make_fold(0, metrics={"f1": 0.5})])
    with fetched(store) as seen:
        store.trials("digits", predictions=True, numbers=[1, 3])
    of_trials = [(said, values) for said, values in seen if "trials" in said]
    # Trials, params, metrics, predictions and folds.
    assert len(of_trials) == 5
    for said, values in of_trials:
        assert "trials.number IN" in said
        assert {1, 3} <= {value for value in values if isinstance(value, int)}


def test_more_numbers_than_a_statement_may_name_are_read_in_pieces(
    store: Store, writer: StudyWriter
):
    n_trials = 2 * NUMBERS_AT_ONCE + 1
    writer.commit(Changes(started=[Trial(n, {"n": n}) for n in range(n_trials)]))
    with fetched(store) as seen:
        got = store.trials("digits", numbers=range(20_000, -1, -1))
    assert [trial.number for trial in got] == list(range(n_trials))
    assert [trial.params["n"] for trial in got] == list(range(n_trials))
    assert max(len(values) for _, values in seen) < 999


# Outlines


def test_an_outline_has_a_line_for_each_trial_of_either_kind(
    store: Store, writer: StudyWriter
):
    write_trial(writer, 1, [failed_fold(0), make_fold(2)])
    write_trial(writer, 0, full_folds(0))
    write_trial(writer, 3, [make_fold(1)])
    write_trial(writer, 10, full_folds(10))
    writer.commit(Changes(started=[Trial(2, {})], beyond_stop={10: True}))
    writer.release()
    by_hand = store.own("digits", kind=MANUAL)
    write_trial(by_hand, 0, [make_fold(0), make_fold(1)])
    store.create(make_study("wine"))
    write_trial(store.own("wine"), 0, full_folds(0))
    assert store.outline("digits") == [
        TrialOutline("manual", 0, "running", False, 2),
        TrialOutline("search", 0, "complete", False, N_FOLDS),
        TrialOutline("search", 1, "failed", False, 2),
        TrialOutline("search", 2, "running", False, 0),
        TrialOutline("search", 3, "running", False, 1),
        TrialOutline("search", 10, "complete", True, N_FOLDS),
    ]
    assert all(type(line.beyond_stop) is bool for line in store.outline("digits"))


def test_an_outline_is_of_a_study_that_there_is_and_may_be_empty(store: Store):
    with pytest.raises(StudyNotFoundError, match="digits"):
        store.outline("digits")
    store.create(make_study())
    assert store.outline("digits") == []


def test_an_outline_takes_two_queries_however_many_trials_there_are(
    store: Store, writer: StudyWriter
):
    for number in range(20):
        write_trial(writer, number, full_folds(number))
    with fetched(store) as seen:
        assert len(store.outline("digits")) == 20
    assert len(seen) == 2


# One snapshot


@pytest.mark.postgres
def test_a_fold_is_never_seen_without_its_metrics(
    postgres_url: str, open_store: Callable[..., Store]
):
    # SQLite makes who writes wait for who reads; PostgreSQL lets both go on.
    store, reader = open_store(postgres_url), open_store(postgres_url)
    store.create(make_study())
    writer = store.own("digits")
    folds = [make_fold(fold, metrics={"f1": 0.5}) for fold in range(N_FOLDS)]
    write_trial(writer, 0, folds[:1])
    finished = [judge(Trial(0, {"number": 0}), dict(enumerate(folds)), N_FOLDS)]
    late: list[FoldResult] = folds[1:]

    @sa.event.listens_for(reader._engine, "after_cursor_execute")
    def write_meanwhile(connection, cursor, statement, *rest):
        if "FROM fold_metrics" in statement and late:
            rest_of_it = [(0, late.pop()) for _ in range(len(late))]
            writer.commit(Changes(folds=rest_of_it, finished=finished))

    [before] = reader.trials("digits")
    assert late == []
    assert (before.state, len(before.folds)) == ("running", 1)
    [after] = reader.trials("digits")
    assert (after.state, len(after.folds)) == ("complete", N_FOLDS)
    for trial in (before, after):
        assert {fold.metrics.get("f1") for fold in trial.folds} == {0.5}
