"""How the best trials of studies compare over the folds that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.analysis.comparing import (
    Difference,
    correlation,
    difference,
    known_metric,
    rope_of,
)
from hpo.report.comparable import Stored, same_folds
from hpo.report.look import score_text
from hpo.report.tables import Row, best_trial
from hpo.report.units import Units

NONE: Row = {
    "difference_to_best": None,
    "difference_low": None,
    "difference_high": None,
    "practically_worse": None,
    "practically_equal": None,
    "practically_better": None,
}


@dataclass(frozen=True)
class BestTrials:
    """The best trial of each study, compared with the best of all.

    Args:
        leader: Name of the study that has the best trial of all.
        others: Of each other study with a complete trial, by name; scores as stored.
        rope: Differences up to this count as practically none.
        units: That scores are shown in.
    """

    leader: str
    others: dict[str, Difference]
    rope: float
    units: Units

    def row(self, name: str) -> Row:
        """Return what is told of a study's best trial."""
        if name not in self.others:
            return NONE
        found = self.others[name]
        low, high = self.units.interval(found.low, found.high)
        return {
            "difference_to_best": self.units.value(found.mean),
            "difference_low": low,
            "difference_high": high,
            "practically_worse": found.worse,
            "practically_equal": found.equal,
            "practically_better": found.better,
        }

    @property
    def words(self) -> list[str]:
        """How each compares with the leader, and what that does not know."""
        sentences = [self._sentence(name, d) for name, d in self.others.items()]
        if sentences:
            sentences.append(
                f"Practically equal is within {score_text(self.rope)}. The trials were "
                f"picked as the best of their studies, which these probabilities do "
                f"not know."
            )
        return sentences

    def _sentence(self, name: str, found: Difference) -> str:
        low, high = self.units.interval(found.low, found.high)
        return (
            f"Best trial of {name} against that of {self.leader}, over the same folds: "
            f"{self.units.change(found.mean)} (95 %: {score_text(low)} to "
            f"{score_text(high)}); practically worse "
            f"{100 * found.worse:.0f} %, equal {100 * found.equal:.0f} %, better "
            f"{100 * found.better:.0f} %."
        )


def compare_best(given: Sequence[Stored], units: Units) -> BestTrials | None:
    """Compare the best trials of studies by the Bayesian correlated t test.

    None if the studies have no folds in common, a single one, or no two complete
    trials.
    """
    if not same_folds(given):
        return None
    found = {s.study.name: best_trial(s.trials) for s in given}
    best = {name: trial for name, trial in found.items() if trial is not None}
    if len(best) < 2 or given[0].study.n_folds < 2:
        return None
    leader = max(best, key=lambda name: best[name].score or 0.0)
    # Empty as soon as one of them is an objective, whose scale is its own.
    metric = min(known_metric(stored.study) for stored in given)
    rope = rope_of(metric, best[leader].score or 0.0)
    share = correlation(given[0].study)
    others = {
        name: compared
        for name, trial in best.items()
        for compared in [difference(trial, best[leader], correlation=share, rope=rope)]
        if name != leader and compared is not None
    }
    return BestTrials(leader, others, rope, units)
