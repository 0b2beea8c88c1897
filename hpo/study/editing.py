"""What may change in the file of a study that has trials.

Budgets may; a space or strategy may, and keeps its history; whatever would make scores
incomparable may not.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.errors import StudyError
from hpo.records import StudyRecord
from hpo.spec import Change, StudySpec, differences

FREE = (
    "search.trials",
    "search.timeout",
    "search.patience",
    "search.width",
    "search.max_failures",
    "search.strategy",
    "evaluation.fold_timeout",
    "engine.jobs",
    "space",
)
DATA_WORDING = (
    "data.source",
    "data.target",
    "data.features",
    "data.drop",
    "task",
)
"""May be worded otherwise, as long as the same data comes of it."""


def edits(stored: StudyRecord, spec: StudySpec, fingerprint: str) -> list[Change]:
    """Return what changed since the study was stored.

    Args:
        stored: The study.
        spec: The file as it is now.
        fingerprint: Of the data as it is now.

    Raises:
        StudyError: Something changed that must not; names each change and the way out.
    """
    changes = differences(stored.document, spec.to_document())
    same_data = fingerprint == stored.fingerprint
    refused = [change for change in changes if not _allowed(change[0], same_data)]
    lines = [
        f"  {path}: was {_show(old)}, is {_show(new)}" for path, old, new in refused
    ]
    if not same_data and not any(path.startswith("data.") for path, _, _ in refused):
        lines.append(f"  the content of {spec.data.source} has changed")
    if not lines:
        return changes
    raise StudyError(
        f"study {stored.name!r} was begun with another "
        f"{_what(refused, same_data)}, so its trials could not be compared:\n"
        + "\n".join(lines)
        + "\nUndo the change, begin a new study with --name NEW, or use another store."
    )


def _allowed(path: str, same_data: bool) -> bool:
    if any(path == free or path.startswith(f"{free}.") for free in FREE):
        return True
    return same_data and path in DATA_WORDING


def _what(refused: Sequence[Change], same_data: bool) -> str:
    names = dict.fromkeys(path.rpartition(".")[2] for path, _, _ in refused)
    return ", ".join(names) if names and same_data else "data set"


def _show(value: object) -> str:
    return "not set" if value is None else repr(value)
