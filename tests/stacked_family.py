"""A small family that truly trains up to 40 networks in one call.

Its networks are linear, stacked along the first axis of one array, and all of them take
their gradient steps together.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from hpo.errors import Problem, TrialError
from hpo.models.family import FitRequest, Fitted


class StackedLinear:
    """Softmax regression by full-batch gradient descent, many at once."""

    name = "stacked-linear"
    group_limit = 40
    group_matters = True
    whole_trials = False
    takes_arrays = False
    keeps: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.group_sizes: list[int] = []

    def warm_up(self) -> None:
        """There is nothing to import."""

    def problems(self, space: Any, task: Any, n_outputs: Any = None) -> list[Problem]:
        return []

    def defaults(self, task: Any) -> dict[str, Any]:
        return {"learning_rate": 0.1, "steps": 20}

    def program_key(self, params: Any) -> Hashable:
        return params["steps"]

    def fit_group(self, requests: Sequence[FitRequest]) -> list[Fitted | Exception]:
        started = time.perf_counter()
        self.group_sizes.append(len(requests))
        n_rows = max(len(r.y) for r in requests)
        X = np.stack([_padded(r.X, n_rows) for r in requests])
        Y = np.stack([_padded(np.eye(r.n_classes)[r.y], n_rows) for r in requests])
        draws = [np.random.default_rng(r.seed) for r in requests]
        shape = (X.shape[2], Y.shape[2])
        W = np.stack([rng.normal(scale=0.1, size=shape) for rng in draws])
        rate = np.array([float(r.params["learning_rate"]) for r in requests])
        counts = np.array([len(r.y) for r in requests], dtype=float)
        real = Y.sum(axis=2, keepdims=True)
        for _ in range(int(requests[0].params["steps"])):
            error = (_softmax(X @ W) - Y) * real
            gradient = np.transpose(X, (0, 2, 1)) @ error / counts[:, None, None]
            W -= rate[:, None, None] * gradient
        seconds = (time.perf_counter() - started) / len(requests)
        return [
            _fitted(request, w, seconds) for request, w in zip(requests, W, strict=True)
        ]


def _fitted(request: FitRequest, w: Any, seconds: float) -> Fitted | Exception:
    if request.params.get("fails"):
        return TrialError("nan", "the loss became NaN")
    return Fitted(_Linear(w), seconds, engine="stacked")


class _Linear:
    def __init__(self, w: Any) -> None:
        self._w = w

    def predict_proba(self, X: Any) -> Any:
        return _softmax(X @ self._w)

    def predict(self, X: Any) -> Any:
        return self.predict_proba(X).argmax(axis=1)


def _padded(rows: Any, n_rows: int) -> Any:
    return np.pad(rows, ((0, n_rows - len(rows)), (0, 0)))


def _softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
