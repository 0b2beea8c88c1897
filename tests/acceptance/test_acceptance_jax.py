"""Networks of Keras on JAX, as a user asks for them: by an option or in the file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from importlib import metadata

import pytest
from command_folder import Folder

STUDY = """
name: small
data: {source: sklearn.iris}
model: keras-mlp
space: {units: {int: [2, 9]}, dropout: 0.2, epochs: 3}
search: {strategy: random, trials: 3}
evaluation: {folds: 2}
"""
OBJECTIVE = """
name: told
model: {objective: "mine:told"}
space: {x: [1, 2]}
search: {strategy: grid}
"""
TOLD = """
import os

def told(params):
    return {"tensorflow": 1.0, "jax": 2.0}.get(os.environ["KERAS_BACKEND"], 0.0)
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with two studies, in a shell that names another backend."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Folder(tmp_path)
    made.write("study.yaml", STUDY)
    made.write("told.yaml", OBJECTIVE)
    made.write("mine.py", TOLD)
    return made


@pytest.mark.parametrize(("words", "score"), [((), 1.0), (("--backend", "jax"), 2.0)])
def test_run_and_try_have_the_backend_that_is_asked_for(words, score, folder):
    folder.hpo("run", "told.yaml", *words)
    assert folder.json("best", "told")["mean_test_score"] == score
    tried = folder.json("try", "told.yaml", "-p", "x=2", *words)
    assert tried["mean_test_score"] == score


def test_a_study_stays_with_its_backend(folder):
    folder.hpo("run", "told.yaml", "--backend", "jax")
    for words in (("run", "told.yaml"), ("try", "told.yaml", "-p", "x=2")):
        said = folder.hpo(*words, code=2).stderr
        assert "engine.backend  jax  tensorflow" in said
        assert "--name NEW" in said
    folder.hpo("run", "told.yaml", "--name", "other")
    assert folder.json("best", "other")["mean_test_score"] == 1.0


def test_without_the_extra_nothing_is_stored(folder):
    # Python imports this when it starts: to the command, jax was never installed.
    hidden = folder.path / "hidden"
    hidden.mkdir()
    hidden.joinpath("sitecustomize.py").write_text(
        "from importlib import metadata\n"
        "found = metadata.version\n"
        "def version(name):\n"
        "    if name == 'jax':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.version = version\n"
    )
    env = {"PYTHONPATH": str(hidden)}
    for command in ("run", "check"):
        said = folder.hpo(command, "study.yaml", "--backend", "jax", code=2, env=env)
        assert "study.yaml: engine.backend: expected jax" in said.stderr
        assert "pip install 'hpo[jax]'" in said.stderr
    assert not (folder.path / "hpo.db").exists()
    looked = folder.hpo("doctor", "--format", "json", env=env).stdout
    rows = {row["check"]: row for row in json.loads(looked)}
    assert (rows["jax"]["state"], rows["tensorflow"]["state"]) == ("ok", "ok")
    assert "not installed" in rows["jax"]["found"]


@pytest.mark.keras
def test_networks_train_on_jax(folder):
    assert (
        "Keras on jax; folds"
        in folder.hpo("check", "study.yaml", "--backend", "jax").stdout
    )
    folder.hpo("run", "study.yaml", "--backend", "jax", "--jobs", "1")
    row = folder.json("show", "small")
    ((text, n_folds),) = row["trained_by"].items()
    assert " jax " in text
    assert n_folds == 6
    assert "(jax, local engine)" in folder.hpo("show", "small").stdout
    assert any((folder.path / "cache/hpo/jax/threads-1").iterdir())
    # The same file gives the same table with another number of workers.
    one = folder.trial_table("small")
    words = ("--backend", "jax", "--jobs", "2", "--name", "again")
    folder.hpo("run", "study.yaml", *words)
    assert folder.trial_table("again") == one


@pytest.mark.keras
def test_networks_of_another_keras_are_not_mixed_with_those_of_this_one(folder):
    folder.hpo("run", "study.yaml", "--trials", "1")
    now = f"keras {metadata.version('keras')}"
    with closing(sqlite3.connect(folder.path / "hpo.db")) as store:
        store.execute(
            "UPDATE folds SET engine = replace(engine, ?, 'keras 3.0.0')", (now,)
        )
        store.commit()
    (before,) = folder.json("show", "small")["trained_by"]
    assert before.startswith("keras 3.0.0 tensorflow ")
    for command in (["run", "study.yaml", "--trials", "2"], ["try", "study.yaml"]):
        said = folder.hpo(*command, code=2).stderr
        assert "Traceback" not in said
        said = " ".join(said.split())
        assert "'small' was begun with keras 3.0.0 tensorflow" in said
        assert f"{now} tensorflow" in said
        assert "pip install keras==3.0.0 tensorflow==" in said
        assert "--name NEW" in said
    # Nothing was added, and nothing that is there is kept from the user.
    assert list(folder.json("show", "small")["trained_by"]) == [before]
    assert len(folder.json("trials", "small")) == 1
    again = folder.hpo("run", "study.yaml", "--trials", "1")
    assert "small" in again.stdout
    folder.hpo("run", "study.yaml", "--trials", "1", "--name", "new")
    (text,) = folder.json("show", "new")["trained_by"]
    assert text.startswith(now)
