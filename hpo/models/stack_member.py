"""One network of a stack: what it is, its batches, weights and how far it is.

Each network has rows, an order of rows, a rule to stop and random streams of its own.
It knows no other network; `hpo.models.stack_training` trains it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hpo.models.builder_progress import METRIC
from hpo.models.family import FitRequest
from hpo.models.keras_network import Architecture, bucket, draw_kernels, stream
from hpo.models.settings import Settings
from hpo.models.stopping import EarlyStopping, inner_split, require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKET = 8
"""Batches are filled up to a multiple of this many rows.

Vector instructions round some functions differently from the plain ones that are used
for what is left over. With whole packets a network's last bits do not depend on its
place in a stack.
"""

WATCH_PACKET = 64


class Member:
    """One network of a stack: what it is, its rows, and how far it is.

    Args:
        request: Its params, rows and seed.
        backend: Keras' name of what it is trained on.

    Attributes:
        train: Positions of the rows to train on, int.
        watched: Positions of the rows that early stopping watches; empty without it.
        weights: Of the best epoch, or of the last one; in Keras' order.
        curves: Values of each epoch.
        error: Why it failed, or None.

    Raises:
        TrialError: There are too few rows to watch some.
    """

    def __init__(self, request: FitRequest, backend: str = "tensorflow") -> None:
        import numpy as np

        self.request = request
        self.backend = backend
        self.settings = Settings.of(request.params)
        n_targets = 1 if request.y.ndim == 1 else request.y.shape[1]
        self.architecture = Architecture.of(
            self.settings,
            request.X.shape[1],
            request.task,
            request.n_classes,
            n_targets,
        )
        self.seed = self.settings.seed(request.seed)
        self.stopping: EarlyStopping | None = None
        self.train: NDArray[Any] = np.arange(len(request.y))
        self.watched: NDArray[Any] = self.train[:0]
        if self.settings.patience is not None:
            self.stopping = EarlyStopping(self.settings.patience)
            self.train, self.watched = inner_split(request.y, request.task, self.seed)
        self.batch_size = min(self.settings.batch_size, len(self.train))
        self.n_steps = -(-len(self.train) // self.batch_size)
        self.weights: list[NDArray[Any]] = []
        self.curves: dict[str, list[float]] = {"loss": []}
        self.error: Exception | None = None
        self._rng = np.random.default_rng(stream(self.seed, 1))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of inputs, hidden layers and outputs as the stack has them."""
        first, *hidden, last = self.architecture.sizes
        return (first, *(bucket(width, self.backend) for width in hidden), last)

    @property
    def key(self) -> tuple[Any, ...]:
        """What networks of one stack have in common, besides their recipe."""
        watched = -(-len(self.watched) // WATCH_PACKET)
        return self.sizes, self.batch_size, self.n_steps, watched

    @property
    def n_epochs(self) -> int:
        return len(self.curves["loss"])

    @property
    def n_parameters(self) -> int:
        """How many numbers training changes."""
        pairs = list(itertools.pairwise(self.architecture.sizes))
        vectors = 2 if self.architecture.batch_norm else 1
        hidden = sum(i * o + vectors * o for i, o in pairs[:-1])
        return hidden + pairs[-1][0] * pairs[-1][1] + pairs[-1][1]

    def next_batches(self, offset: int) -> NDArray[Any]:
        """Shuffle the rows anew and deal them out, (steps, batch), filled up."""
        import numpy as np

        place = self._rng.permutation(len(self.train))
        rows = self.train[place] + offset
        width = -(-self.batch_size // PACKET) * PACKET
        dealt = np.full((self.n_steps, width), self.train[0] + offset, "int32")
        whole = len(rows) // self.batch_size
        cut = whole * self.batch_size
        dealt[:whole, : self.batch_size] = rows[:cut].reshape(whole, -1)
        dealt[whole:, : len(rows) - cut] = rows[cut:]
        return dealt

    def counts(self) -> NDArray[Any]:
        """Return the rows of each batch, (steps,), float32."""
        import numpy as np

        counts = np.full(self.n_steps, self.batch_size, "float32")
        counts[-1] = len(self.train) - (self.n_steps - 1) * self.batch_size
        return counts

    def note(self, prefix: str, loss: float, metric: float) -> None:
        """Add a point to the curves: of the loss, and of the metric of `METRIC`.

        Raises:
            TrialError: The loss is no number any more.
        """
        what = "loss of the inner split" if prefix else "loss"
        require_finite(loss, len(self.curves["loss"]) + (not prefix), what)
        self.curves.setdefault(f"{prefix}loss", []).append(loss)
        name = f"{prefix}{METRIC[self.request.task]}"
        self.curves.setdefault(name, []).append(metric)


def fresh_weights(member: Member) -> list[NDArray[Any]]:
    """Draw a network's weights and fill them up with zeros."""
    import numpy as np

    network, sizes = member.architecture, member.sizes
    shapes = list(itertools.pairwise(network.sizes))
    drawn = draw_kernels(shapes, member.settings.initializer, member.seed)
    arrays: list[NDArray[Any]] = []
    for layer, kernel in enumerate(drawn):
        filled = np.zeros(sizes[layer : layer + 2], "float32")
        filled[: kernel.shape[0], : kernel.shape[1]] = kernel
        arrays.append(filled)
        vector = np.zeros((1, sizes[layer + 1]), "float32")
        if network.batch_norm and layer < len(network.widths):
            gamma = vector.copy()
            gamma[:, : kernel.shape[1]] = 1
            arrays.append(gamma)
        arrays.append(vector)
    return arrays


def taken_out(
    architecture: Architecture,
    weights: list[NDArray[Any]],
    moving: list[NDArray[Any]],
) -> list[NDArray[Any]]:
    """Return a network's own weights in Keras' order, without what fills it up."""
    import numpy as np

    taken: list[NDArray[Any]] = []
    *inputs, _ = architecture.sizes
    for n_inputs, width in itertools.pairwise(inputs):
        taken.append(weights.pop(0)[:n_inputs, :width])
        n_vectors = 2 if architecture.batch_norm else 1
        taken += [weights.pop(0)[0, :width] for _ in range(n_vectors)]
        if architecture.batch_norm:
            taken += [moving.pop(0)[0, :width] for _ in range(2)]
    kernel, bias = weights
    taken += [kernel[: inputs[-1]], bias[0]]
    return [np.array(array) for array in taken]
