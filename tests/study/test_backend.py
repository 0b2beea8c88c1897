"""What computes under Keras is the study's choice, in every process that it starts."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

import hpo
from hpo.data import load
from hpo.errors import DataError, SpecError
from hpo.models.builder_check import describe_model
from hpo.models.builder_info import DataInfo
from hpo.models.keras_tuner_discovery import discover
from hpo.spec import parse_study
from hpo.study import prepare
from hpo.study.backend import variables, why_missing
from hpo.user_code import Home

OTHER = "torch"
"""What the user's shell says, which no study here asks for."""

ANSWER = """
import os

def told(params):
    backend = os.environ["KERAS_BACKEND"]
    if params["imports"]:
        import keras
        assert keras.backend.backend() == backend
    return {"jax": 2.0, "tensorflow": 1.0}.get(backend, 0.0)
"""
THREADS = """
import os
from pathlib import Path

def n_pool_threads(params):
    import jax.numpy as jnp

    x = jnp.ones((600, 600))
    (x @ x).block_until_ready()
    names = [(t / "comm").read_text() for t in Path("/proc/self/task").iterdir()]
    return float(sum("XLAEigen" in name for name in names))
"""


@pytest.fixture
def shell(monkeypatch, tmp_path):
    """Let the shell name a backend of its own, and a cache folder."""
    monkeypatch.setenv("KERAS_BACKEND", OTHER)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in [n for n in os.environ if n.startswith(("JAX_", "XLA_"))]:
        monkeypatch.delenv(name)
    return monkeypatch


def document(model, space, **engine):
    return {
        "name": "s",
        "model": model,
        "space": space,
        "search": {"strategy": "grid"},
        "engine": {"jobs": 1, **engine},
    }


def run(folder, module, function, space, *, override=None, **engine):
    """Score params in a real worker by a function beside the study file."""
    (folder / "mine.py").write_text(module)
    spec = parse_study(
        document(f"objective:mine:{function}", space, **engine), folder=folder
    )
    store = f"sqlite:///{folder / 'hpo.db'}"
    study = hpo.run(spec, store=store, tracking="none", backend=override)
    return study.best_score


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "score"), [("tensorflow", 1.0), ("jax", 2.0)])
def test_a_worker_has_the_backend_of_its_study(backend, score, shell, tmp_path):
    assert run(tmp_path, ANSWER, "told", {"imports": False}, backend=backend) == score
    assert os.environ["KERAS_BACKEND"] == OTHER


@pytest.mark.keras
@pytest.mark.slow
def test_keras_in_a_worker_computes_with_jax(shell, tmp_path):
    assert run(tmp_path, ANSWER, "told", {"imports": True}, override="jax") == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_jax_has_the_threads_of_the_study_and_keeps_its_programs(
    threads, shell, tmp_path
):
    engine = {"backend": "jax", "threads": threads}
    assert run(tmp_path, THREADS, "n_pool_threads", {"x": 1}, **engine) == threads
    cache = tmp_path / "cache" / "hpo" / "jax" / f"threads-{threads}"
    assert list(cache.iterdir())


LOUD = """
import os

def build(*given):
    raise ValueError(os.environ["KERAS_BACKEND"] + " here")
"""


@pytest.fixture
def loud(shell, tmp_path):
    """Return the home of code that tells the backend it finds."""

    def home(backend):
        (tmp_path / "loud.py").write_text(LOUD)
        return Home(tmp_path, variables=tuple(variables(backend, 1).items()))

    return home


def test_processes_that_import_code_of_the_users_have_the_backend(loud):
    with pytest.raises(DataError, match="jax here"):
        load("loud:build", home=loud("jax"))
    info = DataInfo((4,), "classification", n_classes=3, n_rows=100)
    (error,) = describe_model("loud:build", loud("jax"), {}, info)["errors"]
    assert "jax here" in error


@pytest.mark.keras
@pytest.mark.slow
def test_a_hypermodel_tells_its_space_on_the_backend_of_the_study(loud):
    with pytest.raises(SpecError, match="tensorflow here"):
        discover("keras_tuner:loud:build", loud("tensorflow"))


def test_a_prepared_study_carries_its_variables(shell, tmp_path):
    given = document("network:build", {"units": 4}, backend="jax", threads=3)
    (tmp_path / "network.py").touch()
    given["data"] = {"source": "sklearn.iris"}
    plan = prepare(parse_study(given, folder=tmp_path)).plan
    found = plan.home.environment
    assert found["KERAS_BACKEND"] == "jax"
    assert found["JAX_COMPILATION_CACHE_DIR"].endswith("hpo/jax/threads-3")
    assert found["PATH"] == os.environ["PATH"]


def test_what_the_user_set_for_jax_stays(shell):
    shell.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    shell.setenv("JAX_PLATFORMS", "cpu")
    found = variables("jax", 1)
    assert found["JAX_COMPILATION_CACHE_DIR"] == "/mine"
    assert "JAX_PLATFORMS" not in found
    assert variables("tensorflow", 1) == {"KERAS_BACKEND": "tensorflow"}


def test_without_a_cache_folder_of_its_own_the_usual_one_is_taken(shell):
    for folder in ("", "relative"):
        shell.setenv("XDG_CACHE_HOME", folder)
        cache = variables("jax", 1)["JAX_COMPILATION_CACHE_DIR"]
        assert cache == str(Path.home() / ".cache/hpo/jax/threads-1")


def test_jax_knows_every_variable_that_is_set_for_it(shell):
    config = pytest.importorskip("jax._src.config").config
    names = [name for name in variables("jax", 1) if name.startswith("JAX_")]
    assert len(names) == 3
    for name in names:
        assert hasattr(config, name.lower())


def test_jax_that_is_not_installed_is_named_with_the_way_to_get_it(shell, tmp_path):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    shell.setattr(metadata, "version", version)
    assert why_missing("tensorflow") is None
    given = document("keras-mlp", {"epochs": 3}, backend="jax")
    given["data"] = {"source": "sklearn.iris"}
    expected = r"^engine\.backend: expected jax .* pip install 'hpo\[jax\]'"
    with pytest.raises(SpecError, match=expected):
        hpo.run(given, store=f"sqlite:///{tmp_path / 'hpo.db'}", tracking="none")
    assert not (tmp_path / "hpo.db").exists()
