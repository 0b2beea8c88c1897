"""Which Keras models train in programs of our own, and which of them in the same one.

Everything is read from the model that was built. It compiles and trains nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator
from typing import Any

from hpo.models.traced_step import Batch

OWN_METHODS = (
    "fit",
    "evaluate",
    "train_step",
    "test_step",
    "train_on_batch",
    "make_train_function",
    "make_test_function",
    "compute_loss",
    "compute_metrics",
    "reset_metrics",
    "get_metrics_result",
    "stateless_call",
)
"""Methods of a model that ``fit`` would call; a program has Keras' own in it."""

STACKED_LAYERS = (
    "Sequential",
    "Functional",
    "InputLayer",
    "Dense",
    "Embedding",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "PReLU",
    "Softmax",
    "Dropout",
    "GaussianNoise",
    "BatchNormalization",
    "LayerNormalization",
    "UnitNormalization",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Reshape",
    "Rescaling",
    "Add",
    "Average",
    "Concatenate",
    "Maximum",
    "Multiply",
    "Subtract",
)
"""Layers of networks that gain by being stacked."""

STACKED_WEIGHTS = 60_000
"""Networks with more of them gain nothing: each step has work enough as it is."""

NO_SETTINGS = (
    "_tracker",
    "_layers",
    "_inbound_nodes",
    "_outbound_nodes",
    "_trainable_variables",
    "_non_trainable_variables",
    "_trainable_variables_indices",
)
"""Attributes of layers and optimizers that hold the network, not what it is like."""


def why_fit(model: Any) -> str | None:
    """Say why a compiled model has to be trained by ``fit``; None if it need not."""
    if (name := own_method(model)) is not None:
        return f"custom {name}"
    if model.run_eagerly:
        return "run_eagerly"
    if not model.trainable_variables:
        return "nothing to train"
    if any(_is_mixed(layer) for layer in model._flatten_layers()):
        return "mixed precision"
    if any(getattr(layer, "stateful", False) for layer in model._flatten_layers()):
        return "stateful layer"
    return _why_not_optimizer(model.optimizer)


def why_alone(model: Any) -> str | None:
    """Say why a model is not stacked with equal ones; None if it may be.

    `benchmarks/keras_cv/builders.py` measures what networks gain by it, those included
    that are not stacked.

    Args:
        model: Compiled, and one that `why_fit` does not object to.
    """
    for layer in model._flatten_layers():
        if _is_users(type(layer)):
            return f"{type(layer).__name__} is a layer of your own"
        if type(layer).__name__ not in STACKED_LAYERS:
            return f"{type(layer).__name__} layers are not stacked"
    if n_trainable(model) > STACKED_WEIGHTS:
        return "large networks gain nothing in a stack"
    return None


def n_trainable(model: Any) -> int:
    """Count the numbers that training changes."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def own_method(model: Any) -> str | None:
    """Return the first of `OWN_METHODS` that is not Keras' own; None if all are."""
    for name in OWN_METHODS:
        if name in vars(model) or _is_users(_owner(type(model), name)):
            return name
    return None


def _why_not_optimizer(optimizer: Any) -> str | None:
    if _is_users(type(optimizer)):
        return "custom optimizer"
    if getattr(optimizer, "_exclude_from_weight_decay", None) or getattr(
        optimizer, "_exclude_from_weight_decay_pattern", None
    ):
        return "exclude_from_weight_decay"  # its config does not tell
    if getattr(optimizer, "use_ema", False):
        return "use_ema"
    if getattr(optimizer, "gradient_accumulation_steps", None):
        return "gradient accumulation"
    if getattr(optimizer, "loss_scale_factor", None) or hasattr(
        optimizer, "inner_optimizer"
    ):
        return "loss scaling"
    return None


