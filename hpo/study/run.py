"""Run a study: create it or go on with it, under its lease, to the end.

It connects the parts (strategy, schedule, engine, store) and leaves the work to the
loop. Tracking and progress are observers that the faces hand in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hpo.engines.engine import Engine
from hpo.errors import StoreError
from hpo.models.family import Family
from hpo.records import Params, StudyRecord, StudyState, Trial
from hpo.search import Enqueued, Strategy, make_strategy, sees_scores
from hpo.spec import Change, StudySpec
from hpo.spec.model import may_use_keras
from hpo.store import Store
from hpo.store.leases import BEATS_PER_LEASE, LEASE_SECONDS
from hpo.study.editing import edits
from hpo.study.groups import Schedule
from hpo.study.loop import Budget, StudyLoop
from hpo.study.prepare import Prepared
from hpo.study.progress import Observer
from hpo.study.racing import MedianRacing
from hpo.study.trained import require_versions
from hpo.study.verdict import Verdict
from hpo.study.workers import local_engine, n_workers
from hpo.study.writing import TrialWriter

NOT_KERAS = "scikit-learn"
"""What is stored as the backend of a study without Keras."""


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended.

    Args:
        name: Of the study.
        state: Of the study now.
        reason: Why it ended, in words.
        trials: All of them, by number.
        active_seconds: How long it has been running, over all runs.
    """

    name: str
    state: StudyState
    reason: str
    trials: Sequence[Trial]
    active_seconds: float

    @property
    def counted(self) -> list[Trial]:
        """Finished trials that are not beyond the stop."""
        return [t for t in self.trials if t.finished and not t.beyond_stop]


class StudyRun:
    """One run of one study, from taking the lease to giving it back.

    Args:
        prepared: The study.
        store: Where it is, or will be.
        make_engine: Makes the engine when there is work; None for the study's own.
        observers: Called after each commit.
        enqueue: Params of the first trials, after the defaults.

    Raises:
        StudyBusyError: Another process runs it.
        StudyError: The stored study was begun with something that must not change.

    Attributes:
        is_new: Whether this run created the study.
        changes: What was edited in the file since the last run.
    """

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        *,
        make_engine: Callable[[], Engine] | None = None,
        observers: Sequence[Observer] = (),
        enqueue: Sequence[Params] = (),
    ) -> None:
        self._prepared, self._store = prepared, store
        spec = prepared.spec
        self._strategy = study_strategy(prepared, enqueue)
        self.is_new = store.create(study_record(prepared), prepared.rows)
        # Before the lease: whoever may not go on with it need not wait for its holder.
        self.changes = self._edits()
        self._writer = store.own(spec.name)
        try:
            self.changes = self._edits()
            self._keep_rows()
            self._loop = self._make_loop(make_engine, observers)
        except BaseException:
            self._writer.release()
            raise

    def _edits(self) -> list[Change]:
        stored = self._store.study(self._prepared.spec.name)
        return edits(stored, self._prepared.spec, self._prepared.fingerprint)

    def _keep_rows(self) -> None:
        """Add what a study of a former version lacks."""
        rows = self._prepared.rows
        if rows is not None and self._store.rows(self._prepared.spec.name) is None:
            self._writer.keep_rows(rows)

    def _make_loop(
        self, make_engine: Callable[[], Engine] | None, observers: Sequence[Observer]
    ) -> StudyLoop:
        spec = self._prepared.spec
        stored = self._store.study(spec.name)
        trials = self._store.trials(spec.name)
        if self.changes:
            if not self._store.changes(spec.name):
                # What the file said at first, which the study is about to forget.
                self._writer.change(stored, 0)
            self._writer.change(study_record(self._prepared), len(trials))

        def make() -> Engine:
            # Only where something is to be trained: what there is may be looked at.
            require_versions(spec.name, trials)
            return make_engine() if make_engine else local_engine(self._prepared)

        return make_loop(
            self._prepared,
            self._strategy,
            self._writer,
            trials,
            make_engine=make,
            observers=observers,
            active_seconds=stored.active_seconds,
            beat_seconds=self._store.lease_seconds / BEATS_PER_LEASE,
        )

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials of the study, by number."""
        return self._loop.trials

    def request_stop(self) -> None:
        """Ask for a graceful stop; safe to call from a signal handler."""
        self._loop.request_stop()

    def execute(self) -> Outcome:
        """Run until the study ends or is asked to stop, then give the lease back.

        Raises:
            LeaseLostError: Another process took the study over.
            StoreError: The store went away; what was committed is kept.
            EngineError: No worker can be started.
            StudyError: Its networks were trained by another Keras than is installed.
        """
        spec = self._prepared.spec
        try:
            self._writer.set_state("running")
            try:
                reason = self._loop.run()
            except BaseException:
                try_quietly(lambda: self._writer.set_state("interrupted"))
                raise
            state = self._state(reason)
            seconds = self._loop.active_seconds
            self._writer.set_state(state, reason, active_seconds=seconds)
        finally:
            try_quietly(self._writer.release)
        return Outcome(
            spec.name, state, reason, self._loop.trials, self._loop.active_seconds
        )

    def _state(self, reason: str) -> StudyState:
        if reason == "interrupted":
            return "interrupted"
        return "failed" if self._loop.failing else "complete"


def make_loop(
    prepared: Prepared,
    strategy: Strategy,
    writer: TrialWriter,
    trials: Sequence[Trial],
    *,
    make_engine: Callable[[], Engine] | None = None,
    observers: Sequence[Observer] = (),
    active_seconds: float = 0.0,
    beat_seconds: float = LEASE_SECONDS / BEATS_PER_LEASE,
) -> StudyLoop:
    """Return the loop of a study as its file says; see `StudyLoop`."""
    spec = prepared.spec
    return StudyLoop(
        strategy=strategy,
        schedule=_schedule(prepared.family, spec, strategy),
        budget=Budget(
            trials=spec.search.budget,
            timeout_seconds=spec.search.timeout_seconds,
            fold_timeout_seconds=spec.evaluation.fold_timeout_seconds,
        ),
        verdict=Verdict(spec.search.patience, spec.search.max_failures),
        make_engine=make_engine or (lambda: local_engine(prepared)),
        writer=writer,
        trials=trials,
        active_seconds=active_seconds,
        observers=observers,
        beat_seconds=beat_seconds,
    )


def try_quietly(work: Callable[[], object]) -> None:
    """Do what tidies up after an error without hiding that error behind another."""
    try:
        work()
    except StoreError:
        # The store is what failed, or the lease is lost: there is nothing to tidy, and
        # the next run finds out by itself.
        return


def study_strategy(prepared: Prepared, enqueue: Sequence[Params] = ()) -> Strategy:
    """Return the strategy of a study, with a person's own params near its start."""
    search = prepared.spec.search
    strategy = make_strategy(
        search.strategy,
        prepared.spec.space,
        seed=search.seed,
        first=prepared.defaults if search.defaults_first else None,
    )
    if not enqueue:
        return strategy
    defaults_first = search.defaults_first and search.strategy != "grid"
    return Enqueued(strategy, enqueue, start=int(defaults_first))


