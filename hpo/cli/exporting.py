"""`hpo export`: the chosen trial's model in a folder, and in MLflow."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hpo.cli.console import clean, number, out, say
from hpo.cli.listing import open_store
from hpo.cli.tracking import store_option, tracking_address, tracking_option
from hpo.errors import Problem, SpecError, StudyBusyError, TrackingError
from hpo.export import Exported, export_model
from hpo.export.loading import open_model
from hpo.export.writing import already_there, refuse_taken
from hpo.store import Store
from hpo.tracking import in_memory, masked

NOT_IN_NAMES = "/:"
"""What MLflow refuses in the name of a model."""


def export_study(
    name: str,
    to: Path,
    trial: int | None,
    register: str | None,
    tracking: str | None,
    allowed_modules: Sequence[str],
    store_url: str,
) -> None:
    """Train a trial on all training rows, write the model, and log it to MLflow.

    Args:
        name: Of the study.
        to: Folder to write, new or empty; or one that holds this very export, which is
            then only logged.
        trial: Number of a trial; None for the chosen one.
        register: Name to register it by in MLflow; None not to.
        tracking: Address of MLflow, ``none``, or None for the usual one.
        allowed_modules: Modules whose code the study or the model may be made of.
        store_url: Where the study is kept.

    Raises:
        HpoError: Anything in the way; see `hpo.cli.app.main`. If it is MLflow, the
            folder is there.
    """
    if register is not None and (
        not register.strip() or any(c in register for c in NOT_IN_NAMES)
    ):
        what = f"expected a name without / and :, as MLflow asks for; got {register!r}"
        raise SpecError([Problem("--register", what)])
    uri = tracking_address(tracking, store_url)
    if register is not None and uri is None:
        what = "needs MLflow; give its address with --tracking"
        raise SpecError([Problem("--register", what)])
    store = open_store(store_url)
    made = None if uri is None else already_there(store, name, to, trial)
    if made is not None:
        say(f"{to} holds this model already; it is only logged to MLflow")
    else:
        refuse_taken(to)
        say(f"training {_trial(trial)} of {name!r} on all training rows ...")
        made = export_model(
            store, name, to, trial=trial, allowed_modules=allowed_modules
        )
        _tell(made)
    if uri is not None and not in_memory(store_url):
        _log(store, name, made, uri, register, allowed_modules)
    out().print(f"predict new rows: hpo predict {shlex.quote(clean(to))} FILE.csv")


def _trial(given: int | None) -> str:
    return "the chosen trial" if given is None else f"trial {given}"


def _tell(made: Exported) -> None:
    info, refitted = made.document.info, made.refitted
    assert refitted is not None
    for note in refitted.notes:
        say(f"note: {note}")
    epochs = "" if refitted.n_epochs is None else f", {refitted.n_epochs} epochs"
    out().print(
        f"{clean(made.folder)}: trial {made.trial} of {clean(info['study'])}, "
        f"{clean(info['metric'])} {number(info['mean_test_score'])} +- "
        f"{number(info['std_test_score'])} in cross-validation, trained on "
        f"{refitted.n_rows:,} rows{epochs}",
        soft_wrap=True,
    )


def _log(
    store: Store,
    name: str,
    made: Exported,
    uri: str,
    register: str | None,
    allowed_modules: Sequence[str],
) -> None:
    from hpo.tracking.model import log_model

    where = masked(uri)
    say(f"logging it to MLflow at {where} ...")
    try:
        model = open_model(made.folder, allowed_modules)
        logged = log_model(
            store, name, made.folder, uri, register=register, model=model
        )
    except (TrackingError, StudyBusyError) as error:
        raise type(error)(
            f"{error}\nthe model is complete in {made.folder}, but MLflow does not "
            f"have it; to log it later: {_again(store, name, made, where, register)}"
        ) from error
    out().print(f"in MLflow: {clean(logged.uri)}", soft_wrap=True)
    if logged.version is not None:
        out().print(
            f"registered: {clean(register)}, version {logged.version}", soft_wrap=True
        )


def _again(
    store: Store, name: str, made: Exported, where: str, register: str | None
) -> str:
    """Return the command that logs what is in the folder."""
    named = "" if register is None else f" --register {shlex.quote(register)}"
    return (
        f"hpo export {shlex.quote(name)} --to {shlex.quote(str(made.folder))} --trial "
        f"{made.trial}{named}{store_option(store.url)}{tracking_option(where)}"
    )
