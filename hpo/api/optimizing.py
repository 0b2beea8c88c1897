"""`hpo.optimize`: search the params of a Python function."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpo.api.arguments import as_space, budget, check_data, completed, enqueued, plain
from hpo.api.running import Callback, observers
from hpo.api.study import Study, open_store, stored_study
from hpo.data.given import dataset_of_values
from hpo.engines.inline import InlineEngine
from hpo.errors import DataError, Problem, SpecError
from hpo.evaluation import make_runner
from hpo.evaluation.objective import Objective, takes_fold
from hpo.models.objective import ObjectiveFamily
from hpo.records import Params, StudyRecord, Task, Trial
from hpo.space import Space
from hpo.spec import parse_study
from hpo.spec.model import NO_DATA
from hpo.study import Prepared, StudyRun, local_engine
from hpo.study.loop import StudyLoop
from hpo.study.prepare import assemble, no_data
from hpo.study.run import make_loop, study_record, study_strategy
from hpo.study.writing import InMemory
from hpo.user_code import OBJECTIVE, Home

GIVEN = "given"
"""The source of data that came as values."""


def optimize(
    objective: Objective,
    space: Space | Mapping[str, Any],
    *,
    data: tuple[Any, Any] | None = None,
    groups: Any = None,
    task: Task | None = None,
    split: str | None = None,
    strategy: str = "bayesian",
    trials: int | None = 20,
    folds: int | None = None,
    direction: str = "maximize",
    metric: str | None = None,
    name: str | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    jobs: int = 1,
    width: int = 4,
    timeout: str | float | None = None,
    patience: int | None = None,
    fold_timeout: str | float | None = None,
    max_failures: int = 10,
    racing: str | bool = False,
    defaults_first: bool = True,
    enqueue: Sequence[Params] = (),
    callbacks: Callback | Sequence[Callback] = (),
) -> Study:
    """Find the params for which a function returns the best score.

    Args:
        objective: ``f(params)``, or ``f(params, fold)`` with a `hpo.Fold`. It returns
            the score, or a dict of metrics of which ``metric``, or else the first, is
            the score. What it raises fails its trial, and the search goes on.
        space: A `hpo.Space`, or a mapping of what one is made from.
        data: (X, y): arrays, DataFrames or lists with a row for each example; rows are
            given to the objective as they are here. Without data there are no rows.
        groups: Which group each row belongs to; groups stay together in folds.
        task: ``classification`` or ``regression``; default by the targets.
        split: ``stratified``, ``kfold``, ``group`` or ``time``; default by the task.
        strategy: ``grid``, ``random`` or ``bayesian``.
        trials: How many, over all calls; None for a whole grid, for as many as
            ``timeout`` and ``patience`` let, or else for 20.
        folds: Folds of each trial, at least 2 with data; default 5 with data, else 1.
        direction: ``maximize`` or ``minimize``.
        metric: Name of the score among what the objective returns.
        name: Of the study; with a store it is needed, to go on with it.
        store: Address of a store that keeps every fold, and where a stopped search
            goes on; None keeps everything in memory.
        seed: Of everything random.
        jobs: 1 calls the objective in this process; more are worker processes, to which
            the objective is sent, from a notebook too. Results are the same.
        width: How many trials are proposed without seeing each other's scores.
        timeout: Begin no trial after this: seconds, or a text such as ``30m``.
        patience: Stop after so many trials without gain.
        fold_timeout: Kill a fold after this; needs workers.
        max_failures: Stop after so many failed trials in a row.
        racing: ``median`` stops a fold that has reported less, by some epoch, than the
            median of earlier trials on the same fold; see `hpo.Fold.report`.
        defaults_first: Whether trial 0 has the middle of each range.
        enqueue: Params of your own, to be tried first after that. What they leave out
            has the value of trial 0.
        callbacks: Each is called with the study and the trial after each finished
            trial, in this process; ``study.stop()`` there ends the search. What one
            raises ends it too, and without a store its trials are lost then.

    Returns:
        The study. Ctrl-C lets the running trial finish and returns what there is; a
        second one raises `KeyboardInterrupt`.

    Raises:
        SpecError: An argument is wrong, or the objective takes other arguments, or
            cannot be sent to workers.
        DataError: The data cannot be split into folds.
        StudyError: The stored study was begun with something that must not change.

    Example:
        >>> import hpo
        >>> space = hpo.Space(x=hpo.Float(-10, 10))
        >>> study = hpo.optimize(
        ...     lambda params: (params["x"] - 2) ** 2, space, direction="minimize"
        ... )
        >>> abs(study.best_params["x"] - 2) < 1
        True
    """
    wants_fold = takes_fold(objective, "objective")
    queue_given = enqueued(enqueue)
    space = as_space(space)
    check_data(data, groups, split, wants_fold=wants_fold)
    if jobs == 1 and fold_timeout is not None:
        what = "a fold can only be killed in a worker process; give jobs=2 or more"
        raise SpecError([Problem("fold_timeout", what)])
    if store is not None and name is None:
        raise SpecError([Problem("name", "a stored study needs a name to be found by")])
    evaluation = {"folds": folds, "metric": metric, "fold_timeout": fold_timeout}
    prepared = _prepare(
        objective,
        {
            "name": name or "study",
            "model": _model(objective),
            "data": {"source": NO_DATA if data is None else GIVEN, "test_size": 0.0},
            "task": task,
            "space": space,
            "search": {
                "strategy": strategy,
                "trials": budget(trials, timeout, patience),
                "timeout": timeout,
                "patience": patience,
                "seed": plain(seed),
                "width": width,
                "max_failures": max_failures,
                "defaults_first": defaults_first,
            },
            "evaluation": {
                "folds": 5 if data is not None else 1,
                "direction": direction,
                "racing": racing,
                "split": None if split == "group" else split,
                **{k: v for k, v in evaluation.items() if v is not None},
            },
            "engine": {"jobs": jobs},
        },
        data,
        groups,
        task,
    )
    queue = [completed(prepared, params, i) for i, params in enumerate(queue_given)]
    if store is None:
        return _in_memory(prepared, queue, callbacks)
    opened = open_store(store)
    view = stored_study(opened, prepared.spec.name)
    run = StudyRun(
        prepared,
        opened,
        make_engine=lambda: _engine(prepared),
        observers=observers(view, callbacks),
        enqueue=queue,
    )
    view.stops_by(run.request_stop)
    with _stopped_by_interrupt(run):
        run.execute()
    return view


def _prepare(
    objective: Objective,
    document: Mapping[str, Any],
    data: tuple[Any, Any] | None,
    groups: Any,
    task: Task | None,
) -> Prepared:
    family = ObjectiveFamily(document["model"], None)
    spec = parse_study(document, folder=Path(), find_family=lambda name: family)
    if groups is not None:
        evaluation = spec.evaluation.model_copy(update={"split": "group"})
        spec = spec.model_copy(update={"evaluation": evaluation})
    given = no_data()
    if data is not None:
        given = dataset_of_values(*data, groups=groups, task=task)
        if given.n_rows != len(data[1]):
            n_missing = len(data[1]) - given.n_rows
            what = f"data: {n_missing} of {len(data[1])} targets are missing"
            raise DataError(f"{what} (none, NaN, or a text such as NA); leave them out")
    inline = spec.engine.jobs == 1
    return assemble(
        spec,
        given,
        family,
        Home(),
        code=None if inline else _pickled(objective),
        function=objective if inline else None,
        raw=data,
    )


def _model(objective: Objective) -> str:
    module = getattr(objective, "__module__", None) or "__main__"
    name = getattr(objective, "__qualname__", type(objective).__qualname__)
    return f"{OBJECTIVE}:{module}:{name}"


def _pickled(objective: Objective) -> bytes:
    """Return an objective by value, so that workers need not import its script."""
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(objective)
    except Exception as error:
        what = (
            f"cannot be sent to worker processes ({type(error).__name__}: {error}); "
            f"make what it holds inside of it, or use jobs=1"
        )
        raise SpecError([Problem("objective", what)]) from error
    return pickled


def _engine(prepared: Prepared) -> Any:
    if prepared.spec.engine.jobs == 1:
        return InlineEngine(make_runner(prepared.plan))
    return local_engine(prepared)


def _in_memory(
    prepared: Prepared,
    queue: Sequence[Params],
    callbacks: Callback | Sequence[Callback],
) -> Study:
    memory = InMemory()
    record: StudyRecord = replace(study_record(prepared), state="running")

    def read() -> tuple[StudyRecord, Sequence[Trial]]:
        return record, memory.trials

    view = Study(read)
    loop = make_loop(
        prepared,
        study_strategy(prepared, queue),
        memory,
        (),
        make_engine=lambda: _engine(prepared),
        observers=observers(view, callbacks),
    )
    view.stops_by(loop.request_stop)
    with _stopped_by_interrupt(loop):
        reason = loop.run()
    ended = "interrupted" if reason == "interrupted" else "complete"
    state: Any = "failed" if loop.failing else ended
    record = replace(record, state=state, reason=reason)
    return view


@contextmanager
def _stopped_by_interrupt(run: StudyRun | StudyLoop) -> Iterator[None]:
    """Let the first Ctrl-C stop the search after the running trial."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: object) -> None:
        run.request_stop()
        signal.signal(signal.SIGINT, before)
        warnings.warn(
            "stopping after the running trial; Ctrl-C again stops at once", stacklevel=2
        )

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
