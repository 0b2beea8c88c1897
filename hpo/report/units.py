"""The units that scores are shown in: those of the metric, as its author gave them.

In the store greater is better. What an objective wants small is kept there with its
sign changed, and is shown with the sign it had.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpo.evaluation.objective import NEGATIVE
from hpo.records import StudyRecord
from hpo.report.look import score_text
from hpo.user_code import OBJECTIVE, kind_of


@dataclass(frozen=True)
class Units:
    """How scores of the store are shown.

    Args:
        metric: Name of the score, not escaped.
        sign: -1 if the stored score is that of the metric with its sign changed.
    """

    metric: str
    sign: int = 1

    def value(self, score: float) -> float:
        """Return a stored score, or a difference of two, as it is shown."""
        return self.sign * score + 0.0  # no -0.0

    def text(self, score: float | None) -> str:
        """Word a stored score; a dash stands for none."""
        return "-" if score is None else score_text(self.value(score))

    def change(self, difference: float) -> str:
        """Word a difference of two stored scores, with its sign."""
        shown = self.value(difference)
        small = 1e-12 < abs(shown) < 0.00005
        return f"{shown:+.1e}" if small else f"{round(shown, 4) + 0.0:+.4f}"

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """Return an interval of stored scores as it is shown, the lower end first."""
        ends = sorted((self.value(low), self.value(high)))
        return ends[0], ends[1]

    @property
    def better(self) -> str:
        """In which direction scores are better: ``higher`` or ``lower``."""
        return "lower" if self.sign < 0 else "higher"


def units_of(study: StudyRecord) -> Units:
    """Return the units of a study's scores."""
    evaluation = study.document.get("evaluation") or {}
    minimized = evaluation.get("direction") == "minimize"
    if kind_of(study.family) == OBJECTIVE and minimized:
        return Units(study.metric.removeprefix(NEGATIVE), -1)
    return Units(study.metric)
