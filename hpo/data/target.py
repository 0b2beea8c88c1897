"""Turn the target column into what networks learn, and settle the task.

It owns class labels and the inference of the task. It refuses a target that cannot be
learned: constant, infinite, or with a class for every row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.data.cells import BOOLEANS, Cells, Column, has_comma, read_column
from hpo.data.words import Rows, count, examples
from hpo.errors import DataError
from hpo.records import Task

MAX_INFERRED_CLASSES = 20
MAX_CLASSES = 1000

_ZERO_FIRST = re.compile(r"[+-]?0\d", re.ASCII)


@dataclass(frozen=True)
class Target:
    """A target that can be learned.

    Args:
        y: Class codes 0..n_classes-1 (int64) or float64 values, shape (n_rows,).
        task: What ``y`` is.
        classes: Labels by class code, sorted; None for regression.
        note: How the task was inferred; empty if it was given.
    """

    y: NDArray[Any]
    task: Task
    classes: NDArray[Any] | None
    note: str


def read_target(place: str, column: Column, rows: Rows, task: Task | None) -> Target:
    """Read the target and infer the task where it is not given.

    Texts and booleans make a classification. So do whole numbers with at most
    `MAX_INFERRED_CLASSES` distinct values, each in two rows or more on average. Other
    numbers make a regression.

    Args:
        place: The file and the column, for messages.
        column: The cells, none of them missing, length n_rows.
        rows: How the user finds them.
        task: What the user says it is, or None.

    Raises:
        DataError: The target does not fit the task or cannot be learned.
    """
    cells, texts = read_column(column), column.texts
    if cells.kind == "number" and cells.infinite:
        got = examples(cells.infinite, texts, rows)
        raise DataError(f"{place}: expected finite numbers; got {got}; mend those rows")
    note = ""
    if task is None:
        task, why = _infer(place, cells, texts, rows)
        note = f"task: {task}, because the target is {why}"
    if task == "regression":
        return Target(_values(place, cells, texts, rows), task, None, note)
    y, classes = _codes(place, cells, texts)
    return Target(y, task, classes, note)


def _infer(
    place: str, cells: Cells, texts: Sequence[str], rows: Rows
) -> tuple[Task, str]:
    if cells.kind == "boolean":
        return "classification", "true or false"
    if cells.kind == "text":
        return "classification", "text"
    if cells.kind == "mixed":
        few = _few(len(set(texts)), len(texts))
        if few and not any(has_comma(texts[i]) for i in cells.odd):
            return "classification", "partly text"
        got = examples(cells.odd, texts, rows)
        raise DataError(
            f"{place}: most cells look like numbers, but these cannot be read as one: "
            f"{got}; mend them (decimals take a point), or say that they are classes "
            "(task: classification)"
        )
    if not _whole(cells):
        return "regression", "numbers with fractions"
    n_values = len(np.unique(cells.numbers))
    way_out: dict[Task, str] = {
        "classification": "; say task: regression if they are quantities",
        "regression": "; say task: classification if they are classes",
    }
    few = _few(n_values, len(texts))
    kind: Task = "classification" if few else "regression"
    values = count(n_values, "distinct value")
    return kind, f"whole numbers with {values}{way_out[kind]}"


def _few(n_distinct: int, n_rows: int) -> bool:
    return n_distinct <= MAX_INFERRED_CLASSES and 2 * n_distinct <= n_rows


def _whole(cells: Cells) -> bool:
    return bool((cells.numbers == np.floor(cells.numbers)).all())


def _values(
    place: str, cells: Cells, texts: Sequence[str], rows: Rows
) -> NDArray[np.float64]:
    if cells.kind == "boolean":
        expected = "regression expects numbers; got true and false"
        raise DataError(f"{place}: {expected}; say task: classification")
    if cells.odd:
        got = examples(cells.odd, texts, rows)
        raise DataError(
            f"{place}: regression expects numbers; got {got}; mend those cells, or say "
            "task: classification"
        )
    if (cells.numbers == cells.numbers[0]).all():
        raise DataError(
            f"{place}: every row has the same value, {texts[0]!r}; there is nothing to "
            "learn; choose another target"
        )
    return cells.numbers


def _codes(
    place: str, cells: Cells, texts: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    if cells.kind == "number" and not _whole(cells):
        got = next(t for t, v in zip(texts, cells.numbers, strict=True) if v % 1)
        raise DataError(
            f"{place}: classification expects classes; got numbers with fractions, "
            f"such as {got!r}; say task: regression, or write the classes as text"
        )
    labels = _labels(cells, frozenset(texts))
    ordered = sorted(set(labels.values()))
    if len(ordered) == 1:
        raise DataError(
            f"{place}: every row is of the class {str(ordered[0])!r}; there is nothing "
            "to learn; choose another target"
        )
    regression = "; for quantities, say task: regression" * (cells.kind == "number")
    if len(ordered) == len(texts):
        raise DataError(
            f"{place}: every row has a class of its own; choose another target"
            f"{regression}"
        )
    if len(ordered) > MAX_CLASSES:
        raise DataError(
            f"{place}: expected at most {MAX_CLASSES} classes; got {len(ordered)}; "
            f"merge rare classes{regression}"
        )
    code = {label: index for index, label in enumerate(ordered)}
    by_text = {text: code[label] for text, label in labels.items()}
    return np.array([by_text[t] for t in texts], np.int64), np.array(ordered)


def _labels(cells: Cells, distinct: frozenset[str]) -> dict[str, Any]:
    """Return the label that each distinct text stands for, all of one type.

    Whole numbers are numbers, 1 and 1.0 the same one, unless a text begins with a zero
    as 007 does: such texts are names, and 7 is another.
    """
    if cells.kind == "boolean":
        return {text: BOOLEANS[text] for text in distinct}
    if cells.kind == "number" and not any(map(_ZERO_FIRST.match, distinct)):
        whole = {text: _to_int(text) for text in distinct}
        if all(abs(label) < 2**63 for label in whole.values()):
            return whole
    return {text: text for text in distinct}


def _to_int(text: str) -> int:
    """Read a whole number; digits alone are exact beyond 2**53, unlike floats."""
    exact = re.fullmatch(r"[+-]?\d+", text)
    return int(text) if exact else int(float(text))
