"""What is proposed is in the space, and what a grid enumerates is all there is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpo.errors import SpecError
from hpo.records import Trial
from hpo.search import make_strategy
from hpo.space import Categorical, Float, Int, Space
from hpo.spec.hyperparameters import read_space, write_space

some = settings(max_examples=60, deadline=None, derandomize=True)
plain = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.text(max_size=3)
)


@st.composite
def hyperparameters(draw, finite=False, small=False):
    kind = draw(st.sampled_from(["float", "int", "choices", "constant"]))
    most = 3 if small else 1000
    if kind == "choices":
        choices = st.lists(plain, min_size=1, max_size=4)
        return Categorical(
            draw(
                choices.map(
                    lambda c: tuple({(v, type(v) is bool): v for v in c}.values())
                )
            )
        )
    if kind == "constant":
        return Categorical((draw(plain),))
    if kind == "int":
        low = draw(st.integers(0, 3))
        log = low > 0 and draw(st.booleans())
        step = None if log else draw(st.none() | st.integers(1, 3))
        points = draw(st.none() | st.integers(1, 4))
        return Int(low, low + draw(st.integers(0, most)), log, step, points)
    low = draw(st.floats(1e-300, 1e300) if not small else st.floats(0.01, 1))
    if finite or small:
        step = draw(st.sampled_from([0.1, 0.25, 1.0]))
        assume(low < 1e9)
        return Float(low, low + draw(st.integers(0, 3)) * step, step=step)
    high = draw(st.floats(low, 1e300))
    points = draw(st.none() | st.integers(1, 9))
    return Float(low, high, log=draw(st.booleans()), points=points)


@st.composite
def spaces(draw, small=False):
    given = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        hp = draw(hyperparameters(small=small))
        conditions = {}
        parents = [n for n, p in given.items() if p.repeat is None]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            rng = np.random.default_rng(draw(st.integers(0, 99)))
            conditions["when"] = {parent: given[parent].draw(rng)}
        counts = [
            n
            for n in parents
            if isinstance(given[n], Int) and given[n].high <= (2 if small else 64)
        ]
        if counts and draw(st.booleans()):
            conditions["repeat"] = draw(st.sampled_from(counts))
        given[name] = type(hp)(**{**vars_of(hp), **conditions})
    return Space(**given)


def vars_of(hp):
    return {name: getattr(hp, name) for name in hp.__dataclass_fields__}


def as_trial(number, params):
    return Trial(number, params, "complete", math.sin(number))


@some
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_in_the_space_and_active(space, seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        params = space.sample(rng)
        assert space.why_not(params) is None
        assert all(space.is_active(name, params) for name in params)


@some
@given(
    space=spaces(),
    wanted=st.dictionaries(st.sampled_from("abcd"), plain | st.floats(-1e9, 1e9)),
)
def test_defaults_moved_into_the_space_are_in_it(space, wanted):
    params = space.defaults(wanted)
    assert space.why_not(params) is None
    assert space.defaults(params) == params


@some
@given(space=spaces())
def test_a_space_that_is_written_and_read_is_the_same(space):
    written = write_space(space)
    again, mistakes = read_space(written)
    assert mistakes == []
    assert write_space(again) == written
    assert read_space(write_space(again)) == (again, [])


def brute_force(space, axes):
    """Return every distinct active combination, found among all combinations."""
    found = {}
    names = list(axes)
    for values in itertools.product(*axes.values()):
        params = {}
        for name, value in zip(names, values, strict=True):
            if space.is_active(name, params):
                params[name] = value
        key = tuple((n, v, type(v) is bool) for n, v in params.items())
        found.setdefault(key, params)
    return list(found.values())


@some
@given(space=spaces(small=True))
def test_a_grid_is_every_distinct_combination_once(space):
    axes = {name: hp.grid() for name, hp in space.hyperparameters.items()}
    assume(math.prod(map(len, axes.values())) < 20_000)
    cells = list(space.grid)
    assert len(cells) == space.grid.count
    # The order is that of nested loops, in which the last one runs fastest.
    assert cells == brute_force(space, axes)


@some
@given(space=spaces(small=True))
def test_the_size_of_a_finite_space_is_that_of_all_its_cells(space):
    axes = {name: hp.values for name, hp in space.hyperparameters.items()}
    assume(math.prod(map(len, axes.values())) < 5_000)
    assert space.size == len(brute_force(space, axes))
    assert all(space.why_not(cell) is None for cell in space.cells())


@some
@given(space=spaces())
def test_the_values_of_a_grid_are_in_the_space_and_distinct(space):
    for hp in space.declared.values():
        axis = hp.grid()
        if axis is not None:
            assert all(hp.holds(value) for value in axis)
            assert len({(v, type(v) is bool) for v in axis}) == len(axis)


@pytest.mark.parametrize("name", ["grid", "random", "bayesian"])
def test_whatever_a_strategy_proposes_is_in_the_space(name):
    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(space=spaces(small=name == "grid"), seed=st.integers(0, 1000))
    def check(space, seed):
        try:
            strategy = make_strategy(name, space, seed=seed)
        except SpecError:
            assume(False)
        history = []
        for number in range(6):
            params = strategy.propose(number, history)
            if params is None:
                break
            assert space.why_not(params) is None
            history.append(as_trial(number, params))

    check()


@pytest.mark.parametrize(
    "hp",
    [
        Int(0, 3),
        Int(1, 9, log=True),
        Int(0, 10, step=5),
        Float(0, 0.3, step=0.1),
        Categorical((1, True, "x", None)),
    ],
)
def test_both_ends_of_a_closed_range_are_drawn(hp):
    rng = np.random.default_rng(0)
    drawn = {(v, type(v) is bool) for v in (hp.draw(rng) for _ in range(400))}
    assert drawn == {(v, type(v) is bool) for v in hp.values}


@pytest.mark.parametrize("log", [False, True])
def test_a_continuum_is_drawn_up_to_both_ends(log):
    rng = np.random.default_rng(0)
    hp = Float(1e-3, 1, log=log)
    shares = [
        math.log(v / 1e-3) / math.log(1e3) if log else (v - 1e-3) / (1 - 1e-3)
        for v in (hp.draw(rng) for _ in range(2000))
    ]
    # Of 2000 even draws the least is above 0.01 once in exp(20) times.
    assert 0 <= min(shares) < 0.01
    assert 0.99 < max(shares) <= 1


@pytest.mark.parametrize(
    "hp",
    [
        Float(1e-300, 1e300, log=True, points=5),
        Float(5e-324, 1e-320, log=True, points=3),
        Float(-1e300, 1e300, points=1),
        Float(1, 1.0000000000000004, points=9),
        Float(1e-200, 1e-190, log=True, points=1),
    ],
)
def test_extreme_ranges_have_distinct_finite_values(hp):
    axis = list(hp.grid())
    assert all(map(math.isfinite, axis))
    assert all(map(hp.holds, axis))
    assert len(set(axis)) == len(axis)
    assert hp.holds(hp.nearest(None))
    assert hp.holds(hp.draw(np.random.default_rng(0)))


def test_a_parent_tells_one_from_true():
    space = Space(a=[1, True], b=Categorical([3, 4], when={"a": True}))
    assert list(space.grid) == [{"a": 1}, {"a": True, "b": 3}, {"a": True, "b": 4}]


def test_very_many_steps_are_counted_and_found_but_not_kept():
    parent = Float(0, 1, step=1e-6)
    space = Space(a=parent, b=Categorical([1, 2], when={"a": [0.3, 1]}))
    assert space.grid.count == 1_000_001 + 2
    assert space.grid[300_001] == {
        "a": 0.3,
        "b": 2,
    }
    assert space.grid[300_002] == {"a": 0.300001}
    assert parent.holds(0.123456)
    assert not parent.holds(0.1234565)
    assert parent.nearest(0.1234564) == 0.123456
