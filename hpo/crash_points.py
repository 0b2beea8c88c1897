"""Places where a test may kill the process, named by the variable ``HPO_CRASH_AT``.

``HPO_CRASH_AT=point:before:2`` dies as by SIGKILL when ``point`` is passed before its
work for the second time. Without the variable nothing happens.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "HPO_CRASH_AT"

_passed: Counter[str] = Counter()
_others: list[int] = []


def dies_with(process_id: int) -> None:
    """Kill that process too, and first, when this one dies at a crash point."""
    _others.append(process_id)


@contextmanager
def crash_point(name: str) -> Iterator[None]:
    """Let a test kill the process before or after the work of the block."""
    _pass(f"{name}:before")
    yield
    _pass(f"{name}:after")


def _pass(place: str) -> None:
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    _passed[place] += 1
    if wanted == f"{place}:{_passed[place]}":
        for process_id in _others:
            os.kill(process_id, signal.SIGKILL)
        os._exit(137)
