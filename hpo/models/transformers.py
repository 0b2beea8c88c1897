"""Transformers that scikit-learn lacks: the best features, and scaling of arrays.

They are fitted on the training rows of one fold and can be saved by skops: what they
learn is arrays. They impute nothing and encode nothing.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hpo.records import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_KEPT = 500
"""Scores of features that are kept: an array of n_features numbers each."""


def make_scaler(scale: str) -> Any:
    """Return scikit-learn's unfitted scaler of this name, or None for ``none``."""
    scalers = {"standard": StandardScaler, "minmax": MinMaxScaler}
    return scalers[scale]() if scale in scalers else None


class ScaledArrays(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scales each position of an example as if it were a column of a table.

    A position that is constant in the training rows stays without spread.

    Args:
        scale: ``standard``, ``minmax`` or ``none``.

    Attributes:
        scaler_: Of the flattened examples; None for ``none``.
    """

    def __init__(self, scale: str) -> None:
        self.scale = scale

    def fit(self, X: NDArray[Any], y: object = None) -> ScaledArrays:
        """Fit on the training rows, shape (n, ...)."""
        self.scaler_ = make_scaler(self.scale)
        if self.scaler_ is not None:
            self.scaler_.fit(X.reshape(len(X), -1))
        return self

    def transform(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the examples scaled, in the shape they have."""
        if self.scaler_ is None:
            return X
        scaled: NDArray[Any] = self.scaler_.transform(X.reshape(len(X), -1))
        return scaled.reshape(X.shape)


class _Scores:
    """Scores of features by what they follow from: they do not depend on k.

    Mutual information takes seconds, and trials that differ in k share it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()

    def of(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        how: tuple[Hashable, ...],
        judge: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
    ) -> NDArray[Any]:
        """Return what ``judge`` gives, now or before, for these very values."""
        key = (*how, X.shape, _digest(X), _digest(y))
        scores = self._kept.get(key)
        if scores is None:
            scores = self._kept[key] = judge(X, y)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return scores


_SCORES = _Scores()


def _digest(values: NDArray[Any]) -> bytes:
    import numpy as np

    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()


class BestFeatures(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the ``k`` features that say most about the target, in their order.

    With one target and no constant feature it keeps what scikit-learn's `SelectKBest`
    does; of several targets the mean score counts. A feature without a score, such as
    a constant one in classification, comes last; of equal features the later is kept.

    Args:
        k: At least 1; more than there are means all.
        by: ``f_test`` or ``mutual_info``.
        task: What the target is.
        seed: Of the noise that the estimate of mutual information adds to features, so
            that no two values are equal.

    Attributes:
        support_: Whether each feature is kept, shape (n_features,).
    """

    def __init__(self, k: int, *, by: str, task: Task, seed: int) -> None:
        self.k, self.by, self.task, self.seed = k, by, task, seed

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> BestFeatures:
        """Judge the features of rows that are all trained on.

        Args:
            X: Prepared features without missing values, shape (n, n_features).
            y: Class codes, shape (n,), or targets, shape (n,) or (n, n_outputs).
        """
        import numpy as np

        self.n_features_in_ = X.shape[1]
        self.support_ = np.ones(X.shape[1], dtype=bool)
        if self.k < X.shape[1]:
            scores = _SCORES.of(X, y, (self.by, self.task, self.seed), self._scores)
            worst = np.argsort(scores, kind="stable")[: X.shape[1] - self.k]
            self.support_[worst] = False
        return self

    def _get_support_mask(self) -> NDArray[Any]:
        return self.support_

    def _scores(self, X: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """Return the score of each feature; of none, minus infinity."""
        import numpy as np

        score = _f_test if self.by == "f_test" else _mutual_information
        targets = y.reshape(len(y), -1).T
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # A constant feature is no news to the user: it has no score, that is all.
            warnings.simplefilter("ignore")
            scores = [score(X, target, self.task, self.seed) for target in targets]
            means: NDArray[Any] = np.mean(scores, axis=0)
        return np.where(np.isnan(means), -np.inf, means)


def _f_test(X: NDArray[Any], y: NDArray[Any], task: Task, _: int) -> NDArray[Any]:
    from sklearn.feature_selection import f_classif, f_regression

    test = f_classif if task == "classification" else f_regression
    scores: NDArray[Any] = test(X, y)[0]
    return scores


def _mutual_information(
    X: NDArray[Any], y: NDArray[Any], task: Task, seed: int
) -> NDArray[Any]:
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    # The estimate is for features that vary continuously. Of two values, as the columns
    # of categories have, the occurrences can be counted.
    high = X.max(axis=0)
    two_valued = ((high == X) | (X.min(axis=0) == X)).all(axis=0)
    X = X.copy()
    X[:, two_valued] = X[:, two_valued] == high[two_valued]
    classify = task == "classification"
    scores: NDArray[Any] = (
        mutual_info_classif if classify else mutual_info_regression
    )(X, y, discrete_features=two_valued, random_state=seed)
    return scores
