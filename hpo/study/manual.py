"""Manual trials: params of a person's own, judged like any trial but kept apart.

They change nothing in the search: they have numbers of their own, no budget counts
them, no proposal sees them, and their training seeds are a stream of their own that is
the same for every try. So the same params have the same scores however often and
whenever they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hpo.engines.engine import Engine
from hpo.errors import Problem, SpecError
from hpo.models.family import Family
from hpo.records import Params, ParamValue, Task, Trial, params_key
from hpo.seeds import TRY
from hpo.space import Float, Hyperparameter, Int, Space
from hpo.space.conditions import Condition, as_tuple
from hpo.store import MANUAL, SEARCH, Store
from hpo.store.leases import BEATS_PER_LEASE
from hpo.study.editing import edits
from hpo.study.groups import Schedule
from hpo.study.loop import Budget, StudyLoop
from hpo.study.prepare import Prepared
from hpo.study.progress import Observer
from hpo.study.run import study_record, try_quietly
from hpo.study.trained import require_versions
from hpo.study.verdict import Verdict
from hpo.study.workers import local_engine
from hpo.study.writing import OneTrial


def manual_params(
    space: Space,
    family: Family,
    task: Task,
    given: Mapping[str, ParamValue],
    *,
    n_outputs: int | None = None,
) -> Params:
    """Complete the params of a manual trial.

    What is not ``given`` has the value of trial 0: a constant of the space its only
    one, the rest the family's default moved into the space. What is given may lie
    outside the space, but not outside what the family takes.

    Args:
        space: Of the study.
        family: Of the study.
        task: Of the data.
        given: Values by name; one for a hyperparameter that is repeated is for all of
            its repeats.
        n_outputs: Number of targets; None if it does not matter.

    Raises:
        SpecError: A name is unknown or inactive, or the family refuses a value.
    """
    # First those that say how often others are repeated: of a wrong one too many.
    counts = {hp.repeat for hp in space.declared.values() if hp.repeat} & given.keys()
    if counts:
        only = Space(**{name: given[name] for name in counts})
        _refuse(family.problems(only, task, n_outputs), given)
    chosen = _Chosen(space, family.defaults(task), given)
    for name in dict.fromkeys(
        [*map(chosen.declared_name, space.names), *space.declared]
    ):
        chosen.add(name)
    problems = chosen.inactive()
    if problems:
        raise SpecError(problems)
    params = chosen.params | {n: v for n, v in given.items() if n in chosen.foreign}
    _refuse(family.problems(Space(**params), task, n_outputs), given)
    return params


def _refuse(problems: Sequence[Problem], given: Mapping[str, ParamValue]) -> None:
    if problems:
        raise SpecError([Problem(_option(p.where, given), p.what) for p in problems])


class _Chosen:
    """Params in the making; `foreign` names are given and not of the space."""

    def __init__(
        self,
        space: Space,
        defaults: Mapping[str, ParamValue],
        given: Mapping[str, ParamValue],
    ) -> None:
        self._space, self._defaults, self._given = space, defaults, given
        self.params: dict[str, ParamValue] = {}
        self._used: set[str] = set()

    def declared_name(self, name: str) -> str:
        """Return ``units`` for ``units_0`` if the space repeats units."""
        stem, _, index = name.rpartition("_")
        repeated = stem in self._space.declared and index.isdecimal()
        return stem if repeated and name not in self._space.declared else name

    @property
    def foreign(self) -> set[str]:
        declared = self._space.declared
        return {n for n in self._given if self.declared_name(n) not in declared}

    def add(self, name: str) -> None:
        hp = self._space.declared[name]
        if self._why_inactive(name):
            return
        if hp.repeat is None:
            self.params[name] = self._value(hp, name)
            return
        n_repeats = self.params.get(hp.repeat)
        if isinstance(n_repeats, int | float):
            for index in range(int(n_repeats)):
                each = f"{name}_{index}"
                self.params[each] = self._value(hp, each, name)

    def _value(self, hp: Hyperparameter, *names: str) -> ParamValue:
        for name in names:
            if name in self._given:
                self._used |= {*names}
                return _typed(hp, self._given[name])
        wanted = (self._defaults[name] for name in names if name in self._defaults)
        return hp.nearest(next(wanted, None))

    def inactive(self) -> list[Problem]:
        """Return a problem for each given value that these params have no place for."""
        return [
            Problem(f"-p {name}", self._why_inactive(name) or self._why_no_repeat(name))
            for name in self._given
            if name not in self._used | self.foreign
        ]

    def _why_inactive(self, name: str) -> str:
        hp = self._space.declared[self.declared_name(name)]
        unmet = {
            parent: as_tuple(allowed)
            for parent, allowed in (hp.when or {}).items()
            if not Condition(parent, as_tuple(allowed)).met(self.params)
        }
        return "; ".join(
            f"is only used if {parent} is {' or '.join(map(str, allowed))}, and here "
            + (f"it is {self.params[parent]}" if parent in self.params else "it is not")
            for parent, allowed in unmet.items()
        )

    def _why_no_repeat(self, name: str) -> str:
        repeat = self._space.declared[self.declared_name(name)].repeat
        return f"there is none, because {repeat} is {self.params.get(str(repeat))}"


def _typed(hp: Hyperparameter, value: ParamValue) -> ParamValue:
    """Give a number the type that a search would, so that equal params are equal."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(hp, Int) and float(value).is_integer():
        return int(value)
    return float(value) if isinstance(hp, Float) else value


