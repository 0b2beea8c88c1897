"""Whether scores of studies can be compared at all: the same metric, rows and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpo.errors import StudyError
from hpo.records import StudyRecord, StudyRows, Trial
from hpo.report.look import written
from hpo.report.units import units_of
from hpo.spec.model import NO_DATA
from hpo.spec.words import exactly
from hpo.store import Store


@dataclass(frozen=True)
class Stored:
    """A study to be compared, as it is in the store.

    Args:
        study: The study.
        trials: Of its search, by number.
        rows: What its rows are; None if that was not kept.
    """

    study: StudyRecord
    trials: Sequence[Trial]
    rows: StudyRows | None = None


def refuse_incomparable(given: Sequence[Stored]) -> None:
    """Refuse studies whose scores do not measure the same.

    Another model, space or strategy is what one compares; another seed draws other
    folds in the same way, which is fair but noisier.

    Raises:
        StudyError: Names each study that differs from the first, and in what.
    """
    first, *others = given
    lines = []
    for other in others:
        for what, mine, theirs in _differences(first, other):
            lines.append(f"  {what}: {first.study.name!r} has {mine}")
            lines.append(f"  {' ' * len(what)}  {other.study.name!r} has {theirs}")
    if lines:
        raise StudyError(
            "\n".join(
                [
                    "these studies do not measure the same, so their scores cannot be "
                    "compared:",
                    *lines,
                    "Compare studies of the same data, metric and folds; model, space "
                    "and strategy may differ.",
                ]
            )
        )


def same_folds(given: Sequence[Stored]) -> bool:
    """Tell whether all studies score their trials on the very same rows."""
    first, *others = given
    if first.study.fingerprint == NO_DATA:
        return False
    return all(_same_folds(first, other) for other in others)


def _same_folds(one: Stored, other: Stored) -> bool:
    if one.rows is None or other.rows is None:
        return one.study.seed == other.study.seed
    pairs = zip(one.rows.folds, other.rows.folds, strict=False)
    return len(one.rows.folds) == len(other.rows.folds) and all(
        np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in pairs
    )


def _differences(one: Stored, other: Stored) -> list[tuple[str, str, str]]:
    """Return what differs: its name, and how it is in either."""
    mine, theirs = _facts(one.study), _facts(other.study)
    found = [
        (what, mine[what][0], theirs[what][0])
        for what in mine
        if mine[what][1] != theirs[what][1]
    ]
    same_seed = one.study.seed == other.study.seed
    if not found and same_seed and not _same_folds(one, other):
        found.append(("folds", "rows of its own", "other rows"))
    return found


def _facts(study: StudyRecord) -> dict[str, tuple[str, object]]:
    """Return what must be the same: in words, and as it is compared."""
    data = study.document.get("data") or {}
    evaluation = study.document.get("evaluation") or {}
    units = units_of(study)
    source = written(exactly(data.get("source", "")), 40)
    content = f"{source} (fingerprint {study.fingerprint[:12]})"
    folds = (study.n_folds, evaluation.get("repeats", 1), _split(study))
    test_size = data.get("test_size")
    facts: dict[str, tuple[str, object]] = {
        "metric": (written(units.metric), units.metric),
        "direction": (f"{units.better} is better", units.sign),
        "task": (study.task, study.task),
        "data": (content, study.fingerprint),
        "folds": (_folds_words(*folds), folds),
        "test part": (f"a share of {test_size}", test_size),
    }
    if study.fingerprint == NO_DATA:
        # Without data it is the objective itself that says what is measured.
        facts["objective"] = (written(study.family), study.family)
    return facts


def _folds_words(n_folds: int, repeats: int, split: str) -> str:
    times = "" if repeats == 1 else f"{repeats} x "
    return f"{times}{n_folds // repeats} folds ({split})"


def _split(study: StudyRecord) -> str:
    data = study.document.get("data") or {}
    evaluation = study.document.get("evaluation") or {}
    usual = "stratified" if study.task == "classification" else "kfold"
    implied = "group" if data.get("group") else "time" if data.get("order") else usual
    columns = [str(data[key]) for key in ("group", "order") if data.get(key)]
    return " by ".join([str(evaluation.get("split") or implied), *columns])


def stored(store: Store, names: Sequence[str]) -> list[Stored]:
    """Read studies to be compared.

    Raises:
        StudyNotFoundError: No study has one of the names.
    """
    return [
        Stored(store.study(name), store.trials(name), store.rows(name))
        for name in names
    ]
