"""How good the chosen trial really is: its score without the optimism of the choice.

The greatest of many noisy scores is too great. Here the choice is made again and again
on rows drawn from the study's, by out-of-fold predictions that are stored, and what is
chosen is scored on the rows that were not drawn. No network is trained again.

Source: Tsamardinos, Greasidou, Borboudakis, Bootstrapping the out-of-sample predictions
for efficient and accurate cross-validation, Machine Learning 107, 2018 (BBC-CV). Where
rows cannot be drawn, folds are: Paraschakis, Castellani, Borboudakis, Tsamardinos,
Confidence interval estimation of predictive performance in the context of AutoML,
AutoML 2024 (BBC-F).

What the published methods leave open is settled so:

* Rows of small folds count more, so that a trial's score over all rows is the mean of
  its folds' scores, and not that of its rows' scores.
* A row that several repeats predict is one row: it is drawn, or left out, in all.
* Only rows that some fold scores take part; in a split in time the first are none.
* A metric that is no mean over rows is computed in each fold from the rows of the draw,
  and averaged over the folds about which it says something. Of few rows it tends to be
  lower, or higher, than of many: r2 by far. So what a trial scores on the rows left out
  is corrected by how much that trial scores too little there on average over all draws,
  which has nothing to do with a choice. So it is for folds of unequal size.
* Predictions are stored in single precision, in which probabilities near 1 become equal
  and an area under a curve another one. So each trial's scores in the draws are moved
  by what its stored score differs from that of its stored predictions. Trials in which
  that is too much take no part, but for the chosen and the best one: without them there
  is no estimate from rows.
* The gain over the family's defaults is, in each draw, what is chosen there less the
  defaults' trial, both on the rows left out.
* Rows that belong to groups are drawn as whole groups, as rows of one group are alike.
* Under the rule ``one-se`` each choice is the simplest trial within the standard error
  of the study's best one.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.analysis.choosing import best_by_mean, complete
from hpo.analysis.drawn_folds import from_folds
from hpo.analysis.drawn_rows import Predicted, from_rows
from hpo.analysis.repeated_choice import Corrected, rule_of
from hpo.records import StudyRecord, StudyRows, Trial

__all__ = ["Corrected", "Predicted", "corrected_score"]


def corrected_score(
    study: StudyRecord,
    trials: Sequence[Trial],
    rows: StudyRows | None,
    predicted: Predicted,
    *,
    rule: str,
    defaults: Trial | None = None,
) -> tuple[Corrected | None, str]:
    """Return the corrected score of what is chosen, or why there is none.

    Args:
        study: Whose seed draws, and whose metric is computed.
        trials: Of its search; those that are not complete do not take part.
        rows: What its rows are; None if that is not known.
        predicted: Reads predictions of a few trials at a time.
        rule: ``mean`` or ``one-se``.
        defaults: The complete trial of the family's defaults, to tell the gain; None if
            there is none.

    Returns:
        The estimate and an empty text, or None and why not, in words.
    """
    taking_part = complete(trials)
    best = best_by_mean(taking_part)
    if best is None:
        return None, "no trial is complete"
    choose = rule_of(taking_part, best, rule)
    by_rows = from_rows(study, taking_part, rows, predicted, choose, defaults)
    if isinstance(by_rows, Corrected):
        return by_rows, ""
    by_folds = from_folds(study, taking_part, choose)
    if isinstance(by_folds, Corrected):
        return by_folds, ""
    return None, f"{by_rows}, and {by_folds}"
