"""What it costs to send finished trials to MLflow, next to plain ways of doing it.

A trial has 6 params, 5 folds and 11 values of metrics; with ``curves`` also four
learning curves of 50 epochs. Into a local SQLite database: `hpo.tracking.sender` sends
what the store holds, with its marks; the naive client calls ``create_run``,
``log_batch`` and ``set_terminated`` for each trial; the callback logs as Optuna's
MLflow callback does, with the fluent API. All write the same params and metrics, the
last two from values at hand. They take turns in one process. A backlog is a finished
study of which MLflow has nothing yet, sent as ``hpo sync`` does, with the study's own
run and its artifacts, figures included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import common

Turn: TypeAlias = "Callable[[int, list[Cost]], None]"
"""Sends so many trials more and adds what each cost."""

N_FOLDS = 5
TURN = 50
N_EPOCHS = 50
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def make_trial(number: int, seed: int, *, curves: bool) -> Any:
    """Return a finished trial with the params of a random search."""
    from hpo.records import FoldResult, Trial, judge
    from hpo.search import make_strategy

    strategy = make_strategy("random", common.make_space(), seed=seed)
    params = strategy.propose(number, [])
    assert params is not None
    folds = {}
    for fold in range(N_FOLDS):
        score = common.smooth_score(params, fold)
        drawn = {
            name: [score / (epoch + 1) for epoch in range(N_EPOCHS)] for name in CURVES
        }
        folds[fold] = FoldResult(
            fold,
            score=score,
            train_score=score,
            metrics={"accuracy": score, "f1_macro": score / 2},
            train_metrics={"accuracy": score},
            curves=drawn if curves else {},
            engine="no-op",
        )
    return judge(Trial(number, params), folds, N_FOLDS)


class Study:
    """A study in a store of its own, to which finished trials are added."""

    def __init__(self, folder: Path, seed: int, *, curves: bool) -> None:
        from hpo.store import Store

        self._seed, self._curves = seed, curves
        self.store = Store(f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}")
        common.create_study(self.store, "s", N_FOLDS, seed)
        self._writer = self.store.own("s")
        self._n_trials = 0

    def add(self, n_trials: int) -> None:
        """Commit more finished trials, ``n_trials`` of them."""
        from hpo.records import Trial
        from hpo.store import Changes

        numbers = range(self._n_trials, self._n_trials + n_trials)
        trials = [make_trial(n, self._seed, curves=self._curves) for n in numbers]
        started = [Trial(trial.number, trial.params) for trial in trials]
        folds = [(trial.number, fold) for trial in trials for fold in trial.folds]
        self._writer.commit(Changes(started=started, folds=folds, finished=trials))
        self._n_trials += n_trials

    def make_sender(self, uri: str) -> Any:
        from hpo.tracking.client import Client
        from hpo.tracking.sender import Sender

        client = Client(uri)
        return Sender(self.store, "s", client, self.store.mirror("s", uri))


# Turns


def begin_hpo(folder: Path, seed: int, *, curves: bool) -> Turn:
    study = Study(folder, seed, curves=curves)
    sender = study.make_sender(f"sqlite:///{folder / f'{time.monotonic_ns()}.mlflow'}")

    def turn(n_trials: int, costs: list[Cost]) -> None:
        study.add(n_trials)
        with stopwatch(costs, n_trials):
            left = sender.send(state="running")
        assert left.n_trials == 0, left

    return turn


@dataclass(frozen=True)
class Cost:
    """Milliseconds for a trial: as the clock has it, and of the processor."""

    wall: float
    processor: float


@contextmanager
def stopwatch(costs: list[Cost], n_trials: int) -> Iterator[None]:
    """Add the cost of each of ``n_trials`` that the block sends."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    costs.append(Cost(1000 * wall / n_trials, 1000 * processor / n_trials))


class Contents:
    """What the peers log of one trial after another."""

    def __init__(self, seed: int, *, curves: bool) -> None:
        self._seed, self._curves, self._n_trials = seed, curves, 0

    def take(self, n_trials: int) -> list[Any]:
        numbers = range(self._n_trials, self._n_trials + n_trials)
        self._n_trials += n_trials
        return [content_of(n, self._seed, curves=self._curves) for n in numbers]


def content_of(number: int, seed: int, *, curves: bool) -> Any:
    """Return what MLflow should hold of a trial, from what sends it for hpo too."""
    from hpo.records import StudyRecord
    from hpo.tracking.content import trial_content

    now = datetime.now(UTC)
    trial = make_trial(number, seed, curves=curves)
    folds = tuple(replace(fold, finished_at=now) for fold in trial.folds)
    trial = replace(trial, folds=folds, created_at=now, finished_at=now)
    study: StudyRecord = common.study_record("s", N_FOLDS, seed)
    return trial_content(study, "search", trial, live=True)


