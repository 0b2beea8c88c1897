"""Pages as files: what they are called, and how they are written."""

from __future__ import annotations

import re
from pathlib import Path

from hpo.errors import StudyError
from hpo.whole_files import start_of, whole_file

MAX_NAME = 100


def page_file(name: str, given: str | Path | None) -> Path:
    """Return where a page about something of this name is to be written.

    Args:
        name: Of the study.
        given: The file that was asked for; None for one in the working folder.

    Raises:
        StudyError: It is a folder, or a file that is no page.
    """
    usual = f"{safe_name(name)}.html"
    file = Path(usual) if given is None else Path(given)
    if file.is_dir():
        raise StudyError(
            f"{file}: expected a file to write, got a folder; name a file in it, such "
            f"as {file / usual}"
        )
    if what := why_taken(file):
        raise StudyError(what)
    return file


def why_taken(file: Path) -> str | None:
    """Say that a file holds something else than a page, which must not be lost."""
    start = start_of(file).lstrip().lower()
    if not start or start.startswith((b"<!doctype html", b"<html")):
        return None
    return f"{file}: holds something that is no page; name another file"


def safe_name(name: str) -> str:
    """Return a name that a file can have: in no folder, not hidden, not long."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._")
    return safe[:MAX_NAME] or "study"


def write_whole(file: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it.

    Raises:
        StudyError: It cannot be written; what was there before still is.
    """
    try:
        with whole_file(file) as opened:
            opened.write(text)
    except OSError as error:
        what = error.strerror or error
        raise StudyError(
            f"{file}: the page cannot be written ({what}); name another file"
        ) from None
