"""A stored study as one that can run again, made of what the store has of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpo.errors import StudyError
from hpo.records import StudyRecord
from hpo.spec import parse_study
from hpo.store import Store
from hpo.study.prepare import Prepared, prepare
from hpo.user_code import OBJECTIVE, kind_of

SEARCH_CV = "search_cv"
"""Key of the documents of `hpo.SearchCV`, whose data no file says."""


def stored_study(
    store: Store, name: str, *, allowed_modules: Sequence[str] = ()
) -> Prepared:
    """Prepare a stored study from its document: its data are read and split again.

    Args:
        store: Where it is.
        name: Of the study.
        allowed_modules: Installed packages whose code it may name.

    Raises:
        StudyNotFoundError: No study has this name.
        StudyError: Its data have changed, or cannot be read again as they came from a
            program; or its model is an objective.
        SpecError: What it names is not there any more.
        DataError: Its data cannot be read.
    """
    record = store.study(name)
    _refuse(record)
    spec = parse_study(
        record.document, folder=Path(record.folder), allowed_modules=allowed_modules
    )
    prepared = prepare(spec)
    if prepared.fingerprint != record.fingerprint:
        raise StudyError(
            f"study {name!r}: the content of {spec.data.name} has changed since the "
            "study was begun, so no model can be trained on what was searched; put the "
            "data back, or begin a new study with `hpo run FILE --name NEW`"
        )
    return prepared


def changed_code(store: Store, prepared: Prepared) -> str | None:
    """Say that the code of a study's model is another one than when it began.

    Only the file that the study names is compared, and not what that imports.
    """
    stored, now = store.rows(prepared.spec.name), prepared.rows
    if stored is None or now is None or stored.code == now.code:
        return None
    return (
        f"the code of {prepared.spec.model} has changed since the study began, so what "
        "its trials scored is not what this code would"
    )


def _refuse(record: StudyRecord) -> None:
    if SEARCH_CV in record.document:
        raise StudyError(
            f"study {record.name!r} is a search of SearchCV, which got its data from a "
            "program: the store cannot read them again; use what that program has, "
            "search.best_estimator_ and search.predict(X)"
        )
    if kind_of(record.family) == OBJECTIVE:
        raise StudyError(
            f"study {record.name!r}: an objective gives a score and no model, so there "
            "is none to train on all rows; train one with the best params yourself"
        )
