"""`hpo sync`: send to MLflow what it misses, or everything to a new one."""

from __future__ import annotations

import time

from hpo.cli.console import clean, say
from hpo.cli.exit_codes import GONE
from hpo.cli.listing import open_store
from hpo.cli.tracking import tracking_address
from hpo.errors import Problem, SpecError, StudyBusyError, TrackingError
from hpo.store import Store
from hpo.tracking import masked
from hpo.tracking.client import Client, RefusedError
from hpo.tracking.sender import Left, Sender

CALL_SECONDS = 60
WAITS = (1.0, 3.0, 10.0)
"""Seconds between attempts while MLflow does not answer."""
LINE_SECONDS = 5.0


def sync_studies(name: str | None, tracking: str | None, store_url: str) -> int:
    """Send one study, or all; return the exit code.

    Raises:
        HpoError: Anything that keeps it from sending; see `hpo.cli.app.main`.
    """
    uri = tracking_address(tracking, store_url)
    if uri is None:
        what = "expected the address of an MLflow to send to; got none"
        raise SpecError([Problem("--tracking", what)])
    store = open_store(store_url)
    names = [line.name for line in store.summaries()] if name is None else [name]
    if name is not None and (owner := store.summary(name).owner):
        raise StudyBusyError(
            f"study {name!r} is being run by {owner}, which sends it itself; wait for "
            f"it to end"
        )
    if not names:
        say("no studies to send")
        return 0
    say(f"looking at MLflow at {masked(uri)} ...")
    client = Client(uri, call_seconds=CALL_SECONDS)
    results = [_sync(store, each, client) for each in names]
    return 0 if all(results) else GONE


def _sync(store: Store, name: str, client: Client) -> bool:
    """Send one study; tell whether MLflow has it all."""
    if owner := store.summary(name).owner:
        say(f"{clean(name)}: is being run by {owner}, which sends it itself")
        return True
    mirror = store.mirror(name, masked(client.uri))
    sender = Sender(store, name, client, mirror, thorough=True, observe=_Line(name))
    try:
        left = _persist(store, name, sender)
    except RefusedError as error:
        # Another study may be taken.
        say(f"{clean(name)}: {error}", style="yellow")
        return False
    if left.refused:
        say(f"{clean(name)}: {left.refused}", style="yellow")
    new = f", {sender.n_created} of them new there" if sender.n_created else ""
    if left.n_trials == 0 and not left.refused:
        say(f"{clean(name)}: MLflow has all {len(mirror.marks)} trials{new}")
        return True
    say(f"{clean(name)}: {left.n_trials} trials not sent{new}", style="yellow")
    return False


def _persist(store: Store, name: str, sender: Sender) -> Left:
    """Send everything, trying again for a while when MLflow does not answer."""
    for wait in (*WAITS, None):
        try:
            return sender.send(state=store.summary(name).state, everything=True)
        except TrackingError as error:
            if wait is None:
                raise
            say(f"{clean(str(error))}; trying again in {wait:.0f} s", style="yellow")
            time.sleep(wait)
    raise AssertionError("unreachable")


class _Line:
    """Says now and then how many trials are left."""

    def __init__(self, name: str) -> None:
        self._name, self._said_at = name, time.monotonic()

    def __call__(self, n_left: int) -> None:
        if time.monotonic() - self._said_at >= LINE_SECONDS:
            self._said_at = time.monotonic()
            say(f"{clean(self._name)}: {n_left} trials left to send")
