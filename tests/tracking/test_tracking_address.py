"""Where MLflow is: what is taken, what is refused, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpo.errors import SpecError
from hpo.tracking.address import in_memory, masked, page, refuse_shared, resolve


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_without_a_word_it_is_mlflows_own_default_in_this_folder(folder: Path):
    assert resolve(None) == f"sqlite:///{folder}/mlflow.db"


def test_the_variable_counts_where_the_option_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert resolve(None) == "http://mlflow:5000"
    assert resolve("https://other") == "https://other"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    assert resolve(None) is None
    assert resolve("http://mlflow:5000") == "http://mlflow:5000"


def test_none_sends_nothing():
    assert resolve("none") is None


@pytest.mark.parametrize(
    "address",
    [
        *("http://h:1", "https://me:pw@h/mlflow", "databricks", "databricks://me"),
        *("postgresql+psycopg://me@db/mlflow", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_what_mlflow_writes_to_is_taken_as_it_is(address: str):
    assert resolve(address) == address


def test_a_relative_file_means_the_same_from_every_folder(folder: Path):
    (folder / "sub").mkdir()
    assert resolve("sqlite:///sub/m.db") == f"sqlite:///{folder}/sub/m.db"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://h:abc", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://ada:pass#word@127.0.0.1:9", "a password / is written %2F, # %23"),
        ("postgresql://h:abc/db", "cannot be read"),
        ("http://", "expected an address like sqlite:///mlflow.db"),
        ("foo://bar", "expected an address like .* got foo://bar"),
        ("mysql+nonesuch://h/db", "no kind of database that is known"),
        ("mysql+pymysql://me:canary@h/db", "needs the package pymysql"),
        ("sqlite:///nowhere/m.db", "there is no folder .*/nowhere; make it first"),
    ],
)
def test_what_can_never_work_is_refused_at_once_without_its_password(
    address: str, words: str, folder: Path
):
    with pytest.raises(SpecError, match=words) as refused:
        resolve(address)
    assert "pass#" not in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("address", ["mlruns", "./mlruns", "file:///tmp/mlruns"])
def test_a_folder_is_refused_with_the_way_out(address: str):
    with pytest.raises(SpecError, match=r"writes to folders.*sqlite:///mlflow"):
        resolve(address)


@pytest.mark.parametrize(
    ("mlflow", "store"),
    [
        ("sqlite:///hpo.db", "sqlite:///hpo.db"),
        ("sqlite:///hpo.db", "sqlite:///./sub/../hpo.db"),
        ("sqlite:///linked.db", "sqlite:///hpo.db"),
        ("postgresql://a:1@db/x", "postgresql+psycopg://b:2@db/x"),
        ("postgresql://db/x", "postgresql://db:5432/x"),
        ("postgresql://DB/x", "postgresql://db/x"),
    ],
)
def test_mlflow_gets_no_place_in_the_store_itself(
    folder: Path, mlflow: str, store: str
):
    (folder / "sub").mkdir()
    (folder / "hpo.db").touch()
    (folder / "linked.db").symlink_to(folder / "hpo.db")
    with pytest.raises(SpecError, match="is the store itself; give MLflow a database"):
        refuse_shared(mlflow, store)


def test_the_refusal_shows_no_password():
    with pytest.raises(SpecError) as caught:
        refuse_shared("postgresql://a:canary@db/x", "postgresql://a:canary@db/x")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("mlflow", "store"),
    [
        ("sqlite:///mlflow.db", "sqlite:///hpo.db"),
        ("postgresql://db/mlflow", "postgresql://db/hpo"),
        ("postgresql://db:5433/x", "postgresql://db/x"),
        ("postgresql://db/x", "sqlite:////x"),
        ("http://127.0.0.1:5000", "sqlite:///hpo.db"),
    ],
)
def test_other_databases_are_no_part_of_the_store(mlflow: str, store: str):
    refuse_shared(mlflow, store)


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        *(("sqlite://", True), ("sqlite:///", True), ("sqlite:///:memory:", True)),
        *(("sqlite:///hpo.db", False), ("postgresql://db/x", False)),
        ("sqlite+pysqlite:///:memory:", True),
    ],
)
def test_only_a_store_in_memory_cannot_be_read_by_others(store: str, expected: bool):
    assert in_memory(store) is expected


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:canary@h:5000/p?token=canary#canary", "http://***@h:5000/p"),
        ("https://canary@h", "https://***@h"),
        ("https://me:can@ary@h", "https://***@h"),
        ("http://h:5000", "http://h:5000"),
        ("postgresql://me:canary@db/x", "postgresql://me:***@db/x"),
        ("postgresql://db/x?password=canary", "postgresql://db/x?password=%2A%2A%2A"),
        ("databricks", "databricks"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_an_address_is_shown_without_its_passwords(address: str, shown: str):
    assert masked(address) == shown


def test_the_page_of_an_experiment_is_below_the_address():
    assert page("http://h:1/", "7") == page("http://h:1", "7")
    assert page("http://h:1", "7") == "http://h:1/#/experiments/7"
