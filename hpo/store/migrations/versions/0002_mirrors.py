"""What is noted of studies as sent to tracking servers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of mirrors and of the trials in them."""
    study = sa.ForeignKey("studies.id", ondelete="CASCADE")
    op.create_table(
        "mirrors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, study, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("doubtful", sa.Boolean, nullable=False),
        sa.UniqueConstraint("study_id", "destination"),
    )
    mirror = sa.ForeignKey("mirrors.id", ondelete="CASCADE")
    op.create_table(
        "mirrored_trials",
        sa.Column("mirror_id", sa.Integer, mirror, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
    )
