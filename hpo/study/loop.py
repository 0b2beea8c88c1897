"""The study loop: propose, submit, commit, and stop.

It is the only writer of its study. Everything it knows was in the store first, so it
can be killed at any moment and begun again. Only the strategy chooses params, only the
engine runs work, and what a proposal may see follows from trial numbers alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from hpo.engines.engine import (
    Engine,
    TaskMemoryError,
    TaskTimeoutError,
    WorkerLostError,
)
from hpo.errors import EngineError, SpecError
from hpo.evaluation import Group
from hpo.records import FoldResult, Trial
from hpo.search import Strategy
from hpo.store import Changes
from hpo.study.failures import failed_results, unexpected
from hpo.study.groups import Schedule, alone, by_trial, narrower
from hpo.study.heart import Clock, Heart
from hpo.study.ledger import Ledger
from hpo.study.progress import MAX_ATTEMPTS, Observer, Pace, Progress
from hpo.study.rounds import Rounds
from hpo.study.verdict import Verdict
from hpo.study.writing import TrialWriter

TICK_SECONDS = 0.2
GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Budget:
    """When to stop at the latest.

    Args:
        trials: Total number of trials, or None for all that the strategy has.
        timeout_seconds: After this much running time no new trial begins.
        fold_timeout_seconds: Each fold is killed after this.
    """

    trials: int | None = None
    timeout_seconds: float | None = None
    fold_timeout_seconds: float | None = None


class StudyLoop:
    """Runs one study under its lease until it ends or is asked to stop.

    Args:
        strategy: Chooses params.
        schedule: Rounds and groups.
        budget: When to stop.
        verdict: Patience and failures, not yet fed.
        make_engine: Called when there is work; the loop closes what it returns.
        writer: Owns the study in the store.
        trials: What is stored, by number.
        active_seconds: How long the study has been running before.
        observers: Called after each commit.
    """

    def __init__(
        self,
        *,
        strategy: Strategy,
        schedule: Schedule,
        budget: Budget,
        verdict: Verdict,
        make_engine: Callable[[], Engine],
        writer: TrialWriter,
        trials: Sequence[Trial],
        active_seconds: float,
        observers: Sequence[Observer] = (),
        beat_seconds: float = 6.0,
    ) -> None:
        self._strategy, self._schedule, self._budget = strategy, schedule, budget
        self._verdict, self._make_engine, self._writer = verdict, make_engine, writer
        self._observers = observers
        self._ledger = Ledger(trials, schedule.n_folds, verdict)
        self._engine: Engine | None = None
        self._ready: deque[Group] = deque()
        self._flying: dict[Future[Any], Group] = {}
        self._uncommitted: list[Trial] = []
        self._attempts = writer.lost_attempts()
        self._rounds = Rounds(strategy, schedule, self._ledger)
        self._stopping = threading.Event()
        self._clock = Clock(active_seconds)
        self._heart = Heart(writer, beat_seconds)
        self._pace = Pace(self._ledger.n_folds_done)

    @property
    def trials(self) -> list[Trial]:
        """All trials, by number."""
        return self._ledger.trials

    @property
    def active_seconds(self) -> float:
        return self._clock.seconds

    @property
    def failing(self) -> bool:
        """Whether too many failures in a row ended the study."""
        return self._verdict.failing

    def request_stop(self) -> None:
        """Ask for a graceful stop: what is training may finish, nothing new begins."""
        self._stopping.set()

    def run(self) -> str:
        """Run to the end.

        Returns:
            Why it ended: ``interrupted``, or the reason in words.

        Raises:
            LeaseLostError: Another process took the study over.
            StoreError: The store went away; run again to go on.
            EngineError: No worker can be started.
            SpecError: The code that the study file names cannot be imported.
        """
        self._heart.start()
        try:
            for index in self._rounds.unfinished():
                self._open(index)
            self._commit({}, remarked=self._ledger.remarked())
            while self._step():
                self._heart.check()
            return self._finish()
        finally:
            self._heart.stop()
            if self._engine is not None:
                self._engine.close()

    def _step(self) -> bool:
        """Do one round of proposing, submitting and committing; False at the end."""
        if self._stopping.is_set() or self._verdict.stop is not None:
            return False
        self._submit()
        while self._wants_more():
            self._open(self._rounds.next_index)
            self._submit()
        if not self._flying:
            return False
        # Short folds bring the next commit soon; only long ones need one for the
        # trials that have begun.
        done = self._wait(TICK_SECONDS)
        if done or self._uncommitted:
            self._commit(done)
        return True

    # Proposing

    def _wants_more(self) -> bool:
        """Tell whether a round can be opened and its groups are of use now."""
        wanted = 1 if self._engine is None else self._engine.capacity
        return (
            len(self._ready) < wanted
            and self._may_propose()
            and self._rounds.can_open()
        )

    def _open(self, index: int) -> None:
        started, groups = self._rounds.open(index, self._budget.trials)
        self._uncommitted += started
        self._ready.extend(groups)

    def _may_propose(self) -> bool:
        timeout = self._budget.timeout_seconds
        return (
            not self._rounds.exhausted
            and not self._full()
            and (timeout is None or self._clock.seconds < timeout)
        )

    def _full(self) -> bool:
        limit = self._budget.trials
        return limit is not None and len(self._ledger) >= limit

    # Running

    def _submit(self) -> None:
        while self._ready:
            groups = self._schedule.lacking(self._ready.popleft(), self._ledger.needs)
            groups = [part for whole in groups for part in self._parts(whole)]
            self._ready.extendleft(reversed(groups))
            if len(groups) != 1:
                continue  # nothing is lacking, or it is to come in parts
            (group,) = groups
            if self._engine is None:
                self._engine = self._make_engine()
            if len(self._flying) >= self._engine.capacity:
                return
            limit = self._budget.fold_timeout_seconds
            timeout = None if limit is None else limit * len(group)
            future = self._engine.submit(group, timeout=timeout)
            self._flying[future] = group
            self._ready.popleft()

    def _parts(self, group: Group) -> Sequence[Group]:
        """Split what has its last attempt, so that only the guilty trial fails.

        A trial that was given out as a whole comes in folds: they take less memory.
        """
        if self._n_attempts(group) < MAX_ATTEMPTS - 1:
            return [group]
        return alone(group) if self._schedule.whole_trials else by_trial(group)

    def _n_attempts(self, group: Group) -> int:
        """Return how many workers the unluckiest pair of a group has lost."""
        return max(self._attempts.get((p.number, p.fold), 0) for p in group)

    def _wait(self, seconds: float) -> dict[Future[Any], Group]:
        done = wait(self._flying, timeout=seconds, return_when=FIRST_COMPLETED).done
        return {future: self._flying.pop(future) for future in done}

    # Committing

    def _commit(
        self,
        done: dict[Future[Any], Group],
        remarked: dict[int, bool] | None = None,
    ) -> None:
        """Write what came in and what it leads to, then tell the observers."""
        results: list[tuple[int, FoldResult]] = []
        lost: list[tuple[int, int, str]] = []
        for future, group in done.items():
            if not future.cancelled():
                self._collect(future, group, results, lost)
        fresh = [(n, r) for n, r in results if self._ledger.is_open(n, r.fold)]
        # A trial that has failed meanwhile is finished, whatever its other folds meet.
        lost = [entry for entry in lost if self._ledger.is_open(entry[0], entry[1])]
        for number, result in fresh:
            self._ledger.add(number, result)
        finished = self._ledger.settle(list(dict.fromkeys(n for n, _ in fresh)))
        if remarked is None and self._verdict.stop is not None:
            # With the trial that ends the study, so that no reader counts them.
            remarked = self._ledger.remarked()
        self._writer.commit(
            Changes(
                started=self._uncommitted,
                folds=fresh,
                finished=finished,
                lost=lost,
                beyond_stop=remarked,
                active_seconds=self._clock.due(),
            )
        )
        self._uncommitted = []
        progress = self._progress(finished, lost)
        for observe in self._observers:
            observe(progress)

    def _collect(
        self,
        future: Future[Any],
        group: Group,
        results: list[tuple[int, FoldResult]],
        lost: list[tuple[int, int, str]],
    ) -> None:
        error = future.exception()
        if error is None:
            found: list[tuple[int, FoldResult]] = future.result()
            results += found
            done = {(number, result.fold) for number, result in found}
            back = [pair for pair in group if (pair.number, pair.fold) not in done]
            self._ready.extendleft(reversed(alone(back)))
        elif isinstance(error, WorkerLostError):
            results += self._charge(group, str(error), lost)
        elif isinstance(error, TaskTimeoutError | TaskMemoryError):
            kind = "timeout" if isinstance(error, TaskTimeoutError) else "memory"
            # Folds that are too much together may fit one by one; time is counted by
            # folds already.
            parts = narrower(group) if kind == "memory" else by_trial(group)
            if len(parts) > 1:
                self._ready.extendleft(reversed(parts))
            else:
                results += failed_results(group, kind, str(error))
        elif isinstance(error, EngineError | SpecError):
            raise error  # every worker would fail in the same way
        else:
            kind = "memory" if isinstance(error, MemoryError) else "error"
            results += failed_results(group, kind, unexpected(error))

    def _charge(
        self, group: Group, reason: str, lost: list[tuple[int, int, str]]
    ) -> list[tuple[int, FoldResult]]:
        """Count a lost worker against its pairs, and run them again or give them up."""
        for pair in group:
            key = (pair.number, pair.fold)
            self._attempts[key] = self._attempts.get(key, 0) + 1
            lost.append((*key, reason))
        n_attempts = self._n_attempts(group)
        if n_attempts >= MAX_ATTEMPTS:
            return failed_results(
                group, "worker-lost", f"{reason} ({n_attempts} times)"
            )
        self._ready.appendleft(group)
        return []

    def _progress(
        self, finished: Sequence[Trial], lost: Sequence[tuple[int, int, str]]
    ) -> Progress:
        ledger, budget = self._ledger, self._budget.trials
        if budget is None and hasattr(self._strategy, "size"):
            budget = self._strategy.size
        return Progress(
            n_finished=ledger.n_finished,
            n_failed=ledger.n_failed,
            n_running=len(ledger) - ledger.n_finished,
            budget=budget,
            n_folds_done=ledger.n_folds_done,
            n_folds=self._schedule.n_folds,
            best=self._verdict.best,
            active_seconds=self._clock.seconds,
            eta_seconds=self._eta(budget),
            finished=finished,
            lost=lost,
        )

    def _eta(self, budget: int | None) -> float | None:
        ledger = self._ledger
        n_flying = sum(map(len, self._flying.values()))
        self._pace.note(ledger.n_folds_done, self._clock.since_start, n_flying)
        if budget is None or self._pace.fold_seconds is None:
            return None
        n_trials = budget - ledger.n_finished
        n_left = n_trials * self._schedule.n_folds - ledger.n_folds_open
        eta = max(0.0, n_left * self._pace.fold_seconds)
        if self._budget.timeout_seconds is not None:
            eta = min(eta, max(0.0, self._budget.timeout_seconds - self._clock.seconds))
        return eta

    # Ending

    def _finish(self) -> str:
        if self._verdict.stop is not None:
            self._drop_beyond(self._verdict.stop)
            return self._verdict.reason
        if self._stopping.is_set():
            self._drain()
            return "interrupted"
        timeout = self._budget.timeout_seconds
        if not self._full() and self._rounds.exhausted:
            return "every combination in the space has been tried"
        if not self._full() and timeout is not None and self._clock.seconds >= timeout:
            return f"timeout after {self._clock.seconds:.0f} s"
        return f"all {len(self._ledger)} trials are done"

    def _drop_beyond(self, stop: int) -> None:
        """Forget the trials that had begun after the last one that counts."""
        dropped = [number for number in self._ledger.unfinished() if number > stop]
        self._writer.commit(
            Changes(
                dropped=dropped,
                beyond_stop=self._ledger.remarked(),
            )
        )

    def _drain(self) -> None:
        """Let running tasks finish for a while, and keep what they bring."""
        for future in self._flying:
            future.cancel()
        deadline = time.monotonic() + GRACE_SECONDS
        while self._flying and time.monotonic() < deadline:
            done = self._wait(TICK_SECONDS)
            if done:
                self._commit(done)
            self._heart.check()
        self._commit({})
