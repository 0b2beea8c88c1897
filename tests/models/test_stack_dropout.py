"""Dropout of stacks: shares, independent masks, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from stack_samples import train

from hpo.models.family import FitRequest
from hpo.models.keras_runtime import prepare
from hpo.models.stack_dropout import _hashed, dropout_data, dropped, places

pytestmark = pytest.mark.keras


def drop(X, seeds, rate, step=3, layer=0):
    """Drop outputs ``X``, (networks, rows, width), of one of two hidden layers."""
    prepare()
    n_networks, n_rows, width = X.shape
    kernels = [np.zeros((n_networks, i, width), "float32") for i in (3, width, width)]
    weights = [w for kernel in kernels for w in (kernel, kernel[:, :1])]
    order = np.zeros((1, n_networks, n_rows), "int32")
    place = places(weights, order, batch_norm=False)[layer]
    data = {"seed": np.array(seeds, "uint32"), **dropout_data([rate] * n_networks)}
    return np.asarray(dropped(X, data, np.int32(step), place))


def masks(seeds, step=3, layer=0, rows=256, width=64):
    """Return which outputs are kept at a rate of a half, (networks, rows, width)."""
    ones = np.ones((len(seeds), rows, width), "float32")
    return drop(ones, seeds, 0.5, step, layer) > 0


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_the_wanted_share_is_dropped_and_the_rest_scaled_up(rate):
    found = drop(np.ones((2, 200, 500), "float32"), [1, 2], rate)
    assert found[found > 0] == pytest.approx(1 / (1 - rate), rel=1e-6)
    error = (rate * (1 - rate) / found.size) ** 0.5
    assert (found == 0).mean() == pytest.approx(rate, abs=4 * error)


def test_a_mask_is_the_same_whatever_the_stack_and_however_wide():
    alone = masks([7])
    assert np.array_equal(masks([3, 7, 7])[1], alone[0])
    assert np.array_equal(masks([3, 7, 7])[2], alone[0])
    assert np.array_equal(masks([7], width=16), alone[..., :16])
    assert np.array_equal(masks([7], rows=16), alone[:, :16])


def test_masks_of_networks_layers_and_updates_have_nothing_in_common():
    streams = [masks([8, 9]), masks([8], layer=1), masks([8], step=4)]
    flat = np.concatenate(streams).reshape(4, -1)
    found = np.corrcoef(flat)[np.triu_indices(4, 1)]
    assert np.abs(found).max() < 4 / flat.shape[1] ** 0.5
    # Not moved against each other either, by a row or a neuron.
    for row in (0, 1):
        for column in (0, 1):
            moved = np.roll(streams[0][0], (row, column), axis=(0, 1)).ravel()
            for other in (streams[0][1], streams[1][0], streams[2][0]):
                r = np.corrcoef(moved, other.ravel())[0, 1]
                assert abs(r) < 4.5 / flat.shape[1] ** 0.5


def test_masks_of_many_seeds_agree_as_often_as_chance_has_it():
    flat = masks(np.arange(60), rows=32).reshape(60, -1)
    found = np.corrcoef(flat)[np.triu_indices(60, 1)] * flat.shape[1] ** 0.5
    # Correlations of independent masks are standard normal in this unit.
    assert found.std() == pytest.approx(1, abs=0.06)
    assert np.abs(found).max() < 4.5


@pytest.mark.parametrize("over", ["rows", "neurons"])
def test_neurons_and_rows_are_dropped_independently(over):
    mask = masks([5], rows=4096, width=64)[0]
    if over == "neurons":
        mask = masks([5], rows=64, width=4096)[0].T
    found = np.corrcoef(mask.T)[np.triu_indices(64, 1)]
    # 2016 normal draws: the largest of them stays below 4.5 deviations.
    assert np.abs(found).max() < 4.5 / 4096**0.5


@pytest.mark.parametrize("byte", range(4))
def test_the_hash_of_a_counter_is_uniform_in_every_byte(byte):
    prepare()
    words = np.asarray(_hashed(np.arange(2**18, dtype="uint32")))
    assert len(np.unique(words)) == 2**18
    counts = np.bincount((words >> np.uint32(8 * byte)) & np.uint32(255), minlength=256)
    assert 1e-3 < stats.chisquare(counts).pvalue < 1 - 1e-3


def test_masks_go_on_changing_after_the_numbers_that_float32_can_count():
    first, second = (masks([1], step=2**24 + i) for i in (0, 1))
    assert not np.array_equal(first, second)


def test_training_draws_new_masks_at_every_update_and_for_every_seed(monkeypatch):
    from hpo.models import stack_member

    def constant(shapes, initializer, seed):
        return [np.full(shape, 0.1, "float32") for shape in shapes]

    monkeypatch.setattr(stack_member, "draw_kernels", constant)
    params = {"units": 50, "dropout": 0.5, "learning_rate": 1e-12, "epochs": 2}
    params |= {"batch_size": 40, "activation": "linear"}
    # Equal rows: their order, which seeds change too, does not count.
    X, y = np.ones((40, 4)), np.zeros(40)
    seeds = (0, 0, 1)
    trained = train([FitRequest(params, X, y, "regression", 0, s) for s in seeds])
    first, same, other = (member.curves["loss"] for member in trained)
    assert first == same
    assert first[0] != pytest.approx(first[1], rel=1e-6)
    assert first[0] != pytest.approx(other[0], rel=1e-6)