def key_of(model: Any, batch: Batch, built_from: Hashable) -> Hashable:
    """Return what two models share only if one program can train both.

    The learning rate, seeds and weights are data of a program and no part of it.

    Args:
        model: Compiled and built, a new session of Keras having named its layers.
        batch: A few rows as it gets them.
        built_from: What the user's code was called with. Code of the user's inside of
            a model is only known to be the same if this is.
    """
    import keras

    try:
        described = [model.get_config(), model.get_compile_config()]
        users_own = _is_users(type(model)) or any(map(_is_users_part, described))
        if not users_own:
            described = [_without_data(part) for part in described]
            described += list(_settings(model))
        text = json.dumps(described, sort_keys=True, default=str)
    except (NotImplementedError, TypeError, ValueError):
        users_own, text = True, ""
    shapes = tuple(
        (tuple(v.shape), v.dtype)
        for v in (*model.trainable_variables, *model.non_trainable_variables)
    )
    rows = tuple(
        None if end is None else (end.shape[1:], str(end.dtype))
        for part in batch
        for end in (part if isinstance(part, list) else [part])
    )
    return (
        keras.backend.backend(),
        type(model).__qualname__,
        text,
        len(model.trainable_variables),
        shapes,
        rows,
        built_from if users_own or _learns_from_data(model) else None,
    )


def _settings(model: Any) -> Iterator[Any]:
    """Yield what the parts of a model hold; configs leave some of it out.

    Keras 3.15 does not tell the ``delta`` of a Huber loss, for one.
    """
    seen: set[int] = set()
    parts = (*model._flatten_layers(), model._compile_loss, model._compile_metrics)
    for part in (*parts, model.optimizer):
        yield type(part).__name__, list(_held(part, seen))


def _held(part: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the plain values inside of an object of Keras, and of those in it."""
    import keras

    if id(part) in seen or not hasattr(part, "__dict__"):
        return
    seen.add(id(part))
    kinds = (
        keras.losses.Loss,
        keras.metrics.Metric,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    for name, value in sorted(vars(part).items()):
        if "seed" in name or name in NO_SETTINGS:
            continue
        for leaf in _leaves(value):
            if leaf is None or isinstance(leaf, bool | int | float | str):
                yield name, leaf
            elif isinstance(leaf, keras.Layer | keras.Variable | keras.KerasTensor):
                continue  # a layer speaks for itself; the others are data
            elif callable(leaf) and hasattr(leaf, "__qualname__"):
                yield name, leaf.__qualname__
            elif isinstance(leaf, kinds):
                yield name, type(leaf).__name__, list(_held(leaf, seen))


def _leaves(value: Any, depth: int = 4) -> Iterator[Any]:
    if type(value) is dict:
        value = [each for pair in value.items() for each in pair]
    if type(value) not in (list, tuple):
        yield value
    elif depth:
        for each in value:
            yield from _leaves(each, depth - 1)


def _learns_from_data(model: Any) -> bool:
    """Tell whether a layer may hold what it learned of data, outside of its config."""
    return any(hasattr(layer, "adapt") for layer in model._flatten_layers())


def _is_mixed(layer: Any) -> bool:
    policy = getattr(layer, "dtype_policy", None)
    return policy is not None and policy.compute_dtype != policy.variable_dtype


def _owner(kind: type, name: str) -> type:
    for base in kind.__mro__:
        if name in vars(base):
            return base
    return object


def _is_users(kind: type) -> bool:
    return kind.__module__.partition(".")[0] not in ("keras", "builtins")


def _is_users_part(config: Any) -> bool:
    """Tell whether a config names a class or function that is not Keras' own."""
    return any(
        str(part.get("module") or "keras").partition(".")[0] != "keras"
        or part.get("class_name") in ("function", "__lambda__")
        for part in _objects(config)
    )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every serialized object inside of a config."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _objects(value)


def _without_data(config: Any) -> Any:
    if isinstance(config, dict):
        return {
            name: _without_data(value)
            for name, value in config.items()
            if name != "seed"
            and not (name == "learning_rate" and isinstance(value, int | float))
        }
    if isinstance(config, list | tuple):
        return [_without_data(value) for value in config]
    return config
