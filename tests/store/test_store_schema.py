"""The schema: made by migrations, once, and refused where it is not ours."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from store_child import Child
from store_samples import (
    N_FOLDS,
    RELEASED_MARKS,
    a_look,
    assert_same_looks,
    assert_same_rows,
    assert_same_trials,
    dump,
    full_folds,
    make_study,
    released_trials,
    rows,
    study_rows,
    write_released,
    write_trial,
)

import hpo.store
from hpo.errors import StoreError
from hpo.store import Store
from hpo.store.schema import HEAD, metadata

RELEASED = Path(__file__).parent / "released"
TABLES = {
    *("studies", "study_changes", "leases", "trials", "params", "folds"),
    *("fold_metrics", "predictions", "lost_attempts", "hpo_version"),
    *("mirrors", "mirrored_trials"),
    *("study_rows", "study_folds", "test_looks"),
}


def revisions() -> list[str]:
    config = Config()
    location = Path(hpo.store.__file__).parent / "migrations"
    config.set_main_option("script_location", str(location))
    config.set_main_option("path_separator", "os")
    found = ScriptDirectory.from_config(config).walk_revisions()
    return sorted(script.revision for script in found)


def table_names(url: str) -> set[str]:
    engine = sa.create_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_the_migrations_make_what_the_code_describes(store: Store, url: str):
    engine = sa.create_engine(url)
    options = {"version_table": "hpo_version", "compare_server_default": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_version_is_kept_in_a_table_of_our_own(store: Store, url: str):
    assert rows(url, "SELECT version_num FROM hpo_version") == [(HEAD,)]
    assert table_names(url) == TABLES
    assert revisions()[-1] == HEAD


def test_opening_again_changes_nothing(
    store: Store, url: str, open_store: Callable[..., Store]
):
    store.create(make_study())
    before = dump(url)
    assert [line.name for line in open_store(url).summaries()] == ["digits"]
    assert dump(url) == before


def test_children_of_a_study_go_with_it(store: Store, url: str):
    store.create(make_study())
    writer = store.own("digits")
    write_trial(writer, 0, full_folds(0))
    pragma = "PRAGMA foreign_keys=ON" if url.startswith("sqlite") else "SELECT 1"
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(pragma)
        connection.exec_driver_sql("DELETE FROM studies")
        connection.commit()
    engine.dispose()
    left = {name: found for name, found in dump(url).items() if found}
    assert set(left) == {"hpo_version"}
    assert rows(url, "SELECT count(*) FROM leases") == [(0,)]


# Released schemas


def test_a_database_of_every_released_schema_is_kept():
    # A new migration needs one: write_released(f"sqlite:///{RELEASED}/<version>.db").
    assert sorted(path.stem for path in RELEASED.glob("*.db")) == revisions()


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004"])
def test_a_released_database_is_opened_and_read_fully(
    version: str, tmp_path: Path, open_store: Callable[..., Store]
):
    copy = tmp_path / "released.db"
    shutil.copyfile(RELEASED / f"{version}.db", copy)
    store = open_store(f"sqlite:///{copy}")
    assert rows(f"sqlite:///{copy}", "SELECT * FROM hpo_version") == [(HEAD,)]
    lines = store.summaries()
    assert [line.name for line in lines] == ["first", "second, 'quoted' 🦊"]
    # Trial 2 is beyond the stop and 3 is running; a killed owner left "running".
    trials = [trial for trial, _ in released_trials()]
    assert (lines[0].n_trials, lines[0].best_score) == (2, trials[0].score)
    assert (lines[0].state, lines[0].owner) == ("interrupted", None)
    study = store.study("first")
    assert (study.active_seconds, study.n_folds) == (12.5, N_FOLDS)
    assert store.changes("first") == [(3, {"name": "first", "b": 2})]
    got = store.trials("first", predictions=True)
    assert [trial.beyond_stop for trial in got] == [False, False, True, False]
    expected = [trials[0], trials[1], got[2], trials[3]]
    assert_same_trials(got, expected)
    assert got[2].score == trials[2].score
    writer = store.own("first")
    assert writer.lost_attempts() == {(3, 1): 1}
    write_trial(writer, 4, full_folds(4))
    assert len(store.trials("first")) == 5
    mirror = store.mirror("first", "http://mlflow:5000")
    # Before 0002 there were no mirrors.
    told, marks = {"state": "running"}, RELEASED_MARKS
    kept = (None, {}, False, {}) if version == "0001" else ("r0", told, True, marks)
    assert (mirror.run_id, mirror.told, mirror.doubtful, mirror.marks) == kept
    # Before 0003 nothing was known of the rows, and nobody had looked at the test part.
    if version in ("0001", "0002"):
        assert (store.rows("first"), store.test_looks("first")) == (None, [])
        writer.keep_rows(study_rows())
        writer.add_test_look(a_look())
    kept_rows = study_rows()
    if version == "0003":  # before 0004 groups were not kept
        kept_rows = replace(kept_rows, groups=None)
    assert_same_rows(store.rows("first"), kept_rows)
    assert_same_looks(store.test_looks("first"), [a_look()])


def set_back(url: str) -> None:
    """Make a database what it would have been at 0001."""
    for statement in (
        "DROP TABLE study_rows",
        "DROP TABLE study_folds",
        "DROP TABLE test_looks",
        "DROP TABLE mirrored_trials",
        "DROP TABLE mirrors",
        "UPDATE hpo_version SET version_num = '0001'",
    ):
        rows(url, statement)


def test_an_upgrade_keeps_every_row(
    store: Store, url: str, open_store: Callable[..., Store]
):
    store.create(make_study())
    write_trial(store.own("digits"), 0, full_folds(0))
    after = dump(url)
    set_back(url)
    upgraded = open_store(url)
    assert dump(url) == after
    assert upgraded.mirror("digits", "http://mlflow:5000").marks == {}


def test_a_store_that_is_open_survives_the_upgrade_by_another(
    store: Store, url: str, open_store: Callable[..., Store]
):
    # What is added must not be needed by the version that runs already.
    store.create(make_study())
    set_back(url)
    writer = store.own("digits")
    write_trial(writer, 0, full_folds(0))
    open_store(url)
    write_trial(writer, 1, full_folds(1))
    assert [trial.number for trial in store.trials("digits")] == [0, 1]


def test_the_kept_database_is_what_this_code_would_write(
    tmp_path: Path, open_store: Callable[..., Store]
):
    now, kept = tmp_path / "now.db", tmp_path / "kept.db"
    write_released(f"sqlite:///{now}")
    shutil.copyfile(RELEASED / f"{HEAD}.db", kept)
    stores = [open_store(f"sqlite:///{path}") for path in (now, kept)]
    first, other = (store.trials("first", predictions=True) for store in stores)
    assert_same_trials(first, other)
    assert stores[0].study("first") == stores[1].study("first")
    mirrors = [store.mirror("first", "http://mlflow:5000") for store in stores]
    assert mirrors[0].marks == mirrors[1].marks == RELEASED_MARKS
    for store in stores:
        assert_same_rows(store.rows("first"), study_rows())
        assert_same_looks(store.test_looks("first"), [a_look()])


# Refused


def test_a_newer_schema_is_refused_and_left_alone(store: Store, url: str):
    store.create(make_study())
    rows(url, "UPDATE hpo_version SET version_num = '9999'")
    before = dump(url)
    with pytest.raises(
        StoreError, match=r"made by a newer hpo \(schema 9999"
    ) as caught:
        Store(url)
    assert "upgrade hpo" in str(caught.value)
    assert dump(url) == before


def test_a_database_of_mlflow_or_optuna_is_refused_and_left_alone(url: str):
    rows(url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    rows(url, "INSERT INTO alembic_version VALUES ('v3.2.0.a')")
    rows(url, "CREATE TABLE experiments (id INTEGER)")
    before = dump(url)
    with pytest.raises(
        StoreError, match=r"belongs to another program.*alembic_version"
    ):
        Store(url)
    assert dump(url) == before


def test_a_refused_sqlite_file_keeps_every_byte(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_strangers_database_with_tables_like_ours_is_left_alone(url: str):
    rows(url, "CREATE TABLE trials (id INTEGER, patient TEXT)")
    rows(url, "INSERT INTO trials VALUES (1, 'Jane')")
    before = dump(url)
    with pytest.raises(StoreError, match="trials"):
        Store(url)
    assert dump(url) == before


# Racing and dying


@pytest.mark.slow
@pytest.mark.parametrize("older", [False, True], ids=["new", "older"])
def test_eight_processes_opening_one_database_make_one_schema(
    url: str, child: Callable[..., Child], open_store: Callable[..., Store], older: bool
):
    if older:
        open_store(url)
        set_back(url)
    children = [child(url) for _ in range(8)]
    for one in children:
        one.tell("imported")
    for one in children:
        assert one.answer() == "hpo.store"
    for one in children:
        one.tell("open")
    assert [one.answer() for one in children] == ["opened"] * 8
    assert table_names(url) == TABLES
    assert rows(url, "SELECT version_num FROM hpo_version") == [(HEAD,)]
    assert open_store(url).create(make_study()) is True


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE hpo_version",
        "CREATE TABLE folds",
        "INSERT INTO hpo_version",
    ],
)
def test_a_process_killed_in_mid_migration_does_no_harm(
    url: str,
    child: Callable[..., Child],
    open_store: Callable[..., Store],
    statement: str,
):
    dying = child(url)
    assert dying.ask("die_before", statement=statement) == "armed"
    assert dying.ask("open") is None
    assert dying.wait() == 137
    assert table_names(url) == set()
    assert open_store(url).create(make_study()) is True
    assert table_names(url) == TABLES
