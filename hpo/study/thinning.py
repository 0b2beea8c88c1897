"""Grids on a budget: how many values of each range a grid has room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hpo.space import Categorical, Hyperparameter, Space, constant
from hpo.space.checks import MAX_CHOICES


def grid_within(space: Space, n_cells: int) -> Space:
    """Return a space whose grid has no more than so many cells, if ranges can do it.

    A grid that is small enough stays as it is. Otherwise every range gets the same
    number of points, the greatest that leaves the grid small enough, but never more
    than the values or ``points`` it has; then, in the order of the file, each gets one
    more if there is room. Choices are never left out: where they alone are too many,
    ranges have one point, and the grid stays too large.

    Args:
        space: Any space.
        n_cells: At least 1.

    Example:
        >>> from hpo.space import Float
        >>> made = grid_within(Space(x=Float(0, 1), y=Float(0, 1), z=["a", "b"]), 12)
        >>> [made.declared[name].points for name in "xy"], made.grid.count
        ([3, 2], 12)
    """
    most = {
        name: _most_points(hp, n_cells)
        for name, hp in space.declared.items()
        if not isinstance(hp, Categorical) and not constant(hp)
    }
    if not most or (has_grid(space) and space.grid.count <= n_cells):
        return space

    def fits(points: Mapping[str, int]) -> bool:
        return _with_points(space, points).grid.count <= n_cells

    level = dict.fromkeys(most, 1)
    while level != most:
        higher = {name: min(level[name] + 1, most[name]) for name in most}
        if not fits(higher):
            break
        level = higher
    for name in most:
        higher = {**level, name: min(level[name] + 1, most[name])}
        if higher != level and fits(higher):
            level = higher
    return _with_points(space, level)


def _most_points(hp: Hyperparameter, n_cells: int) -> int:
    values = hp.grid() if hp.grid() is not None else hp.values
    most = n_cells if values is None else min(len(values), n_cells)
    return min(most, MAX_CHOICES)


def _with_points(space: Space, points: Mapping[str, int]) -> Space:
    declared = {
        name: hp
        if isinstance(hp, Categorical) or name not in points
        else replace(hp, points=points[name])
        for name, hp in space.declared.items()
    }
    return Space(**declared)


def has_grid(space: Space) -> bool:
    """Tell whether a grid needs no more points."""
    return all(hp.grid() is not None for hp in space.declared.values())


def grid_words(space: Space, thinned: Space, n_trials: int) -> str:
    """Say how large a grid is, and what was thinned or left out of it."""
    points = [
        f"{name} {len(hp.grid() or ())}"
        for name, hp in thinned.declared.items()
        if hp != space.declared[name]
    ]
    count = thinned.grid.count
    words = f"The grid has {count:,} cells"
    if points:
        words += (
            f", with as many values as the budget has room for: {', '.join(points)}"
        )
    if count > n_trials:
        words += f"; only the first {n_trials:,} are tried, in the order of the file"
    return f"{words}."
