"""Opening what is no store of ours: one clear line, no password, nothing harmed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from store_child import Child
from store_samples import dump, full_folds, make_study, rows, write_trial

from hpo.errors import StoreError
from hpo.records import Trial
from hpo.store import Store, masked

SECRET = "s3cr3t-c4n4ry"
LONGEST = 600
"""Characters that one line of trouble may have, its paths included."""


def refusal(url: str) -> str:
    """Return the one line with which a store cannot be opened."""
    with pytest.raises(StoreError, match=r"^store ") as caught:
        Store(url).summaries()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < LONGEST
    assert SECRET not in message
    assert "Background on this error" not in message
    return message


def file_refusal(path: Path) -> str:
    return refusal(f"sqlite:///{path}")


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hpo.db",
        "sqlite://hpo.db",
        f"user:{SECRET}@host/db",
        f"postgres://u:{SECRET}@127.0.0.1/db",
        f"nonsense://u:{SECRET}@127.0.0.1/db",
        f"mysql://u:{SECRET}@127.0.0.1/db",
        f"postgresql+nonsense://u:{SECRET}@127.0.0.1/db",
        f"postgresql+psycopg://u:{SECRET}@127.0.0.1:port/db",
        f"postgresql+psycopg://u:{SECRET}@[::1/db",
    ],
)
def test_a_bad_address_is_refused_with_an_example_of_a_good_one(url: str):
    message = refusal(url)
    assert "sqlite:///hpo.db" in message
    assert "--store or HPO_STORE" in message


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/db",
        f"postgresql+psycopg://u@127.0.0.1:1/db?password={SECRET}",
        f"postgresql+psycopg://u@127.0.0.1:1/db?sslpassword={SECRET}&password={SECRET}",
        f"postgresql://u:{SECRET}@127.0.0.1:1/db",
    ],
)
def test_a_server_that_is_away_is_named_without_its_password(url: str):
    message = refusal(url)
    assert "127.0.0.1" in message
    assert "connection refused" in message.lower()
    assert "run the same command again" in message


def test_a_server_database_may_have_sqlite_in_its_name():
    message = refusal(f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/from_sqlite")
    assert "connection refused" in message.lower()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://u:{SECRET}@h/db",
        f"postgresql://u:p%40{SECRET}@h:5432/db?sslmode=require",
        f"postgresql://u@h/db?password={SECRET}",
        f"postgresql://u:{SECRET}@h:port/db",
        f"postgresql://u:{SECRET}@[::1/db",
        f"mysql://u:{SECRET}@h/db",
        f"u:{SECRET}@h/db",
        f"://{SECRET}",
        SECRET,
        "",
    ],
)
def test_a_masked_address_has_no_password(url: str):
    assert SECRET not in masked(url)


def test_a_masked_address_without_a_password_is_the_address():
    for url in ("sqlite:///hpo.db", "sqlite:////tmp/x.db", "postgresql://u@h:1/db"):
        assert masked(url) == url


@pytest.mark.postgres
def test_a_wrong_password_or_database_is_named_without_the_password(
    postgres_url: str,
):
    base, name = postgres_url.rsplit("/", 1)
    message = refusal(f"{base.replace('unchecked', SECRET)}/{name}_nowhere")
    assert f'"{name}_nowhere" does not exist' in message


# Files


def test_a_text_file_is_no_store(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 100)
    message = file_refusal(path)
    assert "damaged or no SQLite database" in message
    assert str(path) in message
    assert path.read_text() == "dear diary\n" * 100


def test_garbage_behind_a_good_header_is_no_store(tmp_path: Path):
    path = tmp_path / "x.db"
    path.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 40)
    assert "damaged or no SQLite database" in file_refusal(path)


@pytest.fixture
def filled(sqlite_file: Path) -> Path:
    """A closed store with a study of 40 trials; more than one page in every table."""
    store = Store(f"sqlite:///{sqlite_file}")
    store.create(make_study())
    writer = store.own("digits")
    for number in range(40):
        write_trial(writer, number, full_folds(number))
    writer.release()
    store.close()
    return sqlite_file


@pytest.mark.parametrize("kept", [0.002, 0.3, 0.9])
def test_a_truncated_file_is_damaged_and_says_so(filled: Path, kept: float):
    whole = filled.read_bytes()
    filled.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(StoreError, match="damaged or no SQLite database") as caught:
        Store(f"sqlite:///{filled}").trials("digits")
    assert "\n" not in str(caught.value)
    assert str(filled) in str(caught.value)


def test_a_file_with_a_ruined_page_never_gives_wrong_trials(filled: Path):
    whole = filled.read_bytes()
    good = Store(f"sqlite:///{filled}")
    expected = good.trials("digits")
    good.close()
    n_pages = len(whole) // 4096
    assert n_pages > 10
    outcomes = []
    for page in range(n_pages):
        start = page * 4096
        filled.write_bytes(whole[:start] + b"\xa5" * 4096 + whole[start + 4096 :])
        outcomes.append(read_or_refuse(filled, expected))
    assert set(outcomes) <= {"as it was", "refused as damaged"}
    assert outcomes.count("refused as damaged") >= 5


def read_or_refuse(path: Path, expected: list[Trial]) -> str:
    try:
        store = Store(f"sqlite:///{path}")
        try:
            got = store.trials("digits")
        finally:
            store.close()
    except StoreError as error:
        damaged = "damaged or no SQLite database" in str(error)
        return "refused as damaged" if damaged else str(error)
    return "as it was" if got == expected else "wrong trials"


@pytest.mark.parametrize(
    ("table", "column"),
    [("params", "value"), ("folds", "curves"), ("studies", "document")],
)
def test_text_that_is_no_json_is_damage(filled: Path, table: str, column: str):
    url = f"sqlite:///{filled}"
    rows(url, f"UPDATE {table} SET {column} = 'cos\nsystem\n(S''true''\ntR.'")
    store = Store(url)
    try:
        with pytest.raises(StoreError, match="damaged"):
            store.study("digits") if table == "studies" else store.trials("digits")
    finally:
        store.close()


@pytest.mark.parametrize("judged", ["never run", "damage"])
def test_a_pickle_among_the_predictions_is(filled: Path, tmp_path: Path, judged: str):
    canary = tmp_path / "canary"
    # As numpy.save(allow_pickle=True) writes an object array.
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header = header.ljust(117) + b"\n"
    evil = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + evil
    url = f"sqlite:///{filled}"
    rows(url, "INSERT INTO predictions (trial_id, fold, npy) VALUES (1, 0, :n)", n=npy)
    store = Store(url)
    expected = StoreError if judged == "damage" else (StoreError, ValueError)
    try:
        with pytest.raises(expected, match=r"damaged|allow_pickle"):
            store.trials("digits", predictions=True)
    finally:
        store.close()
    assert not canary.exists()


def test_a_folder_is_no_store(tmp_path: Path):
    message = file_refusal(tmp_path)
    assert str(tmp_path) in message
    assert "folder" in message
    assert "permission" not in message


def test_a_missing_folder_is_to_be_made_first(tmp_path: Path):
    message = file_refusal(tmp_path / "no" / "such" / "hpo.db")
    assert f"there is no folder {tmp_path / 'no' / 'such'}" in message
    assert "make it first" in message


def test_an_empty_file_becomes_a_store(
    sqlite_file: Path, open_store: Callable[..., Store]
):
    sqlite_file.touch()
    assert open_store(f"sqlite:///{sqlite_file}").summaries() == []


@pytest.mark.parametrize("name", ["it's 100% a b.db", "ünï 🦊.db", "x#y.db"])
def test_odd_file_names_are_just_names(
    tmp_path: Path, open_store: Callable[..., Store], name: str
):
    store = open_store(f"sqlite:///{tmp_path / name}")
    store.create(make_study())
    assert (tmp_path / name).stat().st_size > 0
    assert Store.exists(f"sqlite:///{tmp_path / name}")


def test_exists_tells_whether_opening_would_make_a_file(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'hpo.db'}"
    assert not Store.exists(url)
    assert list(tmp_path.iterdir()) == []
    Store(url).close()
    assert Store.exists(url)
    assert Store.exists("postgresql+psycopg://u@h/db")


# Permissions: root may do everything, so these run as another user


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="hpo-store-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


@pytest.fixture
def mere_user(child: Callable[..., Child]) -> Callable[[str], Child]:
    def start(url: str) -> Child:
        one = child(url)
        if os.geteuid() == 0:
            assert one.ask("become", user=65534) == "became"
        return one

    return start


def test_a_read_only_file_can_be_read_and_says_so_when_written(
    open_folder: Path, mere_user: Callable[[str], Child]
):
    path = open_folder / "hpo.db"
    url = f"sqlite:///{path}"
    store = Store(url)
    store.create(make_study())
    store.close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    before = dump(url)
    reader = mere_user(url)
    assert reader.ask("open") == "opened"
    assert reader.ask("names") == ["digits"]
    answer = reader.ask("own", name="digits")
    assert answer["error"] == "StoreError"
    assert f"cannot be written: {path} is read-only" in answer["message"]
    assert "\n" not in answer["message"]
    assert dump(url) == before


def test_a_file_that_may_not_be_read_says_so(
    open_folder: Path, mere_user: Callable[[str], Child]
):
    path = open_folder / "hpo.db"
    Store(f"sqlite:///{path}").close()
    path.chmod(0o000)
    answer = mere_user(f"sqlite:///{path}").ask("open")
    assert answer["error"] == "StoreError"
    assert f"no permission for {path}" in answer["message"]


def test_a_new_file_in_a_read_only_folder_is_refused(
    open_folder: Path, mere_user: Callable[[str], Child]
):
    path = open_folder / "hpo.db"
    open_folder.chmod(0o555)
    answer = mere_user(f"sqlite:///{path}").ask("open")
    assert answer["error"] == "StoreError"
    assert f"no permission for {path} or its folder" in answer["message"]


# What a refusal leaves behind


def test_a_refused_file_is_closed_again(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="another program") as caught:
        Store(f"sqlite:///{path}")
    opened = [file.path for file in psutil.Process().open_files()]
    assert str(path) not in opened, caught.value


@pytest.mark.postgres
def test_a_refused_server_database_is_left_again(postgres_url: str):
    rows(postgres_url, "CREATE TABLE alembic_version (version_num TEXT)")
    with pytest.raises(StoreError, match="another program") as caught:
        Store(postgres_url)
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert rows(postgres_url, others) == [(0,)], caught.value
