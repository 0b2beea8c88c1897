"""Read dates, and turn a column of them into numbers that a network can learn from.

It owns which texts are dates: ISO 8601 as in 2024-01-31 or 2024-01-31T18:30+01:00, and
nothing else, because 01/02/2024 is read in two ways. Time zones are converted to UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from hpo.data.cells import MISSING

PARTS = ("year", "day_of_year", "hour")
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)
_OTHER = re.compile(
    r"(\d{1,2}([/.-])\d{1,2}\2(\d{4}|\d\d)|\d{4}([/.])\d{1,2}\4\d{1,2})([ T].*)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Dates:
    """What the texts of a column are, if at least half of them are dates.

    Args:
        instants: In UTC, by distinct text; a date is its midnight.
        odd: Positions of the cells that are neither missing nor a date.
        mixed_zones: Whether the time zone is not the same in all of them.
    """

    instants: dict[str, datetime]
    odd: list[int]
    mixed_zones: bool

    def microseconds(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Microseconds since 1970, which sort as the dates do; none may be missing."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        unit = timedelta(microseconds=1)
        since = {text: (at - epoch) // unit for text, at in self.instants.items()}
        return np.array([since[text] for text in texts], np.int64)

    def parts(self, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return year, day of the year and hour, each of shape (n_rows,).

        The day of the year is 1 to 366; the hour is 0 to below 24, its minutes are the
        fraction. NaN where missing.
        """
        nothing = (np.nan,) * len(PARTS)
        by_text = {text: _parts(at) for text, at in self.instants.items()}
        values = np.array([by_text.get(text, nothing) for text in texts], np.float64)
        return dict(zip(PARTS, np.ascontiguousarray(values.T), strict=True))


def _parts(at: datetime) -> tuple[float, float, float]:
    seconds = at.minute * 60 + at.second + at.microsecond / 1e6
    return float(at.year), float(at.timetuple().tm_yday), at.hour + seconds / 3600


def read_dates(texts: Sequence[str]) -> Dates | None:
    """Read a column of ISO dates; None if less than half of its cells are dates."""
    distinct = set(texts) - MISSING
    read = {text: _read(text) for text in distinct}
    dates = {text: date for text, date in read.items() if date is not None}
    if not dates:
        return None
    odd = [i for i, t in enumerate(texts) if t not in dates and t not in MISSING]
    n_present = sum(text not in MISSING for text in texts)
    if 2 * len(odd) > n_present:
        return None
    # A date without a time has no zone, so it differs from none.
    zones = {at.utcoffset() for text, at in dates.items() if len(text) > 10}
    instants = {text: _in_utc(at) for text, at in dates.items()}
    return Dates(instants, odd, len(zones) > 1)


def _read(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at if abs(at.year - 5000) < 4999 else None  # UTC must not overflow
    except ValueError:
        return None


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def is_unclear(texts: Sequence[str]) -> bool:
    """Tell whether all cells are dates in a form other than ISO, as 01/02/2024."""
    distinct = set(texts) - MISSING
    return bool(distinct) and all(_OTHER.fullmatch(text) for text in distinct)
