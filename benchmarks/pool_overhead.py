"""What a whole study costs beyond a bare pool that runs the same folds.

Folds of 50 ms on two workers: sleeping ones show what the loop makes workers wait, and
burning ones (50 ms of processor time each) show what the loop takes from workers when
there is no core to spare. A study is the real loop with the real store (every result
committed durably to SQLite) and the local engine; the bare pool is Pebble's
``ProcessPool`` given all folds at once, keeping nothing. Workers are warm on both
sides. Measured is from the first fold submitted to the last commit, or last result.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import Any

import common

N_FOLDS = 5
N_WORKERS = 2
SECONDS = 0.05
N_WARM = 4


def bare_task(task: tuple[str, Any]) -> Any:
    """Run one fold as a worker of the engine does."""
    work, group = task
    return common.make_runner(work, SECONDS)(group)


def first_groups(n_trials: int, seed: int) -> list[Any]:
    """Return the folds of a random search, one by one."""
    from hpo.evaluation import Pair
    from hpo.search import make_strategy

    strategy = make_strategy("random", common.make_space(), seed=seed)
    all_params = [strategy.propose(number, []) for number in range(n_trials)]
    return [
        (Pair(number, fold, params),)
        for number, params in enumerate(all_params)
        if params is not None
        for fold in range(N_FOLDS)
    ]


def run_bare(folder: Path, work: str, seed: int, trials: int) -> float:
    from pebble import ProcessPool

    tasks = [(work, group) for group in first_groups(trials, seed)]
    with ProcessPool(N_WORKERS) as pool:
        wait([pool.schedule(bare_task, args=(t,)) for t in tasks[: N_WARM * N_WORKERS]])
        started = time.perf_counter()
        wait([pool.schedule(bare_task, args=(task,)) for task in tasks])
        return time.perf_counter() - started


def run_study(folder: Path, strategy: str, work: str, seed: int, trials: int) -> float:
    from hpo.store import Store

    store = Store(f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}")
    took = timed_study(store, strategy, work, seed, trials)
    store.close()
    return took


def timed_study(
    store: Any,
    strategy: str,
    work: str,
    seed: int,
    trials: int,
    observers: Sequence[Callable[[Any], None]] = (),
    start: Callable[[], None] = lambda: None,
) -> float:
    """Run a new study ``s`` of a store with warm workers.

    Args:
        store: Where it is kept.
        strategy: That proposes its params.
        work: What a fold does; see `common.make_runner`.
        seed: Of the study.
        trials: How many.
        observers: Called after each commit.
        start: Called when the workers are warm.

    Returns:
        Seconds from the first fold submitted to the last commit.
    """
    from hpo.engines.local import LocalEngine

    class TimedEngine(LocalEngine):
        """Remembers when the study gave it its first task."""

        started: float | None = None

        def submit(self, task: object, *, timeout: float | None = None) -> Any:
            if self.started is None:
                self.started = time.perf_counter()
            return super().submit(task, timeout=timeout)

    engine = TimedEngine(common.make_runner, (work, SECONDS), n_workers=N_WORKERS)
    warm = first_groups(N_WARM * N_WORKERS, seed)[: N_WARM * N_WORKERS]
    wait([engine.submit(group) for group in warm])
    engine.started = None
    ended = [0.0]
    common.create_study(store, "s", N_FOLDS, seed)
    loop = common.make_loop(
        store,
        "s",
        strategy,
        seed=seed,
        trials=trials,
        n_folds=N_FOLDS,
        make_engine=lambda: engine,
        observers=[*observers, lambda progress: ended.append(time.perf_counter())],
    )
    start()
    loop.run()
    assert engine.started is not None
    return ended[-1] - engine.started


def variants(work: str) -> dict[str, Callable[..., float]]:
    return {
        "bare pool": partial(run_bare, work=work),
        "study, random": partial(run_study, strategy="random", work=work),
        "study, bayesian (width 4)": partial(run_study, strategy="bayesian", work=work),
        "bare pool, again (A/A)": partial(run_bare, work=work),
    }


def measure(
    folder: Path, work: str, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Let the variants take turns, each round in another order."""
    found = variants(work)
    names = list(found)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(options.rounds):
        first = index % len(names)
        for name in [*names[first:], *names[:first]]:
            seed = options.seed + index
            times[name].append(found[name](folder, seed=seed, trials=options.trials))
        print(f"  {work}: round {index + 1} of {options.rounds}", flush=True)
    return times


def main() -> None:
    parser = common.parser(__doc__, rounds=5)
    parser.add_argument("--trials", type=int, default=60)
    options = parser.parse_args()
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    last = options.seed + options.rounds - 1
    report = common.Report(
        "pool_overhead",
        ("pebble", "optuna", "sqlalchemy"),
        f"{options.seed} to {last}, one a round",
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        # Optuna is imported by the first Bayesian proposal of a process.
        run_study(folder, "bayesian", "none", options.seed, 12)
        for work in ("sleep", "burn"):
            times = measure(folder, work, options)
            n_folds = options.trials * N_FOLDS
            ideal = n_folds * SECONDS / N_WORKERS
            bare = times["bare pool"]
            rows = [
                [name, common.summary(t), common.summary(common.ratios(t, bare), 3)]
                for name, t in times.items()
            ]
            head = f"{n_folds} folds that {work} 50 ms (ideal {ideal:.2f} s)"
            report.table([head, "seconds", "ratio to the bare pool"], rows)
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); a ratio is taken "
        f"within each round. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
