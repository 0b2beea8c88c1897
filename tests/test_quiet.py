"""What is kept from stderr, and what is not."""

from __future__ import annotations

import os

from hpo.quiet import without_notices


def test_notices_go_and_everything_else_stays(capfd):
    with without_notices():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog()\n")
        os.write(2, b"I0000 00:00:17 1 port.cc:153] oneDNN custom operations are on\n")
        os.write(2, b"E0000 00:00:17 1 cuda.cc:52] failed call to cuInit: INTERNAL\n")
        os.write(2, b"E0000 00:00:17 1 cuda.cc:52] out of memory\n")
        os.write(2, b"Traceback (most recent call last):\n")
    assert capfd.readouterr().err == (
        "E0000 00:00:17 1 cuda.cc:52] out of memory\n"
        "Traceback (most recent call last):\n"
    )
