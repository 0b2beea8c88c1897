"""How a command sends to MLflow, and what it says of that."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hpo.cli.console import clean, say
from hpo.errors import SpecError
from hpo.store import masked
from hpo.tracking import Tracker, in_memory, refuse_shared, resolve
from hpo.tracking import masked as masked_address
from hpo.tracking.tracker import DRAIN_SECONDS, Farewell


def tracking_address(given: str | None, store_url: str) -> str | None:
    """Return the address of MLflow, or None if nothing is to be sent.

    Raises:
        SpecError: It is no address, or that of the store itself.
    """
    uri = resolve(given)
    if uri is not None:
        refuse_shared(uri, store_url)
    return uri


def store_option(store_url: str) -> str:
    """Return what a command needs to find the store; nothing if it is the usual one."""
    usual = os.environ.get("HPO_STORE", "sqlite:///hpo.db")
    return "" if store_url == usual else f" --store {masked(store_url)}"


def tracking_option(where: str) -> str:
    """Return what a command needs to find this MLflow; nothing if it is the usual one.

    Args:
        where: Its address without passwords.
    """
    try:
        usual = resolve(None)
    except SpecError:
        usual = None
    if usual is not None and masked_address(usual) == where:
        return ""
    # A password that is not shown cannot be pasted.
    return f" --tracking {'ADDRESS' if '***' in where else shlex.quote(where)}"


@contextmanager
def sending(
    store_url: str, study: str, uri: str | None
) -> Iterator[Callable[[], None]]:
    """Send a study to MLflow while the block runs.

    Yields what is to be called when the study has ended: it waits a little for what is
    left, and tells how that went.
    """
    if uri is None or in_memory(store_url):
        if uri is not None:
            say("the store is in memory: nothing is kept, or sent to MLflow")
        yield lambda: None
        return
    tracker = Tracker(store_url, study, uri)
    tracker.start()
    try:
        yield lambda: _part(tracker, store_url, study, uri)
    except KeyboardInterrupt:
        tell(tracker.now, study, masked_address(uri), store_url)
        raise
    finally:
        tracker.close()


def _part(tracker: Tracker, store_url: str, study: str, uri: str) -> None:
    where = masked_address(uri)

    def waiting() -> None:
        say(f"sending what is left to MLflow at {where}, {DRAIN_SECONDS:.0f} s at most")

    try:
        farewell = tracker.finish(waiting=waiting)
    except KeyboardInterrupt:
        say("not waiting for MLflow")
        farewell = tracker.now
    tell(farewell, study, where, store_url)


def tell(farewell: Farewell, study: str, where: str, store_url: str) -> None:
    """Say what MLflow has, and how it gets the rest."""
    if farewell.complete:
        say(f"MLflow at {where} has it all; hpo ui{tracking_option(where)} shows it")
        return
    n_left = farewell.n_left
    trials = "1 trial is" if n_left == 1 else f"{n_left} trials are"
    left = trials if n_left else "some of it is"
    why = f" ({farewell.problem})" if farewell.problem else ""
    yet = "" if farewell.problem else " yet"
    say(f"{left} not sent to MLflow at {where}{yet}{why}", style="yellow")
    option = store_option(store_url) + tracking_option(where)
    when = "once that is mended" if farewell.problem else "later"
    say(f"nothing is lost: hpo sync '{clean(study)}'{option} sends it {when}")
