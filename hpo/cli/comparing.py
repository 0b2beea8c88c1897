"""`hpo compare`: studies side by side, or strategies on one study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.cli.console import Format, out, say, table, write_csv, write_json
from hpo.cli.exit_codes import INTERRUPTED, NO_SUCCESS
from hpo.cli.listing import open_store
from hpo.cli.progress import ProgressBar
from hpo.cli.run import located, stopped_by_signals
from hpo.errors import Problem, SpecError
from hpo.report.comparable import stored
from hpo.report.comparing import Comparison, compare
from hpo.report.comparing_tables import tables
from hpo.report.comparing_words import words
from hpo.report.page_file import why_taken
from hpo.spec import read_study
from hpo.store import Store
from hpo.study import Outcome, Prepared, StudyRun, prepare
from hpo.study.strategies import Planned, is_done, plan_searches, refuse_changed


def compare_studies(
    names: Sequence[str],
    to_reach: float | None,
    output: Path | None,
    store_url: str,
    format_: Format,
) -> None:
    """Print studies side by side.

    Args:
        names: Of at least two studies.
        to_reach: The score whose cost is told; None for where the weakest ended.
        output: HTML file to write as well.
        store_url: Where the studies are.
        format_: How the rows are written.

    Raises:
        HpoError: A study is not there, or their scores cannot be compared.
    """
    _check_output(output)
    store = open_store(store_url)
    compared = compare(stored(store, names), to_reach=to_reach)
    _show(compared, output, format_)


def compare_strategies(
    files: Sequence[str],
    strategies: str,
    seeds: int,
    overrides: Mapping[str, Any],
    to_reach: float | None,
    output: Path | None,
    allowed_modules: Sequence[str],
    store_url: str,
    format_: Format,
) -> int:
    """Run a study file by several strategies and seeds, and print them side by side.

    Args:
        files: One study file.
        strategies: Their names, with commas between.
        seeds: Searches by each.
        overrides: Values by dotted path that replace the file's.
        to_reach: The score whose cost is told; None for one that most reach.
        output: HTML file to write as well.
        allowed_modules: Installed packages whose code the file may name.
        store_url: Where the studies are kept.
        format_: How the rows are written.

    Returns:
        The exit code.

    Raises:
        HpoError: Anything that keeps a search from running.
    """
    _check_output(output)
    if len(files) != 1:
        what = f"expected one study file with --strategies; got {len(files)}"
        raise SpecError([Problem("compare", what)])
    file = Path(files[0])
    spec = read_study(file, overrides=overrides, allowed_modules=allowed_modules)
    names = [name.strip() for name in strategies.split(",") if name.strip()]
    try:
        planned = plan_searches(spec, names, seeds)
        store = Store(store_url)
        finished = _run_all(planned, store)
    except SpecError as error:
        raise located(error, file) from error
    if not finished:
        say("run the same command again to go on")
        return INTERRUPTED
    searches = [search.name for search in planned.searches]
    compared = compare(
        stored(store, searches),
        to_reach=to_reach,
        by_strategy=True,
        n_trials=planned.n_trials,
        how=planned.notes,
    )
    _show(compared, output, format_)
    say("each search is a study: hpo list; hpo sync sends them to MLflow")
    return NO_SUCCESS if compared.to_reach is None else 0


def _check_output(output: Path | None) -> None:
    """Refuse a file that cannot be written before anything is computed for it."""
    if output is None:
        return
    if output.is_dir() or not output.absolute().parent.is_dir():
        what = f"expected a file in a folder that is there; got {output}"
        raise SpecError([Problem("--output", what)])
    if taken := why_taken(output):
        raise SpecError([Problem("--output", taken)])


def _run_all(planned: Planned, store: Store) -> bool:
    """Run what is missing, one search after the other; False if it was interrupted."""
    for note in planned.notes:
        say(note)
    known = {summary.name for summary in store.summaries()}
    for search in planned.searches:
        if search.name in known:
            refuse_changed(store.study(search.name), search)
    series = _Series()
    prepared: Prepared | None = None
    with stopped_by_signals(series):
        for place, search in enumerate(planned.searches, 1):
            where = f"[{place}/{len(planned.searches)}] {search.name}"
            begun = store.study(search.name) if search.name in known else None
            if begun is None or prepared is None:
                prepared = prepare(search)
            # All are of the same data, whichever search they were read for.
            if begun and is_done(begun, search, prepared.fingerprint):
                say(f"{where}: done before")
                continue
            say(where)
            if prepared.spec.name != search.name:
                prepared = prepare(search)
            outcome = series.execute(prepared, store)
            say(f"{where}: {outcome.state}, {outcome.reason}")
            if series.stopping:
                return False
    return True


class _Series:
    """Runs one search after the other, until it is asked to stop."""

    def __init__(self) -> None:
        self.stopping = False
        self._run: StudyRun | None = None

    def request_stop(self) -> None:
        """Stop the search that is running, and begin no other."""
        self.stopping = True
        if self._run is not None:
            self._run.request_stop()

    def execute(self, prepared: Prepared, store: Store) -> Outcome:
        """Run one search to its end, or until the series is to stop."""
        bar = ProgressBar(prepared.plan.metric)
        self._run = StudyRun(prepared, store, observers=[bar])
        if self.stopping:
            self._run.request_stop()
        with bar:
            return self._run.execute()


def _show(compared: Comparison, output: Path | None, format_: Format) -> None:
    if format_ is Format.JSON:
        write_json(compared.rows)
    elif format_ is Format.CSV:
        write_csv(compared.rows)
    else:
        _print(compared)
    if output is not None:
        from hpo.report.comparing_page import comparison_file

        say(f"wrote {comparison_file(compared, output)}")


def _print(compared: Comparison) -> None:
    for text in tables(compared):
        made = table(None, *text.columns, right=text.right)
        for row in text.rows:
            made.add_row(*row)
        out().print(made)
        out().print()
    for sentence in words(compared):
        out().print(sentence)
    for note in compared.notes:
        say(f"note: {note}")
