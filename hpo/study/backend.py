"""What computes under Keras: whether it is installed, and what its processes read.

The study decides, not the shell that it is started from: every process that imports
Keras or code of the user's gets these variables before it does. Nothing is imported
here but metadata.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

JAX = "jax"
"""The backend that is an extra; the other one comes with hpo."""


def why_missing(backend: str) -> str | None:
    """Say that a backend is not installed and how to get it, or None."""
    if backend != JAX:
        return None
    try:
        metadata.version(JAX)
    except metadata.PackageNotFoundError:
        return (
            "expected jax to be installed, and it is not; install it with "
            "pip install 'hpo[jax]', or leave engine.backend out to use tensorflow"
        )
    return None


def variables(backend: str, threads: int) -> Mapping[str, str]:
    """Return the variables of processes that import Keras for a study.

    What the user has set for JAX (its cache, its memory, JAX_PLATFORMS) stays; the
    backend never comes from outside.

    Args:
        backend: Of the study.
        threads: Of one worker.
    """
    found = {"KERAS_BACKEND": backend}
    if backend == JAX:
        usual = _of_jax(threads)
        found |= {name: os.environ.get(name, value) for name, value in usual.items()}
    return found


def _of_jax(threads: int) -> dict[str, str]:
    # A cached program may be split for the threads it was compiled with, which JAX's
    # cache keys do not tell: each number of threads has programs of its own.
    cache = _cache_folder() / "hpo" / "jax" / f"threads-{threads}"
    return {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        # Several workers share a GPU: none may take most of it at its start.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


def _cache_folder() -> Path:
    """Return the user's cache folder; a relative one is to be ignored.

    Source: XDG Base Directory Specification, https://specifications.freedesktop.org.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"
