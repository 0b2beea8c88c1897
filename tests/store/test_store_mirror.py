"""What is noted as sent to MLflow: one process at a time notes, whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from store_child import Child
from store_samples import dump, full_folds, make_study, rows, write_trial

from hpo.errors import (
    LeaseLostError,
    MirrorTakenError,
    StoreError,
    StudyNotFoundError,
)
from hpo.records import Trial
from hpo.store import MANUAL, SEARCH, Changes, Mark, Mirror, Store, TrialKind

SERVER = "http://mlflow.example:5000"
OTHER = "sqlite:///mlflow.db"
FIRST: tuple[TrialKind, int] = (SEARCH, 0)
SECOND: tuple[TrialKind, int] = (SEARCH, 1)
BY_HAND: tuple[TrialKind, int] = (MANUAL, 0)
TABLES = ("mirrors", "mirrored_trials")


@pytest.fixture
def digits(store: Store) -> Store:
    store.create(make_study())
    return store


def facts(mirror: Mirror) -> tuple[object, ...]:
    return mirror.run_id, mirror.told, mirror.doubtful, mirror.marks


def mirrored(url: str) -> dict[str, list[tuple[object, ...]]]:
    tables = dump(url)
    return {name: tables[name] for name in TABLES}


@contextmanager
def executions(store: Store) -> Iterator[list[str]]:
    """Collect the statements by which the store changes rows meanwhile."""
    executed: list[str] = []

    @sa.event.listens_for(store._engine, "before_cursor_execute")
    def note(conn, cursor, statement, parameters, context, executemany):
        if statement.startswith(("UPDATE", "DELETE", "INSERT")):
            executed.append(statement)

    try:
        yield executed
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)


def fill(mirror: Mirror) -> None:
    mirror.note(
        run_id="run-of-study",
        told={"state": "running", "best": 0.1 * 3, "n": 1, "nan": float("inf")},
        doubtful=True,
        marks={FIRST: Mark("a", "complete"), BY_HAND: Mark("b", "1 fold 🦊")},
    )


# What is noted


def test_a_new_mirror_knows_of_nothing(digits: Store):
    assert facts(digits.mirror("digits", SERVER)) == (None, {}, False, {})


def test_a_mirror_is_of_a_study_that_there_is(store: Store, url: str):
    with pytest.raises(StudyNotFoundError, match="digits"):
        store.mirror("digits", SERVER)
    assert mirrored(url) == {"mirrors": [], "mirrored_trials": []}


def test_what_is_noted_survives_reopening(
    digits: Store, url: str, open_store: Callable[..., Store]
):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    told = {"state": "running", "best": 0.1 * 3, "n": 1, "nan": float("inf")}
    marks = {FIRST: Mark("a", "complete"), BY_HAND: Mark("b", "1 fold 🦊")}
    assert facts(mirror) == ("run-of-study", told, True, marks)
    assert facts(open_store(url).mirror("digits", SERVER)) == facts(mirror)


def test_what_is_not_given_stays(digits: Store):
    fill(digits.mirror("digits", SERVER))
    mirror = digits.mirror("digits", SERVER)
    before = facts(mirror)
    mirror.note()
    assert facts(mirror) == before == facts(digits.mirror("digits", SERVER))
    mirror = digits.mirror("digits", SERVER)
    mirror.note(doubtful=False)
    assert facts(mirror) == (*before[:2], False, before[3])
    mirror.note(told={})
    assert facts(mirror) == (before[0], {}, False, before[3])
    assert facts(digits.mirror("digits", SERVER)) == facts(mirror)


def test_a_mark_replaces_what_was_noted_of_its_trial_and_no_other(digits: Store):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    mirror.note(marks={FIRST: Mark("a2", "beyond"), SECOND: Mark("c", "running")})
    expected = {
        FIRST: Mark("a2", "beyond"),
        SECOND: Mark("c", "running"),
        BY_HAND: Mark("b", "1 fold 🦊"),
    }
    assert mirror.marks == expected
    assert digits.mirror("digits", SERVER).marks == expected


def test_a_forgotten_trial_has_no_mark_any_more(digits: Store):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    mirror.note(forgotten=[FIRST, (SEARCH, 99)])
    assert set(mirror.marks) == {BY_HAND}
    assert digits.mirror("digits", SERVER).marks == mirror.marks


def test_forgetting_everything_keeps_the_mirror_its_takers_own(digits: Store, url: str):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    mirror.forget()
    assert facts(mirror) == (None, {}, True, {})
    assert rows(url, "SELECT count(*) FROM mirrored_trials") == [(0,)]
    mirror.note(run_id="anew", marks={FIRST: Mark("d", "complete")})
    again = digits.mirror("digits", SERVER)
    assert facts(again) == ("anew", {}, True, {FIRST: Mark("d", "complete")})


def test_each_destination_and_study_has_a_mirror_of_its_own(digits: Store):
    digits.create(make_study("wine"))
    one = digits.mirror("digits", SERVER)
    others = [digits.mirror("digits", OTHER), digits.mirror("wine", SERVER)]
    fill(one)
    one.forget()
    fill(one)
    for other in others:
        assert facts(other) == (None, {}, False, {})
        other.note(run_id="other", marks={FIRST: Mark("other", "")})
    assert digits.mirror("digits", SERVER).run_id == "run-of-study"
    assert digits.mirror("digits", OTHER).marks == {FIRST: Mark("other", "")}
    assert digits.mirror("wine", SERVER).marks == {FIRST: Mark("other", "")}


def test_what_was_noted_can_be_read_with_plain_sql(digits: Store, url: str):
    mirror = digits.mirror("digits", SERVER)
    mirror.note(run_id="r", told={"n": 1.0}, marks={BY_HAND: Mark("b", "failed")})
    assert rows(
        url,
        "SELECT s.name, m.destination, m.run_id, m.told, t.kind, t.number, t.run_id, "
        "t.told FROM mirrors m JOIN studies s ON s.id = m.study_id "
        "JOIN mirrored_trials t ON t.mirror_id = m.id",
    ) == [("digits", SERVER, "r", '{"n": 1.0}', "manual", 0, "b", "failed")]


# One taker at a time


@pytest.mark.parametrize(
    "write",
    [
        fill,
        Mirror.note,
        Mirror.forget,
        lambda mirror: mirror.note(forgotten=[FIRST]),
        lambda mirror: mirror.note(marks={SECOND: Mark("x", "")}),
    ],
)
def test_the_newest_taker_wins_and_the_former_writes_nothing(
    digits: Store, url: str, write: Callable[[Mirror], None]
):
    former = digits.mirror("digits", SERVER)
    former.note(run_id="r", told={"a": 1}, marks={FIRST: Mark("a", "")})
    newer = digits.mirror("digits", SERVER)
    before, known = mirrored(url), facts(former)
    with pytest.raises(MirrorTakenError, match=r"another process.*nothing is lost"):
        write(former)
    assert mirrored(url) == before
    assert facts(former) == known
    newer.note(doubtful=True)
    assert digits.mirror("digits", SERVER).doubtful


def test_losing_a_mirror_is_not_losing_the_study():
    assert issubclass(MirrorTakenError, StoreError)
    assert not issubclass(MirrorTakenError, LeaseLostError)


def test_the_owner_of_a_study_is_not_concerned_by_its_mirrors(digits: Store):
    writer = digits.own("digits")
    former, newer = (digits.mirror("digits", SERVER) for _ in range(2))
    write_trial(writer, 0, full_folds(0))
    newer.note(marks={FIRST: Mark("a", "complete")})
    with pytest.raises(MirrorTakenError, match="another process"):
        former.note(doubtful=False)
    write_trial(writer, 1, full_folds(1))
    assert digits.mirror("digits", SERVER).marks == {FIRST: Mark("a", "complete")}


def test_of_eight_threads_that_take_a_mirror_one_may_note(digits: Store, url: str):
    taken: list[Mirror] = []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        taken.append(digits.mirror("digits", SERVER))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = []
    for mirror in taken:
        try:
            mirror.note(run_id="mine")
            outcomes.append("noted")
        except MirrorTakenError:
            outcomes.append("taken")
    assert sorted(outcomes) == ["noted"] + ["taken"] * 7
    assert rows(url, "SELECT count(*) FROM mirrors") == [(1,)]


@pytest.mark.slow
def test_another_process_takes_it_over(
    digits: Store, url: str, child: Callable[..., Child]
):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    other = child(url)
    answer = other.ask("take_mirror", name="digits", destination=SERVER)
    assert answer == ["run-of-study", 2]
    with pytest.raises(MirrorTakenError, match="another process"):
        mirror.note(doubtful=False)
    other.kill()
    assert facts(digits.mirror("digits", SERVER)) == facts(mirror)


def test_a_note_that_fails_half_way_leaves_nothing(digits: Store, url: str):
    mirror = digits.mirror("digits", SERVER)
    fill(mirror)
    before, known = mirrored(url), facts(mirror)

    @sa.event.listens_for(digits._engine, "before_cursor_execute")
    def fail(connection, cursor, statement, *rest):
        if statement.startswith("INSERT INTO mirrored_trials"):
            raise sa.exc.OperationalError(
                statement, {}, Exception("the server is gone")
            )

    with pytest.raises(StoreError, match="the server is gone"):
        mirror.note(run_id="no", marks={FIRST: Mark("no", "no")})
    sa.event.remove(digits._engine, "before_cursor_execute", fail)
    assert mirrored(url) == before
    assert facts(mirror) == known
    mirror.note(run_id="yes", marks={FIRST: Mark("yes", "yes")})
    assert facts(digits.mirror("digits", SERVER)) == facts(mirror)


# Studies and trials that go


def test_a_mark_outlives_a_trial_that_was_dropped(digits: Store):
    writer = digits.own("digits")
    writer.commit(Changes(started=[Trial(0, {}), Trial(1, {})]))
    mirror = digits.mirror("digits", SERVER)
    mirror.note(marks={FIRST: Mark("a", ""), SECOND: Mark("b", "")})
    writer.commit(Changes(dropped=[1]))
    assert [line.number for line in digits.outline("digits")] == [0]
    assert set(digits.mirror("digits", SERVER).marks) == {FIRST, SECOND}


def test_deleting_a_study_removes_its_mirrors_and_no_other(digits: Store, url: str):
    digits.create(make_study("wine"))
    for name in ("digits", "wine"):
        for destination in (SERVER, OTHER):
            fill(digits.mirror(name, destination))
    digits.delete("digits")
    assert rows(url, "SELECT count(*) FROM mirrors") == [(2,)]
    assert rows(url, "SELECT count(*) FROM mirrored_trials") == [(4,)]
    assert digits.mirror("wine", OTHER).run_id == "run-of-study"


def test_a_taker_finds_no_token_of_its_own_in_a_study_made_anew(store: Store, url: str):
    # SQLite gives the ids of deleted rows again.
    for _ in range(5):
        store.create(make_study())
        sleeper = store.mirror("digits", SERVER)
        store.delete("digits")
        store.create(make_study())
        store.mirror("digits", SERVER)
        with pytest.raises(MirrorTakenError, match="deleted the study"):
            fill(sleeper)
        store.delete("digits")
    assert rows(url, "SELECT count(*) FROM mirrored_trials") == [(0,)]


# Speed


def test_many_marks_take_as_few_statements_as_few_do(digits: Store):
    mirror = digits.mirror("digits", SERVER)
    counts = []
    for n_marks, told in ((2, "running"), (1000, "running"), (1000, "complete")):
        marks = {(SEARCH, n): Mark(f"{n:032x}", told) for n in range(n_marks)}
        with executions(digits) as executed:
            mirror.note(marks=marks)
        counts.append(len(executed))
    # A statement of many rows is one execution: the proof, the removal, the insertion.
    assert counts == [3, 3, 3]
    assert digits.mirror("digits", SERVER).marks == mirror.marks == marks


def test_more_marks_than_one_statement_names_are_all_replaced(digits: Store):
    mirror = digits.mirror("digits", SERVER)
    for told in ("running", "complete"):
        marks = {(SEARCH, n): Mark(f"{n:032x}", told) for n in range(2001)}
        mirror.note(marks=marks)
    mirror.note(forgotten=[(SEARCH, 2000), (SEARCH, 7)])
    kept = {key: mark for key, mark in marks.items() if key[1] not in (7, 2000)}
    assert digits.mirror("digits", SERVER).marks == mirror.marks == kept
