"""Workers that start before their study is ready."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from hpo.errors import DataError, SpecError
from hpo.spec import parse_study
from hpo.store import Store
from hpo.study import StudyRun, local_engine, prepare, started_early
from hpo.study.workers import n_workers

BUILDER = """
import os, pathlib
pathlib.Path({folder!r}, str(os.getpid())).touch()

def build(params, data):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(C=params["C"], max_iter=20)
"""


def spec(folder: Path, **changes):
    document = {
        "name": "early",
        "data": {"source": "sklearn.iris"},
        "model": "early_net:build",
        "space": {"C": {"float": [0.1, 1.0]}},
        "search": {"strategy": "random", "trials": 3},
        "evaluation": {"folds": 2},
        "engine": {"jobs": 2},
    }
    return parse_study(document | changes, folder=folder)


@pytest.fixture
def seen(tmp_path):
    """The folder in which each process that imports the builder leaves its number."""
    folder = tmp_path / "seen"
    folder.mkdir()
    (tmp_path / "early_net.py").write_text(BUILDER.format(folder=str(folder)))
    return folder


def workers():
    return [p for p in multiprocessing.active_children() if "Loky" not in p.name]


def test_a_study_is_trained_by_the_workers_that_were_started_for_it(tmp_path, seen):
    store = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    with started_early(spec(tmp_path)) as equipped:
        prepared = prepare(spec(tmp_path))
        run = StudyRun(prepared, store, make_engine=lambda: equipped(prepared))
        assert run.execute().state == "complete"
    assert len([*seen.iterdir()]) == 2
    early = [trial.score for trial in store.trials("early")]
    other = Store(f"sqlite:///{tmp_path / 'other.db'}")
    StudyRun(prepared, other, make_engine=lambda: local_engine(prepared)).execute()
    assert [trial.score for trial in other.trials("early")] == early
    assert workers() == []


def test_workers_of_a_study_that_cannot_be_read_end(tmp_path, seen):
    wrong = spec(tmp_path, data={"source": "nowhere.csv", "target": "y"})
    with pytest.raises(DataError, match=r"nowhere\.csv"), started_early(wrong):
        prepare(wrong)
    assert workers() == []


@pytest.mark.parametrize("failing", ["RuntimeError", "SystemExit"])
def test_what_fails_ahead_is_told_when_the_study_is_run(tmp_path, seen, failing):
    (tmp_path / "early_net.py").write_text(f"raise {failing}('no such luck')")
    store = Store(f"sqlite:///{tmp_path / 'hpo.db'}")
    with started_early(spec(tmp_path)) as equipped:
        prepared = prepare(spec(tmp_path))
        run = StudyRun(prepared, store, make_engine=lambda: equipped(prepared))
        with pytest.raises(SpecError, match="early_net cannot be imported"):
            run.execute()
    assert workers() == []


def test_there_is_a_worker_for_each_core_that_may_be_used(tmp_path, seen, monkeypatch):
    cores = {0, 1, 2, 3, 4}
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: cores, raising=False)
    assert n_workers(spec(tmp_path, engine={})) == 5
    assert n_workers(spec(tmp_path, engine={"threads": 2})) == 2
    assert n_workers(spec(tmp_path, engine={"threads": 8})) == 1
    assert n_workers(spec(tmp_path, engine={"jobs": 3})) == 3
