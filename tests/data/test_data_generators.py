"""Generated data are scikit-learn's own, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from hpo.data import fingerprint, load
from hpo.data.generators import GENERATORS
from hpo.errors import DataError


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("prefix", ["sklearn.", "sklearn.make_"])
def test_generated_data_are_those_of_scikit_learn(name, prefix):
    dataset = load(prefix + name, options={"n_samples": 60, "random_state": 7})
    X, y = getattr(datasets, f"make_{name}")(n_samples=60, random_state=7)
    np.testing.assert_array_equal(dataset.X.to_numpy(), X)
    assert dataset.X.columns.tolist() == [f"x{index}" for index in range(X.shape[1])]
    assert dataset.task == GENERATORS[name]
    if dataset.task == "classification":
        np.testing.assert_array_equal(dataset.classes[dataset.y], y)
    else:
        np.testing.assert_array_equal(dataset.y, y)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"noise": 0.3, "shuffle": False}),
        ("moons", {"n_samples": (20, 40)}),
        ("circles", {"factor": 0.5}),
        ("blobs", {"centers": 5, "cluster_std": 0.2, "center_box": (0.0, 1.0)}),
        ("blobs", {"n_samples": [10, 20, 30], "centers": [[0, 0], [3, 3], [9, 9]]}),
        ("classification", {"n_features": 6, "weights": [0.2, 0.8]}),
        ("regression", {"n_features": 4, "noise": 2.0}),
        ("gaussian_quantiles", {"n_classes": 4}),
    ],
)
def test_parameters_are_those_of_scikit_learn(name, options):
    # Lists are all that a study file can write.
    written = {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
    dataset = load(f"sklearn.{name}", options=written)
    X, y = getattr(datasets, f"make_{name}")(random_state=0, **options)
    np.testing.assert_array_equal(dataset.X.to_numpy(), X)
    np.testing.assert_array_equal(dataset.y, y)


def test_data_do_not_change_by_themselves():
    first, again, other = (
        fingerprint(load("sklearn.moons", options={"noise": 0.2, **seed}))
        for seed in ({}, {"random_state": 0}, {"random_state": 1})
    )
    assert first == again != other


def test_a_whole_number_may_be_written_as_a_float():
    assert load("sklearn.blobs", options={"n_samples": 1e3, "centers": 2.0}).n_rows == (
        1000
    )


def test_several_targets_are_generated():
    dataset = load("sklearn.regression", options={"n_targets": 3})
    assert (dataset.n_outputs, dataset.targets) == (3, ("y0", "y1", "y2"))


def test_columns_of_generated_data_can_be_chosen_and_dropped():
    X, _ = datasets.make_friedman1(random_state=0)
    chosen = load("sklearn.friedman1", features=["x7", "x0"])
    np.testing.assert_array_equal(chosen.X.to_numpy(), X[:, [7, 0]])
    assert chosen.numeric == ("x7", "x0")
    assert load("sklearn.moons", drop=["x0"]).numeric == ("x1",)
    with pytest.raises(
        DataError, match=r"data\.drop: .* has no column 'x9'; it has x0, x1"
    ):
        load("sklearn.moons", drop=["x9"])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("moons", {"nose": 1}, r"has no parameter 'nose'; did you mean 'noise'\?"),
        ("moons", {"depth": 1}, "no parameter 'depth'; it has n_samples, shuffle, noi"),
        ("moons", {1: 1}, "has no parameter '1'"),
        ("blobs", {"return_centers": True}, "has no parameter 'return_centers'"),
        ("regression", {"coef": True}, "has no parameter 'coef'"),
        ("moons", {"noise": "a"}, r": noise must be a float in .* or None; got 'a'$"),
        ("moons", {"noise": -1}, "noise must be a float in the range"),
        ("moons", {"noise": float("nan")}, "noise must be finite; got nan"),
        ("moons", {"n_samples": 10**6 + 1}, "n_samples must be at most 1000000; got 1"),
        ("blobs", {"n_samples": [10**6, 1]}, "n_samples must be at most 1000000"),
        ("blobs", {"centers": 10**9}, "centers must be at most 10000; got 1000000000"),
        (
            "blobs",
            {"n_samples": 10**6, "n_features": 1000},
            "n_samples times n_features must be at most 100000000; got 1000000000",
        ),
        (
            "classification",
            {"n_classes": 1000, "n_clusters_per_class": 1000},
            "n_classes times n_clusters_per_class must be at most 10000",
        ),
        ("moons", {"random_state": None}, "random_state must be a whole number"),
        ("moons", {"random_state": True}, "random_state must be a whole number"),
        ("moons", {"random_state": 2**32}, "from 0 to 4294967295; got 4294967296"),
        (
            "classification",
            {"n_classes": 9},
            "scikit-learn refuses these parameters: n",
        ),
        ("moons", {"n_samples": [1, 2, 3]}, "scikit-learn refuses these parameters"),
        ("iris", {"noise": 1}, "takes no parameters, as its rows are given; remove n"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(name, options, message):
    with pytest.raises(DataError, match=rf"^data\.source: sklearn\.{name}.*{message}"):
        load(f"sklearn.{name}", options=options)


def test_generated_data_with_nothing_to_learn_are_refused():
    with pytest.raises(
        DataError, match=r"sklearn\.blobs: .* there is nothing to learn"
    ):
        load("sklearn.blobs", options={"centers": 1})


@pytest.mark.parametrize("name", ["moons", "iris"])
@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"group": "g"}, r"data\.group: sklearn\.\w+ has no groups; remove this key"),
        ({"order": "t"}, r"data\.order: sklearn\.\w+ has no order of its rows"),
        ({"target": "x0"}, r"data\.target: sklearn\.\w+ brings its own target; remove"),
        ({"task": "regression"}, r"task: sklearn\.\w+ is a classification data set"),
    ],
)
def test_what_data_of_scikit_learn_do_not_have_is_refused(name, wish, message):
    with pytest.raises(DataError, match=message):
        load(f"sklearn.{name}", **wish)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mons", "moons"),
        ("make_blob", "blobs"),
        ("load_digit", "digits"),
        ("make_multilabel_classification", "classification"),
    ],
)
def test_an_unknown_name_gets_a_near_match(name, near):
    message = rf"expected one of .*got 'sklearn\.{name}'; did you mean 'sklearn\.{near}"
    with pytest.raises(DataError, match=message):
        load(f"sklearn.{name}")


def test_linnerud_has_three_targets():
    dataset = load("sklearn.linnerud")
    reference = datasets.load_linnerud()
    np.testing.assert_array_equal(dataset.y, reference.target)
    np.testing.assert_array_equal(dataset.X.to_numpy(), reference.data)
    assert dataset.targets == ("Weight", "Waist", "Pulse")
    assert (dataset.task, dataset.n_outputs) == ("regression", 3)
