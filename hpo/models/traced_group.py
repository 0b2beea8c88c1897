"""Several networks of one architecture as one: their states, rows and steps, stacked.

All of it is numpy; what takes the steps is made by `hpo.models.traced_program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hpo.models.traced_step import Batch, Segment, State

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stacked_states(states: Sequence[State]) -> State:
    """Stack the states of networks, arrays, along a new first axis."""
    import numpy as np

    def stacked(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        return tuple(np.stack(arrays) for arrays in zip(*parts, strict=True))

    return State(*(stacked(parts) for parts in zip(*states, strict=True)))


def member(state: State, at: int) -> State:
    """Return the state of one network of a stack, arrays."""
    import keras

    def of_one(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(keras.ops.convert_to_numpy(tensor)[at] for tensor in tensors)

    return State(*map(of_one, state))


def stacked_rows(batches: Sequence[Batch]) -> Batch:
    """Stack the rows of networks, arrays of one form, along a new first axis.

    Those with fewer rows than others get some more that no `Segment` trains.
    """
    import numpy as np

    longest = max(batch.n_rows for batch in batches)

    def stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        whole = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
        for rows, array in zip(whole, arrays, strict=True):
            rows[: len(array)] = array
        return whole

    def of_part(parts: Sequence[Any]) -> Any:
        if isinstance(parts[0], list):
            return [stacked(ends) for ends in zip(*parts, strict=True)]
        return None if parts[0] is None else stacked(parts)

    return Batch(*(of_part(parts) for parts in zip(*batches, strict=True)))


def segments(orders: Sequence[NDArray[Any]], batch_size: int) -> list[Segment]:
    """Return the steps of one epoch of several networks.

    First come the full batches, as long as any network has some, then what is left
    over, of equal size at a time. So each network takes the steps that it would take
    alone, and no step has a row that is not its own.

    Args:
        orders: Positions of rows of each network in the order to train them.
        batch_size: Rows of one update.

    Returns:
        Segments in order; each network is trained in those that have its batches.
    """
    import numpy as np

    lengths = np.array([len(order) for order in orders])
    full = lengths // batch_size * batch_size
    left = lengths - full

    def segment(trained: NDArray[Any], starts: Any, size: int) -> Segment:
        rows = np.zeros((len(orders), size), "int64")
        for at, order in enumerate(orders):
            if trained[at]:
                rows[at] = order[starts[at] : starts[at] + size]
        return Segment(rows, trained)

    ends = [0, *np.unique(full[full > 0]).tolist()]
    whole = [
        segment(full >= end, np.full(len(orders), begin), end - begin)
        for begin, end in pairwise(ends)
    ]
    rest = [segment(left == size, full, size) for size in np.unique(left[left > 0])]
    return whole + rest
