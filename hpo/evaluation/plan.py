"""What a worker is told: the study's plan once, and then the pairs to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from hpo.records import Dataset, Params
from hpo.seeds import TRAIN
from hpo.user_code import Home

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """One fold of one trial: the smallest piece of work.

    Args:
        number: Of the trial.
        fold: Index of the fold.
        params: Of the trial.
        bars: What an objective has to have reported by each epoch to go on; after the
            last of them it goes on anyway.
    """

    number: int
    fold: int
    params: Params
    bars: tuple[float, ...] = ()


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
        code: An objective that no module has by name, pickled by value.
        function: The same as it is, where it need not be sent anywhere.
        minimize: Whether an objective returns what should be small. Its metric is then
            called ``neg_...``, and its values are kept with their sign changed.
        raw: (X, y) as an objective gets them; None if it gets those of ``data``.
    """

    family: str
    data: Dataset
    folds: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    seed: int
    metric: str
    metrics: tuple[str, ...] = ()
    home: Home = field(default_factory=Home)
    purpose: int = TRAIN
    code: bytes | None = None
    function: Callable[..., Any] | None = None
    minimize: bool = False
    raw: tuple[Any, Any] | None = None
