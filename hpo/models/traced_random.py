"""Random numbers of networks that are stacked by TensorFlow, drawn without a loop.

`tf.vectorized_map` knows no way to draw for several seeds at once, and draws for one
after the other in a loop of the graph, which takes longer than the numbers themselves.
Here the operation is put into the graph once for each network: the same numbers, since
each comes from its own seed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

OPERATIONS = (
    "StatelessRandomGetKeyCounter",
    "StatelessRandomUniformV2",
    "StatelessRandomNormalV2",
)
"""What Keras draws dropout and noise with."""


@cache
def draw_without_loops() -> None:
    """Teach `tf.vectorized_map` to draw; without effect where it is made otherwise.

    Source:
        TensorFlow 2.21, tensorflow/python/ops/parallel_for/pfor.py, which is not
        public: what is missing or known there already is left as it is.
    """
    try:
        from tensorflow.python.ops.parallel_for import pfor
    except ImportError:
        return
    known = getattr(pfor, "_pfor_converter_registry", None)
    if not isinstance(known, dict) or not hasattr(pfor, "wrap"):
        return
    for operation in OPERATIONS:
        known.setdefault(operation, _unrolled)


def _unrolled(given: Any) -> list[Any]:
    """Return the outputs of an operation for each iteration, stacked."""
    import tensorflow as tf
    from tensorflow.python.ops.parallel_for import pfor

    n_networks = tf.get_static_value(given.pfor.loop_len_vector)
    if n_networks is None:
        fallback: list[Any] = pfor._fallback_converter(given)
        return fallback
    graph = tf.compat.v1.get_default_graph()
    drawn = [
        graph.create_op(
            given.op_type,
            [each.t[at] if each.is_stacked else each.t for each in given.inputs],
            [output.dtype for output in given.outputs],
            attrs=given._op.node_def.attr,
        ).outputs
        for at in range(int(n_networks[0]))
    ]
    return [pfor.wrap(tf.stack(each)) for each in zip(*drawn, strict=True)]
