"""Studies filled by hand, to be sent to MLflow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hpo.records import FoldResult, StudyRecord, StudyState, Trial, TrialKind, judge
from hpo.store import SEARCH, Changes, Store

N_FOLDS = 3
TEXT = "name: iris\ndata: {source: sklearn.iris}\n"
DOCUMENT: dict[str, Any] = {
    "name": "iris",
    "data": {"source": "sklearn.iris"},
    "model": "sklearn-mlp",
    "space": {"units": {"int": [1, 999]}, "rate": {"float": [0.0, 1.0]}},
    "search": {"strategy": "random", "defaults_first": True},
}


def make_study(name: str = "iris", **values: Any) -> StudyRecord:
    study = StudyRecord(
        name=name,
        state="queued",
        document={**DOCUMENT, "name": name},
        text=TEXT,
        folder="/home/someone/studies",
        fingerprint="sha256:" + "0123456789abcdef" * 4,
        family="sklearn-mlp",
        strategy="random",
        metric="accuracy",
        task="classification",
        n_folds=N_FOLDS,
        seed=7,
        engine="local",
        backend="scikit-learn",
        created_at=datetime.now(UTC),
    )
    return dataclasses.replace(study, **values)


def score_of(number: int, fold: int = 0) -> float:
    """A score with a long fraction, not in the order of the numbers."""
    return ((number * 7) % 11 * 0.08 + fold * 0.01) * 3 / 7


def good(number: int, fold: int, **values: Any) -> FoldResult:
    score = score_of(number, fold)
    result = FoldResult(
        fold,
        score=score,
        train_score=score + 0.1,
        metrics={"accuracy": score, "f1_macro": score / 2},
        train_metrics={"accuracy": score + 0.1, "f1_macro": 0.75},
        fit_seconds=1.5 + fold,
        score_seconds=0.25,
        n_epochs=2 + fold,
        n_parameters=100,
        # Of different lengths; the first fold's blows up.
        curves={"loss": [0.5 / (e + 1) for e in range(2 + fold)], "val_loss": [1.0]},
        engine="scikit-learn 1.9.1",
    )
    return dataclasses.replace(result, **values)


def failed(fold: int, error: str = "Traceback: boom") -> FoldResult:
    return FoldResult(fold, failure="error", error=error)


def folds_of(number: int) -> list[FoldResult]:
    return [good(number, fold) for fold in range(N_FOLDS)]


class Filled:
    """A study in the store, and the owner that fills it.

    Args:
        store: Where it is kept.
        study: Is created there if it is not there yet.
    """

    def __init__(self, store: Store, study: StudyRecord) -> None:
        self.store, self.name = store, study.name
        store.create(study)
        self.take()

    def take(self, kind: TrialKind = SEARCH) -> None:
        """Become its owner."""
        self._writer = self.store.own(self.name, kind=kind)
        self._params: dict[int, dict[str, Any]] = {}
        if kind == SEARCH:
            self._writer.set_state("running")

    def start(self, *numbers: int, **params: Any) -> None:
        """Begin trials."""
        self._params |= {
            n: {"units": n + 1, "rate": 0.1 * n, **params} for n in numbers
        }
        trials = [Trial(n, self._params[n]) for n in numbers]
        self._writer.commit(Changes(started=trials))

    def add(self, number: int, folds: Sequence[FoldResult]) -> None:
        """Store folds of a trial, and finish it if they do."""
        trials = {t.number: t for t in self.store.trials(self.name)}
        known = trials.get(number) or Trial(number, self._params[number])
        there = {fold.fold: fold for fold in [*known.folds, *folds]}
        trial = judge(Trial(number, known.params), there, N_FOLDS)
        self._writer.commit(
            Changes(
                folds=[(number, fold) for fold in folds],
                finished=[trial] if trial.finished else [],
            )
        )

    def complete(self, *numbers: int, **params: Any) -> None:
        """Begin trials and finish them well."""
        self.start(*numbers, **params)
        for number in numbers:
            self.add(number, folds_of(number))

    def fail(self, number: int, error: str = "Traceback: boom") -> None:
        """Begin a trial whose second fold fails."""
        self.start(number)
        self.add(number, [good(number, 0), failed(1, error)])

    def drop(self, *numbers: int) -> None:
        self._writer.commit(Changes(dropped=numbers))

    def mark_beyond(self, **numbers: bool) -> None:
        """Say of trials, named ``t3``, whether they are beyond the stop."""
        marked = {int(name[1:]): beyond for name, beyond in numbers.items()}
        self._writer.commit(Changes(beyond_stop=marked))

    def end(self, state: StudyState = "complete", reason: str = "all are done") -> None:
        self._writer.set_state(state, reason)
        self._writer.release()

    def leave(self) -> None:
        """Give the study back without saying anything of its state."""
        self._writer.release()
