"""A search over an estimator as a study in a store: resume, commit, refuse.

It owns what is stored of such a search and when it must not go on. Nothing is half
there: a trial is written with all of its splits, together with the others of its round.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from hpo.api.search_cv_proposals import Proposals
from hpo.errors import StudyError
from hpo.records import StudyRecord, Task, Trial
from hpo.space.from_sklearn import distribution_words
from hpo.spec.hyperparameters import write_space
from hpo.store import Changes, Store, StudyWriter, masked
from hpo.store.leases import BEATS_PER_LEASE
from hpo.study.heart import Heart
from hpo.study.run import try_quietly

SETTINGS = "search_cv"
"""Key of the document under which a search says what it is."""
MAX_SHOWN = 200


class StoredSearch:
    """Owns the study of a search for as long as it is open; a context manager.

    Args:
        url: Of the store.
        study: The search as it is now; its document has `SETTINGS`.

    Raises:
        StudyError: On entering: the stored study is another search, or on other data.
            More or fewer trials do not make it another.
        StudyBusyError: On entering: another process runs it.
        StoreError: The store cannot be opened, read or written.

    Attributes:
        trials: Finished by earlier processes, by number.
    """

    def __init__(self, url: str, study: StudyRecord) -> None:
        self._url, self._study = url, study
        self.trials: list[Trial] = []

    def __enter__(self) -> StoredSearch:
        name = self._study.name
        with ExitStack() as stack:
            store = Store(self._url)
            stack.callback(store.close)
            store.create(self._study)
            stored = store.study(name)
            _check_same(stored, self._study, masked(self._url))
            self._writer: StudyWriter = store.own(name)
            stack.callback(lambda: try_quietly(self._writer.release))
            self._heart = Heart(self._writer, store.lease_seconds / BEATS_PER_LEASE)
            self._heart.start()
            stack.callback(self._heart.stop)
            self.trials = store.trials(name)
            if stored.document["search"] != self._study.document["search"]:
                if not store.changes(name):
                    # What it was begun with, which the study is about to forget.
                    self._writer.change(stored, 0)
                self._writer.change(self._study, len(self.trials))
            self._n_trials = len(self.trials)
            self._writer.set_state("running")
            self._before, self._started = stored.active_seconds, time.monotonic()
            self._stack = stack.pop_all()
        return self

    def commit(self, trials: Sequence[Trial]) -> None:
        """Write finished trials with all their splits, in one transaction.

        Raises:
            LeaseLostError: Another process took the study over.
        """
        self._heart.check()
        self._writer.commit(
            Changes(
                started=trials,
                folds=[
                    (trial.number, fold) for trial in trials for fold in trial.folds
                ],
                finished=trials,
                active_seconds=self._seconds,
            )
        )
        self._n_trials += len(trials)

    @property
    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if kind is None:
                self._writer.set_state(
                    "complete",
                    f"all {self._n_trials} trials are finished",
                    active_seconds=self._seconds,
                )
            else:
                try_quietly(lambda: self._writer.set_state("interrupted"))


def search_record(
    name: str,
    proposals: Proposals,
    *,
    settings: Mapping[str, str],
    fingerprint: str,
    family: str,
    strategy: str,
    metric: str,
    task: Task,
    n_splits: int,
    seed: int,
    width: int,
    n_trials: int | None,
) -> StudyRecord:
    """Return a search as it is stored before anything has run.

    Args:
        name: Of the study.
        proposals: Has the space.
        settings: What must not change while the study goes on, in words.
        fingerprint: Of the data and folds.
        family: Name of the estimator's class.
        strategy: Name of the strategy.
        metric: The score that counts.
        task: Of the estimator.
        n_splits: Of every trial.
        seed: Of the search.
        width: Trials of a round.
        n_trials: At most so many; None for a grid.
    """
    document = {
        "name": name,
        "task": task,
        "data": {"source": "X and y of SearchCV.fit"},
        "model": family,
        "space": _space_document(proposals),
        "search": {
            "strategy": strategy,
            "trials": n_trials,
            "seed": seed,
            "width": width,
            "defaults_first": False,
        },
        "evaluation": {"folds": n_splits, "repeats": 1, "metric": metric},
        SETTINGS: dict(settings),
    }
    return StudyRecord(
        name=name,
        # Not queued: nobody but the program that has the data can run it.
        state="running",
        document=document,
        text="",
        folder="",
        fingerprint=fingerprint,
        family=family,
        strategy=strategy,
        metric=metric,
        task=task,
        n_folds=n_splits,
        seed=seed,
        engine="joblib",
        backend="scikit-learn",
        created_at=datetime.now(UTC),
    )


def _space_document(proposals: Proposals) -> dict[str, Any]:
    """Write the space as in a study file; of a list of spaces, all their choices."""
    document: dict[str, Any] = {}
    for part, space in zip(proposals.parts, proposals.spaces, strict=True):
        for name, written in write_space(space).items():
            before = document.get(name, [])
            if isinstance(before, list) and isinstance(written, list):
                more = [value for value in written if value not in before]
                document[name] = [*before, *more]
            else:
                document[name] = written
        for name, distribution in part.distributions.items():
            document[name] = distribution_words(distribution)
    return document


def _check_same(stored: StudyRecord, now: StudyRecord, place: str) -> None:
    """Refuse to go on with a study that is another search.

    Raises:
        StudyError: Says what is different.
    """
    where = f"study {now.name!r} in {place}"
    way_out = "give what it was begun with, or another name"
    if SETTINGS not in stored.document:
        raise StudyError(f"{where} is no search of SearchCV; give another name")
    was, given = stored.document[SETTINGS], now.document[SETTINGS]
    for key in dict.fromkeys([*was, *given]):
        if was.get(key) != given.get(key):
            old, new = _difference(str(was.get(key)), str(given.get(key)))
            raise StudyError(
                f"{where} was begun with another {key}: expected {old}; got {new}; "
                f"{way_out}"
            )
    if stored.fingerprint != now.fingerprint:
        raise StudyError(
            f"{where} was begun with other data (X, y, folds or what else fit is "
            f"given): expected fingerprint {stored.fingerprint[:12]}; got "
            f"{now.fingerprint[:12]}; {way_out}"
        )


def _difference(old: str, new: str) -> tuple[str, str]:
    """Shorten two long texts to where they begin to differ."""
    if max(len(old), len(new)) <= MAX_SHOWN:
        return old, new
    same = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
        min(len(old), len(new)),
    )
    start = max(0, same - MAX_SHOWN // 2)
    mark = "..." if start else ""
    return (
        f"{mark}{old[start : start + MAX_SHOWN]}",
        f"{mark}{new[start : start + MAX_SHOWN]}",
    )
