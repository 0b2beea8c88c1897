"""One place for one worker: a Pebble pool that may start a single process.

Owns the life of that process, from its start to the end of its whole session. A slot
whose worker ended, or has to, is thrown away and never revived: Pebble's workers share
two pipes and two locks, so a worker killed at a bad moment spoils the pool it is in. A
slot decides nothing about tasks; the engine does.
"""

from __future__ import annotations

import os
import pickle
import pickletools
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import spawn
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
from pebble import ProcessPool

from hpo.engines.engine import Runner, TaskMemoryError, TaskTimeoutError
from hpo.engines.local_task import LocalTask
from hpo.engines.local_worker import (
    WorkerSettings,
    guard,
    prepare,
    run_ahead,
    run_task,
)
from hpo.engines.memory import own_bytes
from hpo.errors import EngineError

_TERMINATE_SECONDS = 1.0
_LOCK = threading.Lock()
"""Held while Python is made to describe this process without its main module."""
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "PJRT_NPROC",  # of XLA as JAX uses it
    "HPO_THREADS",
)


class OneWorkerContext(SpawnContext):
    """A spawn context that starts one process and no other.

    Pebble replaces a worker as soon as it ends, without looking at the tasks in its
    pipe, and says nothing when the exit code is 0. Refused a second process, it
    declares the pool broken and aborts what was in it, and that the engine hears.
    """

    worker: BaseProcess | None = None

    def __init__(self, *, needs_main: bool) -> None:
        super().__init__()
        self._needs_main = needs_main

    def Process(  # type: ignore[override]  # noqa: N802
        self, *args: Any, **kwargs: Any
    ) -> BaseProcess:
        if self.worker is not None:
            raise OSError("a slot starts one worker only")
        kind = SpawnProcess if self._needs_main else _MainlessProcess
        self.worker = kind(*args, **kwargs)
        return self.worker


class _MainlessProcess(SpawnProcess):
    """A spawned process that does not run the caller's script again.

    Python would, so that functions of the script can be unpickled. What is sent here
    needs that only if it says so; without it a script needs no guard around what it
    starts, and a notebook or a script on stdin can start workers too.
    """

    @staticmethod
    def _Popen(process: BaseProcess) -> Any:  # noqa: N802
        with _LOCK:
            described = spawn.get_preparation_data

            def without_main(name: str) -> dict[str, Any]:
                data = described(name)
                return {k: v for k, v in data.items() if not k.startswith("init_main")}

            spawn.get_preparation_data = without_main
            try:
                return SpawnProcess._Popen(process)
            finally:
                spawn.get_preparation_data = described


class Slot:
    """One worker process with the tasks that were sent to it.

    ``tasks[0]`` runs; a second one waits in the pipe, so that the worker need not wait
    for the coordinator. All attributes belong to the engine's lock.
    """

    def __init__(self, settings: WorkerSettings, *, needs_main: bool) -> None:
        self.tasks: deque[LocalTask] = deque()
        self.has_main = needs_main
        self.is_equipped = self.is_ready = False
        self.is_found_dead = False
        self.started_at = time.monotonic()
        self.n_done = 0
        self.memory_bytes = 0
        self._context = OneWorkerContext(needs_main=needs_main)
        reader, self._lifeline = self._context.Pipe(duplex=False)
        self._reader: Connection = reader
        self._sent: deque[Future[Any]] = deque()
        self._pool = ProcessPool(
            max_workers=1,
            initializer=guard,
            initargs=(settings, reader),
            context=self._context,
        )

    def start(self, preload: Callable[[], None] | None) -> None:
        """Start the worker and let it import what can be imported already.

        Raises:
            OSError, RuntimeError: The process cannot be started.
        """
        self._pool.schedule(run_ahead, args=(preload,))
        self._reader.close()

    def equip(
        self,
        payload: bytes,
        threads: int,
        on_ready: Callable[[Slot, Future[Any]], None],
    ) -> None:
        """Let the worker make its runner; a worker that is gone is found dead later."""
        self.is_equipped, self.started_at = True, time.monotonic()
        with suppress(RuntimeError):
            future = self._pool.schedule(prepare, args=(payload, threads))
            future.add_done_callback(lambda done: on_ready(self, done))

    def send(
        self,
        task: LocalTask,
        on_done: Callable[[Slot, LocalTask, Future[Any]], None],
    ) -> bool:
        """Send a task to the worker; False when the worker is gone."""
        try:
            future = self._pool.schedule(run_task, args=(task.payload,))
        except RuntimeError:
            return False
        if not self.tasks:
            self.started_at = time.monotonic()
        self.tasks.append(task)
        self._sent.append(future)
        future.add_done_callback(lambda done: on_done(self, task, done))
        return True

    def finish_head(self) -> None:
        """Forget the task that ended; the next one runs from now on."""
        self.tasks.popleft()
        self._sent.popleft()
        self.n_done += 1
        self.started_at = time.monotonic()
        if self.tasks:
            self.tasks[0].start()

    @property
    def was_head_received(self) -> bool:
        """Whether the worker acknowledged the first of its tasks."""
        return bool(self._sent) and (self._sent[0].running() or self._sent[0].done())

    @property
    def is_alive(self) -> bool:
        """Whether the worker process runs (or is about to be started)."""
        worker = self._context.worker
        return worker is None or worker.pid is None or worker.exitcode is None

    @property
    def exit_code(self) -> int | None:
        """How the worker ended: its exit code, or minus the signal that killed it."""
        worker = self._context.worker
        return None if worker is None or worker.pid is None else worker.exitcode

    @property
    def worker_pid(self) -> int | None:
        """The process id of the worker, None before it starts."""
        return None if self._context.worker is None else self._context.worker.pid

    @property
    def seconds(self) -> float:
        """How long the running task runs, or the worker takes to start."""
        return time.monotonic() - self.started_at

    def is_worn(self, max_tasks: int, max_memory_bytes: int | None) -> bool:
        """Whether the worker may get no more tasks; 0 and None mean no limit."""
        if 0 < max_tasks <= self.n_done + len(self.tasks):
            return True
        return max_memory_bytes is not None and self.memory_bytes > max_memory_bytes

    def overrun(self, max_memory_bytes: int | None) -> Exception | None:
        """Return what the running task is to be killed for, None if nothing.

        It may hold twice the memory that a worker may hold between tasks.
        """
        if not self.tasks:
            return None
        limit = self.tasks[0].timeout
        if limit is not None and self.seconds > limit:
            return TaskTimeoutError(
                f"the task ran into its time limit of {limit:g} seconds"
            )
        if max_memory_bytes is None:
            return None
        used_bytes, limit_bytes = own_bytes(self.worker_pid), 2 * max_memory_bytes
        if used_bytes > limit_bytes:
            return TaskMemoryError(
                f"the task's worker used {used_bytes / 2**20:.0f} MiB of memory, "
                f"more than {limit_bytes / 2**20:.0f} MiB"
            )
        return None

    def retire(self, *, gently: bool) -> threading.Thread:
        """End the worker and all it started, without waiting; return who does it."""
        thread = threading.Thread(
            target=self._end, args=(gently,), name="hpo-reaper", daemon=True
        )
        thread.start()
        return thread

    def _end(self, gently: bool) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        worker = self._context.worker
        if worker is not None and worker.pid is not None:
            _end_tree(worker, gently)
        self._lifeline.close()
        self._pool.join()


