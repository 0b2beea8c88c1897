"""What the tests of tracking share: an MLflow of one's own, and studies to send."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpo.store import Store

# The helpers lie beside this file and in the folder above, which are no packages.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from command_folder import Folder  # noqa: E402
from mirror_check import mlflow_client  # noqa: E402
from mirror_samples import Filled, make_study  # noqa: E402

MakeFolder = Callable[[str, str], Folder]


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without studies; making one takes seconds, a copy none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with warnings.catch_warnings():
        # MLflow uses what SQLAlchemy will remove one day; only its import says so.
        warnings.simplefilter("ignore", DeprecationWarning)
        mlflow_client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(autouse=True)
def _same_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Begin in an empty folder, and undo what is set for MLflow."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def mlflow_file(tmp_path: Path, empty_mlflow: Path) -> Path:
    return Path(shutil.copy(empty_mlflow, tmp_path / "mlflow.db"))


@pytest.fixture
def uri(mlflow_file: Path) -> str:
    return f"sqlite:///{mlflow_file}"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the store is kept."""
    return tmp_path / "hpo.db"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{database}")
    yield opened
    opened.close()


@pytest.fixture
def iris(store: Store) -> Filled:
    """A study that runs and has no trials yet."""
    return Filled(store, make_study())


@pytest.fixture
def make_folder(tmp_path: Path, empty_mlflow: Path) -> Iterator[MakeFolder]:
    """Return what makes a folder with a study file and an empty MLflow in it."""
    folders: list[Folder] = []

    def make(label: str, study: str) -> Folder:
        path = tmp_path / label
        path.mkdir()
        shutil.copy(empty_mlflow, path / "mlflow.db")
        made = Folder(path)
        folders.append(made)
        made.write("study.yaml", study)
        return made

    yield make
    for folder in folders:
        folder.end()
