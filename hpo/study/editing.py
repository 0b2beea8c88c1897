"""What may change in the file of a study that has trials.

Budgets may; a space or strategy may, and keeps its history; whatever would make scores
incomparable may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpo.errors import StudyError
from hpo.metrics import DEFAULT_METRIC
from hpo.records import StudyRecord, Task
from hpo.spec import Change, StudySpec, differences
from hpo.spec.words import changes_table

FREE = (
    "search.trials",
    "search.timeout",
    "search.patience",
    "search.width",
    "search.max_failures",
    "search.strategy",
    "evaluation.fold_timeout",
    "evaluation.nested",
    "engine.jobs",
    "select",
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

    Returns:
        Path, old and new value of each change; a hyperparameter is one change, however
        much of it was edited.

    Raises:
        StudyError: Something changed that must not; names each change and the way out.
    """
    document = spec.to_document()
    found = differences(stored.document, document)
    same_data = fingerprint == stored.fingerprint
    refused = [
        change
        for change in found
        if not _allowed(change[0], same_data) and not _same(change, stored, document)
    ]
    if same_data and not refused:
        return _whole(found, stored, document)
    reworded = any(path.startswith("data.") for path, _, _ in refused)
    changed_source = None if same_data or reworded else spec.data.name
    shown = _whole(refused, stored, document)
    raise StudyError(_refusal(stored.name, shown, changed_source, same_data=same_data))


def _allowed(path: str, same_data: bool) -> bool:
    return _within(path, FREE) or (same_data and _within(path, DATA_WORDING))


def _same(change: Change, stored: StudyRecord, document: Mapping[str, Any]) -> bool:
    """Tell whether a default was only written out, or left out again."""
    path, _, new = change
    if path == "evaluation.metric":
        return (new or DEFAULT_METRIC[stored.task]) == stored.metric
    if path == "evaluation.split":
        return _split(document, stored.task) == _split(stored.document, stored.task)
    return False


def _split(document: Mapping[str, Any], task: Task) -> str:
    data, given = document["data"], document["evaluation"]["split"]
    usual = "stratified" if task == "classification" else "kfold"
    implied = "group" if data["group"] else "time" if data["order"] else usual
    return str(given or implied)


def _within(path: str, keys: Sequence[str]) -> bool:
    return any(path == key or path.startswith(f"{key}.") for key in keys)


def _whole(
    found: Sequence[Change], stored: StudyRecord, document: Mapping[str, Any]
) -> list[Change]:
    """Return changes inside a hyperparameter or a source as changes of the whole."""
    whole: dict[str, Change] = {}
    for path, old, new in found:
        section, _, inner = path.partition(".")
        before, after = stored.document.get(section), document.get(section)
        if inner and isinstance(before, Mapping) and isinstance(after, Mapping):
            keys = [k for k in (*before, *after) if _within(inner, [k])]
            # Names may have dots: the longest that fits is meant.
            key = max(keys, key=len)
            path, old, new = f"{section}.{key}", before.get(key), after.get(key)
        whole[path] = (path, old, new)
    return list(whole.values())


def _refusal(
    name: str, refused: Sequence[Change], changed_source: str | None, *, same_data: bool
) -> str:
    lines = [changes_table(refused)] if refused else []
    if changed_source is not None:
        lines.append(f"  the content of {changed_source} has changed")
    quoted = f"'{name}'" if " " in name else name
    names = dict.fromkeys(path.rpartition(".")[2] for path, _, _ in refused)
    what = ", ".join(names) if names and same_data else "data set"
    return "\n".join(
        [
            f"study {name!r} was begun with another {what}, so its trials could not be "
            "compared:",
            *lines,
            "Undo the change, begin a new study with `hpo run FILE --name NEW`, or "
            f"remove this one with `hpo delete {quoted}`.",
        ]
    )
