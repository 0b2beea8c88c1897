"""The family `sklearn-mlp`: scikit-learn's MLPClassifier and MLPRegressor.

It translates the shared vocabulary and runs the epochs. Without ``patience`` the
network is exactly what ``MLPClassifier(...).fit`` gives; with it the epochs are run one
by one, because scikit-learn's own early stopping watches the accuracy, not a loss.

What differs from `keras-mlp` by the nature of the library: scikit-learn's regressor
minimises half the squared error, so its sgd needs twice the learning rate for the same
step, and its curves show halves; a last, partial batch feels the penalty a bit more.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, TrialError
from hpo.models import checks, vocabulary
from hpo.models.family import FitRequest, Fitted
from hpo.models.settings import Settings
from hpo.models.stopping import (
    EarlyStopping,
    inner_split,
    log_loss,
    require_finite,
)
from hpo.records import Params, ParamValue, Task, params_key
from hpo.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACTIVATIONS = {
    "linear": "identity",
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "logistic",
}


class SklearnMlp:
    """scikit-learn's multi-layer perceptrons; see `hpo.models.family.Family`."""

    name = vocabulary.SKLEARN
    group_limit = 1

    def warm_up(self) -> None:
        import sklearn.neural_network  # noqa: F401

    def problems(self, space: Space, task: Task | None) -> list[Problem]:
        return checks.problems(self.name, space, task)

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        return vocabulary.defaults(self.name, task)

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        results: list[Fitted | Exception] = []
        for request in requests:
            try:
                results.append(fit(request))
            except Exception as error:  # the contract: a failure is a result
                results.append(error)
        return results


def fit(request: FitRequest) -> Fitted:
    """Train one network.

    Raises:
        TrialError: The loss or the weights became NaN or infinite.
    """
    import numpy as np
    import sklearn

    settings = Settings.of(request.params)
    started = time.perf_counter()
    stopping = None
    # Divergence is reported below, by the loss; numpy need not say it too.
    with np.errstate(all="ignore"):
        if settings.patience is not None:
            model, val_losses, stopping = _fit_with_patience(request, settings)
        else:
            model, val_losses = _fit_all_epochs(request, settings), []
    for epoch, loss in enumerate(model.loss_curve_, start=1):
        require_finite(loss, epoch)
    curves: dict[str, Sequence[float]] = {"loss": [float(v) for v in model.loss_curve_]}
    if val_losses:
        curves["val_loss"] = val_losses
    return Fitted(
        model=model,
        fit_seconds=time.perf_counter() - started,
        n_epochs=len(model.loss_curve_),
        best_epoch=stopping.best_epoch if stopping else None,
        n_parameters=sum(w.size for w in (*model.coefs_, *model.intercepts_)),
        curves=curves,
        engine=f"scikit-learn {sklearn.__version__}",
    )


def make_network(settings: Settings, task: Task, n_rows: int, seed: int) -> Any:
    """Return the unfitted scikit-learn network that ``settings`` mean.

    ``l2`` is the coefficient of the sum of squared weights W in the mean loss per row.
    In a batch of n rows scikit-learn adds ``0.5 * alpha * W / n`` to the mean log loss,
    or to HALF the mean squared error: alpha is 2 * l2 * n in the first case, l2 * n in
    the second.

    Args:
        settings: The hyperparameters.
        task: Classification or regression.
        n_rows: How many rows it will be trained on; caps the batch size.
        seed: Seeds initial weights and shuffling.

    Source:
        scikit-learn, sklearn/neural_network/_multilayer_perceptron.py, ``_backprop``.
    """
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    classify = task == "classification"
    batch_size = min(settings.batch_size, n_rows)
    return (MLPClassifier if classify else MLPRegressor)(
        hidden_layer_sizes=settings.widths,
        activation=ACTIVATIONS[settings.activation],
        solver=settings.optimizer,
        alpha=(2 if classify else 1) * settings.l2 * batch_size,
        batch_size=batch_size,
        learning_rate_init=settings.learning_rate,
        momentum=settings.momentum,
        nesterovs_momentum=settings.nesterov,
        max_iter=settings.epochs,
        # More than max_iter: scikit-learn's own stopping rule never applies.
        n_iter_no_change=settings.epochs + 1,
        random_state=seed,
    )


