"""Folders to drive the `hpo` command in."""

from __future__ import annotations

import pytest
from command_folder import Folder


@pytest.fixture
def make_folder(tmp_path):
    """Return what makes an empty folder with a study file in it."""
    folders = []

    def make(label: str, study: str) -> Folder:
        path = tmp_path / label
        path.mkdir()
        made = Folder(path)
        folders.append(made)
        made.write("study.yaml", study)
        return made

    yield make
    for folder in folders:
        folder.end()


@pytest.fixture
def edit(tmp_path):
    """Return what replaces a text in a file, which must hold it."""

    def replace(old, new, name="study.yaml"):
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))

    return replace
