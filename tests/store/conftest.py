"""What the tests of the store share: databases, stores and child processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from hpo.store import Store

# The helpers lie beside this file and in the folder above, which are no packages.
sys.path[:0] = [str(Path(__file__).parents[1])]

from postgres_server import (  # noqa: E402
    postgres_or_skip,
    temporary_database,
)
from store_child import Child  # noqa: E402


@pytest.fixture(scope="session")
def postgres_admin() -> Iterator[str]:
    """The address of a PostgreSQL server's administrator."""
    with postgres_or_skip() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new, empty database."""
    if backend == "sqlite":
        made = nullcontext(f"sqlite:///{tmp_path / 'hpo.db'}")
    else:
        made = temporary_database(request.getfixturevalue("postgres_admin"))
    with made as address:
        yield address


@pytest.fixture
def postgres_url(postgres_admin: str) -> Iterator[str]:
    """The address of a new, empty PostgreSQL database; tests mark themselves."""
    with temporary_database(postgres_admin) as address:
        yield address


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """Open stores that are closed after the test."""
    with ExitStack() as stack:

        def open_it(address: str, **options: float) -> Store:
            store = Store(address, **options)
            stack.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def store(url: str, open_store: Callable[..., Store]) -> Store:
    return open_store(url)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "hpo.db"


@pytest.fixture
def sqlite_store(sqlite_file: Path, open_store: Callable[..., Store]) -> Store:
    return open_store(f"sqlite:///{sqlite_file}")


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Start child processes that are killed after the test."""
    with ExitStack() as stack:

        def start(address: str, lease_seconds: float = 30.0) -> Child:
            return stack.enter_context(Child(address, lease_seconds))

        yield start
