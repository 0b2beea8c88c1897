"""Glance at a table: what its columns seem to be, before a study says what they are.

It owns guesses, made from the first rows and from the few columns that need all of
them. It decides nothing and refuses little: `hpo.data.load` judges what is used.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from hpo.data.cells import BOOLEANS, has_comma
from hpo.data.columns import Columns, CsvColumns, ParquetColumns
from hpo.data.dates import is_unclear, read_dates
from hpo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 2000
SUFFIXES = (".csv", ".parquet")

Kind: TypeAlias = Literal[
    "number", "boolean", "text", "date", "unclear", "mixed", "empty"
]

_ID_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|key|index|rowid)$|[a-z](ID|Id)$", re.I)


@dataclass(frozen=True)
class Column:
    """What one column seems to be.

    Args:
        name: As in the header, without the spaces around it.
        head: Its first cells, `SAMPLE_ROWS` at most.
        read: Returns all cells; slow unless they are at hand.
        at_hand: Whether all cells have been read already.
    """

    name: str
    head: pd.Series
    read: Callable[[], pd.Series]
    at_hand: bool

    @cached_property
    def kind(self) -> Kind:
        """What the cells are, going by the first ones where the others are not read.

        ``mixed`` is numbers or dates with other texts among them, ``unclear`` dates
        that are read in two ways; no network can learn from either.
        """
        return _kind_of(self.cells if self.at_hand else self.head)

    @cached_property
    def cells(self) -> pd.Series:
        """All cells, shape (n_rows,)."""
        return self.read()

    @cached_property
    def present(self) -> pd.Series:
        """The cells that are not missing."""
        return self.cells.dropna()

    @cached_property
    def n_distinct(self) -> int:
        """How many distinct values there are, missing ones aside."""
        return int(self.present.nunique())

    @cached_property
    def constant(self) -> bool:
        """Whether there is one distinct value at most."""
        return self.head.nunique() <= 1 and self.n_distinct <= 1

    @cached_property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        if self.kind != "number":
            return False
        head = self.head.dropna()
        if not bool((head % 1 == 0).all()):
            return False
        return len(self.present) > 0 and bool((self.present % 1 == 0).all())

    @cached_property
    def infinite(self) -> bool:
        """Whether a number is infinite, as far as it has been read."""
        import numpy as np

        cells = self.cells if self.at_hand else self.head
        return self.kind == "number" and bool(np.isinf(cells).any())

    @property
    def named_id(self) -> bool:
        """Whether it is called an id, as ``patient_id``."""
        return _ID_NAME.search(self.name) is not None

    @cached_property
    def distinct_everywhere(self) -> bool:
        """Whether every row has a value of its own."""
        return (
            len(self.head) > 2
            and self.head.is_unique
            and len(self.present) == len(self.cells)
            and self.n_distinct == len(self.present)
        )

    @cached_property
    def numbers_rows(self) -> bool:
        """Whether it seems to number the rows."""
        # In this order: the first rows tell most columns apart from an id.
        if not self.whole or not self.distinct_everywhere:
            return False
        first, last = int(self.present.min()), int(self.present.max())
        in_order = first in (0, 1) and last - first + 1 == len(self.cells)
        return self.named_id or in_order

    @property
    def example(self) -> str:
        """The first cell, shortened."""
        present = self.head.dropna()
        text = " ".join(str(present.iloc[0]).split()) if len(present) else ""
        return text if len(text) <= 24 else f"{text[:21]}..."


@dataclass(frozen=True)
class Glance:
    """What a table seems to hold.

    Args:
        n_rows: How many rows it has.
        columns: In the order of the table.
    """

    n_rows: int
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def glance(
    path: Path, place: str, *, wanted: Collection[str] = (), thorough: bool = False
) -> Glance | None:
    """Look at a table.

    Args:
        path: Of a .csv or .parquet file.
        place: The file as the user wrote it, for messages.
        wanted: Names, in small letters, of columns whose rows will all be asked for;
            so are those of the last column.
        thorough: Whether to read all rows of every column at once.

    Returns:
        What it seems to hold; None if it cannot be read, which `hpo.data.load` words.

    Raises:
        DataError: It is neither kind of file.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{place}: expected a table in a .csv or .parquet file; got "
            f"{suffix or 'a file without such an ending'}"
        )
    try:
        reader = CsvColumns(path) if suffix == ".csv" else ParquetColumns(path)
        head = reader.read(reader.names, SAMPLE_ROWS)
        asked = {*reader.names[-1:], *(n for n in reader.names if n.lower() in wanted)}
        needed = [
            name
            for name in reader.names
            if thorough or name in asked or _needs_all_rows(name, head[name])
        ]
        full = reader.read(needed, None)
    except (OSError, ValueError, csv.Error, UnicodeError):
        return None
    if not reader.names or full.empty:
        return None
    return Glance(len(full), tuple(_columns(reader, head, full)))


def _columns(reader: Columns, head: pd.DataFrame, full: pd.DataFrame) -> list[Column]:
    def all_of(name: str) -> Callable[[], pd.Series]:
        if name in full.columns:
            return lambda: full[name]
        return lambda: reader.read([name], None)[name]

    return [
        Column(name.strip(), head[name], all_of(name), name in full.columns)
        for name in reader.names
    ]


def _needs_all_rows(name: str, head: pd.Series) -> bool:
    """Tell whether the first rows leave open what a column is for."""
    if _kind_of(head) != "number" or _ID_NAME.search(name) or head.nunique() <= 1:
        return True
    return head.is_unique and bool((head % 1 == 0).all())


def _kind_of(cells: pd.Series) -> Kind:
    """Return what the cells of a column seem to be."""
    import pandas as pd

    kind = cells.dtype
    if pd.api.types.is_bool_dtype(kind):
        return "boolean"
    if pd.api.types.is_numeric_dtype(kind):
        return "number" if cells.notna().any() else "empty"
    if pd.api.types.is_datetime64_any_dtype(kind):
        return "date"
    present = cells.dropna()
    return _kind_of_texts(present) if len(present) else "empty"


def _kind_of_texts(present: pd.Series) -> Kind:
    head = texts(present.iloc[:SAMPLE_ROWS])
    if set(head) <= BOOLEANS.keys() and present.nunique() <= 2:
        return "boolean"
    if is_unclear(head):
        return "unclear"
    if dates := read_dates(head):
        odd = dates.odd or getattr(read_dates(texts(present)), "odd", [0])
        return "mixed" if odd else "date"
    if not any(map(_like_number, head)):
        return "text"
    every = texts(present)
    return "mixed" if 2 * sum(map(_like_number, every)) >= len(every) else "text"


def texts(cells: pd.Series) -> list[str]:
    """Return cells as texts without the spaces around them."""
    return [str(value).strip() for value in cells]


def _like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return has_comma(text)
    return True
