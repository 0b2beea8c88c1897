"""Alembic runs this to migrate a store over the connection that it is handed."""

from __future__ import annotations

from alembic import context

from hpo.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
