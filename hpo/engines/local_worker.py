"""What runs inside a local worker: its guard, its runner, and how outcomes travel.

Owns the ties of a worker to its coordinator, the environment that libraries read when
they are imported, and the bytes in which results and exceptions are sent back. Imports
nothing heavy, because thread limits must be set before numpy is loaded, and never
decides about other workers.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hpo.engines.engine import Runner
from hpo.engines.memory import own_bytes
from hpo.errors import HpoError
from hpo.garbage import not_looked_for

_MAX_TEXT = 64 * 1024
_MAX_ERROR_BYTES = 1024 * 1024
_F_SETSIG = 10  # Linux; the fcntl module does not name it before Python 3.14

_runner: Runner | None = None
_keep: list[object] = []


class TaskOutcomeError(HpoError):
    """The task's result or exception could not be sent back; the text says which."""


class WorkerTraceback(Exception):  # noqa: N818
    """The traceback text of a worker, shown as the cause of the task's exception."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs before anything heavy is imported.

    Args:
        coordinator_pid: The process whose end is the worker's end.
        environment: Added to ``os.environ``.
        log_path: Takes stdout and stderr; None discards them.
    """

    coordinator_pid: int
    environment: Mapping[str, str]
    log_path: Path | None


@dataclass(frozen=True)
class Outcome:
    """How one task ended: ``data`` is a pickled result, or an error of `dump_error`."""

    ok: bool
    data: bytes
    seconds: float
    memory_bytes: int


def guard(settings: WorkerSettings, lifeline: Connection) -> None:
    """Tie this process to its coordinator and set its environment.

    Args:
        settings: See `WorkerSettings`.
        lifeline: Read end of a pipe that nobody writes to; it closes when the
            coordinator ends or wants this worker gone.
    """
    with suppress(OSError):
        os.setsid()
    _die_with(settings.coordinator_pid, lifeline)
    _redirect_output(settings.log_path)
    os.environ.update(settings.environment)
    # Blocked by the coordinator while this process had no handler yet.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def run_ahead(preload: Callable[[], None] | None) -> None:
    """Do what takes long and needs no runner, as far as it goes; None is nothing."""
    if preload is not None:
        with suppress(Exception, SystemExit), not_looked_for():
            preload()


def prepare(payload: bytes, threads: int) -> HpoError | str | None:
    """Make the runner from the pickled ``(make_runner, args)``.

    Returns:
        None, or what went wrong: an error raised on purpose, which speaks for itself,
        or the traceback text of any other.
    """
    global _runner
    try:
        with not_looked_for():
            make_runner, args = pickle.loads(payload)
            _runner = make_runner(*args)
        from threadpoolctl import threadpool_limits

        _keep.append(threadpool_limits(threads))
    except HpoError as error:
        return error
    except BaseException as error:
        return error_text(error)
    return None


def run_task(payload: bytes) -> Outcome:
    """Run one pickled task with this worker's runner."""
    started = time.monotonic()
    try:
        if _runner is None:
            raise TaskOutcomeError("the worker has no runner")
        result = _runner(pickle.loads(payload))
        ok, data = True, pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        ok, data = False, dump_error(error)
    return Outcome(ok, data, time.monotonic() - started, own_bytes())


def error_text(error: BaseException) -> str:
    """Format an exception with its traceback, in at most 64 KiB."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:
        text = f"{type(error).__name__} (it cannot be shown)\n"
    return _shorten(text)


def dump_error(error: BaseException) -> bytes:
    """Pickle an exception and its traceback text, whatever the exception is.

    One that cannot travel, or that would end the coordinator if it were raised there
    (``SystemExit``), becomes a `TaskOutcomeError` that names it.
    """
    text = error_text(error)
    if isinstance(error, Exception):
        for form in (_dump_by_itself, _dump_by_state):
            with suppress(Exception):
                data = form(error)
                if len(data) <= _MAX_ERROR_BYTES and _same(error, _load(data)):
                    return pickle.dumps((data, text))
    name = type(error).__name__
    reason = "" if isinstance(error, Exception) else "tried to end its worker: "
    summary = text.rstrip().rsplit("\n", 1)[-1][:1000]
    replacement = TaskOutcomeError(f"the task {reason or 'raised '}{name}; {summary}")
    return pickle.dumps((pickle.dumps((None, replacement)), text))


def load_error(data: bytes) -> Exception:
    """Return the exception of `dump_error`, its cause being the worker's traceback."""
    body, text = pickle.loads(data)
    try:
        error = _load(body)
    except Exception as reason:
        error = TaskOutcomeError(
            f"the task raised an exception that cannot be loaded here: {reason!r}"
        )
    error.__cause__ = WorkerTraceback(text)
    return error


def open_outcome(outcome: Outcome) -> tuple[Any, Exception | None]:
    """Return ``(result, None)`` or ``(None, exception)`` of a task that ended."""
    if not outcome.ok:
        return None, load_error(outcome.data)
    try:
        return pickle.loads(outcome.data), None
    except Exception as error:
        refused = TaskOutcomeError(f"the result cannot be loaded here: {error!r}")
        refused.__cause__ = error
        return None, refused


def _dump_by_itself(error: Exception) -> bytes:
    return pickle.dumps((None, error))


def _dump_by_state(error: Exception) -> bytes:
    # An __init__ whose parameters are not ``args`` breaks pickle's way, which calls it.
    return pickle.dumps((type(error), error.args, error.__dict__))


def _load(data: bytes) -> Exception:
    kind, *rest = pickle.loads(data)
    if kind is None:
        error: Exception = rest[0]
        return error
    args, state = rest
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _same(one: Exception, other: Any) -> bool:
    return type(one) is type(other) and str(one) == str(other)


def _shorten(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    head, tail = _MAX_TEXT // 4, 3 * _MAX_TEXT // 4
    cut = len(text) - head - tail
    return f"{text[:head]}\n... {cut} characters left out ...\n{text[-tail:]}"


def _redirect_output(log_path: Path | None) -> None:
    """Send file descriptors 1 and 2 to the log, so that C libraries are caught too."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        target = os.open(log_path or os.devnull, flags, 0o600)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        faulthandler.enable()


def _die_with(coordinator_pid: int, lifeline: Connection) -> None:
    """End this process and its session soon after the coordinator, however it ended.

    The kernel kills the whole process group when the lifeline closes, even where C code
    holds the interpreter. A death signal (``PR_SET_PDEATHSIG``) would fire when the
    thread that started this worker ends, and would spare the worker's own children. The
    thread serves where there is no ``F_SETSIG``, or where a fork holds the lifeline.
    """
    _keep.append(lifeline)
    own_group = os.getpgrp() == os.getpid()
    if own_group and sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
            flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
            fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    threading.Thread(
        target=_watch, args=(coordinator_pid, own_group), name="hpo-guard", daemon=True
    ).start()


def _watch(coordinator_pid: int, own_group: bool) -> None:
    while os.getppid() == coordinator_pid:
        time.sleep(0.5)
    if own_group:
        with suppress(OSError):
            os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
