"""Read a CSV file as text: names, columns and the line that each row starts on.

It owns bytes, encoding, separators, quotes and the shape of the table. It refuses what
is not a rectangle of UTF-8 text under distinct names, and guesses nothing about what
the cells mean. `hpo.data.csv_fast` reads large plain files to the same result.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from hpo.data.cells import Column
from hpo.data.csv_fast import BOM, FAST_FROM_BYTES, Head, read_fast
from hpo.data.files import opened
from hpo.data.tables import Table
from hpo.data.words import Rows, count, quoted
from hpo.errors import DataError

SEPARATORS = (",", ";", "\t")
CHUNK_ROWS = 5000
SAMPLE_ROWS = 500
SEPARATOR_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


Record: TypeAlias = tuple[int, list[str]]
"""The line, from 1, that a record starts on, and its cells."""


def read_csv(path: Path, place: str, as_texts: Collection[str] = ()) -> Table:
    """Read a CSV file with a header line.

    Cells are separated by commas, or by semicolons or tabs if the header has no comma;
    blank lines are skipped. A column without a name is called ``Unnamed: 0`` by its
    position, as in pandas.

    Args:
        path: The file.
        place: The file as the user wrote it, for messages.
        as_texts: Columns whose texts are needed even if they are numbers.

    Raises:
        DataError: The file cannot be read, or is no rectangle under distinct names.
    """
    with opened(path, place) as file:
        content = file.read()
    head = read_head(content, place)
    if len(content) >= FAST_FROM_BYTES:
        fast = read_fast(content, head, as_texts)
        if fast is not None:
            return _as_table(head, place, *fast)
    return read_slowly(content, head, place)


def read_head(content: bytes, place: str) -> Head:
    """Check that a file is text, and read its header and its first rows.

    Raises:
        DataError: It is no text, or has no header with distinct names.
    """
    _check_text(content, place)
    separator = _find_separator(content)
    records = _records(content, separator, place)
    header = next(records, None)
    if header is None:
        raise DataError(f"{place}: expected a header and rows; the file is empty")
    names = _check_names(header[1], place)
    rows = [cells for _, cells in islice(records, SAMPLE_ROWS)]
    return Head(separator, names, rows)


def read_slowly(content: bytes, head: Head, place: str) -> Table:
    """Read any file, and name the line of whatever is wrong with it.

    Raises:
        DataError: It is no rectangle.
    """
    records = _records(content, head.separator, place)
    next(records)
    columns, lines = _read_rows(records, len(head.names), head.separator, place)
    by_name = dict(zip(head.names, map(Column, columns), strict=True))
    return _as_table(head, place, by_name, lines)


def _as_table(
    head: Head, place: str, columns: Mapping[str, Column], lines: Sequence[int]
) -> Table:
    notes: tuple[str, ...] = ()
    if head.separator != ",":
        notes = (f"cells are separated by {SEPARATOR_NAMES[head.separator]}",)
    rows = Rows.of_lines(lines)
    return Table(place, tuple(head.names), columns.__getitem__, rows, notes)


def _check_text(content: bytes, place: str) -> None:
    way_out = "save the file as 'CSV UTF-8'"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{place}: expected UTF-8; the file is UTF-16; {way_out}")
    try:
        if not content.isascii():
            content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"got the byte 0x{content[error.start]:02x}"
        raise DataError(f"{place}:{line}: expected UTF-8; {got}; {way_out}") from None
    if (zero := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, zero) + 1
        raise DataError(f"{place}:{line}: expected text; this is a binary file")


def _find_separator(content: bytes) -> str:
    """Take the comma, or what is more frequent in a header that has none."""
    found = re.search(rb"[^\r\n]+", content.removeprefix(BOM))
    header = re.sub(rb'"[^"]*"', b"", found.group()) if found else b""
    if b"," in header:
        return ","
    return max(SEPARATORS, key=lambda separator: header.count(separator.encode()))


def _records(content: bytes, separator: str, place: str) -> Iterator[Record]:
    """Yield the line that each record starts on, and its cells; skip blank lines."""
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""),
        delimiter=separator,
        skipinitialspace=True,
        strict=True,
    )
    line = 1
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{place}:{line}: {_why_unreadable(str(error))}") from None


def _why_unreadable(reason: str) -> str:
    if "field limit" in reason:
        limit = csv.field_size_limit()
        return f'a cell has over {limit} characters; is a quote (") left open?'
    if "unexpected end" in reason:
        return 'a quote (") opens on this line and is never closed; close or remove it'
    return (
        'text or a space follows a closing quote ("); remove it, or write a quote that '
        'stands inside quotes twice ("")'
    )


def _check_names(header: Sequence[str], place: str) -> list[str]:
    names = [
        name.strip() or f"Unnamed: {position}" for position, name in enumerate(header)
    ]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        problem = f"expected distinct column names; found twice: {quoted(twice)}"
        raise DataError(f"{place}:1: {problem}; rename one")
    return names


def _read_rows(
    records: Iterator[Record], width: int, separator: str, place: str
) -> tuple[list[list[str]], list[int]]:
    """Return the cells by column, and the line that each row starts on."""
    columns: list[list[str]] = [[] for _ in range(width)]
    lines: list[int] = []
    ragged: list[tuple[int, int]] = []
    # Turned a few rows at a time: all rows at once would take twice the memory.
    while chunk := list(islice(records, CHUNK_ROWS)):
        lines += [line for line, _ in chunk]
        ragged += [(line, len(row)) for line, row in chunk if len(row) != width]
        if not ragged:
            turned = zip(*(row for _, row in chunk), strict=True)
            for column, cells in zip(columns, turned, strict=True):
                column.extend(map(str.strip, cells))
    if not lines:
        raise DataError(f"{place}: expected rows below the header; there are none")
    if ragged:
        line, got = ragged[0]
        more = f" ({count(len(ragged) - 1, 'more row')} like it)" if ragged[1:] else ""
        expected = f"expected {width} cells, as in the header; got {got}{more}"
        way_out = (
            f'put a cell that contains {SEPARATOR_NAMES[separator]} in quotes ("")'
        )
        raise DataError(f"{place}:{line}: {expected}; {way_out}, or mend the row")
    return columns, lines
