"""Families of models, found by the name that a study file gives them.

Importing this package imports no library of models; `get_family` imports scikit-learn
only for ``sklearn.<class>``, and TensorFlow comes in when a Keras network is trained.
"""

from __future__ import annotations

from hpo.errors import Problem, SpecError, near_match
from hpo.models.family import Family, FitRequest, Fitted, Predictor
from hpo.user_code import KERAS_TUNER, OBJECTIVE, Home, kind_of

__all__ = ["FAMILIES", "Family", "FitRequest", "Fitted", "Predictor", "get_family"]

FAMILIES = ("keras-mlp", "sklearn-mlp")
"""Names of the families besides ``sklearn.<class>``."""


def get_family(
    name: str, *, home: Home | None = None, backend: str = "tensorflow"
) -> Family:
    """Return the family that a study file calls ``name``.

    Args:
        name: Of a family, ``sklearn.<class>`` or ``module:function``.
        home: Where the module of a builder may be found; it is not imported yet.
        backend: What Keras runs on in workers.

    Raises:
        SpecError: There is none of this name, or it names a scikit-learn class that
            cannot be used. Nothing outside scikit-learn is imported to find out.
    """
    if name == "keras-mlp":
        from hpo.models.keras_mlp import KerasMlp

        return KerasMlp(backend)
    if name == "sklearn-mlp":
        from hpo.models.sklearn_mlp import SklearnMlp

        return SklearnMlp()
    if isinstance(name, str) and name.startswith("sklearn."):
        from hpo.models.sklearn_estimator import SklearnEstimator

        return SklearnEstimator(name)
    if isinstance(name, str) and kind_of(name) == OBJECTIVE:
        from hpo.models.objective import ObjectiveFamily

        return ObjectiveFamily(name, home or Home())
    if isinstance(name, str) and kind_of(name) == KERAS_TUNER:
        from hpo.models.keras_tuner_family import KerasTunerFamily

        return KerasTunerFamily(name, home or Home())
    if isinstance(name, str) and ":" in name:
        from hpo.models.builder import Builder

        return Builder(name, home or Home())
    expected = (
        f"expected one of {', '.join(FAMILIES)}, sklearn.<class> or module:function"
    )
    hint = near_match(name, FAMILIES)
    raise SpecError([Problem("model", f"{expected}; got {name!r}{hint}")])
