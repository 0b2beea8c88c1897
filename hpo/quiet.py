"""Keep TensorFlow's start-up notices from a person's terminal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

NOTICE = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} \d\d:"
    rb"|E\d{4} \d\d:.*failed call to cuInit"
)
"""Begins the lines TensorFlow writes to stderr whatever its log level.

That there is no GPU is one of them where JAX, which sets the log level too, came first.
"""


@contextmanager
def without_notices() -> Iterator[None]:
    """Leave TensorFlow's start-up notices out of stderr, and nothing else.

    They are written to the file descriptor before any log level applies.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught:
                if not NOTICE.match(line):
                    os.write(2, line)
