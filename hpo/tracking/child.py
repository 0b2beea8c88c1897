"""The process that sends a running study to MLflow, beside the coordinator.

A process of its own, and one of low priority: neither MLflow's imports, nor its memory,
nor a server that never answers is felt where the study is run. It reads the store and
writes nothing there but its marks. It ends when the coordinator does, however that
ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any

from hpo import crash_points
from hpo.errors import MirrorTakenError, StoreError, TrackingError
from hpo.garbage import rarely_looked_for
from hpo.store import Store
from hpo.tracking.address import masked
from hpo.tracking.client import Client
from hpo.tracking.priority import AtUsualPriority, usual
from hpo.tracking.sender import Left, Sender

POLL_SECONDS = 1.0
MAX_REST_SECONDS = 10.0
MAX_WAIT_SECONDS = 30.0
FAREWELL_WAIT_SECONDS = 0.5
MAX_FAREWELL_ERRORS = 4
"""Attempts at the end of a study that may fail before the rest is given up."""


def main() -> None:
    """Send until told to finish; to be called with the order on stdin."""
    rarely_looked_for()
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    # What libraries print is no message.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    order = json.loads(sys.stdin.readline())
    crash_points.dies_with(os.getppid())
    finish: queue.Queue[bool] = queue.Queue()
    threading.Thread(target=_listen, args=(finish,), daemon=True).start()

    def say(**what: Any) -> None:
        channel.write(json.dumps(what) + "\n")

    try:
        _Loop(order, finish, say).run()
    except (StoreError, TrackingError) as error:
        say(problem=str(error), done=True)
    except BaseException:
        say(problem=traceback.format_exc().strip().splitlines()[-1], done=True)
    # Threads that wait for a server must not keep the process.
    os._exit(0)


def _listen(finish: queue.Queue[bool]) -> None:
    """Pass on the one thing that is said after the order; end with the coordinator."""
    for _ in sys.stdin:
        finish.put(True)
    os._exit(0)


class _Loop:
    """Sends, waits, sends; after an error it waits longer each time."""

    def __init__(
        self, order: dict[str, str], finish: queue.Queue[bool], say: Any
    ) -> None:
        self._order, self._finish, self._say = order, finish, say
        with usual():
            store = Store(order["store"])
        self._store: Any = AtUsualPriority(store)
        self._sender: Sender | None = None
        self._finishing = False
        self._n_errors = 0

    def run(self) -> None:
        wait = 0.0
        while True:
            self._listen(wait)
            began = time.monotonic()
            try:
                left = self._send()
            except MirrorTakenError:
                raise
            except (TrackingError, StoreError) as error:
                wait = self._wait_after(error)
                if self._finishing and self._n_errors >= MAX_FAREWELL_ERRORS:
                    self._say(done=True)
                    return
                continue
            self._n_errors = 0
            self._say(left=left.n_trials, problem=left.refused)
            if self._finishing and (left.n_trials == 0 or left.refused):
                self._say(done=True)
                return
            # What took long may have kept the coordinator from a locked store.
            took = min(time.monotonic() - began, MAX_REST_SECONDS)
            wait = 0.0 if self._finishing else max(took, POLL_SECONDS)

    def _wait_after(self, error: Exception) -> float:
        """Tell of an error; return how long to wait before the next attempt."""
        self._n_errors += 1
        if isinstance(error, TrackingError) and self._sender is not None:
            left = self._sender.n_behind(live=not self._finishing)
            self._say(problem=str(error), left=left)
        else:
            self._say(problem=str(error))
        if self._finishing:
            return FAREWELL_WAIT_SECONDS
        return float(min(2.0 ** (self._n_errors - 1), MAX_WAIT_SECONDS))

    def _listen(self, seconds: float) -> None:
        if self._finishing:
            threading.Event().wait(seconds)
            return
        try:
            self._finishing = self._finish.get(timeout=max(seconds, 0.001))
            self._n_errors = 0
        except queue.Empty:
            return

    def _send(self) -> Left:
        name = self._order["study"]
        if self._sender is None:
            client = Client(self._order["tracking"])
            taken = self._store.mirror(name, masked(client.uri))
            mirror: Any = AtUsualPriority(taken)
            self._sender = Sender(self._store, name, client, mirror)
        state = self._store.summary(name).state if self._finishing else "running"
        return self._sender.send(state=state, everything=self._finishing)
