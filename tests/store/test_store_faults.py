"""Full disks, locks held by strangers, and kill -9: what was acked stays."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from store_child import Child
from store_samples import (
    N_FOLDS,
    assert_same_trials,
    dump,
    full_folds,
    judged,
    make_fold,
    make_study,
    rows,
    score_of,
    write_trial,
)

from hpo.errors import StoreError, StudyNotFoundError
from hpo.records import Trial
from hpo.store import Changes, Store, database

KILLS = {"sqlite": 10, "postgres": 5}


def assert_intact(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


# Settings


def test_sqlite_is_set_for_durability(sqlite_store: Store):
    def pragma(name: str) -> object:
        with sqlite_store._engine.connect() as connection:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    fixed = sqlite3.sqlite_version_info >= (3, 51, 3)
    assert pragma("synchronous") == 2
    assert pragma("foreign_keys") == 1
    assert pragma("journal_mode") == ("wal" if fixed else "truncate")
    assert pragma("busy_timeout") == 30_000


def test_the_settings_hold_in_every_thread(sqlite_store: Store):
    found = []
    barrier = threading.Barrier(3)

    def look() -> None:
        with sqlite_store._engine.connect() as connection:
            barrier.wait()
            found.append(
                [
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("synchronous", "foreign_keys")
                ]
            )

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[2, 1]] * 3


# Locks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "seconds"),
    [
        (["BEGIN EXCLUSIVE"], 2.0),
        (["BEGIN IMMEDIATE"], 0.5),
        (["BEGIN", "SELECT * FROM studies"], 0.5),
    ],
    ids=["exclusive", "writing", "reading"],
)
def test_a_write_waits_for_a_stranger_and_succeeds(
    sqlite_store: Store, sqlite_file: Path, statements: list[str], seconds: float
):
    sqlite_store.create(make_study())
    writer = sqlite_store.own("digits")
    stranger = sqlite3.connect(
        sqlite_file, isolation_level=None, check_same_thread=False
    )
    for statement in statements:
        stranger.execute(statement).fetchall()
    timer = threading.Timer(seconds, stranger.rollback)
    started = time.monotonic()
    timer.start()
    trial = write_trial(writer, 0, full_folds(0))
    assert time.monotonic() - started >= seconds * 0.9
    timer.join()
    stranger.close()
    assert_same_trials(sqlite_store.trials("digits"), [trial])


def test_a_lock_that_outlasts_all_patience_is_named_and_harms_nothing(
    sqlite_file: Path,
    open_store: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    url = f"sqlite:///{sqlite_file}"
    store = open_store(url)
    store.create(make_study())
    writer = store.own("digits")
    before = dump(url)
    stranger = sqlite3.connect(sqlite_file, isolation_level=None)
    stranger.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="stayed locked by another program"):
        write_trial(writer, 0, full_folds(0))
    stranger.rollback()
    stranger.close()
    assert dump(url) == before
    trial = write_trial(writer, 0, full_folds(0))
    assert_same_trials(store.trials("digits"), [trial])


# Full disks


def test_a_full_disk_loses_nothing_and_later_writes_work(
    sqlite_store: Store, sqlite_file: Path
):
    sqlite_store.create(make_study())
    writer = sqlite_store.own("digits")
    acked = [write_trial(writer, 0, full_folds(0))]

    def limit(n_pages: int) -> None:
        # Of this connection; the pool keeps giving it to this thread.
        with sqlite_store._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {n_pages}")

    limit(sqlite_file.stat().st_size // 4096 + 8)
    big = make_fold(0, predictions=np.zeros(3000))

    def fill() -> None:
        for number in range(1, 20):
            acked.append(write_trial(writer, number, [big]))

    with pytest.raises(StoreError, match=r"cannot write .*full") as caught:
        fill()
    message = str(caught.value)
    assert f"free some space on the disk of {sqlite_file.parent}" in message
    assert "run the same command again: everything committed is kept" in message
    assert "\n" not in message
    assert_intact(sqlite_file)
    numbers = [trial.number for trial in sqlite_store.trials("digits")]
    assert numbers == [trial.number for trial in acked]
    limit(1_000_000)
    acked.append(write_trial(writer, len(acked), full_folds(len(acked))))
    assert [t.number for t in sqlite_store.trials("digits")] == [
        trial.number for trial in acked
    ]
    assert_intact(sqlite_file)


@pytest.mark.parametrize("spare", [0, 1000, 4096, 50_000])
def test_a_file_that_may_not_grow_loses_nothing(
    sqlite_store: Store, sqlite_file: Path, child: Callable[..., Child], spare: int
):
    sqlite_store.create(make_study())
    writer = child(f"sqlite:///{sqlite_file}")
    assert writer.ask("own", name="digits") == "owned"
    answer = writer.ask("fill_disk", spare=spare, first=0)
    assert "free some space on the disk" in answer["message"], answer
    assert str(sqlite_file) in answer["message"]
    assert "everything committed is kept" in answer["message"]
    assert [t.number for t in sqlite_store.trials("digits")] == answer["acked"]
    assert_intact(sqlite_file)


# Kill -9


@pytest.mark.slow
def test_every_acked_trial_survives_kill_9(
    url: str,
    backend: str,
    child: Callable[..., Child],
    open_store: Callable[..., Store],
):
    store = open_store(url)
    store.create(make_study())
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    n_stored, n_kills = 0, KILLS[backend]
    coming = child(url)
    coming.tell("imported")
    for kill in range(n_kills):
        writer = coming
        assert writer.answer() == "hpo.store"
        assert writer.ask("own", name="digits") == "owned", "the dead one held it"
        writer.tell("commit_until_killed", first=n_stored)
        if kill + 1 < n_kills:
            coming = child(url)
            coming.tell("imported")
        acked = [writer.answer()]
        time.sleep(chance.uniform(0, 0.3))
        writer.kill()
        acked += writer.rest()
        trials = store.trials("digits")
        n_acked = n_stored + len(acked)
        assert acked == list(range(n_stored, n_acked))
        # The commit that the kill hit may have gone through unacked, but only whole.
        assert n_acked <= len(trials) <= n_acked + 1
        n_stored = len(trials)
    expected = [judged(n, {"number": n}, full_folds(n)) for n in range(n_stored)]
    assert_same_trials(store.trials("digits"), expected)
    scores = rows(
        url,
        "SELECT t.number, f.fold, f.score FROM folds f "
        "JOIN trials t ON t.id = f.trial_id ORDER BY t.number, f.fold",
    )
    assert scores == [
        (n, fold, score_of(n, fold)) for n in range(n_stored) for fold in range(N_FOLDS)
    ]
    assert rows(url, "SELECT DISTINCT state FROM trials") == [("complete",)]
    if backend == "sqlite":
        assert_intact(Path(url.removeprefix("sqlite:///")))


# Servers


@pytest.mark.postgres
def test_a_cut_connection_is_a_store_error_and_the_next_write_works(
    postgres_url: str, open_store: Callable[..., Store]
):
    store = open_store(postgres_url)
    store.create(make_study())
    writer = store.own("digits")
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert rows(postgres_url, cut) == [(True,)]
    with pytest.raises(StoreError, match=r"run the same command again$") as caught:
        write_trial(writer, 0, full_folds(0))
    assert "\n" not in str(caught.value)
    assert store.trials("digits") == []
    trial = write_trial(writer, 0, full_folds(0))
    assert_same_trials(store.trials("digits"), [trial])


def test_a_writer_of_a_closed_store_opens_it_again(url: str):
    store = Store(url)
    store.create(make_study())
    writer = store.own("digits")
    store.close()
    writer.commit(Changes(started=[Trial(0, {})]))
    assert [trial.number for trial in store.trials("digits")] == [0]
    store.close()


# In memory


def test_a_store_in_memory_serves_every_thread(open_store: Callable[..., Store]):
    # `hpo.optimize` without a store keeps everything in memory; its heart is a thread.
    store = open_store("sqlite://")
    store.create(make_study())
    writer = store.own("digits")
    errors: list[Exception] = []

    def beat() -> None:
        try:
            writer.beat()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=beat)
    thread.start()
    thread.join()
    assert errors == []
    trial = write_trial(writer, 0, full_folds(0))
    assert_same_trials(store.trials("digits"), [trial])
    with pytest.raises(StudyNotFoundError, match=r"no study .x."):
        store.own("x")
