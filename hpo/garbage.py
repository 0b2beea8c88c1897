"""When Python looks for garbage: not while libraries are imported, nor at the end.

Importing the libraries makes a million objects that stay. Looking through them again
and again takes a quarter of the time of an import, and at the end of a process half a
second goes into taking them apart.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (200_000, 20, 20)
"""Thresholds of a process that imports what it needs when it needs it."""


@contextmanager
def not_looked_for() -> Iterator[None]:
    """Look for no garbage in the block, and never again in what it has made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def rarely_looked_for() -> None:
    """Look for garbage rarely from now on, and not at all when the process ends."""
    gc.set_threshold(*RARELY)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
