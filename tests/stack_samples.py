"""Small data, stacks of networks on them, and the same networks trained by `fit`."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes, load_digits, load_iris

from hpo.models.family import FitRequest
from hpo.models.keras_network import build, draw_kernels, kernels
from hpo.models.keras_runtime import prepare
from hpo.models.stack_backend import make_backend
from hpo.models.stack_member import Member
from hpo.models.stack_program import Programs, Recipe
from hpo.models.stack_training import StackTraining

X_iris, y_iris = load_iris(return_X_y=True)
X_iris = (X_iris - X_iris.mean(axis=0)) / X_iris.std(axis=0)
X_values, y_values = load_diabetes(return_X_y=True)
X_values, y_values = X_values[:150] * 20, (y_values[:150] - 150) / 80
TASKS = {
    "binary": (X_iris[50:], y_iris[50:] - 1, 2),
    "multiclass": (X_iris, y_iris, 3),
    "regression": (X_values, y_values, 0),
    "targets": (X_values[:, 1:], np.column_stack([y_values, X_values[:, 0]]), 0),
}

X_digits, y_digits = load_digits(return_X_y=True)
X_digits, y_digits = X_digits[:150] / 16, y_digits[:150]
MANY_OUTPUTS = {
    "10 classes": (X_digits, y_digits, 10),
    "12 classes": (X_digits, (y_digits + np.arange(150) % 3).astype("int64"), 12),
    "9 targets": (X_digits[:, :30], X_digits[:, 30:39], 0),
}
"""As many outputs as fill no whole number of vector instructions."""

PROGRAMS = Programs(limit=64)


def request(task, params, seed=4, weight=None, rows=None):
    """Return a request for one network on the first ``rows`` rows of a task."""
    X, y, n_classes = {**TASKS, **MANY_OUTPUTS}[task]
    kind = "classification" if n_classes else "regression"
    weight = None if weight is None else weight[:rows]
    return FitRequest(params, X[:rows], y[:rows], kind, n_classes, seed, weight)


def program_of(member):
    """Return the program that trains ``member``, and its backend."""
    backend = make_backend(prepare().split()[2])
    weighted = member.request.sample_weight is not None
    recipe = Recipe.of(member.architecture, weighted=weighted)
    return PROGRAMS.get(recipe, backend), backend


def train(requests):
    """Train one stack; return its members."""
    members = [Member(request) for request in requests]
    StackTraining(members, *program_of(members[0])).run()
    return members


def make_optimizer(settings):
    """Return Keras' own optimizer, with every option that the settings name."""
    from keras import optimizers

    rate = settings.learning_rate
    adam = {"beta_1": settings.beta_1, "beta_2": settings.beta_2}
    if settings.epsilon is not None:
        adam["epsilon"] = settings.epsilon
    return {
        "sgd": lambda: optimizers.SGD(
            rate, momentum=settings.momentum, nesterov=settings.nesterov
        ),
        "adam": lambda: optimizers.Adam(rate, **adam),
        "nadam": lambda: optimizers.Nadam(rate, **adam),
        "adamax": lambda: optimizers.Adamax(rate, **adam),
        "rmsprop": lambda: optimizers.RMSprop(rate, rho=settings.rho),
        "adagrad": lambda: optimizers.Adagrad(rate),
    }[settings.optimizer]()


def fresh_model(member):
    """Return a stock model with the initial weights of ``member``, compiled."""
    settings = member.settings
    model = build(
        member.architecture, dropout=settings.dropout, l1=settings.l1, l2=settings.l2
    )
    layers = kernels(model)
    drawn = draw_kernels(
        [kernel.shape for kernel in layers], settings.initializer, member.seed
    )
    for kernel, values in zip(layers, drawn, strict=True):
        kernel.assign(values)
    classes = member.request.task == "classification"
    model.compile(
        make_optimizer(settings),
        member.architecture.loss,
        metrics=["accuracy" if classes else "mae"],
        # Compiling takes longer than these few steps; JAX has no other way.
        run_eagerly=prepare().split()[2] == "tensorflow",
    )
    return model


def penalty(member, weights):
    """Return what L1 and L2 add to the loss."""
    matrices = [w for w in weights if w.ndim == 2]
    return sum(
        member.settings.l1 * np.abs(w).sum() + member.settings.l2 * np.square(w).sum()
        for w in matrices
    )


def fit_by_keras(request, epochs):
    """Train a stock model by `Model.fit` on the batches of a request, in order.

    Returns:
        The model, its weights after each epoch, and its curves: those of `fit`, and
        those of `evaluate` on the rows that are watched, without the penalty.
    """
    member = Member(request)
    model = fresh_model(member)
    y = request.y
    if request.n_classes == 2:
        y = y[:, None].astype("float32")
    X, weight, watched = request.X.astype("float32"), request.sample_weight, None
    curves, after = {}, []
    for _ in range(epochs):
        dealt = zip(member.next_batches(0), member.counts(), strict=True)
        rows = np.concatenate([batch[: int(count)] for batch, count in dealt])
        assert np.array_equal(np.sort(rows), member.train)
        history = model.fit(
            X[rows],
            y[rows],
            batch_size=member.batch_size,
            sample_weight=None if weight is None else weight[rows],
            shuffle=False,
            verbose=0,
        ).history
        after.append([np.array(w) for w in model.get_weights()])
        if len(member.watched):
            watched = model.evaluate(
                X[member.watched], y[member.watched], verbose=0, return_dict=True
            )
            watched["loss"] -= penalty(member, after[-1])
            history |= {f"val_{name}": [value] for name, value in watched.items()}
        for name, values in history.items():
            curves.setdefault(name, []).extend(values)
    return model, after, curves


def assert_close(weights, expected, atol=1e-6):
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=atol)


def assert_trained_as_by_fit(request, neighbours=(), atol=1e-6, rtol=1e-5):
    """Train in a stack with neighbours, and by `fit`; all that comes of it is equal."""
    member = train([*neighbours, request])[-1]
    assert member.error is None
    model, after, curves = fit_by_keras(request, member.n_epochs)
    best = member.stopping.best_epoch if member.stopping else member.n_epochs
    assert_close(member.weights, after[best - 1], atol)
    assert set(member.curves) == set(curves)
    for name, values in member.curves.items():
        np.testing.assert_allclose(values, curves[name], rtol=rtol, atol=1e-7)
    return model
