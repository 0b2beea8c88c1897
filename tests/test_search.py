"""The contract every strategy must meet, then what is particular to each one."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hpo.errors import SpecError
from hpo.records import FoldResult, Trial, params_key
from hpo.search import STRATEGIES, make_strategy, sees_scores
from hpo.search.bayesian import N_STARTUP
from hpo.space import Categorical, Float, Int, Space

FINITE = Space(
    layers=Int(0, 2),
    optimizer=["adam", "sgd"],
    units=Categorical([8, 16, 32], repeat="layers"),
    momentum=Categorical([0.0, 0.9], when={"optimizer": "sgd"}),
)
# (1 + 3 + 9) stacks of layers, times adam or sgd with two momentums.
N_CELLS = 13 * 3
MIXED = Space(
    x=Float(-1, 1, points=4),
    rate=Float(1e-4, 1e-1, log=True, points=3),
    units=Int(1, 512, log=True, points=3),
    batch=Int(10, 100, step=20),
    kind=["a", "b", "c"],
    size=[64, 16, 256],
    extra=Float(0, 0.5, step=0.1, when={"kind": "b"}),
    fixed="yes",
)
SPACES = {"finite": FINITE, "mixed": MIXED}
DEFAULTS = {
    "layers": 1,
    "optimizer": "adam",
    "units_0": 16,
}


def test_what_is_known_of_a_strategy_by_its_name_is_what_it_says():
    space = Space(x=[1, 2])
    for name in STRATEGIES:
        assert make_strategy(name, space, seed=0).sees_scores == sees_scores(name)


@pytest.fixture(params=STRATEGIES)
def name(request):
    return request.param


@pytest.fixture(params=SPACES.values(), ids=SPACES.keys())
def space(request):
    return request.param


def make(name, space=FINITE, seed=7, first=None, maximize=True):
    return make_strategy(name, space, seed=seed, first=first, maximize=maximize)


def score_of(params):
    """A number from params alone, rough enough to have no ties."""
    return random.Random(params_key(params)).random()


def finished(number, params, fails=lambda number: False):
    if fails(number):
        return Trial(number, params, "failed", failure="error", error="Boom")
    return Trial(number, params, "complete", score_of(params))


def every_fifth(number):
    return number % 5 == 2


def search(propose, n_trials, width=1, fails=every_fifth):
    """Let trials finish in order, the last ``width`` - 1 of them still running."""
    trials = []
    for number in range(n_trials):
        n_visible = max(0, number - width + 1)
        params = propose(number, hide(trials, n_visible))
        if params is None:
            break
        trials.append(finished(number, params, fails))
    return trials


def hide(trials, n_visible):
    running = [Trial(trial.number, trial.params) for trial in trials[n_visible:]]
    return [*trials[:n_visible], *running]


def rebuilt(history):
    """Equal trials that share no object with the given ones, as read from a store."""
    return [replace(trial, params=dict(trial.params)) for trial in history]


def params_of(trials):
    return [trial.params for trial in trials]


# --- the contract -------------------------------------------------------------------


def test_a_fresh_instance_each_time_proposes_what_one_instance_does(name, space):
    one = search(make(name, space).propose, 25, width=4)
    fresh = search(
        lambda number, history: make(name, space).propose(number, rebuilt(history)),
        25,
        width=4,
    )
    assert params_of(fresh) == params_of(one)
    assert len(one) == 25


def test_an_instance_that_saw_other_histories_proposes_what_a_fresh_one_does(
    name, space
):
    strategy = make(name, space)
    trials = search(make(name, space).propose, 20, width=3)
    order = [*range(20), *random.Random(3).sample(range(20), 20)]
    for number in order:
        history = hide(trials[:number], max(0, number - 2))
        expected = make(name, space).propose(number, history)
        assert strategy.propose(number, history) == expected
        assert strategy.propose(number, rebuilt(history)) == expected


def test_a_proposal_leaves_history_as_it_was(name, space):
    trials = search(make(name, space).propose, 12)
    before = rebuilt(trials)
    make(name, space).propose(12, trials)
    assert trials == before


def test_every_proposal_is_in_the_space(name, space):
    trials = search(make(name, space).propose, 30, width=4)
    assert [space.why_not(trial.params) for trial in trials] == [None] * 30


def test_a_finite_space_is_gone_through_once_without_a_repeat(name):
    trials = search(make(name).propose, N_CELLS + 5, width=4)
    assert FINITE.size == len(trials) == N_CELLS
    assert len({params_key(trial.params) for trial in trials}) == N_CELLS


def test_an_exhausted_space_gives_none_however_the_trials_ended(name):
    cells = [dict(cell) for cell in FINITE.cells()]
    for state in ("running", "complete", "failed", "stopped"):
        score = 0.5 if state == "complete" else None
        history = [Trial(i, cell, state, score) for i, cell in enumerate(cells)]
        assert make(name).propose(N_CELLS, history) is None
        last = make(name).propose(N_CELLS - 1, history[:-1])
        assert last == cells[-1]


def test_trials_that_overlap_differ_from_each_other(name):
    running = []
    for number in range(N_CELLS):
        params = make(name).propose(number, running)
        running.append(Trial(number, params))
    assert len({params_key(trial.params) for trial in running}) == N_CELLS


def test_a_search_in_which_everything_fails_goes_on(name, space):
    trials = search(make(name, space).propose, 20, fails=lambda number: True)
    assert len({params_key(trial.params) for trial in trials}) == 20


def test_a_space_of_constants_has_one_trial(name):
    space = Space(units=8, activation="relu")
    strategy = make(name, space)
    params = strategy.propose(0, [])
    assert params == {"units": 8, "activation": "relu"}
    assert strategy.propose(1, [finished(0, params)]) is None


def test_trials_that_no_longer_fit_an_edited_space_do_not_stop_the_search(name):
    old = [
        {"layers": 3, "optimizer": "adam"},  # out of range, and units missing
        {"layers": 0, "optimizer": "lbfgs"},  # no such choice any more
        {"layers": 0, "optimizer": "adam", "dropout": 0.1},  # removed since
        {"layers": 0},  # optimizer is new
        {},
    ] * 10
    history = [finished(i, params, every_fifth) for i, params in enumerate(old)]
    trials = [*history]
    for number in range(len(old), len(old) + N_CELLS):
        params = make(name).propose(number, trials)
        assert FINITE.why_not(params) is None
        trials.append(finished(number, params))
    assert make(name).propose(len(trials), trials) is None


def test_history_that_still_fits_an_edited_space_is_not_repeated(name):
    narrow = Space(a=Int(0, 3), b=["x", "y"])
    wide = Space(a=Int(0, 4), b=["x", "y"])
    trials = search(make(name, narrow).propose, 8)
    for number in (8, 9):
        params = make(name, wide).propose(number, trials)
        trials.append(finished(number, params))
    assert {cell.params["a"] for cell in trials[8:]} == {4}
    assert make(name, wide).propose(10, trials) is None


def test_a_value_equal_but_for_rounding_may_be_in_history(name):
    space = Space(x=Float(0, 0.5, step=0.1))
    history = [Trial(0, {"x": 0.1 + 0.2}, "complete", 1.0)]
    assert space.why_not(history[0].params) is None
    assert space.why_not(make(name, space).propose(1, history)) is None


def test_a_whole_number_that_was_stored_as_a_float_may_be_in_history(name):
    space = Space(x=Int(0, 5))
    history = [Trial(0, {"x": 2.0}, "complete", 1.0)]
    assert space.why_not(make(name, space).propose(1, history)) is None


def test_a_range_made_whole_does_not_try_its_numbers_again(name):
    before = Space(x=Float(0, 5, step=1), b=["u", "v"])
    after = Space(x=Int(0, 6), b=["u", "v"])
    trials = search(make(name, before).propose, 12)
    assert {type(trial.params["x"]) for trial in trials} == {float}
    for number in (12, 13):
        trials.append(finished(number, make(name, after).propose(number, trials)))
    assert [trial.params["x"] for trial in trials[12:]] == [6, 6]
    assert make(name, after).propose(14, trials) is None


def test_a_choice_that_is_written_otherwise_is_another_one(name):
    # scikit-learn takes max_features 1 for one feature and 1.0 for all of them.
    history = [finished(0, {"x": 1})]
    params = make(name, Space(x=[1.0])).propose(1, history)
    assert repr(params) == "{'x': 1.0}"


def test_true_is_not_the_1_that_was_tried_before(name):
    history = [finished(0, {"x": 1})]
    assert make(name, Space(x=[True])).propose(1, history) == {"x": True}


def test_an_unknown_strategy_is_refused_with_a_near_match():
    message = (
        r"^search\.strategy: expected one of grid, random, bayesian; got 'baysian'; "
        r"did you mean 'bayesian'\?$"
    )
    with pytest.raises(SpecError, match=message):
        make("baysian")


# --- trial 0 ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_trial_0_has_the_defaults_and_is_not_repeated(name):
    trials = search(make(name, first=DEFAULTS).propose, N_CELLS)
    assert trials[0].params == DEFAULTS
    assert DEFAULTS not in params_of(trials[1:])
    assert len(trials) == N_CELLS


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_without_defaults_trial_0_is_drawn_from_the_seed(name):
    firsts = {params_key(make(name, seed=s).propose(0, [])) for s in range(20)}
    # 20 uniform draws from 39 cells hit 15.7 distinct ones on average.
    assert len(firsts) > 8


def test_grid_does_not_begin_with_the_defaults():
    assert make("grid", first=DEFAULTS).propose(0, []) == {
        "layers": 0,
        "optimizer": "adam",
    }


# --- seeds and scores ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_seeds_and_trial_numbers_give_different_params(name):
    one, other = (search(make(name, MIXED, seed=s).propose, 8) for s in (1, 2))
    keys = {params_key(trial.params) for trial in [*one, *other]}
    assert len(keys) == 16


@pytest.mark.parametrize("name", ["grid", "random"])
def test_scores_do_not_matter_to_a_strategy_that_does_not_see_them(name, space):
    strategy = make(name, space)
    assert not strategy.sees_scores
    done = search(strategy.propose, 20)
    running = search(strategy.propose, 20, width=20)
    failing = search(strategy.propose, 20, fails=lambda number: True)
    assert params_of(done) == params_of(running) == params_of(failing)


def test_scores_matter_to_bayesian_search_after_its_random_start():
    assert make("bayesian").sees_scores
    trials = search(make("bayesian", MIXED).propose, N_STARTUP + 10, fails=never)
    mirrored = [replace(trial, score=-trial.score) for trial in trials]
    early, late = N_STARTUP - 1, len(trials)
    assert proposal(trials[:early]) == proposal(mirrored[:early])
    assert proposal(trials[:late]) != proposal(mirrored[:late])


def never(number):
    return False


def proposal(history, space=MIXED, **options):
    return make("bayesian", space, **options).propose(len(history), history)


def random_history(seed, n_trials=20, space=MIXED):
    rng = np.random.default_rng(seed)
    params = [space.sample(rng) for _ in range(n_trials)]
    return [finished(number, p) for number, p in enumerate(params)]


# --- bayesian -----------------------------------------------------------------------


def test_the_folds_of_a_running_trial_have_no_influence():
    history = random_history(0)
    # A failed trial is told as the worst score, which folds must not change either.
    history[3] = Trial(3, history[3].params, "failed", failure="error")
    folds = (FoldResult(0, score=1e6), FoldResult(1, score=-1e6))
    running = [*history[:15], *(Trial(t.number, t.params) for t in history[15:])]
    known = [*history[:15], *(replace(t, folds=folds) for t in running[15:])]
    assert proposal(known) == proposal(running)


def test_running_trials_push_the_next_one_away():
    differ = 0
    for seed in range(10):
        history = random_history(seed)
        best = max(history, key=lambda trial: trial.score).params
        running = [Trial(20 + i, best) for i in range(4)]
        ignored = [Trial(20 + i, {"gone": i}) for i in range(4)]
        with_liar = proposal([*history, *running])
        differ += with_liar != proposal([*history, *ignored])
    # Ignored running trials would make no difference at all.
    assert differ >= 5


def test_a_liar_is_bad_so_proposals_together_keep_their_distance():
    space = Space(x=Float(0, 1))
    near_running, near_ignored = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        xs = rng.uniform(0, 1, 20)
        history = [
            Trial(i, {"x": float(x)}, "complete", -((x - 0.5) ** 2))
            for i, x in enumerate(xs)
        ]
        peak = min(xs, key=lambda x: abs(x - 0.5))
        running = [Trial(20 + i, {"x": float(peak)}) for i in range(6)]
        ignored = [Trial(20 + i, {"gone": i}) for i in range(6)]
        near_running.append(abs(proposal([*history, *running], space)["x"] - peak))
        near_ignored.append(abs(proposal([*history, *ignored], space)["x"] - peak))
    assert np.mean(near_running) > 1.2 * np.mean(near_ignored)


@pytest.mark.parametrize("maximize", [True, False])
def test_a_failed_trial_counts_as_the_worst_score_in_sight(maximize):
    for seed in range(5):
        history = random_history(seed)
        scores = [trial.score for trial in history if trial.number not in (3, 11)]
        worst = min(scores) if maximize else max(scores)
        failed = [
            Trial(t.number, t.params, "failed", failure="nan")
            if t.number in (3, 11)
            else t
            for t in history
        ]
        told = [replace(t, score=worst) if t.number in (3, 11) else t for t in history]
        assert proposal(failed, maximize=maximize) == proposal(told, maximize=maximize)
    # With the last history: another score would have been another proposal.
    best = max(scores) if maximize else min(scores)
    flattered = [replace(t, score=best) if t.number in (3, 11) else t for t in told]
    assert proposal(failed, maximize=maximize) != proposal(flattered, maximize=maximize)


def test_a_worse_score_that_comes_later_is_told_for_earlier_failures_too():
    strategy = make("bayesian", MIXED)
    history = random_history(4)
    history[3] = Trial(3, history[3].params, "failed", failure="error")
    strategy.propose(20, history)
    worse = [*history, Trial(20, MIXED.sample(np.random.default_rng(9)))]
    strategy.propose(21, worse)
    worse[20] = replace(worse[20], state="complete", score=-5.0)
    told = [
        replace(t, state="complete", score=-5.0) if t.number == 3 else t for t in worse
    ]
    assert strategy.propose(21, worse) == proposal(worse) == proposal(told)


def test_while_everything_has_failed_nothing_is_learnt():
    history = random_history(5)
    failed = [Trial(t.number, t.params, "failed", failure="error") for t in history]
    other = [Trial(t.number, {"gone": 1}, "failed", failure="nan") for t in history]
    assert proposal(failed) == proposal(other)


def test_the_direction_turns_the_search_around():
    history = random_history(6)
    negated = [replace(trial, score=-trial.score) for trial in history]
    minimised = proposal(negated, maximize=False)
    assert proposal(history) == minimised
    assert proposal(negated) != minimised


def regret(name, seed, score, space, best, n_trials=40, maximize=True):
    """How far the best of some trials is from the best there can be."""
    strategy = make(name, space, seed=seed, maximize=maximize)
    trials = []
    for number in range(n_trials):
        params = strategy.propose(number, trials)
        trials.append(Trial(number, params, "complete", score(params)))
    found = (max if maximize else min)(trial.score for trial in trials)
    return abs(found - best)


@pytest.mark.parametrize("maximize", [True, False])
def test_bayesian_search_comes_closer_to_the_top_of_a_parabola_than_random(maximize):
    space = Space(x=Float(-1, 1), y=Float(-1, 1))
    sign = -1 if maximize else 1

    def score(params):
        return sign * ((params["x"] - 0.3) ** 2 + (params["y"] + 0.2) ** 2)

    mean = {
        name: np.mean(
            [regret(name, s, score, space, 0.0, maximize=maximize) for s in range(10)]
        )
        for name in ("random", "bayesian")
    }
    # Ten seeds; it is about a tenth of random's, and half would still be a gain.
    assert mean["bayesian"] < 0.5 * mean["random"]


def test_bayesian_search_finds_the_branch_and_value_of_a_conditional_space():
    space = Space(
        kind=["a", "b", "c", "d"],
        depth=Categorical([1, 2, 4, 8, 16, 32, 64, 128], when={"kind": "b"}),
        width=Int(1, 1000, log=True, when={"kind": ["b", "c"]}),
    )

    def score(params):
        if params["kind"] != "b":
            return 0.0
        far = abs(np.log2(params["depth"]) - 4) + abs(np.log10(params["width"]) - 1.5)
        return 10.0 - far

    mean = {
        name: np.mean([regret(name, s, score, space, 10.0) for s in range(6)])
        for name in ("random", "bayesian")
    }
    # Kinds a and d hold one cell each: what is used up must not end the learning.
    assert mean["bayesian"] < 0.6 * mean["random"]


def test_ordered_choices_are_modelled_in_their_order_not_in_that_of_the_list():
    shuffled = Space(n=[64, 1, 32, 2, 16, 4, 8, 128])
    in_order = Space(n=[1, 2, 4, 8, 16, 32, 64, 128])
    rng = np.random.default_rng(0)
    for seed in range(5):
        values = rng.permutation([1, 2, 4, 8, 16, 32, 64, 128])[:5].tolist()
        trials = [
            Trial(i, {"n": value}, "complete", -abs(value - 20.0))
            for i, value in enumerate(values * 3)
        ]
        assert proposal(trials, shuffled, seed=seed) == proposal(
            trials, in_order, seed=seed
        )


def test_ordered_choices_let_neighbours_of_a_good_value_be_tried_first():
    choices = list(range(40))
    ordered = Space(n=choices)
    names = Space(n=[f"v{value}" for value in choices])
    near = {"ordered": 0, "names": 0}
    for seed in range(15):
        rng = np.random.default_rng(seed)
        tried = rng.permutation([v for v in choices if not 18 <= v <= 22])[:14]
        scores = [-abs(int(v) - 20.0) for v in tried]
        for label, space, value_of in (
            ("ordered", ordered, lambda v: v),
            ("names", names, lambda v: f"v{v}"),
        ):
            trials = [
                Trial(i, {"n": value_of(int(v))}, "complete", s)
                for i, (v, s) in enumerate(zip(tried, scores, strict=True))
            ]
            n = proposal(trials, space, seed=seed)["n"]
            near[label] += abs(int(str(n).lstrip("v")) - 20) <= 6
    assert near["ordered"] >= near["names"] + 4


def test_stale_history_does_not_turn_bayesian_search_into_random_search():
    # 30 trials outside an edited space of 20 cells, and 12 inside.
    space = Space(n=Int(0, 19))
    stale = [Trial(i, {"gone": i}, "complete", 0.5) for i in range(30)]
    fitting = [
        Trial(30 + i, {"n": n}, "complete", score)
        for i, (n, score) in enumerate(
            zip(range(4, 16), np.linspace(0, 1, 12).tolist(), strict=True)
        )
    ]
    mirrored = [replace(t, score=1 - t.score) for t in fitting]
    up = [proposal([*stale, *fitting], space, seed=s)["n"] for s in range(10)]
    down = [proposal([*stale, *mirrored], space, seed=s)["n"] for s in range(10)]
    assert np.mean(up) > np.mean(down) + 5


# --- grid ---------------------------------------------------------------------------


def test_grid_lets_the_last_hyperparameter_run_fastest():
    space = Space(a=Int(1, 2), b=["x", "y", "z"], c=Float(0, 1, points=2))
    trials = search(make("grid", space).propose, 99)
    product = itertools.product([1, 2], ["x", "y", "z"], [0.0, 1.0])
    assert [tuple(t.params.values()) for t in trials] == list(product)
    assert make("grid", space).size == 12


def test_grid_goes_on_with_the_next_cell_that_history_lacks():
    cells = [dict(cell) for cell in FINITE.cells()]
    history = [finished(i, cells[j]) for i, j in enumerate([0, 1, 3, 7])]
    strategy, visited = make("grid"), []
    for number in range(4, 9):
        visited.append(strategy.propose(number, history))
        history.append(Trial(number, visited[-1]))
    assert visited == [cells[j] for j in (2, 4, 5, 6, 8)]


def test_grid_takes_up_a_cell_that_an_earlier_history_had():
    strategy = make("grid")
    cells = list(FINITE.cells())
    strategy.propose(5, [Trial(i, cells[i]) for i in range(5)])
    without_first = [Trial(i, cells[i + 1]) for i in range(5)]
    assert strategy.propose(5, without_first) == cells[0]


def test_grid_over_a_continuum_is_refused_when_it_is_made():
    with pytest.raises(SpecError, match=r"^lr: a grid needs finitely many values"):
        make("grid", Space(lr=Float(0, 1)))


# --- random -------------------------------------------------------------------------


def test_random_draws_do_not_depend_on_history_unless_they_repeat_it():
    alone = [make("random", MIXED).propose(n, []) for n in range(1, 10)]
    history = random_history(1, n_trials=9)
    among = [make("random", MIXED).propose(n, history[:n]) for n in range(1, 10)]
    assert among == alone
    assert len({params_key(params) for params in alone}) == 9


def test_the_last_cells_of_a_space_are_chosen_with_equal_chances():
    space = Space(n=Int(0, 999))
    left = {13, 500, 998}
    history = [Trial(i, {"n": n}) for i, n in enumerate(set(range(1000)) - left)]
    chosen = [make("random", space, seed=s).propose(997, history) for s in range(300)]
    counts = {n: sum(c["n"] == n for c in chosen) for n in left}
    # 300 draws, 100 each; four standard deviations of a binomial are 33.
    assert all(abs(count - 100) <= 33 for count in counts.values())


# --- memory -------------------------------------------------------------------------


GENERATE_ONLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""A seed cannot be made simpler, and trying to takes minutes."""


