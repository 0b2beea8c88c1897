"""Splits are scikit-learn's own, and refused where a class would be left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from hpo.data import load, make_folds, split_test
from hpo.errors import DataError
from hpo.records import Dataset


def classes_of(**counts):
    """A classification with the given number of rows of each class."""
    y = np.repeat(np.arange(len(counts)), list(counts.values()))
    X = pd.DataFrame({"a": np.arange(len(y), dtype=float)})
    return Dataset(X, y, "classification", np.array(list(counts)), ("a",), ())


def values(n_rows):
    y = np.arange(n_rows, dtype=float)
    return Dataset(pd.DataFrame({"a": y}), y, "regression", None, ("a",), ())


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
@pytest.mark.parametrize("test_size", [0.2, 0.33])
def test_the_test_part_can_be_repeated_by_hand(tmp_path, test_size, seed):
    labels = np.random.default_rng(0).choice(["sun", "rain", "fog"], 100)
    rows = "\n".join(f"{i}.5,{label}" for i, label in enumerate(labels))
    (tmp_path / "t.csv").write_text("a,y\n" + rows)
    dataset = load("t.csv", target="y", folder=tmp_path)
    train, test = split_test(dataset, test_size, seed)
    by_hand = train_test_split(
        range(100), test_size=test_size, random_state=seed, stratify=labels
    )
    assert [train.tolist(), test.tolist()] == [sorted(part) for part in by_hand]


def test_the_test_part_of_a_regression_is_not_stratified():
    train, test = split_test(values(11), 0.2, 3)
    by_hand = train_test_split(range(11), test_size=0.2, random_state=3)
    assert [train.tolist(), test.tolist()] == [sorted(part) for part in by_hand]
    assert len(test) == 3  # ceil(2.2)


def test_one_row_of_each_class_is_enough_for_a_part():
    train, test = split_test(classes_of(u=3, v=3), 1 / 3, 0)
    assert [len(train), len(test)] == [4, 2]


def test_no_test_part_leaves_every_row_for_training():
    train, test = split_test(classes_of(u=1, v=2), 0, 0)
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == []
    assert test.dtype == train.dtype


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
    ],
)
def test_an_impossible_test_part_is_refused(dataset, test_size, message):
    with pytest.raises(DataError, match=message):
        split_test(dataset, test_size, 0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_scikit_learn_cannot_take_is_refused(seed):
    with pytest.raises(DataError, match=r"search\.seed: expected 0 to 4294967295"):
        split_test(values(9), 0.2, seed)
    with pytest.raises(DataError, match=r"search\.seed: expected 0 to 4294967295"):
        make_folds(np.arange(9.0), "regression", n_folds=3, seed=seed)


@pytest.mark.parametrize(
    ("task", "split", "splitter"),
    [
        ("classification", None, StratifiedKFold),
        ("classification", "stratified", StratifiedKFold),
        ("classification", "kfold", KFold),
        ("regression", None, KFold),
        ("regression", "kfold", KFold),
    ],
)
def test_folds_are_those_of_scikit_learn(task, split, splitter):
    y = np.random.default_rng(1).integers(0, 3, 50)
    folds = make_folds(y, task, n_folds=5, split=split, seed=9)
    by_hand = list(splitter(5, shuffle=True, random_state=9).split(y, y))
    assert len(folds) == 5
    for (train, val), (train_by_hand, val_by_hand) in zip(folds, by_hand, strict=True):
        np.testing.assert_array_equal(train, train_by_hand)
        np.testing.assert_array_equal(val, val_by_hand)


def test_stratified_folds_share_each_class_evenly():
    y = classes_of(u=20, v=10).y
    for _, val in make_folds(y, "classification", n_folds=5, seed=0):
        assert np.bincount(y[val]).tolist() == [4, 2]


def test_a_class_rarer_than_the_folds_is_named_with_ways_out():
    dataset = classes_of(sun=20, fog=3)
    with pytest.raises(DataError) as raised:
        make_folds(
            dataset.y, "classification", n_folds=5, seed=0, classes=dataset.classes
        )
    assert str(raised.value) == (
        "cannot make 5 stratified folds: class 'fog' has only 3 rows in the training "
        "part; lower evaluation.folds to 3, merge rare classes, or use split: kfold"
    )


def test_as_many_folds_as_rows_of_the_rarest_class_are_made():
    assert (
        len(make_folds(classes_of(u=9, v=3).y, "classification", n_folds=3, seed=0))
        == 3
    )


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"split": "stratified"}, r"evaluation\.split: stratified needs classes"),
        ({"split": "kfolds"}, r"evaluation\.split: .*'kfolds'; did you mean 'kfold'\?"),
        ({"n_folds": 1}, r"evaluation\.folds: expected at least 2; got 1"),
        ({"n_folds": 5}, r"cannot make 5 folds of 4 rows; lower evaluation\.folds"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(wishes, message):
    with pytest.raises(DataError, match=message):
        make_folds(np.arange(4.0), "regression", **{"n_folds": 2, "seed": 0, **wishes})


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 0, 0, 1], "uv", r"class 'v' has only 1 row in the training part; merge"),
        ([0, 0, 1, 1], "uvw", r"class 'w' has only 0 rows in the training part"),
        ([0, 0, 0, 1], None, r"class '1' has only 1 row"),
    ],
)
def test_a_class_that_no_number_of_folds_suits_is_refused(y, classes, message):
    with pytest.raises(DataError, match=message):
        make_folds(
            np.array(y),
            "classification",
            n_folds=2,
            seed=0,
            classes=None if classes is None else list(classes),
        )
