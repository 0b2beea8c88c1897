"""`hpo list`, `show`, `trials` and `best`: what the store holds.

They read the store and nothing else: no data, no model, no code of the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpo.cli.console import (
    Format,
    clean,
    duration,
    number,
    out,
    say,
    table,
    value,
    write_csv,
    write_json,
)
from hpo.errors import StoreError
from hpo.records import StudyRecord, StudySummary, Trial
from hpo.report.tables import Row, counted, study_row, trial_rows
from hpo.store import MANUAL, Store, masked


def list_studies(store_url: str, format_: Format) -> None:
    """Print one line for each study."""
    summaries = Store(store_url).summaries() if Store.exists(store_url) else []
    rows = [study_row(summary) for summary in summaries]
    if _written(rows, format_):
        return
    if not rows:
        say(f"no studies in {masked(store_url)} yet; begin one: hpo run FILE")
        return
    made = table(
        None, "study", "state", "trials", "best", "metric", "strategy", "model"
    )
    for row in rows:
        made.add_row(
            clean(row["name"]),
            row["state"],
            str(row["n_trials"]),
            number(row["best_score"]),
            row["metric"],
            row["strategy"],
            row["family"],
        )
    out().print(made)
    for row in rows:
        if row["owner"]:
            say(f"{row['name']} is being run by {row['owner']}")


def list_trials(
    name: str, store_url: str, format_: Format, *, everything: bool, manual: bool
) -> None:
    """Print the trials of a study: those of its search, or the ``manual`` ones."""
    store = open_store(store_url)
    study, tried = store.study(name), store.trials(name, kind=MANUAL)
    stored = tried if manual else store.trials(name)
    shown = stored if everything else counted(stored)
    if _written(trial_rows(shown, study.n_folds), format_):
        return
    if manual and not tried:
        say(f"no manual trials in study {name!r}; try params: hpo try FILE -p NAME=1")
        return
    columns = _trial_columns(study.metric, shown)
    made = table(None, *columns, right=tuple(columns))
    for cells in zip(*columns.values(), strict=True):
        made.add_row(*cells)
    out().print(made)
    _footnotes(shown, stored)
    if tried and not manual:
        say(f"{_manual(len(tried))} of `hpo try` listed apart: --manual")


def _manual(n_trials: int) -> str:
    return f"{n_trials} manual trial{'s' if n_trials != 1 else ''}"


def _trial_columns(metric: str, trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Return the cells of each column; the params share one if all do not fit."""
    columns = {
        "trial": [str(trial.number) for trial in trials],
        "state": [trial.failure or trial.state for trial in trials],
        metric: [number(trial.score) for trial in trials],
        "std": [number(trial.std) for trial in trials],
        "train": [number(trial.train_score) for trial in trials],
        "fit": [duration(trial.fit_seconds) for trial in trials],
    }
    varying = [k for k in _names(trials) if k in _varying(trials)]
    apart = {k: [_param(trial.params, k) for trial in trials] for k in varying}
    width = sum(
        2 + max(map(len, (name, *cells))) for name, cells in (columns | apart).items()
    )
    if width <= out().width:
        return columns | apart
    together = [
        " ".join(f"{k}={_param(t.params, k)}" for k in varying if k in t.params)
        for t in trials
    ]
    return columns | {"params": together}


