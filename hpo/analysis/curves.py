"""What learning curves say of a training: that it went wrong, or ended too soon.

The thresholds are the constants below, and each verdict states its figures.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hpo.records import FoldResult, Trial, mean

TAIL_SHARE = 0.1
"""The last epochs, of which at least `LEAST_TAIL` are looked at."""
LEAST_TAIL = 3
LEAST_EPOCHS = 5
"""Shorter curves tell nothing."""
STILL_FALLING = 0.05
"""Unfinished is what loses this share of its loss over the last epochs."""
RISEN = 1.5
"""Diverging is a training loss that ends at so many times what it had come down to."""
MOST_FOLDS = 0.5
"""Of curves, more than this share of the folds must show the same."""


@dataclass(frozen=True)
class Fit:
    """Whether a trial's networks are over- or underfitted.

    Args:
        kind: ``good``, ``overfit``, ``underfit``, ``unfinished`` (it was still getting
            better in its last epochs), ``diverging``, ``useless`` (a model that looks
            at no feature is better) or ``unknown``.
        words: One sentence about it with the figures that it rests on.
    """

    kind: str
    words: str


def figure(value: float) -> str:
    """Write a score: three decimals, or three digits where that says too little."""
    return f"{value:.3f}" if 0.01 <= abs(value) < 100 or value == 0 else f"{value:.3g}"


def _curves(trial: Trial, name: str) -> list[list[float]]:
    """Return the curves of a name that are long enough to tell something."""
    curves = [list(fold.curves.get(name, ())) for fold in trial.folds]
    return [curve for curve in curves if len(curve) >= LEAST_EPOCHS]


def n_curves(trial: Trial) -> int:
    """Return how many folds have a curve that is long enough to tell something."""
    return len(_curves(trial, "loss"))


def diverging(trial: Trial) -> Fit | None:
    """Find training losses that end far above what they were, or as no number."""
    curves = _curves(trial, "loss")
    risen = [curve for curve in curves if _has_risen(curve)]
    if not risen or len(risen) <= MOST_FOLDS * len(curves):
        return None
    least = mean([min(v for v in curve if math.isfinite(v)) for curve in risen])
    last = mean([curve[-1] for curve in risen])
    words = (
        f"Diverging: the training loss fell to {figure(least)} and ended at "
        f"{figure(last)} in {_of_folds(len(risen), len(curves))}; "
        "a smaller learning rate may help"
    )
    return Fit("diverging", words)


def _has_risen(curve: Sequence[float]) -> bool:
    finite = [value for value in curve if math.isfinite(value)]
    if not finite:
        return False
    if len(finite) < len(curve):
        return True
    # Its end is a mean, as single epochs of small batches jump. What it is compared
    # with comes before it: a steep fall ends far below the mean of its own end.
    least, end = min(curve[:-LEAST_TAIL]), mean(curve[-LEAST_TAIL:])
    return least > 0 and end > RISEN * least


def unfinished(trial: Trial) -> Fit | None:
    """Find trainings that were still getting better when they ended."""
    watched = [fold for fold in trial.folds if _is_watched(fold)]
    if watched:
        late = [fold for fold in watched if _best_is_late(fold)]
        if len(late) <= MOST_FOLDS * len(watched):
            return None
        epochs = statistics.median([fold.best_epoch or 0 for fold in late])
        lasts = statistics.median([len(fold.curves["val_loss"]) for fold in late])
        words = (
            f"Unfinished: the loss on watched rows was least in epoch {epochs:g} of "
            f"{lasts:g} in {_of_folds(len(late), len(watched))}; more epochs may help"
        )
        return Fit("unfinished", words)
    curves = _curves(trial, "loss")
    falls = [fall for curve in curves if (fall := _late_fall(curve)) > STILL_FALLING]
    if not falls or len(falls) <= MOST_FOLDS * len(curves):
        return None
    n_epochs = statistics.median([_tail(len(curve)) for curve in curves])
    words = (
        f"Unfinished: the training loss still fell by {mean(falls):.0%} over the last "
        f"{n_epochs:g} epochs in {_of_folds(len(falls), len(curves))}; more epochs "
        "may help"
    )
    return Fit("unfinished", words)


def _is_watched(fold: FoldResult) -> bool:
    curve = fold.curves.get("val_loss", ())
    return fold.best_epoch is not None and len(curve) >= LEAST_EPOCHS


def _best_is_late(fold: FoldResult) -> bool:
    """Return whether the best epoch is among the last, and better than before them.

    A loss that has settled has its least value somewhere, often late: it must be less
    by `STILL_FALLING` than the least before the last epochs.
    """
    curve = fold.curves["val_loss"]
    tail = _tail(len(curve))
    best = fold.best_epoch or 0
    before = min(curve[:-tail])
    lowest = curve[min(best, len(curve)) - 1]
    return best > len(curve) - tail and before - lowest > STILL_FALLING * abs(before)


def _late_fall(curve: Sequence[float]) -> float:
    """Return by what share the last epochs brought the least loss down."""
    tail = _tail(len(curve))
    before = min(curve[:-tail])
    return (before - min(curve[-tail:])) / before if before > 0 else 0.0


def _tail(n_epochs: int) -> int:
    return min(n_epochs - 1, max(LEAST_TAIL, math.ceil(TAIL_SHARE * n_epochs)))


def _of_folds(n: int, n_folds: int) -> str:
    if n == n_folds:
        return "every fold" if n > 1 else "its fold"
    return f"{n} of {n_folds} folds"
