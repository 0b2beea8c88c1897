"""Open the file that a study names, or say in the user's words why that cannot be.

It owns paths and permissions. What the file holds is for its reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hpo.errors import DataError, near_match


@contextmanager
def opened(path: Path, place: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Args:
        path: The file.
        place: The file as the user wrote it, for messages.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    try:
        if path.is_dir():
            raise DataError(f"{place}: expected a file; this is a folder")
        if path.exists() and not path.is_file():
            raise DataError(f"{place}: expected a regular file")
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{place}: {_where_it_is_not(path)}") from None
    except PermissionError:
        problem = "the file may not be read; give yourself read permission"
        raise DataError(f"{place}: {problem}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is not a path"
        raise DataError(f"{place}: the file cannot be read ({reason})") from error
    with file:
        yield file


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
