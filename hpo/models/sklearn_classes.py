"""The classes of scikit-learn that can be families: found by path, and told apart.

It imports nothing outside scikit-learn, and no private or test module of it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from functools import cache
from typing import Any

from hpo.errors import Problem, SpecError, near_match

_DOTTED = re.compile(r"sklearn(\.[A-Za-z][A-Za-z0-9_]*)+")
_NO_MODELS = ("conftest", "externals", "tests")


def find_class(name: str) -> Any:
    """Return the estimator class of this import path, a public one of scikit-learn.

    Raises:
        SpecError: It is not there, no classifier or regressor, or needs arguments.
    """
    from sklearn.base import BaseEstimator

    parts = name.split(".")
    if not _DOTTED.fullmatch(name) or any(part in _NO_MODELS for part in parts):
        raise _refused(f"expected sklearn.<module>.<class>; got {name!r}")
    module = _find_module(".".join(parts[:-1]), name)
    found = getattr(module, parts[-1], None)
    if found is None:
        hint = near_match(parts[-1], _models_in(module))
        raise _refused(f"{module.__name__} has no class {parts[-1]!r}{hint}")
    if not (inspect.isclass(found) and issubclass(found, BaseEstimator)):
        raise _refused(f"{name} is not an estimator class")
    needed = [
        parameter.name
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
    ]
    if needed:
        raise _refused(
            f"{name} needs {', '.join(needed)}, which a study file cannot give; name "
            "the estimator itself, or write a builder in Python"
        )
    if not _is_model(found) or inspect.isabstract(found):
        raise _refused(f"{name} is neither a classifier nor a regressor")
    return found


def _find_module(path: str, name: str) -> Any:
    import sklearn

    try:
        return importlib.import_module(path)
    except ImportError:
        known = [f"sklearn.{module}" for module in sklearn.__all__]
        hint = near_match(path, known)
        raise _refused(
            f"scikit-learn has no module {path!r}, named by {name!r}{hint}"
        ) from None


def _is_model(found: object) -> bool:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    return (
        inspect.isclass(found)
        and issubclass(found, BaseEstimator)
        and issubclass(found, ClassifierMixin | RegressorMixin)
        and found.__module__.startswith("sklearn.")
    )


def is_classifier(found: Any) -> bool:
    """Say whether this class of `find_class` is a classifier, not a regressor."""
    from sklearn.base import ClassifierMixin

    return issubclass(found, ClassifierMixin)


@cache
def takes_several_targets(found: Any) -> bool:
    """Say whether a regressor can be trained on two targets, by trying it if in doubt.

    The tag says yes reliably; where it says no, as of `MLPRegressor`, some can.
    """
    import numpy as np

    if found().__sklearn_tags__().target_tags.multi_output:
        return True
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 3)), rng.random((40, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(np.shape(found().fit(X, y).predict(X)) == y.shape)
        except (ValueError, TypeError):
            return False


def _models_in(module: Any) -> list[str]:
    return [name for name in dir(module) if _is_model(getattr(module, name, None))]


def counterpart(found: Any, name: str, wanted: str) -> str:
    """Suggest the class of the ``wanted`` kind in the same module, if names agree."""
    path, _, own = name.rpartition(".")
    module = importlib.import_module(path)
    others = [
        other
        for other in _models_in(module)
        if is_classifier(getattr(module, other)) == (wanted == "classifier")
    ]
    stem = re.sub(r"(Classifier|Regressor|C|R)$", "", own)
    for suffix in ("Classifier", "Regressor", "C", "R"):
        if stem + suffix in others:
            return f"; did you mean '{path}.{stem}{suffix}'?"
    return ""


def _refused(what: str) -> SpecError:
    return SpecError([Problem("model", what)])
