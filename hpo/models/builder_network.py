"""Whether a Keras model that a builder returned fits the task, and what it answers.

It owns the check of inputs and outputs, the form in which a loss takes labels, and
predictions. It trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.builder_code import BuilderCode
from hpo.models.builder_info import DataInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBED_ROWS = 16
MAX_ROWS_AT_ONCE = 4096
NUMBERS_AT_ONCE = 2**18
TOLERANCE = 0.02
"""How far probabilities in half precision may be from a sum of 1."""

_SPARSE = "sparse"
_END_WITH = "end it with keras.layers.Dense(data.output_units, data.output_activation)"


@dataclass(frozen=True, eq=False)
class Network:
    """A Keras model with what its outputs mean.

    Args:
        model: Built, with one input and one output.
        info: What it was built for.
        n_units: Its outputs per row.
        from_logits: Whether outputs become probabilities only by softmax or sigmoid.
    """

    model: Any
    info: DataInfo
    n_units: int
    from_logits: bool

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
            _run(self.model, X[start : start + step])
            for start in range(0, max(len(X), 1), step)
        ]
        whole = [part for part in parts if part is not None]
        outputs: NDArray[Any] = np.concatenate(whole).astype("float64")
        return outputs


def examine(model: Any, code: BuilderCode, info: DataInfo, X: NDArray[Any]) -> Network:
    """Build a model on a few rows and check what comes out.

    Args:
        model: A `keras.Model`, compiled or not.
        code: Who returned it.
        info: What it has to fit.
        X: Rows of the training part, shape (n, ...).

    Raises:
        TrialError: It has several inputs or outputs, does not take the rows, or gives
            something else than the task needs.
    """
    name = code.name
    for what in ("inputs", "outputs"):
        ends = _ends(model, what)
        if len(ends) > 1:
            raise TrialError(
                "error",
                f"{name} returned a model of {len(ends)} {what}; expected one",
            )
    with code.worded(f" does not take rows of shape {info.feature_shape}"):
        outputs = _run(model, X[:PROBED_ROWS])
    if outputs is None:
        message = f"{name} returned a model of several outputs; expected one"
        raise TrialError("error", message)
    _check_shape(name, info, outputs.shape)
    logits = _is_from_logits(model)
    if info.task == "classification" and not logits:
        _check_probabilities(name, outputs)
    return Network(model, info, int(outputs.shape[1]), logits)


def labels_for(network: Network, y: NDArray[Any]) -> NDArray[Any]:
    """Return targets in the form that the model's loss takes.

    Class codes stay codes for a loss called sparse and for a function of the user;
    Keras' other losses compare each output, and get ones and zeros.

    Args:
        network: Compiled.
        y: Codes or values, shape (n,) or (n, n_targets).
    """
    import numpy as np

    if network.info.task == "regression" or network.n_units == 1:
        column: NDArray[Any] = y.reshape(len(y), -1).astype("float32")
        return column
    if not _compares_outputs(_loss(network.model)):
        return y
    one_hot: NDArray[Any] = np.eye(network.n_units, dtype="float32")[y]
    return one_hot


def loss_for(info: DataInfo, n_units: int) -> str:
    """Return the loss of a model that came without one."""
    two_outputs = info.task == "classification" and n_units == 2
    return "sparse_categorical_crossentropy" if two_outputs else info.loss


def _run(model: Any, X: NDArray[Any]) -> NDArray[Any] | None:
    """Return the outputs for rows; None if there are several for each."""
    import keras
    import numpy as np

    outputs = model(keras.ops.convert_to_tensor(X, dtype="float32"), training=False)
    if isinstance(outputs, list | tuple) and len(outputs) == 1:
        outputs = outputs[0]
    if isinstance(outputs, list | tuple | dict):
        return None
    array: NDArray[Any] = np.asarray(keras.ops.convert_to_numpy(outputs))
    return array


def _ends(model: Any, what: str) -> list[Any]:
    """Return the inputs or outputs of a model; none if it does not say."""
    try:
        return list(getattr(model, what, None) or ())
    except (AttributeError, ValueError):
        return []  # a Sequential model has none before it is built


def _check_shape(name: str, info: DataInfo, shape: tuple[int, ...]) -> None:
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
        f"{name}: expected output {expected} for {many}; got {got}; {_END_WITH}",
    )


def _check_probabilities(name: str, outputs: NDArray[Any]) -> None:
    import numpy as np

    outputs = outputs.astype("float64")
    if not np.isfinite(outputs).all():
        return  # training will say so
    in_range = outputs.min() >= -TOLERANCE and outputs.max() <= 1 + TOLERANCE
    sums = outputs.sum(axis=1)
    if in_range and (outputs.shape[1] == 1 or np.abs(sums - 1).max() <= TOLERANCE):
        return
    raise TrialError(
        "error",
        f"{name}: expected probabilities; the outputs are from {outputs.min():.3g} to "
        f"{outputs.max():.3g}; {_END_WITH}, or compile it with a loss from_logits",
    )


def _probabilities(logits: NDArray[Any]) -> NDArray[Any]:
    """Return softmax over the columns, not normalised, or the sigmoid of one."""
    import numpy as np

    if logits.shape[1] == 1:
        sigmoid: NDArray[Any] = np.exp(-np.logaddexp(0.0, -logits))
        return sigmoid
    probabilities: NDArray[Any] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return probabilities


def _loss(model: Any) -> Any:
    """Return what a model was compiled with as its only loss, or None."""
    loss = model.loss if getattr(model, "compiled", False) else None
    if isinstance(loss, dict):
        loss = list(loss.values())
    if isinstance(loss, list | tuple):
        loss = loss[0] if len(loss) == 1 else None
    return loss


def _is_from_logits(model: Any) -> bool:
    return bool(getattr(_loss(model), "from_logits", False))


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
