"""`hpo try`: params of a person's own, judged in a study beside its search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpo.analysis.choosing import defaults_trial
from hpo.cli.console import (
    Format,
    clean,
    number,
    out,
    say,
    table,
    value,
    write_csv,
    write_json,
)
from hpo.cli.exit_codes import INTERRUPTED, NO_SUCCESS
from hpo.cli.progress import ProgressBar
from hpo.cli.run import located, stopped_by_signals
from hpo.errors import Problem, SpecError, StudyBusyError
from hpo.records import ParamValue, Trial
from hpo.report.tables import best_trial, manual_row
from hpo.spec import read_study
from hpo.spec.scalar import read_scalar
from hpo.store import Store
from hpo.study import Prepared, Progress, prepare, started_early
from hpo.study.manual import ManualTry, manual_params
from hpo.study.verdict import causes


def try_params(
    file: Path,
    params: Sequence[str],
    overrides: Mapping[str, Any],
    allowed_modules: Sequence[str],
    store_url: str,
    format_: Format,
) -> int:
    """Judge params by every fold of a study file; return the exit code.

    Args:
        file: The study file.
        params: Texts such as ``units=64``.
        overrides: Values by dotted path that replace the file's; None means not given.
        allowed_modules: Installed packages whose code the file may name.
        store_url: The store of the study.
        format_: How the result is written.

    Raises:
        HpoError: Anything that keeps it from running; see `hpo.cli.app.main`.
    """
    given = _given(params)
    spec = read_study(file, overrides=overrides, allowed_modules=allowed_modules)
    with started_early(spec) as equipped:
        try:
            prepared = prepare(spec)
        except SpecError as error:
            raise located(error, file) from error
        data, space = prepared.data, prepared.spec.space
        chosen = manual_params(
            space, prepared.family, data.task, given, n_outputs=data.n_outputs
        )
        store = Store(store_url)
        _refuse_if_run(store, spec.name)
        bar = _FoldBar(prepared.plan.metric)
        trying = ManualTry(
            prepared, store, chosen, make_engine=equipped, observers=[bar]
        )
        if trying.is_new_study:
            say(f"study {spec.name!r} is new in the store; `hpo run` goes on with it")
        with bar, stopped_by_signals(trying):
            try:
                tried = trying.execute()
            except SpecError as error:
                raise located(error, file) from error
    if not tried.trial.finished:
        n_done, n_folds = len(tried.trial.folds), spec.evaluation.n_folds
        say(
            f"interrupted with {n_done} of {n_folds} folds done; the same command "
            f"again goes on with the others"
        )
        return INTERRUPTED
    if tried.is_repeat:
        say(f"these params were tried before (manual trial {tried.trial.number})")
    return _conclude(prepared, store, tried.trial, format_)


def _given(params: Sequence[str]) -> dict[str, ParamValue]:
    """Read ``name=value`` texts."""
    given: dict[str, ParamValue] = {}
    problems: list[Problem] = []
    for text in params:
        name, equals, written = (part.strip() for part in text.partition("="))
        if not equals or not name:
            expected = "expected a name and a value, as in -p units=64"
            problems.append(Problem("-p", f"{expected}; got {text!r}"))
        elif name in given:
            problems.append(Problem(f"-p {name}", "is given twice; give it once"))
        else:
            try:
                given[name] = read_scalar(written, f"-p {name}")
            except SpecError as error:
                problems += error.problems
    if problems:
        raise SpecError(problems)
    return given


def _refuse_if_run(store: Store, name: str) -> None:
    """Say sooner, and better than the lease can, that the study is being run."""
    owners = [line.owner for line in store.summaries() if line.name == name]
    if owners and owners[0] is not None:
        raise StudyBusyError(
            f"study {name!r} is being run by {owners[0]}; wait for it or stop it, "
            f"then try again"
        )


class _FoldBar(ProgressBar):
    """Counts folds, as there is one trial."""

    def words(self, progress: Progress) -> str:
        """Word a progress in one line."""
        return f"{progress.n_folds_done}/{progress.n_folds} folds"


def _conclude(prepared: Prepared, store: Store, trial: Trial, format_: Format) -> int:
    name, metric = prepared.spec.name, prepared.plan.metric
    trials = store.trials(name)
    best, defaults = best_trial(trials), defaults_trial(store.origin(name), trials)
    if format_ is not Format.TABLE:
        row = manual_row(trial, prepared.spec.evaluation.n_folds, best, defaults)
        if format_ is Format.JSON:
            write_json(row)
        else:
            write_csv([row])
    elif trial.score is not None:
        _print(name, metric, {"this try": trial, "best": best, "defaults": defaults})
    if trial.score is None:
        say(f"manual trial {trial.number} failed: {causes([trial])}", style="red")
        return NO_SUCCESS
    if best is None:
        say("the search has no trial yet to compare it with: hpo run FILE")
    return 0


def _print(name: str, metric: str, trials: dict[str, Trial | None]) -> None:
    """Print a try beside what the search has found."""
    beside = {label: t for label, t in trials.items() if t is not None}
    tried = beside["this try"]
    if "best" in beside and beside.get("defaults") is beside["best"]:
        del beside["best"]
        beside["defaults, best so far"] = beside.pop("defaults")
    out().print(
        f"{clean(name)}: manual trial {tried.number}, {metric} "
        f"{number(tried.score)} +- {number(tried.std)}",
        markup=False,
    )
    heads = [
        label if trial is tried else f"{label} (trial {trial.number})"
        for label, trial in beside.items()
    ]
    made = table(None, "hyperparameter", *heads)
    for key in dict.fromkeys(key for t in beside.values() for key in t.params):
        cells = [
            value(t.params[key]) if key in t.params else "-" for t in beside.values()
        ]
        made.add_row(clean(key), *cells)
    made.add_row("", *("" for _ in beside))
    for label, of in _SCORES.items():
        cells = [number(of(t)) for t in beside.values()]
        made.add_row(label or metric, *cells)
    out().print(made)


_SCORES: dict[str, Callable[[Trial], float | None]] = {
    "": lambda trial: trial.score,
    "+-": lambda trial: trial.std,
    "on training rows": lambda trial: trial.train_score,
}
