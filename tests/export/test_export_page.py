"""The examples of docs/export.md, run from the first to the last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    names = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, "docs/export.md", "exec"), names)
    assert names["labels"].shape == (5,)
    assert names["shares"].shape == (5, 3)
    assert set(names["labels"]) <= {"class_0", "class_1", "class_2"}
    folder = tmp_path / "wine-model"
    listed = re.findall(r"^\| `([\w.]+)`", PAGE, re.M)
    assert {f.name for f in folder.iterdir()} <= {*listed, "model.skops"}
