"""Count the classes of a data set, and tell whether one of them is rare.

It owns what uneven means here. It changes nothing: whether rare classes are weighted is
for the study to say.
"""

from __future__ import annotations

import numpy as np

from hpo.data.words import count, shortened
from hpo.records import Dataset

UNEVEN_BELOW = 0.2
"""A class is rare if its share is below this part of an even share."""


def class_shares(dataset: Dataset) -> list[tuple[str, int, float]]:
    """Return label, rows and share (0 to 1) of each class, the largest first.

    Classes of the same size are in the order of their codes; a regression has none.
    """
    if dataset.classes is None:
        return []
    counts = np.bincount(dataset.y, minlength=dataset.n_classes)
    return [
        (str(dataset.classes[code]), int(counts[code]), counts[code] / dataset.n_rows)
        for code in np.argsort(-counts, kind="stable")
    ]


def imbalance_note(dataset: Dataset) -> str | None:
    """Say so if the smallest class has less than a fifth of an even share."""
    shares = class_shares(dataset)
    if not shares or shares[-1][2] * len(shares) >= UNEVEN_BELOW:
        return None
    largest, smallest = shares[0], shares[-1]
    return (
        f"classes are uneven: {_word(*smallest, with_noun=True)}, {_word(*largest)}; "
        "metric balanced_accuracy or class_weight: balanced may suit"
    )


def _word(label: str, n_rows: int, share: float, *, with_noun: bool = False) -> str:
    number = f"has {count(n_rows, 'row')}" if with_noun else str(n_rows)
    return f"{shortened(label)!r} {number} ({100 * share:.1f} %)"
