"""Would the networks of builders gain from being stacked, as those of `keras-mlp` are?

hpo trains them one after the other, in a program that they share. Here the same steps
are trained in a stack as well, by `tf.vectorized_map` and `jax.vmap`: all networks of a
group take every step at once. The stack is the best that could be had: no early
stopping, no check, rows cut so that the last batch is full. Both sides have one core in
a process that lives on. Five networks are the folds of a trial, and what a trial of a
new architecture trains; more come together only where trials differ in nothing but the
learning rate and the seed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import shared
from shared import common

SIZES = (5, 10, 20, 40)
CASES = {"dense": 0.0, "dense, dropout": 0.2}
"""Networks by name, with their dropout rate."""
BUILDER = "network:layered"


def hpo_groups(
    case: str, sizes: Sequence[int], epochs: int, seed: int
) -> dict[str, float]:
    """Train groups as hpo does, each twice; return the seconds of what was trained."""
    family, params = shared.family(BUILDER), params_of(case, epochs)
    folds = full_batches(params, seed)
    shared.train(family, [(params | {"units": 24, "epochs": 2}, folds[0])], seed)
    seconds = {}
    for size in sizes:
        group = [(params, folds[n % len(folds)]) for n in range(size)]
        for state in states(size, sizes):
            seconds[f"{size}, {state}"], _, engine = shared.train(family, group, seed)
            if not engine.endswith(" scan"):
                raise RuntimeError(f"expected scan; got {engine}")
    return seconds


def stacked_groups(
    case: str, sizes: Sequence[int], epochs: int, seed: int
) -> dict[str, float]:
    """Train the same groups in stacks; return the seconds of what was trained."""
    params = params_of(case, epochs)
    folds = full_batches(params, seed)
    stacked(params | {"units": 24, "epochs": 2}, folds[:1], {})
    seconds = {}
    programs: dict[str, Any] = {}
    for size in sizes:
        group = [folds[n % len(folds)] for n in range(size)]
        for state in states(size, sizes):
            started = time.perf_counter()
            stacked(params, group, programs)
            seconds[f"{size}, {state}"] = time.perf_counter() - started
    return seconds


def states(size: int, sizes: Sequence[int]) -> tuple[str, ...]:
    """Name the runs of a group; larger ones than the first find a program."""
    return ("new", "warm", "again") if size == sizes[0] else ("untimed", "warm")


def params_of(case: str, epochs: int) -> dict[str, Any]:
    return shared.NETWORK | {"drop": CASES[case], "epochs": epochs}


def full_batches(params: dict[str, Any], seed: int) -> list[shared.Fold]:
    """Return the folds of the digits with as many rows each as fill batches."""
    folds, size = shared.digits(seed), params["batch_size"]
    n_rows = min(len(fold[0]) for fold in folds) // size * size
    return [(X[:n_rows], y[:n_rows], *rest) for X, y, *rest in folds]  # type: ignore[misc]


def stacked(
    params: dict[str, Any], folds: Sequence[shared.Fold], programs: dict[str, Any]
) -> list[float]:
    """Train one network a fold, all at once; return the accuracies."""
    import keras
    import network
    import numpy as np

    from hpo.models.traced_program import backend_module
    from hpo.models.traced_step import Batch, State, Step

    backend, models, orders = backend_module(), [], []
    for index, (X, y, _, _) in enumerate(folds):
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(index)
        model = network.layered_of(params, X.shape[1:], len(set(y.tolist())))
        model.compile(
            optimizer=keras.optimizers.Adam(params["learning_rate"]),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        models.append(model)
        orders.append(backend.orders(len(X), params["epochs"]))
    if "step" not in programs:
        few = Batch(folds[0][0][:2].astype("float32"), folds[0][1][:2])
        programs["step"] = Step(models[0], few, backend.differentiate)
    step = programs["step"]
    key = f"{len(folds)} networks"
    if key not in programs:
        programs[key] = epoch_of(step, params["batch_size"])
    each = [step.state_of(model) for model in models]
    state = backend.on_device(
        State(*(stack_all(part) for part in zip(*each, strict=True)))
    )
    x = np.stack([fold[0] for fold in folds]).astype("float32")
    data = backend.on_device((x, np.stack([fold[1] for fold in folds])))
    metrics = backend.on_device(
        tuple(np.stack([value] * len(folds)) for value in step.fresh_metrics)
    )
    for order in zip(*orders, strict=True):
        state, logs = programs[key](state, metrics, *data, backend.on_device(order))
        keras.ops.convert_to_numpy(logs[0])  # as a loop that logs every epoch would
    scores = []
    for index, (_, _, X, y) in enumerate(folds):
        given = [*zip(models[0].trainable_variables, state.trainable, strict=True)]
        for variable, values in given:
            variable.assign(values[index])
        scores.append(float((np.argmax(models[0](X), axis=1) == y).mean()))
    return scores


def stack_all(parts: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """Stack the arrays of several networks, one after the other."""
    import numpy as np

    return tuple(np.stack(arrays) for arrays in zip(*parts, strict=True))


def epoch_of(step: Any, batch_size: int) -> Any:
    """Return a compiled epoch of a stack: (state, metrics, X, y, order) to the new."""
    import keras

    if keras.backend.backend() == "jax":
        return jax_epoch(step, batch_size)
    return tensorflow_epoch(step, batch_size)


def jax_epoch(step: Any, batch_size: int) -> Any:
    import jax
    import jax.numpy as jnp

    from hpo.models.traced_jax import _scanned
    from hpo.models.traced_step import Batch

    over_networks = jax.jit(jax.vmap(partial(_scanned, step.train)))

    def epoch(state: Any, metrics: Any, x: Any, y: Any, order: Any) -> Any:
        order = jnp.stack(order)
        rows = order.reshape(len(order), -1, batch_size)
        return over_networks(state, metrics, Batch(x, y), rows)

    return epoch


def tensorflow_epoch(step: Any, batch_size: int) -> Any:
    import tensorflow as tf

    from hpo.models.traced_step import Batch, State

    def one(given: Any) -> Any:
        return step.train(State(*given[0]), given[1], Batch(*given[2:]))

    def epoch(state: Any, metrics: Any, x: Any, y: Any, order: Any) -> Any:
        start = tf.nest.flatten((state, metrics))

        def body(at: Any, *tensors: Any) -> Any:
            state, metrics = tf.nest.pack_sequence_as((state_, metrics_), tensors)
            rows = order[:, at : at + batch_size]
            batch = (tf.gather(part, rows, batch_dims=1) for part in (x, y))
            found = tf.vectorized_map(one, (tuple(state), tuple(metrics), *batch))
            moved = tf.nest.flatten(found)
            return at + batch_size, *map(tf.ensure_shape, moved, shapes)

        state_, metrics_ = state, metrics
        shapes = [tensor.shape for tensor in start]
        _, *end = tf.while_loop(
            lambda at, *_: at < tf.shape(order)[1],
            body,
            (tf.constant(0), *start),
            parallel_iterations=1,
        )
        return tf.nest.pack_sequence_as((state, metrics), end)

    traced = tf.function(epoch, autograph=False)
    return lambda *given: traced(*given[:-1], tf.stack(given[-1]))


def variants(options: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for backend in ("tensorflow", "jax"):
        for case in CASES:
            for label, function in (
                ("one by one", hpo_groups),
                ("stacked", stacked_groups),
            ):

                def variant(
                    name: str = f"{backend}, {case}",
                    backend: str = backend,
                    case: str = case,
                    label: str = label,
                    function: Any = function,
                ) -> dict[str, float]:
                    arguments = {
                        "case": case,
                        "sizes": options.sizes,
                        "epochs": options.epochs,
                        "seed": options.seed,
                    }
                    (got,) = shared.together(
                        function, [arguments], backend=backend, pinned=True
                    )
                    return {f"{name}, {key}: {label}": s for key, s in got.items()}

                made[f"{backend}, {case}: {label}"] = variant
    return made


def main() -> None:
    parser = shared.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=shared.EPOCHS)
    options = parser.parse_args()
    options.sizes = list(SIZES)
    if options.quick:
        options.rounds, options.epochs, options.sizes = 1, 2, [2, 3]
    with common.scratch(options.folder) as folder:
        report, watch = shared.begin("builders", options, folder)
        times = shared.take_turns(variants(options), options.rounds)
    rows = []
    for row, seconds in times.rows.items():
        name, label = row.split(": ")
        if label != "one by one" or "untimed" in name:
            continue
        other = times.rows.get(f"{name}: stacked", [])
        gain = times.gain(f"{name}: stacked", row)
        rows.append([name, *map(shared.short, (seconds, other, gain))])
    head = [f"networks, {options.epochs} epochs", "one by one", "stacked", "x"]
    report.table(head, rows)
    shared.show_missing(report, times)
    shared.close(
        report,
        watch,
        options,
        "Seconds of a group of so many networks of 2 x 64 on the digits, from building "
        "them to their scores; new: nothing is compiled for them; warm: all of it is; "
        "again: warm once more (A/A). x: how many times faster a stack is.",
    )


if __name__ == "__main__":
    main()
