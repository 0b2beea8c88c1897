"""Counting and enumerating the distinct active combinations of a finite space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import Params, ParamValue
from hpo.space.conditions import Condition
from hpo.space.values import identity, placed

MAX_WORK = 200_000
"""Values of parents that are looked at to count the cells, over all combinations."""
OTHER = "\0other"
"""Stands, when cells are counted, for every value that no condition asks about."""


class Cells:
    """The distinct active combinations of a finite space, addressed by index.

    Counting and finding cell ``i`` walk the tree of active hyperparameters and keep,
    of each, only the values that later conditions ask about: nothing is materialised,
    so a grid of a billion cells costs no more than one of ten.

    Args:
        conditions: Of every hyperparameter, parents first; the last one runs fastest.
        axes: The values of every hyperparameter.

    Raises:
        SpecError: The conditions depend on too many combinations to count them.
    """

    def __init__(
        self,
        conditions: Mapping[str, tuple[Condition, ...]],
        axes: Mapping[str, Sequence[Any]],
    ) -> None:
        self._conditions, self._axes = conditions, axes
        self._names = tuple(conditions)
        self._asked = _asked(conditions, axes)
        self._codes = {
            parent: {identity(value): place for place, value in pairs}
            for parent, pairs in self._asked.items()
        }
        last_use = {
            condition.parent: position
            for position, name in enumerate(self._names)
            for condition in conditions[name]
        }
        # Parents before each position whose value a condition from there on asks for.
        self._live = [
            tuple(n for n in self._names[:position] if last_use.get(n, -1) >= position)
            for position in range(len(self._names))
        ]
        self._counts: dict[tuple[Any, ...], int] = {}
        self._work = 0
        self.count = self._count(0, {})

    def __len__(self) -> int:
        """Return ``count``; above 2**63 - 1, which Python refuses, use that."""
        return self.count

    def __iter__(self) -> Iterator[dict[str, ParamValue]]:
        return (self[index] for index in range(self.count))

    def __getitem__(self, index: int) -> dict[str, ParamValue]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        params: dict[str, ParamValue] = {}
        for position, name in enumerate(self._names):
            if not self._is_active(name, params):
                continue
            if name in self._asked:
                place, index = self._find(position, params, index)
            else:
                place, index = divmod(index, self._count(position + 1, params))
            params[name] = self._axes[name][place]
        return params

    def _find(self, position: int, params: Params, index: int) -> tuple[int, int]:
        """Return the place on a parent's axis, and the index among the cells there."""
        name = self._names[position]
        others = self._count(position + 1, {**params, name: OTHER})
        start = 0
        for place, value in self._asked[name]:
            if index < (place - start) * others:
                break
            index -= (place - start) * others
            below = self._count(position + 1, {**params, name: value})
            if index < below:
                return place, index
            index -= below
            start = place + 1
        return start + index // others, index % others

    def _is_active(self, name: str, params: Params) -> bool:
        return all(condition.met(params) for condition in self._conditions[name])

    def _count(self, position: int, params: Params) -> int:
        """Count the cells of the hyperparameters from ``position`` on."""
        if position == len(self._names):
            return 1
        live = [name for name in self._live[position] if name in params]
        codes = tuple((name, self._code(name, params[name])) for name in live)
        key = (position, codes)
        if key not in self._counts:
            self._work += 1 + len(self._live[position])
            if self._work > MAX_WORK:
                what = "its conditions depend on too many combinations to count them"
                raise SpecError([Problem(self._names[position], what)])
            relevant = {name: params[name] for name in live}
            self._counts[key] = self._count_anew(position, relevant)
        return self._counts[key]

    def _count_anew(self, position: int, params: Params) -> int:
        name = self._names[position]
        if not self._is_active(name, params):
            return self._count(position + 1, params)
        if name not in self._asked:
            return len(self._axes[name]) * self._count(position + 1, params)
        count = 0
        for _, value in self._asked[name]:
            count += self._count(position + 1, {**params, name: value})
        if n_others := len(self._axes[name]) - len(self._asked[name]):
            count += n_others * self._count(position + 1, {**params, name: OTHER})
        return count

    def _code(self, name: str, value: ParamValue) -> int:
        """Return the place of a value that is asked about, else -1."""
        return self._codes[name].get(identity(value), -1)


def _asked(
    conditions: Mapping[str, tuple[Condition, ...]],
    axes: Mapping[str, Sequence[Any]],
) -> dict[str, list[tuple[int, ParamValue]]]:
    """Return the places and values of each parent that conditions ask about."""
    asked: dict[str, list[ParamValue]] = {}
    for mine in conditions.values():
        for condition in mine:
            asked.setdefault(condition.parent, []).extend(condition.allowed)
    return {
        parent: sorted(
            ((place, value) for value, place in placed(values, axes[parent])),
            key=lambda pair: pair[0],
        )
        for parent, values in asked.items()
    }
