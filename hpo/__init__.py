"""Hyperparameter optimisation for neural networks, judged by k-fold cross-validation.

The names below are the whole public surface; each is imported when it is first used, so
that ``import hpo`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.errors import HpoError
    from hpo.space import Categorical, Float, Int, Space

__all__ = ["Categorical", "Float", "HpoError", "Int", "Space", "__version__"]
__version__ = "0.1.0"

_HOMES = {
    "Categorical": "hpo.space",
    "Float": "hpo.space",
    "HpoError": "hpo.errors",
    "Int": "hpo.space",
    "Space": "hpo.space",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hpo' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
