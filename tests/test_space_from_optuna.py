"""Spaces read from Optuna, and written for it."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hpo.errors import SpecError
from hpo.space import Categorical, Float, Int, Space

DISTRIBUTIONS = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5, step=0.25),
    "units": IntDistribution(8, 64, step=8),
    "depth": IntDistribution(1, 8, log=True),
    "kind": CategoricalDistribution(["a", None, True, 2]),
}


def test_every_kind_is_read_and_written_back():
    space = Space.from_optuna(DISTRIBUTIONS)
    assert space.declared["rate"] == Float(1e-4, 1e-1, log=True)
    assert space.declared["dropout"].values[:] == (0.0, 0.25, 0.5)
    assert list(space.declared["units"].values) == list(range(8, 65, 8))
    assert space.declared["depth"] == Int(1, 8, log=True)
    assert space.declared["kind"].choices == ("a", None, True, 2)
    assert space.to_optuna() == DISTRIBUTIONS


def test_the_trials_of_a_study_tell_its_space():
    def objective(trial):
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        if trial.suggest_categorical("kind", ["a", "b"]) == "b":
            rate *= trial.suggest_int("units", 1, 9)
        return rate

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=10)
    space = Space.from_optuna(study)
    assert space == Space(
        rate=Float(1e-4, 1e-1, log=True), kind=Categorical(["a", "b"]), units=Int(1, 9)
    )
    assert Space.from_optuna(study.best_trial).names[0] == "rate"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "expected a mapping of names to Optuna distributions"),
        ({"x": 3}, "x: expected an Optuna distribution; got int"),
    ],
)
def test_what_is_no_space_is_refused(given, words):
    with pytest.raises(SpecError, match=words):
        Space.from_optuna(given)


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_choices_that_are_no_plain_values_are_refused():
    with pytest.raises(SpecError, match="x: expected plain choices; got tuple"):
        Space.from_optuna({"x": CategoricalDistribution([(1, 2)])})


def test_a_name_with_two_distributions_is_refused():
    study = optuna.create_study()
    for high in (1.0, 2.0):
        distributions = {"x": FloatDistribution(0.0, high)}
        trial = optuna.create_trial(
            params={"x": 0.5}, distributions=distributions, value=0.0
        )
        study.add_trial(trial)
    with pytest.raises(SpecError, match="x: has several distributions"):
        Space.from_optuna(study)


def test_a_condition_cannot_be_written():
    space = Space(a=[1, 2], b=Float(0, 1, when={"a": 1}))
    with pytest.raises(SpecError, match="b: is not always active"):
        space.to_optuna()
