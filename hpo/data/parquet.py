"""Read a Parquet file, column by column as they are needed.

It owns what Arrow finds in such a file. It refuses files that are no Parquet and, if
they are used, columns with lists or fields inside.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.data.cells import Column
from hpo.data.files import opened
from hpo.data.frames import column_of, names_of
from hpo.data.tables import Table
from hpo.data.words import Rows, to_drop
from hpo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the index of a frame where it has no name."""


def read_parquet(path: Path, place: str) -> Table:
    """Read a Parquet file; its columns mean what those of a DataFrame mean.

    Args:
        path: The file.
        place: The file as the user wrote it, for messages.

    Raises:
        DataError: The file cannot be read, or is no table under distinct names.
    """
    table = _read(path, place)
    labels = [name for name in table.column_names if not _INDEX.fullmatch(name)]
    names = names_of(labels, place)
    if not table.num_rows:
        raise DataError(f"{place}: expected rows; there are none")

    def read(name: str) -> Column:
        return _column(table.column(name), name, place)

    return Table(place, tuple(names), read, Rows.counted(table.num_rows))


def _read(path: Path, place: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    with opened(path, place) as file:
        try:
            # Two columns of one name are read here, so that they can be named.
            return parquet.ParquetFile(file).read()
        except (pa.ArrowException, OSError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise DataError(
                f"{place}: expected a Parquet file; it cannot be read as one ({reason})"
            ) from error


def _column(cells: pa.ChunkedArray, name: str, place: str) -> Column:
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_nested(kind):
        raise DataError(
            f"{place}: column {name!r}: expected one value in a cell; got {kind}; "
            f"write its parts as columns of their own, or drop it ({to_drop([name])})"
        )
    return column_of(cells.to_pandas(), f"{place}: column {name!r}")