def _names(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def _footnotes(shown: Sequence[Trial], stored: Sequence[Trial]) -> None:
    constants = {k: v for t in shown[:1] for k, v in t.params.items()}
    constants = {k: v for k, v in constants.items() if k not in _varying(shown)}
    if constants:
        say("always: " + " ".join(f"{k}={value(v)}" for k, v in constants.items()))
    if len(shown) < len(stored):
        n_more = len(stored) - len(shown)
        say(f"{n_more} more finished beyond the trial that ended the study: --all")


def show_study(name: str, store_url: str, format_: Format) -> None:
    """Print everything about one study but its trials."""
    from hpo.study.trained import trained_by, trained_words
    from hpo.study.verdict import causes

    store = open_store(store_url)
    study, trials, summary = store.study(name), store.trials(name), store.summary(name)
    tried = store.trials(name, kind=MANUAL)
    # The first is what the file said to begin with.
    edited = [
        {"from_trial": n, "study": document} for n, document in store.changes(name)[1:]
    ]
    row = study_row(summary) | {
        "reason": study.reason,
        "seed": study.seed,
        "n_folds": study.n_folds,
        "n_manual": len(tried),
        "trained_by": trained_by(trials),
        "active_seconds": study.active_seconds,
        "fingerprint": study.fingerprint,
        "study": dict(study.document),
        "edits": edited,
    }
    if format_ is Format.JSON:
        write_json(row)
        return
    if format_ is Format.CSV:
        write_csv([row])
        return
    made = table()
    facts = _facts(study, summary, trials)
    if row["trained_by"]:
        facts["trained by"] = trained_words(row["trained_by"])
    if tried:
        facts["manual"] = f"{_manual(len(tried))} of `hpo try`, apart from the search"
    for label, text in facts.items():
        made.add_row(label, clean(text))
    made.show_header = False
    out().print(made)
    _print_space(study)
    failed = [trial for trial in counted(trials) if trial.state == "failed"]
    if failed:
        out().print(f"failures: {clean(causes(failed))}", markup=False)
    for edit in edited:
        out().print(f"the file was edited before trial {edit['from_trial']}")


def _facts(
    study: StudyRecord, summary: StudySummary, trials: Sequence[Trial]
) -> dict[str, str]:
    data, search = study.document["data"], study.document["search"]
    shown = counted(trials)
    n_failed = sum(trial.state == "failed" for trial in shown)
    n_running = sum(not trial.finished for trial in shown)
    of = f" of {search['trials']}" if search.get("trials") else ""
    counts = f"{summary.n_trials}{of} finished, {n_failed} failed, {n_running} begun"
    state = f"{summary.state}: {study.reason}" if study.reason else summary.state
    return {
        "study": study.name,
        "state": state,
        "run by": summary.owner or "nobody",
        "trials": f"{counts}, {duration(study.active_seconds)}",
        "best": f"{study.metric} {number(summary.best_score)}",
        "model": f"{study.family} ({study.backend}, {study.engine} engine)",
        "strategy": f"{study.strategy}, seed {study.seed}, width {search['width']}",
        "judged by": f"{_folds(study)} cross-validation, {study.task}",
        "data": f"{_source(data['source'])}, fingerprint {study.fingerprint[:12]}",
    }


def _folds(study: StudyRecord) -> str:
    repeats = study.document["evaluation"].get("repeats", 1)
    if repeats == 1:
        return f"{study.n_folds}-fold"
    return f"{repeats} x {study.n_folds // repeats}-fold"


def _source(source: Any) -> str:
    from hpo.spec.words import exactly

    return exactly(source)


def _print_space(study: StudyRecord) -> None:
    from hpo.spec.words import hyperparameter_words

    made = table("space", "hyperparameter", "values")
    for name, given in study.document["space"].items():
        made.add_row(clean(name), hyperparameter_words(given, value))
    out().print(made)


def _param(params: Any, key: str) -> str:
    return value(params[key]) if key in params else "-"


def _varying(trials: Sequence[Trial]) -> set[str]:
    """Return the hyperparameters that do not have the same value in every trial."""
    seen: dict[str, set[str]] = {}
    for trial in trials:
        for key, given in trial.params.items():
            seen.setdefault(key, set()).add(repr(given))
    n_trials = len(trials)
    everywhere = {k for k in seen if all(k in trial.params for trial in trials)}
    varying = {k for k, v in seen.items() if len(v) > 1 or k not in everywhere}
    return varying if n_trials > 1 else set(seen)


def open_store(store_url: str) -> Store:
    """Open a store that must be there already; reading makes none."""
    if not Store.exists(store_url):
        raise StoreError(
            f"store {masked(store_url)}: there is none here; run hpo where the study "
            f"was run, or name its store with --store"
        )
    return Store(store_url)


def _written(rows: Sequence[Row], format_: Format) -> bool:
    """Write rows as JSON or CSV; return False for a table, which is the caller's."""
    if format_ is Format.JSON:
        write_json(rows)
    elif format_ is Format.CSV:
        write_csv(rows)
    return format_ is not Format.TABLE
