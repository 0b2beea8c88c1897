"""How large the networks of a study are, worked out without making one.

It knows how the two MLP families count: weights and biases, and four numbers a neuron
in place of a bias with batch normalisation. Of other families it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from hpo.models.preparation import Preparation
from hpo.models.preprocessing import MAX_CATEGORIES
from hpo.models.settings import Settings
from hpo.models.vocabulary import KERAS, SKLEARN
from hpo.records import Params
from hpo.space import Categorical, Hyperparameter, Space
from hpo.study.prepare import Prepared


@dataclass(frozen=True)
class NetworkSizes:
    """Numbers of parameters.

    Args:
        n_inputs: Inputs of the network after preprocessing, in the first fold.
        default: Of the network of trial 0.
        smallest: Of the smallest network in the space; None if that is not known.
        largest: Of the largest one.
    """

    n_inputs: int
    default: int
    smallest: int | None
    largest: int | None


def network_sizes(prepared: Prepared) -> NetworkSizes | None:
    """Return how many parameters the networks have; None if the family has none."""
    if prepared.spec.model not in (KERAS, SKLEARN):
        return None
    n_inputs = _n_inputs(prepared)
    default = _size(prepared, prepared.defaults, n_inputs)
    corners = _corners(prepared.spec.space)
    sizes = [_size(prepared, params, n_inputs) for params in corners or ()]
    extremes = (min(sizes), max(sizes)) if sizes else (None, None)
    return NetworkSizes(n_inputs, default, *extremes)


def row_shape(prepared: Prepared) -> tuple[int, ...]:
    """Return the shape of one row of the first fold as trial 0 is shown it."""
    data = prepared.plan.data
    if prepared.family.takes_arrays and not data.is_table:
        return data.feature_shape
    n_inputs = _n_inputs(prepared)
    kept = Preparation.of(prepared.defaults).select_k
    return (n_inputs if kept is None else min(kept, n_inputs),)


def _n_inputs(prepared: Prepared) -> int:
    data = prepared.plan.data
    X: Any = data.X
    if not data.is_table:
        return prod(data.feature_shape)
    table = X.iloc[prepared.plan.folds[0][0]]
    return len(data.numeric) + sum(
        min(int(table[name].nunique(dropna=False)), MAX_CATEGORIES)
        for name in data.categorical
    )


def _size(prepared: Prepared, params: Params, n_inputs: int) -> int:
    settings, data = Settings.of(params), prepared.plan.data
    kept = Preparation.of(params).select_k
    n_before = n_inputs if kept is None else min(kept, n_inputs)
    batch_norm = settings.batch_norm and prepared.spec.model == KERAS
    total = 0
    for width in settings.widths:
        total += width * (n_before + (4 if batch_norm else 1))
        n_before = width
    n_outputs = data.n_outputs if data.classes is None else data.n_classes
    return total + (1 if n_outputs == 2 and data.n_classes else n_outputs) * (
        n_before + 1
    )


_SIZED = ("hidden_layers", "units", "batch_norm", "select_k")


def _corners(space: Space) -> list[Params] | None:
    """Return params among which the smallest and the largest network are.

    With the same number of layers a network only grows with each of its widths, so the
    ends of the ranges will do. None if conditions decide what goes with what.
    """
    chosen = {
        name: hp
        for name, hp in space.declared.items()
        if name in _SIZED or name.startswith("units_")
    }
    if any(hp.when for hp in chosen.values()):
        return None
    axes = [[(name, value) for value in _ends(name, hp)] for name, hp in chosen.items()]
    if prod(map(len, axes)) > 10_000:
        return None
    return [dict(_written_out(cell, chosen)) for cell in product(*axes)]


def _ends(name: str, hp: Hyperparameter) -> list[Any]:
    """Return the values that can make the smallest or the largest network."""
    if isinstance(hp, Categorical):
        values: list[Any] = [value for value in hp.choices if value is not None]
        if values and name not in ("hidden_layers", "batch_norm"):
            values = [*dict.fromkeys([min(values), max(values)])]
        return [*values, *([None] if None in hp.choices else [])]
    if name == "hidden_layers" and hp.values is not None:
        return [*hp.values]  # the family allows few
    return [*dict.fromkeys([hp.nearest(hp.low), hp.nearest(hp.high)])]


def _written_out(
    cell: tuple[tuple[str, Any], ...], chosen: dict[str, Hyperparameter]
) -> Iterator[tuple[str, Any]]:
    for name, value in cell:
        yield name, value
        if chosen[name].repeat is not None:
            yield from ((f"{name}_{layer}", value) for layer in range(64))
