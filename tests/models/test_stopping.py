"""The inner split and the rule of early stopping."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpo.errors import TrialError
from hpo.models.stopping import EarlyStopping, inner_split, log_loss, require_finite


def test_a_tenth_of_the_rows_is_watched_and_classes_keep_their_shares():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    train, watched = inner_split(y, "classification", seed=3)
    assert sorted([*train, *watched]) == list(range(100))
    assert np.bincount(y[watched]).tolist() == [6, 3, 1]


def test_the_split_follows_the_seed_alone():
    y = np.arange(50.0)
    first = inner_split(y, "regression", seed=1)[1]
    assert first.tolist() == inner_split(y, "regression", seed=1)[1].tolist()
    assert first.tolist() != inner_split(y, "regression", seed=2)[1].tolist()


@pytest.mark.parametrize("y", [[0, 0, 0, 0, 1], [0, 1, 2, 3, 4], [0, 1]])
def test_classes_too_rare_to_stratify_are_split_all_the_same(y):
    train, watched = inner_split(np.array(y), "classification", seed=0)
    assert (len(train), len(watched)) == (len(y) - 1, 1)


def test_one_row_cannot_be_split():
    with pytest.raises(TrialError, match="patience: expected at least 2 training rows"):
        inner_split(np.zeros(1), "regression", seed=0)


def test_training_stops_after_patience_epochs_without_a_strictly_better_loss():
    stopping, stopped = EarlyStopping(patience=2), []
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 1.0, 1.0, 1.5, 0.5], start=1):
        stopping.improves(epoch, loss)
        stopped.append(stopping.stops_after(epoch))
    assert stopped[:6] == [False, False, False, False, False, True]
    assert (stopping.best_epoch, stopping.best_loss) == (7, 0.5)


def test_log_loss_of_three_classes_is_that_of_the_issue():
    # Probabilities of the true class, by hand: -mean(ln p) = 0.130763525435227.
    of_true = np.array([0.95, 0.98, 0.98, 0.95, 0.6])
    y = np.array([0, 1, 2, 0, 1])
    probabilities = np.repeat((1 - of_true)[:, None] / 2, 3, axis=1)
    probabilities[np.arange(5), y] = of_true
    assert log_loss(y, probabilities) == pytest.approx(0.130763525435227, abs=1e-15)


def test_log_loss_of_two_classes_is_that_of_the_issue():
    p = np.array([0.1, 0.7, 0.5, 0.8, 0.2])
    loss = log_loss(np.array([0, 1, 1, 1, 0]), np.column_stack([1 - p, p]))
    assert loss == pytest.approx(0.3202939485569847, abs=1e-15)


@pytest.mark.parametrize(("loss", "word"), [(math.nan, "NaN"), (math.inf, "infinite")])
def test_a_loss_that_is_no_number_fails_the_network(loss, word):
    with pytest.raises(TrialError, match=f"became {word} at epoch 3: lower the") as e:
        require_finite(loss, 3)
    assert e.value.kind == "nan"
