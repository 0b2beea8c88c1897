"""`hpo.run`: a study file, or the same as a mapping, run from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from hpo.analysis.choosing import chosen
from hpo.api.study import Study, open_store, store_url, stored_study
from hpo.errors import Problem, SpecError
from hpo.records import Trial
from hpo.spec import StudySpec, parse_study, read_study
from hpo.store import Store
from hpo.study import Observer, Prepared, Progress, StudyRun, prepare, started_early
from hpo.study.nested import NestedRun
from hpo.tracking import Tracker, in_memory, refuse_shared, resolve
from hpo.tracking.tracker import DRAIN_SECONDS

Callback: TypeAlias = Callable[[Study, Trial], None]
"""Called in the calling process after each finished trial, once it is stored."""


def run(
    study: str | Path | Mapping[str, Any] | StudySpec,
    *,
    trials: int | None = None,
    timeout: str | float | None = None,
    jobs: int | None = None,
    strategy: str | None = None,
    backend: str | None = None,
    name: str | None = None,
    store: str | Path | None = None,
    tracking: str | None = None,
    allow_modules: Sequence[str] = (),
    callbacks: Callback | Sequence[Callback] = (),
) -> Study:
    """Create the study of a file, or go on with it, and run it to its end.

    The same as the command `hpo run`, without what that prints. With
    ``evaluation.nested`` the outer studies are run too, once the search is complete.

    Args:
        study: Path of a study file, or what would stand in it as a mapping.
        trials: Total number of trials, over all runs.
        timeout: Begin no trial after this: seconds, or a text such as ``30m``.
        jobs: Worker processes; default one a core.
        strategy: ``grid``, ``random`` or ``bayesian``.
        backend: What Keras computes with: ``tensorflow`` or ``jax``.
        name: Of the study instead of the file's.
        store: Address of the store; default ``HPO_STORE`` or ``sqlite:///hpo.db``.
        tracking: Address of MLflow, or ``none``; default ``MLFLOW_TRACKING_URI`` or
            ``sqlite:///mlflow.db``.
        allow_modules: Installed packages whose code the file may name.
        callbacks: Called after each finished trial.

    Returns:
        The study; what MLflow did not get in time `hpo sync` sends later.

    Raises:
        SpecError: With every mistake in the file.
        DataError: The data cannot be read.
        StudyBusyError: Another process runs the study.
        StudyError: The stored study was begun with something that must not change.
        StoreError: The store went away; what was committed is kept.
        EngineError: No worker can be started.

    Example:
        >>> study = hpo.run("studies/digits.yaml", trials=10)  # doctest: +SKIP
        >>> study.best_params  # doctest: +SKIP
    """
    given = {
        "search.trials": trials,
        "search.timeout": timeout,
        "engine.jobs": jobs,
        "search.strategy": strategy,
        "engine.backend": backend,
        "name": name,
    }
    overrides = {key: value for key, value in given.items() if value is not None}
    url = store_url(store)
    uri = resolve(tracking)
    if uri is not None:
        refuse_shared(uri, url)
    spec = _spec(study, overrides, allow_modules)
    with ExitStack() as stack:
        equipped = stack.enter_context(started_early(spec))
        prepared = prepare(spec)
        opened = open_store(url)
        view = stored_study(opened, prepared.spec.name)
        outer = _nested(prepared, opened)
        running = StudyRun(
            prepared,
            opened,
            make_engine=lambda: equipped(prepared),
            observers=observers(view, callbacks),
        )
        view.stops_by(running.request_stop)
        tracker = None
        if uri is not None and not in_memory(url):
            tracker = Tracker(url, prepared.spec.name, uri)
            stack.callback(tracker.close)
            tracker.start()
        outcome = running.execute()
        if tracker is not None:
            tracker.finish(DRAIN_SECONDS)
    if outer is not None and outcome.state == "complete":
        view.stops_by(outer.request_stop)
        outer.execute()
    return view


def _nested(prepared: Prepared, store: Store) -> NestedRun | None:
    """Return what runs the outer studies; None if the study has none."""
    if not prepared.spec.evaluation.nested:
        return None
    return NestedRun(prepared, store, lambda t: chosen(t, prepared.spec.select))


def _spec(
    study: str | Path | Mapping[str, Any] | StudySpec,
    overrides: Mapping[str, Any],
    allow_modules: Sequence[str],
) -> StudySpec:
    if isinstance(study, str | Path):
        return read_study(
            Path(study), overrides=overrides, allowed_modules=allow_modules
        )
    if not isinstance(study, StudySpec | Mapping):
        what = f"expected a path, or what stands in a study file; got {study!r:.80}"
        raise SpecError([Problem("study", what)])
    folder = study.folder if isinstance(study, StudySpec) else Path()
    document = study.to_document() if isinstance(study, StudySpec) else study
    return parse_study(
        document, folder=folder, overrides=overrides, allowed_modules=allow_modules
    )


def observers(view: Study, callbacks: Callback | Sequence[Callback]) -> list[Observer]:
    """Return what calls the callbacks after each commit that finished a trial."""
    if callable(callbacks):
        callbacks = [callbacks]
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        what = f"expected functions of (study, trial); got {callbacks!r:.80}"
        raise SpecError([Problem("callbacks", what)])
    if not callbacks:
        return []

    def observe(progress: Progress) -> None:
        for trial in progress.finished:
            for callback in callbacks:
                callback(view, view.in_own_units(trial))

    return [observe]
