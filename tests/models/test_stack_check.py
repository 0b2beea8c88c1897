"""A program that does not do what Keras does is found out and not used."""

from __future__ import annotations

import numpy as np
import pytest
from stack_samples import TASKS, fit_by_keras, request

from hpo.models import keras_mlp, stack_optimizers
from hpo.models.keras_mlp import KerasMlp
from hpo.models.keras_runtime import prepare
from hpo.models.stack_backend import make_backend
from hpo.models.stack_check import how_far_off, mismatch
from hpo.models.stack_member import Member
from hpo.models.stack_program import Programs, Recipe, StackProgram

pytestmark = pytest.mark.keras

BASE = {"units": 8, "learning_rate": 0.01, "epochs": 3}


def found(params, task="multiclass", weighted=False):
    backend = make_backend(prepare().split()[2])
    member = Member(request(task, {**BASE, **params}))
    recipe = Recipe.of(member.architecture, weighted=weighted)
    return mismatch(StackProgram(recipe, backend), backend)


@pytest.mark.parametrize(
    ("params", "task", "weighted"),
    [
        ({"dropout": 0.5, "l2": 1e-3}, "multiclass", True),
        ({"optimizer": "sgd", "nesterov": True, "l1": 1e-3}, "regression", False),
        ({"hidden_layers": 0, "optimizer": "rmsprop"}, "binary", False),
        # Gradients that are zero but for rounding: shifts that are taken out again.
        ({"hidden_layers": 3, "batch_norm": True, "activation": "linear"}, "binary", 0),
        ({"hidden_layers": 8, "batch_norm": True, "optimizer": "sgd"}, "targets", 0),
        (
            {"batch_norm": True, "activation": "linear", "optimizer": "rmsprop"},
            "targets",
            0,
        ),
        ({"hidden_layers": 8, "optimizer": "adagrad"}, "binary", 0),
        # So deep that rounding comes out as large as a mistake would.
        (
            {"hidden_layers": 40, "batch_norm": True, "optimizer": "rmsprop"},
            "binary",
            0,
        ),
    ],
)
def test_programs_pass(params, task, weighted):
    assert found(params, task, weighted=bool(weighted)) is None


def adam_without_a_root(w, g, m, v, hyper, now):
    m = m + (g - m) * hyper["beta_1_rest"]
    v = v + (g * g - v) * hyper["beta_2_rest"]
    return w - m * now["rate"] / (v + hyper["epsilon"]), m, v


@pytest.fixture
def wrong_adam(monkeypatch):
    monkeypatch.setattr(stack_optimizers, "_adam", adam_without_a_root)
    monkeypatch.setattr(keras_mlp, "PROGRAMS", Programs())


@pytest.mark.usefixtures("wrong_adam")
def test_a_wrong_formula_is_named_with_how_far_off_it_is():
    assert "away from Keras' own" in found({})
    assert found({"optimizer": "sgd"}) is None


def test_penalties_are_checked_too(monkeypatch):
    monkeypatch.setattr(StackProgram, "_penalty", lambda *_: 0.0)
    assert "away from Keras' own" in found({"l2": 0.1})
    assert found({}) is None


def test_weights_of_rows_are_checked_too(monkeypatch):
    step = StackProgram._step

    def without_weights(self, state, data, X, y, count, each, now):
        return step(self, state, data, X, y, count, None, now)

    monkeypatch.setattr(StackProgram, "_step", without_weights)
    assert "away from Keras' own" in found({}, weighted=True)
    assert found({}) is None


def test_the_division_by_the_rows_of_the_last_batch_is_checked_too(monkeypatch):
    step = StackProgram._step

    def divided_by_a_whole_batch(self, state, data, X, y, count, each, now):
        state, loss, metric = step(self, state, data, X, y, count * 0 + 16, each, now)
        return state, loss, metric

    monkeypatch.setattr(StackProgram, "_step", divided_by_a_whole_batch)
    assert "away from Keras' own" in found({})


