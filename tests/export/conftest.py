"""What the tests of exported models share: folders made by hand, and trained ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from command_folder import Folder  # noqa: E402
from export_samples import CLASSES_STUDY, write_rows  # noqa: E402


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with a table, a finished study of it, and its exported model."""
    folder = Folder(tmp_path_factory.mktemp("trained"))
    write_rows(folder.path / "rows.csv")
    folder.write("classes.yaml", CLASSES_STUDY)
    folder.hpo("run", "classes.yaml", "--jobs", "1")
    folder.hpo("export", "classes", "--to", "model", "--tracking", "none")
    return folder
