"""Ask for params and tell their scores: for those who train elsewhere."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from hpo.api.arguments import as_space, completed, enqueued, plain
from hpo.api.study import Study, open_store
from hpo.errors import Problem, SpecError, StudyError
from hpo.evaluation.objective import NEGATIVE
from hpo.models.objective import ObjectiveFamily
from hpo.records import FAILURE_KINDS, FoldResult, Params, StudyRecord, Trial
from hpo.space import Space
from hpo.spec import parse_study
from hpo.spec.model import NO_DATA
from hpo.store import Changes, Store, StudyWriter
from hpo.store.leases import BEATS_PER_LEASE
from hpo.study import Prepared
from hpo.study.editing import edits
from hpo.study.heart import Heart
from hpo.study.ledger import Ledger
from hpo.study.prepare import assemble, no_data
from hpo.study.run import study_record, study_strategy, try_quietly
from hpo.study.verdict import Verdict
from hpo.study.writing import InMemory
from hpo.user_code import OBJECTIVE, Home

Score: TypeAlias = float | Mapping[str, float]
ELSEWHERE = f"{OBJECTIVE}:elsewhere:told"
"""The family of studies whose trials are trained by somebody else."""


@dataclass(frozen=True)
class Asked:
    """Params to be tried.

    Args:
        number: Of the trial; what `OpenStudy.tell` knows it by.
        params: Its active hyperparameters.
    """

    number: int
    params: Params


class OpenStudy(Study):
    """A study whose params are asked for and whose scores are told.

    Made by `hpo.create_study`. Nobody else can write it until it is closed; use it as a
    context manager, or call `close`. Threads may share it.

    Trial n is proposed from everything that has been told when it is asked for, so the
    same asks and tells in the same order give the same params.
    """

    def __init__(
        self, prepared: Prepared, store: Store | None, enqueue: Sequence[Params]
    ) -> None:
        self._prepared, self._lock = prepared, threading.RLock()
        self._writer: StudyWriter | InMemory
        self._heart: Heart | None = None
        self._closed = False
        queue = [
            completed(prepared, params, i) for i, params in enumerate(enqueued(enqueue))
        ]
        self._strategy = study_strategy(prepared, queue)
        record = study_record(prepared)
        self._record = replace(record, state="running")
        if store is None:
            self._writer = memory = InMemory()
            super().__init__(lambda: (self._record, memory.trials))
            trials: list[Trial] = []
        else:
            name = prepared.spec.name
            super().__init__(lambda: (store.study(name), store.trials(name)), store)
            store.create(record, prepared.rows)
            self._writer = writer = store.own(name)
            trials = self._go_on(store, record, writer)
            self._heart = Heart(writer, store.lease_seconds / BEATS_PER_LEASE)
            self._heart.start()
            writer.set_state("running")
        verdict = Verdict(None, prepared.spec.search.max_failures)
        self._ledger = Ledger(trials, prepared.spec.evaluation.n_folds, verdict)
        # Those that nobody has told of before the study was closed.
        self._unasked = list(self._ledger.unfinished())

    def _go_on(
        self, store: Store, record: StudyRecord, writer: StudyWriter
    ) -> list[Trial]:
        """Return the stored trials, and note what the study searches from now on."""
        prepared, trials = self._prepared, store.trials(record.name)
        try:
            stored = store.study(record.name)
            if edits(stored, prepared.spec, prepared.fingerprint):
                if not store.changes(record.name):
                    writer.change(stored, 0)
                writer.change(record, len(trials))
        except BaseException:
            try_quietly(writer.release)
            raise
        return trials

    def __enter__(self) -> OpenStudy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self) -> Asked:
        """Return the next params to try.

        After the study was closed, or its process killed, those that were asked for and
        never told of come first.

        Raises:
            StudyError: The space has nothing new left, or the study is closed.
            LeaseLostError: Another process owns the study now.
        """
        with self._lock:
            self._check_open()
            while self._unasked:
                trial = self._ledger.trials[self._unasked.pop(0)]
                what = self._prepared.spec.space.why_not(trial.params)
                if what is None:
                    return Asked(trial.number, trial.params)
                # The space was edited while it waited: nobody can try it any more.
                self.tell(trial.number, failure="error", error=f"not told of: {what}")
            number, ledger = len(self._ledger), self._ledger
            running = ledger.history(0)
            history = [
                trial if trial.finished else running[trial.number]
                for trial in ledger.trials
            ]
            params = self._strategy.propose(number, history)
            if params is None:
                raise StudyError(
                    f"study {self.name!r}: every combination in the space has been "
                    f"tried"
                )
            trial = Trial(number, params)
            ledger.start(trial)
            self._writer.commit(Changes(started=[trial]))
            return Asked(number, params)

    def tell(
        self,
        trial: Asked | int,
        scores: Score | Sequence[Score] | None = None,
        *,
        failure: str | None = None,
        error: str = "",
    ) -> Trial:
        """Say how a trial went.

        Args:
            trial: What `ask` returned, or its number.
            scores: A score or a dict of metrics; with several folds a sequence of one
                for each.
            failure: Why there is none: one of ``error``, ``nan``, ``timeout``,
                ``memory`` and ``worker-lost``. A score that is no finite number counts
                as ``nan``.
            error: More about the failure.

        Returns:
            The trial as it is stored.

        Raises:
            StudyError: No such trial is waiting to be told of, or the study is closed.
            SpecError: The scores are not what the study expects.
            LeaseLostError: Another process owns the study now.
        """
        number = trial.number if isinstance(trial, Asked) else int(trial)
        with self._lock:
            self._check_open()
            if number not in self._ledger.unfinished():
                raise StudyError(
                    f"study {self.name!r}: trial {number} is not waiting for scores"
                )
            results = self._results(scores, failure, error)
            for result in results:
                self._ledger.add(number, result)
            finished = self._ledger.settle([number])
            folds = [(number, result) for result in results]
            self._writer.commit(Changes(folds=folds, finished=finished))
            self._unasked = [n for n in self._unasked if n != number]
            return self.in_own_units(finished[0])

    def _results(
        self,
        scores: Score | Sequence[Score] | None,
        failure: str | None,
        error: str,
    ) -> list[FoldResult]:
        n_folds = self._prepared.spec.evaluation.n_folds
        if failure is not None or scores is None:
            if failure not in FAILURE_KINDS:
                kinds = ", ".join(FAILURE_KINDS)
                what = f"expected scores, or a failure of {kinds}; got {failure!r}"
                raise SpecError([Problem("tell", what)])
            return [FoldResult(0, failure=failure, error=error or f"told: {failure}")]
        several = isinstance(scores, Sequence) and not isinstance(scores, str)
        each: Any = scores if several else [scores]
        if len(each) != n_folds:
            what = f"expected {n_folds} scores, one for each fold; got {len(each)}"
            raise SpecError([Problem("tell", what)])
        return [self._result(fold, score) for fold, score in enumerate(each)]

    def _result(self, fold: int, given: Score) -> FoldResult:
        plan = self._prepared.plan
        own = plan.metric.removeprefix(NEGATIVE) if plan.minimize else plan.metric
        metrics = dict(given) if isinstance(given, Mapping) else {own: given}
        try:
            metrics = {str(name): float(value) for name, value in metrics.items()}
        except (TypeError, ValueError):
            what = f"expected a number or a dict of them; got {given!r}"
            raise SpecError([Problem("tell", what)]) from None
        if own not in metrics:
            what = f"expected {own!r} among the metrics; got {', '.join(metrics)}"
            raise SpecError([Problem("tell", what)])
        for name, value in metrics.items():
            if not math.isfinite(value):
                words = f"{name} is {value}, not a finite number"
                return FoldResult(fold, failure="nan", error=words)
        score = metrics.pop(own)
        score = -score if plan.minimize else score
        return FoldResult(
            fold, score=score, metrics={plan.metric: score, **metrics}, engine="told"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise StudyError(f"study {self.name!r} is closed; create it again to go on")
        if self._heart is not None:
            self._heart.check()

    def close(self) -> None:
        """Give the study back: it is complete unless trials are waiting for scores."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting = self._ledger.unfinished()
            state: Any = "interrupted" if waiting else "complete"
            reason = f"closed after {self._ledger.n_finished} trials"
            self._record = replace(self._record, state=state, reason=reason)
            if self._heart is None or not isinstance(self._writer, StudyWriter):
                return
            self._heart.stop()
            writer = self._writer
            try_quietly(lambda: writer.set_state(state, reason))
            try_quietly(writer.release)


