"""What a builder is told: the shape of the data, and the params of its trial.

It holds facts and answers what follows from them (units, activation and loss of the
last layer). It knows no library and calls no builder.
"""

from __future__ import annotations

import math
from collections.abc import ItemsView, ValuesView
from dataclasses import dataclass
from typing import Any

from hpo.models.family import FitRequest
from hpo.records import Task


@dataclass(frozen=True)
class DataInfo:
    """What ``build(params, data)`` gets as ``data``.

    Args:
        feature_shape: Shape of one prepared row: ``(n_features,)`` for a table, and
            for example ``(8, 8)`` for images.
        task: ``classification`` or ``regression``.
        n_classes: Number of classes of the whole data set; 0 for regression.
        n_targets: Number of target columns; 1 for classification.
        n_rows: Rows to train on in this fold.
        seed: Seeds this fit; from 0 to 2**32 - 1. Keras, numpy and `random` are seeded
            with it already.

    Example:
        >>> data = DataInfo((8, 8), "classification", n_classes=3, n_rows=100)
        >>> data.n_features, data.output_units, data.output_activation
        (64, 3, 'softmax')
        >>> data.loss
        'sparse_categorical_crossentropy'
    """

    feature_shape: tuple[int, ...]
    task: Task
    n_classes: int = 0
    n_targets: int = 1
    n_rows: int = 0
    seed: int = 0

    @classmethod
    def of(cls, request: FitRequest, seed: int) -> DataInfo:
        """Describe the rows of ``request``; ``seed`` is the one of this fit."""
        return cls(
            feature_shape=tuple(request.X.shape[1:]),
            task=request.task,
            n_classes=request.n_classes,
            n_targets=1 if request.y.ndim == 1 else int(request.y.shape[1]),
            n_rows=len(request.X),
            seed=seed,
        )

    @property
    def n_features(self) -> int:
        """Numbers in one row, whatever its shape."""
        return math.prod(self.feature_shape)

    @property
    def output_units(self) -> int:
        """Units of the last layer: 1 for two classes, else one per class or target."""
        if self.task == "regression":
            return self.n_targets
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def output_activation(self) -> str:
        """Activation of the last layer, for so many units."""
        if self.task == "regression":
            return "linear"
        return "sigmoid" if self.n_classes == 2 else "softmax"

    @property
    def loss(self) -> str:
        """Loss that fits such a last layer and class codes as labels."""
        if self.task == "regression":
            return "mean_squared_error"
        if self.n_classes == 2:
            return "binary_crossentropy"
        return "sparse_categorical_crossentropy"


class ReadParams(dict[str, Any]):
    """The params of a trial that remember which of them were read.

    Example:
        >>> params = ReadParams(units=8, dropout=0.1)
        >>> params["units"], sorted(set(params) - params.read)
        (8, ['dropout'])
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> Any:
        # Python copies a dict without asking it, unless its class has this method.
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self.read.add(name)
        return super().pop(name, *default)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self.read.update(self)
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self.read.update(self)
        return super().values()

    def again(self) -> ReadParams:
        """Return the same params for another call, with one memory for both."""
        other = ReadParams(dict.items(self))
        other.read = self.read
        return other

    def copy(self) -> dict[str, Any]:
        return dict(self.items())