def pickle_runner(make_runner: Callable[..., Runner], args: tuple[Any, ...]) -> bytes:
    """Return what `hpo.engines.local_worker.prepare` takes."""
    try:
        return pickle.dumps((make_runner, args), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise EngineError(
            f"make_runner and args must be picklable, to reach the workers: {error}"
        ) from error


def needs_main(payload: bytes) -> bool:
    """Tell whether a pickle names something of the caller's main module.

    A function that is pickled by value, inside of it as bytes, names nothing.
    """
    return b"__main__" in payload and any(
        isinstance(argument, str) and argument.split(" ")[0] == "__main__"
        for _, argument, _ in pickletools.genops(payload)
    )


def worker_settings(
    threads: int, environment: Mapping[str, str], log_path: Path | None
) -> WorkerSettings:
    """Return the settings of workers of this process; ``environment`` wins."""
    variables = dict.fromkeys(_THREAD_VARIABLES, str(threads)) | dict(environment)
    return WorkerSettings(os.getpid(), variables, _writable(log_path))


def _writable(log_path: Path | None) -> Path | None:
    if log_path is None:
        return None
    try:
        log_path.open("a").close()
    except OSError as error:
        raise EngineError(f"cannot write the workers' log: {error}") from error
    return log_path.absolute()


def ending(exit_code: int | None) -> str:
    """Say how a worker ended, from its exit code or minus the signal's number."""
    if exit_code is None:
        return "the worker broke its connection"
    if exit_code >= 0:
        return f"the worker exited with code {exit_code} before it had a result"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        hint = " (the system may be out of memory)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{hint}"
    return f"the worker was killed by signal {-exit_code}"


def _end_tree(worker: BaseProcess, gently: bool) -> None:
    """Kill a worker, its descendants and whatever else is in its session."""
    pid = worker.pid
    assert pid is not None  # it was started
    doomed: list[psutil.Process] = []
    with suppress(psutil.Error):
        doomed = psutil.Process(pid).children(recursive=True)
    if gently:
        worker.terminate()  # Pebble's handler runs the cleanup of multiprocessing
        worker.join(_TERMINATE_SECONDS)
    worker.kill()
    for process in doomed:
        with suppress(psutil.Error):
            process.kill()
    for _ in range(3):
        members = _session_members(pid)
        for member in members:
            with suppress(OSError):
                os.kill(member, signal.SIGKILL)
        if not members:
            return


def _session_members(leader: int) -> list[int]:
    members = []
    for pid in psutil.pids():
        with suppress(OSError):
            if pid != leader and os.getsid(pid) == leader:
                members.append(pid)
    return members
