"""Folds are scikit-learn's own, and refused where a class would be left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from hpo.data import make_folds
from hpo.errors import DataError
from hpo.records import Dataset


def classes(y, *, groups=None, labels=None):
    """A classification of the given codes."""
    y = np.asarray(y)
    labels = np.array(labels or [f"c{code}" for code in range(y.max() + 1)])
    groups = None if groups is None else np.asarray(groups)
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})
    return Dataset(X, y, "classification", labels, ("a",), (), groups=groups)


def values(n_rows, *, groups=None):
    """A regression."""
    y = np.arange(n_rows, dtype=float)
    groups = None if groups is None else np.asarray(groups)
    X = pd.DataFrame({"a": y})
    return Dataset(X, y, "regression", None, ("a",), (), groups=groups)


RANDOM = np.random.default_rng(1)
SOME = classes(RANDOM.integers(0, 3, 60))
# Groups that differ in size.
GROUPS = np.sort(RANDOM.integers(0, 12, 60) ** 2 // 12)
GROUPED = classes(SOME.y, groups=GROUPS)
NUMBERS = values(60)
GROUPED_NUMBERS = values(60, groups=GROUPS)


def assert_same(folds, by_hand):
    by_hand = list(by_hand)
    assert len(folds) == len(by_hand)
    for (train, val), (train_by_hand, val_by_hand) in zip(folds, by_hand, strict=True):
        np.testing.assert_array_equal(train, train_by_hand)
        np.testing.assert_array_equal(val, val_by_hand)


@pytest.mark.parametrize("seed", [0, 9, 2**32 - 1])
@pytest.mark.parametrize(
    ("dataset", "split", "splitter"),
    [
        (SOME, None, StratifiedKFold),
        (SOME, "stratified", StratifiedKFold),
        (SOME, "kfold", KFold),
        (NUMBERS, None, KFold),
        (NUMBERS, "kfold", KFold),
        (GROUPED, None, StratifiedGroupKFold),
        (GROUPED, "group", StratifiedGroupKFold),
        (GROUPED_NUMBERS, None, GroupKFold),
        (GROUPED_NUMBERS, "group", GroupKFold),
    ],
)
def test_folds_are_those_of_scikit_learn(dataset, split, splitter, seed):
    folds = make_folds(dataset, n_folds=4, split=split, seed=seed)
    by_hand = splitter(4, shuffle=True, random_state=seed)
    assert_same(folds, by_hand.split(dataset.X, dataset.y, groups=dataset.groups))


@pytest.mark.parametrize("dataset", [SOME, NUMBERS])
def test_folds_in_time_are_those_of_scikit_learn_and_look_back_only(dataset):
    folds = make_folds(dataset, n_folds=5, split="time", seed=3)
    assert_same(folds, TimeSeriesSplit(5).split(dataset.X))
    assert all(train.max() < val.min() for train, val in folds)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(
    ("dataset", "split", "splitter"),
    [
        (SOME, None, RepeatedStratifiedKFold),
        (SOME, "kfold", RepeatedKFold),
        (NUMBERS, None, RepeatedKFold),
    ],
)
def test_repeats_are_those_of_scikit_learn(dataset, split, splitter, seed):
    folds = make_folds(dataset, n_folds=3, repeats=4, split=split, seed=seed)
    by_hand = splitter(n_splits=3, n_repeats=4, random_state=seed)
    assert_same(folds, by_hand.split(dataset.X, dataset.y))


@pytest.mark.parametrize(
    ("dataset", "splitter"),
    [(GROUPED, StratifiedGroupKFold), (GROUPED_NUMBERS, GroupKFold)],
)
def test_repeats_of_groups_draw_on_from_one_seed(dataset, splitter):
    folds = make_folds(dataset, n_folds=3, repeats=3, seed=5)
    random = np.random.RandomState(5)
    by_hand = []
    for _ in range(3):
        each = splitter(3, shuffle=True, random_state=random)
        by_hand += each.split(dataset.X, dataset.y, groups=dataset.groups)
    assert_same(folds, by_hand)
    firsts = {tuple(folds[3 * repeat][1]) for repeat in range(3)}
    assert len(firsts) > 1


@pytest.mark.parametrize("dataset", [SOME, NUMBERS, GROUPED, GROUPED_NUMBERS])
def test_the_first_repeat_is_what_one_repeat_alone_would_be(dataset):
    alone = make_folds(dataset, n_folds=4, seed=7)
    repeated = make_folds(dataset, n_folds=4, repeats=3, seed=7)
    assert len(repeated) == 12
    assert_same(repeated[:4], alone)
    assert not np.array_equal(repeated[4][1], repeated[0][1])


@pytest.mark.parametrize("dataset", [GROUPED, GROUPED_NUMBERS])
def test_no_group_is_trained_on_and_scored_in_one_fold(dataset):
    for train, val in make_folds(dataset, n_folds=4, repeats=2, seed=0):
        assert not set(GROUPS[train]) & set(GROUPS[val])
        assert len(train) + len(val) == 60


def test_stratified_folds_share_each_class_evenly():
    y = np.repeat([0, 1], [20, 10])
    for _, val in make_folds(classes(y), n_folds=5, seed=0):
        assert np.bincount(y[val]).tolist() == [4, 2]


def test_a_class_rarer_than_the_folds_is_named_with_ways_out():
    dataset = classes(np.repeat([0, 1], [20, 3]), labels=["sun", "fog"])
    with pytest.raises(DataError) as raised:
        make_folds(dataset, n_folds=5, seed=0)
    assert str(raised.value) == (
        "cannot make 5 stratified folds: class 'fog' has only 3 rows in the training "
        "part; lower evaluation.folds to 3, merge rare classes, or use split: kfold"
    )
    assert len(make_folds(dataset, n_folds=5, split="kfold", seed=0)) == 5


def test_as_many_folds_as_rows_of_the_rarest_class_are_made():
    assert len(make_folds(classes([0] * 9 + [1] * 3), n_folds=3, seed=0)) == 3


@pytest.mark.parametrize(
    ("y", "labels", "message"),
    [
        ([0, 0, 0, 1], ["u", "v"], r"class 'v' has only 1 row in the training part"),
        ([0, 0, 1, 1], ["u", "v", "w"], r"class 'w' has only 0 rows in the .*; merge"),
    ],
)
def test_a_class_that_no_number_of_folds_suits_is_refused(y, labels, message):
    with pytest.raises(DataError, match=message):
        make_folds(classes(y, labels=labels), n_folds=2, seed=0)


@pytest.mark.parametrize(
    ("dataset", "split", "message"),
    [
        (
            classes([0] * 9 + [1]),
            "kfold",
            r"cannot make 3 kfold folds: fold \d \(of 0 to 2\) has no row of class "
            r"'c1' to train on; merge rare classes, or use split: stratified",
        ),
        (
            classes([0, 0, 0, 0, 0, 1, 1, 1, 1]),
            "time",
            r"3 time folds: fold 0 .* no row of class 'c1' to train on; .* lower",
        ),
        (
            classes([0, 0, 1, 1, 0, 0, 1, 2, 2], groups=[1, 1, 2, 2, 3, 3, 4, 4, 4]),
            "group",
            r"3 group folds: .* no row of class 'c2' to train on; .* finer column",
        ),
    ],
)
def test_a_class_that_a_fold_would_not_train_on_is_refused(dataset, split, message):
    with pytest.raises(DataError, match=message):
        make_folds(dataset, n_folds=3, split=split, seed=0)


@pytest.mark.parametrize(
    ("dataset", "wishes", "message"),
    [
        (values(4), {"split": "stratified"}, r"evaluation\.split: stratified needs"),
        (values(4), {"split": "kfolds"}, r"split: .*'kfolds'; did you mean 'kfold'\?"),
        (values(4), {"split": "group"}, r"group needs groups; .* in data\.group"),
        (GROUPED, {"split": "kfold"}, "kfold would train on rows of the groups .*"),
        (GROUPED, {"split": "time"}, r"use split: group, or remove data\.group"),
        (values(4), {"n_folds": 1}, r"evaluation\.folds: expected at least 2; got 1"),
        (values(4), {"n_folds": 5}, r"cannot make 5 folds of 4 rows; lower eval"),
        (values(4), {"repeats": 0}, r"evaluation\.repeats: expected at least 1; got"),
        (values(4), {"repeats": 9999}, "at most 10000 folds in all .*; got 19998"),
        (values(4), {"repeats": 2, "split": "time"}, "time has one order of rows"),
        (values(4), {"n_folds": 4, "split": "time"}, "4 rows: they need at least 5"),
        (
            values(4, groups=[1, 1, 2, 2]),
            {"n_folds": 3},
            "only 2 groups; lower .* to 2",
        ),
        (values(4, groups=[1, 1, 1, 1]), {}, "only 1 group; use more data"),
        (
            classes([0, 1, 2, 0, 1, 2], groups=range(6)),
            {"n_folds": 3},
            "no class has as many as 3 rows; lower",
        ),
        (values(4), {"seed": -1}, r"search\.seed: expected 0 to 4294967295; got -1"),
        (values(4), {"seed": 2**32}, r"search\.seed: expected 0 to 4294967295"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(dataset, wishes, message):
    with pytest.raises(DataError, match=message):
        make_folds(dataset, **{"n_folds": 2, "seed": 0, **wishes})


def test_groups_that_leave_a_fold_without_rows_are_refused():
    # Groups of very uneven sizes, of which scikit-learn makes an empty fold.
    groups = [1, 4, 4, 1, 4, 1, 0, 0, 2, 0]
    dataset = classes([2, 0, 1, 1, 0, 0, 0, 1, 2, 2], groups=groups)
    message = r"4 group folds: fold \d .* has no row to score, as the groups differ"
    with pytest.raises(DataError, match=message):
        make_folds(dataset, n_folds=4, seed=0)
