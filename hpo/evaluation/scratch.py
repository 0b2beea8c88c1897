"""The folder in which a run keeps what its workers share, while it runs.

It is made by the coordinator, readable by its user alone, and removed at the end. What
a killed coordinator left behind is removed by the next run on the same machine.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import psutil

_NAME = re.compile(r"hpo-run-(\d+)-(\d+)-\w+")


def make_scratch() -> Path:
    """Make an empty folder for this process, and remove those of dead processes.

    Raises:
        OSError: The folder for temporary files cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob("hpo-run-*"):
        if (match := _NAME.fullmatch(folder.name)) and not _lives(*match.groups()):
            remove_scratch(folder)
    own = psutil.Process()
    prefix = f"hpo-run-{own.pid}-{_started(own)}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def remove_scratch(folder: Path) -> None:
    """Remove the folder; what another user or process holds stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: str, started: str) -> bool:
    try:
        return _started(psutil.Process(int(pid))) == int(started)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _started(process: psutil.Process) -> int:
    return round(process.create_time())
