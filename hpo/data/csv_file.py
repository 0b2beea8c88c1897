"""Read a CSV file as text: names, columns and the line that each row starts on.

It owns bytes, encoding, separators, quotes and the shape of the table. It refuses what
is not a rectangle of UTF-8 text under distinct names, and guesses nothing about what
the cells mean.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from hpo.data.words import count, quoted
from hpo.errors import DataError, near_match

SEPARATORS = (",", ";", "\t")
CHUNK_ROWS = 5000
SEPARATOR_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


Record: TypeAlias = tuple[int, list[str]]
"""The line, from 1, that a record starts on, and its cells."""


@dataclass(frozen=True)
class Table:
    """A file as text.

    Args:
        place: The file as the user wrote it, for messages.
        columns: Cells by name of the column, without the spaces around them; each of
            length n_rows.
        lines: Line of the file, from 1, that each row starts on; length n_rows.
        separator: What stands between the cells.
    """

    place: str
    columns: dict[str, list[str]]
    lines: list[int]
    separator: str


def read_table(path: Path, place: str) -> Table:
    """Read a CSV file with a header line.

    Cells are separated by commas, or by semicolons or tabs if the header has no comma;
    blank lines are skipped. A column without a name is called ``Unnamed: 0`` by its
    position, as in pandas.

    Args:
        path: The file.
        place: The file as the user wrote it, for messages.

    Raises:
        DataError: The file cannot be read, or is no rectangle under distinct names.
    """
    content = _read_bytes(path, place)
    separator = _find_separator(_decode(content, place))
    records = _records(content, separator, place)
    header = next(records, None)
    if header is None:
        raise DataError(f"{place}: expected a header and rows; the file is empty")
    names = _check_names(header[1], place)
    columns, lines = _read_rows(records, len(names), separator, place)
    return Table(place, dict(zip(names, columns, strict=True)), lines, separator)


def _read_bytes(path: Path, place: str) -> bytes:
    try:
        if path.is_dir():
            raise DataError(f"{place}: expected a file; this is a folder")
        if path.exists() and not path.is_file():
            raise DataError(f"{place}: expected a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{place}: {_where_it_is_not(path)}") from None
    except PermissionError:
        problem = "the file may not be read; give yourself read permission"
        raise DataError(f"{place}: {problem}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is not a path"
        raise DataError(f"{place}: the file cannot be read ({reason})") from error


def _where_it_is_not(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {str(folder)!r}"
    try:
        names = [file.name for file in folder.iterdir()]
    except OSError:
        names = []
    near = near_match(path.name, names)
    return f"there is no such file in {str(folder.resolve())!r}{near}"


def _decode(content: bytes, place: str) -> str:
    way_out = "save the file as 'CSV UTF-8'"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{place}: expected UTF-8; the file is UTF-16; {way_out}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        got = f"got the byte 0x{content[error.start]:02x}"
        raise DataError(f"{place}:{line}: expected UTF-8; {got}; {way_out}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{place}:{line}: expected text; this is a binary file")
    return text


def _find_separator(text: str) -> str:
    """Take the comma, or what is more frequent in a header that has none."""
    header = re.sub(
        r'"[^"]*"', "", re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    )
    if "," in header:
        return ","
    return max(SEPARATORS, key=header.count)


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
