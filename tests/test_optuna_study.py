"""An Optuna study made of a study's trials, and the importances drawn from it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from hpo.records import FoldResult, Trial
from hpo.search.optuna_study import importances, to_optuna
from hpo.space import Categorical, Float, Int, Space

SPACE = Space(
    layers=Int(1, 3),
    units=Int(8, 64, log=True, repeat="layers"),
    rate=Float(1e-4, 1e-1, log=True),
    dropout=Float(0, 0.55, step=0.1),
    batch=Int(10, 99, step=20),
    kind=Categorical([None, True, "none", 2, 0.5]),
    momentum=Float(0.0, 0.9, when={"kind": "none"}),
    epochs=50,
)
PARAMS = {
    "layers": 2,
    "units_0": 16,
    "units_1": 64,
    "rate": 0.01,
    "dropout": 0.3,
    "batch": 50,
    "kind": None,
    "epochs": 50,
}


def complete(number, params, score, **given):
    folds = tuple(FoldResult(fold=i, score=score + d) for i, d in enumerate([-1, 1]))
    return Trial(number, params, "complete", score, folds, **given)


def failed(number, params):
    folds = (FoldResult(fold=0, failure="nan"),)
    return Trial(number, params, "failed", None, folds, failure="nan")


def test_distributions_are_those_of_the_space_without_constants():
    trial = to_optuna(SPACE, [complete(0, PARAMS, 0.5)]).trials[0]
    assert trial.distributions == {
        "layers": IntDistribution(1, 3),
        "units_0": IntDistribution(8, 64, log=True),
        "units_1": IntDistribution(8, 64, log=True),
        "rate": FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": FloatDistribution(0, 0.5, step=0.1),
        "batch": IntDistribution(10, 90, step=20),
        "kind": CategoricalDistribution([None, True, "none", 2, 0.5]),
    }
    assert trial.params == {k: v for k, v in PARAMS.items() if k != "epochs"}


def test_states_scores_folds_and_attributes_are_kept():
    running = Trial(2, PARAMS, folds=(FoldResult(fold=1, score=0.25),))
    stopped = Trial(3, PARAMS, "stopped", folds=(FoldResult(fold=0, score=0.1),))
    study = to_optuna(
        SPACE, [complete(0, PARAMS, 0.5), failed(1, PARAMS), running, stopped]
    )
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING]
    assert [t.state for t in study.trials] == [*states, TrialState.PRUNED]
    assert [t.number for t in study.trials] == [0, 1, 2, 3]
    first, second, third, _ = study.trials
    assert first.value == 0.5
    assert first.intermediate_values == {0: -0.5, 1: 1.5}
    assert first.user_attrs == {"number": 0, "std": 1.0}
    assert second.user_attrs == {"number": 1, "failure": "nan"}
    assert third.intermediate_values == {1: 0.25}


@pytest.mark.parametrize(("maximize", "best"), [(True, 1), (False, 0)])
def test_the_study_knows_which_scores_are_better(maximize, best):
    trials = [complete(0, PARAMS, 0.5), complete(1, PARAMS, 0.75)]
    assert to_optuna(SPACE, trials, maximize=maximize).best_trial.number == best


def test_trials_beyond_the_stop_are_left_out():
    trials = [complete(0, PARAMS, 0.5), complete(1, PARAMS, 0.9, beyond_stop=True)]
    assert to_optuna(SPACE, trials).best_value == 0.5


def test_a_score_that_is_no_number_is_a_failure():
    (trial,) = to_optuna(SPACE, [complete(0, PARAMS, float("nan"))]).trials
    assert trial.state == TrialState.FAIL


def test_what_the_space_no_longer_holds_widens_the_distributions():
    before = {
        **PARAMS,
        "rate": 0.5,
        "batch": 7,
        "kind": "old",
        "layers": 2.5,
        "epochs": 80,
        "gone": 3,
        "gone_too": "x",
    }
    study = to_optuna(
        SPACE,
        [
            complete(0, before, 0.1),
            complete(1, {**PARAMS, "gone": 9}, 0.2),
            complete(2, {**PARAMS, "dropout": "no"}, 0.3),
        ],
    )
    assert [t.number for t in study.trials] == [0, 1, 2]
    assert study.trials[0].distributions | study.trials[1].distributions == {
        "layers": FloatDistribution(1, 3),
        "units_0": IntDistribution(8, 64, log=True),
        "units_1": IntDistribution(8, 64, log=True),
        "rate": FloatDistribution(1e-4, 0.5, log=True),
        "dropout": CategoricalDistribution([0.3, "no"]),
        "batch": IntDistribution(7, 90),
        "kind": CategoricalDistribution([None, True, "none", 2, 0.5, "old"]),
        "epochs": IntDistribution(50, 80),
        "gone": IntDistribution(3, 9),
    }
    assert study.trials[0].params["epochs"] == 80
    assert study.trials[2].params["dropout"] == "no"


def test_a_range_reaching_below_zero_is_no_longer_logarithmic():
    trials = [complete(0, {**PARAMS, "rate": -1.0}, 0.5)]
    found = to_optuna(SPACE, trials).trials[0].distributions["rate"]
    assert found == FloatDistribution(-1.0, 0.1)


def test_choices_that_python_holds_equal_stay_apart():
    space = Space(x=Categorical([1, True, "1"]))
    trials = [complete(i, {"x": x}, i) for i, x in enumerate([True, 1, "1"])]
    assert [t.params["x"] for t in to_optuna(space, trials).trials] == [
        "True",
        "1",
        "'1'",
    ]


# --- importances --------------------------------------------------------------------


def drawn(space, score, n=200, seed=3):
    rng = np.random.default_rng(seed)
    params = [space.sample(rng) for _ in range(n)]
    return [complete(i, p, score(p)) for i, p in enumerate(params)]


def test_importances_find_the_hyperparameter_that_makes_the_score():
    space = Space(x=Float(-1, 1), y=Float(1e-4, 1, log=True), z=["a", "b", "c"])
    trials = drawn(space, lambda p: -abs(p["x"] - 0.5) + 0.001 * np.log(p["y"]))
    found = importances(space, trials)
    assert next(iter(found)) == "x"
    assert found["x"] > 0.9
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_importances_are_those_of_optuna_on_a_study_of_its_own():
    # Built by Optuna's own search, conditional hyperparameter included.
    def objective(trial):
        x = trial.suggest_float("x", 1e-3, 10, log=True)
        kind = trial.suggest_categorical("kind", ["a", "b"])
        step = trial.suggest_int("step", 0, 10, step=2)
        more = trial.suggest_float("more", 0, 1) if kind == "b" else 0.2
        return -((np.log10(x) - 0.3) ** 2) + 0.05 * step + more * (kind == "b")

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=120)
    space = Space(
        x=Float(1e-3, 10, log=True),
        kind=["a", "b"],
        step=Int(0, 10, step=2),
        more=Float(0, 1, when={"kind": "b"}),
        fixed=5,
    )
    trials = [
        complete(t.number, {**t.params, "fixed": 5}, t.value) for t in study.trials
    ]
    expected = optuna.importance.get_param_importances(study)
    assert importances(space, trials) == pytest.approx(expected, rel=1e-12)
    assert list(importances(space, trials)) == list(expected)


def test_importances_work_with_repeated_and_conditional_hyperparameters():
    trials = drawn(SPACE, lambda p: p["units_0"] + p["layers"], n=60)
    assert {"units_0", "units_2", "momentum"} <= set(importances(SPACE, trials))


def test_importances_turn_round_when_smaller_is_better():
    space = Space(x=Float(0, 1), y=Float(0, 1))

    # Best scores need small x; worst ones need great y.
    def score(p):
        return p["x"] if p["x"] < 0.3 else 1 + p["y"]

    trials = drawn(space, score)
    assert next(iter(importances(space, trials, maximize=False))) == "x"
    assert next(iter(importances(space, trials))) == "y"


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [complete(i, {"x": i / 9, "y": 1.0}, i) for i in range(2)],
        [complete(i, {"x": i / 9, "y": 1.0}, 0.5) for i in range(9)],
        [complete(i, {"x": 0.5, "y": 1.0}, i) for i in range(9)],
        [failed(i, {"x": i / 9, "y": 1.0}) for i in range(9)],
        [complete(i, {"x": i / 9, "y": 1.0}, float("nan")) for i in range(9)],
    ],
    ids=["none", "two", "one score", "one value", "all failed", "no numbers"],
)
def test_too_little_to_go_by_gives_no_importances(trials):
    assert importances(Space(x=Float(0, 1), y=Float(0, 2)), trials) == {}


def test_a_hyperparameter_that_took_one_value_is_left_out():
    trials = [complete(i, {"x": i / 9, "y": 1.0}, i) for i in range(10)]
    assert importances(Space(x=Float(0, 1), y=Float(0, 2)), trials) == {"x": 1.0}


QUIET = """
from hpo.records import Trial
from hpo.search.optuna_study import importances
from hpo.space import Categorical, Float, Space
space = Space(k=["a", "b"], d=["p", "q"], x=Float(0, 1), m=Float(0, 1, when={"k": "b"}))
params = [{"k": "b", "d": "pq"[i % 2], "x": i / 9, "m": i / 9} for i in range(9)]
params.append({"k": "a", "d": "q", "x": 0.95})
scores = [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
trials = [Trial(i, p, "complete", s) for i, (p, s) in enumerate(zip(params, scores))]
print(importances(space, trials))
print(importances(space, trials[:-1]))
"""


def test_importances_say_nothing_and_do_not_depend_on_the_process():
    done = [
        subprocess.run(
            [sys.executable, "-c", QUIET],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
            timeout=60,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert done[0].stderr == ""
    assert done[0].stdout.count("{") == 2
    assert done[0].stdout == done[1].stdout
