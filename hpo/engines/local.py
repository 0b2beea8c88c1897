"""The local engine: tasks in warm worker processes on this machine.

Owns the queue, which worker gets which task, the limits of time and memory, and the
replacement of workers that ended. One lost worker costs the task it ran and no other.
Refuses to run a task twice, and knows nothing of what a task means.
"""

from __future__ import annotations

import atexit
import copy
import math
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hpo.engines.engine import Runner, WorkerLostError
from hpo.engines.local_slot import (
    Slot,
    ending,
    needs_main,
    pickle_runner,
    worker_settings,
)
from hpo.engines.local_task import LocalTask, SettlingLock
from hpo.engines.local_worker import Outcome, open_outcome
from hpo.errors import EngineError, HpoError

_TICK_SECONDS = 0.2
_LATE_SECONDS = 1.0
_SHORT_SECONDS = 1.0
_AHEAD_SECONDS = 0.03
_MAX_AHEAD = 16
_START_SECONDS = 300.0
_MAX_FAILED_STARTS = 10
_CLOSED = "the engine was closed while the task was running"


class LocalEngine:
    """Run tasks in ``n_workers`` processes that are started once and kept warm.

    Each worker calls ``make_runner(*args)`` when it starts, or once `equip` has said
    what that is. Only if one of them is defined in the caller's script do workers run
    that script again: it then needs ``if __name__ == "__main__":``, and what it imports
    is loaded before ``environment`` is set.

    Args:
        make_runner: Importable in a worker; returns what runs the tasks. None leaves
            it, and ``args``, to `equip`.
        args: Its arguments, pickled once and sent to every worker.
        n_workers: How many processes, at least 1.
        threads: How many threads the numeric libraries of one worker may use.
        max_tasks: Replace a worker after so many tasks; 0 means never.
        max_memory_bytes: Replace a worker that holds more after a task, and kill one
            that holds more than twice as much during a task; what it shares with
            files does not count.
        environment: More variables for the workers, set before ``args`` is unpickled.
        log_path: File to which the workers' stdout and stderr are appended; None
            discards them.
        preload: Importable in a worker, and called there before everything else: what
            takes long and can be done without ``args``. What it raises is nowhere
            told, so ``make_runner`` should come upon it too.
        on_close: Called once, when no worker is left.

    Raises:
        EngineError: A setting cannot be used.
    """

    kind = "local"

    def __init__(
        self,
        make_runner: Callable[..., Runner] | None = None,
        args: tuple[Any, ...] = (),
        *,
        n_workers: int,
        threads: int = 1,
        max_tasks: int = 0,
        max_memory_bytes: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        log_path: Path | None = None,
        preload: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        if n_workers < 1 or threads < 1:
            got = f"n_workers={n_workers}, threads={threads}"
            raise EngineError(f"expected at least 1 worker and 1 thread; got {got}")
        self.n_workers = n_workers
        self._threads, self._max_tasks = threads, max_tasks
        self._max_memory_bytes, self._on_close = max_memory_bytes, on_close
        self._payload: bytes | None = None
        self._needs_main = False
        self._preload = preload
        self._settings = worker_settings(threads, environment, log_path)
        self._lock = SettlingLock(self._dispatch)
        self._queue: deque[LocalTask] = deque()
        self._slots: list[Slot] = []
        self._reapers: list[threading.Thread] = []
        self._mean_seconds: float | None = None
        self._n_failed_starts = 0
        self._broken: HpoError | None = None
        self._is_closing = self._is_stopped = False
        self._wake = threading.Event()
        self._wake.set()
        self._watcher = threading.Thread(
            target=self._watch, name="hpo-local-engine", daemon=True
        )
        if make_runner is not None:
            self.equip(make_runner, args)
        atexit.register(self.close)
        self._watcher.start()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def equip(
        self,
        make_runner: Callable[..., Runner],
        args: tuple[Any, ...] = (),
        *,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """Tell workers that were started without it what runs the tasks.

        Args:
            make_runner: As in the constructor.
            args: Likewise.
            on_close: Likewise; None leaves what the constructor was given.

        Raises:
            EngineError: They cannot be pickled, or the engine is closed.
        """
        payload = pickle_runner(make_runner, args)
        with self._lock.hold():
            self._refuse_if_closed()
            self._payload, self._needs_main = payload, needs_main(payload)
            self._on_close = on_close or self._on_close
        self._wake.set()

    @property
    def capacity(self) -> int:
        if not self._are_tasks_short:
            return self.n_workers
        # Enough to last while the loop commits and proposes.
        ahead = math.ceil(_AHEAD_SECONDS / max(self._mean_seconds or 0.0, 1e-4))
        return self.n_workers * min(max(ahead, 2), _MAX_AHEAD)

    def submit(self, task: object, *, timeout: float | None = None) -> Future[Any]:
        try:
            entry = LocalTask(pickle.dumps(task, pickle.HIGHEST_PROTOCOL), timeout)
        except Exception as error:
            refused: Future[Any] = Future()
            refused.set_exception(error)
            return refused
        with self._lock.hold():
            self._refuse_if_closed()
            if self._broken is not None:
                raise copy.copy(self._broken)
            self._queue.append(entry)
        return entry.future

    def close(self, *, wait_seconds: float = 0.0) -> None:
        with self._lock.hold():
            self._is_closing = True
            self._give_up(self._queue)
            self._queue.clear()
            for slot in list(self._slots):
                self._give_up(list(slot.tasks)[1:])
                if not slot.tasks:
                    self._retire(slot, gently=True)
        with self._lock.condition:
            self._lock.condition.wait_for(lambda: not self._slots, timeout=wait_seconds)
        with self._lock.hold():
            for slot in list(self._slots):
                self._lose(slot, WorkerLostError(_CLOSED))
            self._is_stopped = True
        self._wake.set()
        if not self._lock.is_settling:  # else they may wait for this thread
            for thread in [self._watcher, *self._reapers]:
                thread.join()
        atexit.unregister(self.close)
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    def _refuse_if_closed(self) -> None:
        if self._is_closing:
            raise EngineError("the engine is closed; no task can be submitted")

    def _dispatch(self) -> None:
        while self._queue and (slot := self._free_slot()) is not None:
            task = self._queue.popleft()
            runs_now = not slot.tasks
            if (runs_now or task.future.cancelled()) and not task.start():
                continue
            if not slot.send(task, self._on_done):
                self._queue.appendleft(task)
                self._lose(slot, None)

    def _free_slot(self) -> Slot | None:
        """Return an idle worker, else one that may get a task ahead, else None."""
        ready = [slot for slot in self._slots if slot.is_ready and not self._worn(slot)]
        for n_tasks in (0, 1) if self._are_tasks_short else (0,):
            for slot in ready:
                if len(slot.tasks) == n_tasks and slot.is_alive:
                    return slot
        return None

    def _worn(self, slot: Slot) -> bool:
        return slot.is_worn(self._max_tasks, self._max_memory_bytes)

    @property
    def _are_tasks_short(self) -> bool:
        return self._mean_seconds is not None and self._mean_seconds < _SHORT_SECONDS

    def _on_ready(self, slot: Slot, done: Future[Any]) -> None:
        failure = done.exception()
        what = done.result() if failure is None else ending(slot.exit_code)
        with self._lock.hold():
            if slot not in self._slots:
                return
            if what is None:
                slot.is_ready, self._n_failed_starts = True, 0
            else:
                self._fail_start(slot, what, is_final=failure is None)

    def _fail_start(
        self, slot: Slot | None, what: HpoError | str, *, is_final: bool
    ) -> None:
        self._n_failed_starts += 1
        if is_final or self._n_failed_starts >= _MAX_FAILED_STARTS:
            log = self._settings.log_path
            hint = f"; its output is in {log}" if log else ""
            self._broken = (
                what
                if isinstance(what, HpoError)
                else EngineError(f"a local worker cannot start{hint}: {what}")
            )
            self._give_up(self._queue)
            self._queue.clear()
        if slot is not None:
            self._retire(slot, gently=False)

    def _on_done(self, slot: Slot, task: LocalTask, done: Future[Any]) -> None:
        """Take what Pebble says about a task: its outcome, or that the worker ended."""
        failure = done.exception()
        result, error = (None, None) if failure else open_outcome(done.result())
        with self._lock.hold():
            if slot not in self._slots:
                return
            if failure is None:
                self._lock.settle_later(task, result, error)
                self._finish_head(slot, done.result())
            elif isinstance(failure, BrokenProcessPool) and failure.__cause__ is None:
                self._lose(slot, None)  # it died before it received the task
            else:
                code = getattr(failure, "exitcode", slot.exit_code)
                self._lose(slot, WorkerLostError(ending(code)))

    def _finish_head(self, slot: Slot, outcome: Outcome) -> None:
        slot.finish_head()
        slot.memory_bytes = outcome.memory_bytes
        seconds, mean = outcome.seconds, self._mean_seconds
        self._mean_seconds = seconds if mean is None else 0.8 * mean + 0.2 * seconds
        if self._is_closing or (not slot.tasks and self._worn(slot)):
            self._retire(slot, gently=not slot.tasks)

    def _lose(self, slot: Slot, error: Exception | None) -> None:
        """Give a worker up: its running task fails, unless ``error`` is None."""
        tasks = list(slot.tasks)
        if error is not None and tasks:
            self._lock.settle_later(tasks.pop(0), None, error)
        if self._is_closing or self._broken is not None:
            self._give_up(tasks)
        else:
            self._queue.extendleft(reversed(tasks))
        self._retire(slot, gently=False)

    def _retire(self, slot: Slot, *, gently: bool) -> None:
        self._slots.remove(slot)
        self._reapers = [thread for thread in self._reapers if thread.is_alive()]
        self._reapers.append(slot.retire(gently=gently))
        self._lock.condition.notify_all()
        self._wake.set()

    def _give_up(self, tasks: Iterable[LocalTask]) -> None:
        """Fail or cancel tasks that no worker will run."""
        for task in tasks:
            if self._broken is not None:
                self._lock.settle_later(task, None, self._broken)
            elif task.is_started:
                self._lock.settle_later(task, None, WorkerLostError(_CLOSED))
            else:
                self._lock.cancel_later(task)

    def _watch(self) -> None:
        """Start workers and look after them, in one thread that outlives them all."""
        # Workers inherit this: Ctrl-C must not reach one that has no handler yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        seen_at = time.monotonic()
        while not self._is_stopped:
            self._wake.wait(_TICK_SECONDS)
            self._wake.clear()
            late = time.monotonic() - seen_at - _TICK_SECONDS
            seen_at = time.monotonic()
            with self._lock.hold():
                for slot in list(self._slots):
                    # A coordinator that was stopped has results to read first.
                    slot.started_at += late if late > _LATE_SECONDS else 0.0
                    self._inspect(slot)
            self._start_missing()
            self._equip_started()

    def _inspect(self, slot: Slot) -> None:
        if not slot.is_alive:
            # What it sent before its end may still be on its way; wait one round.
            if slot.is_found_dead or not slot.tasks:
                self._bury(slot)
            slot.is_found_dead = True
        elif not slot.is_ready:
            if slot.is_equipped and slot.seconds > _START_SECONDS:
                text = f"it was not ready after {_START_SECONDS:.0f} seconds"
                self._fail_start(slot, text, is_final=False)
        elif (error := slot.overrun(self._max_memory_bytes)) is not None:
            self._lose(slot, error)

    def _bury(self, slot: Slot) -> None:
        if not slot.is_ready:
            self._fail_start(slot, ending(slot.exit_code), is_final=False)
        else:
            lost = WorkerLostError(ending(slot.exit_code))
            self._lose(slot, lost if slot.was_head_received else None)

    def _start_missing(self) -> None:
        while True:
            slot = None
            try:
                with self._lock.hold():
                    is_over = self._is_closing or self._broken is not None
                    if is_over or len(self._slots) >= self.n_workers:
                        return
                    slot = Slot(self._settings, needs_main=self._needs_main)
                    self._slots.append(slot)
                slot.start(self._preload)
            except (OSError, RuntimeError) as error:
                with self._lock.hold():
                    if slot is None or slot in self._slots:
                        self._fail_start(slot, repr(error), is_final=False)

    def _equip_started(self) -> None:
        with self._lock.hold():
            if self._payload is None or self._is_closing:
                return
            for slot in list(self._slots):
                if slot.is_equipped:
                    continue
                if self._needs_main and not slot.has_main:
                    self._retire(slot, gently=False)  # another one is started
                else:
                    slot.equip(self._payload, self._threads, self._on_ready)