def create_study(
    space: Space | Mapping[str, Any],
    *,
    strategy: str = "bayesian",
    folds: int = 1,
    direction: str = "maximize",
    metric: str | None = None,
    name: str | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    defaults_first: bool = True,
    enqueue: Sequence[Params] = (),
) -> OpenStudy:
    """Create a study to ask for params and tell their scores, or go on with one.

    Args:
        space: A `hpo.Space`, or a mapping of what one is made from.
        strategy: ``grid``, ``random`` or ``bayesian``.
        folds: How many scores each trial is told.
        direction: ``maximize`` or ``minimize``.
        metric: Name of the score.
        name: Of the study; with a store it is needed, to go on with it.
        store: Address of a store; None keeps everything in memory.
        seed: Of everything random.
        defaults_first: Whether trial 0 has the middle of each range.
        enqueue: Params of your own, to be asked for first after that.

    Raises:
        SpecError: An argument is wrong.
        StudyBusyError: Another process has it open.
        StudyError: The stored study was begun with something that must not change.

    Example:
        >>> import hpo
        >>> with hpo.create_study({"x": hpo.Float(0, 1)}, strategy="random") as study:
        ...     for _ in range(5):
        ...         trial = study.ask()
        ...         _ = study.tell(trial, -((trial.params["x"] - 0.5) ** 2))
        >>> len(study.trials)
        5
    """
    if store is not None and name is None:
        raise SpecError([Problem("name", "a stored study needs a name to be found by")])
    family = ObjectiveFamily(ELSEWHERE, None)
    named = {} if metric is None else {"metric": metric}
    document = {
        "name": name or "study",
        "model": ELSEWHERE,
        "data": {"source": NO_DATA, "test_size": 0.0},
        "space": as_space(space),
        "search": {
            "strategy": strategy,
            "seed": plain(seed),
            "defaults_first": defaults_first,
        },
        "evaluation": {"folds": folds, "direction": direction, **named},
    }
    spec = parse_study(document, folder=Path(), find_family=lambda name: family)
    prepared = assemble(spec, no_data(), family, Home())
    opened = None if store is None else open_store(store)
    return OpenStudy(prepared, opened, enqueue)