def _fit_all_epochs(request: FitRequest, settings: Settings) -> Any:
    """Train for exactly ``epochs`` epochs, with ``fit`` unless a class is missing."""
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    seed = settings.seed(request.seed)
    model = make_network(settings, request.task, len(request.y), seed)
    if len(np.unique(request.y)) < request.n_classes:
        epochs = Epochs(model, request.X, request.y, request.n_classes)
        for epoch in range(1, settings.epochs + 1):
            epochs.train(epoch)
        return model
    with warnings.catch_warnings():
        # Reaching max_iter is what `epochs` asks for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(request.X, request.y)
        except ValueError as error:
            _fail_if_diverged(model, error)
            raise
    return model


def _fit_with_patience(
    request: FitRequest, settings: Settings
) -> tuple[Any, list[float], EarlyStopping]:
    """Train until an inner split's loss stops falling; keep the best weights."""
    seed = settings.seed(request.seed)
    train, watched = inner_split(request.y, request.task, seed)
    model = make_network(settings, request.task, len(train), seed)
    epochs = Epochs(model, request.X[train], request.y[train], request.n_classes)
    X_watched, y_watched = request.X[watched], request.y[watched]
    stopping = EarlyStopping(settings.patience or 1)
    losses: list[float] = []
    best: tuple[list[Any], list[Any]] = ([], [])
    for epoch in range(1, settings.epochs + 1):
        epochs.train(epoch)
        losses.append(watched_loss(model, X_watched, y_watched, request.task))
        require_finite(losses[-1], epoch, "loss of the inner split")
        if stopping.improves(epoch, losses[-1]):
            best = (
                [w.copy() for w in model.coefs_],
                [w.copy() for w in model.intercepts_],
            )
        if stopping.stops_after(epoch):
            break
    model.coefs_, model.intercepts_ = best
    return model, losses, stopping


def watched_loss(model: Any, X: NDArray[Any], y: NDArray[Any], task: Task) -> float:
    """Return the loss scikit-learn trains with, without penalty, on other rows.

    That is the mean log loss, or half the mean squared error.
    """
    if task == "classification":
        return log_loss(y, model.predict_proba(X))
    return 0.5 * float(((model.predict(X) - y) ** 2).mean())


class Epochs:
    """Trains a network one epoch at a time, exactly as its ``fit`` does.

    ``partial_fit`` alone is not that: it starts its shuffle from the original order
    every time. So it is given the rows in the order that ``fit`` would have reached,
    from a generator that stands where ``fit``'s stands after drawing initial weights.

    Args:
        model: An unfitted network with an int as random_state.
        X: Training rows, shape (n, n_features).
        y: Class codes or targets, shape (n,).
        n_classes: Classes of the whole data set, of which ``y`` may lack some; else 0.
    """

    def __init__(
        self, model: Any, X: NDArray[Any], y: NDArray[Any], n_classes: int
    ) -> None:
        import numpy as np

        self._model, self._X, self._y = model.set_params(shuffle=False), X, y
        self._more = {"classes": np.arange(n_classes)} if n_classes else {}
        n_outputs = n_classes if n_classes > 2 else 1
        sizes = [X.shape[1], *model.hidden_layer_sizes, n_outputs]
        self._rng = np.random.RandomState(model.random_state)
        self._rng.uniform(size=sum((a + 1) * b for a, b in itertools.pairwise(sizes)))
        self._order = np.arange(len(y))

    def train(self, epoch: int) -> None:
        """Train ``epoch`` (from 1).

        Raises:
            TrialError: The weights became NaN or infinite.
        """
        from sklearn.utils import shuffle

        self._order = shuffle(self._order, random_state=self._rng)
        X, y = self._X[self._order], self._y[self._order]
        try:
            self._model.partial_fit(X, y, **self._more)
        except ValueError as error:
            _fail_if_diverged(self._model, error)
            raise
        require_finite(self._model.loss_, epoch)
        self._model.n_iter_ = epoch


def _fail_if_diverged(model: Any, error: ValueError) -> None:
    """Raise a `TrialError` if ``error`` is scikit-learn's word for divergence."""
    if "non-finite" not in str(error):
        return
    losses = getattr(model, "loss_curve_", [])
    for epoch, loss in enumerate(losses, start=1):
        require_finite(loss, epoch)
    raise TrialError(
        "nan",
        f"weights became infinite by epoch {len(losses)}: lower the learning rate, or "
        "scale the features and the target",
    ) from error
