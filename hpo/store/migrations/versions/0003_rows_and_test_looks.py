"""What the rows of a study are, and what was scored on its test part."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of rows, of folds' rows and of looks at the test part."""
    study = sa.ForeignKey("studies.id", ondelete="CASCADE")
    op.create_table(
        "study_rows",
        sa.Column("study_id", sa.Integer, study, primary_key=True),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("n_test", sa.Integer, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("y_npy", sa.LargeBinary, nullable=False),
    )
    study = sa.ForeignKey("studies.id", ondelete="CASCADE")
    op.create_table(
        "study_folds",
        sa.Column("study_id", sa.Integer, study, primary_key=True),
        sa.Column("fold", sa.Integer, primary_key=True),
        sa.Column("train_npy", sa.LargeBinary, nullable=False),
        sa.Column("validation_npy", sa.LargeBinary, nullable=False),
    )
    study = sa.ForeignKey("studies.id", ondelete="CASCADE")
    op.create_table(
        "test_looks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, study, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("n_trials", sa.Integer, nullable=False),
        sa.Column("y_npy", sa.LargeBinary, nullable=False),
        sa.Column("predictions_npy", sa.LargeBinary, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
    )
