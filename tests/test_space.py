"""The search space: its values, its conditions, its cells and its refusals."""

from __future__ import annotations

import itertools
import math
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpo.errors import SpecError
from hpo.space import (
    MAX_REPEAT,
    Categorical,
    Cells,
    Float,
    Int,
    Space,
    constant,
    describe,
)

N_DRAWS = 20_000
SIGNIFICANT = 0.001
"""The seeds are fixed, so a right draw passes always, not 999 times in 1000."""


def draws(hyperparameter, seed=0, n=N_DRAWS):
    rng = np.random.default_rng(seed)
    return np.array([hyperparameter.draw(rng) for _ in range(n)])


def nearly(value):
    """A number to the last digits but one, anything else exactly."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return pytest.approx(value, rel=1e-12) if is_number else value


def problems_of(make):
    with pytest.raises(SpecError, match=r".") as caught:
        make()
    return [str(problem) for problem in caught.value.problems]


# --- ranges -------------------------------------------------------------------------


def test_a_stepped_float_range_is_closed_and_its_decimals_are_clean():
    assert Float(0, 0.5, step=0.1).values == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert Float(-0.3, 0.3, step=0.1).values == (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)


def test_a_stepped_int_range_stops_at_the_last_multiple_inside():
    assert list(Int(10, 100, step=20).values) == [10, 30, 50, 70, 90]
    assert list(Int(0, 4, step=2).values) == [0, 2, 4]


@pytest.mark.parametrize(
    ("hyperparameter", "expected"),
    [
        (Float(0, 1, step=0.3), (0.0, 0.3, 0.6, 0.9)),
        (Float(0, 1, step=2), (0.0,)),
        (Float(0, 1e-6, step=5e-7), (0.0, 5e-7, 1e-6)),
        (Float(0.5, 0.5), (0.5,)),
        (Int(7, 7), (7,)),
        (Int(1, 3), (1, 2, 3)),
    ],
)
def test_values_lists_a_finite_range_in_order(hyperparameter, expected):
    assert tuple(hyperparameter.values) == expected


def test_a_float_range_without_a_step_has_no_list_of_values():
    assert Float(0, 1).values is None
    assert Float(1e-4, 1e-1, log=True).values is None


def test_values_of_a_float_are_floats_and_of_an_int_are_ints():
    assert all(type(value) is float for value in Float(0, 4, step=2).values)
    assert all(type(value) is int for value in Int(0.0, 4.0, step=2.0).values)
    assert type(draws(Float(0, 1), n=1)[0].item()) is float
    assert type(Int(1, 1000, log=True).draw(np.random.default_rng(0))) is int


@pytest.mark.parametrize(
    ("hyperparameter", "inside", "outside"),
    [
        (Float(0, 0.5), [0, 0.0, 0.123, 0.5], [-1e-9, 0.51, "0.1", None, True, np.nan]),
        (Float(0, 0.5, step=0.1), [0.3, 0.1 + 0.2, 0], [0.05, 0.31, 0.6]),
        (Int(10, 100, step=20), [10, 90, 30.0], [20, 100, 110, 30.5, "10", True]),
        (Int(0, 1), [0, 1], [False, True, 2, np.inf]),
        (Categorical([8, 16.0]), [8, 8.0, 16], [True, "8", None, 9]),
        (Categorical([True, "a", None]), [True, "a", None], [1, 1.0, False, "b"]),
    ],
)
def test_holds_tells_values_inside_from_values_outside(hyperparameter, inside, outside):
    assert [v for v in inside if not hyperparameter.holds(v)] == []
    assert [v for v in outside if hyperparameter.holds(v)] == []


# --- grids of one hyperparameter ----------------------------------------------------


@pytest.mark.parametrize(
    ("hyperparameter", "expected"),
    [
        (Float(0, 1, points=5), (0.0, 0.25, 0.5, 0.75, 1.0)),
        (Float(0, 1, points=1), (0.5,)),
        (Float(1e-4, 1e-1, log=True, points=4), (1e-4, 1e-3, 1e-2, 1e-1)),
        (Float(1e-4, 1e-2, log=True, points=1), (1e-3,)),
        (Float(0, 0.5, step=0.1, points=3), (0.0, 0.2, 0.5)),
        (Float(0, 0.5, step=0.1), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Float(2, 2), (2.0,)),
        (Int(0, 1000, points=5), (0, 250, 500, 750, 1000)),
        (Int(1, 1000, log=True, points=4), (1, 10, 100, 1000)),
        (Int(1, 3, points=9), (1, 2, 3)),
        (Int(10, 100, step=20, points=2), (10, 90)),
        (Int(1, 3), (1, 2, 3)),
        (Categorical(["b", "a"]), ("b", "a")),
    ],
)
def test_a_grid_takes_evenly_spaced_values_on_the_scale(hyperparameter, expected):
    grid = hyperparameter.grid()
    assert list(grid) == [nearly(value) for value in expected]
    assert [type(value) for value in grid] == [type(value) for value in expected]


def test_a_continuum_and_a_wide_int_have_no_grid_without_points():
    assert Float(0, 1).grid() is None
    assert Int(1, 101).grid() is None
    assert len(Int(1, 100).grid()) == 100
    assert len(Int(1, 201, step=1).grid()) == 201


@pytest.mark.parametrize(
    "hyperparameter",
    [
        Float(0.1234567, 0.1234568, points=3),
        Int(1_000_000, 1_000_010, points=3),
        Float(1e-4, 1e-1, log=True, points=7),
        Int(0, 10**9, points=7),
    ],
)
def test_a_grid_has_the_points_asked_for_all_inside_the_range(hyperparameter):
    grid = hyperparameter.grid()
    assert len(grid) == hyperparameter.points
    assert list(grid) == sorted(grid)
    assert [value for value in grid if not hyperparameter.holds(value)] == []


# --- choices ------------------------------------------------------------------------


def test_numbers_are_ordered_choices_and_anything_else_is_not():
    assert Categorical([16, 8, 0.5]).ordered
    assert not Categorical(["relu", "tanh"]).ordered
    assert not Categorical([1, "auto"]).ordered
    assert not Categorical([False, True]).ordered
    assert not Categorical([1, None]).ordered


def test_one_and_true_are_different_choices():
    assert Categorical([1, True]).choices == (1, True)
    assert Space(a=[1, True]).size == 2


def test_a_plain_list_is_choices_and_a_plain_value_is_a_constant():
    space = Space(units=[8, 16], activation="relu", seed=3, dropout=None)
    assert space.declared["units"] == Categorical([8, 16])
    assert constant(space.declared["activation"])
    assert list(space.cells()) == [
        {"units": 8, "activation": "relu", "seed": 3, "dropout": None},
        {"units": 16, "activation": "relu", "seed": 3, "dropout": None},
    ]


def test_only_a_single_value_is_a_constant():
    assert constant(Int(3, 3))
    assert constant(Float(0.1, 0.1))
    assert constant(Float(0, 1, step=2))
    assert not constant(Float(0, 1))
    assert not constant(Int(3, 4))
    assert not constant(Categorical([0, 1]))


@pytest.mark.parametrize(
    ("hyperparameter", "text"),
    [
        (Float(1e-4, 0.1, log=True), "0.0001 to 0.1 (log)"),
        (Int(10, 100, step=20), "10 to 100 in steps of 20"),
        (Float(0.5, 0.5), "0.5"),
        (Categorical(["relu", None, True]), "relu, None, True"),
        (Categorical(range(10)), "0, 1, 2, 3, 4, 5, 6, 7, ... (2 more)"),
    ],
)
def test_describe_words_the_values(hyperparameter, text):
    assert describe(hyperparameter) == text


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "messages"),
    [
        (lambda: Float(1, 0), ["low must not be above high; got 1 and 0"]),
        (
            lambda: Float(0, 1, log=True),
            ["low must be above 0 because log is true; got 0"],
        ),
        (
            lambda: Int(-2, 8, log=True),
            ["low must be above 0 because log is true; got -2"],
        ),
        (
            lambda: Float(0.1, 1, log=True, step=0.1),
            ["step: log and step exclude each other; remove one"],
        ),
        (lambda: Float(0, 1, step=0), ["step: expected a number above 0; got 0"]),
        (lambda: Int(0, 9, step=-1), ["step: expected a number above 0; got -1"]),
        (
            lambda: Float(0, 1, step=1e-7),
            ["step: makes over a million values; got 1e-07"],
        ),
        (
            lambda: Float(0, 1, points=0),
            ["points: expected a whole number from 1 to 10000; got 0"],
        ),
        (
            lambda: Int(0, 1, points=2.5),
            ["points: expected a whole number from 1 to 10000; got 2.5"],
        ),
        (
            lambda: Float("a", math.inf, step=math.nan),
            [
                "low: expected a finite number; got 'a'",
                "high: expected a finite number; got inf",
                "step: expected a finite number; got nan",
            ],
        ),
        (
            lambda: Int(True, 3.5, step=0.5),
            [
                "low: expected a whole number; got True",
                "high: expected a whole number; got 3.5",
                "step: expected a whole number; got 0.5",
            ],
        ),
        (lambda: Int(None, 3), ["low: expected a whole number; got None"]),
        (
            lambda: Float(2, -1, log=True, step=0.1, points=0),
            [
                "low must not be above high; got 2 and -1",
                "step: log and step exclude each other; remove one",
                "points: expected a whole number from 1 to 10000; got 0",
            ],
        ),
        (lambda: Categorical([]), ["expected at least one choice; got an empty list"]),
        (lambda: Categorical([8, 16, 8.0]), ["[2]: 8.0 is listed twice"]),
        (
            lambda: Categorical(["a", [1], math.inf, "a"]),
            [
                "[1]: expected a number, a text, true, false or null; got [1]",
                "[2]: expected a number, a text, true, false or null; got inf",
                "[3]: 'a' is listed twice",
            ],
        ),
        (
            lambda: Categorical(range(10_001)),
            ["expected at most 10000 choices; got 10001"],
        ),
    ],
)
def test_a_hyperparameter_that_makes_no_sense_is_refused(make, messages):
    assert problems_of(make) == messages


def test_ranges_at_the_edge_of_sense_are_accepted():
    assert Float(0, 1, points=10_000).points == 10_000
    assert len(Float(0, 1, step=1e-6).values) == 1_000_001
    assert len(Categorical(range(10_000)).choices) == 10_000


CHILD = ["x", "y"]


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        (
            {"b": Categorical(CHILD, when={"optimiser": "sgd"}), "optimizer": ["sgd"]},
            [
                "b.when.optimiser: no hyperparameter has this name; "
                "did you mean 'optimizer'?"
            ],
        ),
        (
            {"b": Categorical(CHILD, when={"zzz": 1})},
            ["b.when.zzz: no hyperparameter has this name"],
        ),
        (
            {"b": Categorical(CHILD, when={"b": "x"})},
            ["b.when.b: a hyperparameter cannot depend on itself"],
        ),
        (
            {"a": ["adam", "sgd"], "b": Categorical(CHILD, when={"a": "sdg"})},
            [
                "b.when.a: expected a value of it (adam, sgd); got 'sdg'; "
                "did you mean 'sgd'?"
            ],
        ),
        (
            {"a": Int(1, 3), "b": Categorical(CHILD, when={"a": [2, 4, 9]})},
            [
                "b.when.a: expected a value of it (1 to 3); got 4",
                "b.when.a: expected a value of it (1 to 3); got 9",
            ],
        ),
        (
            {"a": [True, False], "b": Categorical(CHILD, when={"a": 1})},
            ["b.when.a: expected a value of it (True, False); got 1"],
        ),
        (
            {"a": [1, 2], "b": Categorical(CHILD, when={"a": []})},
            ["b.when.a: expected at least one value; got none"],
        ),
        (
            {
                "n": Int(1, 2),
                "a": Categorical([1, 2], repeat="n"),
                "b": Categorical(CHILD, when={"a": 1}),
            },
            ["b.when.a: cannot depend on a hyperparameter that is repeated"],
        ),
        (
            {
                "a": Categorical(CHILD, when={"b": "x"}),
                "b": Categorical(CHILD, when={"a": "x"}),
            },
            ["a.when: these depend on each other in a circle: a, b"],
        ),
        (
            {"hidden_layers": Int(1, 2), "b": Categorical(CHILD, repeat="hiden_layer")},
            [
                "b.repeat: no hyperparameter is named 'hiden_layer'; "
                "did you mean 'hidden_layers'?"
            ],
        ),
        (
            {"b": Categorical(CHILD, repeat="b")},
            ["b.repeat: no hyperparameter is named 'b'"],
        ),
        (
            {"a": Float(0, 1), "b": Categorical(CHILD, repeat="a")},
            ["b.repeat: expected 'a' to be whole numbers from 0 to 64; got 0 to 1"],
        ),
        (
            {"a": Int(0, 65), "b": Categorical(CHILD, repeat="a")},
            ["b.repeat: expected 'a' to be whole numbers from 0 to 64; got 0 to 65"],
        ),
        (
            {"a": [-1, 2], "b": Categorical(CHILD, repeat="a")},
            ["b.repeat: expected 'a' to be whole numbers from 0 to 64; got -1, 2"],
        ),
        (
            {"a": [False, True], "b": Categorical(CHILD, repeat="a")},
            [
                "b.repeat: expected 'a' to be whole numbers from 0 to 64; "
                "got False, True"
            ],
        ),
        (
            {
                "n": Int(1, 2),
                "a": Int(1, 2, repeat="n"),
                "b": Categorical(CHILD, repeat="a"),
            },
            ["b.repeat: expected 'a' to be whole numbers from 0 to 64; got 1 to 2"],
        ),
        (
            {"n": Int(1, 2), "u": Int(1, 2, repeat="n"), "u_1": 3},
            ["u.repeat: makes 'u_1', which the space has already"],
        ),
        (
            {"a": [1, 1], "b": [[2]], "c": Categorical(CHILD, when={"aa": 1})},
            [
                "a.[1]: 1 is listed twice",
                "b.[0]: expected a number, a text, true, false or null; got [2]",
                "c.when.aa: no hyperparameter has this name; did you mean 'a'?",
            ],
        ),
    ],
)
def test_a_space_that_makes_no_sense_is_refused_with_every_mistake(given, messages):
    assert problems_of(lambda: Space(**given)) == messages


def test_a_name_whose_declaration_is_wrong_is_not_called_unknown():
    given = {"a": [1, 1], "b": Int(1, 2, when={"a": 1}), "c": Int(1, 2, repeat="a")}
    assert problems_of(lambda: Space(**given)) == ["a.[1]: 1 is listed twice"]


def test_a_circle_names_only_those_that_are_in_it():
    given = {
        "outside": Categorical(CHILD, when={"a": "x"}),
        "a": Categorical(CHILD, when={"b": "x"}),
        "b": Categorical(CHILD, when={"a": "x"}),
    }
    assert problems_of(lambda: Space(**given)) == [
        "a.when: these depend on each other in a circle: a, b"
    ]


def test_a_grid_over_a_continuum_names_each_hyperparameter_once():
    space = Space(
        n=Int(1, 3),
        lr=Float(1e-4, 0.1, log=True),
        u=Int(1, 999, repeat="n"),
        fine=Float(0, 1, points=3),
    )
    assert problems_of(lambda: space.grid) == [
        "lr: a grid needs finitely many values; got 0.0001 to 0.1 (log); "
        "add `points: 5` or a step, or list the values",
        "u: a grid needs finitely many values; got 1 to 999; "
        "add `points: 5` or a step, or list the values",
    ]


# --- conditions ---------------------------------------------------------------------


def test_a_child_is_there_only_with_the_right_value_of_its_parent():
    space = Space(
        optimizer=["adam", "sgd"],
        momentum=Categorical([0.1], when={"optimizer": "sgd"}),
    )
    assert list(space.cells()) == [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "momentum": 0.1},
    ]


def test_a_grandchild_is_absent_with_its_parent():
    space = Space(
        a=[1, 2],
        b=Categorical([1, 2], when={"a": 2}),
        c=Categorical(["x", "y"], when={"b": 2}),
    )
    assert list(space.cells()) == [
        {"a": 1},
        {"a": 2, "b": 1},
        {"a": 2, "b": 2, "c": "x"},
        {"a": 2, "b": 2, "c": "y"},
    ]


def test_several_parents_must_all_agree_and_a_list_means_any_of_its_values():
    space = Space(
        a=[1, 2, 3],
        b=["p", "q"],
        c=Categorical([0, 1], when={"a": [1, 3], "b": "q"}),
    )
    with_child = [cell for cell in space.cells() if "c" in cell]
    assert [(cell["a"], cell["b"], cell["c"]) for cell in with_child] == [
        (1, "q", 0),
        (1, "q", 1),
        (3, "q", 0),
        (3, "q", 1),
    ]
    assert space.size == 3 * 2 + 2


def test_a_child_may_be_declared_before_its_parent():
    space = Space(c=Categorical(["x", "y"], when={"a": 1}), a=[1, 2], d=[5])
    assert space.names == ("a", "c", "d")
    assert space.size == 3


def test_a_range_may_be_a_parent():
    space = Space(
        layers=Int(0, 3),
        dropout=Float(0, 0.2, step=0.1),
        units=Categorical([8], when={"layers": [1, 2, 3]}),
        rate=Categorical([1, 2], when={"dropout": 0.2}),
    )
    # Layers 0..3 and dropout 0, 0.1, 0.2, which doubles at its last value.
    assert space.size == 4 * (1 + 1 + 2)


def test_always_active_lists_what_every_params_has():
    space = Space(a=[1, 2], b=Categorical([1], when={"a": 1}), c=Int(0, 1))
    assert space.always_active == ("a", "c")


def test_repeat_gives_one_value_to_each_unit_of_its_parent():
    space = Space(
        hidden_layers=Int(0, 2), units=Categorical([8, 16], repeat="hidden_layers")
    )
    assert space.names == ("hidden_layers", "units_0", "units_1")
    assert list(space.cells()) == [
        {"hidden_layers": 0},
        {"hidden_layers": 1, "units_0": 8},
        {"hidden_layers": 1, "units_0": 16},
        {"hidden_layers": 2, "units_0": 8, "units_1": 8},
        {"hidden_layers": 2, "units_0": 8, "units_1": 16},
        {"hidden_layers": 2, "units_0": 16, "units_1": 8},
        {"hidden_layers": 2, "units_0": 16, "units_1": 16},
    ]


def test_repeat_of_a_constant_parent_is_always_active():
    space = Space(hidden_layers=2, units=Categorical([8, 16], repeat="hidden_layers"))
    assert space.always_active == ("hidden_layers", "units_0", "units_1")
    assert space.size == 4


def test_repeat_of_no_unit_at_all_leaves_nothing():
    space = Space(hidden_layers=0, units=Categorical([8, 16], repeat="hidden_layers"))
    assert space.names == ("hidden_layers",)
    assert list(space.cells()) == [{"hidden_layers": 0}]


def test_repeat_of_a_conditional_parent_is_absent_with_it():
    space = Space(
        deep=[False, True],
        layers=Categorical([2], when={"deep": True}),
        units=Categorical([8, 16], repeat="layers"),
    )
    assert [tuple(cell.values()) for cell in space.cells()] == [
        (False,),
        (True, 2, 8, 8),
        (True, 2, 8, 16),
        (True, 2, 16, 8),
        (True, 2, 16, 16),
    ]


def test_repeat_and_when_together_need_both():
    space = Space(
        n=[1, 2],
        bias=["on", "off"],
        u=Categorical([8, 16], repeat="n", when={"bias": "on"}),
    )
    assert space.size == (2 + 1) + (4 + 1)


def test_choices_with_gaps_repeat_up_to_the_greatest():
    space = Space(n=[3, 1], u=Categorical([8, 16], repeat="n"))
    assert space.names == ("n", "u_0", "u_1", "u_2")
    assert space.always_active == ("n", "u_0")
    assert space.size == 2 + 8


def test_as_many_repeats_as_allowed_are_counted_at_once():
    space = Space(n=Int(0, MAX_REPEAT), u=Int(1, 1000, repeat="n"))
    # A geometric series: 1 + 1000 + 1000**2 + ...
    assert space.size == sum(1000**n for n in range(MAX_REPEAT + 1))


# --- counting and enumerating -------------------------------------------------------


def enumerate_by_hand(given):
    """Every cell in order: the whole product, less what is inactive, less repeats."""
    names, axes, needs = [], [], {}
    waiting = list(given)
    while waiting:  # parents before children, else as declared
        name = next(
            n
            for n in waiting
            if not set(given[n].when or {}) & set(waiting)
            and given[n].repeat not in waiting
        )
        waiting.remove(name)
        hp = given[name]
        when = {
            parent: allowed if isinstance(allowed, list) else [allowed]
            for parent, allowed in (hp.when or {}).items()
        }
        if hp.repeat is None:
            names.append(name)
            axes.append(list(hp.values))
            needs[name] = when
            continue
        counts = list(given[hp.repeat].values)
        for copy in range(max(counts)):
            names.append(f"{name}_{copy}")
            axes.append(list(hp.values))
            enough = [count for count in counts if count > copy]
            needs[f"{name}_{copy}"] = {**when, hp.repeat: enough}
            if hp.repeat in when:
                both = [v for v in when[hp.repeat] if v in enough]
                needs[f"{name}_{copy}"][hp.repeat] = both
    cells, seen = [], set()
    for combination in itertools.product(*axes):
        cell = dict(zip(names, combination, strict=True))
        dropped = True
        while dropped:
            dropped = [
                name
                for name in cell
                if any(cell.get(p) not in allowed for p, allowed in needs[name].items())
            ]
            for name in dropped:
                del cell[name]
        key = frozenset(cell.items())
        if key not in seen:
            seen.add(key)
            cells.append(cell)
    return cells


@st.composite
def random_spaces(draw):
    """Two to five hyperparameters with conditions, declared in any order."""
    names = [f"h{i}" for i in range(draw(st.integers(2, 5)))]
    given, repeated = {}, set()
    for index, name in enumerate(names):
        kind = draw(st.sampled_from(["int", "step", "float", "text", "constant"]))
        parents = [n for n in names[:index] if n not in repeated]
        chosen = (
            draw(st.lists(st.sampled_from(parents), max_size=2, unique=True))
            if (parents)
            else []
        )
        when = {}
        for parent in chosen:
            values = list(given[parent].values)
            allowed = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
            when[parent] = allowed[0] if len(allowed) == 1 else allowed
        counts = [n for n in parents if isinstance(given[n], Int)]
        repeat = draw(st.sampled_from([None, *counts]))
        if repeat is not None:
            repeated.add(name)
        extra = {"when": when or None, "repeat": repeat}
        n_values = draw(st.integers(1, 3))
        if kind == "int":
            low = draw(st.integers(0, 1))
            given[name] = Int(low, low + n_values - 1, **extra)
        elif kind == "step":
            given[name] = Int(0, 2 * (n_values - 1), step=2, **extra)
        elif kind == "float":
            given[name] = Float(0, (n_values - 1) / 4, step=0.25, **extra)
        elif kind == "text":
            given[name] = Categorical(["u", "v", "w"][:n_values], **extra)
        else:
            given[name] = Categorical(["k"], **extra)
    order = draw(st.permutations(names))
    return {name: given[name] for name in order}


def cost(given):
    """How many combinations the product of `enumerate_by_hand` has."""
    total = 1
    for hp in given.values():
        copies = 1 if hp.repeat is None else max(given[hp.repeat].values)
        total *= len(hp.values) ** copies
    return total


@settings(max_examples=300, deadline=None)
@given(random_spaces().filter(lambda given: cost(given) <= 20_000))
def test_cells_are_those_of_a_brute_force_enumeration_in_the_same_order(given):
    space = Space(**given)
    expected = enumerate_by_hand(given)
    assert list(space.cells()) == expected
    assert list(space.grid) == expected
    assert space.size == len(space.grid) == len(expected)
    assert [space.grid[i] for i in range(len(expected))] == expected
    assert [cell for cell in expected if space.why_not(cell) is not None] == []


@settings(max_examples=150, deadline=None)
@given(random_spaces(), st.integers(0, 2**32 - 1))
def test_a_sample_of_any_space_is_in_it_and_so_is_a_default(given, seed):
    space = Space(**given)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        assert space.why_not(space.sample(rng)) is None
    assert space.why_not(space.defaults({})) is None
    assert space.why_not(space.defaults(dict.fromkeys(given, 1))) is None


def test_an_index_outside_the_cells_is_refused():
    cells = Space(a=[1, 2, 3]).grid
    for index in (3, -1):
        with pytest.raises(IndexError, match=str(index)):
            cells[index]


def test_an_empty_space_has_one_cell_and_a_continuum_has_no_size():
    assert Space().size == 1
    assert list(Space().cells()) == [{}]
    assert Space(a=[1, 2], b=Float(0, 1)).size is None
    assert Space(a=[1, 2], b=Float(0.5, 0.5)).size == 2


def test_ranges_of_a_billion_values_cost_nothing():
    started = time.process_time()
    space = Space(
        a=Int(1, 10**9),
        b=Int(1, 10**9, log=True),
        c=["x", "y"],
        d=Int(0, 10**9, when={"c": "y"}),
    )
    assert space.size == 10**18 * (1 + 10**9 + 1)
    cells = Cells(
        space.conditions, {n: hp.values for n, hp in space.hyperparameters.items()}
    )
    assert cells[0] == {"a": 1, "b": 1, "c": "x"}
    assert cells[space.size - 1] == {"a": 10**9, "b": 10**9, "c": "y", "d": 10**9}
    assert space.why_not(space.sample(np.random.default_rng(0))) is None
    assert space.why_not(space.defaults({"a": 17.4})) is None
    # Materialising one range of them would take over ten seconds and 8 GB.
    assert time.process_time() - started < 5


def test_a_range_of_a_billion_values_may_be_a_parent():
    space = Space(n=Int(1, 10**9), x=Categorical([1, 2], when={"n": 5}))
    assert space.size == 10**9 + 1


def test_more_conditions_than_can_be_counted_are_refused_not_endless():
    toggles = {f"t{i}": [True, False] for i in range(20)}
    children = {f"c{i}": Categorical([1, 2], when={f"t{i}": True}) for i in range(20)}
    space = Space(**toggles, **children)
    assert space.size is None
    with pytest.raises(SpecError, match="too many combinations to count them"):
        _ = space.grid


# --- draws --------------------------------------------------------------------------


def test_a_float_is_drawn_uniformly():
    drawn = draws(Float(-2, 6))
    assert stats.kstest(drawn, stats.uniform(-2, 8).cdf).pvalue > SIGNIFICANT


def test_a_log_float_is_drawn_uniformly_in_its_logarithm():
    drawn = draws(Float(1e-5, 1e-1, log=True))
    reciprocal = stats.loguniform(1e-5, 1e-1)
    assert stats.kstest(drawn, reciprocal.cdf).pvalue > SIGNIFICANT


def chi_square(drawn, probabilities):
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values.tolist()) <= set(probabilities)
    seen = dict(zip(values.tolist(), counts.tolist(), strict=True))
    observed = [seen.get(value, 0) for value in probabilities]
    expected = np.array(list(probabilities.values())) * len(drawn)
    return stats.chisquare(observed, expected).pvalue


def test_a_log_int_owns_half_a_unit_on_both_sides():
    low, high = 1, 12
    width = math.log((high + 0.5) / (low - 0.5))
    probabilities = {
        k: math.log((k + 0.5) / (k - 0.5)) / width for k in range(low, high + 1)
    }
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-12)
    assert chi_square(draws(Int(low, high, log=True)), probabilities) > SIGNIFICANT


@pytest.mark.parametrize(
    ("hyperparameter", "values"),
    [
        (Int(3, 9), [3, 4, 5, 6, 7, 8, 9]),
        (Int(10, 100, step=20), [10, 30, 50, 70, 90]),
        (Float(0, 0.5, step=0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (Categorical(["a", "b", "c"]), ["a", "b", "c"]),
    ],
)
def test_listed_values_are_drawn_equally_often(hyperparameter, values):
    equal = dict.fromkeys(values, 1 / len(values))
    assert chi_square(draws(hyperparameter), equal) > SIGNIFICANT


def test_a_conditional_hyperparameter_is_drawn_uniformly_once_it_is_active():
    space = Space(a=["x", "y"], b=Float(0, 1, when={"a": "y"}))
    rng = np.random.default_rng(1)
    samples = [space.sample(rng) for _ in range(N_DRAWS)]
    active = [sample["b"] for sample in samples if "b" in sample]
    assert stats.binomtest(len(active), N_DRAWS, 0.5).pvalue > SIGNIFICANT
    assert stats.kstest(active, "uniform").pvalue > SIGNIFICANT


def test_repeated_hyperparameters_are_drawn_apart():
    space = Space(n=2, u=Float(0, 1, repeat="n"))
    rng = np.random.default_rng(2)
    pairs = np.array([list(space.sample(rng).values())[1:] for _ in range(2_000)])
    assert stats.pearsonr(pairs[:, 0], pairs[:, 1]).pvalue > SIGNIFICANT


def test_a_drawn_log_float_does_not_leave_its_range_by_rounding():
    rng = np.random.default_rng(3)
    lows = rng.uniform(1e-4, 10, 1_000).tolist()
    # Two digits wide: exp(log(low)) is often the float below low or the one above.
    ranges = [
        Float(low, math.nextafter(low * (1 + 2e-16), 99), log=True) for low in lows
    ]
    assert [hp for hp in ranges if not hp.low <= hp.draw(rng) <= hp.high] == []


# --- defaults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hyperparameter", "wanted", "expected"),
    [
        (Float(0, 1), 0.25, 0.25),
        (Float(0, 1), 7, 1.0),
        (Float(0, 1), -7, 0.0),
        (Float(0, 1), None, 0.5),
        (Float(1e-4, 1e-2, log=True), None, 1e-3),
        (Float(0, 0.5, step=0.1), 0.27, 0.3),
        (Float(0, 0.4, step=0.1), None, 0.2),
        (Float(0, 1), "auto", 0.5),
        (Int(16, 256), 100, 100),
        (Int(16, 256), 1, 16),
        (Int(16, 256), 1e9, 256),
        (Int(1, 9), None, 5),
        (Int(1, 100, log=True), None, 10),
        (Int(10, 100, step=20), 32, 30),
        (Int(10, 100, step=20), 40, 30),
        (Int(10, 100, step=20), 41, 50),
        (Int(10, 100, step=20), 1000, 90),
        (Categorical(["tanh", "relu"]), "relu", "relu"),
        (Categorical(["tanh", "relu"]), "elu", "tanh"),
        (Categorical(["tanh", "relu"]), None, "tanh"),
        (Categorical([256, 64, 16]), 32, 16),
        (Categorical([256, 64, 16]), 40, 16),
        (Categorical([256, 64, 16]), 41, 64),
        (Categorical([256, 64, 16]), None, 256),
        (Categorical([False, True]), True, True),
    ],
)
def test_a_default_goes_to_the_nearest_value_or_the_middle(
    hyperparameter, wanted, expected
):
    given = {} if wanted is None else {"a": wanted}
    space = Space(a=hyperparameter)
    moved = space.defaults(given)
    assert moved == {"a": nearly(expected)}
    assert type(moved["a"]) is type(expected)
    assert space.defaults({"a": wanted}) == moved


def test_defaults_have_what_is_active_with_them_and_nothing_else():
    space = Space(
        optimizer=["adam", "sgd"],
        momentum=Float(0, 0.99, when={"optimizer": "sgd"}),
        epochs=50,
    )
    wanted = {"optimizer": "adam", "momentum": 0.9, "epochs": 200, "patience": 5}
    assert space.defaults(wanted) == {"optimizer": "adam", "epochs": 50}
    assert space.defaults({**wanted, "optimizer": "sgd"}) == {
        "optimizer": "sgd",
        "momentum": 0.9,
        "epochs": 50,
    }


def test_the_default_of_a_repeated_hyperparameter_holds_for_every_copy():
    space = Space(layers=Int(1, 3), units=Int(8, 64, repeat="layers"))
    assert space.defaults({"layers": 2, "units": 32}) == {
        "layers": 2,
        "units_0": 32,
        "units_1": 32,
    }
    own = space.defaults({"layers": 2, "units": 32, "units_1": 16})
    assert own == {"layers": 2, "units_0": 32, "units_1": 16}


def test_the_default_of_another_name_is_not_taken_for_its_own():
    space = Space(batch_size=Int(1, 9))
    assert space.defaults({"batch": 2}) == {"batch_size": 5}


# --- why not ------------------------------------------------------------------------

MIXED = Space(
    optimizer=["adam", "sgd"],
    momentum=Float(0.0, 0.99, when={"optimizer": "sgd"}),
    units=Int(16, 256, log=True),
)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"optimizer": "adam", "units": 32}, None),
        ({"optimizer": "sgd", "momentum": 0, "units": 32}, None),
        (
            {"optimizer": "adam", "momentum": 0.5, "units": 32},
            "momentum: is not active with these values",
        ),
        ({"optimizer": "sgd", "units": 32}, "momentum: is missing"),
        ({"units": 32}, "optimizer: is missing"),
        (
            {"optimizer": "adam", "units": 8},
            "units: 8 is outside 16 to 256 (log)",
        ),
        (
            {"optimizer": "rmsprop", "units": 32},
            "optimizer: 'rmsprop' is outside adam, sgd",
        ),
        (
            {"optimizer": "adam", "units": 32, "unit": 1},
            "unit: is not in the space; did you mean 'units'?",
        ),
        ({"optimizer": "adam", "units": 32, "zzz": 1}, "zzz: is not in the space"),
    ],
)
def test_why_not_says_what_keeps_params_out_of_the_space(params, reason):
    assert MIXED.why_not(params) == reason


# --- identity -----------------------------------------------------------------------


def test_equal_declarations_make_equal_spaces():
    one, same = Space(a=Int(1, 3), b=["x"]), Space(a=Int(1, 3), b=["x"])
    assert one == same
    assert hash(one) == hash(same)
    assert one != Space(a=Int(1, 4), b=["x"])
    assert one != Space(b=["x"], a=Int(1, 3))
    assert one != "a space"
    assert re.match(r"Space\(a=Int\(.*\), b=Categorical\(", repr(one))
