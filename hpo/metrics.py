"""Names of the metrics a study can be judged by, and which task each one fits.

Metrics are scikit-learn scorer names, so greater is always better. Computing one from a
fitted model is the work of `hpo.evaluation`.
"""

from __future__ import annotations

from hpo.errors import near_match, one_of
from hpo.records import Task

DEFAULT_METRIC: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}

BINARY_METRICS = frozenset(
    {
        "f1",
        "jaccard",
        "neg_negative_likelihood_ratio",
        "positive_likelihood_ratio",
        "precision",
        "recall",
        "roc_auc",
    }
)
CLASSIFICATION_METRICS = BINARY_METRICS | {
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "d2_brier_score",
    "d2_log_loss_score",
    "f1_macro",
    "f1_micro",
    "f1_weighted",
    "jaccard_macro",
    "jaccard_micro",
    "jaccard_weighted",
    "matthews_corrcoef",
    "neg_brier_score",
    "neg_log_loss",
    "precision_macro",
    "precision_micro",
    "precision_weighted",
    "recall_macro",
    "recall_micro",
    "recall_weighted",
    "roc_auc_ovo",
    "roc_auc_ovo_weighted",
    "roc_auc_ovr",
    "roc_auc_ovr_weighted",
    "top_k_accuracy",
}
REGRESSION_METRICS = frozenset(
    {
        "d2_absolute_error_score",
        "explained_variance",
        "neg_max_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_gamma_deviance",
        "neg_mean_poisson_deviance",
        "neg_mean_squared_error",
        "neg_mean_squared_log_error",
        "neg_median_absolute_error",
        "neg_root_mean_squared_error",
        "neg_root_mean_squared_log_error",
        "r2",
    }
)
SINGLE_OUTPUT_METRICS = frozenset(
    {"neg_max_error", "neg_mean_gamma_deviance", "neg_mean_poisson_deviance"}
)
"""Metrics of regression that judge one target only; others average over several."""

METRICS = CLASSIFICATION_METRICS | REGRESSION_METRICS


def why_unknown(metric: str) -> str | None:
    """Say what is wrong with the name of a metric, or None if it is one."""
    if metric in METRICS:
        return None
    if f"neg_{metric}" in METRICS:
        return (
            f"expected a score (greater is better), not an error; got {metric!r}; "
            f"did you mean 'neg_{metric}'?"
        )
    if near_match(metric, METRICS):
        return (
            f"expected the name of a scikit-learn scorer; got {metric!r}"
            f"{near_match(metric, METRICS)}"
        )
    return one_of(metric, sorted(METRICS))


def why_unfit(
    metric: str, task: Task, n_classes: int, n_outputs: int = 1
) -> str | None:
    """Say why a known metric cannot judge this task, or None if it can.

    Args:
        metric: One of `METRICS`.
        task: The task of the study.
        n_classes: How many classes the target has; 0 for regression.
        n_outputs: How many targets there are.
    """
    fitting = CLASSIFICATION_METRICS if task == "classification" else REGRESSION_METRICS
    if metric not in fitting:
        return (
            f"expected a metric for {task}, such as {DEFAULT_METRIC[task]}; "
            f"got {metric!r}"
        )
    if metric in SINGLE_OUTPUT_METRICS and n_outputs > 1:
        return (
            f"{metric!r} is for one target, and there are {n_outputs}; use "
            f"{DEFAULT_METRIC[task]!r}, which averages over them"
        )
    if metric == "top_k_accuracy" and n_classes == 2:
        return (
            "'top_k_accuracy' takes the best two classes, and the target has no "
            "others; use 'accuracy'"
        )
    if metric in BINARY_METRICS and n_classes > 2:
        instead = "roc_auc_ovr" if metric == "roc_auc" else f"{metric}_macro"
        hint = f"; use {instead!r}" if instead in METRICS else ""
        return f"{metric!r} is for two classes, and the target has {n_classes}{hint}"
    return None
