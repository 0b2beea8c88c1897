"""Who may write a study: leases with a heartbeat and a fencing token.

A lease is taken by one conditional UPDATE that must find the token it has read, and
each taking raises the token, so a former holder's writes no longer match. It is free
when its holder released it, when the holder's process is gone (same machine), or when
it missed its heartbeats.
"""

from __future__ import annotations

import getpass
import math
import os
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hpo.errors import LeaseLostError, StudyBusyError
from hpo.store.schema import leases

LEASE_SECONDS = 30.0
BEATS_PER_LEASE = 5

# Built once: every transaction of a study begins with it.
_RENEW = (
    sa.update(leases)
    .where(
        leases.c.study_id == sa.bindparam("study"),
        leases.c.token == sa.bindparam("held"),
        leases.c.holder.is_not(None),
    )
    .values(beat=sa.bindparam("now"))
)


@dataclass(frozen=True)
class Lease:
    """The right to write one study, as long as ``token`` is the newest."""

    study_id: int
    token: int


@cache
def machine() -> str:
    """Name this boot of this machine (and container), so that process ids compare."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        boot += f" {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        import psutil

        boot = str(int(psutil.boot_time()))
    return f"{socket.gethostname()} {boot}"


def take(
    connection: sa.Connection, study_id: int, name: str, lease_seconds: float
) -> Lease:
    """Take the lease of a study, within the caller's transaction.

    Raises:
        StudyBusyError: Someone else holds it; says who, where and since when.
    """
    row = connection.execute(
        sa.select(leases).where(leases.c.study_id == study_id)
    ).one()
    now = clock(connection)
    if holder(row, now, lease_seconds, connection.dialect.name) is not None:
        since = row.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        raise StudyBusyError(
            f"study {name!r} is being run by {row.holder} since {since}; wait for it, "
            f"stop it, or give this one another name with --name"
        )
    taken = connection.execute(
        sa.update(leases)
        .where(leases.c.study_id == study_id, leases.c.token == row.token)
        .values(
            token=row.token + 1,
            holder=f"{_user()}@{socket.gethostname()}, process {os.getpid()}",
            machine=machine(),
            pid=os.getpid(),
            process_started=_started(os.getpid()),
            beat=now,
            taken_at=datetime.now(UTC),
        )
    )
    if taken.rowcount != 1:
        raise StudyBusyError(f"study {name!r} was taken by another process just now")
    return Lease(study_id, row.token + 1)


def renew(connection: sa.Connection, lease: Lease) -> None:
    """Beat the heart; every transaction of a holder starts with this.

    Raises:
        LeaseLostError: The token is no longer the newest, or was given back.
    """
    values = {"study": lease.study_id, "held": lease.token, "now": clock(connection)}
    if connection.execute(_RENEW, values).rowcount != 1:
        raise LeaseLostError(
            "another process has taken the study over (this one missed its "
            "heartbeats); stopped here; nothing that was committed is lost"
        )


def release(connection: sa.Connection, lease: Lease) -> None:
    """Give the lease back; nothing happens if it is lost already."""
    connection.execute(
        sa.update(leases)
        .where(leases.c.study_id == lease.study_id, leases.c.token == lease.token)
        .values(holder=None, pid=None, machine=None)
    )


def holder(row: Any, now: float, lease_seconds: float, dialect: str) -> str | None:
    """Return who holds the lease in ``row``, or None if it is free.

    Args:
        row: Of the table of leases.
        now: What `clock` said after the row was read.
        lease_seconds: After how long without a heartbeat a holder counts as gone.
        dialect: Of the database; an SQLite file belongs to one machine.
    """
    if row.holder is None:
        return None
    same_machine = row.machine == machine()
    if same_machine and _gone(row.pid, row.process_started):
        return None
    # On SQLite heartbeats are measured from the machine's start: one from before the
    # last start says nothing, and nobody has lived through it.
    restarted = dialect == "sqlite" and (row.beat > now or _rebooted(row.machine))
    if restarted or now - row.beat > lease_seconds:
        return None
    return str(row.holder)


def clock(connection: sa.Connection) -> float:
    """Return the time that heartbeats are measured by, in seconds.

    It is the server's; on SQLite this machine's monotonic one, which never jumps.
    """
    if connection.dialect.name == "sqlite":
        return time.monotonic()
    return float(
        connection.execute(
            sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))
        ).scalar_one()
    )


def _rebooted(then: str) -> bool:
    """Tell whether a name of `machine` is of an earlier boot of this one."""
    host, _, boot = then.partition(" ")
    host_now, _, boot_now = machine().partition(" ")
    return host == host_now and boot.split(" ")[0] != boot_now.split(" ")[0]


def _gone(pid: int, started: float) -> bool:
    """Tell whether the process with this id and start time has ended."""
    now_started = _started(pid)
    if now_started == -math.inf:
        return False
    return now_started is None or abs(now_started - started) > 1.0


def _started(pid: int) -> float | None:
    """Return when a process started, or None if it has ended; -inf if that is hidden.

    On Linux in clock ticks since the machine's start: the time of day would move with
    the clock, and make a living process look like another one.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return None if _has_ended(pid) else -math.inf
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in "ZX" else float(fields[18])
    import psutil

    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return None if zombie else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def _has_ended(pid: int) -> bool:
    """Tell it of a process whose files are hidden, as on machines with many users."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "someone"
