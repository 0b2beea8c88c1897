"""The tutorial does what it says: every block of it is run, in its order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"# (\w+\.(?:py|yaml))\n")
_EXITS = re.compile(r"^(.*?)(?:\s+# exits (\d+))?$")


@dataclass(frozen=True)
class Block:
    """One block of code on a page, and the line that it begins at."""

    kind: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    return [
        Block(found[1], found[2], page[: found.start()].count("\n") + 1)
        for found in _BLOCK.finditer(page)
    ]


def masked(text: str) -> list[str]:
    """Return the lines with every number as ``#``, and without padding."""
    text = text.replace("workers", "worker")  # how many is the machine's affair
    lines = [re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", line) for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines]


def is_shown(shown: str, got: str) -> bool:
    """Tell whether ``got`` is what is shown; a line ``...`` stands for any lines."""
    parts = [
        r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n"
        for line in masked(shown)
    ]
    return re.fullmatch("".join(parts), "\n".join([*masked(got), ""])) is not None


class Reader:
    """Somebody who types what the page says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: list[str] = []

    def does(self, block: Block) -> None:
        """Do what one block says.

        Raises:
            AssertionError: It does not happen as it is shown.
        """
        {"sh": self._types, "text": self._compares}.get(block.kind, self._saves)(block)

    def _saves(self, block: Block) -> None:
        assert block.kind in ("python", "yaml"), block
        if named := _NAMED.match(block.text):
            (self.folder / named[1]).write_text(block.text)
        else:
            self._run([sys.executable, "-c", block.text], 0, block)

    def _types(self, block: Block) -> None:
        for line in block.text.splitlines():
            command, code = _EXITS.fullmatch(line).groups()
            program, *words = shlex.split(command)
            assert program == "hpo", line
            self._run([sys.executable, "-m", "hpo", *words], int(code or 0), block)

    def _run(self, command: list[str], code: int, block: Block) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "80"},
        )
        where = f"tutorial.md:{block.line}: {command}"
        assert done.returncode == code, f"{where}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, f"{where}\n{done.stderr}"
        self.printed = [done.stdout, done.stderr]

    def _compares(self, block: Block) -> None:
        both = "\n".join(self.printed)
        assert any(is_shown(block.text, text) for text in self.printed), (
            f"tutorial.md:{block.line} shows\n{block.text}\nand there was\n{both}"
        )


def test_what_is_shown_is_compared_line_by_line_but_for_numbers():
    assert is_shown("best 0.95 +- 0.01\n", "best  0.7  +- 0.2\n")
    assert is_shown("a\n...\nz 3\n", "a\nb\nc\nz 14\n")
    assert is_shown("...\nz\n", "z\n")
    assert not is_shown("a\nz\n", "a\nb\nz\n")
    assert not is_shown("gain -1\n", "loss -1\n")
    assert not is_shown("a\n", "a\nb\n")


@pytest.mark.slow
def test_every_block_of_the_tutorial_runs_and_shows_what_it_prints(tmp_path):
    reader = Reader(tmp_path)
    blocks = blocks_of(TUTORIAL.read_text())
    assert {block.kind for block in blocks} == {"python", "sh", "text", "yaml"}
    for block in blocks:
        reader.does(block)
