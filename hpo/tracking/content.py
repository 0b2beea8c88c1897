"""What MLflow should hold of a study: a pure function of what the store holds.

Nothing here talks to MLflow. Every value, step and instant comes from the store, so a
thing that is sent twice is the same thing twice, which MLflow keeps once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Literal, TypeAlias

from hpo.records import FoldResult, StudyRecord, Trial, TrialKind, TrialState, mean
from hpo.store import MANUAL
from hpo.tracking.names import MAX_PARAM, MAX_TAG, key, shortened, without_secrets

Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]

_TRIAL_STATUS: Mapping[TrialState, Status] = {
    "running": "RUNNING",
    "complete": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
}
_STUDY_STATUS: Mapping[str, Status] = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "interrupted": "KILLED",
    "complete": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
PARENT = "mlflow.parentRunId"
CREATED = "hpo.created_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Point:
    """One value of a metric.

    Args:
        key: Its name.
        value: Finite.
        step: Fold, epoch or trial number.
        timestamp: Milliseconds since 1970.
    """

    key: str
    value: float
    step: int
    timestamp: int


@dataclass(frozen=True)
class RunContent:
    """One run as MLflow should have it.

    Args:
        name: Shown in lists.
        status: In MLflow's words.
        start: Milliseconds since 1970.
        end: The same; None while it runs.
        params: Written once.
        tags: May change.
        points: Values of metrics.
        texts: Artifacts by file name.
    """

    name: str
    status: Status
    start: int
    end: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def trial_content(
    study: StudyRecord, kind: TrialKind, trial: Trial, *, live: bool
) -> RunContent:
    """Return the run of a trial.

    Args:
        study: It belongs to.
        kind: Of the search, or a person's own.
        trial: As the store has it, with its times.
        live: Whether somebody runs the study. If not, a trial that is not finished
            waits to be gone on with.
    """
    status = _TRIAL_STATUS[trial.state]
    if status == "RUNNING" and not live:
        status = "SCHEDULED"
    folds = trial.folds if trial.finished else first_in(trial.folds)
    points = fold_points(folds)
    if trial.state == "complete" and trial.finished_at is not None:
        points += _summary_points(study, trial, milliseconds(trial.finished_at))
        points += curve_points(folds, milliseconds(trial.finished_at))
    params, originals = _params(trial)
    texts = {"params.json": originals} if originals else {}
    if trial.error is not None:
        texts["traceback.txt"] = without_secrets(trial.error)
    return RunContent(
        name=f"{'try' if kind == MANUAL else 'trial'} {trial.number}",
        status=status,
        start=_milliseconds(trial.created_at),
        end=_milliseconds(trial.finished_at) if trial.finished else None,
        params=params,
        tags=_trial_tags(study, kind, trial),
        points=points,
        texts=texts,
    )


def trial_told(
    state: TrialState, beyond_stop: bool, n_folds: int, *, live: bool
) -> str:
    """Return what a mark says once a trial in this state is sent."""
    if state == "running":
        return f"{'running' if live else 'waiting'} {n_folds}"
    return f"{state} beyond" if beyond_stop else state


def first_in(folds: Sequence[FoldResult]) -> tuple[FoldResult, ...]:
    """Return the folds that count whatever the others will bring.

    A failed fold takes those above it out of its trial, so only an unbroken run of good
    folds from the first one is sure.
    """
    sure = []
    for index, fold in enumerate(folds):
        if fold.fold != index or fold.failure is not None:
            break
        sure.append(fold)
    return tuple(sure)


def fold_points(folds: Sequence[FoldResult]) -> list[Point]:
    """Return the score of each fold, the fold as the step."""
    return [
        Point("fold_test_score", fold.score, fold.fold, _milliseconds(fold.finished_at))
        for fold in folds
        if fold.score is not None and math.isfinite(fold.score)
    ]


def _summary_points(study: StudyRecord, trial: Trial, at: int) -> list[Point]:
    values = {
        "mean_test_score": trial.score,
        "std_test_score": trial.std,
        "mean_train_score": trial.train_score,
        "mean_fit_seconds": trial.fit_seconds,
        "mean_score_seconds": mean([fold.score_seconds for fold in trial.folds]),
    }
    epochs = [fold.n_epochs for fold in trial.folds if fold.n_epochs is not None]
    if epochs:
        values["mean_epochs"] = mean(epochs)
    weights = [f.n_parameters for f in trial.folds if f.n_parameters is not None]
    if weights:
        values["n_parameters"] = max(weights)
    names = dict.fromkeys(name for fold in trial.folds for name in fold.metrics)
    for name in names:
        if name == study.metric:
            continue
        scores = [f.metrics[name] for f in trial.folds if name in f.metrics]
        train = [f.train_metrics[name] for f in trial.folds if name in f.train_metrics]
        # A metric may itself be called score.
        values.setdefault(f"mean_test_{name}", mean(scores))
        if train:
            values.setdefault(f"mean_train_{name}", mean(train))
    return [
        Point(key(name), float(value), 0, at)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    ]


def curve_points(folds: Sequence[FoldResult], at: int) -> list[Point]:
    """Return the learning curves: the mean of the folds that came to each epoch."""
    points = []
    names = dict.fromkeys(name for fold in folds for name in fold.curves)
    for name in names:
        curves = [fold.curves[name] for fold in folds if name in fold.curves]
        for epoch in range(max(map(len, curves))):
            reached = [c[epoch] for c in curves if epoch < len(c)]
            known = [v for v in reached if v is not None and math.isfinite(v)]
            if known:
                points.append(Point(key(name), mean(known), epoch + 1, at))
    return points


def _params(trial: Trial) -> tuple[dict[str, str], str]:
    """Return the params, and what they were as JSON if any had to be changed."""
    params, changed = {}, False
    for name, value in trial.params.items():
        # Beyond MLflow's limit, or a text that would be read as another value.
        text = without_secrets(str(value))
        params[key(name)] = shortened(text, MAX_PARAM)
        changed |= key(name) != name or len(text) > MAX_PARAM
    if not changed:
        return params, ""
    whole = json.dumps(dict(trial.params), indent=2, ensure_ascii=False)
    return params, without_secrets(whole)


def _trial_tags(study: StudyRecord, kind: TrialKind, trial: Trial) -> dict[str, str]:
    engines = dict.fromkeys(fold.engine for fold in trial.folds if fold.engine)
    tags = {
        "hpo.study": study.name,
        "hpo.trial": str(trial.number),
        "hpo.kind": kind,
        "hpo.state": trial.state,
        "hpo.failure": trial.failure or "",
        # Never empty: MLflow keeps what is not sent again.
        "hpo.beyond_stop": "true" if trial.beyond_stop else "false",
        "hpo.trained_by": "; ".join(engines),
        **_common_tags(study),
    }
    return tag_texts(tags)


def _common_tags(study: StudyRecord) -> dict[str, str]:
    return {
        "hpo.family": study.family,
        "hpo.strategy": study.strategy,
        "hpo.metric": study.metric,
        "hpo.seed": str(study.seed),
        "hpo.data_fingerprint": study.fingerprint,
        "hpo.version": metadata.version("hpo"),
    }


def tag_texts(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags within MLflow's limits, without those that say nothing."""
    return {
        key(name): shortened(without_secrets(text), MAX_TAG)
        for name, text in tags.items()
        if text
    }