def begin_naive(folder: Path, seed: int, *, curves: bool) -> Turn:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / f'{time.monotonic_ns()}.mlflow'}")
    experiment = client.create_experiment("s")
    contents = Contents(seed, curves=curves)

    def turn(n_trials: int, costs: list[Cost]) -> None:
        made = contents.take(n_trials)
        with stopwatch(costs, n_trials):
            for content in made:
                common.log_naively(client, experiment, content)

    return turn


def begin_callback(folder: Path, seed: int, *, curves: bool) -> Turn:
    import mlflow

    uri = f"sqlite:///{folder / f'{time.monotonic_ns()}.mlflow'}"
    contents = Contents(seed, curves=curves)

    def turn(n_trials: int, costs: list[Cost]) -> None:
        made = contents.take(n_trials)
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("s")
        with stopwatch(costs, n_trials):
            for content in made:
                with mlflow.start_run(run_name=content.name):
                    log_fluently(content)

    return turn


def log_fluently(content: Any) -> None:
    """Fill the active run with one call for each step, the params and the tags."""
    import mlflow

    for step in sorted({point.step for point in content.points}):
        at = {point.key: point.value for point in content.points if point.step == step}
        mlflow.log_metrics(at, step=step)
    mlflow.log_params(content.params)
    mlflow.set_tags(content.tags)


VARIANTS = {
    "hpo": begin_hpo,
    "hpo again (A/A)": begin_hpo,
    "naive client calls": begin_naive,
    "callback, fluent API": begin_callback,
}


def steady(
    folder: Path, options: argparse.Namespace, *, curves: bool
) -> dict[str, list[Cost]]:
    """Let the variants take turns; return what a trial cost in each turn."""
    turns = {
        name: begin(folder, options.seed, curves=curves)
        for name, begin in VARIANTS.items()
        # It would make a call for each epoch, and what it copies logs no curves.
        if not (curves and begin is begin_callback)
    }
    found: dict[str, list[Cost]] = {name: [] for name in turns}
    names = list(turns)
    for name in names:
        turns[name](TURN, [])
    for index in range(options.rounds):
        first = index % len(names)
        for name in [*names[first:], *names[:first]]:
            turns[name](TURN, found[name])
    return found


def report_steady(
    report: common.Report, folder: Path, options: argparse.Namespace
) -> None:
    for curves in (False, True):
        found = steady(folder, options, curves=curves)
        ours = [cost.wall for cost in found["hpo"]]
        rows = []
        for name, costs in found.items():
            wall = [cost.wall for cost in costs]
            processor = [cost.processor for cost in costs]
            ratio = common.summary(common.ratios(wall, ours))
            rows.append(
                [name, common.summary(wall, 1), common.summary(processor, 1), ratio]
            )
        what = (
            f"with {len(CURVES)} curves of {N_EPOCHS}" if curves else "without curves"
        )
        head = [f"a trial {what}", "ms", "ms of a processor", "ratio to hpo"]
        report.table(head, rows)


# Backlogs


def drain(study: Study, uri: str) -> float:
    """Send everything to an MLflow that is open but empty; return the seconds."""
    sender = study.make_sender(uri)
    started = time.perf_counter()
    left = sender.send(state="interrupted", everything=True)
    taken = time.perf_counter() - started
    assert left.n_trials == 0, left
    assert not left.refused, left
    return taken


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / f'{time.monotonic_ns()}.mlflow'}"


@contextmanager
def postgres_database(folder: Path) -> Iterator[str]:
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
    from postgres_server import temporary_database, temporary_server

    with temporary_server() as server, temporary_database(server) as url:
        yield url


def report_backlog(
    report: common.Report, folder: Path, options: argparse.Namespace
) -> None:
    places: dict[str, Callable[[Path], Any]] = {
        "SQLite": sqlite_database,
        "a server of one worker, on SQLite": common.mlflow_server,
    }
    if options.postgres:
        places["PostgreSQL"] = postgres_database
    rows = []
    for where, place in places.items():
        times = []
        for index in range(options.backlogs):
            study = Study(folder, options.seed + index, curves=False)
            study.add(options.backlog)
            with place(folder) as uri:
                times.append(drain(study, uri))
        each = 1000 * statistics.median(times) / options.backlog
        rows.append([where, common.summary(times, 1), f"{each:.1f}"])
    head = f"a backlog of {options.backlog} trials into"
    report.table([head, "seconds", "ms per trial"], rows)


def main() -> None:
    parser = common.parser(__doc__, rounds=6)
    parser.add_argument("--backlog", type=int, default=1000, help="trials of a backlog")
    parser.add_argument("--backlogs", type=int, default=1, help="rounds of backlogs")
    parser.add_argument("--postgres", action="store_true", help="also a backlog there")
    options = parser.parse_args()
    # As long as MLflow is not imported yet.
    os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    report = common.Report(
        "tracking_sending", ("mlflow", "sqlalchemy"), f"{options.seed}"
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        report_steady(report, folder, options)
        if options.backlog:
            report_backlog(report, folder, options)
    report.text(
        f"Medians of {options.rounds} turns of {TURN} trials, and of "
        f"{options.backlogs} backlogs, with (least-greatest); a ratio is taken between "
        f"neighbouring turns. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
