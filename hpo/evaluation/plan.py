"""What a worker is told: the study's plan once, and then the pairs to train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from hpo.records import Dataset, Params
from hpo.seeds import TRAIN
from hpo.user_code import Home

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """One fold of one trial: the smallest piece of work."""

    number: int
    fold: int
    params: Params


Group: TypeAlias = tuple[Pair, ...]
"""Pairs that one call of the family trains together."""


@dataclass(frozen=True)
class Plan:
    """What all folds of a study share; sent once to every worker.

    Args:
        family: Name of the family of models.
        data: The rows that may be trained on; the test part is not among them.
        folds: (training rows, validation rows) of each fold, positions in ``data``.
        seed: The study's seed.
        metric: The score.
        metrics: Other metrics to record.
        home: Where the code that the study file names may be found.
        purpose: What its training seeds are drawn for, of those in `hpo.seeds`.
    """

    family: str
    data: Dataset
    folds: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    seed: int
    metric: str
    metrics: tuple[str, ...] = ()
    home: Home = field(default_factory=Home)
    purpose: int = TRAIN
