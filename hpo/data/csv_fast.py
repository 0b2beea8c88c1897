"""Read a large plain CSV file with Arrow, to what the patient reader would make of it.

It owns which files are plain: one line a row, quotes around whole cells only, finite
numbers where the first rows have numbers. It refuses any other by returning None, and
words no errors: the patient reader does.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.data.cells import MISSING, Column, read_cells

if TYPE_CHECKING:
    import pyarrow as pa

FAST_FROM_BYTES = 1_000_000
"""Smaller files take the patient reader less than a tenth of a second."""

CHUNK_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Head:
    """How a file begins.

    Args:
        separator: What stands between cells.
        names: Of the columns, all distinct.
        rows: Cells of the first rows below the header.
    """

    separator: str
    names: list[str]
    rows: list[list[str]]


def read_fast(
    content: bytes, head: Head, as_texts: Collection[str] = ()
) -> tuple[dict[str, Column], range] | None:
    """Read a plain file; None if it may not be one.

    Args:
        content: The file, checked to be UTF-8.
        head: How it begins.
        as_texts: Columns whose texts are needed even if they are numbers.

    Returns:
        Columns by name, and the line that each row starts on.
    """
    width = len(head.names)
    n_lines = _count_lines(content)
    if width < 2 or n_lines < 2 or any(len(row) != width for row in head.rows):
        return None
    if not _plain_quotes(content, head.separator.encode()):
        return None
    numeric = _numeric(head) - set(as_texts)
    table = _parse(content, head, numeric)
    # As many rows as lines: none is blank, and none has a line break inside.
    if table is None or table.num_rows != n_lines - 1:
        return None
    columns: dict[str, Column] = {}
    for position, name in enumerate(head.names):
        column = _column(table.column(position), name in numeric)
        if column is None:
            return None
        columns[name] = column
    return columns, range(2, n_lines + 1)


def _count_lines(content: bytes) -> int:
    """Count the lines up to the last one that is not blank; 0 if they end oddly."""
    # To look for a byte is much faster than to count it.
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return 0
    end = len(content)
    while end and content[end - 1] in b"\r\n":
        end -= 1
    return _count_breaks(content, end) + 1 if end else 0


def _count_breaks(content: bytes, end: int) -> int:
    """Count line breaks, three times as fast as ``bytes.count``."""
    letters = np.frombuffer(content, np.uint8, end)
    parts = (letters[at : at + CHUNK_BYTES] for at in range(0, end, CHUNK_BYTES))
    return sum(int(np.count_nonzero(part == ord("\n"))) for part in parts)


def _plain_quotes(content: bytes, separator: bytes) -> bool:
    """Tell whether every quote begins or ends a cell, and none stands for itself."""
    if b'"' not in content:
        return True
    start = len(BOM) if content.startswith(BOM) else 0
    cell = rb'(?:(?<=[\n%b])|\A)"[^"\r\n]*"(?=[\r\n%b]|\Z)' % (separator, separator)
    body = memoryview(content)[start:]
    return 2 * sum(1 for _ in re.finditer(cell, body)) == content.count(b'"')


def _numeric(head: Head) -> set[str]:
    """Names of the columns that are numbers in the first rows."""
    columns = zip(head.names, zip(*head.rows, strict=True), strict=False)
    return {
        name
        for name, cells in columns
        if read_cells([cell.strip() for cell in cells]).kind == "number"
    }


def _parse(content: bytes, head: Head, numeric: Collection[str]) -> pa.Table | None:
    import pyarrow as pa
    from pyarrow import csv as arrow

    types = {n: pa.float64() if n in numeric else pa.string() for n in head.names}
    try:
        return arrow.read_csv(
            pa.BufferReader(content),
            read_options=arrow.ReadOptions(column_names=head.names, skip_rows=1),
            parse_options=arrow.ParseOptions(delimiter=head.separator),
            convert_options=arrow.ConvertOptions(
                column_types=types,
                null_values=sorted(MISSING),
                strings_can_be_null=False,
                check_utf8=False,
            ),
            # The threads of a parser wait for each other in the pool of Arrow itself.
            memory_pool=pa.system_memory_pool(),
        )
    except pa.ArrowException:
        return None


def _column(cells: pa.ChunkedArray, numeric: bool) -> Column | None:
    if not numeric:
        texts: list[Any] = [text.strip() for text in cells.to_pylist()]
        longest = max(map(len, texts), default=0)
        return Column(texts) if longest <= csv.field_size_limit() else None
    numbers = cells.to_numpy()
    # Arrow reads inf, and NAN in any letters, as numbers: the patient reader has the
    # words for those.
    if np.isinf(numbers).any() or np.isnan(numbers).sum() != cells.null_count:
        return None
    return Column(numbers)
