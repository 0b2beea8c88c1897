"""The test part can be repeated by hand, and leaves every class something to learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from hpo.data import make_folds, split_test
from hpo.errors import DataError
from hpo.records import Dataset


def classes_of(*, groups=None, **counts):
    """A classification with the given number of rows of each class."""
    y = np.repeat(np.arange(len(counts)), list(counts.values()))
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})
    groups = None if groups is None else np.asarray(groups)
    labels = np.array(list(counts))
    return Dataset(X, y, "classification", labels, ("a",), (), groups=groups)


def values(n_rows, *, groups=None):
    y = np.arange(n_rows, dtype=float)
    groups = None if groups is None else np.asarray(groups)
    X = pd.DataFrame({"a": y})
    return Dataset(X, y, "regression", None, ("a",), (), groups=groups)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
@pytest.mark.parametrize("test_size", [0.2, 0.33])
@pytest.mark.parametrize("split", [None, "stratified", "kfold"])
def test_the_test_part_can_be_repeated_by_hand(split, test_size, seed):
    dataset = classes_of(sun=50, rain=30, fog=20)
    train, test = split_test(dataset, test_size, seed=seed, split=split)
    by_hand = train_test_split(
        range(100), test_size=test_size, random_state=seed, stratify=dataset.y
    )
    assert [train.tolist(), test.tolist()] == [sorted(part) for part in by_hand]


def test_the_test_part_of_a_regression_is_not_stratified():
    train, test = split_test(values(11), 0.2, seed=3)
    by_hand = train_test_split(range(11), test_size=0.2, random_state=3)
    assert [train.tolist(), test.tolist()] == [sorted(part) for part in by_hand]
    assert len(test) == 3  # ceil(2.2)


def test_one_row_of_each_class_is_enough_for_a_part():
    train, test = split_test(classes_of(u=3, v=3), 1 / 3, seed=0)
    assert [len(train), len(test)] == [4, 2]


@pytest.mark.parametrize("groups", [None, [1, 1, 1]])
def test_no_test_part_leaves_every_row_for_training(groups):
    train, test = split_test(classes_of(u=1, v=2, groups=groups), 0, seed=0)
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == []
    assert test.dtype == train.dtype


@pytest.mark.parametrize("dataset", [values(11), classes_of(u=6, v=5)])
def test_the_test_part_in_time_is_the_last_rows(dataset):
    if dataset.classes is not None:
        dataset = dataset.take(np.random.default_rng(0).permutation(11))
    train, test = split_test(dataset, 0.2, seed=0, split="time")
    assert train.tolist() == list(range(8))
    assert test.tolist() == [8, 9, 10]


# --- whole groups -------------------------------------------------------------------

GROUPS = np.random.default_rng(2).integers(0, 23, 200) ** 2 // 25


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("test_size", "m", "k"), [(0.2, 1, 5), (0.3, 3, 10), (0.01, 1, 20), (0.99, 19, 20)]
)
@pytest.mark.parametrize("classify", [True, False])
def test_a_test_part_of_groups_can_be_repeated_by_hand(classify, test_size, m, k, seed):
    groups = np.arange(200) // 8  # of the same size, so that no class is left out
    dataset = (
        classes_of(u=100, v=100, groups=np.random.default_rng(0).permutation(groups))
        if classify
        else values(200, groups=groups)
    )
    train, test = split_test(dataset, test_size, seed=seed)
    y = dataset.y if classify else np.zeros(200, int)
    by_hand = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    parts = [rows for _, rows in by_hand.split(y, y, dataset.groups)][:m]
    np.testing.assert_array_equal(test, np.sort(np.concatenate(parts)))
    np.testing.assert_array_equal(train, np.setdiff1d(np.arange(200), test))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("classify", [True, False])
def test_no_group_is_in_both_parts_and_the_share_of_rows_is_about_kept(classify, seed):
    dataset = (
        classes_of(u=90, v=80, w=30, groups=GROUPS)
        if classify
        else values(200, groups=GROUPS)
    )
    train, test = split_test(dataset, 0.25, seed=seed, split="group")
    assert not set(GROUPS[train]) & set(GROUPS[test])
    assert sorted([*train, *test]) == list(range(200))
    # 50 rows, give or take the largest group.
    assert abs(len(test) - 50) <= np.bincount(GROUPS).max()


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_two_groups_is_in_both_parts(seed):
    groups = [*np.arange(40) // 4, *np.arange(20) // 10 + 10]
    dataset = classes_of(u=40, v=20, groups=groups)
    train, test = split_test(dataset, 0.4, seed=seed)
    assert set(dataset.y[train]) == set(dataset.y[test]) == {0, 1}


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_one_group_is_left_to_train_on(seed):
    dataset = classes_of(u=40, v=4, groups=np.arange(44) // 4)
    train, _ = split_test(dataset, 0.3, seed=seed)
    assert set(dataset.y[train]) == {0, 1}


def test_a_test_part_of_groups_leaves_folds_of_groups():
    dataset = classes_of(u=100, v=100, groups=GROUPS)
    train, _ = split_test(dataset, 0.2, seed=0)
    part = dataset.take(train)
    for fold_train, val in make_folds(part, n_folds=3, seed=0):
        assert not set(part.groups[fold_train]) & set(part.groups[val])


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "test_size", "message"),
    [
        (classes_of(u=9, fog=1), 0.2, "class 'fog' has only 1 row; merge rare classes"),
        (
            classes_of(u=3, v=3, w=3),
            0.1,
            "test part would have 1 row for 3 classes; raise",
        ),
        (
            classes_of(u=3, v=3, w=3),
            0.8,
            "training part would have 1 row for 3 .*; lower",
        ),
        (values(1), 0.5, "cannot hold out 1 of 1 row: none is left to train on"),
        (values(9), 1.0, r"data\.test_size: expected a fraction from 0 .*; got 1\.0"),
        (values(9), -0.1, r"data\.test_size: expected a fraction"),
        (values(9), float("nan"), r"data\.test_size: expected a fraction"),
        (values(4, groups=[0] * 4), 0.5, "only 1 group; set data.test_size to 0"),
        (
            classes_of(u=4, v=4, groups=[1] * 4 + [2] * 4),
            0.5,
            "about 50% of the rows as whole groups: each choice would leave a class",
        ),
    ],
)
def test_an_impossible_test_part_is_refused(dataset, test_size, message):
    with pytest.raises(DataError, match=message):
        split_test(dataset, test_size, seed=0)


@pytest.mark.parametrize(
    ("dataset", "test_size", "split", "message"),
    [
        (
            classes_of(u=9, fog=1),
            0.2,
            "time",
            "the last 2 rows: class 'fog' is in no e",
        ),
        (values(1), 0.5, "time", "cannot hold out 1 of 1 row: none is left"),
        (values(9), 0.2, "group", r"group needs groups; .* in data\.group"),
        (values(9), 0.2, "times", r"got 'times'; did you mean 'time'\?"),
        (values(2, groups=[0, 1]), 0.2, "time", "time would train on rows of the gro"),
    ],
)
def test_a_test_part_that_does_not_suit_the_split_is_refused(
    dataset, test_size, split, message
):
    with pytest.raises(DataError, match=message):
        split_test(dataset, test_size, seed=0, split=split)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_scikit_learn_cannot_take_is_refused(seed):
    with pytest.raises(DataError, match=r"search\.seed: expected 0 to 4294967295"):
        split_test(values(9), 0.2, seed=seed)
