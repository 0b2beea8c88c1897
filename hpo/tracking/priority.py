"""How the sender keeps out of the way: of the lowest priority, but for the store.

Whoever is starved while it holds a lock of the store keeps its owner waiting. So the
priority is the usual one for as long as the store is read or written. Linux lets a
session's priority be raised again, unlike that of a process; elsewhere it stays low.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOWEST, USUAL = "19", "0"
ATTEMPTS = 5
PAUSE_SECONDS = 0.1
"""The system takes a change only so often."""

_GROUP = Path("/proc/self/autogroup")


def lower() -> bool:
    """Take the lowest priority; tell whether it can be raised again."""
    if _set(LOWEST):
        return True
    os.nice(int(LOWEST))
    return False


@contextmanager
def usual() -> Iterator[None]:
    """Have the usual priority within the block."""
    raised = _set(USUAL)
    try:
        yield
    finally:
        if raised:
            _set(LOWEST)


def _set(nice: str) -> bool:
    for _ in range(ATTEMPTS):
        try:
            _GROUP.write_text(nice)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        except OSError:
            return False
        else:
            return True
    return False


class AtUsualPriority:
    """A store or a mirror whose every call has the usual priority.

    Args:
        target: What is called.
    """

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return _at_usual_priority(found) if callable(found) else found


def _at_usual_priority(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **options: Any) -> Any:
        with usual():
            return call(*args, **options)

    return called
