"""The inline engine: tasks in the calling process, one after the other.

Nothing is started and nothing is pickled, so it costs next to nothing, and a debugger
stops where one would expect. What a task does to the process it does to the study: time
limits cannot be kept, and a crash ends both.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from hpo.engines.engine import Runner


class InlineEngine:
    """Run each task when it is submitted; see `hpo.engines.engine.Engine`.

    Args:
        run: Runs one task.
    """

    kind = "inline"
    n_workers = 1
    capacity = 1

    def __init__(self, run: Runner) -> None:
        self._run = run

    def submit(self, task: object, *, timeout: float | None = None) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(self._run(task))
        except Exception as error:
            done.set_exception(error)
        return done

    def close(self, *, wait_seconds: float = 0.0) -> None:
        """Do nothing: there are no workers."""
