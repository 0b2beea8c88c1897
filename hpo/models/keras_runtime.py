"""How TensorFlow and Keras are brought up in a process: once, quietly, one thread.

It owns the environment they read and the noise they make. It trains nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

from hpo.errors import EngineError
from hpo.quiet import without_notices


@cache
def prepare() -> str:
    """Import TensorFlow and Keras as the Keras families need them; name the versions.

    The number of threads is fixed here, from HPO_THREADS (default 1): results may
    depend on it, so it never follows the number of cores.

    Raises:
        EngineError: Keras runs on another backend, or HPO_THREADS is no number.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        raise EngineError(
            "keras-mlp: expected Keras on tensorflow; got "
            f"{os.environ['KERAS_BACKEND']!r}; unset KERAS_BACKEND"
        )
    n_threads = _n_threads()
    with without_notices():
        import keras
        import tensorflow as tf

        # TensorFlow that has run before in this process keeps the threads it has.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(n_threads)
            tf.config.threading.set_inter_op_parallelism_threads(n_threads)
        tf.zeros(1)  # brings the devices up, notices included
    return f"keras {keras.__version__} tensorflow {tf.__version__} epoch-program"


def _n_threads() -> int:
    given = os.environ.get("HPO_THREADS", "1")
    if not given.isdecimal() or int(given) < 1:
        raise EngineError(
            f"HPO_THREADS: expected a whole number, at least 1; got {given!r}"
        )
    return int(given)
