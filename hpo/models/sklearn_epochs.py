"""Training a scikit-learn network epoch by epoch, or all at once by L-BFGS.

It owns how ``fit`` and ``partial_fit`` are called, and words what they raise. What the
network is, and when training ends, it is told.
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.family import FitRequest
from hpo.models.stopping import require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray


LBFGS_DIVERGED = (
    "lbfgs found no finite weights or loss: scale the features and the target"
)


class Epochs:
    """Trains a network one epoch at a time, exactly as its ``fit`` does.

    ``partial_fit`` alone is not that: it starts its shuffle from the original order
    every time. So it is given the rows in the order that ``fit`` would have reached,
    from a generator that stands where ``fit``'s stands after drawing initial weights.

    Args:
        model: An unfitted network with an int as random_state.
        request: Training rows; ``y`` may lack some of the classes.
        rows: Positions of the rows to train on, in order; None for all.
    """

    def __init__(
        self, model: Any, request: FitRequest, rows: NDArray[Any] | None = None
    ) -> None:
        import numpy as np

        self._request, self._model = request, model.set_params(shuffle=False)
        n_classes = request.n_classes
        self._more = {"classes": np.arange(n_classes)} if n_classes else {}
        n_outputs = n_classes if n_classes > 2 else 1
        if request.y.ndim > 1:
            n_outputs = request.y.shape[1]
        sizes = [request.X.shape[1], *model.hidden_layer_sizes, n_outputs]
        self._rng = np.random.RandomState(model.random_state)
        self._rng.uniform(size=sum((a + 1) * b for a, b in itertools.pairwise(sizes)))
        self._order = np.arange(len(request.y)) if rows is None else rows

    def train(self, epoch: int) -> None:
        """Train ``epoch`` (from 1).

        Raises:
            TrialError: The weights became NaN or infinite, or a batch weighs nothing.
        """
        from sklearn.utils import shuffle

        self._order = shuffle(self._order, random_state=self._rng)
        X, y, weight = at(self._request, self._order)
        try:
            self._model.partial_fit(X, y, sample_weight=weight, **self._more)
        except (ValueError, ZeroDivisionError) as error:
            _fail_if_known(self._model, error)
            raise
        require_finite(self._model.loss_, epoch)
        self._model.n_iter_ = epoch


def at(request: FitRequest, rows: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Return features, targets and weights (or None) at these positions."""
    weight = request.sample_weight
    return request.X[rows], request.y[rows], None if weight is None else weight[rows]


def fit_at_once(model: Any, request: FitRequest) -> None:
    """Call ``fit`` on all rows, of which no class is missing.

    Raises:
        TrialError: The weights became NaN or infinite, or a batch weighs nothing.
    """
    _fit(model, request.X, request.y, request.sample_weight)


def fit_lbfgs(model: Any, request: FitRequest) -> None:
    """Train by L-BFGS, on all rows at once.

    It has no ``partial_fit`` that could be told of a class that ``y`` lacks. A row of
    that class which weighs nothing changes neither loss nor gradient.

    Raises:
        TrialError: The loss or the weights became NaN or infinite.
    """
    import numpy as np

    X, y, weight = request.X, request.y, request.sample_weight
    missing = np.setdiff1d(np.arange(request.n_classes), y)
    if len(missing):
        weight = np.ones(len(y)) if weight is None else weight
        weight = np.concatenate([weight, np.zeros(len(missing))])
        X = np.concatenate([X, np.repeat(X[:1], len(missing), axis=0)])
        y = np.concatenate([y, missing])
    _fit(model, X, y, weight)
    if not math.isfinite(model.loss_):
        raise TrialError("nan", LBFGS_DIVERGED)


def _fit(model: Any, X: Any, y: Any, weight: Any) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Reaching max_iter is what `epochs` asks for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(X, y, sample_weight=weight)
        except (ValueError, ZeroDivisionError) as error:
            _fail_if_known(model, error)
            raise


def _fail_if_known(model: Any, error: Exception) -> None:
    """Raise a `TrialError` if ``error`` is scikit-learn's word for what can happen."""
    if isinstance(error, ZeroDivisionError):
        raise TrialError(
            "error", "every row of a batch has weight 0: raise batch_size"
        ) from error
    if "non-finite" not in str(error):
        return
    losses = getattr(model, "loss_curve_", None)
    if losses is None:
        raise TrialError("nan", LBFGS_DIVERGED) from error
    for epoch, loss in enumerate(losses, start=1):
        require_finite(loss, epoch)
    raise TrialError(
        "nan",
        f"weights became infinite by epoch {len(losses)}: lower the learning rate, or "
        "scale the features and the target",
    ) from error
