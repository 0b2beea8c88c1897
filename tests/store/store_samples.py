"""Studies, folds and trials to store, and how what comes back is compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from hpo.records import (
    FoldResult,
    StudyRecord,
    StudyRows,
    TestLook,
    Trial,
    judge,
)
from hpo.store import Changes, Mark, Store, StudyWriter, TrialKind

N_FOLDS = 3
RELEASED_MARKS: dict[tuple[TrialKind, int], Mark] = {
    ("search", 0): Mark("r1", "complete"),
    ("manual", 0): Mark("r2", "failed"),
}
CREATED = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)


def make_study(name: str = "digits", **values: Any) -> StudyRecord:
    study = StudyRecord(
        name=name,
        state="queued",
        document={"name": name, "space": {"units": {"int": [1, 9]}, "act": "relu"}},
        text=f"name: {name}\n",
        folder="/home/someone/studies",
        fingerprint="sha256:0123",
        family="keras-mlp",
        strategy="random",
        metric="accuracy",
        task="classification",
        n_folds=N_FOLDS,
        seed=7,
        engine="local",
        backend="tensorflow",
        created_at=CREATED,
    )
    return dataclasses.replace(study, **values)


def make_fold(fold: int, score: float = 0.5, **values: Any) -> FoldResult:
    return FoldResult(fold, score=score, train_score=score + 0.1, **values)


def failed_fold(fold: int, error: str = "Traceback ...") -> FoldResult:
    return FoldResult(fold, failure="error", error=error)


def score_of(number: int, fold: int) -> float:
    """A score with a long fraction, to be found again to the last bit."""
    return (number * 0.1 + fold * 0.01) * 3 / 7


def full_folds(number: int) -> list[FoldResult]:
    return [make_fold(fold, score_of(number, fold)) for fold in range(N_FOLDS)]


def judged(number: int, params: dict[str, Any], folds: Sequence[FoldResult]) -> Trial:
    return judge(Trial(number, params), {fold.fold: fold for fold in folds}, N_FOLDS)


def write_trial(writer: StudyWriter, number: int, folds: Sequence[FoldResult]) -> Trial:
    """Start a trial with these folds, finish it if they finish it; return it."""
    params = {"number": number}
    trial = judged(number, params, folds)
    writer.commit(
        Changes(
            started=[Trial(number, params)],
            folds=[(number, fold) for fold in folds],
            finished=[trial] if trial.finished else [],
        )
    )
    return trial


def assert_same_trials(got: Sequence[Trial], expected: Sequence[Trial]) -> None:
    """Compare field by field; also the types of params, and arrays bit for bit."""
    assert [trial.number for trial in got] == [trial.number for trial in expected]
    for one, other in zip(got, expected, strict=True):
        assert list(map(repr, one.params.items())) == list(
            map(repr, other.params.items())
        )
        assert len(one.folds) == len(other.folds)
        for fold, wanted in zip(one.folds, other.folds, strict=True):
            assert_same_fold(fold, wanted)
        assert repr(_bare(one)) == repr(_bare(other))


def _bare(trial: Trial) -> Trial:
    """Leave out what is compared elsewhere, and times, which are no part of a trial."""
    return dataclasses.replace(
        trial, folds=(), params={}, created_at=None, finished_at=None
    )


def assert_same_fold(got: FoldResult, expected: FoldResult) -> None:
    assert_same_array(got.predictions, expected.predictions)
    assert dataclasses.replace(got, predictions=None) == dataclasses.replace(
        expected, predictions=None
    )


def assert_same_array(got: Any, expected: Any) -> None:
    if expected is None:
        assert got is None
        return
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == np.asarray(expected).tobytes()


def rows(url: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run plain SQL over a connection of its own; commit it."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table but the leases."""
    engine = sa.create_engine(url)
    try:
        names = sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()
    return {
        name: sorted(rows(url, f'SELECT * FROM "{name}"'), key=repr)
        for name in sorted(names)
        if name != "leases"
    }


