"""Opening a database: its settings, its schema version, and its errors in plain words.

SQLite is set for durability first (``synchronous=FULL``). Write-ahead logging is used
only where SQLite has the fix for its WAL-reset corruption (3.51.3); before that, the
rollback journal is truncated at each commit.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    OperationalError,
    SQLAlchemyError,
)

from hpo.errors import StoreError
from hpo.store.schema import HEAD, VERSION_TABLE

T = TypeVar("T")
BUSY_SECONDS = 30
LOCKED_ATTEMPTS = 5
WAL_SINCE = (3, 51, 3)
MIGRATION_LOCK = 727_001
SECRETS = ("pass", "pwd", "secret", "token", "key", "auth", "odbc_connect")
"""What is in the name of a part of an address that is not to be shown."""


def masked(url: str) -> str:
    """Return a database address without its passwords."""
    try:
        address = sa.make_url(url)
    except (ArgumentError, ValueError):
        return "(not a database address)"
    hidden = {key: "***" for key in address.query if _is_secret(key)}
    return address.update_query_dict(hidden).render_as_string(hide_password=True)


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRETS)


def _scrubbed(text: str, url: str) -> str:
    """Remove the passwords of ``url`` from what a driver says."""
    address = sa.make_url(url)
    for key, value in {"password": address.password, **address.query}.items():
        if _is_secret(key):
            for secret in [value] if isinstance(value, str) else value or ():
                text = text.replace(secret, "***")
    return text


def sqlite_path(url: str) -> Path | None:
    """Return the file behind an address, or None if it is no SQLite file."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        return None
    if parsed.get_backend_name() != "sqlite" or parsed.database in (
        None,
        "",
        ":memory:",
    ):
        return None
    return Path(str(parsed.database))


def why_no_driver(url: str) -> str:
    """Say what a database address needs that is not installed; empty if nothing."""
    try:
        sa.make_url(url).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        return f"{masked(url)} needs the package {error.name}; pip install it"
    except SQLAlchemyError:
        return f"{masked(url)} names no kind of database that is known"
    return ""


def connect(url: str) -> sa.Engine:
    """Open a database and bring its schema up to date.

    Args:
        url: An SQLAlchemy address, as ``sqlite:///hpo.db``.

    Raises:
        StoreError: The address is wrong, or the database cannot be opened, is not ours,
            or was made by a newer version.
    """
    try:
        address = sa.make_url(url)
        engine = sa.create_engine(address, **_options(address))
    except (ArgumentError, ValueError, ModuleNotFoundError) as error:
        raise StoreError(
            f"store {masked(url)}: {_why_no_address(url, error)}"
        ) from error
    if engine.dialect.name == "sqlite":
        _configure_sqlite(engine)
    try:
        with translated(url):
            _migrate(engine, url)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _options(address: sa.URL) -> dict[str, Any]:
    """Return how to connect.

    Raises:
        ArgumentError: hpo does not work with this kind of database.
    """
    kind = address.get_backend_name()
    if kind == "postgresql":
        return {}
    if kind != "sqlite" or address.host:
        raise ArgumentError(kind)
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS}
    if address.database not in (None, "", ":memory:"):
        return {"connect_args": arguments}
    # A database in memory is its connection: there is one, and one thread at a time
    # uses it.
    arguments["check_same_thread"] = False
    one = {"pool_size": 1, "max_overflow": 0, "poolclass": sa.QueuePool}
    return {"connect_args": arguments, **one}


