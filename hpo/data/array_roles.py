"""Say which of some arrays is what, and whether it can be that.

It owns the roles of arrays and the shapes and types that each may have. It reads no
file and turns nothing into a data set: that is `hpo.data.arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.data.wish import Wish
from hpo.data.words import count, listed, quoted
from hpo.errors import DataError, near_match


@dataclass(frozen=True)
class Roles:
    """Names of arrays by what they are for; ``group`` and ``order`` may be None."""

    targets: tuple[str, ...]
    features: tuple[str, ...]
    group: str | None = None
    order: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        others = [name for name in (self.group, self.order) if name is not None]
        return tuple(dict.fromkeys((*self.features, *self.targets, *others)))


def choose_arrays(names: Sequence[str], wish: Wish) -> Roles:
    """Say which array is what.

    Raises:
        DataError: A name is unknown or contradicts another one, or it is not clear
            which arrays are the features.
    """
    targets = wish.targets or ("y",)
    asked = [("data.target", name) for name in targets]
    asked += [("data.features", name) for name in wish.features or ()]
    asked += [("data.group", wish.group)] if wish.group is not None else []
    asked += [("data.order", wish.order)] if wish.order is not None else []
    has = f"{wish.source} has {listed(names)}"
    problems = [
        f"{where}: no array is named {name!r}{near_match(name, names)}; {has}"
        for where, name in asked
        if name not in names
    ]
    apart = [*targets, *(n for n in (wish.group, wish.order) if n is not None)]
    if twice := sorted({name for name in apart if apart.count(name) > 1}):
        problems.append(f"data.target: {quoted(twice)} named for two things; name each")
    for name in wish.features or ():
        if name in (*targets, wish.group):
            what = "the target" if name in targets else "the group"
            problems.append(f"data.features: {name!r} is {what}; remove it here")
        elif name in wish.drop:
            problems.append(f"data.drop: {name!r} is chosen in data.features as well")
    problems += [
        f"data.drop: {name!r} is the target; do not drop it"
        for name in targets
        if name in wish.drop
    ]
    if problems:
        raise DataError("\n".join(problems))
    features = wish.features
    if features is None:
        left = [n for n in names if n not in apart and n not in wish.drop]
        features = _default_features(left, has)
    drop = tuple(name for name in wish.drop if name not in names)
    return Roles(tuple(targets), features, wish.group, wish.order, drop)


def _default_features(left: Sequence[str], has: str) -> tuple[str, ...]:
    if "X" in left:
        return ("X",)
    if len(left) == 1:
        return (left[0],)
    what = "it is not clear which" if left else "no other array is left"
    raise DataError(f"data.features: expected names of arrays; {what}; {has}")


def check_arrays(arrays: Mapping[str, NDArray[Any]], roles: Roles, wish: Wish) -> None:
    """Refuse arrays that cannot be what they are meant to be.

    Raises:
        DataError: With the array, what was expected of it and what it is.
    """
    _check_shapes(wish.source, arrays, roles)
    for name in roles.targets:
        place = f"{wish.source}: target {name!r}"
        _check_target(place, flat_target(arrays[name]), wish)


def _check_shapes(place: str, arrays: Mapping[str, NDArray[Any]], roles: Roles) -> None:
    for name in roles.used:
        array = arrays[name]
        problem = None
        if array.ndim == 0:
            problem = "expected an array of rows; got a single value"
        elif array.dtype.kind not in "biufUTMO":
            problem = f"expected numbers, texts or dates; got dtype {array.dtype}"
        elif name in (roles.group, roles.order) and array.ndim != 1:
            problem = f"expected one value for each row; got the shape {array.shape}"
        elif name in roles.targets and array.ndim > 2:
            problem = f"expected a target of one or two axes; got {array.shape}"
        elif 0 in array.shape[1:]:
            problem = f"expected columns; got the shape {array.shape}"
        elif array.ndim > 2 and len(roles.features) > 1:
            problem = (
                f"an array of the shape {array.shape} must be the only feature; got "
                f"{listed(roles.features)} in data.features"
            )
        elif array.ndim > 2 and array.dtype.kind not in "biuf":
            problem = f"expected numbers; got dtype {array.dtype}"
        if problem:
            raise DataError(f"{place}: array {name!r}: {problem}")
    lengths = {name: len(arrays[name]) for name in roles.used}
    if len(set(lengths.values())) > 1:
        got = listed(f"{name} has {count(n, 'row')}" for name, n in lengths.items())
        raise DataError(f"{place}: expected arrays of the same length; {got}")
    if not next(iter(lengths.values())):
        raise DataError(f"{place}: expected rows; there are none")


def flat_target(y: NDArray[Any]) -> NDArray[Any]:
    """Return shape (n_rows,) for (n_rows, 1), and other shapes as they are."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _check_target(place: str, y: NDArray[Any], wish: Wish) -> None:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y.reshape(len(y), -1)).all(axis=1))[0])
        raise DataError(
            f"{place}: expected finite numbers; got {y[row].tolist()} in row "
            f"{row + 1}; mend those rows or leave them out"
        )
    if y.ndim == 1 or wish.task == "regression":
        return
    if y.dtype.kind not in "biuf":
        raise DataError(f"{place}: several targets must be numbers; got {y.dtype}")
    one_hot = bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
    if one_hot or wish.task == "classification":
        what = "one-hot codes" if one_hot else "several columns"
        regression = "" if wish.task else ", or say task: regression"
        raise DataError(
            f"{place}: expected a class label for each row, shape ({len(y)},); got "
            f"{what}, shape {y.shape}; give y.argmax(axis=1) instead{regression}"
        )
