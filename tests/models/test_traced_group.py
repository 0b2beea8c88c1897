"""Networks as one: whose steps are taken when, and whose rows are whose."""

from __future__ import annotations

import numpy as np
import pytest

from hpo.models.traced_group import segments, stacked_rows, stacked_states
from hpo.models.traced_step import Batch, State


def batches_of(order, batch_size):
    """Return the batches that a network takes alone."""
    return [
        order[start : start + batch_size].tolist()
        for start in range(0, len(order), batch_size)
    ]


@pytest.mark.parametrize(
    ("lengths", "batch_size"),
    [
        ((10, 10, 10), 5),
        ((1437, 1437, 1438, 1438, 1438), 32),
        ((95, 96, 97), 32),  # one has a full batch more than another
        ((8, 40, 100, 101), 16),
        ((3, 5, 4), 32),  # none has a full batch
        ((1, 64), 64),
    ],
)
def test_each_network_takes_the_batches_that_it_takes_alone(lengths, batch_size):
    rng = np.random.default_rng(0)
    orders = [rng.permutation(length) for length in lengths]
    taken = [[] for _ in orders]
    n_steps = 0
    for rows, trained in segments(orders, batch_size):
        n_steps += -(-rows.shape[1] // batch_size)
        assert rows.dtype == np.int64
        for at in np.flatnonzero(trained):
            taken[at] += batches_of(rows[at], batch_size)
    assert taken == [batches_of(order, batch_size) for order in orders]
    full = max(lengths) // batch_size
    n_left = len({length % batch_size for length in lengths} - {0})
    assert n_steps == full + n_left  # nothing is taken twice for one network's sake


def test_rows_of_several_ends_and_weights_are_stacked_with_room_for_the_longest():
    few = Batch([np.ones((2, 3)), np.ones((2, 1))], np.arange(2), np.full(2, 0.5))
    more = Batch([np.ones((4, 3)), np.ones((4, 1))], np.arange(4), np.full(4, 2.0))
    x, y, weight = stacked_rows([few, more])
    assert [end.shape for end in x] == [(2, 4, 3), (2, 4, 1)]
    np.testing.assert_array_equal(y, [[0, 1, 0, 0], [0, 1, 2, 3]])
    np.testing.assert_array_equal(weight[0], [0.5, 0.5, 0, 0])
    assert stacked_rows([few._replace(weight=None)] * 2).weight is None


def test_states_are_stacked_part_by_part():
    first = State((np.zeros(2), np.ones((2, 2))), (), (np.int64(3),))
    second = State((np.ones(2), np.ones((2, 2))), (), (np.int64(4),))
    stacked = stacked_states([first, second])
    assert [each.shape for each in stacked.trainable] == [(2, 2), (2, 2, 2)]
    assert stacked.others == ()
    np.testing.assert_array_equal(stacked.optimizer[0], [3, 4])
