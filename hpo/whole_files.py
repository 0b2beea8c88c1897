"""Text files that are written whole or not at all, and how files begin.

It owns what becomes of that which has the name already: a link stays a link, and a
device or a pipe is written to. It decides nothing about which files may be replaced.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole_file(file: Path) -> Iterator[IO[str]]:
    """Give a text file to write, which takes the place of ``file`` at the block's end.

    Lines end as they are written. Of a link, the file that it leads to is replaced.
    What is no regular file, as a device or a pipe, is written to straight.

    Args:
        file: Where to write.

    Raises:
        OSError: It cannot be written. What was there before still is, as it is whenever
            the block raises.
    """
    if file.exists() and not file.is_file():
        with _opened(file, "w") as opened:
            yield opened
        return
    place = Path(os.path.realpath(file))
    draft = place.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with _opened(draft, "x") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _opened(file: Path, mode: str) -> IO[str]:
    return file.open(mode, encoding="utf-8", newline="")


def start_of(file: Path, n_bytes: int = 64) -> bytes:
    """Return how a regular file begins; of anything else, or of no file, nothing.

    A device or a pipe is not opened: to read it could take what is another's, or wait.
    """
    if not file.is_file():
        return b""
    try:
        with file.open("rb") as opened:
            return opened.read(n_bytes)
    except OSError:  # whoever writes it says what is wrong
        return b""
