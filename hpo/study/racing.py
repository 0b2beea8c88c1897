"""Which folds of an objective are hopeless: those behind half of the earlier trials.

The bars come from the trials that a proposal may see, so they follow from trial numbers
alone, and the same folds are stopped with any number of workers and after a restart.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import accumulate

from hpo.evaluation.objective import CURVE
from hpo.records import Trial

MIN_CURVES = 5
"""Fewer learning curves of a fold say too little to stop another."""


class MedianRacing:
    """The median stopping rule, fold by fold.

    A fold is hopeless after an epoch if the best value that it has reported is worse
    than the median of what complete trials had reached on the same fold by then.

    Args:
        minimize: Whether small values are good.

    Source:
        D. Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD
        2017, section 3.2.1.
    """

    def __init__(self, *, minimize: bool) -> None:
        self._better = min if minimize else max

    def bars(self, history: Sequence[Trial], fold: int) -> tuple[float, ...]:
        """Return what a fold has to reach by each epoch; as long as enough curves are.

        Args:
            history: Trials that may be seen; only complete ones count.
            fold: Index of the fold.
        """
        best = [
            list(accumulate(trial.folds[fold].curves[CURVE], self._better))
            for trial in history
            if trial.state == "complete" and CURVE in trial.folds[fold].curves
        ]
        n_epochs = max(map(len, best), default=0)
        bars = []
        for epoch in range(n_epochs):
            reached = [curve[epoch] for curve in best if epoch < len(curve)]
            if len(reached) < MIN_CURVES:
                break
            bars.append(statistics.median(reached))
        return tuple(bars)
