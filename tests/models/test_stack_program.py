"""The compiled epoch against Keras' own `fit`, and numbers worked out by hand."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from stack_samples import (
    TASKS,
    assert_trained_as_by_fit,
    fit_by_keras,
    program_of,
    request,
    train,
)

from hpo.models.family import FitRequest
from hpo.models.keras_runtime import prepare
from hpo.models.settings import Settings
from hpo.models.stack_backend import make_backend
from hpo.models.stack_member import Member
from hpo.models.stack_program import Programs, Recipe
from hpo.models.stack_training import StackTraining
from hpo.models.vocabulary import ENTRIES, GRADUAL

pytestmark = pytest.mark.keras

CASES = [
    ("multiclass", {"hidden_layers": 2, "units_0": 8, "units_1": 3}),
    ("multiclass", {"optimizer": "sgd", "learning_rate": 0.1, "l1": 1e-3, "l2": 1e-2}),
    ("multiclass", {"batch_norm": True, "activation": "silu", "units": 8}),
    ("multiclass", {"hidden_layers": 0, "optimizer": "adagrad", "l1": 1e-3}),
    ("multiclass", {"activation": "selu", "patience": 2, "l2": 1e-2, "beta_1": 0.5}),
    ("binary", {"optimizer": "sgd", "nesterov": True, "momentum": 0.5}),
    ("binary", {"optimizer": "sgd", "momentum": 0.0, "activation": "leaky_relu"}),
    ("binary", {"optimizer": "rmsprop", "activation": "tanh"}),
    ("binary", {"activation": "sigmoid", "patience": 2, "hidden_layers": 3}),
    ("binary", {"activation": "softplus", "batch_norm": True, "optimizer": "adamax"}),
    ("binary", {"hidden_layers": 0, "batch_size": 200}),
    ("regression", {"optimizer": "nadam", "l2": 1e-3, "activation": "gelu"}),
    ("regression", {"optimizer": "adamax", "output_activation": "softplus"}),
    ("regression", {"optimizer": "adagrad", "learning_rate": 0.1}),
    ("regression", {"activation": "elu", "output_activation": "tanh", "patience": 2}),
    ("regression", {"output_activation": "sigmoid", "optimizer": "rmsprop"}),
    ("regression", {"output_activation": "relu", "activation": "linear"}),
    ("regression", {"hidden_layers": 0, "optimizer": "nadam"}),
    ("targets", {"l2": 1e-3, "batch_norm": True, "optimizer": "sgd"}),
    ("targets", {"units": 20, "output_activation": "tanh", "patience": 1}),
]
BASE = {"units": 5, "learning_rate": 0.01, "epochs": 2}


@pytest.mark.parametrize(("task", "params"), CASES)
def test_two_epochs_give_the_weights_and_curves_of_fit(task, params):
    params = {**BASE, **params}
    neighbour = request(task, {**params, "learning_rate": 0.03}, seed=9)
    assert_trained_as_by_fit(request(task, params), [neighbour])


def test_every_choice_of_the_family_is_among_the_cases():
    for name in ("activation", "output_activation", "optimizer"):
        entry = ENTRIES[name]
        seen = {params.get(name, entry.default) for _, params in CASES}
        wanted = GRADUAL if name == "optimizer" else entry.choices + entry.keras_choices
        assert set(wanted) <= seen


@pytest.mark.parametrize("task", TASKS)
def test_weighted_rows_count_as_in_fit(task):
    weight = np.random.default_rng(1).exponential(size=150)
    weight[:20] = 0
    params = {**BASE, "l2": 1e-3, "batch_size": 32, "patience": 5}
    assert_trained_as_by_fit(request(task, params, weight=weight))


@pytest.mark.parametrize("task", TASKS)
def test_weights_of_one_change_no_bit(task):
    plain, weighted = (
        train([request(task, {**BASE, "l2": 1e-3}, weight=weight)])[0]
        for weight in (None, np.ones(150))
    )
    assert plain.curves == weighted.curves
    for ours, theirs in zip(plain.weights, weighted.weights, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("optimizer", "tunings"),
    [
        ("adam", [{}, {"beta_1": 0.5}, {"beta_2": 0.7}, {"epsilon": 0.01}]),
        ("nadam", [{"beta_1": 0.0, "beta_2": 0.8}, {"epsilon": 0.1}]),
        ("adamax", [{"beta_1": 0.5, "beta_2": 0.8}, {"epsilon": 0.1}]),
        ("rmsprop", [{"rho": 0.5}, {"rho": 0.0}]),
        ("sgd", [{"momentum": 0.0}, {"momentum": 0.99}, {"learning_rate": 0.1}]),
    ],
)
def test_one_stack_holds_every_tuning_of_an_optimizer(optimizer, tunings):
    base = {**BASE, "optimizer": optimizer, "epochs": 3, "batch_size": 40}
    requests = [
        request("regression", {**base, **tuning}, rows=100) for tuning in tunings
    ]
    trained = train(requests)
    for wanted, member in zip(requests, trained, strict=True):
        _, after, _ = fit_by_keras(wanted, 3)
        for ours, theirs in zip(member.weights, after[-1], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert len({member.curves["loss"][-1] for member in trained}) == len(tunings)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_logits_of_exactly_zero_have_the_slope_of_fit(task):
    wanted = request(task, {**BASE, "optimizer": "sgd"})
    silent = FitRequest(
        wanted.params, wanted.X * 0, wanted.y, wanted.task, wanted.n_classes, 4
    )
    assert_trained_as_by_fit(silent)


def test_large_steps_of_adam_stay_with_fit_over_many_updates():
    # Keras rounds beta_2 to float32, which moves the first steps by 1e-5 of a step.
    params = {**BASE, "learning_rate": 0.1, "hidden_layers": 0, "epochs": 4}
    assert_trained_as_by_fit(request("regression", params), atol=3e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("rows", [97, 90, 96])
def test_the_last_batch_counts_as_in_fit(batch_norm, rows):
    # One row, 26 rows and a whole batch are left for it.
    params = {**BASE, "batch_norm": batch_norm, "batch_size": 32, "optimizer": "sgd"}
    assert_trained_as_by_fit(request("regression", params, rows=rows))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    "activation", ENTRIES["activation"].choices + ENTRIES["activation"].keras_choices
)
def test_what_fills_a_network_up_stays_zero(activation, batch_norm, monkeypatch):
    from hpo.models import stack_training

    whole = []

    def taken_out(architecture, weights, moving):
        whole.append([np.array(w) for w in weights])
        return original(architecture, weights, moving)

    original = stack_training.taken_out
    monkeypatch.setattr(stack_training, "taken_out", taken_out)
    params = {"activation": activation, "batch_norm": batch_norm, "l1": 1e-3}
    params |= {"hidden_layers": 2, "units_0": 5, "units_1": 17, "learning_rate": 0.05}
    (member,) = train([request("multiclass", {**params, "epochs": 3})])
    for filled, own in zip(
        [w for w in whole[0] if w.shape[0] > 1],
        [w for w in member.weights if w.ndim == 2],
        strict=True,
    ):
        assert np.count_nonzero(filled) == np.count_nonzero(own)
    for filled in whole[0]:
        rows, columns = filled.shape
        assert not filled[:, {16: 5, 32: 17}.get(columns, columns) :].any()
        assert not filled[{16: 5, 32: 17}.get(rows, rows) :].any()


def test_one_linear_neuron_learns_as_worked_out_by_hand(monkeypatch):
    from hpo.models import stack_training

    # Loss (y - h)**2 / 2 with rate 0.2; without the half, rate 0.1 is the same step.
    params = {"hidden_layers": 0, "optimizer": "sgd", "momentum": 0.0}
    params |= {"learning_rate": 0.1, "batch_size": 1, "epochs": 1}
    X, y = np.ones((1, 1)), np.array([3.0])
    seen, weight, bias = [], 0.1, 1.0
    for _ in range(3):
        seen.append((weight + bias, weight, bias))
        fresh = [np.array([[weight]], "float32"), np.array([[bias]], "float32")]
        monkeypatch.setattr(stack_training, "fresh_weights", lambda _, f=fresh: f)
        (member,) = train([FitRequest(params, X, y, "regression", 0, 0)])
        weight, bias = (w.item() for w in member.weights)
    expected = [(1.1, 0.1, 1.0), (1.86, 0.48, 1.38), (2.316, 0.708, 1.608)]
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "target", "output", "expected"),
    [
        # By hand (0.025**2 + 0.1**2 + 0.508**2) / 4. The issue's 0.06727252749518241 is
        # of numbers it shows rounded to 3 digits.
        (
            "regression",
            [[0.875], [0.426], [0.213], [0.348]],
            [[0.900], [0.526], [0.721], [0.348]],
            0.06717225,
        ),
        (
            "binary",
            [[0.0], [1.0], [1.0], [1.0], [0.0]],
            [[0.1], [0.7], [0.5], [0.8], [0.2]],
            0.3202939485569847,
        ),
        (
            "multiclass",
            [0, 1, 0, 1, 0],
            [[0.95, 0.05], [0.02, 0.98], [0.98, 0.02], [0.05, 0.95], [0.6, 0.4]],
            0.130763525435227,
        ),
    ],
)
def test_the_losses_trained_with_are_those_of_the_issue(task, target, output, expected):
    program, _ = program_of(Member(request(task, BASE)))
    output = np.array(output)
    logits = {
        "regression": output,
        "binary": np.log(output / (1 - output)),
        "multiclass": np.log(output),
    }[task].astype("float32")[None]
    y = np.array(target, "int32" if task == "multiclass" else "float32")[None]
    assert float(np.mean(program._losses(logits, y))) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_one_step_with_l2_is_that_of_scikit_learn(task):
    from stack_samples import fresh_model

    from hpo.models.sklearn_mlp import make_network

    rate = 0.1
    params = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": rate, "l2": 0.02}
    X, y, n_classes = TASKS[task]
    params |= {"units": 5, "batch_size": len(y), "epochs": 1}
    wanted = request(task, params)
    start = fresh_model(Member(wanted)).get_weights()
    kind = "classification" if n_classes else "regression"
    model = make_network(Settings.of(params), kind, len(y), seed=0)
    model.set_params(learning_rate_init=1e-300, shuffle=False)
    more = {"classes": [0, 1, 2]} if n_classes else {}
    model.partial_fit(X, y, **more)
    for ours, theirs in zip(
        model.coefs_ + model.intercepts_,
        [start[0], start[2], start[1], start[3]],
        strict=True,
    ):
        ours[...] = theirs
    # Half the squared error: twice the rate for the same step.
    model._optimizer.learning_rate = rate * (1 if n_classes else 2)
    model._optimizer.learning_rate_init = model._optimizer.learning_rate
    model.partial_fit(X, y, **more)
    ours = train([wanted])[0].weights
    np.testing.assert_allclose(model.coefs_[0], ours[0], atol=1e-6)
    np.testing.assert_allclose(model.coefs_[1], ours[2], atol=1e-6)
    np.testing.assert_allclose(model.intercepts_[1], ours[3], atol=1e-6)


# Programs


def test_programs_that_are_dropped_free_their_graphs():
    from tensorflow.python.framework.func_graph import FuncGraph

    def graphs():
        gc.collect()
        return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())

    backend = make_backend(prepare().split()[2])
    programs, before, found = Programs(limit=2), graphs(), []
    for optimizer in ("sgd", "rmsprop", "adagrad", "adam"):
        params = {"hidden_layers": 0, "optimizer": optimizer, "epochs": 1}
        member = Member(request("regression", params))
        recipe = Recipe.of(member.architecture, weighted=False)
        StackTraining([member], programs.get(recipe, backend), backend).run()
        assert len(programs) <= 2
        found.append(graphs() - before)
    assert 0 < found[0] < found[1]
    assert max(found) <= found[1]


def test_a_program_that_is_used_again_is_kept():
    backend = make_backend(prepare().split()[2])
    member = Member(request("regression", BASE))
    recipe = Recipe.of(member.architecture, weighted=False)
    programs = Programs(limit=2)
    first = programs.get(recipe, backend)
    programs.get(replace(recipe, optimizer="sgd"), backend)
    assert programs.get(recipe, backend) is first
    programs.get(replace(recipe, optimizer="nadam"), backend)
    assert programs.get(recipe, backend) is first
