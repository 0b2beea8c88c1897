"""`hpo run`: from a study file to its table of best params."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from hpo.analysis.choosing import chosen
from hpo.cli.best import best_table
from hpo.cli.console import (
    Format,
    duration,
    fitting,
    number,
    quoted_name,
    say,
    write_csv,
    write_json,
)
from hpo.cli.exit_codes import INTERRUPTED, NO_SUCCESS
from hpo.cli.progress import ProgressBar
from hpo.cli.tracking import sending, store_option, tracking_address
from hpo.errors import Problem, SpecError
from hpo.records import Trial
from hpo.report.tables import best_row
from hpo.spec import read_study
from hpo.spec.words import changes_table
from hpo.store import Store, masked
from hpo.study import Observer, Outcome, Prepared, StudyRun, prepare, started_early
from hpo.study.describe import classes_words, data_words, describe, folds_words
from hpo.study.nested import NestedRun
from hpo.study.stored import changed_code
from hpo.study.trained import fit_words, other_versions
from hpo.study.verdict import causes


def run_study(
    file: Path,
    overrides: Mapping[str, Any],
    store_url: str,
    tracking: str | None,
    format_: Format,
    allowed_modules: Sequence[str] = (),
) -> int:
    """Run a study file and print its result; return the exit code.

    Args:
        file: The study file.
        overrides: Values by dotted path that replace the file's.
        store_url: Where the study is kept.
        tracking: Address of MLflow, ``none``, or None for the usual one.
        format_: How the result is written.
        allowed_modules: Installed packages whose code the file may name.

    Raises:
        HpoError: Anything that keeps it from running; see `hpo.cli.app.main`.
    """
    uri = tracking_address(tracking, store_url)
    spec = read_study(file, overrides=overrides, allowed_modules=allowed_modules)
    with started_early(spec) as equipped:
        try:
            prepared = prepare(spec)
        except SpecError as error:
            raise located(error, file) from error
        store = Store(store_url)
        outer = _nested(prepared, store, uri)
        bar = ProgressBar(prepared.plan.metric)
        run = StudyRun(
            prepared, store, make_engine=lambda: equipped(prepared), observers=[bar]
        )
        # While this thread proposes params, results wait for Python's lock: ask for it
        # every 0.5 ms instead of every 5 ms.
        sys.setswitchinterval(0.0005)
        _introduce(prepared, run, store)
        with sending(store_url, spec.name, uri) as farewell:
            with bar, stopped_by_signals(run):
                try:
                    outcome = run.execute()
                except SpecError as error:
                    raise located(error, file) from error
            code = _conclude(prepared, outcome, store, format_)
            farewell()
    if outer is not None and outcome.state == "complete" and code == 0:
        return _run_nested(prepared, outer)
    return code


def _nested(prepared: Prepared, store: Store, uri: str | None) -> NestedRun | None:
    """Return what runs the outer studies; None if the study has none.

    Raises:
        SpecError: It cannot be nested.
        DataError: The rows of an outer fold cannot be split.
    """
    spec = prepared.spec
    if not spec.evaluation.nested:
        return None

    @contextmanager
    def watch(outer: Prepared) -> Iterator[list[Observer]]:
        name, rows = outer.spec.name, outer.plan.data.n_rows
        say(f"{name}: search on {rows:,} rows, to be scored on {outer.n_test:,}")
        bar = ProgressBar(outer.plan.metric)
        with sending(store.url, name, uri), bar:
            yield [bar]

    def choose(trials: Sequence[Trial]) -> Trial | None:
        return chosen(trials, spec.select)

    return NestedRun(prepared, store, choose, watch=watch)


def _run_nested(prepared: Prepared, outer: NestedRun) -> int:
    """Run the outer studies and say what they come to; return the exit code."""
    name = prepared.spec.name
    say(
        f"nested cross-validation: the whole search of {name!r} again in "
        f"{outer.n_folds} outer folds"
    )
    with stopped_by_signals(outer):
        score = outer.execute()
    if score is None:
        say("interrupted; run the same command again to go on")
        return INTERRUPTED
    shown = ", ".join(number(each) for each in score.scores)
    say(
        f"nested estimate: {prepared.plan.metric} {number(score.mean)} +- "
        f"{number(score.std)} between outer folds ({shown})"
    )
    return 0


def located(error: SpecError, file: Path) -> SpecError:
    """Name the file in mistakes that were found after it was read."""
    return SpecError([Problem(f"{file}: {p.where}", p.what) for p in error.problems])


def _introduce(prepared: Prepared, run: StudyRun, store: Store) -> None:
    """Say what will run, and what was decided on the way."""
    spec, plan = prepared.spec, prepared.plan
    facts = describe(prepared)
    rows, n_test = facts["data"], prepared.n_test
    for note in facts["notes"]:
        say(f"note: {note}")
    if rows["n_rows"]:
        held_out = f"{n_test:,} held out for a final test"
        say(f"{spec.data.name}: {data_words(rows)}; {held_out}")
    if rows["classes"]:
        say(f"classes: {classes_words(rows)}")
    elif len(rows["targets"]) > 1:
        say(f"targets: {fitting(rows['targets'], 70)}")
    size, jobs = facts["n_combinations"], facts["n_workers"]
    n_combinations = "infinitely many" if size is None else f"{size:,}"
    say(
        f"{spec.name}: {spec.model}, {spec.search.strategy} search over "
        f"{n_combinations} combinations, "
        f"{folds_words(facts['evaluation'], rows['n_groups'])}, metric {plan.metric}, "
        f"{jobs} worker{'s' if jobs > 1 else ''}, store {masked(store.url)}"
    )
    if run.changes:
        say(f"changed since the last run:\n{changes_table(run.changes)}")
    n_done = sum(trial.finished for trial in run.trials)
    if not run.is_new:
        say(f"going on with study {spec.name!r}: {n_done} trials are done")
    for what in (other_versions(run.trials), changed_code(store, prepared)):
        if what:
            say(f"warning: {what}", style="yellow")


class Stoppable(Protocol):
    """What a signal can ask to end."""

    def request_stop(self) -> None: ...


@contextmanager
def stopped_by_signals(run: Stoppable) -> Iterator[None]:
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
    prepared: Prepared, outcome: Outcome, store: Store, format_: Format
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
    if what := fit_words(outcome.counted):
        say(f"note: {what}")
    row = best_row(outcome.trials, store.origin(spec.name), spec.select)
    if row is not None:
        if format_ is Format.TABLE:
            best_table(spec.name, prepared.plan.metric, row, outcome.trials)
        elif format_ is Format.JSON:
            write_json(row)
        else:
            write_csv([row])
    elif outcome.state != "interrupted":
        say("no trial succeeded, so there is no best one", style="red")
    option = store_option(store.url)
    if outcome.state == "interrupted":
        say("run the same command again to go on")
        return INTERRUPTED
    if row is not None and spec.select != "mean":
        say("chosen by select: one-se, the simplest near the best mean")
    if row is not None:
        say(f"how good it really is: hpo best {quoted_name(spec.name)}{option}")
    say(f"all trials: hpo trials {quoted_name(spec.name)}{option}")
    return NO_SUCCESS if row is None else 0
