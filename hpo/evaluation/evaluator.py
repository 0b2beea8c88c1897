"""How a group of (trial, fold) pairs becomes fold results.

It runs in workers. Preprocessing is fitted on the training rows of each fold only, and
a family is never shown a validation row, so nothing can leak into a score. Targets are
scaled for the family and predictions scaled back before anything is scored or kept. It
knows no store, no strategy and no study file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.evaluation.answers import Answers, Scorers
from hpo.evaluation.failures import failed_result
from hpo.evaluation.folds import Fold, PreparedFolds
from hpo.evaluation.objective import ObjectiveRunner
from hpo.evaluation.plan import Group, Pair, Plan
from hpo.evaluation.sharing import FoldFiles, SharedPlan
from hpo.models import get_family
from hpo.models.family import Family, FitRequest, Fitted, HandedBack
from hpo.models.preparation import Surroundings, TargetScaler, sample_weight
from hpo.records import FoldResult
from hpo.seeds import derived_seed
from hpo.user_code import OBJECTIVE, Home, kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def make_runner(
    plan: Plan | SharedPlan,
) -> Callable[[Group], list[tuple[int, FoldResult]]]:
    """Return what trains groups in this process; engines call this in each worker."""
    files = None
    if isinstance(plan, SharedPlan):
        files, plan = FoldFiles(plan.folder), plan.open()
    if kind_of(plan.family) == OBJECTIVE:
        return ObjectiveRunner(plan).run
    family = get_family(plan.family, home=plan.home)
    family.warm_up()
    return Evaluator(plan, family, files).run


def preload(model: str, home: Home) -> None:
    """Import what a study's models take, before a worker is given the study.

    Raises:
        Exception: Whatever `make_runner` raises too, as it does this again.
    """
    get_family(model, home=home).warm_up()


@dataclass(frozen=True)
class _Ready:
    """One fold as one trial wants it: the request's parts, and the way back."""

    fold: Fold
    scaler: TargetScaler | None
    sample_weight: NDArray[Any] | None


class Evaluator:
    """Trains and scores groups of one study, keeping what folds have in common.

    Args:
        plan: The study.
        family: Trains the networks.
        files: Where large prepared folds are shared between workers.
    """

    def __init__(
        self, plan: Plan, family: Family, files: FoldFiles | None = None
    ) -> None:
        self._plan, self._family = plan, family
        self._scorers = Scorers((plan.metric, *plan.metrics))
        self._prepared = PreparedFolds(
            plan, takes_arrays=family.takes_arrays, files=files
        )

    def run(self, group: Group) -> list[tuple[int, FoldResult]]:
        """Train and score the pairs of ``group``; a failed pair is a failed result.

        Pairs that the family hands back have no result.
        """
        ready: dict[int, _Ready] = {}
        results: dict[int, FoldResult] = {}
        for index, pair in enumerate(group):
            try:
                ready[index] = self._make_ready(pair)
            except Exception as error:
                results[index] = failed_result(pair, error)
        requests = [self._request(group[i], parts) for i, parts in ready.items()]
        for index, fitted in zip(ready, self._fit(requests), strict=True):
            if not isinstance(fitted, HandedBack):
                results[index] = self._result(group[index], ready[index], fitted)
        return [(group[index].number, results[index]) for index in sorted(results)]

    def _make_ready(self, pair: Pair) -> _Ready:
        around = Surroundings.of(self._family, pair.params, self._plan.data.task)
        fold = self._prepared.get(pair.fold, around.features)
        return _Ready(
            fold,
            TargetScaler.fit(fold.y_train, around.target_scale),
            sample_weight(fold.y_train, around.class_weight),
        )

    def _request(self, pair: Pair, ready: _Ready) -> FitRequest:
        plan, y = self._plan, ready.fold.y_train
        return FitRequest(
            params=pair.params,
            X=ready.fold.X_train,
            y=y if ready.scaler is None else ready.scaler.scale(y),
            task=plan.data.task,
            n_classes=plan.data.n_classes,
            seed=derived_seed(plan.seed, plan.purpose, pair.number, pair.fold),
            sample_weight=ready.sample_weight,
        )

    def _fit(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        if not requests:
            return []
        try:
            return self._family.fit_group(requests)
        except Exception as error:
            if len(requests) == 1:
                return [error]
        # The group failed as a whole: find out whose fault it is.
        return [self._fit([request])[0] for request in requests]

    def _result(
        self, pair: Pair, ready: _Ready, fitted: Fitted | Exception
    ) -> FoldResult:
        try:
            if isinstance(fitted, Exception):
                raise fitted
            return self._scored(pair, ready, fitted)
        except Exception as error:
            engine = "" if isinstance(fitted, Exception) else fitted.engine
            return failed_result(pair, error, engine)

    def _scored(self, pair: Pair, ready: _Ready, fitted: Fitted) -> FoldResult:
        started = time.perf_counter()
        fold = ready.fold
        answers = Answers(fitted.model, self._plan.data, ready.scaler)
        metrics = self._scorers.score(answers.about(fold.X_val), fold.y_val)
        predictions = answers.out_of_fold()
        train_metrics = self._scorers.score(answers.about(fold.X_train), fold.y_train)
        return FoldResult(
            fold=pair.fold,
            score=metrics[self._plan.metric],
            train_score=train_metrics[self._plan.metric],
            metrics=metrics,
            train_metrics=train_metrics,
            fit_seconds=fitted.fit_seconds,
            score_seconds=time.perf_counter() - started,
            n_epochs=fitted.n_epochs,
            best_epoch=fitted.best_epoch,
            n_parameters=fitted.n_parameters,
            curves=fitted.curves,
            predictions=predictions,
            engine=fitted.engine,
        )
