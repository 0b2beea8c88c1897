"""Conditions of Keras Tuner's as those of a space: which cases one name stands for.

A case is a condition on each of some parents, all to be met. Keras Tuner registers one
name under several cases; a space has one ``when`` for each hyperparameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from hpo.records import ParamValue
from hpo.space.kinds import Categorical, Hyperparameter

Case: TypeAlias = Mapping[str, tuple[ParamValue, ...]]
"""The allowed values of each parent; empty if it is always met."""


def case_of(conditions: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    """Read the conditions of one registration; all of them have to be met.

    Args:
        conditions: Objects with a ``name`` and ``values``, as Keras Tuner's `Parent`.
    """
    case: dict[str, tuple[Any, ...]] = {}
    for condition in conditions:
        values = tuple(condition.values)
        if condition.name in case:
            values = tuple(v for v in case[condition.name] if v in values)
        case[condition.name] = values
    return case


def values_of(parent: Hyperparameter, wanted: Sequence[Any]) -> tuple[ParamValue, ...]:
    """Return which of the values wanted a parent has, as the parent has them.

    Keras Tuner compares by ``==``, for which 1 is true; a space tells them apart.
    """
    if isinstance(parent, Categorical):
        return tuple(choice for choice in parent.choices if choice in wanted)
    kind = float if parent.values is None or _is_float(parent) else int
    held = [kind(value) for value in wanted if parent.holds(value)]
    return tuple(dict.fromkeys(held))


def _is_float(parent: Hyperparameter) -> bool:
    return not isinstance(parent.values, range)


def includes(outer: Case, inner: Case) -> bool:
    """Tell whether ``outer`` is met wherever ``inner`` is."""
    return all(
        name in inner and set(inner[name]) <= set(values)
        for name, values in outer.items()
    )


def disjoint(one: Case, other: Case) -> bool:
    """Tell whether two cases can never both be met."""
    return any(
        not set(values) & set(other[name])
        for name, values in one.items()
        if name in other
    )


def merged(cases: Sequence[Case]) -> tuple[Case, bool]:
    """Return the one case that stands for several, and whether it is exact.

    If it is not, it is met wherever one of them is, and elsewhere too.
    """
    left = list(cases)
    while pair := _joinable(left):
        one, other = pair
        left = [case for case in left if case is not one and case is not other]
        left.append(_join(one, other))
    if len(left) == 1:
        return left[0], True
    shared = [name for name in left[0] if all(name in case for case in left)]
    hull = {
        name: tuple(dict.fromkeys(value for case in left for value in case[name]))
        for name in shared
    }
    return hull, False


def _joinable(cases: Sequence[Case]) -> tuple[Case, Case] | None:
    for place, one in enumerate(cases):
        for other in cases[place + 1 :]:
            if includes(one, other) or includes(other, one):
                return one, other
            if set(one) == set(other) and len(_differing(one, other)) == 1:
                return one, other
    return None


def _join(one: Case, other: Case) -> Case:
    if includes(one, other):
        return one
    if includes(other, one):
        return other
    (name,) = _differing(one, other)
    return {**one, name: tuple(dict.fromkeys([*one[name], *other[name]]))}


def _differing(one: Case, other: Case) -> list[str]:
    return [name for name in one if set(one[name]) != set(other[name])]
