"""New rows for a model that is there, read as the rows were that it was trained on.

It owns which columns a model takes (`Inputs`) and how a table, a file or an array
becomes its features. What a cell means is said by the readers that read the training
rows; nothing is guessed from the new rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpo.data.arrays import columns_of_arrays, open_arrays
from hpo.data.cells import MISSING, Column, read_cells, read_column
from hpo.data.csv_file import read_csv
from hpo.data.dates import PARTS, read_dates
from hpo.data.frames import column_of, names_of
from hpo.data.parquet import read_parquet
from hpo.data.tables import Table
from hpo.data.words import Rows, count, examples, listed, quoted, shortened
from hpo.errors import ExportError, near_match
from hpo.records import Dataset

if TYPE_CHECKING:
    import pandas as pd

InputKind: TypeAlias = Literal["number", "category", "date"]
KINDS = ("number", "category", "date")
MAX_SHOWN = 3
ROWS = "rows"
"""What rows are called in messages that come from no file."""


@dataclass(frozen=True)
class InputColumn:
    """A column that a model takes, as it is in a table.

    Args:
        name: Of the column.
        kind: What its cells are.
        parts: Of a date, those that are features, named ``<name>_<part>``.
        categories: Texts that the training rows had, sorted.
        whole: Whether the numbers of the training rows were all whole.
        typical: A cell as the training rows had them: the median, the most frequent
            category, an ISO date.
    """

    name: str
    kind: InputKind
    parts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    whole: bool = False
    typical: float | str | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are made of it."""
        if self.kind == "date":
            return tuple(f"{self.name}_{part}" for part in self.parts)
        return (self.name,)


@dataclass(frozen=True)
class Inputs:
    """What a model takes.

    Args:
        columns: In the order of its features; none if it takes arrays.
        shape: Of one example of an array, such as (28, 28); None for a table.
        array: Name of that array in an NPZ file; None if the study named none.
        others: Columns or arrays that the study used for something else.
    """

    columns: tuple[InputColumn, ...] = ()
    shape: tuple[int, ...] | None = None
    array: str | None = None
    others: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns; ``frame[inputs.names]`` has them in this order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class NewRows:
    """New rows as a model's preprocessing takes them.

    Args:
        X: Features as in `hpo.records.Dataset`.
        place: Where they are from, for messages.
        rows: How the user finds them.
        notes: What the user should know of them, one sentence each.
    """

    X: pd.DataFrame | NDArray[Any]
    place: str
    rows: Rows
    notes: tuple[str, ...] = ()

    def name(self, position: int) -> str:
        """Word one of them as ``new.csv: line 7``."""
        return f"{self.place}: {self.rows.name(position)}"

    def __len__(self) -> int:
        return len(self.X)


def inputs_of(
    data: Dataset, *, array: str | None = None, others: Sequence[str] = ()
) -> Inputs:
    """Return what a model takes that is trained on a data set.

    Args:
        data: The training rows.
        array: Name of the array of features in an NPZ file, if the study named one.
        others: Columns or arrays that are targets, groups or the order.
    """
    if not data.is_table:
        return Inputs(shape=data.feature_shape, array=array, others=tuple(others))
    X: Any = data.X
    columns: dict[str, InputColumn] = {}
    for name in map(str, X.columns):
        date = data.dates.get(name)
        if date is not None:
            part = name.removeprefix(f"{date}_")
            known = columns.get(date, InputColumn(date, "date"))
            columns[date] = replace(known, parts=(*known.parts, part))
        elif name in data.categorical:
            columns[name] = _category_input(name, X[name])
        else:
            columns[name] = _number_input(name, X[name].to_numpy(np.float64))
    dated = [
        replace(column, typical=_typical_date(column, X))
        if column.kind == "date"
        else column
        for column in columns.values()
    ]
    return Inputs(tuple(dated), array=array, others=tuple(others))


def _category_input(name: str, texts: pd.Series[Any]) -> InputColumn:
    counts = texts.dropna().astype(str).value_counts()
    known = tuple(sorted(map(str, counts.index)))
    typical = min(counts.index[counts == counts.max()]) if known else None
    return InputColumn(name, "category", categories=known, typical=typical)


def _number_input(name: str, values: NDArray[np.float64]) -> InputColumn:
    present = values[~np.isnan(values)]
    if not len(present):
        return InputColumn(name, "number")
    whole = bool((present == np.floor(present)).all())
    median = float(np.median(present))
    typical = float(np.floor(median)) if whole else median
    return InputColumn(name, "number", whole=whole, typical=typical)


