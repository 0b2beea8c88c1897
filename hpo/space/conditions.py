"""When a hyperparameter is active: checking conditions, and writing out repeats."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from hpo.errors import Problem, near_match
from hpo.records import Params, ParamValue
from hpo.space.kinds import Categorical, Hyperparameter, Int, describe
from hpo.space.values import brief, identity, is_number

MAX_REPEAT = 64
MAX_PROBLEMS = 200
"""Mistakes in conditions that are told; whoever makes more has one to mend first."""
MAX_HINTS = 10
"""Mistakes for which a near match is looked for, which takes time."""


@dataclass(frozen=True)
class Condition:
    """The parent is active and has one of the allowed values."""

    parent: str
    allowed: tuple[ParamValue, ...]

    def met(self, params: Params) -> bool:
        if self.parent not in params:
            return False
        return identity(params[self.parent]) in self._identities

    @cached_property
    def _identities(self) -> frozenset[Hashable]:
        return frozenset(map(identity, self.allowed))


def condition_problems(
    declared: Mapping[str, Hyperparameter], names: frozenset[str]
) -> list[Problem]:
    """Return every mistake in ``when`` and ``repeat``.

    Args:
        declared: The hyperparameters that are sound in themselves.
        names: Of all hyperparameters, sound or not.
    """
    problems = list(islice(_problems(declared, names, _Hints()), MAX_PROBLEMS))
    return problems or _cycle_problems(declared)


class _Hints:
    """Looks for near matches, a few times."""

    def __init__(self) -> None:
        self._n_left = MAX_HINTS

    def __call__(self, value: object, choices: Collection[str]) -> str:
        self._n_left -= 1
        return near_match(value, choices) if self._n_left >= 0 else ""


def _problems(
    declared: Mapping[str, Hyperparameter], names: frozenset[str], hints: _Hints
) -> Iterator[Problem]:
    for name, hp in declared.items():
        if not isinstance(hp.when, Mapping | None):
            what = f"expected hyperparameters and their values; got {brief(hp.when)}"
            yield Problem(f"{name}.when", what)
            continue
        for parent, allowed in (hp.when or {}).items():
            where = f"{name}.when.{parent}"
            if parent == name:
                yield Problem(where, "a hyperparameter cannot depend on itself")
            elif parent not in names:
                hint = hints(parent, names - {name})
                yield Problem(where, f"no hyperparameter has this name{hint}")
            elif parent in declared:
                given = as_tuple(allowed)
                yield from _allowed_problems(where, declared[parent], given, hints)
        if hp.repeat is not None:
            where = f"{name}.repeat"
            if hp.repeat not in names or hp.repeat == name:
                hint = hints(hp.repeat, names - {name})
                what = f"no hyperparameter is named {brief(hp.repeat)}{hint}"
                yield Problem(where, what)
            elif hp.repeat in declared:
                yield from _repeat_problems(name, hp.repeat, declared, names)


def _allowed_problems(
    where: str, parent: Hyperparameter, allowed: tuple[Any, ...], hints: _Hints
) -> Iterator[Problem]:
    if parent.repeat is not None:
        yield Problem(where, "cannot depend on a hyperparameter that is repeated")
    if not allowed:
        yield Problem(where, "expected at least one value; got none")
    for value in allowed:
        if not parent.holds(value):
            hint = ""
            if isinstance(parent, Categorical):
                texts = [c for c in parent.choices if isinstance(c, str)]
                hint = hints(value, texts)
            expected = f"expected a value of it ({describe(parent)})"
            yield Problem(where, f"{expected}; got {brief(value)}{hint}")


def _repeat_problems(
    name: str,
    parent_name: str,
    declared: Mapping[str, Hyperparameter],
    names: frozenset[str],
) -> Iterator[Problem]:
    where = f"{name}.repeat"
    counts = _counts(declared[parent_name])
    if counts is None or declared[parent_name].repeat is not None:
        expected = (
            f"expected {parent_name!r} to be whole numbers from 0 to {MAX_REPEAT}"
        )
        yield Problem(where, f"{expected}; got {describe(declared[parent_name])}")
        return
    for index in range(max(counts)):
        if f"{name}_{index}" in names:
            yield Problem(where, f"makes '{name}_{index}', which the space has already")


def _counts(parent: Hyperparameter) -> list[int] | None:
    """Return the numbers of repeats a parent can ask for, or None if it cannot."""
    if isinstance(parent, Int) and (parent.low < 0 or parent.high > MAX_REPEAT):
        return None
    values = parent.values
    if values is None or len(values) > MAX_REPEAT + 1:
        return None
    if not all(is_number(v) and v == int(v) for v in values):  # type: ignore[arg-type]
        return None
    counts = [int(v) for v in values]  # type: ignore[arg-type]
    return counts if all(0 <= count <= MAX_REPEAT for count in counts) else None


def _parents(hp: Hyperparameter) -> list[str]:
    return [*(hp.when or {}), *([hp.repeat] if hp.repeat is not None else [])]


def _cycle_problems(declared: Mapping[str, Hyperparameter]) -> list[Problem]:
    _, waiting = _sort(declared)
    if not waiting:
        return []
    while True:
        # Those that nothing in the circle waits for only depend on it.
        wanted = {parent for name in waiting for parent in _parents(declared[name])}
        if waiting <= wanted:
            break
        waiting &= wanted
    circle = [name for name in declared if name in waiting]
    what = f"these depend on each other in a circle: {', '.join(circle)}"
    return [Problem(f"{circle[0]}.when", what)]


def _sort(declared: Mapping[str, Hyperparameter]) -> tuple[list[str], set[str]]:
    """Put parents before children, else keep the order; also return what cannot be."""
    names = list(declared)
    children: dict[str, list[int]] = {name: [] for name in names}
    n_waited_for = []
    for place, hp in enumerate(declared.values()):
        parents = {parent for parent in _parents(hp) if parent in declared}
        n_waited_for.append(len(parents))
        for parent in parents:
            children[parent].append(place)
    ready = [place for place, n in enumerate(n_waited_for) if n == 0]
    ordered: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        ordered.append(name)
        for place in children[name]:
            n_waited_for[place] -= 1
            if n_waited_for[place] == 0:
                heapq.heappush(ready, place)
    return ordered, set(names) - set(ordered)


def expand(
    declared: Mapping[str, Hyperparameter],
) -> tuple[dict[str, Hyperparameter], dict[str, tuple[Condition, ...]]]:
    """Sort parents first and write out repeated hyperparameters one by one."""
    hyperparameters: dict[str, Hyperparameter] = {}
    conditions: dict[str, tuple[Condition, ...]] = {}
    for name in _sort(declared)[0]:
        hp = declared[name]
        shared = tuple(
            Condition(parent, as_tuple(allowed))
            for parent, allowed in (hp.when or {}).items()
        )
        plain = replace(hp, when=None, repeat=None)
        if hp.repeat is None:
            hyperparameters[name], conditions[name] = plain, shared
            continue
        counts = sorted(_counts(declared[hp.repeat]) or [])
        for index in range(counts[-1]):
            more = tuple(count for count in counts if count > index)
            # A parent that always asks for this many is no condition, unless it can be
            # inactive itself.
            needed = len(more) < len(counts) or _parents(declared[hp.repeat])
            extra = (Condition(hp.repeat, more),) if needed else ()
            hyperparameters[f"{name}_{index}"] = plain
            conditions[f"{name}_{index}"] = shared + extra
    return hyperparameters, conditions


def as_tuple(allowed: object) -> tuple[Any, ...]:
    """Take a single value for a list of one."""
    return tuple(allowed) if isinstance(allowed, list | tuple) else (allowed,)