def _why_no_address(url: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"needs the package {error.name}; pip install 'hpo[postgres]' brings it"
    slashes = ""
    if url.startswith("sqlite://") and not url.startswith("sqlite:///"):
        slashes = " (three slashes)"
    return (
        f"expected an address like sqlite:///hpo.db{slashes} or "
        f"postgresql+psycopg://user@host/database; mend --store or HPO_STORE"
    )


def _configure_sqlite(engine: sa.Engine) -> None:
    wal = sqlite3.sqlite_version_info >= WAL_SINCE
    pragmas = (
        f"journal_mode={'WAL' if wal else 'TRUNCATE'}",
        "synchronous=FULL",
        "foreign_keys=ON",
    )

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, record: object) -> None:
        # Python's sqlite3 would begin transactions by rules of its own.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("hpo_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(engine: sa.Engine, url: str) -> None:
    """Bring the schema to `HEAD`, once, however many processes start together."""
    if _version(engine, url) == HEAD:
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if _version_on(connection) == HEAD:
            return
        # Imported here: only the first start and an upgrade need it.
        from alembic import command
        from alembic.config import Config

        config = Config()
        location = Path(__file__).parent / "migrations"
        config.set_main_option("script_location", str(location).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(engine: sa.Engine, url: str) -> str | None:
    with engine.connect().execution_options(hpo_reading=True) as connection:
        version = _version_on(connection)
        if version is None and sa.inspect(connection).has_table("alembic_version"):
            raise StoreError(
                f"store {masked(url)}: this database belongs to another program "
                f"(it has a table alembic_version, as MLflow's and Optuna's do); give "
                f"hpo a database of its own with --store or HPO_STORE."
            )
    if version is not None and version > HEAD:
        raise StoreError(
            f"store {masked(url)}: was made by a newer hpo (schema {version}; this one "
            f"knows {HEAD}); upgrade hpo, or use another store."
        )
    return version


def _version_on(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    version: str | None = connection.execute(sa.select(table.c.version_num)).scalar()
    return version


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what the database layer raises into a `StoreError` with a way out."""
    try:
        yield
    except (SQLAlchemyError, UnicodeEncodeError) as error:
        words = _scrubbed(_words(error, url), url)
        raise StoreError(f"store {masked(url)}: {words}") from error
    except ValueError as error:
        # What is packed in a column (JSON, .npy) cannot be unpacked.
        raise StoreError(
            f"store {masked(url)}: holds damaged content ({error}); restore the "
            f"database from a copy, or use another"
        ) from error


def retried(work: Callable[[], T]) -> T:
    """Do a transaction again while another process holds the database.

    SQLite itself waits `BUSY_SECONDS` each time; the work must be safe to repeat.
    """
    for attempt in range(LOCKED_ATTEMPTS):
        try:
            return work()
        except OperationalError as error:
            if "locked" not in str(error.orig) or attempt == LOCKED_ATTEMPTS - 1:
                raise
            time.sleep(0.1)
    raise AssertionError("unreachable")


def _words(error: Exception, url: str) -> str:
    cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    cause = " ".join(cause.split())
    path = sqlite_path(url)
    folder = path.absolute().parent if path else None
    if "password" in cause or ("role" in cause and "does not exist" in cause):
        how = "mend the address, or set PGPASSWORD"
        return f"refuses the name or the password ({cause[:200]}); {how}"
    if "database" in cause and "does not exist" in cause:
        return f"has no such database ({cause[:200]}); make it first, with createdb"
    if "full" in cause or "disk I/O" in cause or "No space" in cause:
        return (
            f"cannot write ({cause}); free some space on the disk of "
            f"{folder or 'the server'} and run the same command again: everything "
            f"committed is kept"
        )
    if "unable to open" in cause and folder is not None and path is not None:
        if path.is_dir():
            return f"cannot be opened: {path} is a folder; name a file in it"
        if not folder.is_dir():
            return f"cannot be opened: there is no folder {folder}; make it first"
        return f"cannot be opened: no permission for {path} or its folder"
    if "readonly" in cause or "read-only" in cause:
        return f"cannot be written: {path or 'the database'} is read-only"
    if "not a database" in cause or "malformed" in cause:
        return f"is damaged or no SQLite database ({cause}); restore it, or use another"
    if "locked" in cause:
        waited = BUSY_SECONDS * LOCKED_ATTEMPTS
        return f"stayed locked by another program for {waited} seconds; close that one"
    return f"{cause[:300]}; when it is back, run the same command again"
