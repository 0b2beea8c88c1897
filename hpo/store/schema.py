"""The tables, written so that a person can read a study with plain SQL.

Scores, params and folds are columns and rows. Only learning curves (JSON), and arrays
of a value a row such as out-of-fold predictions (NumPy's .npy format, never pickled)
are packed. The tables are made by the migrations beside this module; a test compares
the two.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

HEAD = "0004"
"""The newest migration; what a database must be at before it is used."""
VERSION_TABLE = "hpo_version"


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware instant in UTC, also where the database drops the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> Any:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value
        if instant.tzinfo is None:
            return instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)


class JsonText(sa.TypeDecorator[Any]):
    """A plain value as JSON in a text column.

    SQLite would store 1.0 in a column of type JSON as the integer 1.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return json.dumps(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return json.loads(value)


def _trial_key() -> sa.Column[int]:
    parent = sa.ForeignKey("trials.id", ondelete="CASCADE")
    return sa.Column("trial_id", sa.Integer, parent, primary_key=True)


studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("strategy", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("n_folds", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("backend", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("active_seconds", sa.Double, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
)

study_changes = sa.Table(
    "study_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("from_trial", sa.Integer, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

study_rows = sa.Table(
    "study_rows",
    metadata,
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("classes", JsonText, nullable=False),
    sa.Column("n_test", sa.Integer, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("y_npy", sa.LargeBinary, nullable=False),
    sa.Column("groups_npy", sa.LargeBinary),
)

study_folds = sa.Table(
    "study_folds",
    metadata,
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("fold", sa.Integer, primary_key=True),
    sa.Column("train_npy", sa.LargeBinary, nullable=False),
    sa.Column("validation_npy", sa.LargeBinary, nullable=False),
)

test_looks = sa.Table(
    "test_looks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("n_trials", sa.Integer, nullable=False),
    sa.Column("y_npy", sa.LargeBinary, nullable=False),
    sa.Column("predictions_npy", sa.LargeBinary, nullable=False),
    sa.Column("looked_at", UtcDateTime, nullable=False),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("std", sa.Double),
    sa.Column("train_score", sa.Double),
    sa.Column("failure", sa.Text),
    sa.Column("beyond_stop", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.UniqueConstraint("study_id", "kind", "number"),
)

params = sa.Table(
    "params",
    metadata,
    _trial_key(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("value", JsonText, nullable=False),
)

folds = sa.Table(
    "folds",
    metadata,
    _trial_key(),
    sa.Column("fold", sa.Integer, primary_key=True),
    sa.Column("score", sa.Double),
    sa.Column("train_score", sa.Double),
    sa.Column("fit_seconds", sa.Double, nullable=False),
    sa.Column("score_seconds", sa.Double, nullable=False),
    sa.Column("n_epochs", sa.Integer),
    sa.Column("best_epoch", sa.Integer),
    sa.Column("n_parameters", sa.BigInteger),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("failure", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("curves", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcDateTime, nullable=False),
)

fold_metrics = sa.Table(
    "fold_metrics",
    metadata,
    _trial_key(),
    sa.Column("fold", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Double),
    sa.Column("train_value", sa.Double),
)

predictions = sa.Table(
    "predictions",
    metadata,
    _trial_key(),
    sa.Column("fold", sa.Integer, primary_key=True),
    sa.Column("npy", sa.LargeBinary, nullable=False),
)

lost_attempts = sa.Table(
    "lost_attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "trial_id", sa.ForeignKey("trials.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("fold", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lost_at", UtcDateTime, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("machine", sa.Text),
    sa.Column("pid", sa.Integer),
    sa.Column("process_started", sa.Double),
    sa.Column("beat", sa.Double),
    sa.Column("taken_at", UtcDateTime),
)

mirrors = sa.Table(
    "mirrors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "study_id", sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("told", JsonText, nullable=False),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.UniqueConstraint("study_id", "destination"),
)

# Trials are named, not referred to: a mark outlives a trial that was dropped, whose run
# is still to be removed there.
mirrored_trials = sa.Table(
    "mirrored_trials",
    metadata,
    sa.Column(
        "mirror_id", sa.ForeignKey("mirrors.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("told", sa.Text, nullable=False),
)
