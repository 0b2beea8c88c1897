"""A PostgreSQL server for tests: the one that is given, or a temporary one of our own.

PostgreSQL refuses to run as root, so under root it is started as another user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

VARIABLE = "HPO_TEST_POSTGRES"
REQUIRED = "HPO_REQUIRE_POSTGRES"
TIMEZONE = "Asia/Kolkata"
"""Of every database made here: not UTC, so that a lost zone shows."""

INITDB_OPTIONS = (
    *("-U", "hpo", "-A", "trust", "-E", "UTF8", "--locale=C"),
    *("--no-sync", "--no-instructions"),
)


class NoServerError(Exception):
    """There is no server, and none can be started."""


class Server:
    """A server of our own that a test may stop and start again.

    Attributes:
        url: Its address, as its administrator.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._user = folder, _user()
        self._programs = _programs()
        self._port = _free_port()
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", *INITDB_OPTIONS)
        self.url = f"postgresql://hpo:unchecked@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        # Commits of a killed client survive without fsync; only a power cut needs it.
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._folder} "
            f"-c fsync=off -c max_connections=60 -c shared_buffers=32MB"
        )
        log = self._folder / "log"
        self._run("pg_ctl", "-w", "-t", "60", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it ``fast``, as an administrator does, or ``immediate``, as a crash."""
        self._run("pg_ctl", "-w", "-t", "60", "-m", mode, "stop")

    def _run(self, program: str, *words: str | Path) -> None:
        command = [self._programs / program, "-D", self._folder / "data", *words]
        _run(command, self._user, self._folder)


@contextmanager
def postgres_or_skip() -> Iterator[str]:
    """Yield the address of a server, as its administrator; skip where there is none.

    With ``HPO_REQUIRE_POSTGRES=1`` a missing server fails the test instead.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    with server_or_skip() as server:
        yield server.url


@contextmanager
def server_or_skip() -> Iterator[Server]:
    """Yield a server of our own; skip, or fail, where none can be started."""
    try:
        with stoppable_server() as server:
            yield server
    except NoServerError as error:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{error}; {REQUIRED}=1 forbids to skip", pytrace=False)
        pytest.skip(f"{error}; set {VARIABLE} to the address of an administrator")


@contextmanager
def temporary_database(admin_url: str) -> Iterator[str]:
    """Yield the address of an empty database, which is dropped at the end."""
    name = f"hpo_test_{uuid.uuid4().hex[:12]}"
    url = sa.make_url(admin_url)
    _administer(url, "CREATE DATABASE {}", name)
    try:
        _administer(url, f"ALTER DATABASE {{}} SET timezone TO '{TIMEZONE}'", name)
        ours = url.set(drivername="postgresql+psycopg", database=name)
        yield ours.render_as_string(hide_password=False)
    finally:
        _administer(url, "DROP DATABASE {} WITH (FORCE)", name)


def _administer(url: sa.URL, statement: str, name: str) -> None:
    import psycopg
    from psycopg import sql

    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def temporary_server() -> Iterator[str]:
    """Yield the address of a server of our own, as its administrator."""
    with stoppable_server() as server:
        yield server.url


@contextmanager
def stoppable_server() -> Iterator[Server]:
    """Start a server on a free port of 127.0.0.1; stop and delete it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hpo-pg-", dir="/tmp"))
    try:
        server = Server(folder)
        try:
            server.start()
            yield server
        finally:
            with suppress(NoServerError):
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    if importlib.util.find_spec("psycopg") is None:
        raise NoServerError("psycopg is not installed")
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name
    )
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    complete = [path for path in found if (path / "pg_ctl").exists()]
    if not complete:
        raise NoServerError("PostgreSQL's initdb and pg_ctl are not installed")
    return complete[-1]


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoServerError("PostgreSQL does not run as root, and there is no user nobody")


def _run(
    command: list[str | Path], user: pwd.struct_passwd | None, folder: Path
) -> None:
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    # A file, not a pipe: the server inherits it, and a pipe would never close.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            check=False,
            timeout=120,
            **(who if user is not None else {}),
        )
        output.seek(0)
        said = output.read()[-500:]
    if done.returncode != 0:
        raise NoServerError(f"{command[0]} failed: {said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
