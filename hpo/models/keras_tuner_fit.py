"""Training by the ``fit`` that a hypermodel overrides, called as Keras Tuner calls it.

It owns what such a ``fit`` is given and what is kept of what it returns. A number that
it returns is no score: that comes from the rows of the fold.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_info import DataInfo
from hpo.models.builder_keras import Course, free_optimizer
from hpo.models.builder_network import Network, examine, labels_for
from hpo.models.builder_progress import Progress
from hpo.models.builder_training import make_watcher
from hpo.models.family import FitRequest, Fitted
from hpo.models.keras_runtime import prepare
from hpo.models.keras_tuner_code import HypermodelCode
from hpo.models.keras_tuner_probe import N_ROWS, accepted, try_out
from hpo.models.stopping import inner_split
from hpo.models.traced_choice import n_trainable

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OwnFit:
    """The ``fit`` of one hypermodel, and which arguments it chooses itself.

    Args:
        code: The hypermodel.
    """

    def __init__(self, code: HypermodelCode) -> None:
        self._code = code
        self._refused: set[str] | None = None

    def fit(self, request: FitRequest, info: DataInfo) -> Fitted:
        """Build a model and train it; see `arguments` for what ``fit`` is given.

        Raises:
            TrialError: The model does not fit the task, its loss became NaN or
                infinite, or its training fails.
        """
        if self._refused is None:
            self._refused = self._learn(request, info)
        return _fit(self._code, self._refused, request, info)

    def _learn(self, request: FitRequest, info: DataInfo) -> set[str]:
        """Try it out once in this process; a failure is for the fit to come to tell."""
        code = self._code
        network = _network(code, request, info)
        course = Course.of(request.params)
        x, y, options = arguments(network, course, request, [])
        few = slice(N_ROWS)
        refused: set[str] = set()
        with suppress(Exception):
            refused = try_out(
                code.hypermodel, code.hp, network.model, x[few], y[few], options
            )
        if "batch_size" in {each.name for each in code.hp.space}:
            refused.add("batch_size")
        return refused


def _fit(
    code: HypermodelCode, refused: set[str], request: FitRequest, info: DataInfo
) -> Fitted:
    started = time.perf_counter()
    course = Course.of(request.params)
    network = _network(code, request, info)
    progress = Progress(course.patience, own_loop=True)
    watcher = make_watcher(progress)
    watcher.set_model(network.model)  # a fit of the user's may not pass it on
    x, y, options = arguments(network, course, request, [watcher])
    own = code.hypermodel.fit
    with code.worded(" in fit"):
        returned = own(code.hp, network.model, x, y, **accepted(own, options, refused))
        watcher.finish()
    if progress.best_epoch == 0:
        raise TrialError(
            "error",
            f"patience: the fit of {code.name} told its callbacks of no val_loss; have "
            "it pass callbacks and validation_data on, or remove patience",
        )
    curves = _curves(returned) or progress.curves
    return Fitted(
        model=network,
        fit_seconds=time.perf_counter() - started,
        n_epochs=max(map(len, curves.values()), default=0) or None,
        best_epoch=progress.best_epoch,
        n_parameters=n_trainable(network.model),
        curves=curves,
        engine=f"{prepare()} own fit",
    )


def _network(code: HypermodelCode, request: FitRequest, info: DataInfo) -> Network:
    model = code.build(request.params, info)
    network = examine(model, code, info, request.X, knows_loss=model.compiled)
    if not network.ends.is_plain:
        what = "a model of several inputs or outputs cannot have a fit of its own"
        raise TrialError("error", f"{code.name}: {what}; leave fit to Keras")
    free_optimizer(model)
    return network


def arguments(
    network: Network, course: Course, request: FitRequest, callbacks: list[Any]
) -> tuple[NDArray[Any], NDArray[Any], dict[str, Any]]:
    """Return rows, targets and named arguments for the hypermodel's ``fit``.

    They are what Keras Tuner gives it: ``validation_data`` (a tenth of the training
    rows), ``epochs``, ``callbacks``, ``verbose=0``, and what the study asks for of
    ``batch_size`` and ``sample_weight``.
    """
    X, y = request.X.astype("float32"), _targets(network, request)
    rows, held = inner_split(request.y, request.task, network.info.seed)
    options: dict[str, Any] = {
        "validation_data": (X[held], y[held]),
        "epochs": course.epochs,
        "callbacks": callbacks,
        "verbose": 0,
    }
    if "batch_size" in request.params:
        options["batch_size"] = min(course.batch_size, len(rows))
    if request.sample_weight is not None:
        options["sample_weight"] = request.sample_weight[rows].astype("float32")
    return X[rows], y[rows], options


def _targets(network: Network, request: FitRequest) -> NDArray[Any]:
    """Return targets as the loss takes them; as they are if there is none yet."""
    if network.model.compiled:
        labels: NDArray[Any] = labels_for(network, request.y)
        return labels
    is_codes = request.task == "classification"
    return request.y if is_codes else request.y.astype("float32")


def _curves(returned: Any) -> dict[str, list[float]]:
    """Return the learning curves of a ``History``; none of anything else."""
    history = getattr(returned, "history", None)
    if not isinstance(history, Mapping):
        return {}
    return {str(name): [float(v) for v in values] for name, values in history.items()}
