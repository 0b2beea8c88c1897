"""Read a DataFrame as the table it would be as a CSV file.

It owns which types of columns are understood: numbers, booleans, texts, categories and
dates, each with missing values. It refuses columns of anything else, if they are used.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.cells import Column
from hpo.data.tables import Table, to_dataset
from hpo.data.wish import Wish
from hpo.data.words import Rows, listed, quoted
from hpo.errors import DataError
from hpo.records import Dataset

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MAX_KINDS = 3
_EXPECTED = "expected numbers, booleans, texts or dates"


def from_frame(frame: pd.DataFrame, wish: Wish) -> Dataset:
    """Make the data set of a study from a DataFrame; its index is not used.

    Columns mean what they would mean in a CSV file, but for those of dtype category,
    which are categorical whatever is in them. The frame is not changed.

    Args:
        frame: A row for each example, the targets among its columns.
        wish: What each column is for.

    Raises:
        DataError: A column is unknown or cannot be what it is meant to be.
    """
    place = wish.source
    names = names_of(list(frame.columns), place)
    if not len(frame):
        raise DataError(f"{place}: expected rows; there are none")

    def read(name: str) -> Column:
        return column_of(frame.iloc[:, names.index(name)], f"{place}: column {name!r}")

    rows = Rows.counted(len(frame))
    return to_dataset(Table(place, tuple(names), read, rows), wish)


def names_of(labels: Sequence[Any], place: str) -> list[str]:
    """Return the names of columns as texts.

    Raises:
        DataError: There is none, two are the same, or they have several levels.
    """
    if any(isinstance(label, tuple) for label in labels):
        raise DataError(f"{place}: expected column names of one level; got tuples")
    names = [str(label) for label in labels]
    if not names:
        raise DataError(f"{place}: expected columns; there are none")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        problem = f"expected distinct column names; found twice: {quoted(twice)}"
        raise DataError(f"{place}: {problem}; rename one")
    return names


def column_of(series: pd.Series[Any], place: str) -> Column:
    """Turn a column of any dtype into texts or numbers.

    Args:
        series: The column, with any index.
        place: Words for the column, for messages.

    Raises:
        DataError: It holds something else.
    """
    import pandas as pd

    types = pd.api.types
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        labels = column_of(pd.Series(dtype.categories), place).texts
        codes = series.cat.codes.to_numpy()
        return Column([labels[code] if code >= 0 else "" for code in codes], True)
    if str(dtype).startswith(("date32", "date64")):  # Arrow's dates without a time
        return _objects(series.astype(object), place)
    if types.is_bool_dtype(dtype):
        return Column(_booleans(series))
    if types.is_complex_dtype(dtype):
        raise DataError(_refusal(place, f"complex numbers (dtype {dtype})"))
    if types.is_numeric_dtype(dtype):
        return Column(_numbers(series))
    if types.is_datetime64_any_dtype(dtype):
        return Column(_instants(series))
    if types.is_string_dtype(dtype) or types.is_object_dtype(dtype):
        return _objects(series, place)
    raise DataError(_refusal(place, f"dtype {dtype}"))


def _refusal(place: str, got: str) -> str:
    return (
        f"{place}: {_EXPECTED}; got {got}; turn it into one of those, or leave the "
        "column out (data.drop)"
    )


def _booleans(series: pd.Series[Any]) -> list[str]:
    missing = series.isna().to_numpy()
    words = {True: "true", False: "false"}
    cells = series.to_numpy(object)
    return [
        "" if gone else words[bool(cell)]
        for cell, gone in zip(cells, missing, strict=True)
    ]


def _numbers(series: pd.Series[Any]) -> NDArray[Any]:
    import pandas as pd

    if isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    if pd.api.types.is_integer_dtype(series.dtype) and not series.isna().any():
        # Whole numbers beyond 2**53 may be classes or groups.
        unsigned = pd.api.types.is_unsigned_integer_dtype(series.dtype)
        return series.to_numpy(np.uint64 if unsigned else np.int64)
    return series.to_numpy(np.float64, na_value=np.nan)


def _instants(series: pd.Series[Any]) -> list[str]:
    import pandas as pd

    aware = getattr(series.dt, "tz", None) is not None
    if aware:
        series = series.dt.tz_convert("UTC")
    naive = series.dt.tz_localize(None) if aware else series
    missing = naive.isna().to_numpy()
    instants = pd.to_datetime(naive).to_numpy("datetime64[us]")
    texts = np.datetime_as_string(instants, unit="us").tolist()
    zone = "+00:00" if aware else ""
    return [
        "" if gone else f"{text}{zone}"
        for text, gone in zip(texts, missing, strict=True)
    ]


def _objects(series: pd.Series[Any], place: str) -> Column:
    """Read Python objects, which must be of one kind."""
    cells = series.to_numpy(object)
    missing = series.isna().to_numpy()
    kinds = Counter(map(_kind, cells[~missing]))
    if not kinds:
        return Column([""] * len(cells))
    (kind, _), *others = kinds.most_common()
    if others:
        got = listed((f"{name} ({n})" for name, n in kinds.most_common()), MAX_KINDS)
        raise DataError(_refusal(place, f"a mix of {got}"))
    if kind not in _AS_TEXT:
        raise DataError(_refusal(place, f"objects of type {kind}"))
    word = _AS_TEXT[kind]
    return Column(
        ["" if gone else word(cell) for cell, gone in zip(cells, missing, strict=True)]
    )


def _kind(cell: object) -> str:
    if isinstance(cell, str):
        return "texts"
    if isinstance(cell, bool | np.bool_):
        return "booleans"
    if isinstance(cell, int | float | np.integer | np.floating | Decimal):
        return "numbers"
    return "dates" if isinstance(cell, datetime.date) else type(cell).__name__


_AS_TEXT: dict[str, Any] = {
    # As in a file, where spaces around a text do not count.
    "texts": str.strip,
    "booleans": lambda cell: str(bool(cell)).lower(),
    "numbers": str,
    "dates": lambda cell: cell.isoformat(),
}
