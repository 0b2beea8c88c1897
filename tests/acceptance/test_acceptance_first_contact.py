"""The first commands of a new user: `init`, `doctor` and `show --watch`."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_folder import HPO, Folder

from hpo.cli import installed
from hpo.spec import read_study

QUICK = ("--trials", "2", "--jobs", "1", "--store", "sqlite:///quick.db")
TINY = """
name: tiny
data: {source: sklearn.iris}
model: sklearn-mlp
space: {units: {int: [2, 9]}, epochs: 3}
search: {strategy: random, trials: 4}
evaluation: {folds: 2}
"""


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def write_table(folder, name, columns):
    rows = zip(*columns.values(), strict=True)
    with (folder.path / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def small(folder, name="study.yaml"):
    """Make the search of a study file cheap, leaving the rest as it is."""
    path = folder.path / name
    lines = path.read_text().splitlines()
    slow = ("dropout:", "patience:")
    kept = [line for line in lines if not line.strip().startswith(slow)]
    kept = ["  epochs: 2" if "  epochs:" in line else line for line in kept]
    # Without TensorFlow, whose start takes longer than all the rest.
    text = "\n".join(kept).replace("model: keras-mlp", "model: sklearn-mlp")
    path.write_text(text + "\n")


def files(folder):
    return sorted(path.name for path in folder.path.iterdir())


def numbers(n, seed=0):
    return np.random.default_rng(seed).normal(size=n).round(4)


# --- init without a table -------------------------------------------------------------


def test_init_writes_a_short_study_of_the_digits_that_runs(folder):
    done = folder.hpo("init")
    assert "hpo run study.yaml" in done.stderr
    text = (folder.path / "study.yaml").read_text()
    assert len(text.splitlines()) <= 60
    assert files(folder) == ["study.yaml"]
    small(folder)
    folder.hpo("run", "study.yaml", *QUICK)


def test_init_replaces_a_file_only_when_it_is_forced(folder):
    folder.write("mine.yaml", "precious")
    done = folder.hpo("init", "mine.yaml", code=2)
    assert "mine.yaml: is there already" in done.stderr
    assert "--force" in done.stderr
    assert (folder.path / "mine.yaml").read_text() == "precious"
    folder.hpo("init", "mine.yaml", "--force")
    assert "sklearn.digits" in (folder.path / "mine.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table.csv"], "is a table, not a study file; say: hpo init --data table.csv"),
        (["no/study.yaml"], "there is no folder"),
        (["--target", "y"], "--target: needs a table"),
        (["--data", "missing.csv"], "there is no such file"),
        (["--data", "table.xlsx"], "expected a table in a .csv or .parquet file"),
    ],
)
def test_init_says_what_is_wrong_and_leaves_nothing_behind(words, message, folder):
    done = folder.hpo("init", *words, code=2)
    assert message in done.stderr
    assert files(folder) == []


# --- init with a table ----------------------------------------------------------------


def test_init_fits_a_regression(folder):
    x = numbers(120)
    write_table(folder, "my prices.csv", {"area": x, "price": 3 * x + numbers(120, 1)})
    done = folder.hpo("init", "--data", "my prices.csv")
    assert "hpo run 'my prices.yaml'" in done.stderr
    spec = read_study(folder.path / "my prices.yaml")
    assert (spec.task, spec.data.target, spec.evaluation.metric) == (
        "regression",
        "price",
        "r2",
    )
    small(folder, "my prices.yaml")
    folder.hpo("run", "my prices.yaml", *QUICK)


def test_init_fits_two_classes_with_one_of_them_rare(folder):
    sick = ["yes" if i % 30 == 0 else "no" for i in range(150)]
    columns = {"a": numbers(150), "sick": sick, "b": numbers(150, 1)}
    write_table(folder, "sick.csv", columns)
    folder.hpo("init", "--data", "sick.csv", "--target", "sick")
    spec = read_study(folder.path / "sick.yaml")
    assert (spec.evaluation.metric, spec.evaluation.folds) == ("balanced_accuracy", 4)
    text = (folder.path / "sick.yaml").read_text()
    assert "97 % for saying 'no'" in text
    assert "class 'yes' has 5 rows" in " ".join(text.replace("#", "").split())
    small(folder, "sick.yaml")
    folder.hpo("run", "sick.yaml", *QUICK)


def test_init_leaves_out_what_is_no_feature_and_says_why(folder):
    n = 90
    columns = {
        "": range(n),
        "customer_id": [f"c{i % 30}" for i in range(n)],
        "remark": [f"a remark of some words, number {i}" for i in range(n)],
        "unit": ["kg"] * n,
        "empty": [""] * n,
        "mixed": [*("1.5" for _ in range(n - 1)), "about 2"],
        "day": [f"{1 + i % 28:02d}/03/2024" for i in range(n)],
        "endless": ["1.0", "inf", *("2.5" for _ in range(n - 2))],
        "size": numbers(n),
        "colour": ["red", "green", "blue"] * (n // 3),
        "kind": ["x", "y", "z"] * (n // 3),
    }
    write_table(folder, "shop.csv", columns)
    done = folder.hpo("init", "--data", "shop.csv")
    spec = read_study(folder.path / "shop.yaml")
    assert spec.data.target == "kind"
    left_out = set(columns) - {"", "size", "colour", "kind"} | {"Unnamed: 0"}
    assert set(spec.data.drop) == left_out
    text = (folder.path / "shop.yaml").read_text()
    for reason in ("free text", "the same in every row", "every cell is missing"):
        assert reason in text + done.stderr
    assert "a text of its own" in text or "free text" in text
    assert "  # group: customer_id" in text
    small(folder, "shop.yaml")
    folder.hpo("run", "shop.yaml", *QUICK)


def test_init_notes_dates_and_groups_which_work_when_uncommented(folder):
    n = 240
    days = pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d")
    columns = {
        "day": days,
        "station": [f"station {i % 12}" for i in range(n)],
        "wind": numbers(n),
        "rain": numbers(n, 1),
    }
    write_table(folder, "rain.csv", columns)
    folder.hpo("init", "--data", "rain.csv")
    text = (folder.path / "rain.yaml").read_text()
    small(folder, "rain.yaml")
    base = (folder.path / "rain.yaml").read_text()
    for key in ("order: day", "group: station"):
        assert f"# {key}" in text
        folder.write("split.yaml", base.replace(f"# {key}", key))
        folder.hpo("run", "split.yaml", "--name", key.partition(":")[0], *QUICK)


def test_init_quotes_odd_names_of_columns(folder):
    odd = ["yes", "a: b", "# c", "größe (m²)", "3", "it's", 'a "b"', "温 度", "null"]
    columns = {name: numbers(40, seed) for seed, name in enumerate(odd)}
    columns["- target: x"] = ["a", "b"] * 20
    columns["constant: #1"] = ["same"] * 40
    write_table(folder, "odd: names #1.csv", columns)
    folder.hpo("init", "odd.yaml", "--data", "odd: names #1.csv")
    spec = read_study(folder.path / "odd.yaml")
    assert spec.data.target == "- target: x"
    assert spec.data.drop == ("constant: #1",)
    small(folder, "odd.yaml")
    folder.hpo("run", "odd.yaml", *QUICK)


def test_init_passes_over_a_hopeless_target_unless_it_is_named(folder):
    columns = {
        "size": numbers(60),
        "kind": ["a", "b"] * 30,
        "label": [f"text {i}" for i in range(60)],
    }
    write_table(folder, "things.csv", columns)
    done = folder.hpo("init", "--data", "things.csv")
    assert "not the target: 'label'" in done.stderr
    assert read_study(folder.path / "things.yaml").data.target == "kind"
    (folder.path / "things.yaml").unlink()
    done = folder.hpo("init", "--data", "things.csv", "--target", "label", code=2)
    assert "label" in done.stderr
    assert files(folder) == ["things.csv"]


def test_init_reads_parquet_and_writes_a_path_from_the_study(folder):
    (folder.path / "tables").mkdir()
    (folder.path / "studies").mkdir()
    frame = pd.DataFrame({"a": numbers(80), "flag": [True, False] * 40})
    frame.to_parquet(folder.path / "tables" / "t.parquet")
    folder.hpo("init", "studies/t.yaml", "--data", "tables/t.parquet")
    spec = read_study(folder.path / "studies" / "t.yaml")
    assert spec.data.source == "../tables/t.parquet"
    small(folder, "studies/t.yaml")
    folder.hpo("run", "studies/t.yaml", *QUICK)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a,b\n", "there are none"),
        (b"a,a\n1,2\n", "distinct"),
        (b"a,b\n1,2\n1,2,3\n", "expected 2 cells"),
        (b"a,b\n1,\xe9\n", "UTF-8"),
        (b"a\n1\n2\n", "only one column|numbers the rows"),
    ],
)
def test_init_refuses_an_unusable_table_in_the_words_of_the_loader(
    content, message, folder
):
    (folder.path / "bad.csv").write_bytes(content)
    done = folder.hpo("init", "--data", "bad.csv", code=2)
    assert any(part in done.stderr for part in message.split("|")), done.stderr
    assert files(folder) == ["bad.csv"]


def test_init_finds_a_text_far_down_in_a_column_of_numbers(folder):
    n = 5000
    late = [*map(str, numbers(n - 1)), "a lot"]
    columns = {"late": late, "x": numbers(n, 1), "y": ["a", "b"] * (n // 2)}
    write_table(folder, "late.csv", columns)
    folder.hpo("init", "--data", "late.csv")
    assert read_study(folder.path / "late.yaml").data.drop == ("late",)
    assert "'a lot'" in (folder.path / "late.yaml").read_text()


# --- doctor ---------------------------------------------------------------------------


def checks_of(done):
    return {row["check"]: row for row in json.loads(done.stdout)}


def test_doctor_looks_at_everything_and_makes_nothing(folder):
    done = folder.hpo("doctor", "--format", "json")
    checks = checks_of(done)
    assert {"python", "packages", "tensorflow", "gpus", "cores", "memory"} <= set(
        checks
    )
    assert {"workers", "temp folder", "clock", "store", "disk", "mlflow"} <= set(checks)
    assert all(
        set(row) == {"check", "state", "found", "advice"} for row in checks.values()
    )
    assert "will be made by the first run" in checks["store"]["found"]
    assert "broken" not in {row["state"] for row in checks.values()}
    assert files(folder) == []


def test_doctor_knows_what_the_store_holds(folder):
    folder.write("study.yaml", TINY)
    folder.hpo("run", "study.yaml")
    before = (folder.path / "hpo.db").read_bytes()
    store = checks_of(folder.hpo("doctor", "--format", "json"))["store"]
    assert store["state"] == "ok"
    assert "1 study, schema 0" in store["found"]
    assert (folder.path / "hpo.db").read_bytes() == before


@pytest.mark.parametrize(
    ("make", "url", "message"),
    [
        (lambda at: None, "sqlite:///no/hpo.db", "there is no folder"),
        (lambda at: at.write_text("not a database" * 99), None, "is damaged"),
        (lambda at: other(at), None, "belongs to another program"),
        (lambda at: newer(at), None, "was made by a newer hpo"),
        (lambda at: None, "mysql://u:secret@h/x", "expected an address like"),
        (
            lambda at: None,
            "postgresql+psycopg://u:secret@127.0.0.1:1/x",
            "127.0.0.1",
        ),
    ],
)
def test_doctor_exits_with_5_when_the_store_is_broken(make, url, message, folder):
    make(folder.path / "hpo.db")
    words = ["--store", url] if url else []
    done = folder.hpo("doctor", "--format", "json", *words, code=5)
    store = checks_of(done)["store"]
    assert store["state"] == "broken"
    assert message in store["found"] + store["advice"]
    assert "secret" not in done.stdout + done.stderr


def other(at: Path) -> None:
    with sqlite3.connect(at) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")


def newer(at: Path) -> None:
    with sqlite3.connect(at) as connection:
        connection.execute("CREATE TABLE hpo_version (version_num TEXT)")
        connection.execute("INSERT INTO hpo_version VALUES ('9999')")


def test_doctor_says_that_an_mlflow_server_does_not_answer(folder):
    env = {"MLFLOW_TRACKING_URI": "http://me:secret@127.0.0.1:1/x"}
    done = folder.hpo("doctor", "--format", "json", env=env)
    mlflow = checks_of(done)["mlflow"]
    assert mlflow["state"] == "look"
    assert "does not answer" in mlflow["found"]
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("uri", "state", "said"),
    [
        ("", "ok", "studies are sent to mlflow.db in the current folder"),
        ("none", "ok", "studies are not sent (MLFLOW_TRACKING_URI is none)"),
        ("sqlite:///other.db", "ok", "studies are sent to sqlite:///other.db"),
        ("./mlruns", "look", "./mlruns is a folder"),
    ],
)
def test_doctor_says_where_studies_are_sent(uri, state, said, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow = installed.mlflow()
    assert mlflow.state == state
    assert mlflow.found.endswith(said)
    assert bool(mlflow.advice) == (state != "ok")


def test_doctor_says_when_tensorflow_does_not_start(folder, monkeypatch):
    monkeypatch.setenv("HPO_THREADS", "few")
    done = folder.hpo("doctor", code=2)
    assert "broken" in done.stdout
    assert "got 'few'" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


# --- show --watch ---------------------------------------------------------------------


def slow_study(n_trials=40):
    return TINY.replace("trials: 4", f"trials: {n_trials}").replace(
        "[2, 9]}, epochs: 3", "[2, 64]}, epochs: 400"
    )


def test_watching_ends_with_the_study_and_shows_it_advance(folder):
    folder.write("study.yaml", slow_study(12))
    run = folder.start("run", "study.yaml", "--jobs", "1")
    folder.wait_for_folds(run, more_than=0, seconds=180)
    done = folder.hpo("show", "tiny", "--watch")
    run.communicate(timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == len(set(lines)) >= 2
    assert lines[0].startswith("tiny: running")
    assert lines[-1].startswith("tiny: complete")
    assert "12/12 trials" in lines[-1]
    assert run.returncode == 0


def test_watching_a_study_that_has_ended_shows_it_once(folder):
    folder.write("study.yaml", TINY)
    folder.hpo("run", "study.yaml")
    done = folder.hpo("show", "tiny", "--watch")
    assert len(done.stdout.splitlines()) == 1
    assert "best accuracy" in done.stdout


def test_ctrl_c_ends_the_watching_with_0_and_not_the_study(folder):
    folder.write("study.yaml", slow_study())
    run = folder.start("run", "study.yaml", "--jobs", "1")
    folder.wait_for_folds(run, more_than=0, seconds=180)
    watching = folder.start("show", "tiny", "--watch")
    assert watching.stdout.readline().startswith("tiny: running")
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=30)
    assert watching.returncode == 0, said
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)


def test_watching_survives_a_busy_store_and_tells_of_a_deleted_study(folder):
    folder.write("study.yaml", slow_study())
    run = folder.start("run", "study.yaml", "--jobs", "1")
    folder.wait_for_folds(run, more_than=0, seconds=180)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    watching = folder.start("show", "tiny", "--watch")
    assert watching.stdout.readline().startswith("tiny: interrupted")
    connection = sqlite3.connect(folder.path / "hpo.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    time.sleep(4)
    assert watching.poll() is None
    connection.execute("PRAGMA foreign_keys=ON")
    for table in ("leases", "studies"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("COMMIT")
    connection.close()
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 2
    assert "was deleted" in said
    assert "Traceback" not in said


def test_watching_a_study_that_is_not_there_is_a_mistake(folder):
    assert "there is none here" in folder.hpo("show", "x", "--watch", code=5).stderr
    folder.write("study.yaml", TINY)
    folder.hpo("run", "study.yaml")
    done = folder.hpo("show", "tinny", "--watch", code=2)
    assert "did you mean 'tiny'" in done.stderr


def test_on_a_terminal_watching_draws_a_picture(folder):
    folder.write("study.yaml", TINY)
    folder.hpo("run", "study.yaml")
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    watching = subprocess.Popen(
        [*HPO, "show", "tiny", "--watch"],
        cwd=folder.path,
        stdout=follower,
        stderr=follower,
        env=environment,
    )
    os.close(follower)
    drawn = b""
    while True:
        try:
            more = os.read(leader, 4096)
        except OSError:
            # How Linux says that the other end was closed.
            break
        if not more:
            break
        drawn += more
    os.close(leader)
    assert watching.wait(timeout=30) == 0
    for words in ("4/4 trials", "complete", "accuracy", "units="):
        assert words in drawn.decode()
