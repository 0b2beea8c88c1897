"""What is done around a model, as read from params: to features, targets and rows.

It owns what `hpo.models.vocabulary.PIPELINE` means, but for the features, which
`hpo.models.preprocessing` makes; fitted is what is given here, the training rows of
one fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.models.family import Family
from hpo.models.vocabulary import PIPELINE
from hpo.records import Params, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Preparation:
    """Preprocessing of the features; the fields are hyperparameters of every family.

    Args:
        scale: ``standard``, ``minmax`` or ``none``.
        impute: What a missing number becomes: ``median`` or ``mean`` of the training
            rows, or ``zero``.
        select_k: How many of the prepared features are kept; None for all.
        select_by: How they are judged: ``f_test`` or ``mutual_info``.
    """

    scale: str = "standard"
    impute: str = "median"
    select_k: int | None = None
    select_by: str = "f_test"

    @classmethod
    def of(cls, params: Params) -> Preparation:
        """Read ``params``; what is missing has its default."""
        k = params.get("select_k")
        return cls(
            scale=str(params.get("scale", cls.scale)),
            impute=str(params.get("impute", cls.impute)),
            select_k=int(k) if isinstance(k, int | float) else None,
            # Without a number of features one way to judge them is as good as another,
            # and what is equal is prepared once.
            select_by=cls.select_by
            if k is None
            else str(params.get("select_by", cls.select_by)),
        )


@dataclass(frozen=True)
class Surroundings:
    """Everything that is done around the model of one trial.

    Args:
        features: Preprocessing of the features.
        target_scale: ``standard``, ``minmax`` or ``none``; the last in classification.
        class_weight: ``balanced`` or None.
    """

    features: Preparation
    target_scale: str = "none"
    class_weight: str | None = None

    @classmethod
    def of(cls, family: Family, params: Params, task: Task) -> Surroundings:
        """Read ``params``, but for the names that ``family`` keeps for its model."""
        around = {
            name: params[name]
            for name in PIPELINE
            if name in params and name not in family.keeps
        }
        weight = around.get("class_weight")
        return cls(
            features=Preparation.of(around),
            target_scale=_target_scale(family, params, around, task),
            class_weight=str(weight)
            if weight is not None and task == "classification"
            else None,
        )


def _target_scale(family: Family, params: Params, around: Params, task: Task) -> str:
    if task != "regression":
        return "none"
    if (given := around.get("target_scale")) is not None:
        return str(given)
    if params.get("output_activation", "linear") != "linear":
        return "none"  # such an output is meant for the targets as they are
    if "target_scale" in family.keeps:
        return "none"
    return str(family.defaults(task).get("target_scale", "none"))


@dataclass(frozen=True, eq=False)
class TargetScaler:
    """Targets in the units a model is trained in: ``(y - shift) / spread``.

    Args:
        shift: Of each target, shape (n_outputs,), or () if there is one, shape (n,).
        spread: Above 0, of the same shape; 1 for a target that is constant.
    """

    shift: NDArray[Any]
    spread: NDArray[Any]

    @classmethod
    def fit(cls, y: NDArray[Any], how: str) -> TargetScaler | None:
        """Return what scales targets as it would these; None if ``how`` is ``none``.

        Args:
            y: Targets of the training rows, shape (n,) or (n, n_outputs).
            how: ``standard``, ``minmax`` or ``none``.
        """
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        if how == "none":
            return None
        columns = y.reshape(len(y), -1)
        if how == "standard":
            standard = StandardScaler().fit(columns)
            shift, spread = standard.mean_, standard.scale_
        else:
            minmax = MinMaxScaler().fit(columns)
            shift, spread = minmax.data_min_, 1 / minmax.scale_
        return cls(shift.reshape(y.shape[1:]), spread.reshape(y.shape[1:]))

    def scale(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return targets in the units of the model."""
        scaled: NDArray[Any] = (y - self.shift) / self.spread
        return scaled

    def undo(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return predictions in the units of the data."""
        unscaled: NDArray[Any] = values * self.spread + self.shift
        return unscaled


def sample_weight(y: NDArray[Any], class_weight: str | None) -> NDArray[Any] | None:
    """Return the weight of each row in training, mean 1; None if all count the same.

    Balanced: n / (k * n_c) for a row of class c, of which there are n_c among these n
    rows, k of the classes having any. So classes count the same in sum.

    Args:
        y: Class codes of the training rows, shape (n,).
        class_weight: ``balanced`` or None.

    Source:
        King and Zeng (2001), Logistic regression in rare events data; the weights of
        scikit-learn's ``compute_class_weight``.
    """
    import numpy as np

    if class_weight is None:
        return None
    counts = np.bincount(y)
    n_present = np.count_nonzero(counts)
    weights: NDArray[Any] = len(y) / (n_present * counts[y])
    return weights
