"""Stored studies of several kinds, for the tests of the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from samples import study

from hpo.records import FoldResult, StudyRows, TestLook, Trial, judge
from hpo.space import Space
from hpo.spec.hyperparameters import write_space
from hpo.store import Changes, Store

HOSTILE = '<script>alert(1)</script> "it\'s" $x$ &lt; שלום'


@dataclass
class Sample:
    """A study that is filled by hand.

    Args:
        store: To put it into.
        name: Of the study.
        space: Of the study.
        y: Class codes or targets; None for a study without rows.
        classes: Labels by code; None for regression.
        n_folds: Of one pass over the rows.
        repeats: Passes, each in another order.
        in_time: Folds are of later and later rows; the first ones are never predicted.
        given: Other fields of the study's record.
    """

    store: Store
    name: str
    space: Space
    y: object = None
    classes: tuple | None = None
    n_folds: int = 4
    repeats: int = 1
    in_time: bool = False
    targets: tuple = ("target",)
    n_test: int = 0

    def create(self, **given):
        self.rng = np.random.default_rng(3)
        self.folds = [] if self.y is None else self._folds()
        document = {
            "data": {"source": "sklearn.digits"},
            "space": write_space(self.space),
            "search": {"strategy": "random", "defaults_first": True},
            "evaluation": {"folds": self.n_folds},
            "select": "mean",
        }
        document |= given.pop("document", {})
        task = "classification" if self.classes or self.y is None else "regression"
        metric = "accuracy" if task == "classification" else "r2"
        self.n_all = self.n_folds * self.repeats
        about = {"task": task, "metric": metric, "n_folds": self.n_all}
        about |= {"state": "complete", "active_seconds": 60.0, "seed": 7}
        about |= {"family": "sklearn-mlp", "text": f"name: {self.name}\n"}
        about |= {"fingerprint": "sha256:0123", "document": document}
        rows = None
        if self.y is not None:
            rows = StudyRows(
                self.y, self.classes, self.targets, tuple(self.folds), self.n_test
            )
        self.metric = (about | given)["metric"]
        self.store.create(study(self.name, self.space, **(about | given)), rows)
        self.writer = self.store.own(self.name)
        return self

    def _folds(self):
        n = len(self.y)
        if self.n_folds == 1:
            return [(np.arange(n // 4, n), np.arange(n // 4))]
        if self.in_time:
            parts = np.array_split(np.arange(n), self.n_folds + 1)
            return [
                (np.concatenate(parts[: i + 1]), parts[i + 1])
                for i in range(self.n_folds)
            ]
        parts = [
            part
            for _ in range(self.repeats)
            for part in np.array_split(self.rng.permutation(n), self.n_folds)
        ]
        return [(np.setdiff1d(np.arange(n), part), np.sort(part)) for part in parts]

    def add(self, params_of_all, qualities, *, curves=True):
        """Add complete trials that are right as often as their quality says."""
        first = len(self.store.trials(self.name))
        trials = []
        for offset, (params, quality) in enumerate(
            zip(params_of_all, qualities, strict=True)
        ):
            results = {
                fold: self._fold(fold, quality, curves) for fold in range(self.n_all)
            }
            trials.append(judge(Trial(first + offset, params), results, self.n_all))
        self._commit(trials)
        return self

    def fail(self, params, kind, error):
        number = len(self.store.trials(self.name))
        results = {0: FoldResult(0, failure=kind, error=error)}
        self._commit([judge(Trial(number, params), results, self.n_all)])
        return self

    def look(self, number, n_trials, y, predictions, score=0.75):
        look = TestLook(
            "search", number, score, {self.metric: score}, n_trials, y, predictions
        )
        self.writer.add_test_look(look)

    def _commit(self, trials):
        pairs = [(trial.number, fold) for trial in trials for fold in trial.folds]
        begun = [Trial(trial.number, trial.params) for trial in trials]
        self.writer.commit(Changes(started=begun, folds=pairs, finished=trials))

    def _fold(self, fold, quality, curves):
        predictions, score = None, quality + 0.01 * self.rng.normal()
        if self.y is not None:
            predictions, score = self._predictions(self.y[self.folds[fold][1]], quality)
        n = 12 + fold
        epochs = np.arange(1, n + 1)
        drawn = {
            "loss": (1 / epochs).tolist(),
            "val_loss": (0.2 + 1 / epochs).tolist(),
        }
        return FoldResult(
            fold,
            score=score,
            train_score=score + 0.05,
            metrics={self.metric: score},
            train_metrics={self.metric: score + 0.05},
            fit_seconds=0.5,
            n_epochs=n if curves else None,
            best_epoch=n - 3 if curves else None,
            n_parameters=100,
            curves=drawn if curves else {},
            predictions=predictions,
            engine="keras 3 <b>",
        )

    def _predictions(self, y, quality):
        if self.classes is None:
            noise = self.rng.normal(scale=1.1 - quality, size=y.shape)
            predictions = y + noise
            spread = ((y - y.mean(axis=0)) ** 2).sum()
            return predictions, float(1 - (noise**2).sum() / spread)
        return self.probabilities(y, quality)

    def probabilities(self, y, quality):
        n_classes = len(self.classes)
        right = self.rng.random(len(y)) < quality
        codes = np.where(right, y, self.rng.integers(0, n_classes, len(y)))
        given = self.rng.random((len(y), n_classes))
        given[np.arange(len(y)), codes] += 1.5
        given = (given / given.sum(axis=1, keepdims=True)).astype(np.float32)
        return given, float((given.argmax(axis=1) == y).mean())
