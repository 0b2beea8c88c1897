"""What a lease holder may write: changes in one transaction, whole or not at all.

Statements that every trial needs are built once, so that only their values differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from hpo.records import (
    FoldResult,
    StudyRecord,
    StudyRows,
    StudyState,
    TestLook,
    Trial,
    TrialKind,
)
from hpo.store import leases as lease_rules
from hpo.store import schema as t
from hpo.store.database import retried, translated
from hpo.store.leases import Lease
from hpo.store.rows import (
    fold_rows,
    lost_rows,
    metric_rows,
    param_rows,
    prediction_rows,
    storable,
)
from hpo.store.study_rows import insert_rows, look_row

SEARCH: TrialKind = "search"
MANUAL: TrialKind = "manual"
"""Trials with params of a person's own: apart, and numbered 0, 1, 2, ... themselves."""

_START = sa.insert(t.trials)
_FINISH = (
    sa.update(t.trials)
    .where(t.trials.c.id == sa.bindparam("row"), t.trials.c.state == "running")
    .values(
        {
            name: sa.bindparam(f"new_{name}")
            for name in (
                "state",
                "score",
                "std",
                "train_score",
                "failure",
                "finished_at",
            )
        }
    )
)
_INSERTS = tuple(
    sa.insert(table)
    for table in (t.folds, t.fold_metrics, t.predictions, t.lost_attempts)
)
_PARAMS = sa.insert(t.params)


@dataclass(frozen=True)
class Changes:
    """What one transaction writes, besides the proof of the lease.

    Args:
        started: Trials to insert as running.
        folds: Results that came in, each with its trial's number.
        finished: Trials to close with their scores; they must be running.
        lost: (trial number, fold, reason) of attempts whose worker died.
        beyond_stop: Numbers of finished trials, with whether they are beyond the stop.
        dropped: Numbers of unfinished trials to remove.
        active_seconds: How long the study has been running, or None to leave it.
    """

    started: Sequence[Trial] = ()
    folds: Sequence[tuple[int, FoldResult]] = ()
    finished: Sequence[Trial] = ()
    lost: Sequence[tuple[int, int, str]] = ()
    beyond_stop: Mapping[int, bool] | None = None
    dropped: Sequence[int] = ()
    active_seconds: float | None = None


