"""Names and values between a study and a hypermodel: which of them are whose.

A hypermodel's hyperparameters keep their names, but for those that mean something in
every study. It knows no Keras, and calls nothing of the user's.
"""

from __future__ import annotations

from hpo.models.vocabulary import PIPELINE
from hpo.records import Params, ParamValue
from hpo.space.keras_tuner_reading import original_values
from hpo.user_code import KERAS_TUNER

SEED = "random_state"
SETTINGS = ("epochs", "batch_size", "patience")
"""Hyperparameters of training that a study may add to those of the hypermodel."""

RESERVED = (*PIPELINE, SEED, "patience")
"""A hypermodel's own of such a name has ``hp:`` in front in the study.

Its ``epochs`` and ``batch_size`` keep their names: they mean what ours do.
"""

OWN_NAMES = (*PIPELINE, SEED, *SETTINGS)
"""Hyperparameters that a study of a hypermodel may have besides the hypermodel's."""


def hypermodel_name(name: str) -> str:
    """Return ``module:name`` of a family.

    Example:
        >>> hypermodel_name("keras_tuner:mine:build")
        'mine:build'
    """
    return name.removeprefix(f"{KERAS_TUNER}:")


def values_of(params: Params) -> dict[str, ParamValue]:
    """Return ``hp.values``: what the hypermodel is given, under its own names."""
    return original_values({n: v for n, v in params.items() if n not in RESERVED})