def test_small_steps_are_compared_as_closely_as_large_ones(monkeypatch):
    def without_momentum(w, g, velocity, hyper, now):
        return w - hyper["learning_rate"] * g, velocity

    monkeypatch.setattr(stack_optimizers, "_sgd", without_momentum)
    assert "away from Keras' own" in found({"hidden_layers": 8, "optimizer": "sgd"})


def test_an_update_that_is_no_number_is_infinitely_far_off():
    fine, broken = np.ones(3), np.array([1.0, np.nan, 1.0])
    assert how_far_off(broken, 0 * fine, fine) == np.inf
    assert how_far_off(fine, 0 * fine, broken) == np.inf
    assert how_far_off(fine + 1e-6, 0 * fine, fine) == 0
    assert how_far_off(2 * fine, 0 * fine, fine) == pytest.approx(1)


@pytest.mark.usefixtures("wrong_adam")
def test_a_loss_that_is_no_number_is_a_mismatch(monkeypatch):
    monkeypatch.setattr(stack_optimizers, "_adam", lambda w, g, m, v, *_: (w / 0, m, v))
    assert "self-check failed" in found({})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("wrong_adam")
def test_the_family_then_trains_by_fit_with_equal_results(task, monkeypatch):
    weight = np.random.default_rng(1).exponential(size=150)
    params = {**BASE, "l2": 1e-3, "patience": 2}
    if task == "regression":
        params |= {"batch_norm": True, "patience": None}
    wanted = request(task, params, weight=weight)
    (alone,) = KerasMlp().fit_group([wanted])
    assert " fit: its self-check found updates" in alone.engine
    monkeypatch.undo()
    (stacked,) = KerasMlp().fit_group([wanted])
    assert stacked.engine.endswith(" stacked")
    assert set(alone.curves) == set(stacked.curves)
    for name, values in alone.curves.items():
        np.testing.assert_allclose(values, stacked.curves[name], rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(alone.model.weights, stacked.model.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (alone.n_epochs, alone.best_epoch) == (stacked.n_epochs, stacked.best_epoch)
    assert alone.n_parameters == stacked.n_parameters


@pytest.mark.usefixtures("wrong_adam")
def test_by_fit_too_one_that_diverges_fails_alone():
    wild = request("regression", {**BASE, "learning_rate": 1e30, "l2": 1.0})
    calm = request("regression", {**BASE, "l2": 1.0, "dropout": 0.2})
    failed, fitted = KerasMlp().fit_group([wild, calm])
    assert failed.kind == "nan"
    (again,) = KerasMlp().fit_group([calm])
    assert np.array_equal(again.model.weights[0], fitted.model.weights[0])


def test_what_cannot_be_compiled_is_trained_by_fit(monkeypatch):
    def update(*_):
        raise AttributeError("no such thing in this Keras\nand more")

    from hpo.models import stack_program

    monkeypatch.setattr(stack_program, "update", update)
    monkeypatch.setattr(keras_mlp, "PROGRAMS", Programs())
    wanted = request("multiclass", {**BASE, "epochs": 2})
    (fitted,) = KerasMlp().fit_group([wanted])
    assert " fit: its self-check failed: " in fitted.engine
    assert "\n" not in fitted.engine
    _, after, _ = fit_by_keras(wanted, 2)
    np.testing.assert_allclose(fitted.model.weights[0], after[-1][0], atol=1e-6)


def test_a_program_is_checked_once(monkeypatch):
    from hpo.models import stack_check

    checks = []
    monkeypatch.setattr(keras_mlp, "PROGRAMS", Programs())
    monkeypatch.setattr(stack_check, "mismatch", lambda *_: checks.append(1))
    for seed in range(3):
        KerasMlp().fit_group([request("binary", {**BASE, "epochs": 1}, seed)])
    assert checks == [1]
