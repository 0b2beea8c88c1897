"""`hpo run`: from a study file to its table of best params."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpo.cli.console import Format, clean, duration, say, write_csv, write_json
from hpo.cli.exit_codes import INTERRUPTED, NO_SUCCESS
from hpo.cli.listing import best_table
from hpo.cli.progress import ProgressBar
from hpo.errors import Problem, SpecError
from hpo.report.tables import best_row
from hpo.spec import read_study
from hpo.store import Store, masked
from hpo.study import Outcome, Prepared, StudyRun, prepare
from hpo.study.run import default_jobs
from hpo.study.verdict import causes


def run_study(
    file: Path, overrides: Mapping[str, Any], store_url: str, format_: Format
) -> int:
    """Run a study file and print its result; return the exit code.

    Raises:
        HpoError: Anything that keeps it from running; see `hpo.cli.app.main`.
    """
    spec = read_study(file, overrides=overrides)
    try:
        prepared = prepare(spec)
    except SpecError as error:
        raise _located(error, file) from error
    store = Store(store_url)
    bar = ProgressBar(prepared.plan.metric)
    run = StudyRun(prepared, store, observers=[bar])
    # While this thread proposes params, results wait for Python's lock: ask for it
    # every 0.5 ms instead of every 5 ms.
    sys.setswitchinterval(0.0005)
    _introduce(prepared, run, store_url)
    with bar, _stopped_by_signals(run):
        outcome = run.execute()
    return _conclude(prepared, outcome, store_url, format_)


def _located(error: SpecError, file: Path) -> SpecError:
    return SpecError([Problem(f"{file}: {p.where}", p.what) for p in error.problems])


def _introduce(prepared: Prepared, run: StudyRun, store_url: str) -> None:
    """Say what will run, and what was decided on the way."""
    spec, data, plan = prepared.spec, prepared.data, prepared.plan
    for note in data.notes:
        say(f"note: {note}")
    what = f"{data.n_classes} classes" if data.n_classes else "regression"
    n_features = len(data.numeric) + len(data.categorical)
    say(
        f"{spec.data.source}: {data.n_rows} rows x {n_features} features, {what}; "
        f"{prepared.n_test} rows held out for a final test"
    )
    size = spec.space.grid.count if spec.search.strategy == "grid" else spec.space.size
    n_combinations = "infinitely many" if size is None else f"{size:,}"
    jobs = spec.engine.jobs or default_jobs(spec.engine.threads)
    say(
        f"{spec.name}: {spec.model}, {spec.search.strategy} search over "
        f"{n_combinations} combinations, {len(plan.folds)} folds, metric "
        f"{plan.metric}, {jobs} worker{'s' if jobs > 1 else ''}, store "
        f"{masked(store_url)}"
    )
    for path, old, new in run.changes:
        say(f"changed since the last run: {path}: was {old!r}, is {new!r}")
    n_done = sum(trial.finished for trial in run.trials)
    if not run.is_new:
        say(f"going on with study {spec.name!r}: {n_done} trials are done")


@contextmanager
def _stopped_by_signals(run: StudyRun) -> Iterator[None]:
    """Stop gracefully at the first signal, at once at the second."""
    seen: list[int] = []

    def handle(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 1:
            run.request_stop()
            say("stopping: folds in training may finish; again to stop at once")
        elif len(seen) == 2:
            raise KeyboardInterrupt
        else:
            os._exit(INTERRUPTED)

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(
    prepared: Prepared, outcome: Outcome, store_url: str, format_: Format
) -> int:
    spec = prepared.spec
    n_failed = sum(trial.state == "failed" for trial in outcome.counted)
    failed = f", {n_failed} failed" if n_failed else ""
    say(
        f"{outcome.state}: {outcome.reason}; {len(outcome.counted)} trials{failed} in "
        f"{duration(outcome.active_seconds)}"
    )
    if n_failed:
        say(f"failures: {causes(outcome.counted)}", style="yellow")
    has_defaults = spec.search.defaults_first and spec.search.strategy != "grid"
    row = best_row(outcome.trials, has_defaults)
    if row is not None:
        if format_ is Format.TABLE:
            best_table(spec.name, prepared.plan.metric, row, outcome.trials)
        elif format_ is Format.JSON:
            write_json(row)
        else:
            write_csv([row])
    elif outcome.state != "interrupted":
        say("no trial succeeded, so there is no best one", style="red")
    option = "" if store_url == _usual_store() else f" --store {masked(store_url)}"
    if outcome.state == "interrupted":
        say("run the same command again to go on")
        return INTERRUPTED
    say(f"all trials: hpo trials {_quoted(spec.name)}{option}")
    return NO_SUCCESS if row is None else 0


def _usual_store() -> str:
    return os.environ.get("HPO_STORE", "sqlite:///hpo.db")


def _quoted(name: str) -> str:
    return f"'{clean(name)}'" if " " in name else clean(name)
