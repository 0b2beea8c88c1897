"""The examples of docs/python.md, run from the first to the last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hpo

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) > 5
    assert len(names["same"].trials) == 12
    assert names["study"].name == "iris"
    assert "complete" in capsys.readouterr().out


def test_every_public_name_is_on_the_page():
    shown = {name for name in hpo.__all__ if f"hpo.{name}" in PAGE}
    assert set(hpo.__all__) - shown == {"__version__"}
