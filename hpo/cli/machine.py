"""What `hpo doctor` looks at of the machine: TensorFlow, cores, memory, disk, clock.

Each check looks and says what it found and what to do; none changes anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from hpo.cli.installed import Check
from hpo.spec.model import TENSORFLOW
from hpo.study.backend import variables
from hpo.study.trained import versions

WORKER_BYTES = 600e6
LITTLE_DISK, NO_DISK = 1e9, 100e6
IMPORT_SECONDS = 60
SPAWN_SECONDS = 20
EARLIEST_YEAR = 2025

_TENSORFLOW = """
import json
from hpo.models.keras_runtime import prepare
name = prepare()
import tensorflow
devices = tensorflow.config.list_physical_devices("GPU")
details = tensorflow.config.experimental.get_device_details
names = [details(d).get("device_name", d.name) for d in devices]
print(json.dumps([name, names]))
"""
_SPAWN = """
import multiprocessing, time
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=time.sleep, args=(0,))
    process.start()
    process.join(%d)
    raise SystemExit(process.exitcode != 0)
"""


class TensorFlow:
    """TensorFlow and Keras, brought up in a process of their own from the start on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _TENSORFLOW],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables(TENSORFLOW, 1),
        )

    def checks(self) -> list[Check]:
        """Wait for it; return the checks of TensorFlow and of GPUs."""
        again = "pip install --force-reinstall tensorflow keras, or unset what is odd"
        try:
            out, error = self._process.communicate(timeout=IMPORT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            found = f"did not start within {IMPORT_SECONDS} seconds"
            advice = "see whether the machine is busy, or its disk slow"
            return [Check("tensorflow", "broken", found, advice)]
        if self._process.returncode != 0:
            lines = [line for line in error.splitlines() if line.strip()]
            last = lines[-1].strip()[:300] if lines else "no message"
            return [Check("tensorflow", "broken", f"does not start: {last}", again)]
        name, gpus = json.loads(out.splitlines()[-1])
        seconds = time.monotonic() - self._began
        found = f"{versions(name)}, starts in {seconds:.0f} s"
        return [Check("tensorflow", "ok", found), _gpus(gpus)]

    def close(self) -> None:
        """End the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _gpus(names: list[str]) -> Check:
    if names:
        return Check("gpus", "ok", ", ".join(names))
    if shutil.which("nvidia-smi"):
        found = "there seems to be one, but TensorFlow sees none"
        return Check("gpus", "look", found, "pip install 'tensorflow[and-cuda]'")
    return Check("gpus", "ok", "none; small networks train well without")


def usable_cores() -> int:
    """Return how many cores this process may use: as many workers as a run starts."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def cores(n_workers: int) -> Check:
    """Look at the cores."""
    import psutil

    physical = psutil.cpu_count(logical=False) or "?"
    logical = psutil.cpu_count() or "?"
    found = f"{n_workers} usable, of {logical} ({physical} physical)"
    return Check("cores", "ok", found)


def memory(n_workers: int) -> Check:
    """Look whether a worker on each core fits into memory."""
    import psutil

    seen = psutil.virtual_memory()
    total = min(seen.total, _container_limit())
    available = min(seen.available, total)
    found = f"{available / 1e9:.1f} of {total / 1e9:.1f} GB available"
    if n_workers * WORKER_BYTES <= available:
        return Check("memory", "ok", found)
    room = max(1, int(available / WORKER_BYTES))
    need = f"{n_workers} workers take about {n_workers * WORKER_BYTES / 1e9:.1f} GB"
    advice = f"{need}: close programs, or hpo run FILE --jobs {room}"
    return Check("memory", "look", found, advice)


def _container_limit() -> float:
    try:
        return float(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return float("inf")


def disk(name: str, folder: Path) -> Check:
    """Look at the free space of the disk that holds a folder."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free < NO_DISK:
        return Check(name, "broken", found, "free some space before you run a study")
    if free < LITTLE_DISK:
        return Check(name, "look", found, "free some space soon")
    return Check(name, "ok", found)


def temporary() -> Check:
    """Look whether temporary files can be written."""
    advice = "name a folder that can be written in TMPDIR"
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        folder = Path(tempfile.gettempdir())
    except OSError as error:
        return Check("temp folder", "broken", str(error), advice)
    return disk("temp folder", folder)


def spawning() -> Check:
    """Look whether a process can be started as workers are."""
    # From a file: a spawned process imports the main module again.
    began = time.monotonic()
    advice = "see whether a limit on processes (ulimit -u) or a sandbox forbids it"
    try:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "spawn.py"
            script.write_text(_SPAWN % SPAWN_SECONDS)
            done = subprocess.run(
                [sys.executable, str(script)],
                capture_output=True,
                text=True,
                timeout=SPAWN_SECONDS + 5,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("workers", "broken", f"cannot be started: {error}", advice)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        last = lines[-1][:300] if lines else "the process ended early"
        return Check("workers", "broken", f"cannot be started: {last}", advice)
    return Check("workers", "ok", f"start in {time.monotonic() - began:.1f} s")


def clock() -> Check:
    """Look whether the clock can be right."""
    now = datetime.now(UTC)
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year < EARLIEST_YEAR:
        return Check("clock", "broken", found, "set the clock of this machine")
    return Check("clock", "ok", found)
