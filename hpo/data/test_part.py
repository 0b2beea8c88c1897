"""Hold out the test part of a data set, before anything else looks at its rows.

It owns which rows are kept for the one final score. It refuses a test part that would
leave a class without a row to learn from.
"""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np

from hpo.data.splits import (
    Rows,
    Split,
    check_seed,
    class_name,
    missing_classes,
    settle,
)
from hpo.data.words import count, quoted
from hpo.errors import DataError
from hpo.records import Dataset

MAX_PARTS = 20


def split_test(
    dataset: Dataset, test_size: float, *, seed: int, split: Split | None = None
) -> tuple[Rows, Rows]:
    """Hold out the test part.

    * stratified and kfold: the parts of scikit-learn's
      ``train_test_split(range(n_rows), test_size=test_size, random_state=seed,
      stratify=y)``, sorted; no ``stratify`` for a regression.
    * group: whole groups. ``test_size`` is brought to the nearest fraction m/k with k
      at most 20, the number of groups and the rows of the largest class, so 0.2 is 1/5
      and 0.3 is 3/10. ``StratifiedGroupKFold(k, shuffle=True, random_state=seed)``
      splits the rows (``y`` is all zeros for a regression), and m of its k parts, each
      of about as many rows, are the test part: the first m, or the next m in a row (the
      first again after the last) where those would leave a class out of either part.
    * time: the last ``ceil(test_size * n_rows)`` rows.

    Args:
        dataset: All rows.
        test_size: Fraction of the rows, from 0 (no test part) to below 1.
        seed: From 0 to 2**32 - 1; time does not use it.
        split: As in `hpo.data.splits.make_folds`.

    Returns:
        Positions of the training rows and of the test rows, each sorted.

    Raises:
        DataError: A class, or a part, would be left with too few rows.
    """
    kind = settle(dataset, split)
    if not 0 <= test_size < 1:
        expected = "expected a fraction from 0 to below 1"
        raise DataError(f"data.test_size: {expected}; got {test_size}")
    rows: Rows = np.arange(dataset.n_rows)
    if test_size == 0:
        return rows, rows[:0]
    check_seed(seed)
    if kind == "group":
        return _whole_groups(dataset, test_size, seed)
    n_test = math.ceil(test_size * dataset.n_rows)
    if kind == "time":
        return _last_rows(dataset, n_test)
    _check_part(dataset, n_test)
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        rows,
        test_size=float(test_size),
        random_state=seed,
        stratify=dataset.y if dataset.task == "classification" else None,
    )
    return np.sort(train), np.sort(test)


def _last_rows(dataset: Dataset, n_test: int) -> tuple[Rows, Rows]:
    n_train = dataset.n_rows - n_test
    if n_train < 1:
        raise DataError(_nothing_left(dataset, n_test))
    rows: Rows = np.arange(dataset.n_rows)
    if missing := missing_classes(dataset, rows[:n_train]):
        raise DataError(
            f"cannot hold out the last {count(n_test, 'row')}: class {quoted(missing)} "
            "is in no earlier row, so nothing would be learned about it; lower "
            "data.test_size, or merge rare classes"
        )
    return rows[:n_train], rows[n_train:]


def _whole_groups(dataset: Dataset, test_size: float, seed: int) -> tuple[Rows, Rows]:
    n_groups = len(np.unique(np.asarray(dataset.groups)))
    if n_groups < 2:
        raise DataError(
            "cannot hold out whole groups: data.group has only "
            f"{count(n_groups, 'group')}; set data.test_size to 0, or name a finer "
            "column in data.group"
        )
    largest = dataset.n_rows
    if dataset.classes is not None:
        largest = int(np.bincount(dataset.y).max())
    share = _nearest_share(test_size, max(2, min(MAX_PARTS, n_groups, largest)))
    part_of = _parts_of_groups(dataset, share.denominator, seed)
    fit: tuple[Rows, Rows] | None = None
    for first in range(share.denominator):
        is_test = (part_of - first) % share.denominator < share.numerator
        train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        if not len(train) or not len(test) or missing_classes(dataset, train):
            continue
        if not missing_classes(dataset, test):
            return train, test
        fit = fit or (train, test)
    if fit is None:
        raise DataError(
            f"cannot hold out about {float(share):.0%} of the rows as whole groups: "
            "each choice would leave a class without a row to train on; lower "
            "data.test_size or set it to 0, merge rare classes, or name a finer "
            "column in data.group"
        )
    return fit


def _nearest_share(test_size: float, most: int) -> Fraction:
    """Return m/k near ``test_size``, k at most ``most``, with 0 < m < k."""
    share = Fraction(test_size).limit_denominator(most)
    return min(max(share, Fraction(1, most)), Fraction(most - 1, most))


def _parts_of_groups(dataset: Dataset, n_parts: int, seed: int) -> Any:
    """Return the part, from 0, that each row belongs to; shape (n_rows,)."""
    from sklearn.model_selection import StratifiedGroupKFold

    classify = dataset.task == "classification"
    y = dataset.y if classify else np.zeros(dataset.n_rows, np.int64)
    part_of = np.zeros(dataset.n_rows, np.int64)
    splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer rows than parts: which parts it is in is looked at here.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for part, (_, rows) in enumerate(splitter.split(y, y, dataset.groups)):
            part_of[rows] = part
    return part_of


def _check_part(dataset: Dataset, n_test: int) -> None:
    n_train = dataset.n_rows - n_test
    if dataset.classes is None:
        if n_train < 1:
            raise DataError(_nothing_left(dataset, n_test))
        return
    counts = np.bincount(dataset.y, minlength=dataset.n_classes)
    if counts.min() < 2:
        name = class_name(dataset, int(counts.argmin()))
        raise DataError(
            f"cannot hold out a stratified test part: class {name} has only "
            f"{count(int(counts.min()), 'row')}; merge rare classes, leave that class "
            "out, or set data.test_size to 0"
        )
    for part, n_rows, way in (
        ("test", n_test, "raise"),
        ("training", n_train, "lower"),
    ):
        if n_rows < dataset.n_classes:
            raise DataError(
                f"cannot hold out a stratified test part: the {part} part would have "
                f"{count(n_rows, 'row')} for {dataset.n_classes} classes; {way} "
                "data.test_size, or set it to 0"
            )


def _nothing_left(dataset: Dataset, n_test: int) -> str:
    return (
        f"cannot hold out {n_test} of {count(dataset.n_rows, 'row')}: none is left to "
        "train on; lower data.test_size"
    )
