"""Data that a program has at hand already: arrays, DataFrames or lists."""

from __future__ import annotations

from typing import Any

from hpo.data.returned import dataset_of
from hpo.data.wish import Wish
from hpo.records import Dataset, Task


def dataset_of_values(
    X: Any, y: Any, *, groups: Any = None, task: Task | None = None
) -> Dataset:
    """Make a data set of values, as of those that a function of a study file returns.

    Args:
        X: A row for each example.
        y: Its target.
        groups: Which group each row belongs to; None if that does not matter.
        task: What the target is; None to infer it.

    Raises:
        DataError: They cannot be used, or differ in length.
    """
    parts = {"X": X, "y": y} | ({} if groups is None else {"groups": groups})
    return dataset_of(parts, Wish("data", task=task))
