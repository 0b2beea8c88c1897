"""What `hpo doctor` looks at besides the store: Python, packages, machine, MLflow.

Each check looks and says what it found and what to do; none changes anything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

State = Literal["ok", "look", "broken"]

WORKER_BYTES = 600e6
LITTLE_DISK, NO_DISK = 1e9, 100e6
IMPORT_SECONDS = 60
SPAWN_SECONDS = 20
MLFLOW_SECONDS = 2
EARLIEST_YEAR = 2025
KEY_PACKAGES = ("numpy", "scikit-learn", "tensorflow", "keras", "optuna", "sqlalchemy")

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


@dataclass(frozen=True)
class Check:
    """One line of the examination.

    Args:
        check: What was looked at.
        state: ``look`` is for what works, but not as well as it could.
        found: What there is.
        advice: What to do; empty if nothing is to be done.
    """

    check: str
    state: State
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Return it as a plain row."""
        return asdict(self)


def python() -> Check:
    """Look at the Python that runs this."""
    found = f"{sys.version.split()[0]} ({sys.platform}, {sys.prefix})"
    wanted = str(metadata.metadata("hpo")["Requires-Python"] or "")
    least = _numbers(wanted.lstrip(">= "))
    if least and sys.version_info[: len(least)] < least:
        return Check("python", "broken", found, f"install Python {wanted}")
    return Check("python", "ok", found)


def packages() -> list[Check]:
    """Look at the installed packages that hpo needs, by their metadata alone."""
    wrong, right = [], 0
    for name, least in _required():
        version = _version(name)
        if version is None:
            wrong.append((name, f"{name} is missing", f"'{name}>={least}'"))
        elif _numbers(version) < _numbers(least):
            old = f"{name} {version} is older than {least}"
            wrong.append((name, old, f"'{name}>={least}'"))
        else:
            right += 1
    shown = [f"{n} {_version(n)}" for n in KEY_PACKAGES if _version(n)]
    made = [
        Check("hpo", "ok", f"{metadata.version('hpo')}"),
        Check("packages", "ok", f"{right} as needed: {', '.join(shown)}"),
    ]
    for name, what, how in wrong:
        made.append(Check(name, "broken", what, f"pip install {how}"))
    return made


def _required() -> list[tuple[str, str]]:
    """Return each package that hpo needs with its lowest version."""
    found = []
    for line in metadata.requires("hpo") or ():
        need, _, marker = line.partition(";")
        match = re.match(r"([\w.-]+)(\[[^]]*\])?\s*>=\s*([\w.]+)", need.strip())
        if match and "extra" not in marker:
            found.append((match[1], match[3]))
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``2.1.0rc1`` is (2, 1, 0)."""
    found = []
    for part in version.split("."):
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        found.append(int(digits[0]))
    return tuple(found)


class TensorFlow:
    """TensorFlow and Keras, brought up in a process of their own from the start on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _TENSORFLOW],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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
        words = name.replace(" epoch-program", "")
        found = f"{words}, starts in {seconds:.0f} s"
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


def mlflow() -> Check:
    """Look at MLflow, which no study needs."""
    version = _version("mlflow") or _version("mlflow-skinny")
    if version is None:
        return Check("mlflow", "ok", "not installed; no study needs it")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        return Check("mlflow", "ok", f"{version}; MLFLOW_TRACKING_URI is not set")
    found = f"{version}; {_without_password(uri)}"
    if not uri.startswith(("http://", "https://")):
        return Check("mlflow", "ok", found)
    why = _why_unreachable(uri)
    if why:
        advice = "start the server or mend MLFLOW_TRACKING_URI; studies run without it"
        return Check("mlflow", "look", f"{found}: {why}", advice)
    return Check("mlflow", "ok", f"{found} answers")


def _why_unreachable(uri: str) -> str:
    try:
        address = uri.rstrip("/") + "/health"
        with urllib.request.urlopen(address, timeout=MLFLOW_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code in (401, 403) else f"answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return f"does not answer ({str(reason)[:100]})"


def _without_password(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "(not an address)"
    host = parts.netloc.rpartition("@")[2]
    shown = f"***@{host}" if "@" in parts.netloc else host
    return parts._replace(netloc=shown, query="", fragment="").geturl()
