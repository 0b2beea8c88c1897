"""Turn arrays by name, as an NPZ file holds them, into the data set of a study.

It owns which array is what, and how their columns are called. Arrays of one or two axes
make a table and are read by the rules of tables; a feature array of more axes stays an
array. It unpacks no pickle.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hpo.data.array_roles import Roles, check_arrays, choose_arrays, flat_target
from hpo.data.cells import Column
from hpo.data.features import choose_features
from hpo.data.files import opened
from hpo.data.frames import column_of
from hpo.data.tables import Table, to_dataset
from hpo.data.wish import Wish
from hpo.data.words import Rows, count, listed
from hpo.errors import DataError
from hpo.records import Dataset

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

_ROW = "row of the array"
"""Column that stands for an array of many axes while the rows are chosen."""


def load_npz(wish: Wish) -> Dataset:
    """Load an NPZ file, as ``numpy.savez`` writes it.

    The target is the array ``y`` unless the wish names another one, the features are
    ``X``, or the only other array. Features may be numbers, texts or dates in arrays of
    shape (n_rows,) or (n_rows, n_columns), side by side; or numbers in one array of
    more axes, (n_rows, ...).

    Raises:
        DataError: The file is no NPZ file, holds pickles, or an array is missing or
            cannot be what it is meant to be.
    """
    place = wish.source
    with open_arrays(wish.home.folder / place, place) as (names, read):
        roles = choose_arrays(names, wish)
        arrays = {name: read(name) for name in roles.used}
    return from_arrays(arrays, roles, wish)


@contextmanager
def open_arrays(
    path: Path, place: str
) -> Iterator[tuple[list[str], Callable[[str], NDArray[Any]]]]:
    """Open an NPZ file; yield the names of its arrays, and what reads one of them.

    Args:
        path: The file.
        place: The file as the user wrote it, for messages.

    Raises:
        DataError: It is no NPZ file, or an array in it cannot be read.
    """
    with opened(path, place) as file, _archive(file, place) as npz:
        yield list(npz.files), lambda name: _read(npz, name, place)


def columns_of_arrays(arrays: Mapping[str, NDArray[Any]], place: str) -> Table:
    """Return arrays of one or two axes as a table; other ones are left out.

    Columns are called as those of an NPZ file that a study learns from.

    Raises:
        DataError: Two columns have the same name, or arrays differ in length.
    """
    columns = _Columns(place)
    lengths = {}
    for name, array in arrays.items():
        if array.ndim in (1, 2):
            columns.add(name, array)
            lengths[name] = len(array)
    if len(set(lengths.values())) > 1:
        got = listed(f"{name} has {count(n, 'row')}" for name, n in lengths.items())
        raise DataError(f"{place}: expected arrays of the same length; {got}")
    n_rows = next(iter(lengths.values()), 0)
    if not n_rows:
        raise DataError(f"{place}: expected rows; there are none")
    return Table(place, tuple(columns.views), columns.read, Rows.counted(n_rows))


@contextmanager
def _archive(file: BinaryIO, place: str) -> Iterator[NpzFile]:
    expected = f"{place}: expected a file that numpy.savez wrote"
    try:
        archive: Any = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{expected}; it cannot be read as one") from error
    if isinstance(archive, np.ndarray):
        way_out = "save it with numpy.savez(file, X=..., y=...)"
        raise DataError(f"{expected}; this is a single array; {way_out}")
    with archive:
        if not archive.files:
            raise DataError(f"{expected}; it holds no array")
        yield archive


def _read(npz: NpzFile, name: str, place: str) -> NDArray[Any]:
    try:
        array = npz[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise DataError(_damaged(place, name)) from error
        raise DataError(
            f"{place}: array {name!r}: expected numbers or texts; got Python objects "
            "(dtype object), which are pickled and could run any code; save it with a "
            "dtype of its own, for example array.astype(float) or array.astype(str)"
        ) from None
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(_damaged(place, name)) from error
    except (RuntimeError, MemoryError) as error:
        reason = "it is too large for the memory"
        if isinstance(error, RuntimeError):  # encrypted, or packed in a strange way
            reason = str(error)
        problem = f"array {name!r} cannot be read: {reason}"
        raise DataError(f"{place}: {problem}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(_damaged(place, name))
    return array


def _damaged(place: str, name: str) -> str:
    return f"{place}: array {name!r} cannot be read: the file is damaged; save it again"


@dataclass(frozen=True)
class _Columns:
    """Columns of a table by name, each a view of an array, shape (n_rows,)."""

    place: str
    views: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(
        self, name: str, array: NDArray[Any], labels: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Add an array of one or two axes, and return how its columns are called."""
        if array.ndim == 1:
            views, names = [array], [name]
        else:
            views = list(array.T)
            names = list(labels or map(_column_name(name).format, range(len(views))))
        if len(names) != len(views):
            got = f"{count(len(names), 'name')} for {count(len(views), 'column')}"
            problem = f"expected a name for each column; got {got}, {listed(names)}"
            raise DataError(f"{self.place}: array {name!r}: {problem}")
        for column, view in zip(names, views, strict=True):
            if column in self.views and self.views[column] is not view:
                raise DataError(
                    f"{self.place}: array {name!r}: two columns are called {column!r}; "
                    "rename an array"
                )
            self.views[column] = view
        return tuple(names)

    def read(self, name: str) -> Column:
        import pandas as pd

        return column_of(pd.Series(self.views[name]), f"{self.place}: column {name!r}")


