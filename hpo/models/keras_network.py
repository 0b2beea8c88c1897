"""What a `keras-mlp` network looks like: architecture, layers, loss, initial weights.

It builds stock Keras models and draws their weights. It does not train them
(`hpo.models.stack_training` does) and imports Keras only inside its functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.models.settings import Settings
from hpo.records import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUNCATED_DEVIATION = 0.87962566103423978
"""Standard deviation of a normal distribution cut off at two deviations."""

SMALL_BUCKETS = (16, 32, 64, 128)
WIDE_STEP = 128
BN_EPSILON = 1e-3
"""Of Keras' BatchNormalization."""
JAX_SMALLEST = 64


@dataclass(frozen=True)
class Architecture:
    """Everything that makes a different network or a different training program.

    Args:
        n_features: Columns of the input.
        widths: Neurons of each hidden layer; empty for a linear model.
        activation: Of the hidden layers.
        batch_norm: Whether each hidden layer normalises before its activation.
        has_dropout: Whether hidden outputs are dropped; how many is not part of it.
        has_penalty: Whether L1 or L2 punish the weights; how much is not part of it.
        n_outputs: 1 for two classes, else the number of classes; of targets in
            regression.
        output_activation: ``sigmoid`` or ``softmax`` for classes.
        loss: ``mean_squared_error``, ``binary_crossentropy`` or
            ``sparse_categorical_crossentropy``.
        optimizer: Keras' name of it.
        nesterov: For sgd.
    """

    n_features: int
    widths: tuple[int, ...]
    activation: str
    batch_norm: bool
    has_dropout: bool
    has_penalty: bool
    n_outputs: int
    output_activation: str
    loss: str
    optimizer: str
    nesterov: bool

    @classmethod
    def of(
        cls,
        settings: Settings,
        n_features: int,
        task: Task,
        n_classes: int,
        n_targets: int = 1,
    ) -> Architecture:
        """Return the architecture of ``settings`` for data of this kind."""
        n_outputs, output_activation, loss = _head(settings, task, n_classes)
        if task == "regression":
            n_outputs = n_targets
        hidden = bool(settings.widths)
        return cls(
            n_features=n_features,
            widths=settings.widths,
            activation=settings.activation if hidden else "linear",
            batch_norm=settings.batch_norm and hidden,
            has_dropout=settings.dropout > 0 and hidden,
            has_penalty=settings.l1 > 0 or settings.l2 > 0,
            n_outputs=n_outputs,
            output_activation=output_activation,
            loss=loss,
            optimizer=settings.optimizer,
            nesterov=settings.nesterov and settings.optimizer == "sgd",
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of inputs, hidden layers and outputs."""
        return (self.n_features, *self.widths, self.n_outputs)


def _head(settings: Settings, task: Task, n_classes: int) -> tuple[int, str, str]:
    """Return the outputs, their activation and the loss that the task asks for.

    Source:
        C. M. Bishop, "Pattern Recognition and Machine Learning", 2006, section 5.2.
    """
    if task == "regression":
        return 1, settings.output_activation, "mean_squared_error"
    if n_classes <= 2:
        return 1, "sigmoid", "binary_crossentropy"
    return n_classes, "softmax", "sparse_categorical_crossentropy"


def build(
    architecture: Architecture,
    *,
    dropout: float = 0.5,
    l1: float = 0.0,
    l2: float = 0.0,
    initializer: str = "glorot_uniform",
) -> Any:
    """Return a functional Keras model with weights of no meaning yet.

    Args:
        architecture: What to build.
        dropout: Rate of its dropout layers, if it has any.
        l1: Coefficient of the absolute weights, for a model that is trained on.
        l2: Coefficient of the squared weights, likewise.
        initializer: Of the kernels, which a model that is given weights draws for
            nothing.
    """
    import keras

    def dense(width: int, **options: Any) -> Any:
        regularizer = keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
        return keras.layers.Dense(
            width,
            kernel_initializer=initializer,
            kernel_regularizer=regularizer,
            **options,
        )

    inputs = hidden = keras.Input((architecture.n_features,), dtype="float32")
    for width in architecture.widths:
        # Batch normalisation has a bias of its own.
        hidden = dense(width, use_bias=not architecture.batch_norm)(hidden)
        if architecture.batch_norm:
            hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Activation(architecture.activation)(hidden)
        if architecture.has_dropout:
            hidden = keras.layers.Dropout(dropout)(hidden)
    head = dense(architecture.n_outputs, activation=architecture.output_activation)
    return keras.Model(inputs, head(hidden))


def bucket(width: int, backend: str = "tensorflow") -> int:
    """Return the width that a layer of a stack is filled up to.

    Few widths make full stacks; wide layers, whose time goes into products and not into
    steps, are filled up by less. JAX compiles a program for each combination of widths,
    which takes longer than training narrow layers as if they were wider.
    """
    for size in SMALL_BUCKETS:
        if width <= size and (size >= JAX_SMALLEST or backend != "jax"):
            return size
    return -(-width // WIDE_STEP) * WIDE_STEP


def kernels(network: Any) -> list[Any]:
    """Return the weights that L1 and L2 punish: kernels, not biases, in order."""
    return [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]


def draw_kernels(
    shapes: Iterable[Sequence[int]], initializer: str, seed: int
) -> list[NDArray[Any]]:
    """Draw the initial kernels; a function of shapes, initializer and seed alone.

    The distributions are those of Keras' initializers of these names. NumPy draws them,
    so that they are the same on every backend, and soon drawn.

    Args:
        shapes: (inputs, outputs) of each layer, the first layer first.
        initializer: As in the vocabulary, for example ``he_normal``.
        seed: Of the network.

    Returns:
        Float32 arrays in the order of ``shapes``.

    Source:
        X. Glorot, Y. Bengio, AISTATS 2010 (glorot); K. He et al., ICCV 2015 (he);
        Y. LeCun et al., "Efficient BackProp", 1998 (lecun).
    """
    import numpy as np
    from scipy.special import ndtri

    scheme, _, distribution = initializer.partition("_")
    drawn: list[NDArray[Any]] = []
    for layer, (n_inputs, n_outputs) in enumerate(shapes):
        rng = np.random.default_rng(stream(seed, 0, layer))
        variance = {
            "glorot": 2 / (n_inputs + n_outputs),
            "he": 2 / n_inputs,
            "lecun": 1 / n_inputs,
        }[scheme]
        uniform = rng.random((n_inputs, n_outputs))
        if distribution == "uniform":
            values = math.sqrt(3 * variance) * (2 * uniform - 1)
        else:
            # Normal, cut off at two standard deviations, which makes it narrower.
            low, high = _ndtri_ends()
            spread = math.sqrt(variance) / TRUNCATED_DEVIATION
            values = spread * ndtri(low + (high - low) * uniform)
        drawn.append(values.astype("float32"))
    return drawn


def _ndtri_ends() -> tuple[float, float]:
    """Return the shares of a normal distribution below -2 and below 2 deviations."""
    share = math.erfc(math.sqrt(2)) / 2
    return share, 1 - share


def stream(seed: int, *path: int) -> int:
    """Derive a seed below 2**31 for one use of ``seed``, independent of the others."""
    import numpy as np

    words = np.random.SeedSequence([seed, *path]).generate_state(1)
    return int(words[0] >> 1)
