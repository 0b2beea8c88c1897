"""The family `sklearn-mlp`: scikit-learn's MLPClassifier and MLPRegressor.

It translates the shared vocabulary and runs the epochs. Without ``patience`` the
network is exactly what ``MLPClassifier(...).fit`` gives; with it the epochs are run one
by one, because scikit-learn's own early stopping watches the accuracy, not a loss.

What differs from `keras-mlp` by the nature of the library: scikit-learn's regressor
minimises half the squared error, so its sgd needs twice the learning rate for the same
step, and its curves show halves; a last, partial batch feels the penalty a bit more;
weighted losses are divided by the weights of a batch, not by its rows; lbfgs takes all
rows at once, ends when the gradient is flat, and has no curve of its losses. Rows that
early stopping watches count the same, whatever they weigh.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, TrialError
from hpo.models import checks, vocabulary
from hpo.models.family import FitRequest, Fitted, one_by_one
from hpo.models.settings import Settings
from hpo.models.sklearn_epochs import Epochs, fit_at_once, fit_lbfgs
from hpo.models.stopping import (
    EarlyStopping,
    inner_split,
    log_loss,
    require_finite,
)
from hpo.models.vocabulary import LBFGS
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
EPSILON = 1e-8
"""Of adam where params have none: scikit-learn's own default."""


class SklearnMlp:
    """scikit-learn's multi-layer perceptrons; see `hpo.models.family.Family`."""

    name = vocabulary.SKLEARN
    group_limit = 1
    group_matters = False
    whole_trials = False
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def warm_up(self) -> None:
        import sklearn.neural_network  # noqa: F401

    def problems(
        self, space: Space, task: Task | None, n_outputs: int | None = None
    ) -> list[Problem]:
        return checks.problems(self.name, space, task)

    def defaults(self, task: Task) -> Mapping[str, ParamValue]:
        return vocabulary.defaults(self.name, task)

    def program_key(self, params: Params) -> Hashable:
        return params_key(params)

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        return one_by_one(fit, requests)


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
    losses = [float(loss) for loss in getattr(model, "loss_curve_", ())]
    for epoch, loss in enumerate(losses, start=1):
        require_finite(loss, epoch)
    curves: dict[str, Sequence[float]] = {"loss": losses} if losses else {}
    if val_losses:
        curves["val_loss"] = val_losses
    return Fitted(
        model=model,
        fit_seconds=time.perf_counter() - started,
        n_epochs=len(losses) or model.n_iter_,
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
    at_once = settings.optimizer == LBFGS
    batch_size = n_rows if at_once else min(settings.batch_size, n_rows)
    return (MLPClassifier if classify else MLPRegressor)(
        hidden_layer_sizes=settings.widths,
        activation=ACTIVATIONS[settings.activation],
        solver=settings.optimizer,
        alpha=(2 if classify else 1) * settings.l2 * batch_size,
        batch_size=batch_size,
        learning_rate_init=settings.learning_rate,
        momentum=settings.momentum,
        nesterovs_momentum=settings.nesterov,
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        epsilon=EPSILON if settings.epsilon is None else settings.epsilon,
        max_iter=settings.epochs,
        # Of lbfgs, whose search along a line takes 20 at most: `epochs` ends it.
        max_fun=21 * (settings.epochs + 1),
        # More than max_iter: scikit-learn's own stopping rule never applies.
        n_iter_no_change=settings.epochs + 1,
        random_state=seed,
    )


def _fit_all_epochs(request: FitRequest, settings: Settings) -> Any:
    """Train for ``epochs`` epochs, with ``fit`` unless a class is missing."""
    import numpy as np

    seed = settings.seed(request.seed)
    model = make_network(settings, request.task, len(request.y), seed)
    if settings.optimizer == LBFGS:
        fit_lbfgs(model, request)
    elif len(np.unique(request.y)) < request.n_classes:
        epochs = Epochs(model, request)
        for epoch in range(1, settings.epochs + 1):
            epochs.train(epoch)
    else:
        fit_at_once(model, request)
    return model


def _fit_with_patience(
    request: FitRequest, settings: Settings
) -> tuple[Any, list[float], EarlyStopping]:
    """Train until an inner split's loss stops falling; keep the best weights."""
    if settings.optimizer == LBFGS:
        raise TrialError("error", "patience: lbfgs cannot stop early; leave it out")
    seed = settings.seed(request.seed)
    train, watched = inner_split(request.y, request.task, seed)
    model = make_network(settings, request.task, len(train), seed)
    epochs = Epochs(model, request, train)
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

    That is the mean log loss, or half the mean squared error, over rows and targets.
    """
    if task == "classification":
        return log_loss(y, model.predict_proba(X))
    return 0.5 * float(((model.predict(X) - y) ** 2).mean())
