"""The trials of a search beside what scikit-learn measured of each split.

It owns the translation between scikit-learn's outcomes (one mapping a split) and the
records, both ways, and their order; it trains and stores nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from hpo.records import FoldResult, Params, Trial, judge

Out: TypeAlias = dict[str, Any]
"""What scikit-learn says of one split: scores (one, or by name), times and error."""


class Rows:
    """Every trial of a search, by number.

    Args:
        n_splits: Of every trial.
        error_score: What scikit-learn gives a split that could not be fitted.
        with_train: Whether training scores are kept.
        metric_of: Names the score that counts among several, or of a single one.

    Attributes:
        trials: As far as they are known; the newest may be running.
        params: What the estimator is given, by number.
        measured: Whether anything was trained in this process.
    """

    def __init__(
        self,
        n_splits: int,
        *,
        error_score: Any,
        with_train: bool,
        metric_of: Callable[[Mapping[str, Any] | None], str],
    ) -> None:
        self._n_splits, self._error_score = n_splits, error_score
        self._with_train, self._metric_of = with_train, metric_of
        self.trials: list[Trial] = []
        self.params: list[dict[str, Any]] = []
        self.measured = False
        self._running: list[Trial] = []
        self._stored: set[int] = set()
        self._outs: dict[int, Sequence[Out]] = {}
        self._like: Out = {}
        self._awaited: Sequence[int] = ()
        self._n_taken = 0

    def add(self, params: Params, given: dict[str, Any]) -> None:
        """Append a trial that is to be trained."""
        trial = Trial(len(self.trials), params)
        self.trials.append(trial)
        self._running.append(trial)
        self.params.append(given)

    def restore(self, trial: Trial, given: dict[str, Any]) -> None:
        """Append a trial that an earlier process finished."""
        self.add(trial.params, given)
        self.trials[-1] = trial
        if trial.state == "complete":
            self._stored.add(trial.number)

    @property
    def lacking(self) -> list[int]:
        """Restored trials of which not every split is known: those that failed."""
        return [trial.number for trial in self.trials if trial.state == "failed"]

    @property
    def cheapest(self) -> int | None:
        """The complete trial that took least time to fit; None if none is complete."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        fastest = min(complete, key=lambda t: (t.fit_seconds, t.number), default=None)
        return None if fastest is None else fastest.number

    def history(self, n_visible: int) -> list[Trial]:
        """Return all trials, those from ``n_visible`` on as running."""
        return [*self.trials[:n_visible], *self._running[n_visible:]]

    def expect(self, numbers: Sequence[int]) -> None:
        """Say which trials the next outcomes are of."""
        self._awaited = numbers

    def take(self, out: Sequence[Out]) -> None:
        """Take in what is new in all outcomes so far."""
        new = out[self._n_taken :]
        self._n_taken, self.measured = len(out), True
        self._like = self._like or new[0]
        for index, number in enumerate(self._awaited):
            start = index * self._n_splits
            self._judge(number, new[start : start + self._n_splits])
        self._awaited = ()

    def fail(self, message: str) -> None:
        """Say that no split of the expected trials could be fitted."""
        failed: Out = {
            "fit_error": message,
            "test_scores": self._error_score,
            "fit_time": 0.0,
            "score_time": 0.0,
            "n_test_samples": 0,
        }
        if self._with_train:
            failed["train_scores"] = self._error_score
        for number in self._awaited:
            self._judge(number, [failed] * self._n_splits)
        self._awaited = ()

    def _judge(self, number: int, out: Sequence[Out]) -> None:
        if number in self._stored:
            return  # trained again: what was stored stands
        self._outs[number] = out
        folds = {fold: self._fold(fold, one) for fold, one in enumerate(out)}
        self.trials[number] = judge(self._running[number], folds, self._n_splits)

    def _fold(self, fold: int, out: Out) -> FoldResult:
        several = out["test_scores"] if isinstance(out["test_scores"], dict) else None
        metric = self._metric_of(several)
        test, train = _named(out["test_scores"], metric), {}
        if self._with_train:
            train = _named(out["train_scores"], metric)
        score, error = test[metric], out["fit_error"]
        failure = None if math.isfinite(score) else "error" if error else "nan"
        return FoldResult(
            fold,
            score=None if failure else score,
            train_score=_known(train).get(metric),
            metrics=_known(test),
            train_metrics=_known(train),
            fit_seconds=float(out["fit_time"]),
            score_seconds=float(out["score_time"]),
            failure=failure,
            error=error or ("the score is not a finite number" if failure else None),
            engine="scikit-learn",
        )

    def formatted(self) -> tuple[list[dict[str, Any]], list[Out]]:
        """Return the params and outcomes of all trials as scikit-learn has them.

        Something must have been measured: that tells whether scores have names.
        """
        outs = [
            out
            for trial in self.trials
            for out in (
                map(self._restored, trial.folds)
                if trial.number in self._stored
                else map(self._shaped, self._outs[trial.number])
            )
        ]
        return list(self.params), outs

    def _restored(self, fold: FoldResult) -> Out:
        out: Out = {
            "fit_error": fold.error,
            "test_scores": self._scores(fold, fold.score, fold.metrics, "test_scores"),
            "fit_time": fold.fit_seconds,
            "score_time": fold.score_seconds,
            "n_test_samples": 0,
        }
        if self._with_train:
            out["train_scores"] = self._scores(
                fold, fold.train_score, fold.train_metrics, "train_scores"
            )
        return out

    def _scores(
        self, fold: FoldResult, one: float | None, named: Mapping[str, float], kind: str
    ) -> Any:
        missing = self._error_score if fold.error else math.nan
        if isinstance(self._like[kind], dict):
            return {name: named.get(name, missing) for name in self._like[kind]}
        return missing if one is None else one

    def _shaped(self, out: Out) -> Out:
        """Give a split of which nothing was measured the names that others have."""
        named = {
            kind: dict.fromkeys(self._like[kind], out[kind])
            for kind in ("test_scores", "train_scores")
            if isinstance(self._like.get(kind), dict)
            and not isinstance(out[kind], dict)
        }
        return out | named


def _named(scores: Any, metric: str) -> dict[str, float]:
    """Return scores by name; a single one has that of the metric."""
    if isinstance(scores, dict):
        return {name: float(score) for name, score in scores.items()}
    return {metric: float(scores)}


def _known(scores: Mapping[str, float]) -> dict[str, float]:
    """Leave out what no database holds for what it is."""
    return {name: score for name, score in scores.items() if not math.isnan(score)}
