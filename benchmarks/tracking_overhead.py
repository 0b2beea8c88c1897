"""What a study takes longer while it is sent to MLflow.

The study is that of ``pool_overhead.py``: real loop, store and local engine, folds of
50 ms on two workers. It is run without tracking, and with `hpo.tracking.Tracker`
sending it to a local SQLite database, to an address that refuses connections, to a
server that answers after 30 s, and to MLflow's own server on this machine, whose
process shares the processors. The bare callback is what one would write by hand: an
observer that calls ``create_run``, ``log_batch`` and ``set_terminated`` in the study's
own process after each trial. Measured is from the first fold submitted to the last
commit; the sender starts with the study, makes its database and imports MLflow within
that. What sending takes after the end, 10 s at most, is shown apart.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import common
from pool_overhead import N_FOLDS, N_WORKERS, SECONDS, timed_study

ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """How one study went.

    Args:
        seconds: From the first fold submitted to the last commit.
        n_behind: Trials that MLflow did not have then; None if nobody knew.
        drain_seconds: How long sending went on after that.
        n_left: Trials that MLflow did not have in the end; None if nobody knew.
    """

    seconds: float
    n_behind: int | None = 0
    drain_seconds: float = 0.0
    n_left: int | None = 0


# Where studies are sent


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / f'{time.monotonic_ns()}.mlflow'}"


@contextmanager
def refusing(folder: Path) -> Iterator[str]:
    with socket.socket() as taken:
        # Bound but not listening: nobody else gets the port, and nobody answers.
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def slow_server(folder: Path) -> Iterator[str]:
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        """Says that it is unavailable, after half a minute."""

        def do_GET(self) -> None:
            closing.wait(ANSWER_SECONDS)
            try:
                self.send_error(503)
            except OSError:
                # Whoever asked has not waited.
                return

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


# The study


@contextmanager
def new_store(folder: Path) -> Iterator[Any]:
    from hpo.store import Store

    store = Store(f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}")
    try:
        yield store
    finally:
        store.close()


def untracked(folder: Path, work: str, seed: int, trials: int) -> Outcome:
    with new_store(folder) as store:
        return Outcome(timed_study(store, "random", work, seed, trials))


def tracked(folder: Path, work: str, seed: int, trials: int, place: Any) -> Outcome:
    from hpo.tracking import Tracker

    with new_store(folder) as store, place(folder) as uri:
        tracker = Tracker(store.url, "s", uri)
        try:
            seconds = timed_study(
                store, "random", work, seed, trials, start=tracker.start
            )
            n_sent = n_marked(store)
            began = time.perf_counter()
            farewell = tracker.finish()
            drain_seconds = time.perf_counter() - began
        finally:
            tracker.close()
    return Outcome(seconds, trials - n_sent, drain_seconds, farewell.n_left)


def n_marked(store: Any) -> int:
    """Return how many finished trials are noted as sent."""
    import sqlalchemy as sa

    from hpo.store import schema

    engine = sa.create_engine(store.url)
    told = sa.select(schema.mirrored_trials.c.told)
    with engine.connect() as connection:
        found = list(connection.execute(told).scalars())
    engine.dispose()
    return found.count("complete")


def callback(folder: Path, work: str, seed: int, trials: int) -> Outcome:
    from mlflow import MlflowClient

    from hpo.tracking.content import trial_content

    with new_store(folder) as store, sqlite_database(folder) as uri:
        client = MlflowClient(uri)
        experiment = client.create_experiment("s")
        study = common.study_record("s", N_FOLDS, seed)

        def observe(progress: Any) -> None:
            now = datetime.now(UTC)
            for trial in progress.finished:
                folds = tuple(replace(f, finished_at=now) for f in trial.folds)
                timed = replace(trial, folds=folds, created_at=now, finished_at=now)
                content = trial_content(study, "search", timed, live=True)
                common.log_naively(client, experiment, content)

        return Outcome(timed_study(store, "random", work, seed, trials, [observe]))


VARIANTS: dict[str, Callable[..., Outcome]] = {
    "no tracking": untracked,
    "to a local SQLite database": partial(tracked, place=sqlite_database),
    "to an address that refuses": partial(tracked, place=refusing),
    "to a server that answers after 30 s": partial(tracked, place=slow_server),
    "to MLflow's server, 1 worker": partial(tracked, place=common.mlflow_server),
    "bare callback, local SQLite": callback,
    "no tracking, again (A/A)": untracked,
}


def measure(
    folder: Path, work: str, wanted: Sequence[str], options: argparse.Namespace
) -> dict[str, list[Outcome]]:
    """Let the variants take turns, each round in another order."""
    found: dict[str, list[Outcome]] = {name: [] for name in wanted}
    for index in range(options.rounds):
        first = index % len(wanted)
        for name in [*wanted[first:], *wanted[:first]]:
            seed = options.seed + index
            outcome = VARIANTS[name](
                folder, work=work, seed=seed, trials=options.trials
            )
            found[name].append(outcome)
            print(f"  {work}, round {index + 1}, {name}: {outcome}", flush=True)
    return found


def report_work(
    report: common.Report, work: str, trials: int, found: dict[str, list[Outcome]]
) -> None:
    n_folds = trials * N_FOLDS
    base = [outcome.seconds for outcome in found["no tracking"]]
    rows = []
    for name, outcomes in found.items():
        seconds = [outcome.seconds for outcome in outcomes]
        row = [name, common.summary(seconds)]
        row.append(common.summary(common.ratios(seconds, base), 3))
        if name.startswith("to "):
            row.append(counts([outcome.n_behind for outcome in outcomes]))
            row.append(common.summary([o.drain_seconds for o in outcomes], 1))
            row.append(counts([outcome.n_left for outcome in outcomes]))
        rows.append(row + [""] * (6 - len(row)))
    ideal = n_folds * SECONDS / N_WORKERS
    head = f"{n_folds} folds that {work} 50 ms (ideal {ideal:.2f} s)"
    names = ["seconds", "ratio to no tracking", "trials behind at the end"]
    report.table([head, *names, "then s", "still behind"], rows)


def counts(numbers: Sequence[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return common.summary(known, 0) if known else "unknown"


def main() -> None:
    parser = common.parser(__doc__, rounds=3)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--work", action="append", choices=["sleep", "burn"])
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    options = parser.parse_args()
    # As long as MLflow is not imported yet.
    os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
    wanted = [n for n in VARIANTS if not options.only or n in options.only]
    if "no tracking" not in wanted:
        wanted.insert(0, "no tracking")
    common.wait_until_calm(options.calm, 1.0)
    watch = common.Watch()
    last = options.seed + options.rounds - 1
    report = common.Report(
        "tracking_overhead",
        ("mlflow", "pebble", "sqlalchemy"),
        f"{options.seed} to {last}, one a round",
    )
    with common.scratch(options.folder) as folder:
        report.head(folder)
        for work in options.work or ("sleep", "burn"):
            found = measure(folder, work, wanted, options)
            report_work(report, work, options.trials, found)
    report.text(
        f"Medians of {options.rounds} rounds, with (least-greatest); a ratio is taken "
        f"within each round. {watch.sentence().capitalize()}."
    )
    report.write(options.markdown, options.section)


if __name__ == "__main__":
    main()
