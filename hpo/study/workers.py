"""The workers of a study: how many, what they are given, and when they start.

They take seconds to import what models need, so a command that runs a study starts them
before it reads the data, and hands them the study when it is ready.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hpo.engines.engine import Engine
from hpo.engines.local import LocalEngine
from hpo.errors import EngineError
from hpo.evaluation import (
    Plan,
    SharedPlan,
    is_large,
    make_runner,
    make_scratch,
    preload,
    remove_scratch,
    share,
)
from hpo.spec import StudySpec
from hpo.study.backend import variables
from hpo.study.prepare import Prepared, home_of
from hpo.user_code import OBJECTIVE, kind_of

MAX_TASKS = 500
MEMORY_SHARE = 0.8


def local_engine(prepared: Prepared) -> LocalEngine:
    """Make the local engine that a study asks for.

    Large data are laid in files that the workers share; those go when it is closed.

    Raises:
        EngineError: There is no room for those files.
    """
    plan, tidy_up = shared_plan(prepared.plan)
    return LocalEngine(
        make_runner, (plan,), on_close=tidy_up, **_settings(prepared.spec)
    )


@contextmanager
def started_early(spec: StudySpec) -> Iterator[Callable[[Prepared], Engine]]:
    """Start the workers of a study while the block reads, checks and stores it.

    They import what its models take, the user's module included. Yields a function that
    hands them the study and returns their engine, as `local_engine` would. They end
    with the block.

    Raises:
        EngineError: As `local_engine`, in the block.
    """
    ahead = functools.partial(preload, spec.model, home_of(spec))
    with LocalEngine(preload=ahead, **_settings(spec)) as engine:

        def equipped(prepared: Prepared) -> Engine:
            plan, tidy_up = shared_plan(prepared.plan)
            engine.equip(make_runner, (plan,), on_close=tidy_up)
            return engine

        yield equipped


def _settings(spec: StudySpec) -> dict[str, Any]:
    """Return the arguments of `LocalEngine` that a study file decides."""
    n = n_workers(spec)
    return {
        "n_workers": n,
        "threads": spec.engine.threads,
        "max_tasks": MAX_TASKS,
        "max_memory_bytes": _memory_limit(n),
        "environment": variables(spec.engine.backend, spec.engine.threads),
    }


def shared_plan(plan: Plan) -> tuple[Plan | SharedPlan, Callable[[], None] | None]:
    """Return the plan as workers get it, and what to call when they are gone."""
    if kind_of(plan.family) == OBJECTIVE or not is_large(plan):
        return plan, None
    try:
        folder = make_scratch()
        tidy_up = functools.partial(remove_scratch, folder)
        try:
            return share(plan, folder), tidy_up
        except OSError:
            tidy_up()
            raise
    except OSError as error:
        raise EngineError(
            f"the data cannot be laid in a temporary file for the workers "
            f"({error.strerror}); make room, or set TMPDIR to a folder that has room"
        ) from error


def n_workers(spec: StudySpec) -> int:
    """Return how many workers a study has on this machine."""
    return spec.engine.jobs or default_jobs(spec.engine.threads)


def default_jobs(threads: int) -> int:
    """Return how many workers this machine has room for."""
    usable = getattr(os, "sched_getaffinity", None)
    n_cores = len(usable(0)) if usable else os.cpu_count() or 1
    return max(1, n_cores // threads)


def _memory_limit(n: int) -> int:
    """Return the memory in bytes at which one of n workers is replaced."""
    import psutil

    share = MEMORY_SHARE * psutil.virtual_memory().total / n
    return int(share / 2)
