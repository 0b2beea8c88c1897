"""How Keras and its backend are brought up in a process: once, quietly, one thread.

It owns the environment they read and the noise they make. It trains nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from multiprocessing import parent_process

from hpo.errors import EngineError
from hpo.models.put_off import put_off
from hpo.quiet import without_notices

BACKENDS = ("tensorflow", "jax")


@cache
def prepare() -> str:
    """Import Keras and its backend as the Keras families need them; name the versions.

    The backend is the one that KERAS_BACKEND names (default tensorflow). The number of
    threads is fixed here, from HPO_THREADS (default 1): results may depend on it, so it
    never follows the number of cores.

    Raises:
        EngineError: KERAS_BACKEND names another backend, or one that is not installed,
            or HPO_THREADS is no number.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend not in BACKENDS:
        raise EngineError(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)}; got {backend!r}; "
            "unset it"
        )
    n_threads = _n_threads()
    with without_notices(), put_off(*_seldom_used(backend)):
        version = _bring_up_jax() if backend == "jax" else _bring_up(n_threads)
        import keras
    return f"keras {keras.__version__} {backend} {version}"


def _seldom_used(backend: str) -> tuple[str, ...]:
    """Return what comes along with Keras, seldom used and a quarter of its time."""
    if parent_process() is None:
        return ()  # not a worker: another thread may be importing them
    drawing = ("matplotlib", "matplotlib.pyplot")
    return drawing if backend == "jax" else (*drawing, "jax")


def _bring_up(n_threads: int) -> str:
    import tensorflow as tf

    # TensorFlow that has run before in this process keeps the threads it has.
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    tf.zeros(1)  # brings the devices up, notices included
    return str(tf.__version__)


def _bring_up_jax() -> str:
    try:
        import jax
    except ModuleNotFoundError as error:
        raise EngineError(
            "backend jax: expected JAX to be installed; got none; "
            "install it with: pip install 'hpo[jax]'"
        ) from error
    jax.numpy.zeros(1).block_until_ready()
    return str(jax.__version__)


def _n_threads() -> int:
    given = os.environ.get("HPO_THREADS", "1")
    if not given.isdecimal() or int(given) < 1:
        raise EngineError(
            f"HPO_THREADS: expected a whole number, at least 1; got {given!r}"
        )
    return int(given)