def test_scores_that_were_changed_behind_its_back_are_learnt_anew():
    strategy = make("bayesian", MIXED)
    history = random_history(8)
    mirrored = [replace(trial, score=-trial.score) for trial in history]
    assert strategy.propose(20, history) == proposal(history)
    assert strategy.propose(20, mirrored) == proposal(mirrored) != proposal(history)


def disturbed(history, rng):
    """A history somebody else might ask about: shorter, older, mixed or changed."""
    kind = rng.randrange(5)
    if kind == 0:
        return history[: rng.randrange(len(history) + 1)]
    if kind == 1:
        return hide(history, rng.randrange(len(history) + 1))
    if kind == 2:
        return rng.sample(history, len(history))
    if kind == 3:
        return [
            replace(t, score=-t.score) if t.score is not None else t for t in history
        ]
    return rebuilt(history)


@settings(max_examples=25, deadline=None, phases=GENERATE_ONLY)
@given(
    st.sampled_from(STRATEGIES),
    st.sampled_from(sorted(SPACES)),
    st.randoms(use_true_random=False),
)
def test_no_sequence_of_histories_makes_an_instance_remember_wrongly(name, label, rng):
    space = SPACES[label]
    strategy = make(name, space)
    trials = []
    for number in range(16):
        history = hide(trials, rng.randrange(len(trials) + 1))
        if rng.random() < 0.5:
            history = disturbed(history, rng)
        got = strategy.propose(len(history), history)
        expected = make(name, space).propose(len(history), rebuilt(history))
        assert got == expected
        params = strategy.propose(number, trials)
        assert params == make(name, space).propose(number, rebuilt(trials))
        trials.append(finished(number, params, lambda number: rng.random() < 0.2))


@settings(max_examples=12, deadline=None, phases=GENERATE_ONLY)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_trials_that_finish_one_by_one_are_learnt_like_those_read_at_once(seed, width):
    rng = random.Random(seed)
    strategy = make("bayesian", MIXED)
    final, shown = [], []
    for number in range(24):
        # The same objects are handed over until a trial finishes, as the loop does.
        for index in range(len(shown)):
            running = shown[index].state == "running"
            if running and (index <= number - width or rng.random() < 0.1):
                shown[index] = final[index]
        params = strategy.propose(number, list(shown))
        assert params == proposal(rebuilt(shown))
        final.append(finished(number, params, lambda number: rng.random() < 0.25))
        shown.append(Trial(number, params))
