"""Sending a study to a real MLflow: all of it, once, whatever happened before."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mirror_check import (
    PARENT,
    all_runs,
    check_mirror,
    in_mlflow,
    mlflow_client,
    study_runs,
)
from mirror_samples import Filled, good, make_study
from mlflow import MlflowClient

from hpo.errors import MirrorTakenError, TrackingError
from hpo.records import TrialKind
from hpo.store import MANUAL, Store
from hpo.tracking import masked
from hpo.tracking.client import Client, RefusedError
from hpo.tracking.content import Point
from hpo.tracking.sender import Left, Sender

ALL = Left(0)


def make_sender(
    store: Store, uri: str, name: str = "iris", *, thorough: bool = False
) -> Sender:
    """Open everything anew, as another process would."""
    mlflow_client(uri)
    client = Client(uri)
    mirror = store.mirror(name, masked(uri))
    return Sender(store, name, client, mirror, thorough=thorough)


def send(store: Store, uri: str, name: str = "iris", *, thorough: bool = False) -> Left:
    """Send all that is missing, after the end of the study's owner."""
    sender = make_sender(store, uri, name, thorough=thorough)
    return sender.send(state=store.summary(name).state, everything=True)


def run_ids(database: Path, uri: str, name: str = "iris") -> dict[Any, str]:
    found = study_runs(database, mlflow_client(uri), name)
    return {key: run_id for run_id, key in found.items()}


