"""The search space and its hyperparameters."""

from hpo.space.cells import Cells
from hpo.space.conditions import MAX_REPEAT
from hpo.space.kinds import (
    Categorical,
    Float,
    Hyperparameter,
    Int,
    constant,
    describe,
)
from hpo.space.space import Space
from hpo.space.values import alike

__all__ = [
    "MAX_REPEAT",
    "Categorical",
    "Cells",
    "Float",
    "Hyperparameter",
    "Int",
    "Space",
    "alike",
    "constant",
    "describe",
]
