"""Log an exported model to MLflow, where it loads without hpo's store or the data.

It owns what MLflow is told of a model: its columns, an example, what it needs to be
installed. The model itself is the exported folder, which MLflow copies; it is loaded by
`hpo.export.pyfunc`, so nothing is pickled and nothing unpickled.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpo.data.new_rows import InputColumn, typical_rows
from hpo.errors import StudyBusyError
from hpo.export.document import MODEL_JSON
from hpo.export.loading import open_model
from hpo.export.model import ExportedModel
from hpo.export.predicted import column_names
from hpo.export.writing import STUDY_YAML
from hpo.records import StudyRecord
from hpo.store import Store
from hpo.tracking.address import masked
from hpo.tracking.client import Client
from hpo.tracking.content import CREATED, PARENT, identity, tag_texts
from hpo.tracking.names import MAX_PARAM, experiment_name, shortened, without_secrets
from hpo.tracking.sender import Sender

NAME = "model"
CALL_SECONDS = 60
LOADER = "hpo.export.pyfunc"
REQUIRED = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")


@dataclass(frozen=True)
class LoggedModel:
    """A model that MLflow has.

    Args:
        uri: For ``mlflow.pyfunc.load_model``.
        run_id: Of the run that it belongs to: the study's own.
        version: Under the name it was registered by; None if it was not.
    """

    uri: str
    run_id: str
    version: str | None = None


def log_model(
    store: Store,
    study: str,
    folder: Path,
    uri: str,
    *,
    register: str | None = None,
    model: ExportedModel | None = None,
) -> LoggedModel:
    """Log an exported model to the study's run; the study is sent first if need be.

    Args:
        store: Holds the study.
        study: Its name.
        folder: Holds the exported model.
        uri: Address of MLflow, from `hpo.tracking.resolve`.
        register: Name to register it by; None not to.
        model: That model, if it is loaded already.

    Raises:
        TrackingError: MLflow does not answer, or refuses.
        StudyBusyError: The study is being run, and MLflow does not have it yet.
        ExportError: The folder is no exported model.
    """
    model = open_model(folder) if model is None else model
    with _copied(folder) as copied, _quiet(uri):
        client = Client(uri, call_seconds=CALL_SECONDS)
        run_id = _run_of(store, store.study(study), client)
        info: Any = client.call(
            "log_model", lambda: _log(model, copied, run_id, uri, register)
        )
    version = info.registered_model_version
    return LoggedModel(
        info.model_uri, run_id, None if version is None else str(version)
    )


def _run_of(store: Store, study: StudyRecord, client: Client) -> str:
    """Return the study's own run; make it, with all its trials, if there is none."""
    if (found := _found(study, client)) is not None:
        return found
    if owner := store.summary(study.name).owner:
        raise StudyBusyError(
            f"study {study.name!r} is being run by {owner}, and MLflow does not have "
            "it yet; wait for it to end"
        )
    mirror = store.mirror(study.name, masked(client.uri))
    sender = Sender(store, study.name, client, mirror, thorough=True)
    sender.send(state=study.state, everything=True)
    assert mirror.run_id is not None
    return mirror.run_id


def _found(study: StudyRecord, client: Client) -> str | None:
    """Look for the study's run by its tags: whoever sends it now is not disturbed."""
    experiment = client.find_experiment(experiment_name(study.name))
    if experiment is None:
        return None
    wanted = tag_texts(identity(study))
    found = client.find_runs(experiment, {CREATED: wanted[CREATED]})
    parents = [
        run
        for run, tags in found.items()
        if PARENT not in tags and wanted.items() <= tags.items()
    ]
    return min(parents, default=None)


