"""The contract between the study loop and whatever runs its tasks.

An engine runs opaque tasks in workers. It knows nothing of trials, folds, stores or
strategies, and it never runs a task again by itself: what to do about a lost worker is
for the loop to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from hpo.errors import HpoError


class TaskTimeoutError(HpoError):
    """The task ran into its time limit and its worker was killed."""


class WorkerLostError(HpoError):
    """The worker that ran the task died; the task itself may be innocent."""


class TaskMemoryError(HpoError):
    """The worker was killed because it used more memory than it may."""


Runner = Callable[[Any], Any]
"""Runs one task in a worker and returns its result; both are pickled on the way."""


class Engine(Protocol):
    """Workers that run tasks.

    ``kind`` is stored with each study (``local``, ``dask``); ``n_workers`` is how many
    tasks run at once; ``capacity`` is how many are worth submitting, so that no worker
    waits while the loop is busy.
    """

    kind: str
    n_workers: int

    @property
    def capacity(self) -> int: ...

    def submit(self, task: object, *, timeout: float | None = None) -> Future[Any]:
        """Queue a task; first in, first out.

        Args:
            task: Anything that can be pickled; handed to the runner.
            timeout: Seconds it may run (not wait) before its worker is killed.

        Returns:
            A future of the runner's result. Its exception is `TaskTimeoutError`,
            `WorkerLostError`, `TaskMemoryError` or what the runner raised. ``cancel()``
            works while the task has not started.

        Raises:
            EngineError: No worker can be started.
            HpoError: What a worker raised on purpose when it made its runner.
        """

    def close(self, *, wait_seconds: float = 0.0) -> None:
        """Stop the workers; running tasks get ``wait_seconds`` to end first."""
