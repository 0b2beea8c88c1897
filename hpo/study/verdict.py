"""When a study has seen enough: `patience` and `max_failures`.

Both are judged over the finished trials in the order of their numbers, never in the
order in which they happened to finish, so the verdict is the same with any number of
workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hpo.records import Trial


class Verdict:
    """Takes finished trials one by one, in order, and says after which one to stop.

    Args:
        patience: Stop after this many trials without gain; None never does.
        max_failures: Stop after this many failed trials in a row.

    Attributes:
        stop: Number of the last trial that counts, or None while the study goes on.
        failing: Whether it stopped for failures.
        reason: Why it stopped, in words.
        best: The best trial so far.
    """

    def __init__(self, patience: int | None, max_failures: int) -> None:
        self._patience, self._max_failures = patience, max_failures
        self._failed_in_a_row: list[Trial] = []
        self.stop: int | None = None
        self.failing = False
        self.reason = ""
        self.best: Trial | None = None

    def add(self, trial: Trial) -> None:
        """Judge the next finished trial; after the stop nothing counts any more."""
        if self.stop is not None:
            return
        if trial.state == "failed":
            self._failed_in_a_row.append(trial)
        else:
            self._failed_in_a_row.clear()
        if trial.score is not None and (
            self.best is None or trial.score > (self.best.score or 0.0)
        ):
            self.best = trial
        self._judge(trial.number)

    def _judge(self, number: int) -> None:
        if len(self._failed_in_a_row) >= self._max_failures:
            self.stop, self.failing = number, True
            self.reason = (
                f"{self._max_failures} trials failed in a row "
                f"({causes(self._failed_in_a_row)})"
            )
        elif self._patience is not None:
            without_gain = number - (self.best.number if self.best else -1)
            if without_gain >= self._patience:
                self.stop = number
                self.reason = f"no gain in {self._patience} trials (patience)"


def causes(trials: Iterable[Trial]) -> str:
    r"""Count the distinct causes of failed trials, most frequent first.

    Example:
        >>> failed = Trial(0, {}, "failed", failure="error", error="Boom: x is 3\n")
        >>> causes([failed, failed])
        '2 x error: Boom: x is 3'
    """
    counted = Counter(
        f"{trial.failure}: {last_line(trial.error)}"
        for trial in trials
        if trial.state == "failed"
    )
    return "; ".join(f"{count} x {cause}" for cause, count in counted.most_common())


def last_line(error: str | None) -> str:
    """Return the line of a traceback that says what happened."""
    lines = [line for line in (error or "").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no message"
