"""The process that sends: of low priority, apart from the terminal, in nobody's way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest
from mirror_samples import Filled

from hpo.tracking import Tracker


@pytest.fixture
def tracker(iris: Filled):
    iris.complete(0, 1, 2)
    iris.end()
    made = Tracker(iris.store.url, iris.name, "http://127.0.0.1:9")
    made.start()
    yield made
    made.close()


def process_of(tracker) -> psutil.Process:
    return psutil.Process(tracker._process.pid)


def test_it_has_the_lowest_priority_and_hears_no_interrupt_of_the_terminal(tracker):
    process = process_of(tracker)
    autogroup = Path(f"/proc/{process.pid}/autogroup")

    def is_lowest():
        group = autogroup.read_text() if autogroup.exists() else ""
        return process.nice() == 19 or group.endswith("nice 19\n")

    deadline = time.monotonic() + 60
    while not is_lowest():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Of a session of its own, whose priority is what counts beside the workers'.
    assert os.getsid(process.pid) != os.getsid(0)


@pytest.mark.slow
def test_a_server_that_refuses_is_given_up_soon_and_what_is_left_is_known(tracker):
    farewell = tracker.finish(120.0)
    assert farewell.n_left == 3
    assert "connection refused" in farewell.problem
    assert not farewell.complete


def test_closing_ends_it_at_once(tracker):
    process = process_of(tracker)
    began = time.monotonic()
    tracker.close()
    assert time.monotonic() - began < 5
    assert not process.is_running()