def identity(study: StudyRecord) -> dict[str, str]:
    """Return the tags that tell this study from any other, of the same name too."""
    return {
        "hpo.study": shortened(study.name, MAX_TAG),
        CREATED: study.created_at.isoformat(),
    }


def study_content(study: StudyRecord, *, state: str) -> RunContent:
    """Return the run of the study itself, without what its trials bring.

    Args:
        study: As the store has it.
        state: What is happening to it, which the store does not know of a study whose
            owner was killed.
    """
    done = state not in ("queued", "running")
    data = study.document["data"]["source"]
    params = {
        "model": study.family,
        "data": data if isinstance(data, str) else json.dumps(data),
        "task": study.task,
        "metric": study.metric,
        "n_folds": str(study.n_folds),
        "seed": str(study.seed),
    }
    tags = identity(study) | _common_tags(study)
    reason = study.reason or "not ended"
    tags |= {"hpo.state": state, "hpo.reason": reason, "hpo.engine": study.engine}
    return RunContent(
        name=shortened(study.name, MAX_PARAM),
        status=_STUDY_STATUS[state],
        start=milliseconds(study.created_at),
        end=_milliseconds(study.finished_at) if done and study.finished_at else None,
        params={k: shortened(without_secrets(v), MAX_PARAM) for k, v in params.items()},
        tags=tag_texts(tags),
        texts={"study.yaml": without_secrets(study.text)},
    )


def best_points(
    trials: Sequence[Trial], before: float | None
) -> tuple[list[Point], Trial | None]:
    """Return the best score after each trial, the trial's number as the step.

    Args:
        trials: Finished ones, each following the one before by number.
        before: The best score of all before them; None if there is none.

    Returns:
        The points, and the best of these trials if it is better than ``before``.
    """
    points: list[Point] = []
    score, best = before, None
    for trial in trials:
        if trial.score is not None and (score is None or trial.score > score):
            score, best = trial.score, trial
        if score is not None:
            at = _milliseconds(trial.finished_at)
            points.append(Point("best_so_far", score, trial.number, at))
    return points, best


def milliseconds(instant: datetime) -> int:
    """Return an instant as MLflow counts: whole milliseconds since 1970."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _milliseconds(instant: datetime | None) -> int:
    if instant is None:
        raise ValueError("the store gives every row it has finished an instant")
    return milliseconds(instant)
