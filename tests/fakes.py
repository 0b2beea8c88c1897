"""Small stand-ins: an engine in threads, and scores worked out from params alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hpo.evaluation import Group
from hpo.records import FoldResult, params_key


class ThreadEngine:
    """Runs groups in threads of this process, in shuffled time."""

    kind = "fake"

    def __init__(
        self,
        run: Callable[[Group], Any],
        n_workers: int = 2,
        delay: float = 0.0,
    ) -> None:
        self.n_workers = n_workers
        self.groups: list[Group] = []
        self._run, self._delay = run, delay
        self._pool = ThreadPoolExecutor(n_workers)
        self._random = random.Random(n_workers)

    @property
    def capacity(self) -> int:
        return 2 * self.n_workers

    def submit(self, task: Any, *, timeout: float | None = None) -> Future[Any]:
        self.groups.append(task)
        return self._pool.submit(self._work, task, self._random.random() * self._delay)

    def _work(self, task: Any, seconds: float) -> Any:
        time.sleep(seconds)
        return self._run(task)

    def close(self, *, wait_seconds: float = 0.0) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def fake_score(params: Any, fold: int) -> float:
    """A score from params and fold alone, the same in every process."""
    rough = random.Random(params_key(params)).random() * 0.3
    x = float(params.get("x", 0.0))
    return 1.0 - (x - 0.7) ** 2 - rough * 0.1 + 0.001 * fold


def score_group(group: Group) -> list[tuple[int, FoldResult]]:
    """Score every pair; trials whose params hash so fail in their third fold."""
    results = []
    for pair in group:
        if fails(pair.params) and pair.fold == 2:
            result = FoldResult(pair.fold, failure="error", error="Boom: unlucky")
        else:
            score = fake_score(pair.params, pair.fold)
            result = FoldResult(pair.fold, score=score, train_score=score + 0.1)
        results.append((pair.number, result))
    return results


def fails(params: Any) -> bool:
    return random.Random("fail" + params_key(params)).random() < 0.15