def _schedule(family: Family, spec: StudySpec, strategy: Strategy) -> Schedule:
    n_folds, limit = spec.evaluation.n_folds, family.group_limit
    if family.group_matters or spec.evaluation.fold_timeout_seconds is not None:
        # Larger groups would share out worse, as they may not suit the machine, and
        # JAX trains no network faster in them. And a group has the time of all its
        # folds: a slow trial must not live on others'.
        limit = min(limit, n_folds)
    return Schedule(
        n_folds=n_folds,
        width=spec.search.width,
        group_limit=limit,
        program_key=family.program_key,
        sees_scores=strategy.sees_scores,
        racing=_racing(spec),
        group_matters=family.group_matters,
        timed=spec.search.timeout_seconds is not None,
        n_workers=n_workers(spec),
        whole_trials=takes_whole_trials(family, spec),
    )


def takes_whole_trials(family: Family, spec: StudySpec) -> bool:
    """Tell whether the folds of a trial may be one piece of work.

    Not where a fold has a time of its own, may end a trial, or is waited for: a search
    that learns from scores has few trials in training, whose folds keep workers busy.
    """
    evaluation = spec.evaluation
    return (
        family.whole_trials
        and evaluation.n_folds > 1
        and evaluation.fold_timeout_seconds is None
        and _racing(spec) is None
        and not sees_scores(spec.search.strategy)
    )


def _racing(spec: StudySpec) -> MedianRacing | None:
    if spec.evaluation.racing is False:
        return None
    return MedianRacing(minimize=spec.evaluation.direction == "minimize")


def study_record(prepared: Prepared) -> StudyRecord:
    """Return the study as it is stored before anything has run."""
    spec, plan = prepared.spec, prepared.plan
    document: dict[str, Any] = spec.to_document()
    return StudyRecord(
        name=spec.name,
        state="queued",
        document=document,
        text=spec.text,
        folder=str(spec.folder.absolute()),
        fingerprint=prepared.fingerprint,
        family=spec.model,
        strategy=spec.search.strategy,
        metric=plan.metric,
        task=plan.data.task,
        n_folds=spec.evaluation.n_folds,
        seed=spec.search.seed,
        engine=spec.engine.kind,
        backend=spec.engine.backend if may_use_keras(spec.model) else NOT_KERAS,
        created_at=datetime.now(UTC),
    )
