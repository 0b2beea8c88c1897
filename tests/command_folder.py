"""Drive the `hpo` command as a user does: as a process, in an empty folder."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

HPO = [sys.executable, "-m", "hpo"]


class Folder:
    """An empty folder in which commands are run.

    Nothing is sent to MLflow unless a command says where with ``--tracking``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def hpo(
        self, *words: str, code: int = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; it must exit with ``code``."""
        done = subprocess.run(
            [*HPO, *words],
            cwd=self.path,
            env=_environment(words, env),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def start(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command and go on; `end` ends it if nothing else does."""
        process = subprocess.Popen(
            [*HPO, *words],
            cwd=self.path,
            env=_environment(words, env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what was started and still runs, so that no other test meets it."""
        for process in self._started:
            with process:
                family = family_of(process) if process.poll() is None else []
                for one in [process, *family]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()

    def json(self, *words: str):
        """Return what a command prints as JSON."""
        return json.loads(self.hpo(*words, "--format", "json").stdout)

    def trial_table(self, name: str):
        """Return the trials without their times, which are never the same."""
        return [
            {k: v for k, v in row.items() if k != "mean_fit_time"}
            for row in self.json("trials", name)
        ]

    def n_folds_stored(self) -> int:
        """Count the folds that any study in this folder has in store."""
        try:
            connection = sqlite3.connect(self.path / "hpo.db", timeout=30)
            (count,) = connection.execute("SELECT count(*) FROM folds").fetchone()
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.close()
        return int(count)

    def wait_for_folds(self, process, more_than: int, seconds: float = 60) -> None:
        """Wait until the store holds more than this many folds."""
        deadline = time.monotonic() + seconds
        while self.n_folds_stored() <= more_than and process.poll() is None:
            assert time.monotonic() < deadline, "no fold was stored in time"
            time.sleep(0.005)


def _environment(words: Sequence[str], env: Mapping[str, str] | None) -> dict[str, str]:
    """Return the variables of a command."""
    told = any(word.partition("=")[0] == "--tracking" for word in words)
    tracking = {} if told else {"MLFLOW_TRACKING_URI": "none"}
    return {**os.environ, **tracking, **(env or {})}


def family_of(process):
    """Return the processes that a command has started."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
