"""Stacks on JAX against Keras' own `fit` on JAX, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.keras, pytest.mark.slow]

CODE = """
from dataclasses import replace

import numpy as np
from stack_samples import assert_trained_as_by_fit, request, train

base = {"units": 5, "learning_rate": 0.01, "epochs": 2}
weight = np.random.default_rng(1).exponential(size=150)
weight[:20] = 0
for task, params, given in [
    ("multiclass", {"l1": 1e-3, "l2": 1e-2, "patience": 2}, None),
    ("binary", {"batch_norm": True, "optimizer": "sgd", "nesterov": True}, None),
    ("regression", {"activation": "softplus", "optimizer": "nadam"}, weight),
    ("targets", {"hidden_layers": 0, "optimizer": "rmsprop"}, None),
]:
    wanted = request(task, {**base, **params}, weight=given)
    other = request(task, {**base, **params, "units": 9}, 8, given)
    assert_trained_as_by_fit(wanted, [other, other], atol=1e-5, rtol=1e-4)

# Outputs of 0 and 1: Keras on JAX clips them, and their gradient is 0.
for task in ("binary", "multiclass"):
    saturated = {**base, "optimizer": "sgd", "learning_rate": 0.01}
    wanted = request(task, saturated)
    assert_trained_as_by_fit(replace(wanted, X=wanted.X * 30), atol=1e-5, rtol=1e-4)

params = {**base, "dropout": 0.3, "batch_size": 10, "epochs": 3}
params |= {"optimizer": "sgd", "patience": 3}
wanted = request("regression", params)
(alone,) = train([wanted])
for size, place in ((2, 1), (7, 3)):
    stack = [
        request("regression", {**params, "units": 3 + k, "epochs": 1 + k}, k)
        for k in range(size)
    ]
    stack[0] = request("regression", {**params, "learning_rate": 1e30}, 50)
    stack[place] = wanted
    members = train(stack)
    assert members[0].error.kind == "nan"
    assert members[place].n_epochs == alone.n_epochs
    for ours, theirs in zip(members[place].weights, alone.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
# What becomes of a neighbour changes no bit, nor the sizes of the stack.
for size in (2, 7):
    stack = [
        request("regression", {**params, "patience": None, "epochs": 2 + k}, k)
        for k in range(size)
    ]
    calm = train(stack)
    assert not any(member.error for member in calm)
    wild = {"patience": None, "epochs": 2, "learning_rate": 1e30}
    stack[0] = request("regression", {**params, **wild})
    failed, *others = train(stack)
    assert failed.error.kind == "nan"
    for one, other in zip(others, calm[1:], strict=True):
        for ours, theirs in zip(one.weights, other.weights, strict=True):
            assert ours.tobytes() == theirs.tobytes()
for kernel in alone.weights:
    print(kernel.tobytes().hex())

from sklearn.datasets import load_digits

from hpo.models import FitRequest, stack_optimizers
from hpo.models.stack_backend import make_backend
from hpo.models.stack_check import mismatch
from hpo.models.stack_member import Member
from hpo.models.stack_program import Recipe, StackProgram
from hpo.models.stack_training import StackTraining

def checked(task, given):
    member = Member(request(task, {"units": 5, **given}), "jax")
    recipe = Recipe.of(member.architecture, weighted=True)
    backend = make_backend("jax")
    return mismatch(StackProgram(recipe, backend), backend)

# With batch normalisation Keras compiles the smaller last batch, else it is filled up.
assert checked("multiclass", {"l2": 1e-3, "dropout": 0.5}) is None
assert checked("regression", {"batch_norm": True}) is None
# In the sizes of what is to be trained, which takes no second program.
for task, given, many in [
    ("multiclass", {"dropout": 0.5, "l2": 1e-3, "patience": 2}, 3),
    ("targets", {"batch_norm": True, "optimizer": "nadam", "epsilon": 1.0}, 5),
    ("10 classes", {"optimizer": "rmsprop", "learning_rate": 1e9}, 1),
]:
    given = {"units": 5, "epochs": 2, **given}
    members = [Member(request(task, given, seed), "jax") for seed in range(many)]
    backend = make_backend("jax")
    program = StackProgram(Recipe.of(members[0].architecture, weighted=False), backend)
    assert mismatch(program, backend, members, 40) is None
    StackTraining(members, program, backend, 40).run()
    assert len(program._epoch) == 1

# Rounding stays rounding: of all steps of an epoch, a few are taken for the check.
X, y = load_digits(return_X_y=True)
for depth, params in [
    (5, {}),
    (8, {"batch_norm": True, "optimizer": "rmsprop"}),
]:
    params |= {"hidden_layers": depth, "units": 96, "learning_rate": 0.001}
    wanted_here = FitRequest(params, X, y, "classification", 10, 0)
    members = [Member(wanted_here, "jax") for _ in range(2)]
    assert members[0].n_steps > 50
    program = StackProgram(Recipe.of(members[0].architecture, weighted=False), backend)
    found = mismatch(program, backend, members, 40)
    assert found is None, found

sgd, stack_optimizers._sgd = stack_optimizers._sgd, lambda w, g, v, hyper, now: (
    w - hyper["learning_rate"] * g, v
)
assert "away from Keras' own" in checked("binary", {"optimizer": "sgd"})
stack_optimizers._sgd = sgd
penalty, StackProgram._penalty = StackProgram._penalty, lambda *_: 0.0
members = [Member(request("binary", {"units": 5, "l2": 0.1}), "jax")]
program = StackProgram(Recipe.of(members[0].architecture, weighted=False), backend)
assert "away from Keras' own" in mismatch(program, backend, members, 40)
assert "away from Keras' own" in checked("binary", {"l2": 0.1})

from hpo.models.keras_mlp import KerasMlp

# What is named and 0 is trained in the program of those where it is not.
StackProgram._penalty = penalty
named = {**base, "dropout": 0.0, "l2": 0.0}
zero = request("multiclass", named)
other = request("multiclass", {**named, "dropout": 0.5, "l2": 0.1}, 3)
(plain,) = train([zero])
first, second = KerasMlp("jax").fit_group([zero, other])
for result in (first, second):
    assert result.engine.endswith(" stacked"), result.engine
for ours, theirs in zip(first.model.weights, plain.weights, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-6)

(fitted,) = KerasMlp().fit_group([wanted])
assert " jax " in fitted.engine, fitted.engine
assert fitted.engine.endswith(" stacked"), fitted.engine
"""


def test_stacks_on_jax_go_where_fit_on_jax_goes():
    pytest.importorskip("jax")
    import numpy as np
    from stack_samples import request, train

    folder = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", CODE],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    params = {"units": 5, "learning_rate": 0.01, "dropout": 0.3, "batch_size": 10}
    params |= {"optimizer": "sgd", "patience": 3, "epochs": 3}
    (member,) = train([request("regression", params)])
    # The same masks, rows and initial weights on both backends.
    for line, ours in zip(done.stdout.split(), member.weights, strict=True):
        theirs = np.frombuffer(bytes.fromhex(line), "float32").reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
