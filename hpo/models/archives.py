"""Whether an archive unpacks to about what its size promises.

A few MiB of zeros can unpack to more than any memory holds; weights and descriptions of
models do not shrink like that.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

ALLOWANCE_BYTES = 64 * 2**20
"""What any archive may unpack to."""
MOST_SHRUNK = 100
"""How many times its own size a larger one may unpack to."""


def check_sizes(file: Path) -> None:
    """Check an archive before anything in it is read.

    Raises:
        OSError: It cannot be read.
        zipfile.BadZipFile: It is no archive.
        ValueError: It would unpack to far more than it is.
    """
    with zipfile.ZipFile(file) as archive:
        n_bytes = sum(entry.file_size for entry in archive.infolist())
    if n_bytes > ALLOWANCE_BYTES + MOST_SHRUNK * file.stat().st_size:
        raise ValueError(
            f"it would unpack to {n_bytes / 2**20:,.0f} MiB, far more than a model of "
            "its size has"
        )
