"""Whether MLflow has exactly what the store has, found out without the product's help.

The store is read with plain SQL and MLflow by its own client. What should be there is
worked out here anew.
"""

from __future__ import annotations

import json
import math
import sqlite3
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

RunKey = tuple[str, int]
"""Kind and number of a trial; the study's own run is PARENT."""
PARENT: RunKey = ("study", 0)

TRIAL_STATUS = {
    "complete": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "running": "SCHEDULED",  # nobody runs it
}
STUDY_STATUS = {
    "queued": "SCHEDULED",
    "interrupted": "KILLED",
    "running": "KILLED",  # its owner was killed
    "complete": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Side:
    """All runs of a study, as one side has them.

    Args:
        metrics: Value by run, metric, step and timestamp.
        status: In MLflow's words, with start and end (milliseconds).
        params: By run and name.
        tags: Those that are compared.
    """

    metrics: dict[tuple[RunKey, str, int, int], float] = field(default_factory=dict)
    status: dict[RunKey, tuple[str, int, int | None]] = field(default_factory=dict)
    params: dict[RunKey, dict[str, str]] = field(default_factory=dict)
    tags: dict[RunKey, dict[str, str]] = field(default_factory=dict)


def check_mirror(database: Path, uri: str, study: str) -> Side:
    """Assert that both sides are equal; return what they have.

    Args:
        database: The store's SQLite file.
        uri: Of MLflow, which may need a name and password from the environment.
        study: Its name. Nobody may be running it.
    """
    expected = in_store(database, study)
    found = in_mlflow(database, uri, study)
    assert found.status == expected.status
    assert "RUNNING" not in {status for status, *_ in found.status.values()}
    assert set(found.metrics) - set(expected.metrics) == set()
    assert set(expected.metrics) - set(found.metrics) == set()
    for name, value in expected.metrics.items():
        # The order in which a mean is added up may change its last digits.
        assert found.metrics[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
    for run, params in expected.params.items():
        assert found.params[run] == params
    for run, tags in expected.tags.items():
        shown = {name: found.tags[run].get(name) for name in tags}
        assert shown == tags
    return found


# The store


def in_store(database: Path, name: str) -> Side:
    """Work out from the store's tables what MLflow should have."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        sql = "SELECT * FROM studies WHERE name = ?"
        study = connection.execute(sql, (name,)).fetchone()
        sql = "SELECT * FROM trials WHERE study_id = ? ORDER BY kind, number"
        trials = connection.execute(sql, (study["id"],)).fetchall()
        side = Side()
        for trial in trials:
            _trial_in_store(connection, side, study, trial)
        _study_in_store(side, study, [t for t in trials if t["kind"] == "search"])
        return side
    finally:
        connection.close()


def _trial_in_store(
    connection: sqlite3.Connection, side: Side, study: sqlite3.Row, trial: sqlite3.Row
) -> None:
    run = (trial["kind"], trial["number"])
    start, end = _ms(trial["created_at"]), _ms(trial["finished_at"])
    side.status[run] = (TRIAL_STATUS[trial["state"]], start, end)
    sql = "SELECT name, value FROM params WHERE trial_id = ?"
    params = connection.execute(sql, (trial["id"],)).fetchall()
    side.params[run] = {p["name"]: str(json.loads(p["value"])) for p in params}
    side.tags[run] = {
        "hpo.study": study["name"],
        "hpo.trial": str(trial["number"]),
        "hpo.kind": trial["kind"],
        "hpo.state": trial["state"],
        "hpo.beyond_stop": "true" if trial["beyond_stop"] else "false",
    }
    sql = "SELECT * FROM folds WHERE trial_id = ? ORDER BY fold"
    folds = connection.execute(sql, (trial["id"],)).fetchall()
    for expected, fold in enumerate(folds):
        if fold["fold"] != expected or fold["failure"] is not None:
            break
        step = (run, "fold_test_score", fold["fold"], _ms(fold["finished_at"]))
        side.metrics[step] = fold["score"]
    if trial["state"] != "complete":
        return
    assert end is not None
    values = {
        "mean_test_score": trial["score"],
        "std_test_score": trial["std"],
        "mean_train_score": trial["train_score"],
        "mean_fit_seconds": _mean(f["fit_seconds"] for f in folds),
        "mean_score_seconds": _mean(f["score_seconds"] for f in folds),
        "mean_epochs": _mean(f["n_epochs"] for f in folds),
        "n_parameters": max((f["n_parameters"] or 0 for f in folds), default=0) or None,
        **_further(connection, study, trial),
    }
    for metric, value in values.items():
        if value is not None and math.isfinite(value):
            side.metrics[run, metric, 0, end] = value
    curves: dict[tuple[str, int], list[float | None]] = defaultdict(list)
    for fold in folds:
        for metric, curve in json.loads(fold["curves"]).items():
            for epoch, value in enumerate(curve, start=1):
                curves[metric, epoch].append(value)
    for (metric, epoch), reached in curves.items():
        if (value := _mean(reached)) is not None:
            side.metrics[run, metric, epoch, end] = value


def _further(
    connection: sqlite3.Connection, study: sqlite3.Row, trial: sqlite3.Row
) -> dict[str, float | None]:
    sql = (
        "SELECT name, avg(value) AS test, avg(train_value) AS train FROM fold_metrics "
        "WHERE trial_id = ? AND name <> ? GROUP BY name"
    )
    values = {}
    for row in connection.execute(sql, (trial["id"], study["metric"])):
        values[f"mean_test_{row['name']}"] = row["test"]
        values[f"mean_train_{row['name']}"] = row["train"]
    return values


def _study_in_store(side: Side, study: sqlite3.Row, search: list[sqlite3.Row]) -> None:
    end = _ms(study["finished_at"])
    side.status[PARENT] = (STUDY_STATUS[study["state"]], _ms(study["created_at"]), end)
    state = "interrupted" if study["state"] == "running" else study["state"]
    counted = [t for t in search if t["finished_at"] and not t["beyond_stop"]]
    side.tags[PARENT] = {
        "hpo.study": study["name"],
        "hpo.state": state,
        "hpo.reason": study["reason"] or "not ended",
        "hpo.n_trials": str(len(counted)),
        "hpo.n_failed": str(sum(t["state"] == "failed" for t in counted)),
    }
    best = None
    for trial in search:
        if trial["finished_at"] is None or trial["beyond_stop"]:
            break
        if trial["score"] is not None and (best is None or trial["score"] > best):
            best = trial["score"]
            side.tags[PARENT] |= {
                "hpo.best_trial": str(trial["number"]),
                "hpo.best_score": repr(best),
            }
        if best is not None:
            at = _ms(trial["finished_at"])
            side.metrics[PARENT, "best_so_far", trial["number"], at] = best


def _ms(instant: str | None) -> Any:
    if instant is None:
        return None
    aware = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return statistics.fmean(known) if known else None


# MLflow


def mlflow_client(uri: str) -> MlflowClient:
    """Open MLflow anew: its file may be another one since the last time."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking._tracking_service import utils

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()
    utils._tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    return MlflowClient(tracking_uri=uri)


def in_mlflow(database: Path, uri: str, study: str) -> Side:
    """Read the study from MLflow; no run may be there twice, or without its parent."""
    client = mlflow_client(uri)
    runs = study_runs(database, client, study)
    counts = Counter(runs.values())
    assert [key for key, count in counts.items() if count > 1] == [], "doubled runs"
    side = Side()
    for run_id, key in runs.items():
        run = client.get_run(run_id)
        info = run.info
        side.status[key] = (info.status, info.start_time, info.end_time)
        side.params[key] = dict(run.data.params)
        side.tags[key] = dict(run.data.tags)
        for metric in run.data.metrics:
            for point in client.get_metric_history(run_id, metric):
                assert math.isfinite(point.value)
                place = (key, metric, point.step, point.timestamp)
                assert place not in side.metrics, f"{place} is there twice"
                side.metrics[place] = point.value
    return side


def study_runs(database: Path, client: MlflowClient, study: str) -> dict[str, RunKey]:
    """Return the study's runs that are not deleted, by id."""
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None, f"no experiment {study!r}"
    assert experiment.lifecycle_stage == "active"
    runs = all_runs(client, experiment.experiment_id)
    created = _created(database, study)
    parents = {r.info.run_id: r for r in runs if not _parent(r)}
    mine = [i for i, r in parents.items() if r.data.tags["hpo.created_at"] == created]
    assert len(mine) == 1, f"{len(mine)} runs of the study itself"
    found: dict[str, RunKey] = {mine[0]: PARENT}
    for run in runs:
        parent = _parent(run)
        assert not parent or parent in parents, "a trial's run without its parent"
        if parent == mine[0]:
            tags = run.data.tags
            found[run.info.run_id] = (tags["hpo.kind"], int(tags["hpo.trial"]))
    return found


def all_runs(client: MlflowClient, experiment_id: str) -> list[Run]:
    """Return every run of an experiment that is not deleted."""
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], run_view_type=ViewType.ACTIVE_ONLY, page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs


def _parent(run: Run) -> str:
    return str(run.data.tags.get("mlflow.parentRunId", ""))


def _created(database: Path, study: str) -> str:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        sql = "SELECT created_at FROM studies WHERE name = ?"
        (created,) = connection.execute(sql, (study,)).fetchone()
    finally:
        connection.close()
    return datetime.fromisoformat(created).replace(tzinfo=UTC).isoformat()
