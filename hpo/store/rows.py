"""Records to rows and back."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from hpo.records import FoldResult, Params, Trial, TrialOutline, judge
from hpo.store import schema as t

Results = Sequence[tuple[int, FoldResult]]
Row = dict[str, Any]
NUMBERS_AT_ONCE = 500
"""Databases limit the values that one statement may name."""


def param_rows(trial_id: int, params: Params) -> list[Row]:
    """Return a row for each active hyperparameter, in order."""
    return [
        {"trial_id": trial_id, "name": name, "position": position, "value": value}
        for position, (name, value) in enumerate(params.items())
    ]


def fold_rows(results: Results, now: datetime) -> list[Row]:
    """Return a row for each fold; ``results`` pair a trial's id with a result."""
    return [
        {
            "trial_id": trial_id,
            "fold": result.fold,
            "score": result.score,
            "train_score": result.train_score,
            "fit_seconds": result.fit_seconds,
            "score_seconds": result.score_seconds,
            "n_epochs": result.n_epochs,
            "best_epoch": result.best_epoch,
            "n_parameters": result.n_parameters,
            "engine": result.engine,
            "failure": result.failure,
            "error": result.error and storable(result.error),
            "curves": {name: _finite(curve) for name, curve in result.curves.items()},
            "finished_at": now,
        }
        for trial_id, result in results
    ]


def metric_rows(results: Results) -> list[Row]:
    """Return a row for each metric of each fold."""
    return [
        {
            "trial_id": trial_id,
            "fold": result.fold,
            "name": name,
            "value": result.metrics.get(name),
            "train_value": result.train_metrics.get(name),
        }
        for trial_id, result in results
        for name in dict.fromkeys([*result.metrics, *result.train_metrics])
    ]


def prediction_rows(results: Results) -> list[Row]:
    """Return a row for each fold that has out-of-fold predictions."""
    return [
        {"trial_id": trial_id, "fold": result.fold, "npy": pack(result.predictions)}
        for trial_id, result in results
        if result.predictions is not None
    ]


def lost_rows(
    ids: Mapping[int, int], lost: Sequence[tuple[int, int, str]], now: datetime
) -> list[Row]:
    """Return a row for each (trial number, fold, reason) of a lost worker."""
    return [
        {"trial_id": ids[number], "fold": fold, "reason": reason, "lost_at": now}
        for number, fold, reason in lost
    ]


def load_trials(
    connection: sa.Connection,
    study_id: int,
    kind: str,
    *,
    predictions: bool,
    numbers: Collection[int] | None = None,
) -> list[Trial]:
    """Read the trials of one kind, ordered by number, with the folds that are in.

    Of ``numbers``, if they are given, those that exist.
    """
    all_of_it = sa.and_(t.trials.c.study_id == study_id, t.trials.c.kind == kind)
    if numbers is None:
        return _load_chosen(connection, study_id, all_of_it, predictions=predictions)
    wanted = sorted(set(numbers))
    found: list[Trial] = []
    for start in range(0, len(wanted), NUMBERS_AT_ONCE):
        some = t.trials.c.number.in_(wanted[start : start + NUMBERS_AT_ONCE])
        chosen = sa.and_(all_of_it, some)
        found += _load_chosen(connection, study_id, chosen, predictions=predictions)
    return found


def load_outline(connection: sa.Connection, study_id: int) -> list[TrialOutline]:
    """Read what a glance tells about every trial, ordered by kind and number."""
    statement = (
        sa.select(
            t.trials.c.kind,
            t.trials.c.number,
            t.trials.c.state,
            t.trials.c.beyond_stop,
            sa.func.count(t.folds.c.fold).label("n_folds"),
        )
        .join(t.folds, t.folds.c.trial_id == t.trials.c.id, isouter=True)
        .where(t.trials.c.study_id == study_id)
        .group_by(t.trials.c.id)
        .order_by(t.trials.c.kind, t.trials.c.number)
    )
    return [TrialOutline(**row._mapping) for row in connection.execute(statement)]


def _load_chosen(
    connection: sa.Connection, study_id: int, chosen: Any, *, predictions: bool
) -> list[Trial]:
    n_folds = connection.execute(
        sa.select(t.studies.c.n_folds).where(t.studies.c.id == study_id)
    ).scalar_one()
    trials = connection.execute(
        sa.select(t.trials).where(chosen).order_by(t.trials.c.number)
    ).all()
    params: dict[int, Row] = defaultdict(dict)
    for row in _joined(connection, t.params, chosen, t.params.c.position):
        params[row.trial_id][row.name] = row.value
    folds = _load_folds(connection, chosen, predictions=predictions)
    return [_trial(row, params[row.id], folds[row.id], n_folds) for row in trials]


def _trial(row: Any, params: Row, folds: dict[int, FoldResult], n_folds: int) -> Trial:
    unjudged = Trial(
        row.number,
        params,
        beyond_stop=bool(row.beyond_stop),
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
    return judge(unjudged, folds, n_folds)


def _load_folds(
    connection: sa.Connection, chosen: Any, *, predictions: bool
) -> dict[int, dict[int, FoldResult]]:
    metrics: dict[tuple[int, int], Row] = defaultdict(dict)
    train_metrics: dict[tuple[int, int], Row] = defaultdict(dict)
    for row in _joined(connection, t.fold_metrics, chosen, t.fold_metrics.c.name):
        if row.value is not None:
            metrics[row.trial_id, row.fold][row.name] = row.value
        if row.train_value is not None:
            train_metrics[row.trial_id, row.fold][row.name] = row.train_value
    arrays: dict[tuple[int, int], Any] = {}
    if predictions:
        for row in _joined(connection, t.predictions, chosen, t.predictions.c.fold):
            arrays[row.trial_id, row.fold] = unpack(row.npy)
    folds: dict[int, dict[int, FoldResult]] = defaultdict(dict)
    for row in _joined(connection, t.folds, chosen, t.folds.c.fold):
        key = (row.trial_id, row.fold)
        folds[row.trial_id][row.fold] = FoldResult(
            fold=row.fold,
            score=row.score,
            train_score=row.train_score,
            metrics=metrics[key],
            train_metrics=train_metrics[key],
            fit_seconds=row.fit_seconds,
            score_seconds=row.score_seconds,
            n_epochs=row.n_epochs,
            best_epoch=row.best_epoch,
            n_parameters=row.n_parameters,
            curves=row.curves,
            predictions=arrays.get(key),
            failure=row.failure,
            error=row.error,
            engine=row.engine,
            finished_at=row.finished_at,
        )
    return folds


def _joined(
    connection: sa.Connection, table: sa.Table, chosen: Any, order: Any
) -> Sequence[Any]:
    statement = (
        sa.select(table)
        .join(t.trials, t.trials.c.id == table.c.trial_id)
        .where(chosen)
        .order_by(table.c.trial_id, order)
    )
    return connection.execute(statement).all()


def storable(text: str) -> str:
    """Replace what databases refuse in a text: NUL, and halves of characters."""
    whole = text.encode("utf-8", errors="backslashreplace").decode("utf-8")
    return whole.replace("\0", "\\x00")


def _finite(curve: Sequence[float]) -> list[float | None]:
    """Write what JSON cannot hold, as the loss of a network that blew up, as null."""
    return [float(value) if math.isfinite(value) else None for value in curve]


def pack(array: Any) -> bytes:
    """Return an array in NumPy's .npy format."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes) -> Any:
    """Return the array that `pack` was given; nothing is unpickled."""
    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)