def _typical_date(column: InputColumn, X: pd.DataFrame) -> str:
    """Return an ISO date with the parts of the first row that has one."""
    parts = X[list(column.features)].dropna()
    first = dict(zip(column.parts, parts.iloc[0], strict=True)) if len(parts) else {}
    year = int(first.get("year", 2000))
    day = int(first.get("day_of_year", 1)) - 1
    at = np.datetime64(f"{year:04}-01-01", "D") + np.timedelta64(day, "D")
    if "hour" not in first:
        return str(at)
    seconds = np.timedelta64(round(3600 * float(first["hour"])), "s")
    return f"{at.astype('datetime64[s]') + seconds}"


def typical_rows(inputs: Inputs) -> Any:
    """Return one row of typical values: medians and frequent categories, no real row.

    Returns:
        A DataFrame, or an array of one example of zeros.
    """
    if inputs.shape is not None:
        return np.zeros((1, *inputs.shape))
    import pandas as pd

    cells = {column.name: [column.typical] for column in inputs.columns}
    frame = pd.DataFrame(cells)
    for column in inputs.columns:
        kind: Any = np.float64 if column.kind == "number" else object
        frame[column.name] = frame[column.name].astype(kind)
    return frame


# Reading


def read_new_rows(rows: Any, inputs: Inputs) -> NewRows:
    """Read rows to be predicted.

    Columns are found by name, in any order; those that the model does not use are
    ignored. Cells mean what they mean in training: a missing number is imputed, a
    missing text is a category of its own, and a category that the training rows lacked
    is as the rare ones. Rows are never left out.

    Args:
        rows: A DataFrame; an array, of columns in the order of ``inputs`` or of
            examples; or the path of a ``.csv``, ``.parquet`` or ``.npz`` file.
        inputs: What the model takes.

    Raises:
        ExportError: Columns are missing, a cell is not what its column holds, or there
            are no rows.
        DataError: The file cannot be read.
    """
    if inputs.shape is not None:
        return _examples(rows, inputs)
    return _features(_as_table(rows, inputs), inputs)


def _as_table(rows: Any, inputs: Inputs) -> Table:
    import pandas as pd

    if isinstance(rows, str | Path):
        return _table_file(Path(rows), inputs)
    if isinstance(rows, pd.DataFrame):
        return _table_of_frame(rows)
    array = _as_array(rows)
    n_columns = len(inputs.columns)
    if array.ndim == 1 and n_columns == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != n_columns:
        raise ExportError(
            f"{ROWS}: expected an array of the shape (n, {n_columns}), of the columns "
            f"{listed(inputs.names)}; got {array.shape}; a DataFrame may have its "
            "columns in any order"
        )
    return _table_of_frame(pd.DataFrame(array, columns=inputs.names))


def _as_array(rows: Any) -> NDArray[Any]:
    if isinstance(rows, np.ndarray):
        return rows
    if isinstance(rows, list | tuple) and rows and not isinstance(rows[0], dict):
        try:
            return np.asarray(rows)
        except ValueError as error:
            raise ExportError(f"{ROWS}: expected an array; {error}") from error
    raise ExportError(
        f"{ROWS}: expected a DataFrame, an array or the path of a file; got "
        f"{'no rows' if isinstance(rows, list | tuple) and not rows else type(rows)}"
    )


def _table_of_frame(frame: pd.DataFrame) -> Table:
    names = names_of(list(frame.columns), ROWS)
    if not len(frame):
        raise ExportError(f"{ROWS}: expected rows; there are none")

    def read(name: str) -> Column:
        return column_of(frame.iloc[:, names.index(name)], f"{ROWS}: column {name!r}")

    return Table(ROWS, tuple(names), read, Rows.counted(len(frame)))


def _table_file(path: Path, inputs: Inputs) -> Table:
    place, suffix = str(path), path.suffix.lower()
    if suffix == ".csv":
        texts = [column.name for column in inputs.columns if column.kind != "number"]
        return read_csv(path, place, texts)
    if suffix == ".parquet":
        return read_parquet(path, place)
    if suffix == ".npz":
        with open_arrays(path, place) as (names, read):
            arrays = {n: read(n) for n in names if n not in inputs.others}
        return columns_of_arrays(arrays, place)
    raise ExportError(
        f"{place}: expected a .csv, .parquet or .npz file; save the rows as one"
    )


def _features(table: Table, inputs: Inputs) -> NewRows:
    """Make features of the columns of a table; all mistakes are told together."""
    import pandas as pd

    _refuse_missing(table, inputs)
    features: dict[str, NDArray[Any]] = {}
    problems: list[str] = []
    notes: list[str] = []
    for column in inputs.columns:
        try:
            made, note = _READERS[column.kind](column, table)
        except ExportError as error:
            problems.append(str(error))
            continue
        features |= made
        if note:
            notes.append(note)
    if problems:
        raise ExportError("\n".join(problems))
    frame = pd.DataFrame({n: pd.Series(v, dtype=v.dtype) for n, v in features.items()})
    return NewRows(frame, table.place, table.rows, tuple(notes))


