"""Turn what a function of the user's returns into the data set of a study.

It owns which values are data: a DataFrame with the targets among its columns; features
and targets as a pair ``(X, y)``; and a dict, or a Bunch of scikit-learn's, that names
them. What the parts mean is said by the rules of tables and of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.array_roles import Roles, check_arrays, flat_target
from hpo.data.arrays import from_arrays
from hpo.data.frames import from_frame
from hpo.data.wish import Wish
from hpo.data.words import count, listed, quoted
from hpo.errors import DataError
from hpo.records import Dataset

if TYPE_CHECKING:
    import pandas as pd

EXPECTED = "expected a DataFrame, a pair (X, y), or a dict with 'X' and 'y'"
GROUPS = "groups"


@dataclass(frozen=True)
class _Parts:
    """Features and targets as they were returned, and what their columns are called."""

    X: Any
    y: Any
    groups: Any = None
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[str, ...] | None = None


def dataset_of(returned: Any, wish: Wish) -> Dataset:
    """Make the data set of a study from what a function returned.

    Args:
        returned: A DataFrame; a tuple (X, y); a mapping with ``X``, ``y`` and, if rows
            belong together, ``groups``; or one with ``data`` and ``target`` such as
            scikit-learn's Bunch. X and y may be arrays, lists, DataFrames or Series.
        wish: What each column is for. Columns of an array are called x0, x1, ...

    Raises:
        DataError: It is nothing of the kind, or the parts cannot be used.
    """
    import pandas as pd

    if isinstance(returned, pd.DataFrame):
        return from_frame(returned, wish)
    parts = _parts(returned, wish)
    if parts.groups is not None and wish.group is not None:
        raise DataError(
            f"data.group: {wish.source} returns groups of its own; remove "
            f"{wish.group!r}"
        )
    n_rows = {
        name: _length(part, name, wish.source)
        for name, part in (("X", parts.X), ("y", parts.y), (GROUPS, parts.groups))
        if part is not None
    }
    if len(set(n_rows.values())) > 1:
        got = listed(f"{name} has {count(n, 'row')}" for name, n in n_rows.items())
        raise DataError(f"{wish.source}: expected the same number of rows; {got}")
    if isinstance(parts.X, np.ndarray) and parts.X.ndim > 2:
        return _of_many_axes(parts, wish)
    return _of_table(parts, wish)


def _parts(returned: Any, wish: Wish) -> _Parts:
    place = wish.source
    if isinstance(returned, tuple) and len(returned) == 2:
        X, y = returned
        return _Parts(_array(X, "X", place), _array(y, "y", place))
    if isinstance(returned, tuple):
        got = f"a tuple of {count(len(returned), 'value')}"
    elif isinstance(returned, Mapping):
        if {"data", "target"} <= returned.keys() and "X" not in returned:
            return _of_bunch(returned, wish)
        if {"X", "y"} <= returned.keys() <= {"X", "y", GROUPS}:
            X, y, groups = (
                None
                if returned.get(name) is None
                else _array(returned[name], name, place)
                for name in ("X", "y", GROUPS)
            )
            if X is not None and y is not None:
                return _Parts(X, y, groups)
        got = f"a dict with {quoted(returned)}"
    else:
        got = (
            "None" if returned is None else f"a value of type {type(returned).__name__}"
        )
    raise DataError(
        f"data.source: {place}: {EXPECTED}, and 'groups' if there are any; it "
        f"returned {got}"
    )


def _of_bunch(bunch: Mapping[str, Any], wish: Wish) -> _Parts:
    X = _array(bunch["data"], "data", wish.source)
    y = _array(bunch["target"], "target", wish.source)
    names = bunch.get("feature_names")
    labels = bunch.get("target_names")
    if labels is None or wish.task == "regression":
        return _Parts(X, y, None, _names(names))
    codes = np.asarray(y)
    if codes.ndim == 1 and codes.dtype.kind in "iu" and len(codes):
        if codes.min() >= 0 and 1 < len(labels) > codes.max():
            y = np.asarray(labels)[codes]
        return _Parts(X, y, None, _names(names), ("target",))
    several = isinstance(y, np.ndarray) and y.ndim == 2
    return _Parts(X, y, None, _names(names), _names(labels) if several else None)


def _names(names: Any) -> tuple[str, ...] | None:
    return None if names is None else tuple(str(name) for name in names)


def _array(part: Any, name: str, place: str) -> Any:
    """Return a DataFrame or Series as it is, and anything else as an array."""
    import pandas as pd

    if isinstance(part, pd.DataFrame | pd.Series):
        return part
    if hasattr(part, "tocsr"):
        raise DataError(
            f"{place}: {name}: expected a dense array; got a sparse one; return "
            f"{name}.toarray()"
        )
    if isinstance(part, np.ma.MaskedArray):
        return np.ma.filled(part.astype(np.float64), np.nan)
    try:
        array = np.asarray(part)
    except ValueError as error:
        said = " ".join(str(error).split())
        raise DataError(f"{place}: {name}: expected an array; {said}") from error
    return array


def _length(part: Any, name: str, place: str) -> int:
    if part.ndim:
        return len(part)
    raise DataError(
        f"{place}: {name}: expected an array of rows; got a value of type "
        f"{type(part.item()).__name__}"
    )


def _of_many_axes(parts: _Parts, wish: Wish) -> Dataset:
    columns = {
        "features": wish.features,
        "drop": wish.drop,
        "group": wish.group,
        "order": wish.order,
    }
    if named := next((key for key, value in columns.items() if value), None):
        raise DataError(
            f"data.{named}: {wish.source} returns X of the shape {parts.X.shape}, so "
            "there are no columns to name; remove this key"
        )
    name = wish.targets[0] if len(wish.targets) == 1 else "y"
    arrays = {"X": parts.X, name: np.asarray(parts.y)}
    if parts.groups is not None:
        arrays[GROUPS] = np.asarray(parts.groups)
    group = None if parts.groups is None else GROUPS
    labels = {"y": wish.targets} if len(wish.targets) > 1 else {}
    return from_arrays(arrays, Roles((name,), ("X",), group), wish, labels=labels)


def _of_table(parts: _Parts, wish: Wish) -> Dataset:
    import pandas as pd

    X = _frame(parts.X, parts.feature_names, "x", "X", wish)
    if isinstance(parts.y, np.ndarray):
        check_arrays({"y": parts.y}, Roles(("y",), ()), wish)
    asked = wish.targets if isinstance(parts.y, np.ndarray) else ()
    answers = flat_target(parts.y) if isinstance(parts.y, np.ndarray) else parts.y
    y = _frame(answers, parts.target_names or asked or None, "y", "y", wish)
    targets = wish.targets or tuple(y.columns)
    frames = [X, y[[name for name in y.columns if name in targets]]]
    if parts.groups is not None:
        groups = pd.Series(np.asarray(parts.groups), name=GROUPS)
        frames.append(groups.to_frame())
        wish = replace(wish, group=GROUPS)
    both = set(X.columns) & {name for frame in frames[1:] for name in frame.columns}
    if both:
        raise DataError(
            f"{wish.source}: X has {quoted(sorted(both))} as well, which is not a "
            "feature; leave it out of X"
        )
    return from_frame(pd.concat(frames, axis=1), replace(wish, targets=targets))


def _frame(
    part: Any, names: Sequence[str] | None, letter: str, what: str, wish: Wish
) -> pd.DataFrame:
    """Return a part as a table with rows 0, 1, ... and names for its columns."""
    import pandas as pd

    if isinstance(part, pd.Series):
        name = letter if part.name is None else str(part.name)
        part = part.rename(name).to_frame()
    if isinstance(part, pd.DataFrame):
        return part.reset_index(drop=True).rename(columns=str)
    if part.ndim > 2:
        raise DataError(f"{wish.source}: {what}: expected columns; got {part.shape}")
    if part.ndim == 1:
        part = part[:, None]
        names = names or (letter if letter == "y" else "x0",)
    n_columns = part.shape[1]
    names = names or [f"{letter}{index}" for index in range(n_columns)]
    if len(names) != n_columns:
        raise DataError(
            f"{wish.source}: {what}: {count(n_columns, 'column')} and "
            f"{count(len(names), 'name')}, {listed(names)}; give one for each"
        )
    return pd.DataFrame(part, columns=list(names), copy=False)
