"""Every benchmark of this folder, one after the other, written into one document.

So all their numbers are of one machine and one run. What is given is passed on to each:
`--calm`, `--markdown`, `--folder`, `--seed`, or `--quick` for a try-out. One that fails
does not keep the others from being run, and is named at the end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNS: tuple[tuple[str, ...], ...] = (
    ("one.py",),
    ("study.py", "--plain-trials", "3"),
    ("grid.py", "--plain-widths", "32"),
    ("data.py",),
    ("builders.py",),
    ("scaling.py",),
    ("memory.py",),
    ("memory.py", "--backend", "jax"),
    ("scores.py",),
)
"""Scripts with what their numbers in the document were taken with."""


def main() -> int:
    given, failed = sys.argv[1:], []
    for script, *own in RUNS:
        # A second run of a script has a section of its own.
        section = ["--section", "keras_cv/memory_jax"] if "jax" in own else []
        path = str(Path(__file__).parent / script)
        done = subprocess.run([sys.executable, path, *own, *section, *given])
        if done.returncode:
            failed.append(" ".join([script, *own]))
    if failed:
        print(f"failed: {'; '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
