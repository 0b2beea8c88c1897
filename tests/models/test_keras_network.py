"""Initial weights drawn by NumPy against Keras' own initializers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from stack_samples import request

from hpo.models.keras_network import bucket, draw_kernels, stream
from hpo.models.stack_member import Member, fresh_weights
from hpo.models.vocabulary import ENTRIES

pytestmark = pytest.mark.keras

INITIALIZERS = ENTRIES["initializer"].choices


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_distribution_is_that_of_keras(name):
    import keras

    shape = (70, 300)
    (ours,) = draw_kernels([shape], name, seed=3)
    theirs = np.asarray(
        keras.initializers.get({"class_name": name, "config": {"seed": 1}})(shape)
    )
    assert ours.dtype == np.float32
    assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 1e-3
    variance = {"glorot": 2 / 370, "he": 2 / 70, "lecun": 1 / 70}[name.split("_")[0]]
    # 21 000 draws: the standard error of a variance is below 1 %.
    assert ours.var() == pytest.approx(variance, rel=0.03)
    assert abs(ours.mean()) < 4 * (variance / ours.size) ** 0.5
    # Cut off at two deviations of the normal that it is cut from, or at the ends.
    if name.endswith("normal"):
        end = 2 * math.sqrt(variance) / stats.truncnorm(-2, 2).std()
    else:
        end = math.sqrt(3 * variance)
    assert 0.99 * end < np.abs(ours).max() <= end * (1 + 1e-6)


def test_initial_weights_follow_seed_and_layer():
    shapes = [(100, 100), (100, 100)]
    first, second = draw_kernels(shapes, "he_normal", seed=1)
    assert np.array_equal(first, draw_kernels(shapes, "he_normal", seed=1)[0])
    other = draw_kernels(shapes, "he_normal", seed=2)[0]
    for kernel in (second, other):
        assert abs(np.corrcoef(first.ravel(), kernel.ravel())[0, 1]) < 0.04


@pytest.mark.parametrize("batch_norm", [False, True])
def test_what_is_filled_up_is_drawn_with_its_true_sizes(batch_norm):
    params = {"hidden_layers": 2, "units_0": 3, "units_1": 20, "batch_norm": batch_norm}
    member = Member(request("multiclass", {**params, "initializer": "he_uniform"}))
    kernels = [w for w in fresh_weights(member) if w.shape[0] > 1]
    sizes = [4, 3, 20, 3]
    assert [kernel.shape for kernel in kernels] == [(4, 16), (16, 32), (32, 3)]
    drawn = draw_kernels(list(itertools.pairwise(sizes)), "he_uniform", member.seed)
    for filled, true in zip(kernels, drawn, strict=True):
        assert np.array_equal(filled[: true.shape[0], : true.shape[1]], true)
        assert np.count_nonzero(filled) == true.size


def test_streams_of_a_seed_differ():
    found = {stream(seed, *path) for seed in range(50) for path in ((0,), (1,), (2, 0))}
    assert len(found) == 150
    assert max(found) < 2**31


def test_buckets_are_few_and_wide_enough():
    assert [bucket(width) for width in (1, 16, 17, 64, 65, 128, 129, 257, 1000)] == [
        *(16, 16, 32, 64, 128, 128, 256, 384, 1024)
    ]
    assert all(bucket(width) >= width for width in range(1, 1500))
