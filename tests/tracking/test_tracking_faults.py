"""A server that is killed, frozen, down, slow or wiped harms no study."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_folder import Folder, family_of
from faulty_server import Mode, Server, line_to, wait_until
from mirror_check import check_mirror

from hpo.cli.exit_codes import GONE

STUDY = """
name: {name}
data: {{source: sklearn.iris}}
model: sklearn-mlp
space:
  units: {{int: [4, 16]}}
  learning_rate: {{float: [1e-3, 1e-1], log: true}}
  epochs: 100
search: {{strategy: random, trials: 12, seed: 1}}
evaluation: {{folds: 2}}
"""
DRAIN_SECONDS = 10
"""How long the end of a study waits for MLflow at most."""
pytestmark = pytest.mark.slow
MakeFolder = Callable[[str, str], Folder]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path
) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("server"), empty_mlflow)
    served.start()
    yield served
    served.kill()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The trials of a run that sends nothing."""
    folder = Folder(tmp_path_factory.mktemp("calm"))
    folder.write("study.yaml", STUDY.format(name="calm"))
    folder.hpo("run", "study.yaml")
    return folder.trial_table("calm")


class Case:
    """A study with a name of its own, to be run with one server."""

    def __init__(self, folder: Folder, name: str, server: Server) -> None:
        self._folder, self._name, self._server = folder, name, server

    def start(self, uri: str) -> subprocess.Popen[str]:
        return self._folder.start("run", "study.yaml", "--tracking", uri)

    def finish(self, process: subprocess.Popen[str]) -> str:
        """Wait for its end, which must be a good one; return what it said."""
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (process.returncode, out, err)
        assert "Traceback" not in err
        assert "complete: all 12 trials are done" in err
        return err

    def run(self, uri: str) -> str:
        return self.finish(self.start(uri))

    def wait_for_runs(self, process: subprocess.Popen[str], n_runs: int) -> None:
        """Wait until the server has this many runs of the study."""
        wait_until(
            lambda: (
                self._server.n_runs(self._name) >= n_runs or process.poll() is not None
            ),
            60,
            "nothing was sent",
            every=0.02,
        )

    def sync_if_told(self, said: str, uri: str) -> None:
        if "hpo sync" in said:
            self.sync(uri)
        else:
            assert "has it all" in said

    def sync(self, uri: str) -> None:
        self._folder.hpo("sync", self._name, "--tracking", uri)

    def try_sync(self, uri: str) -> None:
        """Sync over a line that may be too bad for it; it must say so plainly."""
        process = self._folder.start("sync", self._name, "--tracking", uri)
        out, err = process.communicate(timeout=200)
        assert process.returncode in (0, GONE), (process.returncode, out, err)
        assert "Traceback" not in err

    def check(self, calm: Any) -> None:
        database = self._folder.path / "hpo.db"
        check_mirror(database, self._server.database_uri, self._name)
        assert self._folder.trial_table(self._name) == calm


@pytest.fixture
def case(make_folder: MakeFolder, server: Server, request: Any) -> Iterator[Case]:
    server.start()
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    yield Case(make_folder("study", STUDY.format(name=name)), name, server)
    # Whatever became of it, the next one finds it awake.
    server.tell(signal.SIGCONT)


def test_a_server_that_works_has_it_all_at_the_end(
    case: Case, server: Server, calm: Any
):
    case.sync_if_told(case.run(server.uri), server.uri)
    case.check(calm)


def test_a_server_is_killed_and_comes_back(case: Case, server: Server, calm: Any):
    process = case.start(server.uri)
    case.wait_for_runs(process, 4)
    server.kill()
    time.sleep(1)
    server.start()
    case.sync_if_told(case.finish(process), server.uri)
    case.check(calm)


def test_a_server_stands_still_for_a_while(case: Case, server: Server, calm: Any):
    process = case.start(server.uri)
    case.wait_for_runs(process, 3)
    server.tell(signal.SIGSTOP)
    time.sleep(4)
    server.tell(signal.SIGCONT)
    case.sync_if_told(case.finish(process), server.uri)
    case.check(calm)


def test_a_server_stands_still_to_the_end(case: Case, server: Server, calm: Any):
    process = case.start(server.uri)
    case.wait_for_runs(process, 3)
    server.tell(signal.SIGSTOP)
    said = case.finish(process)
    assert "has it all" not in said
    assert "nothing is lost: hpo sync" in said
    server.tell(signal.SIGCONT)
    case.sync_if_told(said, server.uri)
    case.check(calm)


def test_a_server_is_down_from_the_start(case: Case, server: Server, calm: Any):
    server.kill()
    said = case.run(server.uri)
    assert "cannot be reached (connection refused)" in said
    server.start()
    case.sync_if_told(said, server.uri)
    case.check(calm)


def test_a_server_is_wiped_in_between(case: Case, server: Server, calm: Any):
    process = case.start(server.uri)
    case.wait_for_runs(process, 4)
    server.kill()
    server.wipe()
    server.start()
    case.sync_if_told(case.finish(process), server.uri)
    case.check(calm)


