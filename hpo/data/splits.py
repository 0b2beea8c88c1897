"""Split the rows of a data set: the test part first, then the folds.

It owns which rows are trained on and which are scored, by scikit-learn's own splitters,
so that anyone can repeat a split by hand. It refuses a split that would leave a class
out of a part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpo.data.words import count
from hpo.errors import DataError, one_of
from hpo.records import Dataset, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows: TypeAlias = NDArray[np.intp]
Split: TypeAlias = Literal["stratified", "kfold"]
SPLITS = ("stratified", "kfold")


def split_test(dataset: Dataset, test_size: float, seed: int) -> tuple[Rows, Rows]:
    """Hold out the test part, with the share of each class kept.

    The parts are those of scikit-learn's ``train_test_split(range(n_rows),
    test_size=test_size, random_state=seed, stratify=y)`` (no ``stratify`` for a
    regression), sorted.

    Args:
        dataset: The whole table.
        test_size: Fraction of the rows, from 0 (no test part) to below 1.
        seed: From 0 to 2**32 - 1.

    Returns:
        Positions of the training rows and of the test rows, each sorted.

    Raises:
        DataError: A class, or a part, would be left with too few rows.
    """
    if not 0 <= test_size < 1:
        expected = "expected a fraction from 0 to below 1"
        raise DataError(f"data.test_size: {expected}; got {test_size}")
    rows = np.arange(dataset.n_rows)
    if test_size == 0:
        return rows, rows[:0]
    _check_seed(seed)
    _check_test_part(dataset, math.ceil(test_size * dataset.n_rows))
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        rows,
        test_size=float(test_size),
        random_state=seed,
        stratify=dataset.y if dataset.task == "classification" else None,
    )
    return np.sort(train), np.sort(test)


def _check_test_part(dataset: Dataset, n_test: int) -> None:
    n_train = dataset.n_rows - n_test
    if dataset.classes is None:
        if n_train < 1:
            raise DataError(
                f"cannot hold out {n_test} of {count(dataset.n_rows, 'row')}: none is "
                "left to train on; lower data.test_size"
            )
        return
    counts = np.bincount(dataset.y, minlength=dataset.n_classes)
    if counts.min() < 2:
        name = _name(int(counts.argmin()), dataset.classes)
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


def make_folds(
    y: NDArray[Any],
    task: Task,
    *,
    n_folds: int,
    split: Split | None = None,
    seed: int,
    classes: Sequence[Any] | NDArray[Any] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Split the training part into folds.

    The folds are those of scikit-learn's ``StratifiedKFold`` or ``KFold`` with
    ``shuffle=True, random_state=seed``.

    Args:
        y: Class codes or values of the training part, shape (n_rows,).
        task: What ``y`` is.
        n_folds: At least 2.
        split: None means stratified for a classification and kfold for a regression.
        seed: From 0 to 2**32 - 1.
        classes: Labels by class code, to name them in messages.

    Returns:
        For each fold the positions, within the training part, of the rows to train on
        and of the rows to score; each sorted.

    Raises:
        DataError: There are too few rows, in all or of one class.
    """
    if split is not None and split not in SPLITS:
        raise DataError(f"evaluation.split: {one_of(split, SPLITS)}")
    if split == "stratified" and task == "regression":
        raise DataError(
            "evaluation.split: stratified needs classes, and the task is regression; "
            "use split: kfold"
        )
    if n_folds < 2:
        raise DataError(f"evaluation.folds: expected at least 2; got {n_folds}")
    if n_folds > len(y):
        raise DataError(
            f"cannot make {n_folds} folds of {count(len(y), 'row')}; lower "
            "evaluation.folds"
        )
    _check_seed(seed)
    from sklearn.model_selection import KFold, StratifiedKFold

    stratified = split == "stratified" or (split is None and task == "classification")
    if stratified:
        _check_rarest(y, n_folds, classes)
    kind = StratifiedKFold if stratified else KFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    return [(train, val) for train, val in splitter.split(np.zeros(len(y)), y)]


def _check_rarest(
    y: NDArray[Any], n_folds: int, classes: Sequence[Any] | NDArray[Any] | None
) -> None:
    counts = np.bincount(y, minlength=0 if classes is None else len(classes))
    rarest = int(counts.min())
    if rarest >= n_folds:
        return
    lower = f"lower evaluation.folds to {rarest}, " if rarest >= 2 else ""
    raise DataError(
        f"cannot make {n_folds} stratified folds: class "
        f"{_name(int(counts.argmin()), classes)} has only {count(rarest, 'row')} in "
        f"the training part; {lower}merge rare classes, or use split: kfold"
    )


def _name(code: int, classes: Sequence[Any] | NDArray[Any] | None) -> str:
    return repr(str(code if classes is None else classes[code]))


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise DataError(f"search.seed: expected 0 to 4294967295; got {seed}")
