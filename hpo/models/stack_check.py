"""Whether a program does what Keras does, found out before it is first used.

A few steps of a tiny stack are compared with Keras' own `train_on_batch` on the same
rows: a change in a library can then cost time, but no wrong score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo.models.builder_keras import options_of
from hpo.models.builder_progress import METRIC
from hpo.models.family import FitRequest
from hpo.models.keras_network import build, draw_kernels, kernels
from hpo.models.settings import Settings
from hpo.models.stack_backend import Backend
from hpo.models.stack_member import Member
from hpo.models.stack_program import StackProgram
from hpo.models.stack_training import StackTraining
from hpo.records import Params, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Far above rounding (1e-6) and far below what a wrong formula does."""

N_ROWS, BATCH_SIZE, N_FEATURES = 45, 16, 4
"""Batch normalisation over fewer rows multiplies rounding in deep networks."""

MAX_HIDDEN = 8
MAX_STEPS, MAX_NUMBERS = 64, 2**22
"""Of an epoch, and of all features: larger networks are checked by small ones."""


def mismatch(
    program: StackProgram,
    backend: Backend,
    wanted: Sequence[Member] = (),
    room: int | None = None,
) -> str | None:
    """Compare one epoch of a few steps, the last one partial, with Keras' own.

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
        None if all weights agree; else what differs, in words.
    """
    import numpy as np

    if program.recipe.n_hidden > MAX_HIDDEN:
        recipe = replace(program.recipe, n_hidden=MAX_HIDDEN)
        program, wanted = StackProgram(recipe, backend), ()
    if backend.compiles_sizes and _are_small(wanted):
        members = _noise_like(wanted)
    else:
        members = [Member(_request(program, *size)) for size in SIZES]
    StackTraining(members, program, backend, room).run()
    for member in members:
        if member.error is not None:
            return f"its self-check failed: {member.error}"
    for member in members[: n_compared()]:
        expected = _trained_by_keras(member)
        worst = max(
            float(np.abs(ours - theirs).max())
            for ours, theirs in zip(member.weights, expected, strict=True)
        )
        if not worst <= TOLERANCE:
            return f"its self-check found weights {worst:.1g} away from Keras' own"
    return None


SIZES = ((9, 0), (14, 1))
"""Neurons per layer and seed of the networks of the stack."""


def n_compared() -> int:
    """Return how many of them Keras trains too: one where it compiles for seconds."""
    import keras

    return 1 if keras.backend.backend() == "jax" else len(SIZES)


def _are_small(members: Sequence[Member]) -> bool:
    """Tell whether so many networks are trained for an epoch in next to no time."""
    n_numbers = sum(member.request.X.size for member in members)
    return 0 < n_numbers <= MAX_NUMBERS and members[0].n_steps <= MAX_STEPS


def _noise_like(members: Sequence[Member]) -> list[Member]:
    """Return networks of the same sizes on noise, to be trained calmly.

    Folds that share rows share noise, so that there are as many rows in all.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    tables = {id(member.request.X): member.request.X for member in members}
    noise = {key: rng.normal(size=X.shape) for key, X in tables.items()}
    calm: list[Member] = []
    for member in members:
        request, settings = member.request, member.settings
        X = noise[id(request.X)]
        y = request.y
        if request.task == "regression":
            y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1.0)
        penalised = settings.l1 > 0 or settings.l2 > 0
        params = {
            **request.params,
            **_calm(penalised=penalised),
            "learning_rate": 1e-3,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "rho": 0.9,
            "dropout": 0.0,
            "initializer": "glorot_uniform",
        }
        request = replace(request, params=params, X=X, y=y)
        calm.append(Member(request, member.backend))
    return calm


def _calm(*, penalised: bool) -> dict[str, Any]:
    """Return settings with which rounding stays rounding for a few steps."""
    return {
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
        "learning_rate": 0.01,
        "batch_size": BATCH_SIZE,
        **_calm(penalised=recipe.has_penalty),
    }
    weight = rng.uniform(0.5, 1.5, N_ROWS) if recipe.weighted else None
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    return FitRequest(params, X, y, task, n_classes, seed, weight)


def _trained_by_keras(member: Member) -> list[NDArray[Any]]:
    """Train the stock model of a member on the member's own batches."""
    import keras
    import numpy as np

    request = member.request
    # JAX would compile every operation of an eager step by itself, hundreds of them.
    eagerly = keras.backend.backend() != "jax"
    # The member has trained: a new one of the same request deals the same batches.
    fresh = Member(request)
    model = compiled(fresh, eagerly=eagerly)
    dealt, counts = fresh.next_batches(0), fresh.counts()
    y = targets(request)
    # Batch normalisation looks at rows of weight zero too.
    of_one_size = not eagerly and not member.architecture.batch_norm
    for rows, count in zip(dealt, counts, strict=True):
        batch = rows if of_one_size else rows[: int(count)]
        weight = _weights(request, batch, int(count))
        model.train_on_batch(
            request.X[batch].astype("float32"), y[batch], sample_weight=weight
        )
    return [np.asarray(weight) for weight in model.get_weights()]


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


def compiled(member: Member, *, eagerly: bool = True) -> Any:
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
        metrics=[METRIC[member.request.task]],
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