class StudyWriter:
    """Writes one study for as long as its lease is held; safe to use from two threads.

    Every method that writes raises `LeaseLostError` if the lease is lost, and then has
    written nothing. Trials are those of one ``kind``: numbers mean nothing else here.
    """

    def __init__(
        self, engine: sa.Engine, url: str, lease: Lease, kind: TrialKind = SEARCH
    ) -> None:
        self._engine, self._url, self._lease = engine, url, lease
        self._kind = kind
        # Rows of running trials by number; the others are not written any more.
        self._ids: dict[int, int] = {}

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            lease_rules.renew(connection, self._lease)
            yield connection

    def beat(self) -> None:
        """Renew the lease; to be called often enough when nothing else is written."""

        def work() -> None:
            with self._writing():
                pass

        with translated(self._url):
            retried(work)

    def release(self) -> None:
        """Give the lease back."""
        with translated(self._url), self._engine.begin() as connection:
            lease_rules.release(connection, self._lease)

    def delete(self) -> None:
        """Remove the study with everything that belongs to it, the lease too."""

        def work() -> None:
            with self._writing() as connection:
                connection.execute(
                    sa.delete(t.studies).where(t.studies.c.id == self._lease.study_id)
                )

        with translated(self._url):
            retried(work)

    def set_state(
        self,
        state: StudyState,
        reason: str = "",
        *,
        active_seconds: float | None = None,
    ) -> None:
        """Say what is happening to the study, why it ended, and how long it ran."""
        ended = state in ("complete", "failed", "cancelled")
        ran = {} if active_seconds is None else {"active_seconds": active_seconds}

        def work() -> None:
            with self._writing() as connection:
                connection.execute(
                    sa.update(t.studies)
                    .where(t.studies.c.id == self._lease.study_id)
                    .values(
                        state=state,
                        reason=reason,
                        finished_at=datetime.now(UTC) if ended else None,
                        **ran,
                    )
                )

        with translated(self._url):
            retried(work)

    def change(self, study: StudyRecord, from_trial: int) -> None:
        """Store an edited study file with the trial from which it holds."""

        def work() -> None:
            with self._writing() as connection:
                document, text = dict(study.document), storable(study.text)
                connection.execute(
                    sa.insert(t.study_changes).values(
                        study_id=self._lease.study_id,
                        from_trial=from_trial,
                        document=document,
                        text=text,
                        changed_at=datetime.now(UTC),
                    )
                )
                connection.execute(
                    sa.update(t.studies)
                    .where(t.studies.c.id == self._lease.study_id)
                    .values(document=document, text=text, strategy=study.strategy)
                )

        with translated(self._url):
            retried(work)

    def keep_rows(self, rows: StudyRows) -> None:
        """Store what the rows of the study are, unless that is known already."""

        def work() -> None:
            with self._writing() as connection:
                insert_rows(connection, self._lease.study_id, rows)

        with translated(self._url):
            retried(work)

    def add_test_look(self, look: TestLook) -> None:
        """Store a look at the test part, with the time."""

        def work() -> None:
            with self._writing() as connection:
                row = look_row(self._lease.study_id, look, datetime.now(UTC))
                connection.execute(sa.insert(t.test_looks).values(**row))

        with translated(self._url):
            retried(work)

    def commit(self, changes: Changes) -> None:
        """Write ``changes`` in one transaction."""

        def work() -> dict[int, int]:
            with self._writing() as connection:
                return self._apply(connection, changes)

        with translated(self._url):
            self._ids = retried(work)

    def _apply(self, connection: sa.Connection, changes: Changes) -> dict[int, int]:
        now = datetime.now(UTC)
        ids = self._ids | self._start(connection, changes.started, now)
        wanted = {number for number, _ in changes.folds}
        wanted |= {trial.number for trial in changes.finished}
        wanted |= {number for number, _, _ in changes.lost}
        wanted |= {*changes.dropped}
        if not wanted <= ids.keys():
            ids = self._read_running(connection)
        if not wanted <= ids.keys():
            numbers = sorted(wanted - ids.keys())
            raise RuntimeError(
                f"no running trials: {numbers}; the others are immutable"
            )
        results = [(ids[number], result) for number, result in changes.folds]
        tables = (
            fold_rows(results, now),
            metric_rows(results),
            prediction_rows(results),
            lost_rows(ids, changes.lost, now),
        )
        for insert, rows in zip(_INSERTS, tables, strict=True):
            if rows:
                connection.execute(insert, rows)
        for trial in changes.finished:
            self._finish(connection, ids.pop(trial.number), trial, now)
        for number, beyond in (changes.beyond_stop or {}).items():
            connection.execute(
                sa.update(t.trials)
                .where(self._is_mine, t.trials.c.number == number)
                .values(beyond_stop=beyond)
            )
        for number in changes.dropped:
            connection.execute(
                sa.delete(t.trials).where(t.trials.c.id == ids.pop(number))
            )
        if changes.active_seconds is not None:
            connection.execute(
                sa.update(t.studies)
                .where(t.studies.c.id == self._lease.study_id)
                .values(active_seconds=changes.active_seconds)
            )
        return ids

    def _start(
        self, connection: sa.Connection, started: Sequence[Trial], now: datetime
    ) -> dict[int, int]:
        ids: dict[int, int] = {}
        for trial in started:
            values = {
                "study_id": self._lease.study_id,
                "kind": self._kind,
                "number": trial.number,
                "state": "running",
                "beyond_stop": False,
                "created_at": now,
            }
            result = connection.execute(_START, values)
            key = result.inserted_primary_key
            assert key is not None
            ids[trial.number] = key[0]
            rows = param_rows(ids[trial.number], trial.params)
            if rows:
                connection.execute(_PARAMS, rows)
        return ids

    def _finish(
        self, connection: sa.Connection, trial_id: int, trial: Trial, now: datetime
    ) -> None:
        values = {
            "row": trial_id,
            "new_state": trial.state,
            "new_score": trial.score,
            "new_std": trial.std,
            "new_train_score": trial.train_score,
            "new_failure": trial.failure,
            "new_finished_at": now,
        }
        done = connection.execute(_FINISH, values)
        if done.rowcount != 1:
            raise RuntimeError(f"trial {trial.number} was finished twice")

    @property
    def _is_mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            t.trials.c.study_id == self._lease.study_id, t.trials.c.kind == self._kind
        )

    def _read_running(self, connection: sa.Connection) -> dict[int, int]:
        rows = connection.execute(
            sa.select(t.trials.c.number, t.trials.c.id).where(
                self._is_mine, t.trials.c.state == "running"
            )
        )
        return {row.number: row.id for row in rows}

    def lost_attempts(self) -> dict[tuple[int, int], int]:
        """Return how often each (trial number, fold) has lost its worker so far."""
        statement = (
            sa.select(t.trials.c.number, t.lost_attempts.c.fold, sa.func.count())
            .join(t.trials, t.trials.c.id == t.lost_attempts.c.trial_id)
            .where(self._is_mine)
            .group_by(t.trials.c.number, t.lost_attempts.c.fold)
        )
        with translated(self._url), self._engine.connect() as connection:
            return {
                (n, fold): count for n, fold, count in connection.execute(statement)
            }
