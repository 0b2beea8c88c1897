"""The folder in which a run keeps what its workers share, while it runs.

It is made by the coordinator, readable by its user alone, and removed at the end. What
a killed coordinator left behind is removed by the next run on the same machine.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "hpo-run-"
_LOCK = "alive"
_FORGOTTEN_SECONDS = 86_400.0

_locks: dict[Path, int] = {}
"""File descriptors of the locks that this process holds, by folder."""


def make_scratch() -> Path:
    """Make an empty folder for this process, and remove those of dead processes.

    A living process holds a lock on a file in its folder, whatever its number, its
    container and the clock.

    Raises:
        OSError: The folder for temporary files cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_left_behind(folder):
            shutil.rmtree(folder, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    _locks[made] = lock
    return made


def remove_scratch(folder: Path) -> None:
    """Remove a folder of this process; what cannot be removed is left behind."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder in _locks:
        os.close(_locks.pop(folder))


def _is_left_behind(folder: Path) -> bool:
    """Tell whether the process that made a folder has ended."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        # Made a moment ago, or by a process that was killed just then.
        return _age_seconds(folder) > _FORGOTTEN_SECONDS
    except OSError:
        return False  # of another user
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _age_seconds(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0
