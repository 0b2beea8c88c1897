"""How long a study would take, from one fold (or one group) that is trained.

The fold is trained as the search would train it: in a worker that is warm, with the
params of trial 0. What is done once (reading the data, starting workers, preparing the
folds) is told apart from what every fit costs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hpo.engines.engine import Engine
from hpo.errors import TrialError
from hpo.evaluation import Group, Pair
from hpo.records import FoldResult
from hpo.study.describe import spec_counts
from hpo.study.prepare import Prepared
from hpo.study.run import takes_whole_trials
from hpo.study.verdict import last_line
from hpo.study.workers import default_jobs, local_engine, n_workers

AGAIN_BELOW_SECONDS = 20.0
"""A fold that took longer is not trained a second time to see what it costs warm."""


@dataclass(frozen=True)
class Estimate:
    """How long a study would take.

    Args:
        n_together: Folds of the trial that were trained in one call.
        task_seconds: What that call takes in a warm worker.
        once_seconds: What is done once: data, workers, preparing each fold.
        n_tasks: Calls that the whole study takes, at most.
        n_at_once: How many of them run at once.
        total_seconds: For the whole study, at most.
        engine: What trained the trial; see `hpo.records.FoldResult`.
    """

    n_together: int
    task_seconds: float
    once_seconds: float
    n_tasks: int
    n_at_once: int
    total_seconds: float
    engine: str = ""


def estimate(
    prepared: Prepared,
    data_seconds: float,
    *,
    make_engine: Callable[[Prepared], Engine] | None = None,
) -> Estimate:
    """Train the first fold, or group, of trial 0 and work out the rest.

    Args:
        prepared: The study.
        data_seconds: What reading and splitting the data took.
        make_engine: Makes an engine with one worker; None for the study's own kind.

    Raises:
        TrialError: The fold failed; says why.
        EngineError: No worker can be started.
    """
    n_folds = prepared.spec.evaluation.n_folds
    family, spec = prepared.family, prepared.spec
    whole = takes_whole_trials(family, spec)
    n_together = n_folds if whole else min(n_folds, family.group_limit)
    group = tuple(Pair(0, fold, prepared.defaults) for fold in range(n_together))
    engine = (make_engine or _one_worker)(prepared)
    try:
        start_seconds, _ = _timed(engine, ())
        first_seconds, done = _timed(engine, group)
        # A builder's family hands back what it does not stack.
        group = group[: len(done)]
        # A group's program is made anew for most trials, so the first time is the
        # honest one; a single fold is prepared once and then trained many times.
        again = len(done) == 1 and first_seconds < AGAIN_BELOW_SECONDS
        task_seconds = _timed(engine, group)[0] if again else first_seconds
    finally:
        engine.close()
    prepare_seconds = max(0.0, first_seconds - task_seconds) * n_folds
    once_seconds = data_seconds + start_seconds + prepare_seconds
    n_trials = spec_counts(prepared.spec)[1] or 0
    n_tasks = n_trials * math.ceil(n_folds / len(group))
    usable = default_jobs(prepared.spec.engine.threads)
    n_at_once = min(n_workers(prepared.spec), usable)
    total = once_seconds + math.ceil(n_tasks / n_at_once) * task_seconds
    limit = prepared.spec.search.timeout_seconds
    return Estimate(
        n_together=len(group),
        task_seconds=task_seconds,
        once_seconds=once_seconds,
        n_tasks=n_tasks,
        n_at_once=n_at_once,
        total_seconds=total if limit is None else min(total, once_seconds + limit),
        engine=done[0].engine,
    )


def _one_worker(prepared: Prepared) -> Engine:
    spec = prepared.spec
    alone = spec.engine.model_copy(update={"jobs": 1})
    spec = spec.model_copy(update={"engine": alone})
    return local_engine(replace(prepared, spec=spec))


def _timed(engine: Engine, group: Group) -> tuple[float, list[FoldResult]]:
    """Return how long a group takes, and what comes of it."""
    started = time.perf_counter()
    results = [result for _, result in engine.submit(group).result()]
    seconds = time.perf_counter() - started
    for result in results:
        if result.failure is not None:
            raise TrialError(
                result.failure,
                "the fold that was to be timed failed with the default params "
                f"({result.failure}): {last_line(result.error)}",
            )
    return seconds, results