def _log(
    model: ExportedModel, folder: Path, run_id: str, uri: str, register: str | None
) -> Any:
    from mlflow import MlflowClient, pyfunc
    from mlflow.models import Model

    client = MlflowClient(tracking_uri=uri)
    # Made here: MLflow's own way puts it into the experiment it takes for the usual
    # one, with the params of the study's run.
    made = client.create_logged_model(
        client.get_run(run_id).info.experiment_id,
        name=NAME,
        source_run_id=run_id,
        params=_params(model),
        tags=_tags(model),
    )
    return Model.log(
        None,
        pyfunc,
        name=NAME,
        model_id=made.model_id,
        run_id=run_id,
        registered_model_name=register,
        # Of no step: the points of the study's own run are not the model's.
        step=-1,
        loader_module=LOADER,
        data_path=str(folder),
        pip_requirements=requirements(model),
        signature=signature(model),
        input_example=typical_rows(model.inputs),
    )


def _params(model: ExportedModel) -> dict[str, str]:
    return {
        name: shortened(without_secrets(str(value)), MAX_PARAM)
        for name, value in model.params.items()
    }


def _tags(model: ExportedModel) -> dict[str, str]:
    """Return what is told of it: the scores are those of its study."""
    keys = ("study", "trial", "metric", "mean_test_score", "std_test_score")
    more = ("corrected_score", "test_score", "fingerprint")
    tags = {
        f"hpo.{key}": without_secrets(str(model.info[key]))
        for key in (*keys, *more)
        if model.info.get(key) is not None
    }
    return tag_texts(tags)


def requirements(model: ExportedModel) -> list[str]:
    """Return the libraries that loading takes, for pip; nothing is looked up.

    Without hpo itself: where pip looks, that name is of somebody else's package.
    """
    versions = {**dict(model.info.get("versions") or {}), "mlflow": _mlflow_version()}
    known = [name for name in REQUIRED if name in versions]
    others = sorted(set(versions) - {*known, "hpo", "python"})
    return [f"{name}=={versions[name]}" for name in (*known, *others)]


def _mlflow_version() -> str:
    import mlflow

    return str(mlflow.__version__)


def signature(model: ExportedModel) -> Any:
    """Return what goes in and comes out, as MLflow checks it.

    Columns of whole numbers are of any type: MLflow takes no table of whole numbers
    where fractions are expected, nor the other way, and both are fine here. Texts,
    dates and missing values are texts.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    anything = AnyType()  # type: ignore[no-untyped-call]

    def column(given: InputColumn) -> Any:
        if given.kind != "number":
            return ColSpec(DataType.string, given.name)
        return ColSpec(anything if given.whole else DataType.double, given.name)

    inputs = model.inputs
    if inputs.shape is not None:
        taken = Schema([TensorSpec(np.dtype("float64"), (-1, *inputs.shape))])
    else:
        taken = Schema([column(each) for each in inputs.columns])
    names = column_names(model)
    types = [_output_type(model), *[DataType.double] * (len(names) - 1)]
    given = Schema(
        [ColSpec(type_, name) for type_, name in zip(types, names, strict=True)]
    )
    return ModelSignature(inputs=taken, outputs=given)


def _output_type(model: ExportedModel) -> Any:
    from mlflow.types import DataType

    kinds = {"i": DataType.long, "b": DataType.boolean, "U": DataType.string}
    return DataType.double if model.classes is None else kinds[model.classes.dtype.kind]


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Give a copy of the folder in which no address has a password."""
    with tempfile.TemporaryDirectory(prefix="hpo-") as made:
        copied = Path(made) / "exported"
        shutil.copytree(folder, copied)
        file = copied / STUDY_YAML
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            file.write_text(without_secrets(text), encoding="utf-8")
        file = copied / MODEL_JSON
        values = json.loads(file.read_text(encoding="utf-8"))
        for key in ("spec", "notes", "params"):
            values[key] = _masked(values.get(key))
        file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        yield copied


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {name: _masked(each) for name, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value


@contextmanager
def _quiet(uri: str) -> Iterator[None]:
    """Point MLflow's functions to an address, without what they would print or copy."""
    import mlflow

    logger = logging.getLogger("mlflow")
    level, before = logger.level, mlflow.get_tracking_uri()
    # Otherwise it takes along a project file that happens to lie in this folder.
    os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"
    logger.setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        logger.setLevel(level)
