"""The exported model in MLflow: loaded there by a process that knows nothing of hpo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from export_samples import COLOUR, small_model
from tracking.faulty_server import Server

import hpo
from hpo.data.new_rows import Inputs, typical_rows
from hpo.export.document import MODEL_JSON
from hpo.export.loading import open_model
from hpo.export.versions import versions_of
from hpo.tracking.model import _masked, requirements

PREDICT = """\
import pickle, sys
import mlflow, pandas as pd
import sklearn.ensemble, skops.io

def refuse(*_, **__):
    raise RuntimeError("something was unpickled")

mlflow.set_tracking_uri(sys.argv[1])
rows = pd.read_csv("rows.csv")
pickle.load = pickle.loads = pickle.Unpickler = refuse
model = mlflow.pyfunc.load_model(sys.argv[2])
model.predict(rows).to_json("answers.json", orient="split", double_precision=15)
example = model.input_example
model.predict(example)
gaps = rows.head(2).copy()
gaps["k"] = [0.5, None]
gaps.iloc[:, 0] = None
model.predict(gaps[gaps.columns[::-1]])
types = {c.name: str(c.type) for c in model.metadata.get_input_schema().inputs}
import json
print(json.dumps([types, example.to_dict("list"), model.metadata.run_id]))
"""


@pytest.fixture(scope="module", params=["database", "server"])
def uri(request, tmp_path_factory):
    """Address of an MLflow: its database, or a real server that keeps the files."""
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "database":
        yield f"sqlite:///{folder / 'mlflow.db'}"
        return
    server = Server(folder, None)
    try:
        server.start()
        yield server.uri
    finally:
        server.kill()


@pytest.fixture(scope="module")
def logged(trained, uri):
    """Export to MLflow, registered; return the folder and what was said."""
    to = f"logged-{uri.partition(':')[0]}"
    words = ("--to", to, "--tracking", uri, "--register", "my weather")
    done = trained.hpo("export", "classes", *words)
    return trained, to, done


@pytest.mark.slow
def test_a_fresh_process_loads_it_from_mlflow_and_predicts_the_same(uri, logged):
    trained, to, done = logged
    assert "registered: my weather, version 1" in done.stdout
    ran = subprocess.run(
        [sys.executable, "-c", PREDICT, uri, "models:/my weather/1"],
        cwd=trained.path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    there = pd.read_json(
        trained.path / "answers.json", orient="split", precise_float=True
    )
    model = hpo.load_model(trained.path / to)
    rows = pd.read_csv(trained.path / "rows.csv")
    assert there.prediction.tolist() == model.predict(rows).tolist()
    shares = there[["probability_=yes", "probability_no"]].to_numpy()
    np.testing.assert_allclose(shares, model.predict_proba(rows), rtol=1e-13)
    types, example, run_id = json.loads(ran.stdout.splitlines()[-1])
    assert types == {
        "day": "DataType.string",
        "x": "DataType.double",
        "k": "Any",
        COLOUR: "DataType.string",
        "ok": "Any",
    }
    assert list(example) == list(types)
    assert run_id


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow itself
def test_the_model_belongs_to_the_run_of_the_study_which_was_sent_first(uri, logged):
    from mlflow import MlflowClient

    trained, _, _ = logged
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("classes")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert len(runs) == 1 + len(trained.json("trials", "classes"))
    (model,) = client.search_logged_models([experiment.experiment_id])
    assert model.source_run_id == parent.info.run_id
    assert model.tags["hpo.study"] == "classes"
    assert model.params["epochs"] == "4"
    version = client.get_model_version("my weather", "1")
    assert version.status == "READY"


@pytest.mark.slow
def test_the_same_command_again_logs_what_is_in_the_folder(uri, logged):
    trained, to, _ = logged
    before = (trained.path / to / "model.json").read_bytes()
    words = ("--to", to, "--tracking", uri, "--register", "my weather")
    done = trained.hpo("export", "classes", *words)
    assert "holds this model already" in done.stderr
    assert "version 2" in done.stdout
    assert (trained.path / to / "model.json").read_bytes() == before


@pytest.mark.slow
def test_without_mlflow_the_folder_stays_and_the_way_out_is_told(trained):
    words = ("--to", "unsent", "--tracking", "http://127.0.0.1:9")
    done = trained.hpo("export", "classes", *words, code=5)
    assert "the model is complete in unsent" in done.stderr
    assert "hpo export classes --to unsent --trial" in done.stderr
    hpo.load_model(Path(trained.path) / "unsent")


def test_nothing_that_looks_like_a_password_is_sent():
    spec = {"data": {"source": ["postgresql://me:secret@host/x"]}, "n": 1}
    assert _masked(spec) == {"data": {"source": ["postgresql://***@host/x"]}, "n": 1}


def test_the_example_of_a_model_of_images_is_one_image():
    assert typical_rows(Inputs(shape=(2, 3))).shape == (1, 2, 3)


def test_pip_is_asked_for_the_libraries_and_not_for_hpo(tmp_path):
    folder = small_model(tmp_path / "model")
    file = folder / MODEL_JSON
    versions = versions_of(keras=True, backend="tensorflow")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"versions": versions}))
    asked = dict(line.split("==") for line in requirements(open_model(folder)))
    assert list(asked) == [
        *("mlflow", "numpy", "pandas", "scikit-learn", "skops"),
        *("keras", "tensorflow"),
    ]
    assert asked["numpy"] == np.__version__
