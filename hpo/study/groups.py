"""Which trials are proposed together, what each may see, and what trains as one.

All of it is a function of trial numbers: not of who is free, of the budget, or of what
happened before a restart. That is what makes the trial table the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hpo.evaluation import Group, Pair
from hpo.records import Params, Trial
from hpo.study.racing import MedianRacing

FREE_ROUND = 16
"""Trials proposed at once where nothing holds them back: enough to fill groups."""


@dataclass(frozen=True)
class Schedule:
    """How trial numbers become rounds and groups.

    Args:
        n_folds: Folds of each trial.
        width: How many trials are proposed without seeing each other's scores.
        group_limit: The family's; with more than 1, trials are proposed in rounds.
        program_key: The family's; pairs with equal keys may share a group.
        sees_scores: Whether proposals depend on scores at all.
        racing: Stops hopeless folds; None lets all go on.
        group_matters: Whether a network's bits may depend on the group it is trained
            in. If not, groups are free to suit the machine: those that lack nothing
            are not trained again, and every worker gets some.
        timed: Whether the study ends by the clock, which should not wait for many
            trials that have begun.
        n_workers: How many groups are trained at once.
        whole_trials: Whether the folds of a trial are given to a family that trains no
            groups all the same; it may hand them back.
    """

    n_folds: int
    width: int
    group_limit: int
    program_key: Callable[[Params], Hashable]
    sees_scores: bool
    racing: MedianRacing | None = None
    group_matters: bool = True
    timed: bool = False
    n_workers: int = 1
    whole_trials: bool = False

    @property
    def round_size(self) -> int:
        """How many trials are proposed at once."""
        if self.group_limit == 1:
            return 1
        held_back = self.group_matters or self.sees_scores or self.racing or self.timed
        return self.width if held_back else max(self.width, FREE_ROUND)

    def round_of(self, number: int) -> range:
        """Return the numbers of the round that ``number`` belongs to."""
        first = number - number % self.round_size
        return range(first, first + self.round_size)

    def n_visible(self, number: int) -> int:
        """How many leading trials a proposal sees finished; the rest look running."""
        if not self.sees_scores and self.racing is None:
            return 0
        if self.group_limit > 1:
            return self.round_of(number).start
        return max(0, number - self.width + 1)

    def groups(
        self, trials: Sequence[Trial], history: Sequence[Trial] = ()
    ) -> Iterator[Group]:
        """Form the groups of one round, in the order of trials and folds.

        Args:
            trials: Of the round.
            history: All trials; what is stopped follows from those that each may see.
        """
        pairs = [
            Pair(trial.number, fold, trial.params, self._bars(trial, fold, history))
            for trial in trials
            for fold in range(self.n_folds)
        ]
        if self.whole_trials:
            yield from by_trial(pairs)
            return
        if self.group_limit == 1:
            yield from alone(pairs)
            return
        by_key: dict[Hashable, list[Pair]] = {}
        for pair in pairs:
            by_key.setdefault(self.program_key(pair.params), []).append(pair)
        limit = self._limit(len(pairs))
        for alike in by_key.values():
            for start in range(0, len(alike), limit):
                yield tuple(alike[start : start + limit])

    def _limit(self, n_pairs: int) -> int:
        """Return how many of a round's pairs may share a group."""
        if self.group_matters:
            return self.group_limit
        share = max(self.n_folds, -(-n_pairs // self.n_workers))
        return min(self.group_limit, share)

    def lacking(
        self, group: Group, lacks: Callable[[int, int], bool]
    ) -> Sequence[Group]:
        """Return what is to be trained of a group; nothing if it lacks nothing.

        Args:
            group: As formed.
            lacks: Tells whether (trial, fold) has no result yet.
        """
        lacking = tuple(pair for pair in group if lacks(pair.number, pair.fold))
        if self.whole_trials and len(lacking) < len(group):
            # A stack brings all its results at once: this one was handed back.
            return alone(lacking)
        whole = group if self.group_matters else lacking
        return [whole] if lacking else []

    def _bars(
        self, trial: Trial, fold: int, history: Sequence[Trial]
    ) -> tuple[float, ...]:
        if self.racing is None:
            return ()
        return self.racing.bars(history[: self.n_visible(trial.number)], fold)


def alone(pairs: Iterable[Pair]) -> list[Group]:
    """Make each pair a group of its own."""
    return [(pair,) for pair in pairs]


def by_trial(group: Sequence[Pair]) -> list[Group]:
    """Split a group so that each trial stands alone, to find which one is guilty."""
    numbers = dict.fromkeys(pair.number for pair in group)
    return [tuple(p for p in group if p.number == number) for number in numbers]


def narrower(group: Sequence[Pair]) -> list[Group]:
    """Split a group by trials, or that of one trial by folds; one pair is no more."""
    trials = by_trial(group)
    if len(trials) > 1:
        return trials
    return alone(group) if len(group) > 1 else []
