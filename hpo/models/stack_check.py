"""Whether a program does what Keras does, found out before it is first used.

A few steps of a stack on noise are compared with Keras' own `train_on_batch` on the
same rows: a change in a library can then cost time, but no wrong score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo.models.builder_keras import options_of
from hpo.models.family import FitRequest
from hpo.models.jax_jitted import jitted_for_little_use
from hpo.models.keras_network import build, draw_kernels, kernels
from hpo.models.settings import Settings
from hpo.models.stack_backend import Backend
from hpo.models.stack_member import Member
from hpo.models.stack_program import StackProgram
from hpo.models.stack_training import StackTraining
from hpo.records import Params, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-2
"""Of the update of an array, in norm. Rounding makes 1e-6, and 4e-3 in wide and deep
networks, where it decides whether a neuron that is about to be silent is so."""

ROUNDING = 2e-6
"""Of a number: updates that are nothing but rounding are no larger."""

N_STEPS = 3
"""Steps of the check: in many, rounding would grow to what a mistake does."""

N_ROWS, BATCH_SIZE, N_FEATURES = 45, 16, 4
"""Batch normalisation over fewer rows multiplies rounding in deep networks."""

MAX_HIDDEN = 8
MAX_NUMBERS = 2**22
"""Of all features: larger tables are stood for by a small one."""


def mismatch(
    program: StackProgram,
    backend: Backend,
    wanted: Sequence[Member] = (),
    room: int | None = None,
) -> str | None:
    """Compare a few steps, the last one on a partial batch, with Keras' own.

    Dropout is off: its streams differ from Keras' on purpose. A deep network is checked
    by a shallower one: more of the same layers only scale rounding up. What is compiled
    for sizes is checked in those of the networks that wait for it, if they are small,
    as it will be needed in them.

    Args:
        program: Not checked yet.
        backend: What it runs on.
        wanted: The networks that are to be trained with it.
        room: As in `StackTraining`.

    Returns:
        None if all updates agree; else by how much they differ, in words.
    """
    if program.recipe.n_hidden > MAX_HIDDEN:
        recipe = replace(program.recipe, n_hidden=MAX_HIDDEN)
        program, wanted = StackProgram(recipe, backend), ()
    if backend.compiles_sizes and _are_small(wanted):
        members = _noise_like(wanted, penalised=program.recipe.has_penalty)
    else:
        members = [Checked(_request(program, *size)) for size in SIZES]
    StackTraining(members, program, backend, room).run()
    for member in members:
        if member.error is not None:
            return f"its self-check failed: {member.error}"
    for member in members[: n_compared()]:
        arrays = zip(member.weights, *_trained_by_keras(member), strict=True)
        off = max(how_far_off(*each) for each in arrays)
        if not off <= TOLERANCE:
            return f"its self-check found updates {off:.1%} away from Keras' own"
    return None


def how_far_off(ours: NDArray[Any], before: NDArray[Any], after: NDArray[Any]) -> float:
    """Return the norm of a difference, as a part of that of Keras' own update."""
    import numpy as np

    difference = float(np.linalg.norm(ours - after))
    if difference <= ROUNDING * math.sqrt(ours.size):
        return 0.0
    off = difference / max(float(np.linalg.norm(after - before)), 1e-30)
    return off if math.isfinite(off) else math.inf


SIZES = ((9, 0), (14, 1))
"""Neurons per layer and seed of the networks of the stack."""


def n_compared() -> int:
    """Return how many of them Keras trains too: one where it compiles for seconds."""
    import keras

    return 1 if keras.backend.backend() == "jax" else len(SIZES)


class Checked(Member):
    """A network that trains `N_STEPS` of its steps, in a program made for all of them.

    The last of these is on as many rows as the last batch of an epoch.
    """

    def counts(self) -> NDArray[Any]:
        counts = super().counts()
        counts[N_STEPS - 1 :][:1] = counts[-1]
        counts[N_STEPS:] = 0
        return counts


def _are_small(members: Sequence[Member]) -> bool:
    """Tell whether there are networks, whose rows are made up in next to no time."""
    return 0 < sum(member.request.X.size for member in members) <= MAX_NUMBERS