def _option(where: str, given: Mapping[str, ParamValue]) -> str:
    name = where.partition(".")[0]
    stem = name.rpartition("_")[0]
    found = name if name in given else stem
    return f"-p {found}" if found in given else f"space.{where}"


@dataclass(frozen=True)
class Tried:
    """How a try ended.

    Args:
        trial: With its number among the manual trials; running if it was interrupted.
        is_repeat: Whether it was stored already, so that nothing was trained.
    """

    trial: Trial
    is_repeat: bool = False


class ManualTry:
    """One manual trial, from taking the lease of its study to giving it back.

    The study is created if there is none. A try with the params of one that was not
    finished goes on with that one; with those of a complete one it gives that one's
    scores, unless the model is code of the user's, which may have changed.

    Args:
        prepared: The study.
        store: Where it is, or will be.
        params: From `manual_params`.
        make_engine: Makes the engine when there is work, of the study whose folds are
            seeded for tries.
        observers: Called after each commit.

    Raises:
        StudyBusyError: Another process runs the study.
        StudyError: The stored study was begun with something that must not change.
    """

    def __init__(
        self,
        prepared: Prepared,
        store: Store,
        params: Params,
        *,
        make_engine: Callable[[Prepared], Engine] = local_engine,
        observers: Sequence[Observer] = (),
    ) -> None:
        plan = replace(prepared.plan, purpose=TRY)
        self._prepared = replace(prepared, plan=plan)
        self._store, self._observers = store, observers
        self._make_engine = make_engine
        name = prepared.spec.name
        self.is_new_study = store.create(study_record(prepared), prepared.rows)
        self._refuse_edits()
        self._writer = store.own(name, kind=MANUAL)
        try:
            self._refuse_edits()
            self._trial = self._find(params)
            self._loop = self._make_loop()
        except BaseException:
            self._writer.release()
            raise

    def _refuse_edits(self) -> None:
        spec = self._prepared.spec
        edits(self._store.study(spec.name), spec, self._prepared.fingerprint)

    def _find(self, params: Params) -> Trial:
        """Return the stored trial to go on with, or a new one."""
        stored = self._store.trials(self._prepared.spec.name, kind=MANUAL)
        same = [t for t in stored if params_key(t.params) == params_key(params)]
        for trial in same:
            # Code of the user's may have changed since: no score of old and new folds.
            if not trial.finished and not (trial.folds and self._is_users_code):
                return trial
        if same and same[-1].state == "complete" and not self._is_users_code:
            return same[-1]
        return Trial(len(stored), params)

    @property
    def _is_users_code(self) -> bool:
        return ":" in self._prepared.spec.model

    def _make_loop(self) -> StudyLoop:
        spec = self._prepared.spec
        number, params = self._trial.number, self._trial.params
        known = [replace(trial, number=0) for trial in self._stored()]
        return StudyLoop(
            strategy=_One(params),
            schedule=Schedule(
                n_folds=spec.evaluation.n_folds,
                width=1,
                group_limit=self._prepared.family.group_limit,
                program_key=self._prepared.family.program_key,
                sees_scores=False,
                group_matters=self._prepared.family.group_matters,
            ),
            budget=Budget(1, None, spec.evaluation.fold_timeout_seconds),
            verdict=Verdict(None, 2),
            make_engine=self._checked_engine,
            writer=OneTrial(self._writer, number),
            trials=known,
            active_seconds=0.0,
            observers=self._observers,
            beat_seconds=self._store.lease_seconds / BEATS_PER_LEASE,
        )

    def _checked_engine(self) -> Engine:
        for kind in (SEARCH, MANUAL):
            name = self._prepared.spec.name
            require_versions(name, self._store.trials(name, kind=kind))
        return self._make_engine(self._prepared)

    def _stored(self) -> list[Trial]:
        """Return the trial as it is stored now; none if it is new."""
        stored = self._store.trials(self._prepared.spec.name, kind=MANUAL)
        return [trial for trial in stored if trial.number == self._trial.number]

    def request_stop(self) -> None:
        """Ask for a graceful stop; safe to call from a signal handler."""
        self._loop.request_stop()

    def execute(self) -> Tried:
        """Train what is missing and give the lease back.

        Raises:
            LeaseLostError: Another process took the study over.
            StoreError: The store went away; what was committed is kept.
            EngineError: No worker can be started.
            StudyError: Its networks were trained by another Keras than is installed.
        """
        try:
            if self._trial.finished:
                return Tried(self._trial, is_repeat=True)
            self._loop.run()
            return Tried(next(iter(self._stored()), self._trial))
        finally:
            try_quietly(self._writer.release)


class _One:
    """Proposes the same params once."""

    sees_scores = False

    def __init__(self, params: Params) -> None:
        self._params = params

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        return self._params if number == 0 else None
