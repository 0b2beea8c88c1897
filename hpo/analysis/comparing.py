"""How two trials compare over the same folds, and which differences matter.

Scores of the folds of one cross-validation depend on each other, as any two folds share
most of what they are trained on. Whatever treats them as independent, as the plain t
test does, finds differences that are none, the more of them the more often the
cross-validation is repeated.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from hpo.analysis.choosing import fold_scores, scored
from hpo.metrics import CLASSIFICATION_METRICS
from hpo.records import StudyRecord, Trial, mean
from hpo.user_code import OBJECTIVE, kind_of

BOUNDED_ROPE = 0.01
RELATIVE_ROPE = 0.01
INTERVAL = 0.95

_UNBOUNDED = {"positive_likelihood_ratio"}
BOUNDED_METRICS = {
    name for name in CLASSIFICATION_METRICS - _UNBOUNDED if not name.startswith("neg_")
} | {"r2", "explained_variance", "d2_absolute_error_score"}
"""Metrics whose perfect score is 1 and for which 0.01 means much the same anywhere."""


@dataclass(frozen=True)
class Difference:
    """How a trial compares with another one, over the same folds.

    Args:
        number: Of the trial that is compared.
        score: Its mean score.
        mean: Its mean score minus that of the other one.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end.
        worse: Probability that it is practically worse.
        equal: That they are practically equal: within the rope.
        better: That it is practically better.
    """

    number: int
    score: float
    mean: float
    low: float
    high: float
    worse: float
    equal: float
    better: float


def known_metric(study: StudyRecord) -> str:
    """Return the scikit-learn metric that a study is judged by; empty if it is none.

    What an objective calls ``accuracy`` is the objective's own, on a scale that nobody
    else knows: it may be in percent, or an error.
    """
    return "" if kind_of(study.family) == OBJECTIVE else study.metric


def rope_of(metric: str, best_score: float) -> float:
    """Return the difference up to which two scores are practically equal.

    That is 0.01 for metrics with a fixed scale on which 1 is perfect (accuracy,
    roc_auc, f1, r2 and the like). For errors (neg_mean_squared_error, neg_log_loss,
    neg_brier_score and the like), which are in the units of the data or as small as the
    task is easy, and for metrics that are not known, it is 1 % of the best score's
    absolute value.

    Args:
        metric: Name of the metric; see `known_metric`.
        best_score: The greatest mean score of the study.
    """
    if metric in BOUNDED_METRICS:
        return BOUNDED_ROPE
    return RELATIVE_ROPE * abs(best_score)


def correlation(study: StudyRecord) -> float:
    """Return how much the scores of two folds are taken to be correlated.

    It is the share of the rows of a fold that are scored in it: 1/k for k folds,
    whatever the number of repeats. For a split in time, where fold i of k is trained on
    i parts of the rows and scored on one, it is the mean of 1/(i+1) over the folds,
    which is more than 1/k.
    """
    evaluation = study.document.get("evaluation") or {}
    k = int(evaluation.get("folds") or study.n_folds)
    if evaluation.get("split") == "time":
        return mean([1 / (fold + 2) for fold in range(k)])
    return 1 / k


def difference(
    trial: Trial, other: Trial, *, correlation: float, rope: float
) -> Difference | None:
    """Compare two complete trials of a study by the Bayesian correlated t test.

    The difference of the means is given a Student distribution with J - 1 degrees of
    freedom for J folds, around the mean difference, of scale s * sqrt(1/J + c/(1-c))
    for a standard deviation s of the folds' differences and a correlation c.

    Neither the interval nor the probabilities know that a trial was chosen as the best
    of many; see `hpo.analysis.corrected` for that.

    Args:
        trial: That is compared.
        other: That it is compared with.
        correlation: Between the scores of two folds, from 0 to below 1.
        rope: Differences up to this are practically none.

    Returns:
        The comparison; None for a single fold, whose scatter is not known.

    Source: Corani, Benavoli, A Bayesian approach for comparing cross-validated
    algorithms on multiple data sets, Machine Learning 100, 2015.
    """
    pairs = zip(fold_scores(trial), fold_scores(other), strict=True)
    differences = [mine - theirs for mine, theirs in pairs]
    n = len(differences)
    if n < 2:
        return None
    middle = mean(differences)
    widening = math.sqrt(1 / n + correlation / (1 - correlation))
    scale = statistics.stdev(differences) * widening
    score = scored(trial)
    if scale == 0:
        worse, better = float(middle < -rope), float(middle > rope)
        equal = 1 - worse - better
        return Difference(
            trial.number, score, middle, middle, middle, worse, equal, better
        )
    from scipy import stats

    posterior = stats.t(n - 1, loc=middle, scale=scale)
    low, high = map(float, posterior.interval(INTERVAL))
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    equal = max(0.0, 1 - worse - better)
    return Difference(trial.number, score, middle, low, high, worse, equal, better)
