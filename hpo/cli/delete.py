"""`hpo delete`: remove a study for good, after asking."""

from __future__ import annotations

import sys

import typer

from hpo.cli.console import say
from hpo.cli.listing import open_store
from hpo.errors import StudyBusyError, StudyError
from hpo.records import StudySummary
from hpo.store import MANUAL, Store


def delete_study(name: str, store_url: str, *, sure: bool) -> None:
    """Remove a study with all its trials from the store.

    Args:
        name: Of the study.
        store_url: Where it is.
        sure: Whether to do it without asking.

    Raises:
        StudyNotFoundError: No study has this name.
        StudyBusyError: A living process runs it.
        StudyError: There is nobody to ask.
        StoreError: The store cannot be opened or written.
    """
    store = open_store(store_url)
    summary = store.summary(name)
    if summary.owner is not None:
        raise StudyBusyError(
            f"study {name!r} is being run by {summary.owner}; stop it first"
        )
    say(_words(store, summary))
    if not sure and not _agreed():
        say("nothing was deleted")
        return
    store.delete(name)
    say(f"study {name!r} is deleted")


def _words(store: Store, summary: StudySummary) -> str:
    n_all = len(store.trials(summary.name))
    n_manual = len(store.trials(summary.name, kind=MANUAL))
    best = summary.best_score
    score = "" if best is None else f", best {summary.metric} {best:.4f}"
    tries = f" and {n_manual} manual" if n_manual else ""
    return (
        f"study {summary.name!r} ({summary.state}): {n_all} trials{tries} of "
        f"{summary.family}{score}"
    )


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise StudyError(
            "hpo delete asks before it deletes, and there is no terminal to answer on; "
            "add --yes to delete without asking. Nothing was deleted."
        )
    return typer.confirm("Delete it with all its trials, for good?", err=True)
