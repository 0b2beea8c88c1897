"""A Keras optimizer as a pure function of its variables, on every backend.

Keras has that as ``stateless_apply``, but not on TensorFlow, whose optimizers update
`tf.Variable` objects on the spot. Here a copy of such an optimizer is made that does
what Keras' own base class does. It owns nothing else.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def functional(optimizer: Any) -> Any:
    """Return an optimizer of equal settings whose ``stateless_apply`` works.

    Args:
        optimizer: Of a compiled model; it is not changed.

    Returns:
        A new one, not built yet.
    """
    import keras

    kind: Any = type(optimizer)
    if keras.backend.backend() == "tensorflow":
        kind = _functional(kind)
    return kind.from_config(optimizer.get_config())


@cache
def _functional(kind: Any) -> Any:
    """Derive a class from that of an optimizer on TensorFlow.

    What the backend overrides is put back between ``kind`` and the backend's class, so
    that what ``kind`` itself overrides (as Nadam does) still comes first.

    Source:
        Keras 3.15, keras/src/optimizers/base_optimizer.py and
        keras/src/backend/tensorflow/optimizer.py; neither is public.
    """
    import keras
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    names = (
        "add_variable_from_reference",
        "assign",
        "assign_add",
        "assign_sub",
        "stateless_apply",
        "_apply_weight_decay",
        "_backend_update_step",
        "_overwrite_model_variables_with_average_value",
        "_var_key",
    )
    base = type(
        "Functional",
        (keras.optimizers.Optimizer,),
        {name: vars(BaseOptimizer)[name] for name in names},
    )
    return type(kind.__name__, (kind, base), {})
