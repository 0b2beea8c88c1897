"""Counting and enumerating the distinct active combinations of a finite space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpo.errors import Problem, SpecError
from hpo.records import Params, ParamValue
from hpo.space.conditions import Condition
from hpo.space.values import among, distinct

MAX_COUNTED = 50_000
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
    """

    def __init__(
        self,
        conditions: Mapping[str, tuple[Condition, ...]],
        axes: Mapping[str, Any],
    ) -> None:
        self._conditions, self._axes = conditions, axes
        self._names = tuple(conditions)
        self._last_use: dict[str, int] = {}
        asked: dict[str, list[ParamValue]] = {}
        for position, name in enumerate(self._names):
            for condition in conditions[name]:
                self._last_use[condition.parent] = position
                asked.setdefault(condition.parent, []).extend(condition.allowed)
        self._asked = {
            parent: [v for v in distinct(values) if among(v, axes[parent])]
            for parent, values in asked.items()
        }
        self._counts: dict[tuple[int, str], int] = {}
        self.count = self._count(0, {})

    def __len__(self) -> int:
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
            axis = self._axes[name]
            if name not in self._last_use:
                each = self._count(position + 1, params)
                params[name] = axis[index // each]
                index %= each
                continue
            for value in axis:
                below = self._count(position + 1, {**params, name: value})
                if index < below:
                    params[name] = value
                    break
                index -= below
        return params

    def _is_active(self, name: str, params: Params) -> bool:
        return all(condition.met(params) for condition in self._conditions[name])

    def _count(self, position: int, params: Params) -> int:
        """Count the cells of the hyperparameters from ``position`` on."""
        if position == len(self._names):
            return 1
        relevant = {
            name: value if among(value, self._asked[name]) else OTHER
            for name, value in params.items()
            if self._last_use.get(name, -1) >= position
        }
        key = (position, repr(relevant))
        if key not in self._counts:
            if len(self._counts) > MAX_COUNTED:
                what = "its conditions depend on too many combinations to count them"
                raise SpecError([Problem(self._names[position], what)])
            name = self._names[position]
            if not self._is_active(name, relevant):
                count = self._count(position + 1, relevant)
            elif name in self._last_use:
                asked = self._asked[name]
                count = sum(
                    self._count(position + 1, {**relevant, name: value})
                    for value in asked
                )
                n_others = len(self._axes[name]) - len(asked)
                if n_others:
                    others = self._count(position + 1, {**relevant, name: OTHER})
                    count += n_others * others
            else:
                count = len(self._axes[name]) * self._count(position + 1, relevant)
            self._counts[key] = count
        return self._counts[key]
