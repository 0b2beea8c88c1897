"""Read the cells of one column: which are missing, and which are numbers.

It owns the meaning of a single cell, the same for every source and for features and
targets. It does not decide what a column is for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(
    {
        "",
        "?",
        "#N/A",
        "#NA",
        "-NaN",
        "-nan",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    }
)
"""Cells that say that a value is missing: as in pandas, and ``?``."""

BOOLEANS = {
    "False": False,
    "FALSE": False,
    "false": False,
    "True": True,
    "TRUE": True,
    "true": True,
}

Kind: TypeAlias = Literal["empty", "boolean", "number", "mixed", "text"]


@dataclass(frozen=True)
class Column:
    """The cells of one column, as texts or, where all of them are numbers, as numbers.

    Args:
        cells: Texts, of which `MISSING` are missing; or numbers, NaN where missing, of
            any real dtype; length n_rows.
        category: Whether texts are categories even if they look like numbers.
    """

    cells: list[str] | NDArray[Any]
    category: bool = False

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def texts(self) -> list[str]:
        """The cells as texts, the empty one where a number is missing."""
        if isinstance(self.cells, list):
            return self.cells
        # str of a float is the shortest text that reads back as the same.
        return ["" if cell != cell else str(cell) for cell in self.cells.tolist()]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which cells are missing, shape (n_rows,)."""
        if isinstance(self.cells, list):
            return np.fromiter((c in MISSING for c in self.cells), bool, len(self))
        return np.asarray(np.isnan(self.cells), bool)

    def take(self, rows: NDArray[np.intp]) -> Column:
        """Return the cells at these positions."""
        if isinstance(self.cells, list):
            return Column([self.cells[i] for i in rows.tolist()], self.category)
        return Column(self.cells[rows], self.category)


@dataclass(frozen=True)
class Cells:
    """What the cells of a column are.

    Args:
        kind: ``mixed`` if at least half of the cells that are not missing look like
            numbers, but not all of them are.
        numbers: The values, NaN where missing or no number, shape (n_rows,).
        missing: Positions of the missing cells.
        odd: Positions of the cells that are neither missing nor a number; none for
            booleans.
    """

    kind: Kind
    numbers: NDArray[np.float64]
    missing: list[int]
    odd: list[int]

    @property
    def infinite(self) -> list[int]:
        """Positions of the numbers that are infinite or too large for float64."""
        return [int(i) for i in np.flatnonzero(np.isinf(self.numbers))]


def read_column(column: Column) -> Cells:
    """Tell what the cells of a column are."""
    if isinstance(column.cells, list):
        cells = read_cells(column.cells)
        if not column.category or cells.kind == "empty":
            return cells
        nothing = np.full(len(column), np.nan)
        return Cells("text", nothing, cells.missing, _others(cells.missing, column))
    numbers = column.cells.astype(np.float64, copy=False)
    missing = np.flatnonzero(np.isnan(numbers)).tolist()
    kind: Kind = "empty" if len(missing) == len(numbers) else "number"
    return Cells(kind, numbers, missing, [])


def _others(positions: list[int], column: Column) -> list[int]:
    others = np.setdiff1d(np.arange(len(column)), positions)
    return [int(position) for position in others]


def read_cells(texts: Sequence[str]) -> Cells:
    """Tell what the texts of a column are."""
    missing = [i for i, text in enumerate(texts) if text in MISSING]
    n_present = len(texts) - len(missing)
    if not n_present:
        return Cells("empty", np.full(len(texts), np.nan), missing, [])
    numbers = _all_numbers(texts, len(missing))
    if numbers is not None:
        return Cells("number", numbers, missing, [])
    distinct = set(texts) - MISSING
    if distinct <= BOOLEANS.keys():
        truths = [BOOLEANS.get(text, math.nan) for text in texts]
        return Cells("boolean", np.array(truths, np.float64), missing, [])
    readings: dict[str, float | None] = {text: _number(text) for text in distinct}
    values = [readings.get(text, math.nan) for text in texts]
    odd = [i for i, value in enumerate(values) if value is None]
    commas = {text for text in distinct if has_comma(text)}
    n_like = n_present - len(odd) + sum(texts[i] in commas for i in odd)
    kind: Kind = "mixed" if 2 * n_like >= n_present else "text"
    return Cells(kind if odd else "number", np.array(values, np.float64), missing, odd)


def _all_numbers(texts: Sequence[str], n_missing: int) -> NDArray[np.float64] | None:
    """Read a column of numbers fast; None if it may hold anything else."""
    joined = "".join(texts)
    if "_" in joined or not joined.isascii():
        return None
    if n_missing:
        texts = ["nan" if text in MISSING else text for text in texts]
    try:
        numbers = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None
    return numbers if np.isnan(numbers).sum() == n_missing else None


def _number(text: str) -> float | None:
    # float() takes 1_000 and digits of any script; no other reader of CSV does.
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def has_comma(text: str) -> bool:
    """Tell whether a text is a number but for its commas, as in 1,5 or 1,000.5."""
    return re.fullmatch(r"[+-]?\d+(,\d+)+(\.\d*)?", text, re.ASCII) is not None
