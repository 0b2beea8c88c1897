"""How many rows each class has, and when that is uneven."""

from __future__ import annotations

import pytest

from hpo.data.classes import class_shares, imbalance_note


def column(counts):
    """A table whose target holds each label so many times."""
    labels = [label for label, n_rows in counts.items() for _ in range(n_rows)]
    return "\n".join(["a,y", *(f"{i % 7},{label}" for i, label in enumerate(labels))])


def test_shares_are_those_of_the_labels_largest_first(load_text):
    dataset = load_text(column({"fog": 2, "sun": 5, "rain": 2, "snow": 1}))
    assert class_shares(dataset) == [
        ("sun", 5, 0.5), ("fog", 2, 0.2), ("rain", 2, 0.2), ("snow", 1, 0.1)
    ]  # fmt: skip


def test_a_regression_has_no_classes(load_text):
    dataset = load_text(column({"1.5": 2, "2.5": 5}))
    assert class_shares(dataset) == []
    assert imbalance_note(dataset) is None


def test_uneven_classes_are_noted_with_the_ways_to_deal_with_them(load_text):
    note = imbalance_note(load_text(column({"sun": 180, "fog": 19, "snow": 1})))
    assert note == (
        "classes are uneven: 'snow' has 1 row (0.5 %), 'sun' 180 (90.0 %); metric "
        "balanced_accuracy or class_weight: balanced may suit"
    )


@pytest.mark.parametrize(
    ("counts", "uneven"),
    [
        ({"u": 90, "v": 10}, False),
        ({"u": 91, "v": 9}, True),
        ({"u": 50, "v": 40, "w": 10}, False),
        ({0: 94, 1: 6}, True),
    ],
)
def test_uneven_means_less_than_a_fifth_of_an_even_share(load_text, counts, uneven):
    assert (imbalance_note(load_text(column(counts))) is not None) == uneven
