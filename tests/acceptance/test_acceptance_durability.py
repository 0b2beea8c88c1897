"""Nothing is lost and nothing changes: kills, interruptions and second runs."""

from __future__ import annotations

import random
import signal
import time

import psutil
import pytest
from command_folder import family_of

# precomputed makes the model raise: those trials fail.
STUDY = """
name: svc
data: {{source: sklearn.breast_cancer}}
model: slow:build
space:
  C: {{float: [0.01, 100], log: true, points: 5}}
  kernel: [rbf, linear, poly, precomputed]
  gamma: {{float: [1e-4, 1e-1], log: true, points: 2, when: {{kernel: rbf}}}}
  degree: {{int: [2, 4], when: {{kernel: poly}}}}
search:
  strategy: {strategy}
  trials: 60
  patience: {patience}
  max_failures: 6
  seed: 5
evaluation: {{folds: 5}}
"""
# A support vector machine whose folds take so long that kills find a study to kill.
SLOW = """
import time
from sklearn.svm import SVC

class SlowSVC(SVC):
    def fit(self, X, y):
        time.sleep(0.04)
        return super().fit(X, y)

def build(params, data):
    return SlowSVC(**params)
"""
# The first fold in training kills its worker; a kill from outside may hit an idle one.
MORTAL = f"""{SLOW}
import contextlib, os, pathlib, signal

class MortalSVC(SlowSVC):
    def fit(self, X, y):
        with contextlib.suppress(FileExistsError):
            pathlib.Path(__file__).with_name("killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)

def build(params, data):
    return MortalSVC(**params)
"""
# Folds of seconds, which cost the processor nothing.
SLEEPY_STUDY = """
name: sleepy
data: {source: sklearn.iris}
model: sleepy:build
space: {max_depth: {int: [1, 9]}}
search: {strategy: random, trials: 4}
"""
SLEEPY = """
import time
from sklearn.tree import DecisionTreeClassifier

class SleepyTree(DecisionTreeClassifier):
    def fit(self, X, y):
        time.sleep(SECONDS)
        return super().fit(X, y)

def build(params, data):
    return SleepyTree(**params)
"""
pytestmark = pytest.mark.slow


def slow(make_folder, label, strategy, *, patience="null", code=SLOW):
    """Make a folder with a study whose folds take a twentieth of a second each."""
    folder = make_folder(label, STUDY.format(strategy=strategy, patience=patience))
    folder.write("slow.py", code)
    return folder


def sleepy(make_folder, seconds):
    """Make a folder with a study whose folds take so many seconds each."""
    folder = make_folder("sleepy", SLEEPY_STUDY)
    folder.write("sleepy.py", f"SECONDS = {seconds}\n{SLEEPY}")
    return folder


def finish(process, code):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, (process.returncode, out, err)
    return out, err


@pytest.mark.parametrize(
    ("strategy", "patience"), [("grid", 25), ("random", 30), ("bayesian", 30)]
)
def test_ten_kills_and_other_numbers_of_workers_change_nothing(
    make_folder, strategy, patience
):
    def make(label):
        return slow(make_folder, label, strategy, patience=patience)

    tables = []
    for jobs in ("1", "2", "3"):
        calm = make(f"calm-{jobs}")
        calm.hpo("run", "study.yaml", "--jobs", jobs)
        tables.append(calm.trial_table("svc"))
    assert tables[0] == tables[1] == tables[2]
    assert {row["state"] for row in tables[0]} == {"complete", "failed"}
    killed = make("killed")
    dice = random.Random(strategy)
    n_kills = 0
    for attempt in range(40):
        stored = killed.n_folds_stored()
        process = killed.start("run", "study.yaml", "--jobs", str(attempt % 3 + 1))
        killed.wait_for_folds(process, stored + dice.randrange(8))
        if n_kills == 10:
            finish(process, 0)
            break
        time.sleep(dice.uniform(0, 0.02))
        # Stopped first: listing its workers takes longer than many folds do.
        process.send_signal(signal.SIGSTOP)
        workers = family_of(process)
        process.kill()
        process.communicate()
        n_kills += process.returncode == -signal.SIGKILL
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive, "workers outlived their coordinator by 5 seconds"
    assert n_kills == 10, "the study was over before the tenth kill"
    assert killed.trial_table("svc") == tables[0]
    assert killed.json("list")[0]["state"] == "complete"


