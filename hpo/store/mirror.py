"""What is noted of a study as sent to MLflow: the store is the truth, MLflow a mirror.

What is missing there is the difference between what the store has and what is noted
here. One process at a time notes: taking a mirror raises its token, so a former taker's
notes no longer match. It has no part in the lease: nothing of a study depends on it.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from hpo.errors import MirrorTakenError
from hpo.records import TrialKind
from hpo.store import schema as t
from hpo.store.database import retried, translated

TrialKey: TypeAlias = tuple[TrialKind, int]
"""Kind and number: what names a trial within its study."""

_INSERT = sa.insert(t.mirrored_trials)
_AT_ONCE = 1000
"""How many trials one statement removes; databases limit what a statement may name."""


@dataclass(frozen=True)
class Mark:
    """What is noted of one trial.

    Args:
        run_id: The trial's run there.
        told: What that run has been told, as the sender words it.
    """

    run_id: str
    told: str


class Mirror:
    """What one destination has been told of a study, as far as is known.

    Made by `hpo.store.Store.mirror`. The attributes are as they were at taking, and
    then as they were last noted; they are to be read, not set.

    Attributes:
        run_id: The study's own run there; None if there is none yet.
        told: What that run has been told: a plain dict.
        doubtful: Whether something may have been sent whose outcome is unknown.
        marks: What is noted of trials. A mark outlives its trial.
    """

    def __init__(self, engine: sa.Engine, url: str, row: Any) -> None:
        self._engine, self._url = engine, url
        self._id, self._token = int(row.id), int(row.token)
        self.run_id: str | None = row.run_id
        self.told: dict[str, Any] = row.told
        self.doubtful = bool(row.doubtful)
        self.marks: dict[TrialKey, Mark] = {}

    @classmethod
    def take(
        cls,
        engine: sa.Engine,
        url: str,
        connection: sa.Connection,
        study_id: int,
        destination: str,
    ) -> Mirror:
        """Become the only one who may note, within the caller's transaction."""
        mine = sa.and_(
            t.mirrors.c.study_id == study_id, t.mirrors.c.destination == destination
        )
        connection.execute(_first(connection.dialect.name, study_id, destination))
        # This locks the row, so that nobody notes or takes it while it is read.
        connection.execute(
            sa.update(t.mirrors).where(mine).values(token=t.mirrors.c.token + 1)
        )
        mirror = cls(
            engine, url, connection.execute(sa.select(t.mirrors).where(mine)).one()
        )
        marked = sa.select(t.mirrored_trials).where(
            t.mirrored_trials.c.mirror_id == mirror._id
        )
        for row in connection.execute(marked):
            mirror.marks[row.kind, row.number] = Mark(row.run_id, row.told)
        return mirror

    def note(
        self,
        *,
        run_id: str | None = None,
        told: Mapping[str, Any] | None = None,
        doubtful: bool | None = None,
        marks: Mapping[TrialKey, Mark] | None = None,
        forgotten: Collection[TrialKey] = (),
    ) -> None:
        """Write what was sent, whole or not at all; what is not given stays.

        Args:
            run_id: The study's own run.
            told: All that this run has been told by now.
            doubtful: Whether the outcome of something sent is unknown.
            marks: Trials that were sent, in place of what was noted of them.
            forgotten: Trials of which nothing is to be noted any more.

        Raises:
            MirrorTakenError: Another process has taken it; nothing was written.
        """
        marks = marks or {}
        run_id = self.run_id if run_id is None else run_id
        told = self.told if told is None else dict(told)
        doubtful = self.doubtful if doubtful is None else doubtful

        def work(connection: sa.Connection) -> None:
            self._remove(connection, [*marks, *forgotten])
            rows = [
                {
                    "mirror_id": self._id,
                    "kind": kind,
                    "number": number,
                    "run_id": mark.run_id,
                    "told": mark.told,
                }
                for (kind, number), mark in marks.items()
            ]
            if rows:
                connection.execute(_INSERT, rows)

        self._write({"run_id": run_id, "told": told, "doubtful": doubtful}, work)
        self.run_id, self.told, self.doubtful = run_id, told, doubtful
        for key in forgotten:
            self.marks.pop(key, None)
        self.marks.update(marks)

    def forget(self) -> None:
        """Note that nothing is there any more: no run, nothing told, no trial.

        Raises:
            MirrorTakenError: Another process has taken it; nothing was written.
        """

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.delete(t.mirrored_trials).where(
                    t.mirrored_trials.c.mirror_id == self._id
                )
            )

        self._write({"run_id": None, "told": {}}, work)
        self.run_id, self.told, self.marks = None, {}, {}

    def _remove(self, connection: sa.Connection, keys: Iterable[TrialKey]) -> None:
        numbers: defaultdict[TrialKind, list[int]] = defaultdict(list)
        for kind, number in keys:
            numbers[kind].append(number)
        for kind, of_kind in numbers.items():
            for first in range(0, len(of_kind), _AT_ONCE):
                connection.execute(
                    sa.delete(t.mirrored_trials).where(
                        t.mirrored_trials.c.mirror_id == self._id,
                        t.mirrored_trials.c.kind == kind,
                        t.mirrored_trials.c.number.in_(
                            of_kind[first : first + _AT_ONCE]
                        ),
                    )
                )

    def _write(
        self, values: Mapping[str, Any], work: Callable[[sa.Connection], None]
    ) -> None:
        """Prove the token, which locks the row, and do ``work`` behind it."""
        proof = (
            sa.update(t.mirrors)
            .where(t.mirrors.c.id == self._id, t.mirrors.c.token == self._token)
            .values(token=self._token, **values)
        )

        def whole() -> None:
            with self._engine.begin() as connection:
                if connection.execute(proof).rowcount != 1:
                    raise MirrorTakenError(
                        "another process has begun to send this study to MLflow, or "
                        "has deleted the study; this one stopped sending; nothing is "
                        "lost"
                    )
                work(connection)

        with translated(self._url):
            retried(whole)


def _first(dialect: str, study_id: int, destination: str) -> sa.Executable:
    """Make the row of a mirror unless there is one."""
    values = {
        "study_id": study_id,
        "destination": destination,
        # Not 0: the id may have been that of a deleted study's mirror, whose taker must
        # not find its own token again.
        "token": secrets.randbelow(2**30),
        "run_id": None,
        "told": {},
        "doubtful": False,
    }
    if dialect == "postgresql":
        return postgresql.insert(t.mirrors).values(values).on_conflict_do_nothing()
    return sqlite.insert(t.mirrors).values(values).on_conflict_do_nothing()
