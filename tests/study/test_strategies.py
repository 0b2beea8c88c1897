"""Searches by several strategies: what is planned, and how a grid fits a budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpo.errors import SpecError, StudyError
from hpo.space import Float, Int, Space
from hpo.spec import parse_study
from hpo.study import prepare
from hpo.study.run import study_record
from hpo.study.strategies import is_done, plan_searches, refuse_changed
from hpo.study.thinning import grid_within

SPACE = {
    "learning_rate": {"float": [1e-4, 1e-1], "log": True},
    "units": {"int": [4, 64], "log": True},
    "activation": ["relu", "tanh"],
    "epochs": 5,
}


def study(search=None, space=SPACE, **given):
    document = {
        "name": "iris",
        "data": {"source": "sklearn.iris"},
        "model": "sklearn-mlp",
        "space": space,
        "search": search or {},
        "evaluation": {"folds": 3},
    }
    return parse_study(document | given, folder=Path())


def axes(space, *names):
    return [list(space.declared[name].grid()) for name in names]


def test_a_grid_that_is_small_enough_stays_as_it_is():
    space = Space(x=Float(0, 1, points=3), n=Int(1, 4), a=["a", "b"])
    assert grid_within(space, 24) is space
    assert space.grid.count == 24


def test_every_range_gets_as_many_points_as_the_budget_has_room_for():
    space = Space(x=Float(0, 1), y=Float(0, 1), z=["a", "b"])
    # 2 x 2 x 2 = 8 fits into 17, 3 x 3 x 2 = 18 does not; 3 x 2 x 2 = 12 does.
    thinned = grid_within(space, 17)
    assert axes(thinned, "x", "y") == [[0.0, 0.5, 1.0], [0.0, 1.0]]
    assert thinned.grid.count == 12
    assert axes(grid_within(space, 18), "x", "y") == [[0.0, 0.5, 1.0]] * 2
    # One point is the middle of a range.
    assert axes(grid_within(space, 3), "x", "y") == [[0.5], [0.5]]


def test_ranges_get_no_more_than_the_values_and_points_they_have():
    space = Space(n=Int(1, 3), x=Float(0, 8, points=5), y=Float(1e-4, 1, log=True))
    # By hand: 3 x 4 x 4 = 48, then x has a fifth: 60, and y would make it 75.
    thinned = grid_within(space, 74)
    assert [len(axis) for axis in axes(thinned, "n", "x", "y")] == [3, 5, 4]
    # All of n and x, and the rest is y's: 15 x 13 = 195.
    assert len(axes(grid_within(space, 200), "y")[0]) == 13


def test_steps_and_wide_whole_numbers_are_thinned_too():
    space = Space(batch=Int(10, 90, step=20), units=Int(1, 1000))
    thinned = grid_within(space, 9)
    assert axes(thinned, "batch", "units") == [[10, 50, 90], [1, 500, 1000]]


def test_cells_are_counted_with_their_conditions():
    space = Space(
        optimizer=["adam", "sgd"], momentum=Float(0, 0.9, when={"optimizer": "sgd"})
    )
    # adam is one cell, sgd one for each point.
    assert grid_within(space, 6).grid.count == 6
    assert len(axes(grid_within(space, 6), "momentum")[0]) == 5


def test_choices_are_never_left_out():
    space = Space(a=[1, 2, 3], b=[4, 5, 6], x=Float(0, 1))
    thinned = grid_within(space, 5)
    assert thinned.grid.count == 9
    assert axes(thinned, "a", "b", "x") == [[1, 2, 3], [4, 5, 6], [0.5]]


@pytest.mark.parametrize("n_cells", [1, 2, 5, 16, 17, 50, 99])
def test_a_thinned_grid_of_ranges_is_within_the_budget_and_cannot_grow_evenly(n_cells):
    space = Space(x=Float(0, 1), y=Int(1, 500), z=Float(1, 9, log=True))
    thinned = grid_within(space, n_cells)
    points = [len(axis) for axis in axes(thinned, "x", "y", "z")]
    assert np.prod(points) == thinned.grid.count <= n_cells
    assert (min(points) + 1) ** 3 > n_cells
    assert max(points) - min(points) <= 1


def test_each_seed_has_a_search_of_each_strategy_on_the_same_rows():
    spec = study({"trials": 20, "seed": 7, "patience": 3, "timeout": "5m"})
    planned = plan_searches(spec, ["grid", "random", "bayesian"], 2)
    assert [s.name for s in planned.searches] == [
        f"iris {strategy} seed {seed}"
        for seed in (7, 8)
        for strategy in ("grid", "random", "bayesian")
    ]
    for search in planned.searches:
        found = search.search
        assert (found.trials, found.patience, found.timeout_seconds) == (20, None, None)
        assert not found.defaults_first
    grids = [s for s in planned.searches if s.search.strategy == "grid"]
    # 3 x 3 x 2 = 18 cells.
    assert [s.space.grid.count for s in grids] == [18, 18]
    others = [s for s in planned.searches if s.search.strategy != "grid"]
    assert all(s.space == spec.space for s in others)
    assert "18 cells" in planned.notes[1]
    assert "learning_rate 3, units 3" in planned.notes[1]
    assert "timeout and patience" in planned.notes[2]
    plans = [prepare(search).plan for search in planned.searches]
    for one, other in [(0, 1), (0, 2), (3, 4), (3, 5)]:
        for a, b in zip(plans[one].folds, plans[other].folds, strict=True):
            np.testing.assert_array_equal(a[1], b[1])
        np.testing.assert_array_equal(plans[one].data.y, plans[other].data.y)
    assert not np.array_equal(plans[0].folds[0][1], plans[3].folds[0][1])


def test_the_budget_is_that_of_the_file_or_the_usual_or_the_grids():
    random = plan_searches(study({"strategy": "random"}), ["grid", "random"], 1)
    assert random.n_trials == 20
    space = {"hidden_layers": [1, 2, 3], "activation": ["relu", "tanh"]}
    grid = plan_searches(study({"strategy": "grid"}, space), ["grid", "random"], 1)
    assert grid.n_trials == 6
    large = {"batch_size": {"int": [1, 100]}, "activation": ["relu", "tanh"]}
    assert (
        plan_searches(study({"strategy": "grid"}, large), ["grid", "random"], 1)
    ).n_trials == 100


def test_a_grid_of_too_many_choices_says_which_cells_are_tried():
    space = {"hidden_layers": [1, 2, 3], "batch_size": [8, 16, 32]}
    planned = plan_searches(study({"trials": 4}, space), ["random", "grid"], 1)
    assert "9 cells; only the first 4 are tried" in planned.notes[1]


@pytest.mark.parametrize(
    ("strategies", "what"),
    [
        (["grid"], "two or more"),
        ([], "two or more"),
        (["grid", "grid"], "each once"),
        (["grid", "randon"], "did you mean 'random'"),
    ],
)
def test_strategies_that_make_no_sense_are_refused(strategies, what):
    with pytest.raises(SpecError, match=what):
        plan_searches(study(), strategies, 1)


def record_of(search):
    return study_record(prepare(search))


def test_a_search_on_another_space_is_refused_and_a_greater_budget_is_not():
    def random(**search):
        return plan_searches(study(search), ["random", "grid"], 1).searches

    before, grid_before = random(trials=4)
    after, grid_after = random(trials=8)
    stored = record_of(before)
    refuse_changed(stored, after)
    with pytest.raises(
        StudyError, match=r"(?s)space\.units\.points  1    2.*hpo delete"
    ):
        refuse_changed(record_of(grid_before), grid_after)
    (other, _) = plan_searches(
        study({"trials": 4}, SPACE | {"activation": ["relu"]}), ["random", "grid"], 1
    ).searches
    with pytest.raises(StudyError, match="activation"):
        refuse_changed(stored, other)


def test_a_search_is_done_if_it_ended_with_as_many_trials():
    four, eight = (
        plan_searches(study({"trials": n}), ["random", "grid"], 1).searches[0]
        for n in (4, 8)
    )
    stored = record_of(four)
    ended = replace(stored, state="complete")
    assert not is_done(stored, four, stored.fingerprint)
    assert is_done(ended, four, stored.fingerprint)
    assert not is_done(ended, eight, stored.fingerprint)
    with pytest.raises(StudyError, match="has changed"):
        is_done(ended, four, "another")
