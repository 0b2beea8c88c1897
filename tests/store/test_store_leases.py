"""One owner: who may write a study, when that ends, and what a former owner can do."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from store_child import Child
from store_samples import (
    assert_same_trials,
    dump,
    full_folds,
    make_fold,
    make_study,
    rows,
    write_trial,
)

from hpo.errors import LeaseLostError, StudyBusyError
from hpo.records import Trial
from hpo.store import Changes, Store, StudyWriter

ROUNDS = 20

WRITES: dict[str, Callable[[StudyWriter], object]] = {
    "beat": lambda writer: writer.beat(),
    "set_state": lambda writer: writer.set_state("complete", "done"),
    "change": lambda writer: writer.change(make_study(text="edited"), 1),
    "start": lambda writer: writer.commit(Changes(started=[Trial(1, {})])),
    "fold": lambda writer: writer.commit(Changes(folds=[(0, make_fold(1))])),
    "lost": lambda writer: writer.commit(Changes(lost=[(0, 1, "killed")])),
    "mark": lambda writer: writer.commit(Changes(beyond_stop={0: True})),
    "drop": lambda writer: writer.commit(Changes(dropped=[0])),
    "seconds": lambda writer: writer.commit(Changes(active_seconds=9.0)),
    "nothing": lambda writer: writer.commit(Changes()),
}


def age(url: str, seconds: float, *, machine: str | None = None) -> None:
    """Make the last heartbeat older, and the holder one of another machine."""
    rows(
        url,
        "UPDATE leases SET beat = beat - :seconds, machine = COALESCE(:m, machine)",
        seconds=seconds,
        m=machine,
    )


@pytest.fixture
def brisk(url: str, open_store: Callable[..., Store]) -> Store:
    """A store with leases of one second, and a study in it."""
    store = open_store(url, lease_seconds=1)
    store.create(make_study())
    return store


# Taking and giving back


def test_a_second_owner_is_told_who_holds_the_study(
    brisk: Store, url: str, child: Callable[..., Child]
):
    holder = child(url)
    assert holder.ask("own", name="digits") == "owned"
    who = f"{getpass.getuser()}@{socket.gethostname()}, process {holder.pid}"
    for _ in range(2):
        with pytest.raises(StudyBusyError, match="--name") as caught:
            brisk.own("digits")
        assert f"'digits' is being run by {who} since 20" in str(caught.value)
        assert " UTC; " in str(caught.value)
    assert brisk.summary("digits").owner == who
    assert holder.ask("start", number=0) == "started"


def test_the_instant_since_when_it_is_held_is_utc(brisk: Store):
    before = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    brisk.own("digits")
    after = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    with pytest.raises(StudyBusyError, match=f"since ({before}|{after}):.. UTC;"):
        brisk.own("digits")


def test_one_process_cannot_own_a_study_twice(brisk: Store):
    brisk.own("digits")
    with pytest.raises(StudyBusyError, match=f"process {os.getpid()}"):
        brisk.own("digits")


def test_a_released_study_is_free(brisk: Store, url: str, child: Callable[..., Child]):
    holder = child(url)
    holder.ask("own", name="digits")
    assert holder.ask("release") == "released"
    assert brisk.summary("digits").owner is None
    brisk.own("digits").beat()


def test_studies_are_owned_one_by_one(brisk: Store):
    brisk.create(make_study("other"))
    brisk.own("digits")
    brisk.own("other").set_state("running")
    assert brisk.study("digits").state == "queued"


def test_whoever_has_given_the_study_back_can_write_no_more(brisk: Store, url: str):
    writer = brisk.own("digits")
    writer.release()
    before = dump(url)
    with pytest.raises(LeaseLostError, match=r"lost|taken|released|given back"):
        writer.set_state("running")
    assert dump(url) == before


def test_giving_a_lost_lease_back_takes_it_from_nobody(brisk: Store, url: str):
    former = brisk.own("digits")
    age(url, 2)
    owner = brisk.own("digits")
    former.release()
    with pytest.raises(StudyBusyError, match="is being run by"):
        brisk.own("digits")
    owner.beat()


# Holders that are gone


def test_a_killed_holder_is_gone_at_once(
    url: str, child: Callable[..., Child], open_store: Callable[..., Store]
):
    store = open_store(url, lease_seconds=3600)
    store.create(make_study())
    holder = child(url, 3600)
    holder.ask("own", name="digits")
    holder.ask("start", number=0)
    holder.kill(reap=False)
    # Dead but not yet waited for by its parent: a zombie runs nothing.
    assert psutil.Process(holder.pid).status() == psutil.STATUS_ZOMBIE
    assert store.summary("digits").owner is None
    writer = store.own("digits")
    write_trial(writer, 1, full_folds(1))
    assert [trial.number for trial in store.trials("digits")] == [0, 1]


def test_a_killed_and_buried_holder_is_gone_at_once(
    url: str, child: Callable[..., Child], open_store: Callable[..., Store]
):
    store = open_store(url, lease_seconds=3600)
    store.create(make_study())
    holder = child(url, 3600)
    holder.ask("own", name="digits")
    with pytest.raises(StudyBusyError, match="is being run by"):
        store.own("digits")
    holder.kill()
    store.own("digits").beat()


def test_a_process_that_got_the_id_of_a_dead_one_is_not_the_holder(
    url: str, open_store: Callable[..., Store]
):
    store = open_store(url, lease_seconds=3600)
    store.create(make_study())
    store.own("digits")
    rows(url, "UPDATE leases SET process_started = process_started - 100")
    store.own("digits").beat()


def test_a_holder_elsewhere_is_judged_by_its_heartbeat_only(
    url: str, open_store: Callable[..., Store]
):
    store = open_store(url, lease_seconds=60)
    store.create(make_study())
    store.own("digits")
    rows(url, "UPDATE leases SET pid = 4194305, machine = 'elsewhere'")
    with pytest.raises(StudyBusyError, match="is being run by"):
        store.own("digits")
    age(url, 61)
    store.own("digits").beat()


def test_a_study_whose_owner_is_gone_shows_as_interrupted(brisk: Store, url: str):
    writer = brisk.own("digits")
    writer.set_state("running")
    assert brisk.summary("digits").state == "running"
    assert str(os.getpid()) in str(brisk.summary("digits").owner)
    age(url, 2)
    assert (brisk.summary("digits").state, brisk.summary("digits").owner) == (
        "interrupted",
        None,
    )
    brisk.own("digits").set_state("complete")
    age(url, 2)
    assert brisk.summary("digits").state == "complete"


def test_a_beat_while_the_list_is_read_takes_nobody_for_dead(
    brisk: Store, url: str, open_store: Callable[..., Store]
):
    writer = open_store(url).own("digits")
    writer.set_state("running")
    ended = threading.Event()

    def beat() -> None:
        while not ended.is_set():
            writer.beat()

    heart = threading.Thread(target=beat)
    heart.start()
    seen, end = [], time.monotonic() + 2
    while len(seen) < 300 and time.monotonic() < end:
        line = brisk.summary("digits")
        seen.append((line.state, line.owner is None))
    ended.set()
    heart.join()
    assert seen == [("running", False)] * len(seen)


# Hung holders and their tokens


@pytest.mark.slow
def test_a_hung_holder_loses_the_study_and_writes_nothing_more(
    brisk: Store, url: str, child: Callable[..., Child]
):
    holder = child(url, 1)
    holder.ask("own", name="digits")
    holder.ask("start", number=0)
    holder.signal(signal.SIGSTOP)
    with pytest.raises(StudyBusyError, match=f"process {holder.pid}"):
        brisk.own("digits")
    time.sleep(1.2)
    writer = brisk.own("digits")
    trial = write_trial(writer, 1, full_folds(1))
    before = dump(url)
    holder.signal(signal.SIGCONT)
    answer = holder.ask("start", number=2)
    assert answer["error"] == "LeaseLostError"
    assert "another process has taken the study over" in answer["message"]
    assert holder.ask("release") == "released"
    assert dump(url) == before
    writer.beat()
    assert_same_trials(brisk.trials("digits")[1:], [trial])


def test_every_write_is_refused_once_the_lease_is_lost(brisk: Store, url: str):
    start = Changes(started=[Trial(0, {"a": 1})], folds=[(0, make_fold(0))])
    for number, (what, write) in enumerate(WRITES.items()):
        name = f"study {number}"
        brisk.create(make_study(name))
        former = brisk.own(name)
        former.commit(start)
        age(url, 2)
        owner = brisk.own(name)
        before, lease = dump(url), rows(url, "SELECT * FROM leases ORDER BY study_id")
        with pytest.raises(LeaseLostError, match="taken the study over"):
            write(former)
        assert dump(url) == before, what
        assert rows(url, "SELECT * FROM leases ORDER BY study_id") == lease, what
        write(owner)


def test_each_owner_has_a_token_of_its_own(brisk: Store, url: str):
    tokens = []
    for _ in range(4):
        brisk.own("digits").release()
        tokens += rows(url, "SELECT token FROM leases")
    first = tokens[0][0]
    assert tokens == [(first + n,) for n in range(4)]


def test_a_study_does_not_begin_with_the_token_of_a_deleted_one(brisk: Store, url: str):
    tokens = set()
    for n in range(5):
        brisk.create(make_study(f"again-{n}"))
        brisk.own(f"again-{n}").release()
        newest = "SELECT token FROM leases ORDER BY study_id DESC LIMIT 1"
        tokens |= set(rows(url, newest))
        brisk.delete(f"again-{n}")
    assert len(tokens) > 1


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["beat", "commit"])
def test_a_holder_that_writes_in_time_keeps_the_study(brisk: Store, keep: str):
    writer = brisk.own("digits")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.1)
        writer.beat() if keep == "beat" else writer.commit(Changes())
        with pytest.raises(StudyBusyError, match="is being run by"):
            brisk.own("digits")


# Races


@pytest.mark.slow
def test_of_racing_takers_exactly_one_wins(
    url: str, child: Callable[..., Child], open_store: Callable[..., Store]
):
    store = open_store(url)
    takers = [child(url) for _ in range(3)]
    for taker in takers:
        assert taker.ask("open") == "opened"
    for round_ in range(ROUNDS):
        name = f"round {round_}"
        store.create(make_study(name))
        rows(url, "UPDATE leases SET token = 0 WHERE holder IS NULL AND beat IS NULL")
        if round_ % 2:
            # An owner that vanished is raced for like a study that nobody has.
            store.own(name)
            rows(
                url,
                "UPDATE leases SET beat = beat - 3600, machine = 'elsewhere' WHERE "
                "study_id = (SELECT id FROM studies WHERE name = :name)",
                name=name,
            )
        for taker in takers:
            taker.tell("own", name=name)
        answers = [taker.answer() for taker in takers]
        losers = [answer["error"] for answer in answers if answer != "owned"]
        assert losers == ["StudyBusyError"] * 2, name
    assert rows(url, "SELECT count(*) FROM leases WHERE token > 2") == [(0,)]


# Clocks


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_jump_of_the_wall_clock_ends_no_lease(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, jump: float
):
    sqlite_store.create(make_study())
    writer = sqlite_store.own("digits")
    writer.set_state("running")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    with pytest.raises(StudyBusyError, match="is being run by"):
        sqlite_store.own("digits")
    assert sqlite_store.summary("digits").state == "running"
    writer.commit(Changes(started=[Trial(0, {})]))


@pytest.mark.skipif(sys.platform != "linux", reason="fakes Linux's /proc")
@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_jump_of_the_wall_clock_makes_no_living_holder_look_dead(
    sqlite_store: Store,
    sqlite_file: Path,
    child: Callable[..., Child],
    monkeypatch: pytest.MonkeyPatch,
    jump: int,
):
    # Linux keeps the time since boot; "when it booted" (btime) moves with the clock,
    # and so does every psutil create_time that is reckoned from it.
    sqlite_store.create(make_study())
    holder = child(f"sqlite:///{sqlite_file}")
    holder.ask("own", name="digits")
    booted = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted + jump)
    with pytest.raises(StudyBusyError, match="is being run by"):
        sqlite_store.own("digits")


def test_a_machine_that_has_booted_since_holds_nothing(
    sqlite_store: Store, sqlite_file: Path
):
    sqlite_store.create(make_study())
    sqlite_store.own("digits")
    # The monotonic clock began anew, so the old beat lies in its future.
    age(f"sqlite:///{sqlite_file}", -1e6, machine="this machine, an earlier boot")
    sqlite_store.own("digits").beat()


@pytest.mark.postgres
def test_a_small_step_back_of_the_servers_clock_ends_no_lease(
    postgres_url: str, open_store: Callable[..., Store]
):
    store = open_store(postgres_url, lease_seconds=30)
    store.create(make_study())
    store.own("digits")
    age(postgres_url, -5, machine="elsewhere")
    with pytest.raises(StudyBusyError, match="is being run by"):
        store.own("digits")
