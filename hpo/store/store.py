"""Studies in a SQL database: what anybody may read, and how to become their owner.

Rows never leave this package: what goes in and out are the frozen records.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hpo.errors import StudyNotFoundError, near_match
from hpo.records import (
    StudyRecord,
    StudyRows,
    StudySummary,
    TestLook,
    Trial,
    TrialKind,
    TrialOutline,
)
from hpo.store import leases as lease_rules
from hpo.store import schema as t
from hpo.store.database import connect, masked, retried, sqlite_path, translated
from hpo.store.leases import LEASE_SECONDS, Lease
from hpo.store.mirror import Mirror
from hpo.store.rows import load_outline, load_trials, storable
from hpo.store.study_rows import insert_rows, load_looks, load_rows
from hpo.store.writer import SEARCH, StudyWriter


class Store:
    """A database of studies.

    Args:
        url: An SQLAlchemy address.
        lease_seconds: After how long without a heartbeat a holder counts as gone.

    Raises:
        StoreError: See `hpo.store.database.connect`. So does every method when the
            database goes away.
    """

    def __init__(self, url: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.url = url
        self.lease_seconds = lease_seconds
        self._engine = connect(url)

    @staticmethod
    def exists(url: str) -> bool:
        """Tell whether opening ``url`` would find a database rather than make one."""
        path = sqlite_path(url)
        return path is None or path.exists()

    def close(self) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with (
            translated(self.url),
            self._engine.connect().execution_options(hpo_reading=True) as connection,
            connection.begin(),
        ):
            if connection.dialect.name == "postgresql":
                # One snapshot for all that is read together, as on SQLite: else a fold
                # could be seen whose metrics, read before it, were not there yet.
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            yield connection

    def summaries(self) -> list[StudySummary]:
        """Return one line for each study, oldest first."""
        counted = sa.and_(
            t.trials.c.study_id == t.studies.c.id,
            t.trials.c.kind == SEARCH,
            t.trials.c.state != "running",
            sa.not_(t.trials.c.beyond_stop),
        )
        statement = (
            sa.select(
                t.studies,
                t.leases,
                sa.func.count(t.trials.c.id).label("n_trials"),
                sa.func.max(t.trials.c.score).label("best"),
            )
            .join(t.leases, t.leases.c.study_id == t.studies.c.id)
            .join(t.trials, counted, isouter=True)
            .group_by(t.studies.c.id, t.leases.c.study_id)
            .order_by(t.studies.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(statement).all()
            # After the rows: no heartbeat in them may be younger than this.
            now = lease_rules.clock(connection)
        return [self._summary(row, now) for row in rows]

    def _summary(self, row: Any, now: float) -> StudySummary:
        dialect = self._engine.dialect.name
        owner = lease_rules.holder(row, now, self.lease_seconds, dialect)
        # A study whose owner was killed still says running; nobody is running it.
        orphaned = row.state == "running" and owner is None
        return StudySummary(
            name=row.name,
            state="interrupted" if orphaned else row.state,
            n_trials=row.n_trials,
            best_score=row.best,
            owner=owner,
            strategy=row.strategy,
            family=row.family,
            metric=row.metric,
            created_at=row.created_at,
        )

    def summary(self, name: str) -> StudySummary:
        """Return the line of one study.

        Raises:
            StudyNotFoundError: No study has this name.
        """
        found = [line for line in self.summaries() if line.name == name]
        if not found:
            with self._reading() as connection:
                raise self._not_found(connection, name)
        return found[0]

    def study(self, name: str) -> StudyRecord:
        """Return one study.

        Raises:
            StudyNotFoundError: No study has this name; the message has a near match.
        """
        with self._reading() as connection:
            row = connection.execute(
                sa.select(t.studies).where(t.studies.c.name == name)
            ).one_or_none()
            if row is None:
                raise self._not_found(connection, name)
        values = {field: getattr(row, field) for field in StudyRecord.__annotations__}
        return StudyRecord(**values)

    def _not_found(self, connection: sa.Connection, name: str) -> StudyNotFoundError:
        names = list(connection.execute(sa.select(t.studies.c.name)).scalars())
        hint = near_match(name, names) or "; hpo list shows those there are"
        return StudyNotFoundError(f"no study {name!r} in {masked(self.url)}{hint}")

    def trials(
        self,
        name: str,
        *,
        kind: TrialKind = SEARCH,
        predictions: bool = False,
        numbers: Collection[int] | None = None,
    ) -> list[Trial]:
        """Return the trials of one kind, ordered by number.

        Args:
            name: Of the study.
            kind: ``search``, or ``manual`` for those with a person's own params.
            predictions: Also read the out-of-fold predictions.
            numbers: Read these trials only; a number without a trial is passed over.

        Raises:
            StudyNotFoundError: No study has this name.
        """
        with self._reading() as connection:
            return load_trials(
                connection,
                self._id(connection, name),
                kind,
                predictions=predictions,
                numbers=numbers,
            )

    def outline(self, name: str) -> list[TrialOutline]:
        """Return a line for each trial of either kind, ordered by (kind, number).

        Cheap, however many trials there are: it tells which of them have changed.

        Raises:
            StudyNotFoundError: No study has this name.
        """
        with self._reading() as connection:
            return load_outline(connection, self._id(connection, name))

    def changes(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """Return the edits of the study file: from which trial on, and the document."""
        with self._reading() as connection:
            rows = connection.execute(
                sa.select(t.study_changes.c.from_trial, t.study_changes.c.document)
                .where(t.study_changes.c.study_id == self._id(connection, name))
                .order_by(t.study_changes.c.id)
            )
            return [(row.from_trial, row.document) for row in rows]

    def origin(self, name: str) -> Mapping[str, Any]:
        """Return the study document that holds for trial 0, before any later edit."""
        first = [document for number, document in self.changes(name) if number == 0]
        return first[-1] if first else self.study(name).document

    def rows(self, name: str) -> StudyRows | None:
        """Return what the rows of a study are; None if that was not kept.

        So it is for objectives without data, for `SearchCV`, and for studies of former
        versions that have not been run since.

        Raises:
            StudyNotFoundError: No study has this name.
        """
        with self._reading() as connection:
            return load_rows(connection, self._id(connection, name))

    def test_looks(self, name: str) -> list[TestLook]:
        """Return the looks at a study's test part, oldest first.

        Raises:
            StudyNotFoundError: No study has this name.
        """
        with self._reading() as connection:
            return load_looks(connection, self._id(connection, name))

    def _id(self, connection: sa.Connection, name: str) -> int:
        study_id = connection.execute(
            sa.select(t.studies.c.id).where(t.studies.c.name == name)
        ).scalar()
        if study_id is None:
            raise self._not_found(connection, name)
        return int(study_id)

    def create(self, study: StudyRecord, rows: StudyRows | None = None) -> bool:
        """Insert a study; return False if its name is taken already.

        Args:
            study: The study.
            rows: What its rows are, if it has any.
        """
        values = {field: getattr(study, field) for field in StudyRecord.__annotations__}
        values["document"] = dict(study.document)
        values["text"] = storable(study.text)
        try:
            with translated(self.url):
                retried(lambda: self._insert_study(values, rows))
        except Exception as error:
            if isinstance(error.__cause__, IntegrityError):
                return False
            raise
        return True

    def _insert_study(self, values: dict[str, Any], rows: StudyRows | None) -> None:
        with self._engine.begin() as connection:
            result = connection.execute(sa.insert(t.studies).values(**values))
            key = result.inserted_primary_key
            assert key is not None
            # Not 0: the id may have been that of a deleted study, whose owner sleeps
            # and must not find its own token again.
            token = secrets.randbelow(2**30)
            connection.execute(sa.insert(t.leases).values(study_id=key[0], token=token))
            if rows is not None:
                insert_rows(connection, key[0], rows)

    def own(self, name: str, *, kind: TrialKind = SEARCH) -> StudyWriter:
        """Take the lease of a study and return what writes its trials of one kind.

        Raises:
            StudyNotFoundError: No study has this name.
            StudyBusyError: Another process runs it.
        """

        def work() -> Lease:
            with self._engine.begin() as connection:
                study_id = self._id(connection, name)
                return lease_rules.take(connection, study_id, name, self.lease_seconds)

        with translated(self.url):
            lease = retried(work)
        return StudyWriter(self._engine, self.url, lease, kind)

    def mirror(self, name: str, destination: str) -> Mirror:
        """Take over what is noted of a study at one destination; see `Mirror`.

        Args:
            name: Of the study.
            destination: Masked address of a tracking server: it is stored as it is, so
                it must hold no password.

        Raises:
            StudyNotFoundError: No study has this name.
        """

        def work() -> Mirror:
            with self._engine.begin() as connection:
                study_id = self._id(connection, name)
                return Mirror.take(
                    self._engine, self.url, connection, study_id, destination
                )

        with translated(self.url):
            return retried(work)

    def delete(self, name: str) -> None:
        """Remove a study with everything that belongs to it, under its lease.

        Raises:
            StudyNotFoundError: No study has this name.
            StudyBusyError: Another process runs it.
        """
        writer = self.own(name)
        try:
            writer.delete()
        finally:
            writer.release()
