"""The course of a stack of networks: epochs, early stopping, curves and weights.

Each network has rows, an order of rows, a rule to stop and random streams of its own,
and comes out as if it had been alone. It knows no params and no family.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.family import FitRequest
from hpo.models.keras_network import Architecture, bucket, draw_kernels, stream
from hpo.models.settings import Settings
from hpo.models.stack_backend import Backend
from hpo.models.stack_optimizers import fresh_slots, schedule, tuning
from hpo.models.stack_program import SHIFTED, StackProgram, dropout_data
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
        network = self.architecture
        hidden = tuple(bucket(width, self.backend) for width in network.widths)
        return (network.n_features, *hidden, network.n_outputs)

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
        sizes = (
            self.architecture.n_features,
            *self.architecture.widths,
            self.architecture.n_outputs,
        )
        pairs = list(itertools.pairwise(sizes))
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

    def note(self, prefix: str, loss: float, accuracy: float) -> None:
        """Add a point to the curves.

        Raises:
            TrialError: The loss is no number any more.
        """
        what = "loss of the inner split" if prefix else "loss"
        require_finite(loss, len(self.curves["loss"]) + (not prefix), what)
        self.curves.setdefault(f"{prefix}loss", []).append(loss)
        if self.request.task == "classification":
            self.curves.setdefault(f"{prefix}accuracy", []).append(accuracy)


@dataclass
class StackTraining:
    """The training of networks of equal recipe and `Member.key`.

    Args:
        members: The networks; results are found in them.
        program: Of their recipe.
        backend: What it runs on.
        room: How many networks there is memory for, at least as many as ``members``;
            None for any number.
    """

    members: Sequence[Member]
    program: StackProgram
    backend: Backend
    room: int | None = None
    _slots: list[int] = field(default_factory=list)
    _running: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Train every network to its end."""
        self._gather_rows()
        self._running = set(range(len(self.members)))
        self._place(list(self._running))
        self._state = self._fresh_state()
        self._data = self._fresh_data()
        n_steps, done = self.members[0].n_steps, 0
        while self._running:
            self._epoch(done)
            done += n_steps
            self._make_small()

    # What is where

    def _gather_rows(self) -> None:
        """Put the rows of all networks one below the other, equal ones once."""
        import numpy as np

        codes = self.program.recipe.loss == "sparse_categorical_crossentropy"
        offsets: dict[Any, int] = {}
        X, y, weight = [], [], []
        self._offsets: list[int] = []
        n_rows = 0
        for member in self.members:
            request = member.request
            given = request.sample_weight
            key = (
                id(request.X),
                request.y.tobytes(),
                None if given is None else given.tobytes(),
            )
            if key not in offsets:
                offsets[key] = n_rows
                n_rows += len(request.X)
                X.append(request.X.astype("float32"))
                y.append(
                    request.y.astype("int32")
                    if codes
                    else request.y.reshape(len(request.y), -1).astype("float32")
                )
                if given is not None:
                    weight.append(given.astype("float32"))
            self._offsets.append(offsets[key])
        to_device = self.backend.to_device
        self._X, self._y = to_device(np.concatenate(X)), to_device(np.concatenate(y))
        self._weight = to_device(np.concatenate(weight)) if weight else None

    def _place(self, members: list[int]) -> None:
        """Give ``members`` the first places; ghosts of the first one fill the rest."""
        ghosts = self._size(len(members)) - len(members)
        self._slots = members + members[:1] * ghosts
        self._alone = len(members)

    def _size(self, n_networks: int) -> int:
        """Return the size of the stack, ghosts included, for some networks."""
        size = self.backend.stack_size(n_networks)
        return size if self.room is None else min(size, self.room)

    def _make_small(self) -> None:
        """Drop the networks that have ended, once it pays."""
        if not self._running or len(self._running) == self._alone:
            return
        running = [k for k in self._slots[: self._alone] if k in self._running]
        size = self._size(len(running))
        if size == len(self._slots):
            return
        places = [self._slots.index(k) for k in running]
        places += places[:1] * (size - len(places))
        self._state = self.backend.take(self._state, places)
        self._data = self.backend.take(self._data, places)
        self._place(running)

    # Beginning

    def _fresh_state(self) -> Any:
        import numpy as np

        stacks = [self._fresh_weights(self.members[k]) for k in self._slots]
        weights = [np.stack(arrays) for arrays in zip(*stacks, strict=True)]
        recipe, moving = self.program.recipe, []
        if recipe.batch_norm:
            for width in self.members[0].sizes[1:-1]:
                shape = (len(self._slots), 1, width)
                moving += [np.zeros(shape, "float32"), np.ones(shape, "float32")]
        return self._on_device(
            {
                "weights": weights,
                "slots": fresh_slots(recipe.optimizer, weights),
                "moving": moving,
                "step": np.int32(0),
            }
        )

    def _fresh_weights(self, member: Member) -> list[NDArray[Any]]:
        """Draw a network's weights and fill them up with zeros."""
        import numpy as np

        network, sizes = member.architecture, member.sizes
        true = (network.n_features, *network.widths, network.n_outputs)
        shapes = list(itertools.pairwise(true))
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

    def _fresh_data(self) -> Any:
        import numpy as np

        members = [self.members[k] for k in self._slots]
        stack = [member.settings for member in members]
        silence: list[NDArray[Any]] = []
        if self.program.recipe.activation in SHIFTED:
            for layer, width in enumerate(members[0].sizes[1:-1]):
                places = np.arange(width)[None, None, :]
                true = [member.architecture.widths[layer] for member in members]
                silence.append(
                    (places < np.array(true)[:, None, None]).astype("float32")
                )
        penalties = {
            name: np.array([getattr(s, name) for s in stack], "float32")
            for name in ("l1", "l2")
        }
        return self._on_device(
            {
                "seed": np.array([stream(m.seed, 2) for m in members], "uint32"),
                "silence": silence,
                **{k: v.reshape(-1, 1, 1) for k, v in penalties.items()},
                **dropout_data([s.dropout for s in stack]),
                **tuning(stack),
            }
        )

    def _on_device(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: self._on_device(value) for name, value in tree.items()}
        if isinstance(tree, list):
            return [self._on_device(value) for value in tree]
        return self.backend.to_device(tree)

    # Going on

    def _epoch(self, done: int) -> None:
        import numpy as np

        members = [self.members[k] for k in self._slots]
        dealt = {
            k: self.members[k].next_batches(self._offsets[k]) for k in {*self._slots}
        }
        order = np.stack([dealt[k] for k in self._slots], axis=1)
        counts = np.stack([member.counts() for member in members], axis=1)
        rates = schedule(
            self.program.recipe.optimizer,
            [member.settings for member in members],
            done,
            members[0].n_steps,
        )
        self._state, losses, hits = self.program.epoch(
            self._state,
            self._data,
            self._X,
            self._y,
            order,
            counts,
            rates,
            self._weight,
        )
        self._note("", losses, hits / counts.sum(axis=0))
        improved = self._watch() if members[0].stopping else set()
        ended = {
            k
            for k in self._running
            if self.members[k].n_epochs >= self.members[k].settings.epochs
            or self._stops(self.members[k])
        }
        self._keep(improved | {k for k in ended if not self.members[k].stopping})
        self._running -= ended

    def _watch(self) -> set[int]:
        """Look at the inner splits; return the networks that have got better."""
        import numpy as np

        members = [self.members[k] for k in self._slots]
        width = members[0].key[-1] * WATCH_PACKET
        rows = np.zeros((len(members), width), "int32")
        for place, k in enumerate(self._slots):
            watched = self.members[k].watched
            rows[place] = watched[0] + self._offsets[k]
            rows[place, : len(watched)] = watched + self._offsets[k]
        counts = np.array([len(member.watched) for member in members], "float32")
        losses, hits = self.program.watch(
            self._state, self._data, self._X, self._y, rows, counts
        )
        self._note("val_", losses, hits / counts)
        better = set()
        for place, k in self._places():
            member = self.members[k]
            assert member.stopping is not None
            if member.stopping.improves(member.n_epochs, float(losses[place])):
                better.add(k)
        return better

    def _note(self, prefix: str, losses: NDArray[Any], shares: NDArray[Any]) -> None:
        for place, k in self._places():
            try:
                self.members[k].note(prefix, float(losses[place]), float(shares[place]))
            except TrialError as error:
                self._fail(k, error)

    def _places(self) -> list[tuple[int, int]]:
        """Return (place in the stack, network) of those that still run."""
        slots = self._slots[: self._alone]
        return [(p, k) for p, k in enumerate(slots) if k in self._running]

    def _fail(self, k: int, error: Exception) -> None:
        self.members[k].error = error
        self._running.discard(k)

    @staticmethod
    def _stops(member: Member) -> bool:
        stopping = member.stopping
        return stopping is not None and stopping.stops_after(member.n_epochs)

    def _keep(self, networks: set[int]) -> None:
        """Copy the weights of some networks out of the stack."""
        import numpy as np

        if not networks:
            return
        weights = [self.backend.to_numpy(array) for array in self._state["weights"]]
        moving = [self.backend.to_numpy(array) for array in self._state["moving"]]
        for place, k in self._places():
            if k not in networks:
                continue
            member = self.members[k]
            member.weights = _taken_out(
                member.architecture,
                [w[place] for w in weights],
                [m[place] for m in moving],
            )
            if not all(np.isfinite(weight).all() for weight in member.weights):
                try:
                    require_finite(float("nan"), member.n_epochs, "weight")
                except TrialError as error:
                    self._fail(k, error)


def _taken_out(
    architecture: Architecture,
    weights: list[NDArray[Any]],
    moving: list[NDArray[Any]],
) -> list[NDArray[Any]]:
    """Return a network's own weights in Keras' order, without what fills it up."""
    import numpy as np

    taken: list[NDArray[Any]] = []
    rows = architecture.n_features
    for width in architecture.widths:
        taken.append(weights.pop(0)[:rows, :width])
        n_vectors = 2 if architecture.batch_norm else 1
        taken += [weights.pop(0)[0, :width] for _ in range(n_vectors)]
        if architecture.batch_norm:
            taken += [moving.pop(0)[0, :width] for _ in range(2)]
        rows = width
    kernel, bias = weights
    taken += [kernel[:rows], bias[0]]
    return [np.array(array) for array in taken]