def is_worker(process):
    """Tell a worker from the other processes that a command has started."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_a_killed_worker_costs_nothing_but_time(make_folder):
    calm, shot = (
        slow(make_folder, label, "random", code=MORTAL) for label in ("calm", "shot")
    )
    (calm.path / "killed").touch()
    calm.hpo("run", "study.yaml")
    process = shot.start("run", "study.yaml")
    for n_folds in (0, 20, 40, 60):
        shot.wait_for_folds(process, n_folds)
        workers = [w for w in family_of(process) if is_worker(w)]
        if workers:
            random.choice(workers).kill()
    _, said = finish(process, 0)
    assert (shot.path / "killed").exists()
    assert "warning: the worker was killed by SIGKILL (the system may be out" in said
    assert " in training; each is tried up to 3 times" in said
    assert shot.trial_table("svc") == calm.trial_table("svc")


def test_a_second_run_exits_3_and_names_the_holder(make_folder):
    folder = sleepy(make_folder, 2)
    first = folder.start("run", "study.yaml")
    folder.wait_for_folds(first, 0)
    second = folder.hpo("run", "study.yaml", code=3)
    assert f"process {first.pid}" in second.stderr
    assert folder.json("list")[0]["state"] == "running"
    assert f"process {first.pid}" in folder.json("list")[0]["owner"]
    first.kill()
    first.communicate()
    # The holder is gone: the next run need not wait for the lease to expire.
    assert folder.json("list")[0]["state"] == "interrupted"
    folder.hpo("run", "study.yaml", "--trials", "1")


def test_ctrl_c_stops_gracefully_and_the_next_run_goes_on(make_folder):
    calm, stopped = (
        slow(make_folder, label, "bayesian") for label in ("calm", "stopped")
    )
    calm.hpo("run", "study.yaml")
    process = stopped.start("run", "study.yaml")
    stopped.wait_for_folds(process, 10)
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 130)
    assert "run the same command again to go on" in err
    assert stopped.json("list")[0]["state"] == "interrupted"
    stopped.hpo("run", "study.yaml")
    assert stopped.trial_table("svc") == calm.trial_table("svc")


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_process(make_folder):
    folder = sleepy(make_folder, 10)
    process = folder.start("run", "study.yaml")
    folder.wait_for_folds(process, 0)
    workers = family_of(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    finish(process, 130)
    assert time.monotonic() - began < 5
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert folder.json("list")[0]["state"] == "interrupted"


def test_a_fold_that_takes_too_long_fails_its_trial(make_folder):
    folder = make_folder("slow", ENDLESS)
    folder.hpo("run", "study.yaml")
    failures = [row["failure"] for row in folder.json("trials", "endless")]
    assert failures == [None, "timeout"]


# The second forest would take minutes.
ENDLESS = """
name: endless
data: {source: sklearn.digits}
model: sklearn.ensemble.RandomForestClassifier
space: {n_estimators: [5, 50000]}
search: {strategy: grid}
evaluation: {fold_timeout: 2s, folds: 2}
"""


KERAS = """
name: svc
data: {source: sklearn.wine}
model: keras-mlp
space:
  units: [8, 16]
  optimizer: [adam, sgd]
  learning_rate: {float: [1e-3, 1e+30], log: true}   # the largest ones diverge
  dropout: {float: [0, 0.5]}
  epochs: 5
search: {strategy: bayesian, trials: 14, width: 4, max_failures: 99}
"""


@pytest.mark.keras
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_networks_come_out_the_same_after_kills(
    make_folder, backend, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ("run", "study.yaml", "--backend", backend, "--jobs")
    calm, killed = make_folder("calm", KERAS), make_folder("killed", KERAS)
    calm.hpo(*words, "2")
    for jobs in ("1", "2"):
        stored = killed.n_folds_stored()
        process = killed.start(*words, jobs)
        killed.wait_for_folds(process, stored)
        process.kill()
        process.communicate()
    killed.hpo(*words, "1")
    table = killed.trial_table("svc")
    assert table == calm.trial_table("svc")
    assert {"complete", "failed"} == {row["state"] for row in table}
    assert {row["failure"] for row in table} == {None, "nan"}
