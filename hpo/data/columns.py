"""Read some columns of a table's file, or the first rows, as they come.

It owns speed: nothing is checked, and what cannot be read `hpo.data.load` words.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hpo.data.cells import MISSING

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t")


class Columns(Protocol):
    """Some columns of a file; ``names`` are those there are, in order."""

    names: list[str]

    def read(self, names: Sequence[str], n_rows: int | None) -> pd.DataFrame:
        """Return the first rows, or all, of the named columns."""


class CsvColumns:
    """Columns of a CSV file; raises ValueError or OSError where it is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in file if line.strip()), "")
        bare = re.sub(r'"[^"]*"', "", first)
        self._separator = "," if "," in bare else max(SEPARATORS, key=bare.count)
        header = csv.reader([first], delimiter=self._separator, skipinitialspace=True)
        cells = enumerate(next(header, []))
        self.names = [name.strip() or f"Unnamed: {at}" for at, name in cells]
        if len(set(self.names)) != len(self.names):
            raise ValueError("names are not distinct")

    def read(self, names: Sequence[str], n_rows: int | None) -> pd.DataFrame:
        if n_rows is None and (found := self._read_fast(names)) is not None:
            return found
        import pandas as pd

        with warnings.catch_warnings():
            # Ragged rows are refused when the study is checked, with their line.
            warnings.simplefilter("ignore")
            return pd.read_csv(
                self._path,
                sep=self._separator,
                names=self.names,
                usecols=list(names),
                nrows=n_rows,
                header=0,
                index_col=False,
                skipinitialspace=True,
                encoding="utf-8-sig",
                na_values=sorted(MISSING),
                keep_default_na=False,
                low_memory=False,
            )

    def _read_fast(self, names: Sequence[str]) -> pd.DataFrame | None:
        """Read with all cores; None where the file is not plain enough for that."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        missing = sorted(MISSING)
        try:
            table = arrow.read_csv(
                self._path,
                read_options=arrow.ReadOptions(column_names=self.names, skip_rows=1),
                parse_options=arrow.ParseOptions(delimiter=self._separator),
                convert_options=arrow.ConvertOptions(
                    include_columns=list(names),
                    null_values=missing,
                    true_values=[],
                    false_values=[],
                    strings_can_be_null=True,
                    # Dates stay texts, as in the first rows.
                    timestamp_parsers=["%Q"],
                ),
            )
        except pa.ArrowInvalid:
            return None
        frame: pd.DataFrame = table.to_pandas()
        return frame


class ParquetColumns:
    """Columns of a Parquet file; raises ValueError or OSError where it is none."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(path)
        names = [str(name) for name in self._file.schema_arrow.names]
        self.names = [n for n in names if not re.fullmatch(r"__index_level_\d+__", n)]

    def read(self, names: Sequence[str], n_rows: int | None) -> pd.DataFrame:
        import pyarrow as pa

        columns = list(names)
        if n_rows is None:
            found = self._file.read(columns)
        else:
            schema = self._file.schema_arrow
            batch = next(self._file.iter_batches(n_rows, columns=columns), None)
            batches = [] if batch is None else [batch]
            found = pa.Table.from_batches(
                batches, pa.schema([schema.field(name) for name in columns])
            )
        for at, field in enumerate(found.schema):
            if pa.types.is_decimal(field.type):
                numbers = found.column(at).cast(pa.float64())
                found = found.set_column(at, field.name, numbers)
        frame: pd.DataFrame = found.to_pandas(ignore_metadata=True)
        return frame
