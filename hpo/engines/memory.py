"""How much memory a process has for itself."""

from __future__ import annotations

import functools
from typing import Any


def own_bytes(pid: int | None = None) -> int:
    """Return the resident memory that a process shares with no file.

    Files that workers map together are in memory once and are nobody's fault, so they
    do not count. Where the system does not tell them apart, all of it counts.

    Args:
        pid: Of the process; None for this one.

    Returns:
        Bytes; 0 if the process is gone or cannot be looked at.
    """
    import psutil

    try:
        process = _this_process() if pid is None else psutil.Process(pid)
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


@functools.cache
def _this_process() -> Any:
    import psutil

    return psutil.Process()
