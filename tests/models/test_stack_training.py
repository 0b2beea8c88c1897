"""A network of a stack comes out as if it had been alone, whatever its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from stack_samples import (
    assert_trained_as_by_fit,
    program_of,
    request,
    train,
)

from hpo.models import keras_mlp, stack_backend, stack_member, stack_training
from hpo.models.family import FitRequest
from hpo.models.keras_mlp import KerasMlp, bytes_of
from hpo.models.stack_member import PACKET, Member
from hpo.models.stack_program import StackProgram
from hpo.models.stack_training import StackTraining

pytestmark = pytest.mark.keras

BASE = {"units": 11, "learning_rate": 0.01, "dropout": 0.2, "l2": 1e-3, "epochs": 3}


def neighbour(task, params, number, **more):
    """Return a request for some other network that fits into the same stack."""
    rng = np.random.default_rng(number)
    other = {
        "units": int(rng.integers(1, 17)),
        "learning_rate": float(10 ** rng.uniform(-4, -1)),
        "dropout": float(rng.uniform(0.05, 0.6)) if params["dropout"] else 0.0,
        "epochs": int(rng.integers(1, 6)),
        "l2": float(10 ** rng.uniform(-6, -1)),
    }
    if params.get("patience"):
        other["patience"] = int(rng.integers(1, 4))
    return request(task, {**params, **other, **more}, seed=100 + number)


def same(first, second):
    assert first.error is None
    assert first.curves == second.curves
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("task", "params"),
    [
        # Batches that do not fill the packets of vector instructions, three outputs.
        ("multiclass", {"batch_size": 10, "activation": "gelu", "batch_norm": True}),
        ("multiclass", {"batch_size": 7, "activation": "softplus", "patience": 2}),
        ("binary", {"batch_size": 30, "activation": "silu", "hidden_layers": 2}),
        ("binary", {"batch_size": 32, "activation": "sigmoid", "optimizer": "sgd"}),
        ("regression", {"batch_size": 30, "activation": "selu", "patience": 2}),
        ("targets", {"batch_size": 10, "activation": "tanh", "optimizer": "nadam"}),
        ("regression", {"batch_size": 7, "hidden_layers": 0, "dropout": 0.0}),
        ("10 classes", {"batch_size": 32, "hidden_layers": 2}),
        ("12 classes", {"batch_size": 13, "hidden_layers": 0, "patience": 2}),
        ("9 targets", {"batch_size": 10, "optimizer": "sgd", "batch_norm": True}),
    ],
)
def test_alone_and_in_any_stack_a_network_is_the_same_to_the_bit(task, params):
    params = {**BASE, **params}
    wanted = request(task, params)
    (alone,) = train([wanted])
    for size, place in ((2, 1), (5, 0), (7, 3), (40, 22)):
        stack = [neighbour(task, params, number) for number in range(size)]
        stack[place] = wanted
        same(train(stack)[place], alone)


@pytest.mark.parametrize(("units", "batch_size"), [(128, 100), (250, 120), (600, 64)])
def test_wide_networks_and_large_batches_are_the_same_to_the_bit_too(units, batch_size):
    # Products so large are cut into blocks, which must not follow the stack.
    params = {**BASE, "units": units, "batch_size": batch_size, "hidden_layers": 2}
    wanted = request("10 classes", params)
    (alone,) = train([wanted])
    for size, place in ((2, 1), (5, 3)):
        stack = [
            request("10 classes", {**params, "units": units - 9}, 100 + number)
            for number in range(size)
        ]
        stack[place] = wanted
        same(train(stack)[place], alone)


@pytest.mark.parametrize("patience", [None, 2])
def test_networks_that_diverge_fail_alone(patience):
    params = {**BASE, "optimizer": "sgd", "patience": patience, "epochs": 4}
    wanted = [request("regression", params, seed) for seed in range(3)]
    alone = [train([one])[0] for one in wanted]
    wild = neighbour("regression", params, 1, learning_rate=1e30, epochs=4)
    members = train([wanted[0], wild, wanted[1], wild, wanted[2]])
    for place, expected in zip((0, 2, 4), alone, strict=True):
        same(members[place], expected)
    for place in (1, 3):
        assert members[place].error.kind == "nan"
        assert "lower the learning rate" in str(members[place].error)


def test_rows_and_weights_of_neighbours_may_be_others():
    weight = np.random.default_rng(0).exponential(size=150)
    params = {**BASE, "dropout": 0.0, "batch_size": 32}
    # As many steps, but other rows, another last batch and other weights.
    others = [
        request("multiclass", params, 1, weight[::-1], rows=140),
        request("multiclass", params, 2, weight * 2),
    ]
    assert_trained_as_by_fit(request("multiclass", params, 3, weight), others)


def test_a_network_in_a_wider_stack_is_that_of_its_true_width_by_fit(monkeypatch):
    monkeypatch.setattr(stack_member, "bucket", lambda width, *_: 48)
    for activation in ("sigmoid", "softplus"):
        params = {**BASE, "dropout": 0.0, "activation": activation, "units": 5}
        assert_trained_as_by_fit(request("multiclass", {**params, "epochs": 2}))


def test_how_far_a_layer_is_filled_up_changes_nothing_but_rounding(monkeypatch):
    wanted = request("multiclass", {**BASE, "units": 5, "dropout": 0.4})
    (narrow,) = train([wanted])
    monkeypatch.setattr(stack_member, "bucket", lambda width, *_: 48)
    (wide,) = train([wanted])
    # The same masks, or the weights would be far apart.
    for ours, theirs in zip(narrow.weights, wide.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


# Stopping early

STOPPING = {**BASE, "patience": 2, "epochs": 60, "learning_rate": 0.05}


def test_what_has_stopped_does_not_move_while_others_go_on():
    wanted = request("multiclass", STOPPING)
    long = {**STOPPING, "patience": 40, "learning_rate": 1e-4, "epochs": 50}
    member = train([wanted, *(request("multiclass", long, s) for s in (7, 8))])[0]
    best = member.stopping.best_epoch
    losses = member.curves["val_loss"]
    assert best == int(np.argmin(losses)) + 1
    assert member.n_epochs == best + 2 < 50
    (shorter,) = train([request("multiclass", {**STOPPING, "epochs": best})])
    for ours, theirs in zip(member.weights, shorter.weights, strict=True):
        assert np.array_equal(ours, theirs)
    assert shorter.curves["loss"] == member.curves["loss"][:best]


def test_stacks_shrink_when_networks_end(monkeypatch):
    epochs = (1, 5, 3, 3, 6)
    requests = [request("binary", {**BASE, "epochs": n}, seed=n) for n in epochs]
    members = [Member(one) for one in requests]
    program, backend = program_of(members[0])
    sizes = []

    def epoch(state, *arguments):
        sizes.append(state["weights"][0].shape[0])
        return original(state, *arguments)

    original = program.epoch
    monkeypatch.setattr(program, "epoch", epoch)
    StackTraining(members, program, backend).run()
    least = backend.stack_size(1)
    assert sizes == [5, 4, 4, 2, 2, least]
    assert [member.n_epochs for member in members] == list(epochs)
    for member, one in zip(members, requests, strict=True):
        same(member, train([one])[0])


def test_ghosts_that_fill_a_stack_change_nothing(monkeypatch):
    requests = [request("binary", {**BASE, "epochs": n}, seed=n) for n in (4, 1, 3)]
    plain = train(requests)
    monkeypatch.setattr(
        stack_backend.TensorFlowBackend,
        "stack_size",
        lambda self, n: {1: 2, 2: 4, 3: 5}[n],
    )
    for filled, expected in zip(train(requests), plain, strict=True):
        same(filled, expected)


# Memory


def test_stacks_that_would_not_fit_into_memory_are_split(monkeypatch):
    requests = [request("multiclass", {**BASE, "units": n}, n) for n in range(3, 10)]
    family = KerasMlp()
    whole = family.fit_group(requests)
    each = keras_mlp.bytes_of(Member(requests[0]))
    sizes = []

    def run(self):
        sizes.append(len(self.members))
        assert self._size(len(self.members)) <= max(3, len(self.members))
        original(self)

    original = StackTraining.run
    monkeypatch.setattr(StackTraining, "run", run)
    monkeypatch.setattr(keras_mlp, "STACK_BYTES", 3 * each + 1)
    split = family.fit_group(requests)
    assert sizes == [3, 3, 1]
    for first, second in zip(whole, split, strict=True):
        assert first.curves == second.curves
        for ours, theirs in zip(first.model.weights, second.model.weights, strict=True):
            assert np.array_equal(ours, theirs)


def test_a_network_counts_with_its_weights_and_its_batch():
    small, deep, wide = (
        keras_mlp.bytes_of(Member(request("multiclass", {**BASE, **more})))
        for more in ({}, {"hidden_layers": 2}, {"units": 1000, "hidden_layers": 2})
    )
    assert small < deep < wide
    # Value, gradient, two slots and copies of a thousand squared, filled up to 1024.
    assert wide > 6 * 4 * 1000**2


def test_requests_that_cannot_be_stacked_are_still_answered_in_order():
    requests = [
        request("multiclass", {**BASE, "epochs": 1}),
        request("binary", {**BASE, "epochs": 2, "activation": "tanh"}),
        request("multiclass", {**BASE, "epochs": 3, "units": 40}),
        request("regression", {**BASE, "epochs": 1, "patience": 1}, rows=1),
        request("multiclass", {**BASE, "epochs": 4}),
    ]
    results = KerasMlp().fit_group(requests)
    assert "at least 2 training rows" in str(results.pop(3))
    assert [fitted.n_epochs for fitted in results] == [1, 2, 3, 4]


def test_a_large_inner_split_is_looked_at_in_parts(monkeypatch):
    params = {**BASE, "patience": 2, "batch_size": 100}
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    wanted = [
        FitRequest(params, X[:n], (X[:n, 0] > 0).astype(int), "classification", 2, 4)
        for n in (3000, 2950)
    ]
    whole = train(wanted)
    seen = []
    watch = StackProgram.watch

    def counted(self, state, data, X, y, rows, counts):
        seen.append((rows.shape[1], counts.tolist()))
        return watch(self, state, data, X, y, rows, counts)

    monkeypatch.setattr(StackProgram, "watch", counted)
    monkeypatch.setattr(stack_training, "WATCH_ROWS", 128)
    parts = train(wanted)
    # A tenth of the rows, filled up to packets of 64, 128 at a time.
    assert seen[:3] == [(128, [128, 128]), (128, [128, 128]), (64, [44, 39])]
    for one, other in zip(whole, parts, strict=True):
        assert one.n_epochs == other.n_epochs
        np.testing.assert_allclose(
            one.curves["val_loss"], other.curves["val_loss"], rtol=1e-6
        )
        assert one.curves["val_accuracy"] == other.curves["val_accuracy"]


def test_what_is_watched_at_once_is_all_that_a_network_takes_for_it():
    params = {**BASE, "patience": 2, "units": 512}
    X = np.zeros((100_000, 2), "float32")
    y = np.arange(len(X)) % 2
    few, many = (
        Member(FitRequest(params, X[:n], y[:n], "classification", 2, 4))
        for n in (50_000, 100_000)
    )
    order = 4 * (many.n_steps - few.n_steps) * (many.batch_size + PACKET)
    assert bytes_of(many) - bytes_of(few) == order
