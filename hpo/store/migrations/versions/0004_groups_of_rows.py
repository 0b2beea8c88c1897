"""Which groups the rows of a study belong to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the groups; of rows that are there already they are not known."""
    op.add_column("study_rows", sa.Column("groups_npy", sa.LargeBinary))
