"""A task's future, and the lock under which it is decided how tasks end.

Owns one rule: futures are settled without the lock, because their callbacks are the
caller's code and may take locks of their own. Knows nothing of workers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any


@dataclass(eq=False)
class LocalTask:
    """A task on its way: its pickled form, its limit and the caller's future."""

    payload: bytes
    timeout: float | None
    future: Future[Any] = field(default_factory=Future)
    is_started: bool = False
    is_cancelled: bool = False

    def start(self) -> bool:
        """Mark the future as running; False when it was cancelled before."""
        if not self.is_started and not self.is_cancelled:
            self.is_started = self.future.set_running_or_notify_cancel()
            self.is_cancelled = not self.is_started
        return self.is_started

    def cancel(self) -> None:
        """Cancel the future of a task that never starts, and wake who waits for it."""
        self.future.cancel()
        self.future.set_running_or_notify_cancel()

    def settle(self, result: Any, error: Exception | None) -> None:
        """Give the future its result or its exception, unless it was cancelled."""
        if not self.start():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class SettlingLock:
    """A reentrant lock that settles futures when its outermost holder lets go.

    Reentrant, because Pebble may call back while a task is being sent to it.

    Args:
        before_release: Called with the lock held, before the outermost release.
    """

    def __init__(self, before_release: Callable[[], None]) -> None:
        lock = threading.RLock()
        self.condition = threading.Condition(lock)
        self._lock = lock
        self._before_release = before_release
        self._depth = 0
        self._settlements: deque[Callable[[], None]] = deque()
        self._here = threading.local()

    @property
    def is_settling(self) -> bool:
        """Whether this thread is in a callback of a future that is being settled."""
        return getattr(self._here, "is_settling", False)

    def settle_later(
        self, task: LocalTask, result: Any, error: Exception | None
    ) -> None:
        """Settle a task once the lock is free; to be called with the lock held."""
        self._settlements.append(partial(task.settle, result, error))

    def cancel_later(self, task: LocalTask) -> None:
        """Cancel a task that has not started; to be called with the lock held."""
        if not task.is_started and not task.is_cancelled:
            task.is_cancelled = True
            self._settlements.append(task.cancel)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock for the block, then settle what ended in it."""
        with self._lock:
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._before_release()
            finally:
                self._depth -= 1
            if self._depth:
                return
        was_settling, self._here.is_settling = self.is_settling, True
        try:
            while self._settlements:
                with suppress(IndexError):  # another thread may be faster
                    self._settlements.popleft()()
        finally:
            self._here.is_settling = was_settling
