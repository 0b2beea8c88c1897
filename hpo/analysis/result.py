"""Everything that is concluded from a study, put together once for all who show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpo.analysis.baseline import Baseline, baseline
from hpo.analysis.choosing import (
    best_by_mean,
    chosen,
    chosen_by,
    complete,
    scored,
    standard_error,
)
from hpo.analysis.comparing import (
    Difference,
    correlation,
    difference,
    known_metric,
    rope_of,
)
from hpo.analysis.corrected import Corrected, Predicted, corrected_score
from hpo.analysis.fitting import Fit, Surroundings, judged_fit, perfect_score
from hpo.analysis.repeated_choice import Gain, within
from hpo.analysis.variance import fold_share
from hpo.records import StudyRecord, StudyRows, TestLook, Trial

__all__ = [
    "Baseline",
    "Corrected",
    "Difference",
    "Fit",
    "Gain",
    "Predicted",
    "StudyResult",
    "study_result",
]

N_RIVALS = 9
"""How many of the next best trials are compared with the chosen one."""


@dataclass(frozen=True)
class StudyResult:
    """What is concluded from a study that has a complete trial.

    Args:
        chosen: The trial to take.
        rule: How it was chosen: ``mean`` or ``one-se``.
        best: The trial with the greatest mean score.
        standard_error: Of the best one's mean over its folds; None for a single fold.
        corrected: How good the choice really is; None if that cannot be told.
        why_not_corrected: Why not, in words; empty if it can.
        defaults: The trial of the family's defaults, if it is complete.
        gain: From the defaults to the chosen trial; None if they are one trial, if one
            of them is missing, or if there is a single fold whose rows say nothing.
        baseline: A model without features; None where the rows are not known or the
            metric cannot judge it.
        rope: Half the width of what counts as practically equal, in the metric's units.
        rivals: The next best trials by mean, each compared with the chosen one; none
            if there is a single fold.
        fold_share: Of the variance between the folds of one of the better half of the
            trials, the share that is the same for all of them, from 0 to 1: it is the
            fold, not the network. None if there are too few trials or folds.
        fits: Over- and underfitting of the chosen, the best and the rival trials by
            number.
        looks: What was scored on the test part, oldest first; empty until asked.
    """

    chosen: Trial
    rule: str
    best: Trial
    standard_error: float | None
    corrected: Corrected | None
    why_not_corrected: str
    defaults: Trial | None
    gain: Gain | None
    baseline: Baseline | None
    rope: float
    rivals: tuple[Difference, ...]
    fold_share: float | None
    fits: Mapping[int, Fit]
    looks: tuple[TestLook, ...] = ()

    def first_look(self, number: int) -> TestLook | None:
        """Return the first look at the test part with a trial; None without one.

        The first, as it is the one that nothing had been learned from.
        """
        ours = (x for x in self.looks if (x.kind, x.number) == ("search", number))
        return next(ours, None)

    @property
    def over_baseline(self) -> Gain | None:
        """From the baseline to the corrected score; None where one is not known.

        The baseline's score is taken as it is.
        """
        baseline, corrected = self.baseline, self.corrected
        if baseline is None or corrected is None:
            return None
        over = (corrected.score, corrected.low, corrected.high)
        mean, low, high = (score - baseline.score for score in over)
        return Gain(mean, low, high, corrected=True)

    @property
    def lacks_proof(self) -> bool:
        """Whether chance may be all that the choice has over the baseline."""
        over = self.over_baseline
        return over is not None and over.low <= 0

    @property
    def shown_look(self) -> TestLook | None:
        """The first look with the chosen trial, else the first of all, if there is one.

        A look with another trial is a look: the test part is no longer untouched.
        """
        return self.first_look(self.chosen.number) or next(iter(self.looks), None)


def _plain_gain(found: Difference | None) -> Gain | None:
    """Return the gain as a comparison over the folds tells it."""
    if found is None:
        return None
    return Gain(found.mean, found.low, found.high, corrected=False)


def study_result(
    study: StudyRecord,
    trials: Sequence[Trial],
    *,
    rows: StudyRows | None,
    predicted: Predicted,
    defaults: Trial | None = None,
    looks: Sequence[TestLook] = (),
    n_rivals: int = N_RIVALS,
) -> StudyResult | None:
    """Return what is concluded from a study; None if no trial is complete.

    Args:
        study: As it is stored; its document's ``select`` says how to choose.
        trials: Of its search, by number; those beyond the stop do not count.
        rows: What its rows are, None if that is not known.
        predicted: Reads their predictions, a few trials at a time.
        defaults: The trial of the family's defaults, if there is one.
        looks: At the test part.
        n_rivals: How many other trials are compared with the chosen one.
    """
    best = best_by_mean(trials)
    rule = chosen_by(study)
    choice = chosen(trials, rule)
    if best is None or choice is None:
        return None
    if defaults is not None and not complete([defaults]):
        defaults = None
    metric = known_metric(study)
    rope = rope_of(metric, scored(best))
    share = correlation(study)
    corrected, why_not = corrected_score(
        study, trials, rows, predicted, rule=rule, defaults=defaults
    )
    if corrected is not None:
        corrected = within(corrected, perfect_score(metric))
    plain = baseline(metric, rows)
    ranked = sorted(complete(trials), key=lambda t: (-scored(t), t.number))
    others = [t for t in ranked if t.number != choice.number][:n_rivals]
    compared = [difference(t, choice, correlation=share, rope=rope) for t in others]
    gain = None
    if defaults is not None and defaults.number != choice.number:
        told = corrected.gain if corrected else None
        gain = told or _plain_gain(
            difference(choice, defaults, correlation=share, rope=rope)
        )
    around = Surroundings(metric, rope, best, plain.score if plain else None)
    return StudyResult(
        chosen=choice,
        rule=rule,
        best=best,
        standard_error=standard_error(best),
        corrected=corrected,
        why_not_corrected=why_not,
        defaults=defaults,
        gain=gain,
        baseline=plain,
        rope=rope,
        rivals=tuple(each for each in compared if each is not None),
        fold_share=fold_share(trials),
        fits={t.number: judged_fit(t, around) for t in (choice, best, *others)},
        looks=tuple(looks),
    )
