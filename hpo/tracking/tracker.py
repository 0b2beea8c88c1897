"""The coordinator's side of sending: start the process, and say when to finish."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# -P keeps the working folder out of the path, where any file could stand in for a
# library.
_COMMAND = """
from hpo.tracking import priority
priority.lower()
from hpo.tracking.child import main
main()
"""
"""Of the lowest priority before what takes seconds is imported."""
DRAIN_SECONDS = 10.0
"""How long the end of a study waits for what is not sent yet."""


@dataclass(frozen=True)
class Farewell:
    """How sending stood when the study ended.

    Args:
        n_left: Trials that were not sent; None if nobody knows.
        problem: What kept them from being sent, in words; empty if only time did.
    """

    n_left: int | None
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether MLflow has everything."""
        return self.n_left == 0 and not self.problem


class Tracker:
    """Sends a study to MLflow in the background for as long as this process lives.

    Nothing here waits for MLflow but `finish`, and that only so long.

    Args:
        store_url: Of the study's store, which must be one that others can open.
        study: Its name.
        uri: Address of MLflow, from `hpo.tracking.resolve`.
    """

    def __init__(self, store_url: str, study: str, uri: str) -> None:
        self._order = {"store": store_url, "study": study, "tracking": uri}
        self._process: subprocess.Popen[str] | None = None
        self._left: int | None = None
        self._problem = ""
        self._done = threading.Event()

    def start(self) -> None:
        """Start the process; it works as soon as it is up."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # A Ctrl-C in the terminal is for the coordinator, which then says finish.
            start_new_session=True,
        )
        self._tell(json.dumps(self._order))
        threading.Thread(target=self._listen, name="tracking", daemon=True).start()

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # It has died; `_listen` finds that out, and `finish` tells it.
            return

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._left = said.get("left", self._left)
            self._problem = said.get("problem", self._problem)
            if said.get("done"):
                break
        else:
            if not self._problem:
                self._problem = "the process that sends to MLflow ended unexpectedly"
        self._done.set()

    def finish(
        self,
        seconds: float = DRAIN_SECONDS,
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> Farewell:
        """Let what is left be sent, for so many seconds at most.

        Args:
            seconds: How long to wait.
            waiting: Called once if it takes more than a second.
        """
        self._tell("finish")
        try:
            began = time.monotonic()
            if not self._done.wait(min(1.0, seconds)):
                waiting()
                self._done.wait(max(0.0, seconds - (time.monotonic() - began)))
            return self._parting()
        finally:
            self.close()

    def _parting(self) -> Farewell:
        if self._done.is_set():
            return self.now
        # The last thing heard is from before the end: all trials may be there, and the
        # end of the study not.
        return Farewell(self._left or None, self._problem)

    @property
    def now(self) -> Farewell:
        """How sending stands, as far as has been heard."""
        return Farewell(self._left, self._problem)

    def close(self) -> None:
        """End the process at once, whatever it is waiting for."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
