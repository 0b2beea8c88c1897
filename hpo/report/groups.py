"""Groups of searches: the median over several seeds, and the range around it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hpo.report.course import Course


@dataclass(frozen=True)
class Spread:
    """The median of what several searches have, and its range; None for nothing."""

    middle: float | None
    low: float | None
    high: float | None


def spread(values: Sequence[float | None], *, nothing: float) -> Spread:
    """Return the median and the range of values.

    Args:
        values: Of each search; None where it has none.
        nothing: What that counts as: infinity, or minus infinity.

    Example:
        >>> spread([8, None, 12], nothing=float("inf"))
        Spread(middle=12, low=8, high=None)
    """
    known = [nothing if value is None else value for value in values]
    middle = statistics.median(known)
    found = (middle, min(known), max(known))
    return Spread(*(value if math.isfinite(value) else None for value in found))


@dataclass(frozen=True)
class Group:
    """Courses that are shown as one: a study alone, or a strategy with every seed."""

    label: str
    courses: tuple[Course, ...]

    @property
    def n_trials(self) -> int:
        """Trials that all of them have."""
        return min(course.n_trials for course in self.courses)

    def scores(self, measure: Callable[[Course], float | None]) -> Spread:
        """Return the spread of a score; a search without one is the worst."""
        worst = math.inf if self.courses[0].minimize else -math.inf
        return spread(list(map(measure, self.courses)), nothing=worst)

    def costs(self, measure: Callable[[Course], float | None]) -> Spread:
        """Return the spread of a cost; what was never reached costs infinitely much."""
        return spread(list(map(measure, self.courses)), nothing=math.inf)

    def trials_to(self, score: float | None) -> Spread:
        """Return the spread of the trials that it took to reach a score."""
        return self.costs(lambda c: None if score is None else c.trials_to(score))

    def seconds_to(self, score: float | None) -> Spread:
        """Return the spread of the seconds that it took to reach a score."""
        return self.costs(lambda c: None if score is None else c.seconds_to(score))

    @property
    def timed(self) -> bool:
        """Whether it is known when each trial ended."""
        return all(course.ended for course in self.courses)


def cost_text(cost: Spread, *, digits: int = 0) -> str:
    """Write a cost: its median, and its range if it has one.

    Example:
        >>> cost_text(Spread(31, 12, None)), cost_text(Spread(5, 5, 5))
        ('31 (12-never)', '5')
    """

    def text(value: float | None) -> str:
        return "never" if value is None else f"{value:.{digits}f}"

    middle = text(cost.middle)
    if cost.middle is not None and cost.middle % 1 and not digits:
        middle = f"{cost.middle:.1f}"  # between two searches
    if cost.low == cost.high:
        return middle
    return f"{middle} ({text(cost.low)}-{text(cost.high)})"
