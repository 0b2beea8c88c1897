"""Versions of what trained a model, and how they differ from those that load it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

ALWAYS = ("hpo", "numpy", "pandas", "scikit-learn", "skops")
UNKNOWN = "unknown"


def versions_of(*, keras: bool, backend: str) -> dict[str, str]:
    """Return the version of each package that has a part in predictions.

    Args:
        keras: Whether the model is a network of Keras.
        backend: What computes under it.
    """
    names = [*ALWAYS, *(["keras", backend] if keras else [])]
    return {
        "python": platform.python_version(),
        **{name: installed(name) for name in names},
    }


def installed(name: str) -> str:
    """Return the version of a package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def version_warnings(stored: Any) -> list[str]:
    """Say which packages are of another major or minor version than at the export.

    Args:
        stored: The versions by package, as ``model.json`` has them.
    """
    if not isinstance(stored, Mapping):
        return []
    now = {name: installed(name) for name in stored if name != "python"}
    now["python"] = platform.python_version()
    other = [
        f"{name} {was} (here {now[name]})"
        for name, was in stored.items()
        if name != "hpo" and _minor(str(was)) != _minor(now[name])
    ]
    if not other:
        return []
    return [
        f"the model was exported with {', '.join(other)}; predictions may differ a "
        "little, and if it fails, install those versions"
    ]


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
