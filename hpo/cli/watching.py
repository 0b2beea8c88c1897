"""`hpo show NAME --watch`: a study as it goes, looked at again and again.

It reads the store in short transactions and nothing else, so that it never keeps the
run waiting. It ends when the study does, or with Ctrl-C.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpo.cli.console import clean, duration, number, out, say, table, value
from hpo.errors import StoreError, StudyNotFoundError
from hpo.records import StudyRecord, StudySummary, Trial
from hpo.report.tables import best_trial, counted
from hpo.store import Store, masked

LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
"""How long a store may be busy or away before watching it makes no sense."""
N_LAST = 6
BAR_WIDTH = 30
ENDED = ("complete", "failed", "cancelled")


@dataclass(frozen=True)
class Sight:
    """A study at one moment.

    Args:
        study: What was asked for.
        summary: How far it is.
        trials: Those that count.
        eta_seconds: How much longer it will take at the pace so far, if that is known.
    """

    study: StudyRecord
    summary: StudySummary
    trials: Sequence[Trial]
    eta_seconds: float | None

    @property
    def finished(self) -> list[Trial]:
        """Trials that are complete or failed."""
        return [trial for trial in self.trials if trial.finished]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.summary.state in ENDED

    @property
    def budget(self) -> int | None:
        """How many trials there will be at most, if that is known."""
        trials = self.study.document["search"].get("trials")
        return int(trials) if trials else None


class Watcher:
    """Looks at one study.

    Args:
        name: Of the study.
        store_url: Where it is.
    """

    def __init__(self, name: str, store_url: str) -> None:
        self._name, self._url = name, store_url
        self._store: Store | None = None
        self._seen: StudySummary | None = None
        self._trials: list[Trial] = []
        self._pace = Pace()

    def look(self) -> Sight:
        """Read the store once.

        Raises:
            StudyNotFoundError: The study is not there, or not any more.
            StoreError: The store is not there, or busy.
        """
        if not Store.exists(self._url):
            # Opening it would make an empty one.
            raise StoreError(
                f"store {masked(self._url)}: there is none here; run hpo where the "
                f"study was run, or name its store with --store"
            )
        if self._store is None:
            self._store = Store(self._url)
        try:
            summary = self._store.summary(self._name)
            study = self._store.study(self._name)
            if summary != self._seen or summary.owner:
                self._trials = counted(self._store.trials(self._name))
        except StudyNotFoundError:
            if self._seen is None:
                raise
            gone = f"study {self._name!r} was deleted from {masked(self._url)}"
            raise StudyNotFoundError(f"{gone} while it was watched") from None
        self._seen = summary
        n_finished = sum(trial.finished for trial in self._trials)
        sight = Sight(study, summary, self._trials, None)
        left = None if sight.budget is None else sight.budget - n_finished
        eta = self._pace.eta(n_finished, study.active_seconds, left)
        running = summary.owner is not None and not sight.ended
        return Sight(study, summary, self._trials, eta if running else None)

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()


class Pace:
    """How many trials finish in a second, by the study's clock and by our own."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def eta(
        self, n_finished: int, active_seconds: float, n_left: int | None
    ) -> float | None:
        """Return the seconds until the last trial, or None if nobody knows.

        Args:
            n_finished: Trials that are done.
            active_seconds: How long the study has been running, as stored.
            n_left: Trials that are not done; None if nobody knows.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = now, n_finished
        since, before = self._first
        if n_left is None or n_finished == 0:
            return None
        # The stored time is written now and then; in a young study it is still 0.
        if active_seconds > 0:
            return n_left * active_seconds / n_finished
        seen = n_finished - before
        return n_left * (now - since) / seen if seen else None


def watch_study(name: str, store_url: str) -> None:
    """Show a study until it ends, or until Ctrl-C.

    Raises:
        StudyNotFoundError: No study has this name, or it was deleted.
        StoreError: The store is not there, or does not answer for a minute.
    """
    watcher = Watcher(name, store_url)
    try:
        first = watcher.look()
        if out().is_terminal:
            _watch_live(watcher, first)
        else:
            _watch_lines(watcher, first)
    except KeyboardInterrupt:
        say("no longer watching; the study goes on if it is being run")
    finally:
        watcher.close()


def _watch_live(watcher: Watcher, sight: Sight) -> None:
    # Kept on the screen at the end: the last sight is the result.
    with Live(picture(sight), console=out(), auto_refresh=False) as live:
        while not sight.ended:
            time.sleep(LOOK_SECONDS)
            sight = _look_again(watcher, sight)
            live.update(picture(sight), refresh=True)


def _watch_lines(watcher: Watcher, sight: Sight) -> None:
    last = ""
    while True:
        line = words(sight)
        if line != last:
            out().print(line, soft_wrap=True, markup=False)
            last = line
        if sight.ended:
            return
        time.sleep(LOOK_SECONDS)
        sight = _look_again(watcher, sight)


def _look_again(watcher: Watcher, last: Sight) -> Sight:
    """Look once more, patiently while the store is busy."""
    since = time.monotonic()
    while True:
        try:
            return watcher.look()
        except StoreError:
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise
        time.sleep(LOOK_SECONDS)


def words(sight: Sight) -> str:
    """Word a sight in one line."""
    parts = [_state(sight), _count(sight)]
    best = best_trial(sight.trials)
    if best is not None:
        score = number(best.score)
        parts.append(f"best {sight.study.metric} {score} (trial {best.number})")
    n_failed = sum(trial.state == "failed" for trial in sight.trials)
    if n_failed:
        parts.append(f"{n_failed} failed")
    return f"{clean(sight.study.name)}: {' · '.join(parts)}"


def _state(sight: Sight) -> str:
    reason = f" ({sight.study.reason})" if sight.study.reason else ""
    return clean(f"{sight.summary.state}{reason}")


def _count(sight: Sight) -> str:
    of = f"/{sight.budget}" if sight.budget else ""
    return f"{len(sight.finished)}{of} trials"


def picture(sight: Sight) -> Group:
    """Draw a sight for a terminal."""
    parts: list[Any] = [_facts(sight), Text()]
    if sight.finished:
        parts.append(_last_trials(sight))
    if sight.summary.state == "interrupted":
        parts.append(Text("nobody runs it now: hpo run FILE goes on with it"))
    if not sight.ended:
        parts.append(Text("Ctrl-C ends the watching, not the study", style="dim"))
    return Group(*parts)


def _facts(sight: Sight) -> Table:
    study, best = sight.study, best_trial(sight.trials)
    made = table(None, "", "")
    made.show_header = False
    made.add_row("study", clean(study.name))
    made.add_row("state", _state(sight))
    made.add_row("run by", clean(sight.summary.owner or "nobody"))
    made.add_row("trials", _bar(sight))
    if best is not None:
        std = f" +- {number(best.std)}" if best.std is not None else ""
        score = f"{study.metric} {number(best.score)}{std} (trial {best.number})"
        made.add_row("best", clean(score))
        made.add_row("", clean(_params(best)))
    made.add_row("model", clean(f"{study.family}, {study.strategy} search"))
    made.add_row("judged by", f"{study.n_folds}-fold cross-validation")
    data = study.document["data"]["source"]
    made.add_row("data", clean(data if isinstance(data, str) else next(iter(data))))
    return made


def _bar(sight: Sight) -> Table:
    """Draw the bar of trials with the counts and the time left beside it."""
    running = sum(not trial.finished for trial in sight.trials)
    parts = [_count(sight)]
    if running and not sight.ended:
        parts.append(f"{running} begun")
    if sight.eta_seconds is not None and not sight.ended:
        parts.append(f"{duration(sight.eta_seconds)} left")
    elif sight.ended:
        parts.append(duration(sight.study.active_seconds))
    made = Table.grid(padding=(0, 1))
    text = Text(", ".join(parts))
    if sight.budget is None:
        made.add_row(text)
        return made
    done = len(sight.finished)
    made.add_row(ProgressBar(sight.budget, done, width=BAR_WIDTH), text)
    return made


def _last_trials(sight: Sight) -> Table:
    made = table(None, "trial", sight.study.metric, "fit", "params")
    for trial in sight.finished[-N_LAST:]:
        outcome = trial.failure or number(trial.score)
        style = "red" if trial.failure else ""
        made.add_row(
            str(trial.number),
            clean(outcome),
            duration(trial.fit_seconds),
            clean(_params(trial)),
            style=style,
        )
    return made


def _params(trial: Trial) -> str:
    return " ".join(f"{name}={value(given)}" for name, given in trial.params.items())
