"""Folders for the code of users."""

from __future__ import annotations

import re
import sys

import pytest
from builder_samples import Code


@pytest.fixture
def code(tmp_path, request):
    """Return a folder for modules of a user; what is imported from it goes again."""
    label = re.sub(r"\W", "_", f"user_{request.node.name}")
    yield Code(tmp_path, label)
    for name in [name for name in sys.modules if name.startswith(label)]:
        del sys.modules[name]
    folder = str(tmp_path.absolute())
    sys.path[:] = [entry for entry in sys.path if entry != folder]


@pytest.fixture
def programs(monkeypatch):
    """Give a test programs of its own."""
    from hpo.models import builder_training
    from hpo.models.traced_program import Programs

    own = Programs()
    monkeypatch.setattr(builder_training, "PROGRAMS", own)
    return own
