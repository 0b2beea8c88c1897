"""Split the rows of a data set into folds, by scikit-learn's own splitters.

It owns which rows of the training part are trained on and which are scored, so that
anyone can repeat it by hand. It refuses a split that would leave a class out of what is
trained on. The test part is held out first, by `hpo.data.test_part`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpo.data.words import count, quoted
from hpo.errors import DataError, one_of
from hpo.records import Dataset

Rows: TypeAlias = NDArray[np.intp]
Split: TypeAlias = Literal["stratified", "kfold", "group", "time"]
SPLITS = ("stratified", "kfold", "group", "time")
MAX_FOLDS = 10_000


def make_folds(
    dataset: Dataset,
    *,
    n_folds: int,
    repeats: int = 1,
    split: Split | None = None,
    seed: int,
) -> list[tuple[Rows, Rows]]:
    """Split the training part into folds, each repeat after the other.

    The folds are those of these splitters of scikit-learn, ``n`` for ``n_folds``:

    * stratified: ``StratifiedKFold(n, shuffle=True, random_state=seed)``
    * kfold: ``KFold(n, shuffle=True, random_state=seed)``
    * group: ``StratifiedGroupKFold(n, shuffle=True, random_state=seed)`` for classes,
      ``GroupKFold(n, shuffle=True, random_state=seed)`` for a regression; no group has
      rows in both parts of a fold
    * time: ``TimeSeriesSplit(n)`` over the rows in their order; every fold is trained
      on what comes before the rows that it is scored on

    With ``repeats``, stratified and kfold are ``RepeatedStratifiedKFold`` and
    ``RepeatedKFold`` with ``random_state=seed``, and group calls its splitter as often
    with ``random_state=numpy.random.RandomState(seed)``, the same one for all repeats.
    The first repeat is what one repeat alone would be.

    Args:
        dataset: The training part.
        n_folds: At least 2.
        repeats: How often the rows are split anew, at least 1.
        split: None means group for a data set with groups, and otherwise stratified
            for a classification and kfold for a regression.
        seed: From 0 to 2**32 - 1; time does not use it.

    Returns:
        For each fold the positions, within the training part, of the rows to train on
        and of the rows to score; each sorted.

    Raises:
        DataError: The split does not suit the data, there are too few rows or groups,
            or a class would not be trained on.
    """
    kind = settle(dataset, split)
    _check_counts(n_folds, repeats)
    check_seed(seed)
    if kind == "time" and repeats > 1:
        raise DataError(
            f"evaluation.repeats: split: time has one order of rows, so that repeats "
            f"are all the same; set it to 1; got {repeats}"
        )
    _CHECKS[kind](dataset, n_folds)
    with warnings.catch_warnings():
        # A class with fewer rows than folds, of whole groups: checked below.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(_split(dataset, kind, n_folds, repeats, seed))
    _check_folds(dataset, kind, folds, n_folds)
    return folds


def settle(dataset: Dataset, split: Split | None) -> Split:
    """Return the split that is meant, or refuse one that does not suit the data."""
    if split is not None and split not in SPLITS:
        raise DataError(f"evaluation.split: {one_of(split, SPLITS)}")
    if split is None:
        if dataset.groups is not None:
            return "group"
        return "stratified" if dataset.task == "classification" else "kfold"
    if split == "stratified" and dataset.task == "regression":
        raise DataError(
            "evaluation.split: stratified needs classes, and the task is regression; "
            "use split: kfold"
        )
    if split == "group" and dataset.groups is None:
        raise DataError(
            "evaluation.split: group needs groups; name their column in data.group"
        )
    if split != "group" and dataset.groups is not None:
        raise DataError(
            f"evaluation.split: {split} would train on rows of the groups that it "
            "scores, and data.group forbids that; use split: group, or remove "
            "data.group"
        )
    return split


def check_seed(seed: int) -> None:
    """Refuse a seed that scikit-learn cannot take."""
    if not 0 <= seed < 2**32:
        raise DataError(f"search.seed: expected 0 to 4294967295; got {seed}")


def missing_classes(dataset: Dataset, rows: Rows) -> list[str]:
    """Return the labels of the classes that none of the ``rows`` has."""
    if dataset.classes is None:
        return []
    counts = np.bincount(dataset.y[rows], minlength=dataset.n_classes)
    return [str(label) for label in dataset.classes[counts == 0]]


def class_name(dataset: Dataset, code: int) -> str:
    """Return the label of a class in quotes."""
    return repr(str(code if dataset.classes is None else dataset.classes[code]))


def _check_counts(n_folds: int, repeats: int) -> None:
    if n_folds < 2:
        raise DataError(f"evaluation.folds: expected at least 2; got {n_folds}")
    if repeats < 1:
        raise DataError(f"evaluation.repeats: expected at least 1; got {repeats}")
    if n_folds * repeats > MAX_FOLDS:
        raise DataError(
            f"evaluation.folds: expected at most {MAX_FOLDS} folds in all repeats; "
            f"got {n_folds * repeats}; lower evaluation.folds or evaluation.repeats"
        )


def _check_plain(dataset: Dataset, n_folds: int) -> None:
    if n_folds > dataset.n_rows:
        raise DataError(
            f"cannot make {n_folds} folds of {count(dataset.n_rows, 'row')}; lower "
            "evaluation.folds"
        )


def _check_rarest(dataset: Dataset, n_folds: int) -> None:
    _check_plain(dataset, n_folds)
    counts = np.bincount(dataset.y, minlength=dataset.n_classes)
    rarest = int(counts.min())
    if rarest >= n_folds:
        return
    ways = ["merge rare classes"]
    if rarest >= 2:
        ways = [f"lower evaluation.folds to {rarest}", *ways, "or use split: kfold"]
    raise DataError(
        f"cannot make {n_folds} stratified folds: class "
        f"{class_name(dataset, int(counts.argmin()))} has only "
        f"{count(rarest, 'row')} in the training part; {', '.join(ways)}"
    )


def _check_groups(dataset: Dataset, n_folds: int) -> None:
    n_groups = len(np.unique(_groups(dataset)))
    if n_folds <= n_groups:
        _check_largest_class(dataset, n_folds)
        return
    way = f"lower evaluation.folds to {n_groups}" if n_groups >= 2 else "use more data"
    raise DataError(
        f"cannot make {n_folds} folds of whole groups: the training part has only "
        f"{count(n_groups, 'group')}; {way}, or name a finer column in data.group"
    )


def _check_largest_class(dataset: Dataset, n_folds: int) -> None:
    """Refuse what ``StratifiedGroupKFold`` does: no class with a row for every fold."""
    if dataset.classes is None or np.bincount(dataset.y).max() >= n_folds:
        return
    raise DataError(
        f"cannot make {n_folds} folds of whole groups: no class has as many as "
        f"{count(n_folds, 'row')}; lower evaluation.folds, or merge rare classes"
    )


def _check_time(dataset: Dataset, n_folds: int) -> None:
    if n_folds < dataset.n_rows:
        return
    raise DataError(
        f"cannot make {n_folds} folds in time of {count(dataset.n_rows, 'row')}: they "
        f"need at least {n_folds + 1}; lower evaluation.folds"
    )


_CHECKS: dict[Split, Callable[[Dataset, int], None]] = {
    "stratified": _check_rarest,
    "kfold": _check_plain,
    "group": _check_groups,
    "time": _check_time,
}


def _split(
    dataset: Dataset, kind: Split, n_folds: int, repeats: int, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    from sklearn import model_selection as sklearn
    from sklearn.utils import check_random_state

    rows, y = np.zeros(dataset.n_rows), dataset.y
    if kind == "time":
        return iter(sklearn.TimeSeriesSplit(n_folds).split(rows))
    splitter: Any
    if kind == "group":
        classify = dataset.task == "classification"
        splitter = sklearn.StratifiedGroupKFold if classify else sklearn.GroupKFold
        random = check_random_state(seed)
        return chain.from_iterable(
            splitter(n_folds, shuffle=True, random_state=random).split(
                rows, y if classify else None, _groups(dataset)
            )
            for _ in range(repeats)
        )
    splitter = (
        sklearn.RepeatedStratifiedKFold
        if kind == "stratified"
        else sklearn.RepeatedKFold
    )
    folds = splitter(n_splits=n_folds, n_repeats=repeats, random_state=seed)
    return iter(folds.split(rows, y if kind == "stratified" else None))


def _groups(dataset: Dataset) -> NDArray[Any]:
    assert dataset.groups is not None  # settled before
    return dataset.groups


_WAYS_OUT: dict[Split, str] = {
    "stratified": "merge rare classes",
    "kfold": "merge rare classes, or use split: stratified",
    "group": "merge rare classes, or name a finer column in data.group",
    "time": "merge rare classes, lower evaluation.folds, or use another split",
}


def _check_folds(
    dataset: Dataset, kind: Split, folds: list[tuple[Rows, Rows]], n_folds: int
) -> None:
    for index, (train, val) in enumerate(folds):
        where = f"fold {index % n_folds} (of 0 to {n_folds - 1})"
        if not len(val) or not len(train):
            part = "score" if not len(val) else "train on"
            raise DataError(
                f"cannot make {n_folds} {kind} folds: {where} has no row to {part}, as "
                "the groups differ too much in size; lower evaluation.folds"
            )
        if missing := missing_classes(dataset, train):
            raise DataError(
                f"cannot make {n_folds} {kind} folds: {where} has no row of class "
                f"{quoted(missing)} to train on; {_WAYS_OUT[kind]}"
            )
