"""The first schema: studies, trials, params, folds and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _study_key(*, primary_key: bool = False) -> sa.Column[int]:
    parent = sa.ForeignKey("studies.id", ondelete="CASCADE")
    return sa.Column(
        "study_id", sa.Integer, parent, primary_key=primary_key, nullable=False
    )


def _trial_key(*, primary_key: bool = False) -> sa.Column[int]:
    parent = sa.ForeignKey("trials.id", ondelete="CASCADE")
    return sa.Column(
        "trial_id", sa.Integer, parent, primary_key=primary_key, nullable=False
    )


def upgrade() -> None:
    """Make every table."""
    _make_studies()
    _make_trials()
    _make_folds()


def _make_studies() -> None:
    op.create_table(
        "studies",
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
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "study_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        _study_key(),
        sa.Column("from_trial", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "leases",
        _study_key(primary_key=True),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("machine", sa.Text),
        sa.Column("pid", sa.Integer),
        sa.Column("process_started", sa.Double),
        sa.Column("beat", sa.Double),
        sa.Column("taken_at", sa.DateTime(timezone=True)),
    )


def _make_trials() -> None:
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        _study_key(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("std", sa.Double),
        sa.Column("train_score", sa.Double),
        sa.Column("failure", sa.Text),
        sa.Column("beyond_stop", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("study_id", "kind", "number"),
    )
    op.create_table(
        "params",
        _trial_key(primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
    )


def _make_folds() -> None:
    op.create_table(
        "folds",
        _trial_key(primary_key=True),
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
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "fold_metrics",
        _trial_key(primary_key=True),
        sa.Column("fold", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Double),
        sa.Column("train_value", sa.Double),
    )
    op.create_table(
        "predictions",
        _trial_key(primary_key=True),
        sa.Column("fold", sa.Integer, primary_key=True),
        sa.Column("npy", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "lost_attempts",
        sa.Column("id", sa.Integer, primary_key=True),
        _trial_key(),
        sa.Column("fold", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=False),
    )