def study_rows() -> StudyRows:
    """Seven rows of three classes, one of them called by a number, in three folds."""
    positions = np.arange(7)
    return StudyRows(
        y=np.array([0, 1, 2, 0, 1, 2, 1]),
        classes=("rain", 3, True),
        targets=("weather",),
        folds=tuple(
            (positions[positions % N_FOLDS != fold], positions[fold::N_FOLDS])
            for fold in range(N_FOLDS)
        ),
        n_test=2,
        code="0123",
        groups=np.array([4, 4, 0, 0, 9, 9, 9]),
    )


def a_look(number: int = 0, **values: Any) -> TestLook:
    probabilities = np.array([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    look = TestLook(
        kind="search",
        number=number,
        score=0.1 * 3,
        metrics={"accuracy": 0.1 * 3, "f1_macro": 1 / 7},
        n_trials=3,
        y=np.array([2, 0]),
        predictions=probabilities,
    )
    return dataclasses.replace(look, **values)


def assert_same_rows(got: StudyRows | None, expected: StudyRows) -> None:
    assert got is not None
    assert_same_array(got.y, expected.y)
    assert repr(got.classes) == repr(expected.classes)
    assert (got.targets, got.n_test) == (expected.targets, expected.n_test)
    assert got.code == expected.code
    if expected.groups is None:
        assert got.groups is None
    else:
        assert np.array_equal(got.groups, expected.groups)
    assert len(got.folds) == len(expected.folds)
    for pair, wanted in zip(got.folds, expected.folds, strict=True):
        for positions, others in zip(pair, wanted, strict=True):
            assert np.array_equal(positions, others)


def assert_same_looks(got: Sequence[TestLook], expected: Sequence[TestLook]) -> None:
    assert len(got) == len(expected)
    for look, wanted in zip(got, expected, strict=True):
        assert look.looked_at is not None
        assert look.looked_at.utcoffset() == UTC.utcoffset(None)
        assert_same_array(look.y, wanted.y)
        assert_same_array(look.predictions, wanted.predictions)
        assert (look.kind, look.number, look.n_trials) == (
            wanted.kind,
            wanted.number,
            wanted.n_trials,
        )
        assert (look.score, look.metrics) == (wanted.score, wanted.metrics)


def write_released(url: str) -> None:
    """Fill a store as each release did that is kept; see ``released/``."""
    store = Store(url)
    store.create(
        make_study("first", document={"name": "first", "z": 1, "a": [0.5, None]})
    )
    writer = store.own("first")
    for trial, folds in released_trials():
        writer.commit(
            Changes(
                started=[Trial(trial.number, trial.params)],
                folds=[(trial.number, fold) for fold in folds],
                finished=[trial] if trial.finished else [],
            )
        )
    writer.commit(
        Changes(
            lost=[(3, 1, "worker killed")], beyond_stop={2: True}, active_seconds=12.5
        )
    )
    writer.change(make_study("first", document={"name": "first", "b": 2}), 3)
    writer.set_state("running")
    writer.keep_rows(study_rows())
    writer.add_test_look(a_look())
    writer.release()
    store.create(make_study("second, 'quoted' 🦊"))
    store.mirror("first", "http://mlflow:5000").note(
        run_id="r0", told={"state": "running"}, doubtful=True, marks=RELEASED_MARKS
    )
    store.close()


def released_trials() -> list[tuple[Trial, list[FoldResult]]]:
    params = {"lr": 0.1 * 3, "units": 1, "deep": True, "act": "relu", "none": None}
    rich = [
        make_fold(
            fold,
            score_of(0, fold),
            metrics={"accuracy": score_of(0, fold), "f1_macro": 0.25},
            train_metrics={"accuracy": 0.75},
            fit_seconds=1.5,
            score_seconds=0.25,
            n_epochs=3,
            best_epoch=2,
            n_parameters=2**40,
            curves={"loss": [0.5, 0.25, 0.125]},
            predictions=np.array([[0.25, 0.75]], dtype=np.float32),
            engine="keras 3.15.1 tensorflow 2.21.0 fit",
        )
        for fold in range(N_FOLDS)
    ]
    given = [
        (params, rich),
        ({"units": 2}, [make_fold(0), failed_fold(1)]),
        ({"units": 3}, full_folds(2)),
        ({"units": 4}, [make_fold(1)]),
    ]
    return [
        (judged(number, values, folds), folds)
        for number, (values, folds) in enumerate(given)
    ]