def _noise_like(members: Sequence[Member], *, penalised: bool) -> list[Member]:
    """Return networks of the same sizes on noise, to be trained calmly.

    Folds that share rows share noise, so that there are as many rows in all.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    tables = {id(member.request.X): member.request.X for member in members}
    noise = {key: rng.normal(size=X.shape) for key, X in tables.items()}
    calm: list[Member] = []
    for member in members:
        request = member.request
        X = noise[id(request.X)]
        y = request.y
        if request.task == "regression":
            y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1.0)
        params = {
            **request.params,
            **_calm(penalised=penalised),
            "beta_1": 0.9,
            "beta_2": 0.999,
            "rho": 0.9,
            "dropout": 0.0,
            "initializer": "glorot_uniform",
        }
        request = replace(request, params=params, X=X, y=y)
        calm.append(Checked(request, member.backend))
    return calm


def _calm(*, penalised: bool) -> dict[str, Any]:
    """Return settings with which rounding stays rounding for a few steps."""
    return {
        "learning_rate": 0.01,
        "l1": 1e-3 if penalised else 0.0,
        "l2": 1e-2 if penalised else 0.0,
        "momentum": 0.5,
        # The usual 1e-7 makes whole steps of what rounding leaves of a gradient of
        # zero, as that of a shift before a batch normalisation.
        "epsilon": 1e-3,
        "epochs": 1,
    }


def _request(program: StackProgram, width: int, seed: int) -> FitRequest:
    import numpy as np

    recipe = program.recipe
    rng = np.random.default_rng(seed)
    task: Task = "classification"
    n_classes = 2
    y: NDArray[Any] = rng.integers(0, 2, N_ROWS)
    if recipe.loss == "mean_squared_error":
        task, n_classes, y = "regression", 0, rng.normal(size=N_ROWS)
    elif recipe.loss == "sparse_categorical_crossentropy":
        n_classes, y = 3, rng.integers(0, 3, N_ROWS)
    params: dict[str, Any] = {
        "hidden_layers": recipe.n_hidden,
        "units": width,
        "activation": recipe.activation if recipe.n_hidden else "relu",
        "batch_norm": recipe.batch_norm,
        "output_activation": (
            recipe.output_activation if task == "regression" else "linear"
        ),
        "optimizer": recipe.optimizer,
        "nesterov": recipe.nesterov,
        "batch_size": BATCH_SIZE,
        **_calm(penalised=recipe.has_penalty),
    }
    weight = rng.uniform(0.5, 1.5, N_ROWS) if recipe.weighted else None
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    return FitRequest(params, X, y, task, n_classes, seed, weight)


def _trained_by_keras(
    member: Member,
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Train the stock model of a member on the member's own batches.

    Returns:
        Its weights before and after.
    """
    import keras

    request = member.request
    # JAX would compile every operation of an eager step by itself, hundreds of them.
    eagerly = keras.backend.backend() != "jax"
    # The member has trained: a new one of the same request deals the same batches.
    fresh = Checked(request)
    model = compiled(fresh, eagerly=eagerly, metrics=())
    if not eagerly:
        model.jit_compile = False
        model.train_step = jitted_for_little_use(model.train_step)
    before = model.get_weights()
    dealt, counts = fresh.next_batches(0), fresh.counts()
    y = targets(request)
    # Batch normalisation looks at rows of weight zero too.
    of_one_size = not eagerly and not member.architecture.batch_norm
    for rows, count in zip(dealt[:N_STEPS], counts, strict=False):
        batch = rows if of_one_size else rows[: int(count)]
        weight = _weights(request, batch, int(count))
        model.train_on_batch(
            request.X[batch].astype("float32"), y[batch], sample_weight=weight
        )
    return before, model.get_weights()


def _weights(request: FitRequest, batch: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the weights of a batch of which only the first ``count`` rows are meant.

    Keras divides by the rows of a batch, those of weight zero too. So a batch that is
    filled up is as good as one of its own size, which JAX would compile for anew.
    """
    import numpy as np

    weight = np.ones(len(batch), "float32")
    if request.sample_weight is not None:
        weight = request.sample_weight[batch].astype("float32")
    weight[count:] = 0
    return weight * np.float32(len(batch) / count)


def compiled(member: Member, *, eagerly: bool, metrics: Sequence[str]) -> Any:
    """Return the stock Keras model of a member, with its initial weights, compiled."""
    import keras

    settings, network = member.settings, member.architecture
    model = build(
        network,
        dropout=settings.dropout,
        l1=settings.l1,
        l2=settings.l2,
        initializer="zeros",
    )
    layers = kernels(model)
    shapes = [tuple(kernel.shape) for kernel in layers]
    drawn = draw_kernels(shapes, settings.initializer, member.seed)
    for kernel, value in zip(layers, drawn, strict=True):
        kernel.assign(value)
    optimizer = keras.optimizers.get(
        {"class_name": settings.optimizer, "config": optimizer_options(settings)}
    )
    model.compile(
        optimizer=optimizer,
        loss=network.loss,
        metrics=list(metrics),
        run_eagerly=eagerly,
        # JAX has no other way to compile a step; TensorFlow has graphs.
        jit_compile=keras.backend.backend() == "jax" and not eagerly,
    )
    return model


def optimizer_options(settings: Settings) -> Params:
    """Return what Keras' own optimizer is made with."""
    options = {name: getattr(settings, name) for name in options_of(settings.optimizer)}
    return {name: value for name, value in options.items() if value is not None}


def targets(request: FitRequest) -> NDArray[Any]:
    """Return targets in the form that Keras' losses take."""
    if request.task == "classification" and request.n_classes > 2:
        return request.y
    column: NDArray[Any] = request.y.reshape(len(request.y), -1).astype("float32")
    return column
