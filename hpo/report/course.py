"""The course of a search: the best score so far after so many trials, and seconds.

Scores here have the sign that the user knows them by: the value of an objective that is
minimised is as the objective gave it, and the best one is the least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

from hpo.records import StudyRecord, Trial
from hpo.report.tables import best_trial, counted
from hpo.report.units import Units, units_of


@dataclass(frozen=True)
class Course:
    """What a study had found after each of its trials.

    Args:
        name: Of the study.
        strategy: Name of its strategy.
        family: Name of its family of models.
        seed: Of everything random in it.
        minimize: Whether the least score is the best.
        scores: Of the finished trials that count, by number; None for one without.
        ended: When each of them ended, in seconds of the study's running time; empty
            if that is not known.
        std: Of the folds' scores of the best trial; None without one.
        total_seconds: The running time; None if it is not known.
    """

    name: str
    strategy: str
    family: str
    seed: int
    minimize: bool
    scores: tuple[float | None, ...]
    ended: tuple[float, ...] = ()
    std: float | None = None
    total_seconds: float | None = None

    @property
    def n_trials(self) -> int:
        return len(self.scores)

    @property
    def best(self) -> float | None:
        """The best score of all; None if no trial has one."""
        return self.after(self.n_trials)

    def after(self, n_trials: int) -> float | None:
        """Return the best score of the first trials; None if none has one."""
        return self._best(self.scores[:n_trials])

    def at(self, seconds: float) -> float | None:
        """Return the best score of the trials that had ended by then."""
        pairs = zip(self.ended, self.scores, strict=False)
        return self._best([score for ended, score in pairs if ended <= seconds])

    def best_so_far(self) -> list[float | None]:
        """Return the best score after each trial."""
        return list(accumulate(self.scores, lambda a, b: self._best([a, b])))

    def trials_to(self, score: float) -> int | None:
        """Return after how many trials a score was reached; None if it never was."""
        for n_trials, reached in enumerate(self.scores, 1):
            if self._reaches(reached, score):
                return n_trials
        return None

    def seconds_to(self, score: float) -> float | None:
        """Return the seconds of running time until a score was reached.

        None if it never was, or if the times are not known. The first of the trials to
        end counts, which need not be the first by number.
        """
        pairs = zip(self.ended, self.scores, strict=False)
        return min((e for e, s in pairs if self._reaches(s, score)), default=None)

    def _best(self, scores: Sequence[float | None]) -> float | None:
        known = [score for score in scores if score is not None]
        return (min if self.minimize else max)(known, default=None)

    def _reaches(self, reached: float | None, score: float) -> bool:
        if reached is None:
            return False
        # Means of the same folds may differ in their last digit.
        near = math.isclose(reached, score, rel_tol=1e-12)
        return near or (reached < score if self.minimize else reached > score)


def course(
    study: StudyRecord, trials: Sequence[Trial], *, n_trials: int | None = None
) -> Course:
    """Return the course of a stored study.

    Args:
        study: As it is stored.
        trials: Of its search, by number.
        n_trials: Look at the first ones only.
    """
    finished = [trial for trial in counted(trials) if trial.finished]
    shown = finished[:n_trials]
    units = units_of(study)
    moments = running_seconds(study, trials)
    ended = [moments.get(trial.finished_at) for trial in shown]
    known = [moment for moment in ended if moment is not None]
    best = best_trial(shown)
    whole = len(shown) == len(finished)
    total = study.active_seconds if whole else max(known, default=0.0)
    return Course(
        name=study.name,
        strategy=study.strategy,
        family=study.family,
        seed=study.seed,
        minimize=units.sign < 0,
        scores=tuple(_score(trial, units) for trial in shown),
        ended=tuple(known) if len(known) == len(shown) else (),
        std=best.std if best else None,
        total_seconds=total if moments else None,
    )


def _score(trial: Trial, units: Units) -> float | None:
    if trial.score is None or not math.isfinite(trial.score):
        return None
    return units.value(trial.score)


def running_seconds(
    study: StudyRecord, trials: Sequence[Trial]
) -> dict[datetime | None, float]:
    """Return how long the study had been running at each instant of its trials.

    The store knows when trials began and ended and how long the study ran over all
    runs, but not when it stood still. Pauses are taken to be the longest gaps between
    one instant and the next: as few of them as can hold the time that it did not run
    are cut to one length, so that all gaps together are the running time. Where nothing
    paused, nothing is cut.

    Args:
        study: As it is stored.
        trials: All of its search.

    Returns:
        Seconds by the instants at which trials and folds were written; empty if the
        running time is not known, as for a study that was only told its scores.
    """
    stamps = {trial.created_at for trial in trials}
    stamps |= {trial.finished_at for trial in trials}
    stamps |= {fold.finished_at for trial in trials for fold in trial.folds}
    instants = sorted(stamp for stamp in stamps if stamp is not None)
    if not instants or study.active_seconds <= 0:
        return {}
    start = min(study.created_at, instants[0])
    gaps = [(b - a).total_seconds() for a, b in pairwise([start, *instants])]
    passed = accumulate(_without_pauses(gaps, study.active_seconds))
    return dict(zip(instants, passed, strict=True))


def _without_pauses(gaps: Sequence[float], total: float) -> list[float]:
    """Return the gaps with the longest of them cut, to be no more than a total."""
    paused = sum(gaps) - total
    if paused <= 0:
        return list(gaps)
    longest = sorted(range(len(gaps)), key=lambda place: gaps[place], reverse=True)
    held = list(accumulate(gaps[place] for place in longest))
    enough = (n for n, seconds in enumerate(held, 1) if seconds >= paused)
    n_pauses = next(enough, len(held))
    left = max(0.0, held[n_pauses - 1] - paused) / n_pauses
    cut = dict.fromkeys(longest[:n_pauses], left)
    return [cut.get(place, gap) for place, gap in enumerate(gaps)]
