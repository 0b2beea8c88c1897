"""Making MLflow's database: whole or not at all, also for several at once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time

import pytest

MAKE = """
import sys
import warnings
from pathlib import Path
warnings.simplefilter("ignore")
from hpo.tracking.client import Client
print("begin", flush=True)
Client("sqlite:///" + sys.argv[1]).experiment("one")
"""


def start(path):
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, str(path)],
        cwd=path.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def experiments(path):
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name FROM experiments").fetchall()
    return {name for (name,) in rows}


@pytest.mark.slow
def test_a_kill_while_it_is_made_leaves_nothing_that_cannot_be_opened(tmp_path):
    path = tmp_path / "mlflow.db"
    for seconds in (0.4, 0.9, 1.5):
        process = start(path)
        assert process.stdout.readline() == "begin\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    whole = start(path)
    _, error = whole.communicate(timeout=120)
    assert whole.returncode == 0, error
    assert experiments(path) == {"Default", "one"}


@pytest.mark.slow
def test_of_several_processes_one_makes_it(tmp_path):
    path = tmp_path / "mlflow.db"
    processes = [start(path) for _ in range(3)]
    for process in processes:
        _, error = process.communicate(timeout=180)
        assert process.returncode == 0 or "already exists" in error, error
    assert experiments(path) == {"Default", "one"}
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] in (
        [],
        ["mlruns"],
    )
