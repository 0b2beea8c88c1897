"""Whether a Keras model that a builder returned fits the task, and what it answers.

It owns the check of inputs and outputs, the form in which a loss takes labels, and
predictions. It trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_ends import (
    PLAIN,
    Ends,
    as_list,
    ends_of,
    input_parts,
    output_parts,
)
from hpo.models.builder_info import DataInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBED_ROWS = 16
MAX_ROWS_AT_ONCE = 4096
NUMBERS_AT_ONCE = 2**18
TOLERANCE = 0.02
"""How far probabilities in half precision may be from a sum of 1."""

_SPARSE = "sparse"


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model with what its outputs mean.

    Args:
        model: Built.
        info: What it was built for.
        n_units: Its outputs per row.
        from_logits: Whether outputs become probabilities only by softmax or sigmoid.
        ends: How rows and targets meet its inputs and outputs.
    """

    model: Any
    info: DataInfo
    n_units: int
    from_logits: bool
    ends: Ends = PLAIN

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return class codes (int64), or values (float64) shaped as the targets."""
        if self.info.task == "classification":
            codes: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
            return codes
        outputs = self.outputs(X)
        values: NDArray[Any] = outputs if self.info.n_targets > 1 else outputs[:, 0]
        return values

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities, shape (n, n_classes); each row sums to 1."""
        import numpy as np

        outputs = self.outputs(X)
        if self.from_logits:
            outputs = _probabilities(outputs)
        outputs = outputs.clip(0.0, None)
        if self.n_units == 1:
            outputs = outputs.clip(None, 1.0)
            both: NDArray[Any] = np.hstack([1 - outputs, outputs])
            return both
        normalised: NDArray[Any] = outputs / outputs.sum(axis=1, keepdims=True)
        return normalised

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the raw outputs, shape (n, n_units), float64."""
        import numpy as np

        step = NUMBERS_AT_ONCE // max(self.info.n_features, 1)
        step = min(max(step, 32), MAX_ROWS_AT_ONCE)
        parts = [
            self.ends.answer(_run(self.model, self.ends.feed(X[start : start + step])))
            for start in range(0, max(len(X), 1), step)
        ]
        outputs: NDArray[Any] = np.concatenate(parts).astype("float64")
        return outputs


def examine(
    model: Any,
    code: BuilderCode,
    info: DataInfo,
    X: NDArray[Any],
    *,
    knows_loss: bool = True,
) -> Network:
    """Build a model on a few rows and check what comes out.

    Args:
        model: A `keras.Model`, compiled or not.
        code: Who returned it.
        info: What it has to fit.
        X: Rows of the training part, shape (n, ...).
        knows_loss: Whether its loss is known, so that outputs are probabilities or, if
            the loss says so, logits; else what they look like.

    Raises:
        TrialError: Its inputs do not take the rows, or it gives something else than
            the task needs.
    """
    ends = Ends(inputs=input_parts(code.name, model, info))
    with code.worded(f" does not take rows of shape {info.feature_shape}"):
        given = _run(model, ends.feed(X[:PROBED_ROWS]))
    if len(given) > 1:
        ends = replace(ends, outputs=_output_parts(code, info, given))
    outputs = ends.answer(given)
    _check_shape(code, info, outputs.shape)
    logits = _is_from_logits(model)
    if info.task == "classification" and not knows_loss:
        logits = not _are_probabilities(outputs)
    elif info.task == "classification" and not logits:
        _check_probabilities(code, info, outputs)
    return Network(model, info, int(outputs.shape[1]), logits, ends)


def _output_parts(
    code: BuilderCode, info: DataInfo, given: list[NDArray[Any]]
) -> tuple[tuple[int, int] | None, ...]:
    for outputs in given:
        if outputs.ndim != 2:
            what = f"{code.name}: expected outputs of shape (None, n); got one of "
            raise TrialError("error", f"{what}{(None, *outputs.shape[1:])}")
    return output_parts(code.name, [outputs.shape[1] for outputs in given], info)


def labels_for(network: Network, y: NDArray[Any]) -> Any:
    """Return targets in the form that the model's loss takes; a list for several.

    Class codes stay codes for a loss called sparse and for a function of the user;
    Keras' other losses compare each output, and get ones and zeros.

    Args:
        network: Compiled.
        y: Codes or values, shape (n,) or (n, n_targets).
    """
    losses = _losses(network.model)
    n_outputs = len(network.ends.outputs)
    if n_outputs == 1:
        return _labels(network, y, losses[0] if len(losses) == 1 else None)
    if network.info.task == "regression":
        return network.ends.targets(_labels(network, y, None))
    each = losses if len(losses) == n_outputs else [None] * n_outputs
    return [_labels(network, y, loss) for loss in each]


def _labels(network: Network, y: NDArray[Any], loss: Any) -> NDArray[Any]:
    import numpy as np

    if network.info.task == "regression" or network.n_units == 1:
        column: NDArray[Any] = y.reshape(len(y), -1).astype("float32")
        return column
    if not _compares_outputs(loss):
        return y
    one_hot: NDArray[Any] = np.eye(network.n_units, dtype="float32")[y]
    return one_hot


def loss_for(info: DataInfo, n_units: int) -> str:
    """Return the loss of a model that came without one."""
    two_outputs = info.task == "classification" and n_units == 2
    return "sparse_categorical_crossentropy" if two_outputs else info.loss


def _run(model: Any, X: Any) -> list[NDArray[Any]]:
    """Return the outputs for rows, one array or a list of them, as arrays."""
    import keras
    import numpy as np

    def tensor(rows: NDArray[Any]) -> Any:
        return keras.ops.convert_to_tensor(rows, dtype="float32")

    fed = [tensor(rows) for rows in X] if isinstance(X, list) else tensor(X)
    given = as_list(model(fed, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(outputs)) for outputs in given]


def _check_shape(code: BuilderCode, info: DataInfo, shape: tuple[int, ...]) -> None:
    got = (None, *shape[1:])
    if info.task == "regression":
        right: tuple[int, ...] = (info.n_targets,)
        many = f"{info.n_targets} target{'s' if info.n_targets > 1 else ''}"
    else:
        right = (1, 2) if info.n_classes == 2 else (info.n_classes,)
        many = f"{info.n_classes} classes"
    if len(shape) == 2 and shape[1] in right:
        return
    expected = " or ".join(f"(None, {units})" for units in right)
    raise TrialError(
        "error",
        f"{code.name}: expected output {expected} for {many}; got {got}; "
        f"{code.way_out(info)}",
    )


def _check_probabilities(
    code: BuilderCode, info: DataInfo, outputs: NDArray[Any]
) -> None:
    if _are_probabilities(outputs):
        return
    raise TrialError(
        "error",
        f"{code.name}: expected probabilities; the outputs are from "
        f"{outputs.min():.3g} to {outputs.max():.3g}; {code.way_out(info)}, or compile "
        "it with a loss from_logits",
    )


def _are_probabilities(outputs: NDArray[Any]) -> bool:
    import numpy as np

    outputs = outputs.astype("float64")
    if not np.isfinite(outputs).all():
        return True  # training will say so
    if outputs.min() < -TOLERANCE or outputs.max() > 1 + TOLERANCE:
        return False
    sums = outputs.sum(axis=1)
    return bool(outputs.shape[1] == 1 or np.abs(sums - 1).max() <= TOLERANCE)


def _probabilities(logits: NDArray[Any]) -> NDArray[Any]:
    """Return softmax over the columns, not normalised, or the sigmoid of one."""
    import numpy as np

    if logits.shape[1] == 1:
        sigmoid: NDArray[Any] = np.exp(-np.logaddexp(0.0, -logits))
        return sigmoid
    probabilities: NDArray[Any] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return probabilities


def _losses(model: Any) -> list[Any]:
    """Return what a model was compiled with, a loss for each output if it says so."""
    loss = model.loss if getattr(model, "compiled", False) else None
    if isinstance(loss, dict):
        return list(loss.values())
    if isinstance(loss, list | tuple):
        return list(loss)
    return [loss] * max(1, len(ends_of(model, "outputs")))


def _is_from_logits(model: Any) -> bool:
    return bool(getattr(_losses(model)[0], "from_logits", False))


def _compares_outputs(loss: Any) -> bool:
    """Tell whether a loss wants one number per output; codes otherwise."""
    import keras

    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return False  # Keras says so itself, with the name
    if loss is None or not type(loss).__module__.startswith(("keras.", "builtins")):
        return False
    function = type(loss) if isinstance(loss, keras.losses.Loss) else loss
    if not str(getattr(function, "__module__", "")).startswith("keras."):
        return False
    return _SPARSE not in getattr(function, "__name__", "").lower()
