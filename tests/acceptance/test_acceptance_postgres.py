"""A store on a PostgreSQL server: the same tables as on SQLite, kills and stops too."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import psutil
import pytest
import sqlalchemy as sa
from command_folder import Folder, family_of
from postgres_server import (
    Server,
    postgres_or_skip,
    server_or_skip,
    temporary_database,
)

PASSWORD = "s3cr3t-c4n4ry"
# The large learning rates diverge: those trials fail.
STUDY = """
name: iris
data: {source: sklearn.iris}
model: sklearn-mlp
space:
  units: {int: [4, 64], log: true}
  hidden_layers: {int: [1, 2]}
  optimizer: [adam, sgd]
  learning_rate: {float: [1e-4, 1e+30], log: true}
  epochs: 60
search: {strategy: bayesian, trials: 24, seed: 3, width: 2, max_failures: 99}
evaluation: {folds: 3}
"""
N_FOLDS = 3
pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[str]:
    with postgres_or_skip() as url:
        yield url


@pytest.fixture
def database(shared_server: str) -> Iterator[str]:
    """The address of an empty database."""
    with temporary_database(shared_server) as url:
        yield url


@pytest.fixture
def stoppable() -> Iterator[tuple[Server, str]]:
    """A server that may be stopped, and the address of its empty database."""
    with server_or_skip() as server:
        address = sa.make_url(server.url)
        ours = address.set(drivername="postgresql+psycopg", password=PASSWORD)
        yield server, ours.render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory):
    """What the commands print of the study when its store is an SQLite file."""
    folder = Folder(tmp_path_factory.mktemp("sqlite"))
    folder.write("study.yaml", STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HPO_STORE", raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", "none")
        folder.hpo("run", "study.yaml", "--jobs", "2")
        shown = tables(folder)
    assert len(shown["trials"]) == 24
    assert {row["state"] for row in shown["trials"]} == {"complete", "failed"}
    return shown


def tables(folder):
    """Return what is printed of the study, but for times, which are never the same."""
    [line] = folder.json("list")
    return {
        "trials": folder.trial_table("iris"),
        "best": folder.json("best", "iris"),
        "list": {key: value for key, value in line.items() if key != "created_at"},
    }


def n_folds_stored(url):
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("folds"):
                return 0
            return connection.execute(sa.text("SELECT count(*) FROM folds")).scalar()
    finally:
        engine.dispose()


def wait_for_folds(process, url, more_than):
    deadline = time.monotonic() + 60
    while n_folds_stored(url) <= more_than:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no fold was stored in time"
        time.sleep(0.01)


def test_the_tables_are_those_of_sqlite(make_folder, database, on_sqlite, monkeypatch):
    folder = make_folder("calm", STUDY)
    monkeypatch.setenv("HPO_STORE", database)
    folder.hpo("run", "study.yaml", "--jobs", "2")
    assert tables(folder) == on_sqlite
    assert not (folder.path / "hpo.db").exists()


def test_a_killed_coordinator_changes_nothing(
    make_folder, database, on_sqlite, monkeypatch
):
    folder = make_folder("killed", STUDY)
    monkeypatch.setenv("HPO_STORE", database)
    for n_folds, jobs in ((2, "2"), (20, "1"), (40, "2")):
        process = folder.start("run", "study.yaml", "--jobs", jobs)
        wait_for_folds(process, database, n_folds)
        process.send_signal(signal.SIGSTOP)
        workers = family_of(process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, "workers outlived their coordinator by 5 seconds"
        assert folder.json("list")[0]["state"] == "interrupted"
    assert n_folds_stored(database) < 24 * N_FOLDS
    folder.hpo("run", "study.yaml", "--jobs", "2")
    assert tables(folder) == on_sqlite


def test_a_second_run_at_the_same_time_exits_3(
    make_folder, database, on_sqlite, monkeypatch
):
    folder = make_folder("busy", STUDY)
    monkeypatch.setenv("HPO_STORE", database)
    first = folder.start("run", "study.yaml", "--jobs", "2")
    wait_for_folds(first, database, 0)
    # Held still, it is being run all the same, and cannot be over too early.
    first.send_signal(signal.SIGSTOP)
    refused = folder.hpo("run", "study.yaml", "--jobs", "2", code=3)
    assert f"process {first.pid}" in refused.stderr
    assert f"process {first.pid}" in folder.json("list")[0]["owner"]
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, (out, err)
    assert tables(folder) == on_sqlite


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_stops_in_mid_study_costs_nothing_but_time(
    make_folder, stoppable, on_sqlite, monkeypatch, mode
):
    server, url = stoppable
    folder = make_folder("stopped", STUDY)
    monkeypatch.setenv("HPO_STORE", url)
    process = folder.start("run", "study.yaml", "--jobs", "2")
    wait_for_folds(process, url, 5)
    server.stop(mode)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, (out, err)
    said = [out, err]
    assert "when it is back, run the same command again" in err
    for words in (["run", "study.yaml"], ["list"], ["trials", "iris"]):
        refused = folder.hpo(*words, code=5)
        assert "when it is back, run the same command again" in refused.stderr
        said += [refused.stdout, refused.stderr]
    for text in said:
        assert PASSWORD not in text
        assert "Traceback" not in text
    server.start()
    assert 5 < n_folds_stored(url) < 24 * N_FOLDS
    assert folder.json("list")[0]["state"] == "interrupted"
    folder.hpo("run", "study.yaml", "--jobs", "2")
    assert tables(folder) == on_sqlite


def test_eight_runs_at_once_on_an_empty_database_make_one_study(
    make_folder, database, on_sqlite, monkeypatch
):
    folder = make_folder("crowd", STUDY)
    monkeypatch.setenv("HPO_STORE", database)
    crowd = [folder.start("run", "study.yaml", "--jobs", "1") for _ in range(8)]
    ends = [process.communicate(timeout=240) for process in crowd]
    codes = {process.returncode for process in crowd}
    # One that comes late finds the study done, which is a success.
    assert 0 in codes, ends
    assert codes <= {0, 3}, ends
    assert not any("Traceback" in err for _, err in ends)
    assert tables(folder) == on_sqlite
