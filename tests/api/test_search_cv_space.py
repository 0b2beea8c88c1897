"""Spaces there and back: lists and scipy's distributions, as scikit-learn has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import ParameterGrid
from sklearn.svm import SVC

from hpo import Categorical, Float, Int, Space
from hpo.errors import SpecError
from hpo.space.from_sklearn import from_sklearn

DISTRIBUTIONS = [
    (stats.uniform(2, 3), Float(2.0, 5.0)),
    (stats.uniform(loc=-1, scale=2), Float(-1.0, 1.0)),
    (stats.uniform(), Float(0.0, 1.0)),
    (stats.loguniform(1e-3, 10), Float(1e-3, 10.0, log=True)),
    (stats.reciprocal(a=1, b=8), Float(1.0, 8.0, log=True)),
    (stats.loguniform(1, 10, scale=2), Float(2.0, 20.0, log=True)),
    (stats.randint(3, 9), Int(3, 8)),
    (stats.randint(low=0, high=2, loc=5), Int(5, 6)),
]


@pytest.mark.parametrize(("distribution", "expected"), DISTRIBUTIONS)
def test_a_distribution_that_is_a_range_becomes_it(distribution, expected):
    got = Space.from_sklearn({"x": distribution}).declared["x"]
    assert got == expected
    # Independently: both draw the same distribution, but for 1 chance in 1000.
    rng = np.random.default_rng(0)
    ours = [got.draw(rng) for _ in range(2000)]
    theirs = distribution.rvs(2000, random_state=1)
    assert stats.ks_2samp(ours, theirs).pvalue > 0.001


@pytest.mark.parametrize(
    "distribution",
    [stats.norm(0, 1), stats.loguniform(1, 10, loc=3), stats.poisson(2)],
    ids=["norm", "shifted", "poisson"],
)
def test_any_other_distribution_is_refused_by_name_with_the_way_out(distribution):
    with pytest.raises(SpecError, match=r"x: \w+\(.* cannot be turned into a range"):
        Space.from_sklearn({"x": distribution})
    kept = from_sklearn({"x": distribution, "k": [1]})
    assert list(kept.declared) == ["k"]
    assert kept.distributions == {"x": distribution}


def test_choices_that_are_no_plain_values_are_refused_by_a_space():
    with pytest.raises(SpecError) as caught:
        Space.from_sklearn({"model": [SVC(), None], "size": [(1,), 2], "k": [1]})
    assert [problem.where for problem in caught.value.problems] == ["model", "size"]
    assert "got SVC(); hpo.SearchCV takes that" in caught.value.problems[0].what


def test_numbers_of_numpy_are_plain_values_and_come_back_as_they_were():
    given = {"C": np.logspace(-2, 0, 3), "n": [np.int64(3)], "flag": [np.bool_(True)]}
    space = Space.from_sklearn(given)
    assert space == Space(C=[0.01, 0.1, 1.0], flag=[True], n=[3])
    made = from_sklearn(given)
    decoded = made.decode({"C": 0.1, "n": 3, "flag": True})
    assert [type(value) for value in decoded.values()] == [
        np.float64,
        np.int64,
        np.bool,
    ]
    assert decoded == {"C": given["C"][1], "n": 3, "flag": True}


def test_every_object_has_a_code_of_its_own():
    first, second = SVC(), SVC()
    choices = [first, second, "SVC()", None, len, (1, 2), [1, 2], float("inf")]
    made = from_sklearn({"x": choices})
    codes = made.declared["x"].choices
    assert codes[:5] == ("SVC() #2", "SVC() #3", "SVC()", None, "len")
    assert len(set(codes)) == len(choices)
    for code, choice in zip(codes, choices, strict=True):
        assert made.decode({"x": code})["x"] is choice


def test_names_and_values_are_in_the_order_of_scikit_learns_grids():
    given = {"b": ["x", "y"], "a": [3, 1, 2], "c": [True, False]}
    cells = [dict(cell) for cell in Space.from_sklearn(given).grid]
    assert cells == list(ParameterGrid(given))
    assert [list(cell) for cell in cells] == [list(p) for p in ParameterGrid(given)]


def test_hyperparameters_constants_and_conditions_may_be_mixed_in():
    given = {
        "svc__kernel": ["rbf", "poly"],
        "svc__degree": Int(2, 5, when={"svc__kernel": "poly"}),
        "svc__C": 1.5,
    }
    space = Space.from_sklearn(given)
    assert space.size == 5
    assert space.declared["svc__C"] == Categorical([1.5])


def test_every_mistake_is_told_with_its_place():
    given = {"a": [], "b": {1: 2}, "c": np.zeros((2, 2)), 3: [1]}
    with pytest.raises(SpecError) as caught:
        Space.from_sklearn(given)
    assert [problem.where for problem in caught.value.problems] == ["3", "a", "b", "c"]


def test_a_space_goes_to_scikit_learn_and_back():
    space = Space(
        C=Float(0.01, 100.0, log=True),
        alpha=Float(-1.0, 1.0),
        degree=Int(2, 5),
        even=Categorical([2, 4, 6]),
        kernel=["rbf", None, True],
    )
    assert Space.from_sklearn(space.to_sklearn()) == space
    made = Space(n=Int(1, 9, step=3), x=Float(0, 0.3, step=0.1), one=7).to_sklearn()
    assert made == {"n": [1, 4, 7], "x": [0.0, 0.1, 0.2, 0.3], "one": [7]}


def test_what_scikit_learn_cannot_say_is_refused():
    space = Space(
        kernel=["rbf", "poly"],
        degree=Int(2, 5, when={"kernel": "poly"}),
        units=Int(1, 512, log=True),
    )
    with pytest.raises(SpecError) as caught:
        space.to_sklearn()
    assert [problem.where for problem in caught.value.problems] == ["degree", "units"]