def _refuse_missing(table: Table, inputs: Inputs) -> None:
    missing = [name for name in inputs.names if name not in table.names]
    if not missing:
        return
    spare = [name for name in table.names if name not in inputs.names]
    near = "".join(_near(name, spare) for name in missing)
    raise ExportError(
        f"{table.place}: {count(len(missing), 'column')} of the model missing: "
        f"{quoted(missing, len(missing))}{near}; it has {quoted(table.names)}"
    )


def _near(name: str, names: Sequence[str]) -> str:
    found = near_match(name, names).removeprefix("; did you mean ").removesuffix("?")
    return f"; is {found} meant for {name!r}?" if found else ""


def _numbers(
    column: InputColumn, table: Table
) -> tuple[dict[str, NDArray[Any]], str | None]:
    read = table.read(column.name)
    # A column of categories is one of numbers if that is what they are.
    cells = read_cells(read.texts) if read.category else read_column(read)
    _refuse_odd(column, table, read, cells.odd, "expected numbers")
    _refuse_odd(column, table, read, cells.infinite, "expected finite numbers")
    return {column.name: cells.numbers}, None


def _categories(
    column: InputColumn, table: Table
) -> tuple[dict[str, NDArray[Any]], str | None]:
    read = table.read(column.name)
    texts, known = read.texts, set(column.categories)
    # A column of whole numbers becomes one of fractions where a cell is missing.
    renamed = {t: t[:-2] for t in set(texts) - known if t.endswith(".0")}
    renamed = {text: whole for text, whole in renamed.items() if whole in known}
    if renamed and not isinstance(read.cells, list):
        texts = [renamed.get(text, text) for text in texts]
    values = np.array([None if t in MISSING else t for t in texts], object)
    unseen = set(texts) - MISSING - known
    if not unseen:
        return {column.name: values}, None
    n_rows = sum(text in unseen for text in texts)
    first = [repr(shortened(text)) for text in dict.fromkeys(texts) if text in unseen]
    note = (
        f"{column.name}: {count(n_rows, 'row')} with a category that the training rows "
        f"do not have ({listed(first, MAX_SHOWN)})"
    )
    return {column.name: values}, note


def _dates(
    column: InputColumn, table: Table
) -> tuple[dict[str, NDArray[Any]], str | None]:
    read = table.read(column.name)
    texts = read.texts
    dates = read_dates(texts)
    present = [at for at, text in enumerate(texts) if text not in MISSING]
    odd = dates.odd if dates is not None else present
    _refuse_odd(column, table, read, odd, "expected ISO dates (2024-01-31)")
    if dates is None:
        parts: Mapping[str, NDArray[Any]] = dict.fromkeys(
            PARTS, np.full(len(texts), np.nan)
        )
    else:
        parts = dates.parts(texts)
    return {f"{column.name}_{part}": parts[part] for part in column.parts}, None


_READERS = {"number": _numbers, "category": _categories, "date": _dates}


def _refuse_odd(
    column: InputColumn, table: Table, read: Column, odd: Sequence[int], expected: str
) -> None:
    if odd:
        got = examples(odd, read.texts, table.rows)
        raise ExportError(
            f"{table.place}: column {column.name!r}: {expected}; got {got}; mend those "
            "cells (decimals take a point), or leave them empty"
        )


# Examples that are no rows of a table


def _examples(rows: Any, inputs: Inputs) -> NewRows:
    place = ROWS
    if isinstance(rows, str | Path):
        place = str(rows)
        rows = _array_file(Path(rows), inputs)
    array = _as_array(rows)
    assert inputs.shape is not None
    expected = ", ".join(map(str, ("n", *inputs.shape)))
    if array.shape[1:] != inputs.shape:
        raise ExportError(
            f"{place}: expected an array of the shape ({expected}); got {array.shape}"
        )
    if array.dtype.kind not in "biuf":
        raise ExportError(f"{place}: expected numbers; got dtype {array.dtype}")
    if not len(array):
        raise ExportError(f"{place}: expected rows; there are none")
    array = np.asarray(array, np.float64)
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ExportError(
            f"{place}: expected finite numbers; row {row + 1} holds others; fill them "
            "in, or leave those rows out"
        )
    return NewRows(array, place, Rows.counted(len(array)))


def _array_file(path: Path, inputs: Inputs) -> NDArray[Any]:
    place = str(path)
    if path.suffix.lower() != ".npz":
        raise ExportError(
            f"{place}: expected a .npz file with an array; numpy.savez writes one"
        )
    with open_arrays(path, place) as (names, read):
        left = [name for name in names if name not in inputs.others]
        wanted = inputs.array or ("X" if "X" in left else None)
        if wanted is None and len(left) == 1:
            (wanted,) = left
        if wanted is None or wanted not in names:
            raise ExportError(
                f"{place}: expected an array {(wanted or 'X')!r}; it has "
                f"{quoted(names)}{near_match(wanted or 'X', names)}"
            )
        return read(wanted)
