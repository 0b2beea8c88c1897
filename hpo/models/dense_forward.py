"""What a trained dense network answers, computed with NumPy.

A forward pass of a dense network is a few products of matrices. Done here it needs no
program for each width, no device and no library of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpo.models.keras_network import BN_EPSILON, Architecture

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS_AT_ONCE = 16384
"""Rows of one pass, which bounds its memory."""

LEAK = 0.2
SELU_SCALE, SELU_ALPHA = 1.05070098, 1.67326324


def outputs(
    architecture: Architecture, weights: Sequence[NDArray[Any]], X: NDArray[Any]
) -> NDArray[Any]:
    """Return the outputs for rows of ``X``, shape (n, n_outputs), float64.

    Args:
        architecture: Of the network.
        weights: In the order of Keras' ``get_weights``.
        X: Shape (n, n_features).
    """
    import numpy as np

    parts = [
        _pass(architecture, list(weights), X[start : start + ROWS_AT_ONCE])
        for start in range(0, max(len(X), 1), ROWS_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)


def _pass(
    architecture: Architecture, left: list[NDArray[Any]], X: NDArray[Any]
) -> NDArray[Any]:
    X = X.astype("float32")
    for _ in architecture.widths:
        X = X @ left.pop(0)
        X = _normalised(X, left) if architecture.batch_norm else X + left.pop(0)
        X = activated(architecture.activation, X)
    kernel, bias = left
    return activated(architecture.output_activation, X @ kernel + bias)


def _normalised(X: NDArray[Any], left: list[NDArray[Any]]) -> NDArray[Any]:
    """Normalise by the moving statistics that training has left.

    Source:
        S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015, algorithm 2.
    """
    import numpy as np

    gamma, beta, mean, variance = (left.pop(0) for _ in range(4))
    scale = gamma / np.sqrt(variance + np.float32(BN_EPSILON))
    normalised: NDArray[Any] = X * scale + (beta - mean * scale)
    return normalised


def activated(name: str, X: NDArray[Any]) -> NDArray[Any]:
    """Apply the activation that Keras calls ``name``; softmax is over the last axis."""
    import numpy as np
    from scipy import special

    if name == "linear":
        return X
    result: Any
    if name == "relu":
        result = np.maximum(X, 0)
    elif name == "tanh":
        result = np.tanh(X)
    elif name == "sigmoid":
        result = special.expit(X)
    elif name == "softmax":
        result = special.softmax(X, axis=-1)
    elif name == "leaky_relu":
        result = np.where(X > 0, X, np.float32(LEAK) * X)
    elif name == "elu":
        result = np.where(X > 0, X, np.expm1(np.minimum(X, 0)))
    elif name == "selu":
        small = np.float32(SELU_ALPHA) * np.expm1(np.minimum(X, 0))
        result = np.float32(SELU_SCALE) * np.where(X > 0, X, small)
    elif name == "gelu":
        result = 0.5 * X * (1 + special.erf(X / np.float32(np.sqrt(2))))
    elif name == "silu":
        result = X * special.expit(X)
    elif name == "softplus":
        result = np.logaddexp(X, np.float32(0))
    else:
        raise KeyError(name)
    answer: NDArray[Any] = result
    return answer
