"""Searches side by side: what each had found after so many trials and seconds.

Studies are compared one by one. Searches by several strategies, each with several
seeds, are compared strategy by strategy: medians over the seeds, and the range.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpo.errors import StudyError
from hpo.report.comparable import Stored, refuse_incomparable, same_folds
from hpo.report.comparing_best import NONE, BestTrials, compare_best
from hpo.report.course import Course, course
from hpo.report.groups import Group
from hpo.report.tables import Row
from hpo.report.units import units_of

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Of the trials that all have had: after which the best score is shown."""


@dataclass(frozen=True)
class Comparison:
    """Groups of searches side by side.

    Args:
        metric: Name of the score.
        minimize: Whether the least score is the best.
        groups: Studies or strategies, in the order they were named.
        to_reach: The score whose cost is told; None if no trial has a score.
        notes: What a reader should know, a sentence each.
        how: How the searches were made, a sentence each.
        of_strategies: Whether each group is a strategy with several seeds.
        best_trials: How the best trials of studies compare; None without folds that
            all share.
    """

    metric: str
    minimize: bool
    groups: tuple[Group, ...]
    to_reach: float | None
    notes: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    of_strategies: bool = False
    best_trials: BestTrials | None = None

    @property
    def n_common(self) -> int:
        """Trials that every search has."""
        return min(group.n_trials for group in self.groups)

    @property
    def checkpoints(self) -> list[int]:
        """Numbers of trials after which the best score is shown."""
        marks = [max(1, math.ceil(share * self.n_common)) for share in SHARES]
        return list(dict.fromkeys(marks)) if self.n_common else []

    @property
    def rows(self) -> list[Row]:
        """A row for each study or strategy, of what JSON can hold."""
        row = self._strategy_row if self.of_strategies else self._study_row
        return [row(group) for group in self.groups]

    def _study_row(self, group: Group) -> Row:
        (one,) = group.courses
        score = self.to_reach
        return {
            "study": one.name,
            "strategy": one.strategy,
            "family": one.family,
            "seed": one.seed,
            "n_trials": one.n_trials,
            "best_score": one.best,
            "std_score": one.std,
            **{f"best_after_{n}": one.after(n) for n in self.checkpoints},
            "to_reach": score,
            "trials_to_reach": None if score is None else one.trials_to(score),
            "seconds_to_reach": None if score is None else one.seconds_to(score),
            "total_seconds": one.total_seconds,
            **(self.best_trials.row(one.name) if self.best_trials else NONE),
        }

    def _strategy_row(self, group: Group) -> Row:
        best, score = group.scores(lambda c: c.best), self.to_reach
        trials, seconds = group.trials_to(score), group.seconds_to(score)
        total = group.costs(lambda c: c.total_seconds)
        n_reached = sum(
            score is not None and c.trials_to(score) is not None for c in group.courses
        )
        after = {
            f"best_after_{n}": group.scores(lambda c, n=n: c.after(n)).middle  # type: ignore[misc]
            for n in self.checkpoints
        }
        return {
            "strategy": group.label,
            "n_searches": len(group.courses),
            "n_trials": group.n_trials,
            "best_median": best.middle,
            "best_low": best.low,
            "best_high": best.high,
            "wins": self.wins[group.label],
            **after,
            "to_reach": score,
            "n_reached": n_reached,
            "trials_to_reach": trials.middle,
            "trials_to_reach_low": trials.low,
            "trials_to_reach_high": trials.high,
            "seconds_to_reach": seconds.middle,
            "seconds_to_reach_low": seconds.low,
            "seconds_to_reach_high": seconds.high,
            "total_seconds": total.middle,
        }

    @property
    def wins(self) -> dict[str, int]:
        """In how many seeds each strategy alone was best after the common trials."""
        wins = dict.fromkeys((group.label for group in self.groups), 0)
        for leaders in self.leaders.values():
            if len(leaders) == 1:
                wins[leaders[0]] += 1
        return wins

    @property
    def n_ties(self) -> int:
        """Seeds in which several strategies share the best score."""
        return sum(len(leaders) > 1 for leaders in self.leaders.values())

    @property
    def leaders(self) -> Mapping[int, list[str]]:
        """Return the strategies that share the best score, by seed."""
        found: dict[int, dict[str, float]] = {}
        for group in self.groups:
            for one in group.courses:
                score = one.after(self.n_common)
                if score is not None:
                    found.setdefault(one.seed, {})[group.label] = score
        best = min if self.minimize else max
        return {
            seed: [label for label, score in scores.items() if _same(score, top)]
            for seed, scores in found.items()
            for top in [best(scores.values())]
        }


def _same(score: float, other: float) -> bool:
    # Means of the same folds may differ in their last digit.
    return math.isclose(score, other, rel_tol=1e-12)


def usual_goal(groups: Sequence[Group], *, minimize: bool) -> float | None:
    """Return the score to reach where none is given.

    The median of the best scores, of the group where it is worst; of two in the middle
    the worse one. So at least half of the searches of each group reach it.
    """
    worse = statistics.median_high if minimize else statistics.median_low
    missing = math.inf if minimize else -math.inf
    middles = [
        worse([missing if c.best is None else c.best for c in group.courses])
        for group in groups
    ]
    known = [middle for middle in middles if math.isfinite(middle)]
    return (max if minimize else min)(known, default=None)


def compare(
    given: Sequence[Stored],
    *,
    to_reach: float | None = None,
    by_strategy: bool = False,
    n_trials: int | None = None,
    how: Sequence[str] = (),
) -> Comparison:
    """Set stored studies side by side.

    Args:
        given: The studies, at least two.
        to_reach: The score whose cost is told; None for `usual_goal`.
        by_strategy: Group them by strategy: they are searches with several seeds.
        n_trials: Look at the first trials of each only.
        how: How they were made, a sentence each.

    Raises:
        StudyError: They are fewer than two, one is named twice, or their scores do not
            measure the same.
    """
    _check_names([stored.study.name for stored in given])
    refuse_incomparable(given)
    courses = [course(s.study, s.trials, n_trials=n_trials) for s in given]
    grouped: dict[str, list[Course]] = {}
    for one in courses:
        grouped.setdefault(one.strategy if by_strategy else one.name, []).append(one)
    groups = tuple(Group(label, tuple(found)) for label, found in grouped.items())
    units, minimize = units_of(given[0].study), courses[0].minimize
    goal = to_reach if to_reach is not None else usual_goal(groups, minimize=minimize)
    return Comparison(
        metric=units.metric,
        minimize=minimize,
        groups=groups,
        to_reach=goal,
        notes=tuple(_notes(given, to_reach, by_strategy=by_strategy)),
        how=tuple(how),
        of_strategies=by_strategy,
        best_trials=None if by_strategy else compare_best(given, units),
    )


def _check_names(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise StudyError(
            "compare: expected the names of at least two studies; see hpo list"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise StudyError(f"compare: study {twice!r} is named twice")


def _notes(
    given: Sequence[Stored], to_reach: float | None, *, by_strategy: bool
) -> list[str]:
    notes = []
    if to_reach is None:
        notes.append(
            "The score to reach is the median of the best scores of the strategy where "
            "it is worst; of two in the middle, the worse one."
            if by_strategy
            else "The score to reach is where the weakest study ended."
        )
    if not by_strategy and not same_folds(given):
        notes.append(
            "The studies have folds of their own, so that a part of each difference is "
            "that of the rows they were scored on."
        )
    notes.append(
        "Every best score is that of a winner: the more trials, the more of it is luck."
    )
    return notes
