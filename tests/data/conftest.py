"""What the tests of data share: a CSV file from a text, and the loaded result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hpo.data import load
from hpo.records import Dataset
from hpo.user_code import Home


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Dataset]:
    """Load ``t.csv`` with the given content; the target is ``y`` unless told."""

    def load_it(content: str | bytes, *, target: str | None = "y", **wishes) -> Dataset:
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / "t.csv").write_bytes(raw)
        return load("t.csv", target=target, home=Home(tmp_path), **wishes)

    return load_it
