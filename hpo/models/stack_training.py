"""The course of a stack of networks: epochs, early stopping, curves and weights.

Each network (`hpo.models.stack_member.Member`) comes out as if it had been alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpo.errors import TrialError
from hpo.models.keras_network import stream
from hpo.models.stack_backend import Backend
from hpo.models.stack_dropout import dropout_data
from hpo.models.stack_member import WATCH_PACKET, Member, fresh_weights, taken_out
from hpo.models.stack_optimizers import fresh_slots, schedule, tuning
from hpo.models.stack_program import SHIFTED, StackProgram
from hpo.models.stopping import require_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

WATCH_ROWS = 4096
"""Rows of an inner split that are looked at together, a multiple of `WATCH_PACKET`."""


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
        n_epochs = 0
        while self._running:
            self._epoch(n_epochs * self.members[0].n_steps)
            n_epochs += 1
            self._make_small(n_epochs)

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
        # What is compiled for the first size is there already.
        most = len(self.members) if self.backend.compiles_sizes else self.room
        size = self.backend.stack_size(n_networks)
        return size if most is None else min(size, most)

    def _make_small(self, n_epochs: int) -> None:
        """Drop the networks that have ended after so many epochs, once it pays."""
        if not self._running:
            return
        kept = [k for k in self._slots[: self._alone] if self._takes_part(k, n_epochs)]
        size = self._size(len(kept))
        if size == len(self._slots):
            return
        places = [self._slots.index(k) for k in kept]
        places += places[:1] * (size - len(places))
        self._state = self.backend.take(self._state, places)
        self._data = self.backend.take(self._data, places)
        self._place(kept)

    def _takes_part(self, k: int, n_epochs: int) -> bool:
        """Tell whether a network keeps its place.

        Where a program is made for a size, the last digits of all follow it. So that
        they do not follow a neighbour's failure, one that has failed keeps its place
        until its epochs are over; with early stopping nobody knows when that would be.
        """
        if k in self._running:
            return True
        member = self.members[k]
        failed = member.error is not None and member.stopping is None
        return (
            self.backend.compiles_sizes and failed and n_epochs < member.settings.epochs
        )

    # Beginning

    def _fresh_state(self) -> Any:
        import numpy as np

        stacks = [fresh_weights(self.members[k]) for k in self._slots]
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
        self._state, losses, metrics = self.program.epoch(
            self._state,
            self._data,
            self._X,
            self._y,
            order,
            counts,
            rates,
            self._weight,
        )
        self._note("", losses, metrics / counts.sum(axis=0))
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
        losses, metrics = np.zeros((2, len(members)), "float32")
        for start in range(0, width, WATCH_ROWS):
            part = rows[:, start : start + WATCH_ROWS]
            left = np.clip(counts - start, 0, part.shape[1])
            sums = self.program.watch(
                self._state, self._data, self._X, self._y, part, left
            )
            losses, metrics = losses + sums[0], metrics + sums[1]
        losses /= counts
        self._note("val_", losses, metrics / counts)
        better = set()
        for place, k in self._places():
            member = self.members[k]
            assert member.stopping is not None
            if member.stopping.improves(member.n_epochs, float(losses[place])):
                better.add(k)
        return better

    def _note(self, prefix: str, losses: NDArray[Any], metrics: NDArray[Any]) -> None:
        for place, k in self._places():
            try:
                loss, metric = float(losses[place]), float(metrics[place])
                self.members[k].note(prefix, loss, metric)
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
            member.weights = taken_out(
                member.architecture,
                [w[place] for w in weights],
                [m[place] for m in moving],
            )
            if not all(np.isfinite(weight).all() for weight in member.weights):
                try:
                    require_finite(float("nan"), member.n_epochs, "weight")
                except TrialError as error:
                    self._fail(k, error)
