"""Reading what Keras Tuner registered: names, their cases, and their values.

One name there may be several hyperparameters here, and the way back is in the names.
Nothing is imported: objects are known by the names of their classes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import Params, ParamValue
from hpo.space.keras_tuner_conditions import (
    Case,
    case_of,
    disjoint,
    merged,
    values_of,
)
from hpo.space.keras_tuner_kinds import UNORDERED, as_hyperparameter, kind_of
from hpo.space.kinds import Categorical, Hyperparameter

_PREFIX = re.compile(r"hp\d*:")


@dataclass(frozen=True)
class KerasTunerSpace:
    """What was read.

    Args:
        declared: By our names; what `Space` takes.
        defaults: Keras Tuner's default of each.
        notes: What a user should know of how it was read, a sentence each.
    """

    declared: Mapping[str, Hyperparameter]
    defaults: Mapping[str, ParamValue]
    notes: tuple[str, ...] = ()


def original_name(name: str) -> str:
    """Return what Keras Tuner calls a hyperparameter.

    Example:
        >>> original_name("hp2:units"), original_name("hp:scale")
        ('units', 'scale')
    """
    return _PREFIX.sub("", name, count=1)


def original_values(params: Params) -> dict[str, ParamValue]:
    """Return ``hp.values`` for params: the same values under Keras Tuner's names."""
    return {original_name(name): value for name, value in params.items()}


def read(given: Iterable[Any], *, reserved: Collection[str] = ()) -> KerasTunerSpace:
    """Read Keras Tuner's hyperparameters, in the order they were asked for.

    A name that is ``reserved`` gets ``hp:`` in front. A name that stands for several
    ranges, one for each of some conditions, is several hyperparameters here: the second
    gets ``hp2:`` in front, and so on.

    Args:
        given: As ``HyperParameters.space`` has them, parents first.
        reserved: Names that mean something else to whoever asks.

    Raises:
        SpecError: Two ranges of one name can be active together, or values make no
            sense.
    """
    reader = _Reader(reserved)
    by_name: dict[str, list[Any]] = {}
    for one in given:
        by_name.setdefault(one.name, []).append(one)
    problems: list[Problem] = []
    for name in _parents_first(by_name):
        try:
            reader.add(name, by_name[name])
        except SpecError as error:
            problems += [
                Problem(f"{name}.{p.where}".rstrip("."), p.what) for p in error.problems
            ]
    if problems:
        raise SpecError(problems)
    ours = [own for name in by_name for own, _ in reader.cases[name]]
    return KerasTunerSpace(
        declared={own: reader.declared[own] for own in ours},
        defaults={own: reader.defaults[own] for own in ours},
        notes=tuple(reader.notes),
    )


def _parents_first(by_name: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield names, each after those that it depends on; circles come last."""
    waiting = {
        name: {c.name for one in several for c in one.conditions} & set(by_name)
        for name, several in by_name.items()
    }
    while waiting:
        free = [name for name, parents in waiting.items() if not parents & set(waiting)]
        name = free[0] if free else next(iter(waiting))
        del waiting[name]
        yield name


@dataclass
class _Reader:
    """Reads one name after another, parents first."""

    reserved: Collection[str]
    declared: dict[str, Hyperparameter] = field(default_factory=dict)
    defaults: dict[str, ParamValue] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    cases: dict[str, list[tuple[str, Case]]] = field(default_factory=dict)
    """By Keras Tuner's name: our names, and when each is active."""

    def add(self, name: str, several: Sequence[Any]) -> None:
        self.cases[name] = []
        groups: dict[str, tuple[Hyperparameter, list[Case], Any]] = {}
        for one in several:
            kind = as_hyperparameter(one)
            case = self._known(case_of(one.conditions))
            if case is None:
                self.notes.append(f"{name} is never active: no value of its parent is")
                continue
            groups.setdefault(repr(kind), (kind, [], one))[1].append(case)
            if kind_of(one) == "Choice" and not one.ordered and _numbers(kind):
                self.notes.append(f"{name}: {UNORDERED}")
        whole = [
            (kind, self._one(name, cases), one) for kind, cases, one in groups.values()
        ]
        for (_, case, _), (_, other, _) in combinations(whole, 2):
            if not disjoint(case, other):
                what = "is asked for with two ranges that can both be active"
                raise SpecError([Problem("", f"{what}; give one of them another name")])
        for place, (kind, case, one) in enumerate(whole):
            own = self._name(name, place)
            when = {self._parent(parent, case): v for parent, v in case.items()}
            self.declared[own] = replace(kind, when=_short(when) or None)
            self.defaults[own] = one.default
            self.cases[name].append((own, case))

    def _name(self, name: str, place: int) -> str:
        if place:
            return f"hp{place + 1}:{name}"
        return f"hp:{name}" if name in self.reserved or _PREFIX.match(name) else name

    def _known(self, case: Case) -> Case | None:
        """Return a case with values that its parents have; None if it is never met."""
        known = {}
        for parent, wanted in case.items():
            if parent not in self.cases:
                raise SpecError([Problem("", f"depends on {parent!r}, which is none")])
            held = [
                values_of(self.declared[own], wanted) for own, _ in self.cases[parent]
            ]
            values = tuple(dict.fromkeys(value for some in held for value in some))
            if not values:
                return None
            known[parent] = values
        return known

    def _one(self, name: str, cases: Sequence[Case]) -> Case:
        case, is_exact = merged(cases)
        if not is_exact:
            self.notes.append(
                f"{name} is active in several cases, which one `when` cannot tell "
                "apart: it is searched in others too, where it has no effect"
            )
        return case

    def _parent(self, parent: str, case: Case) -> str:
        """Return our name of the parent that a case means."""
        fitting = [own for own, its in self.cases[parent] if not disjoint(its, case)]
        if len(fitting) != 1:
            what = f"depends on {parent!r}, which is {len(fitting)} hyperparameters"
            raise SpecError([Problem("", f"{what} here; give them different names")])
        return fitting[0]


def _short(when: Mapping[str, tuple[ParamValue, ...]]) -> dict[str, Any]:
    """Write one value as itself, as a study file does."""
    return {name: v[0] if len(v) == 1 else v for name, v in when.items()}


def _numbers(given: Hyperparameter) -> bool:
    return isinstance(given, Categorical) and given.ordered and len(given.choices) > 2
