"""Look at a store without opening it as one: nothing is made, migrated or changed.

It owns facts about a database and what is wrong with it, for people; whoever works with
a store opens it with `hpo.store.Store` instead.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hpo.errors import StoreError
from hpo.store.database import masked, sqlite_path, translated
from hpo.store.schema import HEAD, VERSION_TABLE

WAIT_SECONDS = 3


@dataclass(frozen=True)
class Health:
    """What is known about a store.

    Args:
        kind: ``sqlite`` or ``postgresql``; empty if the address is none.
        folder: Where its file is; None if it has none here.
        exists: Whether there is a database already.
        problem: What keeps it from being used, and the way out; empty if nothing does.
        warning: What is odd about it, and what to do; empty if nothing is.
        version: Of its schema; None before the first study.
        journal: How it keeps its transactions, in the words of the database.
        n_studies: How many studies it holds.
    """

    kind: str = ""
    folder: Path | None = None
    exists: bool = False
    problem: str = ""
    warning: str = ""
    version: str | None = None
    journal: str = ""
    n_studies: int = 0


def look(url: str) -> Health:
    """Say what is known about the store at ``url``."""
    path = sqlite_path(url)
    if path is not None:
        return _look_at_file(url, path)
    try:
        return _look_at_server(url)
    except StoreError as error:
        return Health(problem=str(error).removeprefix(f"store {masked(url)}: "))


def _look_at_file(url: str, path: Path) -> Health:
    path = path.absolute()
    folder = path.parent
    known = Health("sqlite", folder)
    if not folder.is_dir():
        return _with(known, problem=f"there is no folder {folder}; make it first")
    if path.is_dir():
        return _with(known, problem=f"{path} is a folder; name a file in it")
    if not os.access(folder, os.W_OK):
        way_out = "give yourself write permission, or name another with --store"
        return _with(
            known, exists=path.exists(), problem=f"cannot write in {folder}; {way_out}"
        )
    if not path.exists():
        return known
    known = _with(known, exists=True)
    try:
        return _read_file(known, path)
    except sqlite3.DatabaseError as error:
        what = str(error)
        if "locked" in what:
            waited = f"was held by another program for {WAIT_SECONDS} seconds"
            return _with(known, warning=f"{waited}; look again later")
        if "unable to open" in what or "readonly" in what:
            what = "may not be read and written; give yourself permission"
        else:
            what = f"is damaged or no SQLite database ({what}); restore it, or use "
            what += "another with --store"
        return _with(known, problem=what)


def _read_file(known: Health, path: Path) -> Health:
    # mode=rw opens what is there and never makes a file.
    address = f"{path.as_uri()}?mode=rw"
    with closing(
        sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
    ) as connection:
        connection.execute("PRAGMA query_only=ON")
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        tables = {name for (name,) in listed}
        version, n_studies = None, 0
        if VERSION_TABLE in tables:
            query = f"SELECT version_num FROM {VERSION_TABLE}"
            version = next((v for (v,) in connection.execute(query)), None)
        if "studies" in tables and version is not None:
            count = connection.execute("SELECT count(*) FROM studies").fetchone()
            n_studies = int(count[0])
        connection.execute("PRAGMA query_only=OFF")
        if not os.access(path, os.W_OK):
            raise sqlite3.OperationalError("readonly")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    return _with(
        known,
        journal=str(journal),
        version=version,
        n_studies=n_studies,
        problem=_why_no_store(tables, version),
    )


def _look_at_server(url: str) -> Health:
    with _connected(url) as connection:
        kind = connection.dialect.name
        tables = set(sa.inspect(connection).get_table_names())
        version, n_studies = None, 0
        if VERSION_TABLE in tables:
            table = sa.table(VERSION_TABLE, sa.column("version_num"))
            version = connection.execute(sa.select(table.c.version_num)).scalar()
        if "studies" in tables and version is not None:
            count = sa.select(sa.func.count()).select_from(sa.table("studies"))
            n_studies = int(connection.execute(count).scalar() or 0)
        problem = _why_no_store(tables, version)
        read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar()
        if read_only == "on" and not problem:
            problem = "is read-only; name the server that takes writes"
        level = connection.exec_driver_sql("SHOW server_version").scalar()
    return Health(
        kind=kind,
        exists=version is not None,
        problem=problem,
        version=version,
        journal=f"server {str(level).split()[0]}",
        n_studies=n_studies,
    )


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    """Connect to a server, which must answer soon."""
    try:
        address = sa.make_url(url)
        if address.get_backend_name() != "postgresql":
            raise ValueError
        waiting = {"connect_timeout": WAIT_SECONDS}
        engine = sa.create_engine(address, connect_args=waiting)
    except ModuleNotFoundError as error:
        what = f"needs the package {error.name}; pip install 'hpo[postgres]' brings it"
        raise StoreError(what) from error
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StoreError(
            "expected an address like sqlite:///hpo.db or "
            "postgresql+psycopg://user@host/database; mend --store or HPO_STORE"
        ) from error
    try:
        with translated(url), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _why_no_store(tables: set[str], version: str | None) -> str:
    if version is None and "alembic_version" in tables:
        return (
            "belongs to another program (it has a table alembic_version, as MLflow's "
            "and Optuna's do); give hpo a database of its own with --store"
        )
    if version is not None and version > HEAD:
        return (
            f"was made by a newer hpo (schema {version}; this one knows {HEAD}); "
            "upgrade hpo, or use another store"
        )
    return ""


def _with(health: Health, **changes: object) -> Health:
    return Health(**{**health.__dict__, **changes})
