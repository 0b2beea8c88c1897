"""Time per trial of the study loop itself, next to Optuna's on the same disk.

A no-op objective with six hyperparameters and five folds. Ours is the real loop with
the real store (SQLite, every fold committed durably) and one local worker process;
Optuna's is ``study.optimize`` on its SQLite storage in one process, with and without
``trial.report`` of the five folds. Each study lives in a process of its own; they take
turns of 50 trials, so that whatever slows the machine or its disk slows all of them.
The number of trial k is the mean over the turn around it, trials k-25 to k+25, but for
the turn's first commit, which may hold what a worker finished while others had theirs.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common

N_FOLDS = 5
TURN, STEP = 50, 100
RESULTS = Path(__file__).parent / "results"


class Pauses:
    """Ends a turn inside a study, says how fast it went, and waits for the next."""

    def __init__(self, pipe: Any) -> None:
        self._pipe, self._n_trials = pipe, 0
        self._await_turn()

    def _await_turn(self) -> None:
        self._target: int = self._pipe.recv()
        self._first: tuple[float, int] | None = None

    def tick(self, n_trials: int) -> None:
        """Count trials that have just been committed."""
        self._n_trials += n_trials
        now = time.perf_counter()
        if n_trials and self._first is None:
            self._first = (now, self._n_trials)
        elif self._first is not None and self._n_trials >= self._target:
            started, n_before = self._first
            self._pipe.send(1000 * (now - started) / (self._n_trials - n_before))
            self._await_turn()


def run_hpo(pipe: Any, folder: Path, strategy: str, seed: int, trials: int) -> None:
    from hpo.engines.local import LocalEngine
    from hpo.store import Store

    pauses = Pauses(pipe)
    store = Store(f"sqlite:///{folder / 'hpo.db'}")
    common.create_study(store, "s", N_FOLDS, seed)
    loop = common.make_loop(
        store,
        "s",
        strategy,
        seed=seed,
        trials=trials,
        n_folds=N_FOLDS,
        make_engine=lambda: LocalEngine(common.make_runner, n_workers=1),
        observers=[lambda progress: pauses.tick(len(progress.finished))],
    )
    loop.run()


def run_optuna(
    pipe: Any, folder: Path, sampler: str, seed: int, trials: int, report: bool
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    pauses = Pauses(pipe)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'optuna.db'}",
        direction="maximize",
        sampler=made[sampler](seed=seed),
    )

    def objective(trial: Any) -> float:
        params = common.suggest(trial)
        scores = [common.smooth_score(params, fold) for fold in range(N_FOLDS)]
        if report:
            for fold, score in enumerate(scores):
                trial.report(score, step=fold)
        return statistics.fmean(scores)

    study.optimize(
        objective, n_trials=trials, callbacks=[lambda study, trial: pauses.tick(1)]
    )


VARIANTS: dict[str, Callable[..., None]] = {
    "hpo random": partial(run_hpo, strategy="random"),
    "optuna random": partial(run_optuna, sampler="random", report=False),
    "optuna random, reports": partial(run_optuna, sampler="random", report=True),
    "hpo bayesian": partial(run_hpo, strategy="bayesian"),
    "hpo bayesian again (A/A)": partial(run_hpo, strategy="bayesian"),
    "optuna tpe": partial(run_optuna, sampler="tpe", report=False),
    "optuna tpe, reports": partial(run_optuna, sampler="tpe", report=True),
}
PAIRS = [
    ("hpo random", "optuna random"),
    ("hpo random", "optuna random, reports"),
    ("hpo bayesian", "optuna tpe"),
    ("hpo bayesian", "optuna tpe, reports"),
    ("hpo bayesian again (A/A)", "hpo bayesian"),
]


def one_round(
    folder: Path, seed: int, trials: int, wanted: list[str]
) -> dict[str, dict[int, float]]:
    """Run one study of each variant; return milliseconds per trial by trial number."""
    context = multiprocessing.get_context("spawn")
    pipes, children = {}, []
    last = trials + TURN // 2
    found: dict[str, dict[int, float]] = {name: {} for name in wanted}
    for index, name in enumerate(wanted):
        own = folder / f"{seed}-{index}"
        own.mkdir()
        pipes[name], theirs = context.Pipe()
        child = context.Process(
            target=VARIANTS[name],
            args=(theirs, own),
            kwargs={"seed": seed, "trials": last},
        )
        child.start()
        theirs.close()
        children.append(child)
    for turn, target in enumerate(range(TURN // 2, last + 1, TURN)):
        first = turn % len(wanted)
        for name in [*wanted[first:], *wanted[:first]]:
            pipes[name].send(target)
            found[name][target - TURN // 2] = pipes[name].recv()
        if turn % 5 == 0:
            print(f"  seed {seed}: {target} of {last} trials", flush=True)
    for name, child in zip(wanted, children, strict=True):
        pipes[name].send(10**9)
        child.join()
    return found


def report_rounds(report: common.Report, rounds: list[Any], at: list[int]) -> None:
    for trial in at:
        rows = []
        for name in rounds[0]:
            rows.append([name, common.summary([r[name][trial] for r in rounds])])
        report.table([f"at trial {trial}", "ms per trial"], rows)
    rows = []
    for ours, theirs in PAIRS:
        if ours not in rounds[0] or theirs not in rounds[0]:
            continue
        cells = [
            common.summary(
                common.ratios(
                    [r[ours][trial] for r in rounds], [r[theirs][trial] for r in rounds]
                )
            )
            for trial in at
        ]
        rows.append([f"{ours} / {theirs}", *cells])
    report.table(["ratio", *(f"at trial {trial}" for trial in at)], rows)


def write_curve(curve: dict[str, dict[int, float]], n_folds: int = N_FOLDS) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "loop_overhead.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", *(f"{name} (ms)" for name in curve)])
        for trial in range(STEP, max(next(iter(curve.values()))) + 1, STEP):
            writer.writerow([trial, *(f"{c[trial]:.3f}" for c in curve.values())])
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, points in curve.items():
        style = "-" if name.startswith("hpo") else "--"
        at = [trial for trial in points if trial]
        axes.plot(at, [points[t] for t in at], style, label=name, linewidth=1.2)
    axes.set(xlabel="trial", ylabel="ms per trial", ylim=(0, None))
    axes.set_title(f"No-op objective, {n_folds} folds, SQLite", fontsize=10)
    axes.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    figure.savefig(RESULTS / "loop_overhead.png", dpi=110)


def main() -> None:
    options = _options()
    names = [name for name in VARIANTS if not options.only or name in options.only]
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    seeds = range(options.seed, options.seed + options.rounds)
    report = common.Report(
        "loop_overhead",
        ("optuna", "sqlalchemy", "pebble"),
        f"{seeds.start} to {seeds.stop - 1}, one a round"
        + (f"; {seeds.start} for the curve" if options.curve else ""),
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        report.text(journals(folder))
        at = sorted({min(100, options.trials), options.trials})
        rounds = [one_round(folder, seed, options.trials, names) for seed in seeds]
        report_rounds(report, rounds, at)
        if options.curve:
            apart = folder / "curve"
            apart.mkdir()
            wanted = [n for n in names if "A/A" not in n and "reports" not in n]
            curve = one_round(apart, options.seed, options.curve, wanted)
            write_curve(curve)
            steps = [t for t in (100, 1000, 2000, 3000) if t <= options.curve]
            rows = [[n, *(f"{c[t]:.1f}" for t in steps)] for n, c in curve.items()]
            report.table(["one long run, ms per trial at", *map(str, steps)], rows)
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); a ratio is taken "
        f"within each round. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


def journals(folder: Path) -> str:
    """Say how durably each side writes, as found in what it opens."""
    import optuna
    import sqlalchemy as sa

    from hpo.store.database import connect

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'o.db'}")
    said = []
    for name, engine in (
        ("hpo", connect(f"sqlite:///{folder / 'h.db'}")),
        ("Optuna", storage.engine),
    ):
        with engine.connect() as connection:
            mode = connection.execute(sa.text("PRAGMA journal_mode")).scalar()
            level = connection.execute(sa.text("PRAGMA synchronous")).scalar()
        levels = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
        said.append(f"{name} journal_mode={mode}, synchronous={levels[level]}")
        engine.dispose()
    import sqlite3

    return f"SQLite {sqlite3.sqlite_version}: {'; '.join(said)}."


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__, rounds=3)
    parser.add_argument("--trials", type=int, default=1000, help="a multiple of 100")
    parser.add_argument("--curve", type=int, default=0, help="trials of one long run")
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    options = parser.parse_args()
    if options.trials % STEP or options.curve % STEP or options.trials < STEP:
        parser.error(f"--trials and --curve: expected multiples of {STEP}")
    return options


if __name__ == "__main__":
    main()