def _column_name(array: str) -> str:
    """Return a pattern for columns: x0, x1 of ``X``; rain_0, rain_1 of ``rain``."""
    array = array.replace("{", "{{").replace("}", "}}")
    return f"{array.lower()}{{}}" if len(array) == 1 else f"{array}_{{}}"


def from_arrays(
    arrays: Mapping[str, NDArray[Any]],
    roles: Roles,
    wish: Wish,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """Make the data set of a study from arrays.

    Args:
        arrays: By name, at least those that the roles name; views of them are kept.
        roles: Which array is what.
        wish: Its source and its task; its names are left to ``roles``.
        labels: Names of the columns of an array of two axes, by array; left out where
            they are made from the name of the array.

    Raises:
        DataError: An array cannot be what it is meant to be.
    """
    place, labels = wish.source, labels or {}
    check_arrays(arrays, roles, wish)
    targets = {name: flat_target(arrays[name]) for name in roles.targets}
    columns = _Columns(place)
    deep = next((n for n in roles.features if arrays[n].ndim > 2), None)
    features: list[str] = []
    for name in roles.features if deep is None else ():
        features += columns.add(name, arrays[name], labels.get(name))
    names: list[str] = []
    for name, y in targets.items():
        names += columns.add(name, y, labels.get(name))
    for other in (roles.group, roles.order):
        if other is not None:
            columns.add(other, arrays[other])
    n_rows = len(arrays[roles.targets[0]])
    chosen = choose_features(
        features if deep is None else [deep], None, None, roles.drop, place
    )
    if deep is not None:
        # Not whole numbers, which would seem to number the rows.
        columns.add(_ROW, np.arange(n_rows) + 0.5)
        chosen = [_ROW]
    table = Table(place, tuple(columns.views), columns.read, Rows.counted(n_rows))
    wish = replace(
        wish,
        targets=tuple(names),
        features=tuple(chosen),
        drop=(),
        group=roles.group,
        order=roles.order,
    )
    dataset = to_dataset(table, wish)
    return dataset if deep is None else _with_array(dataset, arrays[deep], deep, place)


def _with_array(
    dataset: Dataset, array: NDArray[Any], name: str, place: str
) -> Dataset:
    """Put an array of many axes in the place of the column that stood for it."""
    X: Any = dataset.X
    rows = (X[_ROW].to_numpy() - 0.5).astype(np.intp)
    if not np.array_equal(rows, np.arange(len(array))):
        array = array[rows]
    array = np.asarray(array, np.float64)
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise DataError(
            f"{place}: array {name!r}: expected finite numbers; row {row + 1} holds "
            "others; fill them in, or leave those rows out"
        )
    return replace(dataset, X=array, numeric=(), categorical=())