def rows_of(mlflow_file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that MLflow holds in its tables, but when it last changed them."""
    tables = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags")
    connection = sqlite3.connect(mlflow_file)
    try:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
            for table in (*tables, "datasets", "inputs")
        }
    finally:
        connection.close()


@pytest.fixture
def ended(iris: Filled) -> Filled:
    """A study that has ended, with trials of every kind in it."""
    iris.complete(0, 1, 2)
    iris.fail(3)
    iris.complete(4, 5)
    iris.mark_beyond(t5=True)
    iris.end()
    iris.take(MANUAL)
    iris.complete(0, units=3)
    iris.leave()
    return iris


# What is sent


def test_a_study_is_in_mlflow_as_it_is_in_the_store(
    ended: Filled, store: Store, uri: str, database: Path
):
    assert send(store, uri) == ALL
    found = check_mirror(database, uri, "iris")
    assert {key: status for key, (status, *_) in found.status.items()} == {
        PARENT: "FINISHED",
        **{("search", number): "FINISHED" for number in (0, 1, 2, 4, 5)},
        ("search", 3): "FAILED",
        ("manual", 0): "FINISHED",
    }


def test_runs_and_metrics_have_the_names_that_are_promised(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    client = mlflow_client(uri)
    ids = run_ids(database, uri)
    trial = client.get_run(ids["search", 0])
    promised = {
        *("mean_test_score", "std_test_score", "fold_test_score", "mean_train_score"),
    }
    assert promised <= set(trial.data.metrics)
    assert trial.info.run_name == "trial 0"
    assert trial.data.tags["mlflow.parentRunId"] == ids[PARENT]
    assert trial.data.tags["hpo.study"] == "iris"
    assert trial.data.tags["hpo.trial"] == "0"
    assert trial.data.tags["hpo.state"] == "complete"
    folds = client.get_metric_history(ids["search", 0], "fold_test_score")
    assert [point.step for point in folds] == [0, 1, 2]
    best = client.get_metric_history(ids[PARENT], "best_so_far")
    # Trial 5 is beyond the stop; the others are there, also the failed one.
    assert sorted(point.step for point in best) == [0, 1, 2, 3, 4]
    assert client.get_run(ids["manual", 0]).info.run_name == "try 0"


def test_the_studys_own_run_has_the_data_and_the_artifacts(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    client = mlflow_client(uri)
    ids = run_ids(database, uri)
    (data,) = client.get_run(ids[PARENT]).inputs.dataset_inputs
    assert data.dataset.name == "sklearn.iris"
    assert data.dataset.digest == "sha256:0123456789abcdef0123456789abc"
    folder = Path(client.download_artifacts(ids[PARENT], ""))
    assert sorted(path.name for path in folder.iterdir()) == [
        *("best.json", "figures.html", "report.html", "study.yaml", "trials.csv"),
    ]
    assert (folder / "study.yaml").read_text() == store.study("iris").text
    # Trial 3 has the most of 0, 7, 3 (14 - 11), 10 and 6 (28 - 22), and failed.
    assert json.loads((folder / "best.json").read_text())["number"] == 1
    header, *lines = (folder / "trials.csv").read_text().splitlines()
    assert header.startswith("number,state,")
    assert [line.split(",")[:2] for line in lines] == [
        *(["0", "complete"], ["1", "complete"], ["2", "complete"]),
        *(["3", "failed"], ["4", "complete"]),
    ]
    assert "<html" in (folder / "figures.html").read_text()
    assert "it has the best mean score" in (folder / "report.html").read_text()
    bad = Path(client.download_artifacts(ids["search", 3], "traceback.txt"))
    assert bad.read_text() == "Traceback: boom"


@pytest.mark.parametrize(
    "name", ["it's", 'say "hi"', "a\\b", "größe 🦊", "x" * 700, "a/../b", "100%_", "`"]
)
def test_a_study_of_any_name_finds_its_run_again(
    store: Store, uri: str, database: Path, name: str
):
    study = Filled(store, make_study(name))
    study.complete(0)
    study.end()
    send(store, uri, name)
    # As if the store had never heard of it.
    make_sender(store, uri, name)._mirror.forget()
    before = _n_runs(uri)
    assert send(store, uri, name) == ALL
    assert _n_runs(uri) == before == 2


def _n_runs(uri: str) -> int:
    client = mlflow_client(uri)
    return sum(
        len(all_runs(client, e.experiment_id)) for e in client.search_experiments()
    )


# Again, and after changes


def test_sending_twice_changes_nothing(
    ended: Filled, store: Store, uri: str, mlflow_file: Path
):
    send(store, uri)
    before = rows_of(mlflow_file)
    assert send(store, uri) == ALL
    assert send(store, uri, thorough=True) == ALL
    assert rows_of(mlflow_file) == before


def test_sending_all_of_it_again_changes_nothing(
    ended: Filled, store: Store, uri: str, mlflow_file: Path, database: Path
):
    send(store, uri)
    before = rows_of(mlflow_file)
    make_sender(store, uri)._mirror.forget()
    assert send(store, uri) == ALL
    assert rows_of(mlflow_file) == before
    check_mirror(database, uri, "iris")


def test_a_study_is_followed_from_its_beginning_to_its_end(
    iris: Filled, store: Store, uri: str, database: Path
):
    sender = make_sender(store, uri)
    assert sender.send(state="running") == ALL
    iris.start(0, 1)
    iris.add(0, [good(0, 0)])
    iris.add(1, [good(1, 1)])
    assert sender.send(state="running", everything=True) == ALL
    found = in_mlflow(database, uri, "iris")
    assert {status for status, *_ in found.status.values()} == {"RUNNING"}
    # Fold 1 of trial 1 waits for the one below it.
    assert {(run, step) for run, name, step, _ in found.metrics} == {(("search", 0), 0)}
    iris.add(0, [good(0, 1), good(0, 2)])
    assert sender.send(state="running") == ALL
    found = in_mlflow(database, uri, "iris")
    assert found.status["search", 0][0] == "FINISHED"
    iris.add(1, [good(1, 0), good(1, 2)])
    iris.fail(2)
    iris.end()
    assert sender.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")


def test_a_study_goes_on_in_the_same_runs_after_an_interruption(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.complete(0)
    iris.start(1, 2)
    iris.add(1, [good(1, 0)])
    iris.end("interrupted", "")
    send(store, uri)
    found = check_mirror(database, uri, "iris")
    assert found.status[PARENT][0] == "KILLED"
    assert found.status["search", 1][0] == "SCHEDULED"
    before = run_ids(database, uri)
    iris.take()
    sender = make_sender(store, uri)
    sender.send(state="running", everything=True)
    going = in_mlflow(database, uri, "iris").status
    assert going[PARENT][0] == going["search", 1][0] == "RUNNING"
    iris.add(1, [good(1, 1), good(1, 2)])
    iris.add(2, [good(2, 0), good(2, 1), good(2, 2)])
    iris.end()
    assert sender.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")
    assert run_ids(database, uri) == before


def test_a_killed_study_is_shown_as_killed(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.start(0)
    iris.leave()
    assert store.study("iris").state == "running"
    assert send(store, uri) == ALL
    assert check_mirror(database, uri, "iris").status[PARENT][0] == "KILLED"


def test_runs_of_dropped_trials_go(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.complete(0)
    iris.start(1, 2)
    sender = make_sender(store, uri)
    sender.send(state="running")
    assert set(run_ids(database, uri)) == {PARENT, *(("search", n) for n in range(3))}
    iris.drop(1, 2)
    iris.end()
    assert sender.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")
    assert set(run_ids(database, uri)) == {PARENT, ("search", 0)}


def test_a_trial_that_counts_again_is_no_longer_said_to_be_beyond_the_stop(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    ended.take()
    ended.mark_beyond(t5=False)
    ended.complete(6)
    ended.end()
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")


def test_a_trial_that_no_longer_counts_is_not_the_best(
    ended: Filled, store: Store, uri: str, database: Path
):
    """A smaller patience in the edited file ends the study at an earlier trial."""
    send(store, uri)
    ended.take()
    ended.mark_beyond(t1=True, t2=True, t3=True, t4=True, t5=True)
    ended.end()
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")


def test_a_second_study_of_the_same_name_gets_runs_of_its_own(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    first = run_ids(database, uri)
    store.delete("iris")
    again = Filled(store, make_study(seed=8))
    again.complete(0)
    again.end()
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")
    assert set(run_ids(database, uri).values()).isdisjoint(first.values())


# What happens to MLflow


def test_a_wiped_mlflow_is_filled_again(
    ended: Filled, store: Store, uri: str, database: Path, empty_mlflow: Path
):
    send(store, uri)
    shutil.copy(empty_mlflow, database.with_name("mlflow.db"))
    shutil.rmtree("mlruns")
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")
    ids = run_ids(database, uri)
    assert len(mlflow_client(uri).list_artifacts(ids[PARENT])) == 5


def test_an_mlflow_wiped_while_the_study_runs_is_filled_again(
    iris: Filled, store: Store, uri: str, database: Path, empty_mlflow: Path
):
    iris.complete(0)
    sender = make_sender(store, uri)
    sender.send(state="running")
    connection = sqlite3.connect(database.with_name("mlflow.db"))
    with connection, sqlite3.connect(empty_mlflow) as empty:
        empty.backup(connection)
    connection.close()
    iris.complete(1)
    iris.end()
    for _ in range(2):
        try:
            left = sender.send(state="complete", everything=True)
        except TrackingError:
            continue
    assert left == ALL
    check_mirror(database, uri, "iris")


@pytest.mark.parametrize("gone", [("search", 0), ("search", 3), ("manual", 0), PARENT])
def test_a_run_that_somebody_deleted_comes_back(
    ended: Filled, store: Store, uri: str, database: Path, gone: tuple[TrialKind, int]
):
    send(store, uri)
    mlflow_client(uri).delete_run(run_ids(database, uri)[gone])
    assert send(store, uri, thorough=True) == ALL
    check_mirror(database, uri, "iris")


def test_a_deleted_experiment_is_restored(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    client = mlflow_client(uri)
    experiment = client.get_experiment_by_name("iris")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert send(store, uri, thorough=True) == ALL
    check_mirror(database, uri, "iris")


def test_doubled_runs_are_removed(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    client = mlflow_client(uri)
    ids = run_ids(database, uri)
    for key in (("search", 0), ("search", 0), ("manual", 0), PARENT):
        run = client.get_run(ids[key])
        client.create_run(run.info.experiment_id, tags=dict(run.data.tags))
    assert send(store, uri, thorough=True) == ALL
    check_mirror(database, uri, "iris")
    assert run_ids(database, uri) == ids


# Two that send


def test_the_older_of_two_senders_stops(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.complete(0)
    older = make_sender(store, uri)
    older.send(state="running")
    newer = make_sender(store, uri)
    iris.complete(1)
    with pytest.raises(MirrorTakenError, match="another process has begun to send"):
        older.send(state="running", everything=True)
    iris.end()
    assert newer.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")


def test_what_an_older_sender_still_made_is_removed(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.complete(0)
    older = make_sender(store, uri)
    older.send(state="running")
    iris.complete(1)
    newer = make_sender(store, uri)
    newer.send(state="running")
    with pytest.raises(MirrorTakenError):
        older.send(state="running")
    assert _n_runs(uri) == 4, "the older one did not make the run a second time"
    iris.end()
    assert newer.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")


# What MLflow refuses


class Refusing(Client):
    """An MLflow that takes some things and refuses others."""

    def __init__(self, uri: str, *, params: str = "", files: str = "") -> None:
        super().__init__(uri)
        self._params, self._files = params, files

    def log(
        self,
        run_id: str,
        *,
        points: Any = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if self._params in (params or {}).values():
            raise RefusedError(f"will not have {self._params}")
        super().log(run_id, points=points, params=params, tags=tags)


def test_a_refused_trial_is_told_and_keeps_no_other_back(
    iris: Filled, store: Store, uri: str, database: Path
):
    iris.complete(0, 1, 2)
    iris.end()
    mirror = store.mirror("iris", masked(uri))
    sender = Sender(store, "iris", Refusing(uri, params="2"), mirror)
    left = sender.send(state="complete", everything=True)
    assert left == Left(1, "trial 1: will not have 2")
    found = in_mlflow(database, uri, "iris")
    assert found.status["search", 1][0] == "FINISHED"
    assert {run for run, name, *_ in found.metrics if name == "mean_test_score"} == {
        *(("search", 0), ("search", 2)),
    }
    # Another MLflow version takes it.
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")


def test_metrics_arrive_also_where_artifacts_cannot_be_written(
    ended: Filled, store: Store, uri: str, database: Path, tmp_path: Path
):
    # A file where the folder should be: refused also to an administrator.
    (tmp_path / "mlruns").write_text("")
    left = send(store, uri)
    assert left.n_trials == 1
    assert "trial 3: MLflow at sqlite:///" in left.refused
    assert "(while writing traceback.txt)" in left.refused
    check_mirror(database, uri, "iris")
    again = send(store, uri)
    assert again == left
    check_mirror(database, uri, "iris")
    (tmp_path / "mlruns").unlink()
    assert send(store, uri) == ALL
    check_mirror(database, uri, "iris")
    ids = run_ids(database, uri)
    assert len(mlflow_client(uri).list_artifacts(ids[PARENT])) == 5
    assert len(mlflow_client(uri).list_artifacts(ids["search", 3])) == 1


def test_what_an_outage_kept_back_is_sent_at_the_end(
    iris: Filled, store: Store, uri: str, database: Path, tmp_path: Path
):
    (tmp_path / "mlruns").write_text("")
    sender = make_sender(store, uri)
    iris.fail(0)
    assert sender.send(state="running").n_trials == 1
    (tmp_path / "mlruns").unlink()
    iris.end()
    assert sender.send(state="complete", everything=True) == ALL
    check_mirror(database, uri, "iris")


def test_names_and_values_that_mlflow_would_refuse_arrive(
    iris: Filled, store: Store, uri: str, database: Path
):
    awkward = {"units[0]": 1, "../x": 2, "": 3, "é" * 300: 4, "long": "x" * 7000}
    iris.complete(0, **awkward)
    iris.start(1, **{f"units_{i}": i for i in range(450)})
    metrics = {"a:b": 0.5, "../y": 0.5}
    curves = {"loss": [1.0] * 2500}
    iris.add(1, [good(1, f, metrics=metrics, curves=curves) for f in range(3)])
    iris.end()
    assert send(store, uri) == ALL
    ids = run_ids(database, uri)
    client = mlflow_client(uri)
    assert len(client.get_run(ids["search", 0]).data.params) == 2 + len(awkward)
    kept = Path(client.download_artifacts(ids["search", 0], "params.json"))
    assert awkward.items() <= json.loads(kept.read_text()).items()
    assert len(client.get_run(ids["search", 1]).data.params) == 452
    assert len(client.get_metric_history(ids["search", 1], "loss")) == 2500


# Secrets


def test_no_password_reaches_mlflow_or_the_store(
    store: Store, uri: str, database: Path, tmp_path: Path
):
    canary = "c4n4ry"
    address = f"postgresql://me:{canary}@db/x?password={canary}"
    text = f"name: iris\ndata: {{source: '{address}'}}\n"
    document = {**make_study().document, "data": {"source": address}}
    study = Filled(store, make_study(document=document, text=text))
    study.complete(0, source=address)
    study.fail(1, f"OperationalError: cannot reach {address}")
    study.end(reason=f"cannot reach {address}")
    destination = masked(f"http://me:{canary}@mlflow:5000")
    sender = Sender(store, "iris", Client(uri), store.mirror("iris", destination))
    assert sender.send(state="complete", everything=True) == ALL
    for path in [tmp_path / "mlflow.db", *(tmp_path / "mlruns").rglob("*")]:
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
    connection = sqlite3.connect(database)
    try:
        for table in ("mirrors", "mirrored_trials"):
            assert canary not in repr(
                list(connection.execute(f"SELECT * FROM {table}"))
            )
    finally:
        connection.close()


def test_what_fails_is_told_without_the_password():
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    client = Client("http://me:c4n4ry@127.0.0.1:9", call_seconds=2)
    with pytest.raises(TrackingError) as caught:
        client.experiment("iris")
    assert str(caught.value) == (
        "MLflow at http://***@127.0.0.1:9: cannot be reached (connection refused)"
    )


def test_a_value_that_is_sent_twice_is_kept_once(
    ended: Filled, store: Store, uri: str, database: Path
):
    send(store, uri)
    client: MlflowClient = mlflow_client(uri)
    run_id = run_ids(database, uri)["search", 0]
    (point,) = client.get_metric_history(run_id, "mean_test_score")
    again = Point("mean_test_score", point.value, point.step, point.timestamp)
    Client(uri).log(run_id, points=[again, again])
    check_mirror(database, uri, "iris")
