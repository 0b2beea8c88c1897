"""A fingerprint follows the content of a data set and nothing else."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from hpo.data import fingerprint, load
from hpo.records import Dataset
from hpo.user_code import Home


def make(a=(1.5, -0.0, np.nan), t=("p", None, "q"), y=(0, 1, 0), classes=("u", "v")):
    X = pd.DataFrame(
        {"a": np.array(a, float), "t": pd.Series(list(t), dtype=object)},
    )
    return Dataset(X, np.array(y), "classification", np.array(classes), ("a",), ("t",))


def renamed(dataset):
    X = dataset.X.rename(columns={"a": "b"})
    return replace(dataset, X=X, numeric=("b",))


def reordered(dataset):
    return replace(dataset, X=dataset.X[["t", "a"]])


CHANGED = {
    "a number": make(a=(1.5, 0.0, 2.0)),
    "the last bit": make(a=(np.nextafter(1.5, 2), 0.0, np.nan)),
    "a text": make(t=("p", None, "r")),
    "a missing text": make(t=("p", "q", "q")),
    "a missing text that says None": make(t=("p", "None", "q")),
    "texts joined": make(t=("pq", None, "")),
    "a target": make(y=(0, 1, 1)),
    "a class": make(classes=("u", "w")),
    "classes as numbers": make(classes=(0, 1)),
    "classes as booleans": make(classes=(False, True)),
    "row order": make().take(np.array([1, 0, 2])),
    "fewer rows": make().take(np.array([0, 1])),
    "a column's name": renamed(make()),
    "column order": reordered(make()),
    "the target's name": replace(make(), targets=("z",)),
    "the task": replace(
        make(), task="regression", classes=None, y=np.array([0.0, 1, 0])
    ),
}


def test_every_change_of_the_content_changes_it():
    every = [fingerprint(dataset) for dataset in [make(), *CHANGED.values()]]
    assert len(set(every)) == len(CHANGED) + 1


def array(shape=(4, 3, 2), first=0.0, y=(0.0, 1, 2, 3)):
    X = np.arange(np.prod(shape), dtype=float).reshape(shape)
    X.flat[0] = first
    return Dataset(X, np.array(y), "regression", None, (), ())


def test_arrays_differ_by_their_shape_and_every_value():
    every = [
        array(),
        array(first=1.0),
        array(shape=(4, 2, 3)),
        array(shape=(4, 6, 1)),
        array(y=(0.0, 1, 2, 4)),
        array(y=[(0.0, 1), (1, 2), (2, 3), (3, 4)]),
        array(y=[(0.0, 1), (1, 2), (2, 3), (3, 5)]),
    ]
    assert len({fingerprint(dataset) for dataset in every}) == len(every)
    turned = np.asfortranarray(array().X)
    assert fingerprint(replace(array(), X=turned)) == fingerprint(array(first=-0.0))


def test_groups_count_if_there_are_any():
    groups = [None, [0, 0, 1], [0, 1, 1], [1, 1, 0]]
    every = [
        replace(make(), groups=None if codes is None else np.array(codes))
        for codes in groups
    ]
    assert len({fingerprint(dataset) for dataset in every}) == len(groups)
    narrow = replace(make(), groups=np.array(groups[1], np.int32))
    assert fingerprint(narrow) == fingerprint(every[1])


def test_a_change_of_how_values_are_held_does_not_change_it():
    held = make()
    X = pd.DataFrame({"a": held.X["a"] * 1.0, "t": held.X["t"].astype("str")})
    X.loc[1, "a"] = 0.0
    y = held.y.astype(np.int32)
    same = replace(held, X=X, y=y, notes=("read elsewhere",))
    assert fingerprint(same) == fingerprint(held)


def test_the_same_data_from_two_sources_have_one_fingerprint(tmp_path):
    bundled = load("sklearn.diabetes")
    bundled.X.assign(target=bundled.y).to_csv(tmp_path / "t.csv", index=False)
    from_file = load("t.csv", target="target", task="regression", home=Home(tmp_path))
    assert fingerprint(from_file) == fingerprint(bundled)


def test_it_stays_the_same_from_version_to_version():
    # Stored studies are compared with it: a change here makes them all look changed.
    expected = "0df12c45bbcce8f1ca8c2f2e7e4934754ed7a4563935b00c766993665c476453"
    assert fingerprint(make()) == expected


def test_a_hundred_thousand_rows_of_a_hundred_columns_take_half_a_second_at_most():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(100_000, 100)))
    X.columns = [f"c{i}" for i in range(100)]
    y = X["c0"].to_numpy()
    dataset = Dataset(X, y, "regression", None, tuple(X.columns), ())
    started = time.process_time()
    fingerprint(dataset)
    assert time.process_time() - started < 0.5
