"""A process that sends may die between any two steps: afterwards MLflow has it all."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_folder import Folder
from mirror_check import check_mirror, mlflow_client
from mirror_samples import Filled, failed, good, make_study

from hpo import crash_points
from hpo.store import Store
from hpo.tracking import masked
from hpo.tracking.client import Client
from hpo.tracking.sender import Sender

CALLS = (
    *("open", "get_experiment", "create_experiment", "search_runs", "create_run"),
    *("log_batch", "log_inputs", "log_artifact", "set_status"),
    *("set_terminated", "delete_run", "note"),
)
DIED = 137
MakeFolder = Callable[[str, str], Folder]


# Every step of a sender


@pytest.fixture(autouse=True)
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second each time, and is no step of its own."""
    name = "hpo.report.progress_page.progress_page"
    monkeypatch.setattr(name, lambda study, trials: "<html></html>")


def live(url: str, uri: str) -> None:
    """Run a study by hand and send it, from wherever the last process came to."""
    store = Store(url)
    study = Filled(store, make_study())
    if 9 in {trial.number for trial in store.trials("iris")}:
        study.drop(9)
    sender = Sender(store, "iris", Client(uri), store.mirror("iris", masked(uri)))
    for number in range(4):
        _train(store, study, sender, number)
        sender.send(state="running", everything=number == 1)
    study.start(9)
    sender.send(state="running", everything=True)
    study.drop(9)
    study.end()
    left = sender.send(state="complete", everything=True)
    assert left.n_trials == 0


def _train(store: Store, study: Filled, sender: Sender, number: int) -> None:
    """Bring in the folds that are missing; trial 2 fails."""
    there = {trial.number: trial for trial in store.trials("iris")}
    if number not in there:
        study.start(number)
    elif there[number].finished:
        return
    known = {fold.fold for fold in there[number].folds} if number in there else set()
    bad = {1} if number == 2 else set()
    for fold in sorted({0, 1} - known if bad else {0, 1, 2} - known):
        study.add(number, [failed(fold) if fold in bad else good(number, fold)])
        if fold == 0:
            sender.send(state="running", everything=number == 3)


def in_process(work: Callable[[], None], crash_at: str) -> int:
    """Do something in a process of its own that may die; return its exit status.

    A copy of this one, which has imported all it needs.
    """
    sys.stdout.flush()
    process_id = os.fork()
    if process_id == 0:
        os.environ["HPO_CRASH_AT"] = crash_at
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


@pytest.fixture
def again(tmp_path: Path, uri: str, database: Path) -> Callable[[str], int]:
    """Return what lets a process live until it dies at a point, or to the end."""
    mlflow_client(uri)

    def again(crash_at: str) -> int:
        return in_process(lambda: live(f"sqlite:///{database}", uri), crash_at)

    return again


@pytest.fixture(scope="module")
def passed(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path
) -> Counter[str]:
    """How often an undisturbed process passes each point."""
    folder = tmp_path_factory.mktemp("passed")
    database, told = folder / "hpo.db", folder / "passed.json"
    uri = f"sqlite:///{shutil.copy(empty_mlflow, folder)}"

    def work() -> None:
        os.chdir(folder)
        live(f"sqlite:///{database}", uri)
        told.write_text(json.dumps(crash_points._passed))

    mlflow_client(uri)
    assert in_process(work, "nowhere") == 0
    check_mirror(database, uri, "iris")
    return Counter(json.loads(told.read_text()))


def test_every_point_is_tested(passed: Counter[str]):
    assert {place.split(":")[0] for place in passed} == {
        f"tracking.{call}" for call in CALLS
    }


@pytest.mark.slow
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_dying_at_any_step_loses_and_doubles_nothing(
    call: str,
    side: str,
    passed: Counter[str],
    again: Callable[[str], int],
    uri: str,
    database: Path,
    empty_mlflow: Path,
):
    place = f"tracking.{call}:{side}"
    n_times = passed[place]
    # The last ones may come a time less or more: some things are sent now and then.
    for nth in sorted({1, 2, n_times // 2} & set(range(1, n_times + 1))):
        database.unlink(missing_ok=True)
        Path(uri.removeprefix("sqlite:///")).write_bytes(empty_mlflow.read_bytes())
        mlflow_client(uri)
        assert again(f"{place}:{nth}") == DIED
        # And once more, wherever it comes to this time.
        assert again(f"{place}:{nth}") in (DIED, 0)
        assert again("nowhere") == 0
        check_mirror(database, uri, "iris")


# The commands

STUDY = """
name: small
data: {source: sklearn.iris}
model: sklearn.tree.DecisionTreeClassifier
space:
  max_depth: {int: [1, 3]}
  min_samples_leaf: [1, 2, 5]
search: {strategy: random, trials: 5, seed: 3, width: 2}
evaluation: {folds: 2}
"""
TRACKING = ("--tracking", "sqlite:///mlflow.db")
RUN = ("run", "study.yaml", "--jobs", "1")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The trials of a run that sends nothing."""
    folder = Folder(tmp_path_factory.mktemp("calm"))
    folder.write("study.yaml", STUDY)
    folder.hpo(*RUN)
    return folder.trial_table("small")


def crash(folder: Folder, point: str, *words: str) -> bool:
    """Run a command that dies at this point; tell whether it came there in time."""
    process = folder.start(*words, env={"HPO_CRASH_AT": f"tracking.{point}"})
    out, err = process.communicate(timeout=120)
    if process.returncode == 0 and words[0] == "run":
        # Its end does not wait for ever for MLflow.
        assert "not sent to MLflow" in err, (out, err)
        return False
    assert process.returncode in (-9, DIED), (process.returncode, out, err)
    return True


def check(folder: Folder, calm: Any) -> None:
    uri = f"sqlite:///{folder.path / 'mlflow.db'}"
    check_mirror(folder.path / "hpo.db", uri, "small")
    assert folder.trial_table("small") == calm


@pytest.mark.slow
@pytest.mark.parametrize("point", ["create_run:after:3", "set_terminated:before:2"])
def test_a_run_that_dies_while_it_sends_is_gone_on_with(
    make_folder: MakeFolder, calm: Any, point: str
):
    folder = make_folder("crashed", STUDY)
    crash(folder, point, *RUN, *TRACKING)
    done = folder.hpo(*RUN, *TRACKING)
    if "hpo sync" in done.stderr:
        folder.hpo("sync", "small", *TRACKING)
    check(folder, calm)


@pytest.mark.slow
def test_a_sync_that_dies_again_and_again_loses_and_doubles_nothing(
    make_folder: MakeFolder, calm: Any
):
    folder = make_folder("crashed", STUDY)
    folder.hpo(*RUN)
    for point in ("create_run:after:1", "log_batch:after:2", "log_artifact:before:2"):
        assert crash(folder, point, "sync", *TRACKING)
    folder.hpo("sync", *TRACKING)
    check(folder, calm)
    folder.hpo(*RUN, *TRACKING)
    check(folder, calm)