def test_a_server_is_wiped_afterwards(
    case: Case, server: Server, calm: Any, tmp_path: Path
):
    case.run(server.uri)
    server.kill()
    server.wipe()
    server.start()
    case.sync(server.uri)
    case.check(calm)


def every(n: int, mode: Mode) -> Callable[[int], Mode]:
    return lambda number: mode if number % n == 0 else "pass"


@pytest.mark.parametrize(("n", "mode"), [(3, "cut"), (5, "error"), (2, "slow")])
def test_a_bad_line_doubles_and_loses_nothing(
    case: Case, server: Server, calm: Any, n: int, mode: Mode
):
    with line_to(server, slow_seconds=0.5) as line:
        line.choose = every(n, mode)
        case.run(line.uri)
        case.try_sync(line.uri)
        assert line.n_requests > 5
        line.choose = lambda number: "pass"
        case.sync(line.uri)
    case.check(calm)


def test_a_line_that_breaks_at_every_request_once_doubles_nothing(
    case: Case, server: Server, calm: Any
):
    """Between the server's work and its answer, one request after the other."""
    with line_to(server) as line:
        # Each cut makes it begin anew: the next one falls later.
        cuts = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55}
        line.choose = lambda number: "cut" if number in cuts else "pass"
        case.run(line.uri)
        case.try_sync(line.uri)
        line.choose = lambda number: "pass"
        case.sync(line.uri)
    case.check(calm)


def test_a_server_that_answers_500_at_first_gets_all_of_it(
    case: Case, server: Server, calm: Any
):
    with line_to(server) as line:
        line.choose = lambda number: "error" if number <= 2 else "pass"
        case.sync_if_told(case.run(line.uri), line.uri)
    case.check(calm)


@pytest.mark.parametrize("mode", ["silent", "error"])
def test_the_end_of_a_study_waits_only_so_long(
    case: Case, server: Server, calm: Any, mode: Mode
):
    with line_to(server, slow_seconds=8) as line:
        line.choose = lambda number: mode
        lines, ended = [], None
        with case.start(line.uri) as process:
            assert process.stderr is not None
            for text in process.stderr:
                lines.append(text)
                if "complete: all 12 trials are done" in text:
                    ended = time.monotonic()
        assert ended is not None
        assert time.monotonic() - ended < DRAIN_SECONDS + 10
        assert process.returncode == 0
        said = "".join(lines)
        assert "Traceback" not in said
        assert "not sent to MLflow at http://127.0.0.1" in said
        line.choose = lambda number: "pass"
        case.sync_if_told(said, line.uri)
    case.check(calm)


# A server that asks for a name and a password

PASSWORD = "c4n4ry-p4ssw0rd"


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path
) -> Iterator[Server]:
    pytest.importorskip("flask_wtf", reason="MLflow asks for no password without it")
    folder = tmp_path_factory.mktemp("guarded")
    served = Server(
        folder,
        empty_mlflow,
        *("--app-name", "basic-auth"),
        env={
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test-only",
        },
    )
    served.start()
    yield served
    served.kill()


@pytest.mark.parametrize("how", ["in the address", "in the environment"])
def test_with_its_password_a_guarded_server_gets_all_and_nobody_else_sees_it(
    make_folder: MakeFolder, guarded: Server, calm: Any, how: str
):
    name = f"guarded-{how.split()[-1]}"
    folder = make_folder("study", STUDY.format(name=name))
    refused = folder.hpo("run", "study.yaml", "--tracking", guarded.uri).stderr
    assert "refuses the name and password; set MLFLOW_TRACKING_USERNAME" in refused
    uri, env = guarded.uri, {}
    if how == "in the address":
        uri = uri.replace("//", f"//admin:{PASSWORD}@")
    else:
        env = {
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
    done = folder.hpo("sync", name, "--tracking", uri, env=env)
    database = folder.path / "hpo.db"
    check_mirror(database, guarded.database_uri, name)
    assert folder.trial_table(name) == calm
    said = folder.hpo("run", "study.yaml", "--tracking", uri, env=env)
    assert "has it all" in said.stderr
    assert PASSWORD not in done.stdout + done.stderr + said.stdout + said.stderr
    for path in [*folder.path.rglob("*"), guarded.database]:
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_no_password_is_in_the_list_of_processes(make_folder: MakeFolder):
    folder = make_folder("study", STUDY.format(name="listed"))
    process = folder.start(
        "run", "study.yaml", "--tracking", "http://127.0.0.1:9", env={"X": "y"}
    )
    listed: set[str] = set()
    (typed,) = _command_lines([psutil.Process(process.pid)])
    while process.poll() is None:
        listed |= _command_lines(family_of(process))
        time.sleep(0.02)
    assert process.returncode == 0, process.communicate()
    assert any("hpo.tracking.child" in line for line in listed)
    assert any("spawn_main" in line for line in listed), "no worker was seen"
    # A process that was just forked still has the line of the one it comes from.
    assert not any("127.0.0.1:9" in line for line in listed - {typed})


def _command_lines(processes: Iterable[psutil.Process]) -> set[str]:
    """Return the command lines of those that have not ended meanwhile."""
    lines = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            lines.add(" ".join(process.cmdline()))
    return lines
