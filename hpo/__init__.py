"""Hyperparameter optimisation for neural networks, judged by k-fold cross-validation.

The names below are the whole public surface; each is imported when it is first used, so
that ``import hpo`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.api.asking import create_study
    from hpo.api.comparing import compare, compare_strategies
    from hpo.api.optimizing import optimize
    from hpo.api.running import run
    from hpo.api.search_cv import SearchCV
    from hpo.api.study import Study, load_study
    from hpo.errors import HpoError, TrialError
    from hpo.evaluation.objective import Fold
    from hpo.export import ExportedModel, load_model
    from hpo.records import Trial
    from hpo.space import Categorical, Float, Int, Space

__all__ = [
    "Categorical",
    "ExportedModel",
    "Float",
    "Fold",
    "HpoError",
    "Int",
    "SearchCV",
    "Space",
    "Study",
    "Trial",
    "TrialError",
    "__version__",
    "compare",
    "compare_strategies",
    "create_study",
    "load_model",
    "load_study",
    "optimize",
    "run",
]
__version__ = "0.1.0"

_HOMES = {
    "Categorical": "hpo.space",
    "ExportedModel": "hpo.export",
    "Float": "hpo.space",
    "Fold": "hpo.evaluation.objective",
    "HpoError": "hpo.errors",
    "Int": "hpo.space",
    "SearchCV": "hpo.api.search_cv",
    "Space": "hpo.space",
    "Study": "hpo.api.study",
    "Trial": "hpo.records",
    "TrialError": "hpo.errors",
    "compare": "hpo.api.comparing",
    "compare_strategies": "hpo.api.comparing",
    "create_study": "hpo.api.asking",
    "load_model": "hpo.export",
    "load_study": "hpo.api.study",
    "optimize": "hpo.api.optimizing",
    "run": "hpo.api.running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hpo' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
